//! A picture of XRGB8888 pixels and smooth shapes on it. Coordinates are in pixels; a shape's
//! edges may lie between them.

/// A colour: red, green, blue.
pub(super) type Rgb = [u8; 3];

/// A picture, rows without gaps, bytes B, G, R and an unused one.
#[derive(Debug, Clone)]
pub(super) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    /// A black picture.
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            pixels: vec![0; width * height * 4],
        }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn height(&self) -> usize {
        self.height
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.pixels
    }

    /// Copies another picture of the same size.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.pixels.copy_from_slice(&other.pixels);
    }

    /// Gives a pixel a colour; nothing happens outside of the picture.
    pub(super) fn set(&mut self, x: usize, y: usize, [red, green, blue]: Rgb) {
        if x < self.width
            && let Some(pixel) = self.pixel(x, y)
        {
            pixel.copy_from_slice(&[blue, green, red, 0]);
        }
    }

    /// Mixes a colour into a pixel; 1 covers it.
    pub(super) fn mix(&mut self, x: usize, y: usize, colour: Rgb, coverage: f32) {
        if x >= self.width || coverage <= 0.0 {
            return;
        }
        let [red, green, blue] = colour;
        if let Some(pixel) = self.pixel(x, y) {
            for (old, new) in pixel.iter_mut().zip([blue, green, red]) {
                *old = blend(*old, new, coverage.min(1.0));
            }
        }
    }

    /// Fills pixels from one corner to the other, which is not part of it.
    pub(super) fn fill(&mut self, from: (usize, usize), to: (usize, usize), colour: Rgb) {
        for y in from.1..to.1.min(self.height) {
            for x in from.0..to.0.min(self.width) {
                self.set(x, y, colour);
            }
        }
    }

    /// Mixes a colour into a shape given by the distance to its edge (negative inside), which is
    /// asked for inside the box only.
    pub(super) fn shape(
        &mut self,
        area: Area,
        colour: Rgb,
        opacity: f32,
        distance: impl Fn(f32, f32) -> f32,
    ) {
        let [left, right] = [area.left - 1.0, area.right + 1.0].map(index);
        let [top, bottom] = [area.top - 1.0, area.bottom + 1.0].map(index);
        for y in top..bottom.min(self.height) {
            for x in left..right.min(self.width) {
                let coverage = 0.5 - distance(centre(x), centre(y));
                self.mix(x, y, colour, coverage.clamp(0.0, 1.0) * opacity);
            }
        }
    }

    /// A rectangle with round corners.
    pub(super) fn panel(&mut self, area: Area, radius: f32, colour: Rgb, opacity: f32) {
        self.shape(area, colour, opacity, |x, y| area.distance(x, y, radius));
    }

    /// The frame of such a rectangle, `thick` pixels inwards.
    pub(super) fn frame(&mut self, area: Area, radius: f32, thick: f32, colour: Rgb) {
        self.shape(area, colour, 1.0, |x, y| {
            let distance = area.distance(x, y, radius);
            distance.max(-distance - thick)
        });
    }

    /// A disc.
    pub(super) fn disc(&mut self, (x0, y0): (f32, f32), radius: f32, colour: Rgb, opacity: f32) {
        let area = Area::around((x0, y0), radius);
        self.shape(area, colour, opacity, |x, y| {
            (x - x0).hypot(y - y0) - radius
        });
    }

    /// A ring, `thick` pixels inwards from its radius.
    pub(super) fn ring(&mut self, (x0, y0): (f32, f32), radius: f32, thick: f32, colour: Rgb) {
        let area = Area::around((x0, y0), radius);
        self.shape(area, colour, 1.0, |x, y| {
            let distance = (x - x0).hypot(y - y0) - radius;
            distance.max(-distance - thick)
        });
    }

    /// A line with round ends.
    pub(super) fn line(&mut self, from: (f32, f32), to: (f32, f32), thick: f32, colour: Rgb) {
        let half = thick / 2.0;
        let area = Area {
            left: from.0.min(to.0) - half,
            top: from.1.min(to.1) - half,
            right: from.0.max(to.0) + half,
            bottom: from.1.max(to.1) + half,
        };
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let square = (dx * dx + dy * dy).max(f32::EPSILON);
        self.shape(area, colour, 1.0, |x, y| {
            let along = (((x - from.0) * dx + (y - from.1) * dy) / square).clamp(0.0, 1.0);
            (x - from.0 - along * dx).hypot(y - from.1 - along * dy) - half
        });
    }

    fn pixel(&mut self, x: usize, y: usize) -> Option<&mut [u8]> {
        let start = 4 * (y * self.width + x);
        self.pixels.get_mut(start..start + 4)
    }
}

/// A rectangle between pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) right: f32,
    pub(super) bottom: f32,
}

impl Area {
    pub(super) fn new(left: f32, top: f32, width: f32, height: f32) -> Self {
        Self {
            left,
            top,
            right: left + width,
            bottom: top + height,
        }
    }

    fn around((x, y): (f32, f32), radius: f32) -> Self {
        Self::new(x - radius, y - radius, 2.0 * radius, 2.0 * radius)
    }

    /// Distance to the edge, corners rounded; negative inside.
    pub(super) fn distance(&self, x: f32, y: f32, radius: f32) -> f32 {
        let beyond_x = (self.left + radius - x).max(x - self.right + radius);
        let beyond_y = (self.top + radius - y).max(y - self.bottom + radius);
        beyond_x.max(0.0).hypot(beyond_y.max(0.0)) + beyond_x.max(beyond_y).min(0.0) - radius
    }
}

/// The middle of a pixel.
#[expect(
    clippy::cast_precision_loss,
    reason = "pictures are narrower than 2^24 pixels"
)]
pub(super) fn centre(index: usize) -> f32 {
    index as f32 + 0.5
}

/// The pixel that a place is in; 0 left of the picture.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float's conversion stops at both ends, which is what clipping needs"
)]
pub(super) fn index(place: f32) -> usize {
    place as usize
}

/// Between two colours; 0 is the first.
pub(super) fn between(from: Rgb, to: Rgb, share: f32) -> Rgb {
    let mut out = from;
    for (out, new) in out.iter_mut().zip(to) {
        *out = blend(*out, new, share.clamp(0.0, 1.0));
    }
    out
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between two bytes there are only bytes"
)]
fn blend(old: u8, new: u8, share: f32) -> u8 {
    let (old, new) = (f32::from(old), f32::from(new));
    (old + (new - old) * share + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(canvas: &Canvas, x: usize, y: usize) -> Rgb {
        let start = 4 * (y * canvas.width() + x);
        let [blue, green, red] = canvas.bytes()[start..start + 3].try_into().unwrap();
        [red, green, blue]
    }

    #[test]
    fn a_shape_covers_whole_pixels_inside_and_parts_at_its_edge() {
        let mut canvas = Canvas::new(20, 20);
        canvas.disc((10.0, 10.0), 5.0, [200, 100, 50], 1.0);
        assert_eq!(at(&canvas, 10, 10), [200, 100, 50]);
        assert_eq!(at(&canvas, 2, 2), [0, 0, 0]);
        let rim = at(&canvas, 13, 13);
        assert!(rim[0] > 0 && rim[0] < 200, "{rim:?}");
    }

    #[test]
    fn drawing_outside_of_the_picture_does_nothing() {
        let mut canvas = Canvas::new(4, 4);
        canvas.disc((-20.0, -20.0), 3.0, [255; 3], 1.0);
        canvas.line((-5.0, 30.0), (50.0, 30.0), 2.0, [255; 3]);
        canvas.panel(Area::new(10.0, 10.0, 5.0, 5.0), 1.0, [255; 3], 1.0);
        canvas.fill((3, 3), (9, 9), [9; 3]);
        canvas.set(4, 0, [9; 3]);
        assert_eq!(canvas.bytes().iter().filter(|&&byte| byte != 0).count(), 3);
    }

    #[test]
    fn a_frame_leaves_its_inside_alone() {
        let mut canvas = Canvas::new(16, 16);
        canvas.frame(Area::new(2.0, 2.0, 12.0, 12.0), 0.0, 1.0, [255; 3]);
        assert_eq!(at(&canvas, 2, 8), [255; 3]);
        assert_eq!(at(&canvas, 13, 8), [255; 3]);
        assert_eq!(at(&canvas, 3, 8), [0; 3]);
        assert_eq!(at(&canvas, 8, 8), [0; 3]);
        assert_eq!(at(&canvas, 1, 8), [0; 3]);
    }
}
