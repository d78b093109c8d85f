//! Pixels of title bars: plain shapes and letters, and how they become buffers.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::AsFd as _,
};

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _, point};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use wayland_client::{
    Dispatch,
    protocol::{wl_buffer::WlBuffer, wl_shm},
};

use super::pieces::Maker;
use crate::display::wayland::{State, window::pixels};

/// Bytes of a pixel.
const PIXEL: u32 = 4;

/// Red, green and blue.
pub(super) type Rgb = [u8; 3];

/// A picture that is being drawn, with premultiplied alpha.
#[derive(Debug)]
pub(super) struct Canvas {
    width: u32,
    height: u32,
    /// B, G, R, A.
    bytes: Vec<u8>,
}

/// A rectangle of a canvas, in pixels and parts of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) right: f32,
    pub(super) bottom: f32,
}

impl Canvas {
    /// An empty picture: all of it is transparent.
    pub(super) fn new(width: u32, height: u32) -> Self {
        let bytes = u64::from(width) * u64::from(height) * u64::from(PIXEL);
        Self {
            width,
            height,
            bytes: vec![0; usize::try_from(bytes).unwrap_or(0)],
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Lays colour over a pixel; `ink` is how much of it, 0 to 1.
    fn blend(&mut self, x: i64, y: i64, colour: Rgb, ink: f32) {
        let inside =
            (0..i64::from(self.width)).contains(&x) && (0..i64::from(self.height)).contains(&y);
        let index = usize::try_from((y * i64::from(self.width) + x) * i64::from(PIXEL));
        let (true, Ok(index)) = (inside, index) else {
            return;
        };
        let Some([blue, green, red, alpha]) = self
            .bytes
            .get_mut(index..)
            .and_then(|rest| rest.first_chunk_mut())
        else {
            return;
        };
        let ink = ink.clamp(0.0, 1.0);
        let mix = |below: &mut u8, over: u8| {
            let mixed = f32::from(over) * ink + f32::from(*below) * (1.0 - ink);
            *below = level(mixed);
        };
        let [r, g, b] = colour;
        mix(red, r);
        mix(green, g);
        mix(blue, b);
        mix(alpha, u8::MAX);
    }

    /// Fills an area, whose corners have these radii: the upper ones, the lower ones.
    pub(super) fn fill(&mut self, area: Area, radii: (f32, f32), colour: Rgb) {
        let (columns, rows) = (span(area.left, area.right), span(area.top, area.bottom));
        for y in rows {
            for x in columns.clone() {
                let ink = area.covers(middle(x), middle(y), radii);
                if ink > 0.0 {
                    self.blend(x, y, colour, ink);
                }
            }
        }
    }

    /// Draws a line of this width.
    pub(super) fn line(&mut self, from: (f32, f32), to: (f32, f32), wide: f32, colour: Rgb) {
        let reach = wide / 2.0 + 1.0;
        let columns = span(from.0.min(to.0) - reach, from.0.max(to.0) + reach);
        let rows = span(from.1.min(to.1) - reach, from.1.max(to.1) + reach);
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = (dx * dx + dy * dy).max(f32::EPSILON);
        for y in rows {
            for x in columns.clone() {
                let (px, py) = (middle(x) - from.0, middle(y) - from.1);
                let along = ((px * dx + py * dy) / length).clamp(0.0, 1.0);
                let distance = (px - along * dx).hypot(py - along * dy);
                self.blend(x, y, colour, wide / 2.0 - distance + 0.5);
            }
        }
    }

    /// Writes a text in the middle of an area, of an em of so many pixels. What does not fit is
    /// cut, with a mark.
    pub(super) fn write(&mut self, text: &str, area: Area, em: f32, font: &[u8], colour: Rgb) {
        let Ok(font) = FontRef::try_from_slice(font) else {
            return;
        };
        let units = font.units_per_em().unwrap_or(1.0);
        let scale = PxScale::from(em * font.height_unscaled() / units);
        let sized = font.as_scaled(scale);
        let width = |text: &str| -> f32 {
            let letters = text.chars();
            letters
                .map(|letter| sized.h_advance(font.glyph_id(letter)))
                .sum()
        };
        let text = cut(text, area.right - area.left, width);
        let mut left = (area.left + area.right - width(&text)) / 2.0;
        let middle = (area.top + area.bottom) / 2.0;
        let baseline = (middle + (sized.ascent() + sized.descent()) / 2.0).round();
        for letter in text.chars() {
            let id = font.glyph_id(letter);
            let glyph = id.with_scale_and_position(scale, point(left, baseline));
            left += sized.h_advance(id);
            // Spaces have none.
            let Some(outline) = font.outline_glyph(glyph) else {
                continue;
            };
            let corner = outline.px_bounds().min;
            let (x0, y0) = (whole(corner.x), whole(corner.y));
            outline.draw(|x, y, ink| self.blend(x0 + i64::from(x), y0 + i64::from(y), colour, ink));
        }
    }
}

impl Area {
    /// How much of a pixel is in the area, by its middle: 0 to 1.
    fn covers(&self, x: f32, y: f32, (upper, lower): (f32, f32)) -> f32 {
        let centre = (
            (self.left + self.right) / 2.0,
            (self.top + self.bottom) / 2.0,
        );
        let radius = if y < centre.1 { upper } else { lower };
        let (half_wide, half_high) = (
            (self.right - self.left) / 2.0 - radius,
            (self.bottom - self.top) / 2.0 - radius,
        );
        // How far outside of the rectangle of the corners' centres it is.
        let (dx, dy) = (
            (x - centre.0).abs() - half_wide,
            (y - centre.1).abs() - half_high,
        );
        let outside = dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0);
        (0.5 - (outside - radius)).clamp(0.0, 1.0)
    }
}

/// As much of a text as is at most so wide.
fn cut(text: &str, most: f32, width: impl Fn(&str) -> f32) -> String {
    /// Ends a text that was cut.
    const MARK: char = '\u{2026}';
    if width(text) <= most {
        return text.to_owned();
    }
    let mut letters: Vec<char> = text.chars().collect();
    while letters.pop().is_some() {
        let shorter: String = letters.iter().copied().chain([MARK]).collect();
        if width(&shorter) <= most {
            return shorter;
        }
    }
    String::new()
}

/// Makes a buffer of pixels, of 4 bytes each, that never change again.
pub(super) fn buffer<U>(
    bytes: &[u8],
    (width, height): (u32, u32),
    format: wl_shm::Format,
    mark: U,
    maker: &Maker<'_>,
) -> io::Result<WlBuffer>
where
    U: Send + Sync + 'static,
    State: Dispatch<WlBuffer, U>,
{
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = memfd_create("lucarne-border", flags)?;
    let mut file = File::from(fd);
    file.write_all(bytes)?;
    // Spares the host from guarding against a shrinking file.
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::SEAL)?;
    let size = i32::try_from(bytes.len()).map_err(io::Error::other)?;
    let (globals, handle) = (maker.globals, maker.handle);
    let pool = globals.shm.create_pool(file.as_fd(), size, handle, ());
    let (wide, high) = (pixels(width), pixels(height));
    let stride = pixels(width.saturating_mul(PIXEL));
    let buffer = pool.create_buffer(0, wide, high, stride, format, handle, mark);
    pool.destroy();
    Ok(buffer)
}

/// The pixels that a range touches.
fn span(from: f32, to: f32) -> std::ops::Range<i64> {
    whole(from)..whole(to.ceil())
}

/// The middle of a pixel.
#[expect(clippy::cast_precision_loss, reason = "pictures are small")]
fn middle(pixel: i64) -> f32 {
    pixel as f32 + 0.5
}

#[expect(clippy::cast_possible_truncation, reason = "saturates")]
fn whole(place: f32) -> i64 {
    place.floor() as i64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates"
)]
fn level(value: f32) -> u8 {
    value.round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alphas(canvas: &Canvas) -> Vec<u8> {
        canvas.bytes().iter().skip(3).step_by(4).copied().collect()
    }

    fn area(left: f32, top: f32, right: f32, bottom: f32) -> Area {
        Area {
            left,
            top,
            right,
            bottom,
        }
    }

    #[test]
    fn filled_areas_end_at_their_edges() {
        let mut canvas = Canvas::new(4, 3);
        canvas.fill(area(1.0, 1.0, 3.0, 2.0), (0.0, 0.0), [255, 0, 0]);
        assert_eq!(alphas(&canvas), [0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0, 0]);
        assert_eq!(canvas.bytes()[5 * 4..6 * 4], [0, 0, 255, 255]);
    }

    #[test]
    fn round_corners_are_transparent_and_the_others_are_not() {
        let mut canvas = Canvas::new(20, 20);
        canvas.fill(area(0.0, 0.0, 20.0, 20.0), (8.0, 0.0), [9, 9, 9]);
        let alphas = alphas(&canvas);
        assert_eq!((alphas[0], alphas[19]), (0, 0));
        assert_eq!((alphas[19 * 20], alphas[19 * 20 + 19]), (255, 255));
        assert_eq!(alphas[10], 255);
    }

    #[test]
    fn drawing_beside_the_canvas_does_nothing() {
        let mut canvas = Canvas::new(4, 4);
        canvas.line((-50.0, -50.0), (-10.0, -10.0), 2.0, [1; 3]);
        canvas.fill(area(10.0, -9.0, 90.0, -1.0), (3.0, 3.0), [1; 3]);
        canvas.write("a", area(50.0, 50.0, 90.0, 90.0), 12.0, b"no font", [1; 3]);
        assert_eq!(alphas(&canvas), [0; 16]);
    }

    #[test]
    fn long_texts_are_cut_with_a_mark() {
        let width = |text: &str| f32::from(u8::try_from(text.chars().count()).unwrap());
        assert_eq!(cut("abcdef", 6.0, width), "abcdef");
        assert_eq!(cut("abcdefg", 6.0, width), "abcde\u{2026}");
        assert_eq!(cut("abc", 0.5, width), "");
        assert_eq!(cut("", 0.0, width), "");
    }
}
