//! The demo's pointer image: an arrow with a dark rim.

use protocols::virtio_gpu::CURSOR_SIZE;

/// The pixel of [`pointer_image`] that points.
pub const POINTER_HOT: (u32, u32) = (2, 2);

/// The arrow's corners, in pixels, from its tip on.
const CORNERS: [(f32, f32); 7] = [
    (2.0, 2.0),
    (2.0, 33.0),
    (9.5, 26.0),
    (15.0, 38.0),
    (20.5, 35.5),
    (15.0, 24.0),
    (25.0, 24.0),
];

/// An arrow of 64×64 pixels, bytes B, G, R, A, premultiplied.
#[must_use]
pub fn pointer_image() -> Vec<u8> {
    let side = u8::try_from(CURSOR_SIZE).unwrap_or(64);
    let mut bytes = Vec::new();
    for y in 0..side {
        for x in 0..side {
            let (x, y) = (f32::from(x) + 0.5, f32::from(y) + 0.5);
            let distance = distance(x, y);
            // Inside the arrow is amber, then comes a rim of two pixels.
            let fill = (0.5 - distance).clamp(0.0, 1.0);
            let cover = (2.5 - distance).clamp(0.0, 1.0);
            for colour in [92.0, 190.0, 255.0] {
                bytes.push(byte((24.0 + (colour - 24.0) * fill) * cover));
            }
            bytes.push(byte(255.0 * cover));
        }
    }
    bytes
}

/// Distance to the arrow's edge; negative inside.
fn distance(x: f32, y: f32) -> f32 {
    let mut nearest = f32::INFINITY;
    let mut inside = false;
    let next = CORNERS.iter().cycle().skip(1);
    for (&(x0, y0), &(x1, y1)) in CORNERS.iter().zip(next) {
        let (dx, dy) = (x1 - x0, y1 - y0);
        let along = (((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
        nearest = nearest.min((x - x0 - along * dx).hypot(y - y0 - along * dy));
        if (y0 > y) != (y1 > y) && x < x0 + dx * (y - y0) / dy {
            inside = !inside;
        }
    }
    if inside { -nearest } else { nearest }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the number is between 0 and 255"
)]
fn byte(number: f32) -> u8 {
    (number + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arrow_is_premultiplied_and_points_with_its_tip() {
        let image = pointer_image();
        assert_eq!(image.len(), 64 * 64 * 4);
        for pixel in image.chunks_exact(4) {
            assert!(
                pixel[..3].iter().all(|&colour| colour <= pixel[3]),
                "{pixel:?}"
            );
        }
        let alpha = |x: usize, y: usize| image[4 * (y * 64 + x) + 3];
        assert_eq!(alpha(2, 2), 255, "the tip");
        assert_eq!(alpha(8, 16), 255, "the inside");
        assert_eq!(alpha(40, 40), 0, "the outside");
        assert_eq!(alpha(63, 0), 0);
    }
}
