//! A picture in memory, and what can be drawn into it: areas, text and outlines.
//!
//! Pure: nothing here knows guests, outputs or Wayland.

pub(super) mod outline;
pub(super) mod text;

/// Red, green and blue.
pub(super) type Rgb = [u8; 3];

/// Bytes of a pixel.
pub(super) const PIXEL: usize = 4;

/// A picture, as `DRM_FORMAT_ARGB8888` without gaps between rows: bytes blue, green, red, alpha;
/// colours are multiplied with alpha.
///
/// Memory is taken for the rows from the first to the last that something was drawn into. A monitor's
/// worth of pixels takes the system longer to hand out than it takes to draw what a sign says.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    /// Pixels.
    width: usize,
    /// Pixels.
    height: usize,
    /// A row into which nothing was drawn.
    blank: Vec<u8>,
    /// The first row that is in `bytes`.
    top: usize,
    bytes: Vec<u8>,
}

impl PartialEq for Picture {
    fn eq(&self, other: &Self) -> bool {
        self.width == other.width && self.rows().eq(other.rows())
    }
}

/// A rectangle of a picture, in pixels. What lies outside of the picture is not drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Area {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Area {
    pub(super) fn new(left: usize, top: usize, width: usize, height: usize) -> Self {
        Self {
            left,
            top,
            width,
            height,
        }
    }

    pub(super) fn right(self) -> usize {
        self.left.saturating_add(self.width)
    }

    pub(super) fn bottom(self) -> usize {
        self.top.saturating_add(self.height)
    }

    /// What is left when each side gives something up.
    pub(super) fn without(self, margin: usize) -> Self {
        Self {
            left: self.left + margin,
            top: self.top + margin,
            width: self.width.saturating_sub(2 * margin),
            height: self.height.saturating_sub(2 * margin),
        }
    }
}

impl Picture {
    /// An opaque picture of one colour; at least one pixel.
    pub(super) fn new(width: usize, height: usize, colour: Rgb) -> Self {
        Self::of(width, height, opaque(colour))
    }

    /// A picture in which nothing is to be seen; at least one pixel.
    pub(super) fn transparent(width: usize, height: usize) -> Self {
        Self::of(width, height, [0; PIXEL])
    }

    fn of(width: usize, height: usize, pixel: [u8; PIXEL]) -> Self {
        let width = width.max(1);
        Self {
            width,
            height: height.max(1),
            blank: pixel.repeat(width),
            top: 0,
            bytes: Vec::new(),
        }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn height(&self) -> usize {
        self.height
    }

    /// Its rows, from the top.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[u8]> {
        let drawn = || self.bytes.chunks_exact(self.width * PIXEL);
        let blank = std::iter::repeat(self.blank.as_slice());
        let above = blank.clone().take(self.top);
        above.chain(drawn()).chain(blank).take(self.height)
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.rows().collect::<Vec<_>>().concat()
    }

    /// A row to be drawn into; `None` below the picture.
    fn row(&mut self, y: usize) -> Option<&mut [u8]> {
        if y >= self.height {
            return None;
        }
        let length = self.blank.len();
        if self.bytes.is_empty() {
            self.top = y;
            // Only what is written of it takes memory.
            self.bytes.reserve_exact((self.height - y) * length);
        }
        if y < self.top {
            let above = self.blank.repeat(self.top - y);
            self.bytes.splice(0..0, above);
            self.top = y;
        }
        let start = (y - self.top) * length;
        while self.bytes.len() <= start {
            self.bytes.extend_from_slice(&self.blank);
        }
        self.bytes.get_mut(start..start + length)
    }

    /// Paints an area.
    pub(super) fn fill(&mut self, area: Area, colour: Rgb) {
        let right = area.right().min(self.width);
        let bottom = area.bottom().min(self.height);
        if area.left >= right || area.top >= bottom {
            return;
        }
        let painted = opaque(colour).repeat(right - area.left);
        for y in area.top..bottom {
            if let Some(row) = self.row(y) {
                row[area.left * PIXEL..right * PIXEL].copy_from_slice(&painted);
            }
        }
    }

    /// Paints the edge of an area, on its inside.
    pub(super) fn frame(&mut self, area: Area, thickness: usize, colour: Rgb) {
        let (across, down) = (area.width.min(thickness), area.height.min(thickness));
        let lower = area.bottom() - down;
        let right = area.right() - across;
        self.fill(Area::new(area.left, area.top, area.width, down), colour);
        self.fill(Area::new(area.left, lower, area.width, down), colour);
        self.fill(Area::new(area.left, area.top, across, area.height), colour);
        self.fill(Area::new(right, area.top, across, area.height), colour);
    }

    /// Covers parts of the pixels from one on to the right: for each from 0 for none of it to 255 for
    /// all of it.
    pub(super) fn cover(&mut self, (x, y): (usize, usize), coverage: &[u8], colour: Rgb) {
        if x >= self.width {
            return;
        }
        let Some(row) = self.row(y) else {
            return;
        };
        let above = opaque(colour);
        let pixels = row[x * PIXEL..].chunks_exact_mut(PIXEL);
        for (pixel, &coverage) in pixels.zip(coverage) {
            match coverage {
                0 => {}
                u8::MAX => pixel.copy_from_slice(&above),
                _ => {
                    for (below, above) in pixel.iter_mut().zip(above) {
                        *below = mix(*below, above, coverage);
                    }
                }
            }
        }
    }
}

fn opaque([red, green, blue]: Rgb) -> [u8; PIXEL] {
    [blue, green, red, 255]
}

/// `above` over `below`, by `coverage` of 255 parts.
fn mix(below: u8, above: u8, coverage: u8) -> u8 {
    let covered = u32::from(above) * u32::from(coverage);
    let seen = u32::from(below) * u32::from(255 - coverage);
    // At most 255 * 255 before the division.
    u8::try_from((covered + seen + 127) / 255).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(picture: &Picture, x: usize, y: usize) -> &[u8] {
        let row = picture.rows().nth(y).unwrap();
        &row[x * PIXEL..][..PIXEL]
    }

    #[test]
    fn drawing_outside_of_the_picture_does_nothing() {
        let mut picture = Picture::new(4, 3, [1, 2, 3]);
        let before = picture.clone();
        picture.fill(Area::new(4, 0, 9, 9), [9; 3]);
        picture.fill(Area::new(0, usize::MAX, usize::MAX, 1), [9; 3]);
        picture.cover((4, 0), &[255], [9; 3]);
        picture.cover((0, 3), &[255], [9; 3]);
        assert_eq!(picture, before);
        picture.cover((3, 0), &[0, 255], [9; 3]);
        assert_eq!(picture, before);
        picture.fill(Area::new(3, 2, 9, 9), [9; 3]);
        assert_eq!(at(&picture, 3, 2), [9, 9, 9, 255]);
        assert_eq!(at(&picture, 2, 2), [3, 2, 1, 255]);
    }

    #[test]
    fn rows_may_be_drawn_in_any_order() {
        let mut picture = Picture::new(2, 9, [1; 3]);
        for (y, level) in [(4, 4), (2, 2), (7, 7)] {
            picture.fill(Area::new(0, y, 1, 1), [level; 3]);
        }
        let column: Vec<u8> = picture.rows().map(|row| row[0]).collect();
        assert_eq!(column, [1, 1, 2, 1, 4, 1, 1, 7, 1]);
        assert!(picture.rows().all(|row| row[PIXEL..] == [1, 1, 1, 255]));

        let mut same = Picture::new(2, 9, [1; 3]);
        same.fill(Area::new(0, 0, 2, 9), [1; 3]);
        assert_eq!(same, Picture::new(2, 9, [1; 3]));
        assert_ne!(same, Picture::new(2, 8, [1; 3]));
    }

    #[test]
    fn a_frame_leaves_its_inside_alone() {
        let mut picture = Picture::new(6, 6, [0; 3]);
        picture.frame(Area::new(1, 1, 4, 4), 1, [255; 3]);
        for (x, y, wanted) in [(1, 1, 255), (4, 4, 255), (2, 2, 0), (3, 3, 0), (0, 0, 0)] {
            assert_eq!(at(&picture, x, y)[0], wanted, "{x}, {y}");
        }
    }

    #[test]
    fn a_pixel_that_is_covered_in_part_is_a_mixture() {
        let mut picture = Picture::new(1, 1, [0, 0, 200]);
        picture.cover((0, 0), &[51], [255, 0, 0]);
        assert_eq!(at(&picture, 0, 0), [160, 0, 51, 255]);
        let mut picture = Picture::transparent(1, 1);
        picture.cover((0, 0), &[51], [255, 255, 255]);
        assert_eq!(at(&picture, 0, 0), [51; 4], "colours are multiplied");
    }
}
