//! Test pictures that can be checked pixel for pixel. Every pixel depends on its column, its row
//! and the frame, so that a wrong stride, offset, crop, byte order or frame shows.

use protocols::virtio_gpu::Format;
use thiserror::Error;

/// Red, green and blue of the pixel at column `x`, row `y` of a frame.
#[must_use]
pub fn pixel(x: u32, y: u32, frame: u32) -> [u8; 3] {
    // Columns step red by 3 and rows green by 5, so that neighbours always differ; the tiles in
    // blue tell apart what repeats every 256 pixels.
    let tile = (x >> 6).wrapping_mul(7) ^ (y >> 6).wrapping_mul(13);
    [
        low(x.wrapping_mul(3).wrapping_add(y >> 8)),
        low(y.wrapping_mul(5).wrapping_add(x >> 8)),
        low(tile.wrapping_mul(29).wrapping_add(frame.wrapping_mul(37))),
    ]
}

/// The picture of a frame: rows without gaps, in a format's byte order. The unused byte or the
/// alpha channel holds rubbish, since nobody may look at it on a scanout.
#[must_use]
pub fn image(format: Format, width: u32, height: u32, frame: u32) -> Vec<u8> {
    let [blue, green, red, unused] = format.bgra_bytes();
    let mut bytes = Vec::with_capacity(4 * area(width, height));
    for y in 0..height {
        for x in 0..width {
            let [r, g, b] = pixel(x, y, frame);
            let mut out = [0; 4];
            out[red] = r;
            out[green] = g;
            out[blue] = b;
            out[unused] = low(x ^ y ^ frame);
            bytes.extend_from_slice(&out);
        }
    }
    bytes
}

/// Where a picture is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Difference {
    /// It has another number of bytes.
    #[error("The picture has {got} bytes instead of {wanted}")]
    Size {
        /// Bytes there.
        got: usize,
        /// Bytes that its width and height make.
        wanted: usize,
    },
    /// Pixels differ.
    #[error(
        "{count} pixels differ, the first at column {x}, row {y}: {got:?} instead of {wanted:?}"
    )]
    Pixels {
        /// How many.
        count: usize,
        /// Column of the first.
        x: u32,
        /// Row of the first.
        y: u32,
        /// Red, green and blue there.
        got: [u8; 3],
        /// What they should be.
        wanted: [u8; 3],
    },
}

/// Compares a screenshot (bytes R, G, B, A; alpha is not looked at) with a frame's picture.
///
/// # Errors
/// Where they differ.
pub fn check(rgba: &[u8], width: u32, height: u32, frame: u32) -> Result<(), Difference> {
    compare(rgba, width, height, |x, y| pixel(x, y, frame))
}

/// Compares a screenshot (bytes R, G, B, A; alpha is not looked at) with what each pixel should
/// be.
///
/// # Errors
/// Where they differ.
pub fn compare(
    rgba: &[u8],
    width: u32,
    height: u32,
    wanted: impl Fn(u32, u32) -> [u8; 3],
) -> Result<(), Difference> {
    let size = 4 * area(width, height);
    if rgba.len() != size {
        return Err(Difference::Size {
            got: rgba.len(),
            wanted: size,
        });
    }
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let mut wrong = places
        .zip(rgba.chunks_exact(4))
        .filter_map(|((x, y), pixel)| {
            let got = [pixel[0], pixel[1], pixel[2]];
            let wanted = wanted(x, y);
            (got != wanted).then_some((x, y, got, wanted))
        });
    match wrong.next() {
        None => Ok(()),
        Some((x, y, got, wanted)) => Err(Difference::Pixels {
            count: 1 + wrong.count(),
            x,
            y,
            got,
            wanted,
        }),
    }
}

fn area(width: u32, height: u32) -> usize {
    usize::try_from(u64::from(width) * u64::from(height)).unwrap_or(usize::MAX)
}

/// The lowest byte.
fn low(number: u32) -> u8 {
    number.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A screenshot of a picture in a format.
    fn shot(format: Format, image: &[u8]) -> Vec<u8> {
        let [blue, green, red, _] = format.bgra_bytes();
        image
            .chunks_exact(4)
            .flat_map(|p| [p[red], p[green], p[blue], 255])
            .collect()
    }

    #[test]
    fn every_format_shows_the_same_picture() {
        for format in Format::ALL {
            let image = image(format, 300, 200, 9);
            check(&shot(format, &image), 300, 200, 9).unwrap();
        }
    }

    #[test]
    fn a_picture_is_the_same_each_time_and_differs_from_frame_to_frame() {
        let format = Format::Bgrx8888;
        assert!(image(format, 64, 64, 1) == image(format, 64, 64, 1));
        let other = shot(format, &image(format, 64, 64, 2));
        let difference = check(&other, 64, 64, 1).unwrap_err();
        assert!(matches!(
            difference,
            Difference::Pixels {
                count: 4096,
                x: 0,
                y: 0,
                ..
            }
        ));
    }

    #[test]
    fn neighbours_differ_so_that_a_shift_by_one_shows() {
        for (x, y) in [(0, 0), (255, 255), (256, 511), (4095, 2159)] {
            assert_ne!(pixel(x, y, 0), pixel(x + 1, y, 0));
            assert_ne!(pixel(x, y, 0), pixel(x, y + 1, 0));
            assert_ne!(pixel(x, y, 0), pixel(x + 256, y, 0));
        }
    }

    #[test]
    fn one_wrong_pixel_is_found_where_it_is() {
        let format = Format::Rgbx8888;
        let mut rgba = shot(format, &image(format, 10, 10, 0));
        rgba[4 * (7 * 10 + 3)] ^= 1;
        let error = check(&rgba, 10, 10, 0).unwrap_err().to_string();
        assert!(
            error.starts_with("1 pixels differ, the first at column 3, row 7"),
            "{error}"
        );
        assert!(matches!(
            check(&rgba, 10, 11, 0),
            Err(Difference::Size { .. })
        ));
    }
}
