//! Byte orders: the eight formats of virtio-gpu to the one in which pixels are stored.

use protocols::virtio_gpu::Format;

/// Bytes of a pixel in every format of virtio-gpu.
pub const PIXEL: u32 = 4;

/// Turns pixels of a format into B, G, R, A (or unused) byte order, in place. An incomplete last
/// pixel stays as it is.
pub fn to_bgra(format: Format, pixels: &mut [u8]) {
    match format {
        Format::Bgra8888 | Format::Bgrx8888 => {}
        Format::Argb8888 | Format::Xrgb8888 => each_word(pixels, u32::swap_bytes),
        Format::Rgba8888 | Format::Rgbx8888 => each_word(pixels, |word| {
            word & 0xff00_ff00 | (word >> 16) & 0xff | (word & 0xff) << 16
        }),
        Format::Abgr8888 | Format::Xbgr8888 => each_word(pixels, |word| word.rotate_right(8)),
    }
}

/// Changes pixels as little-endian words: a compiler does several of those at a time, where bytes that
/// are moved about go one by one.
fn each_word(pixels: &mut [u8], change: impl Fn(u32) -> u32) {
    let (pixels, _) = pixels.as_chunks_mut::<4>();
    for pixel in pixels {
        *pixel = change(u32::from_le_bytes(*pixel)).to_le_bytes();
    }
}

/// Whether pixels of this format are stored as they come.
pub fn is_stored_as_is(format: Format) -> bool {
    matches!(format, Format::Bgra8888 | Format::Bgrx8888)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_becomes_blue_green_red_alpha() {
        for format in Format::ALL {
            let order = format.bgra_bytes();
            let mut pixels = [0; 9];
            for (value, at) in (1_u8..).zip(order) {
                pixels[at] = value;
                pixels[at + 4] = value + 10;
            }
            to_bgra(format, &mut pixels);
            assert_eq!(pixels, [1, 2, 3, 4, 11, 12, 13, 14, 0], "{format:?}");
            assert_eq!(is_stored_as_is(format), order == [0, 1, 2, 3], "{format:?}");
        }
    }
}
