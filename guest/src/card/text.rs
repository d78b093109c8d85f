//! Text in any size: the bitmap font of `embedded-graphics`, enlarged with smooth edges.

use std::collections::HashMap;

use embedded_graphics::{
    Drawable, Pixel,
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Point, Size},
    mono_font::{MonoTextStyle, iso_8859_1::FONT_10X20},
    pixelcolor::BinaryColor,
    text::{Baseline, Text},
};

use super::canvas::{Canvas, Rgb, centre, index};

/// Width of a letter of the font, in its own pixels.
const CELL_WIDTH: usize = 10;
/// Height of a letter of the font, in its own pixels.
const CELL_HEIGHT: usize = 20;

/// A letter as the font has it: which pixels are ink.
struct Cell([bool; CELL_WIDTH * CELL_HEIGHT]);

/// A letter in one size: how much ink each pixel gets.
#[derive(Debug)]
struct Glyph {
    width: usize,
    coverage: Vec<f32>,
}

/// Letters that were enlarged already.
#[derive(Debug, Default)]
pub(super) struct Letters {
    glyphs: HashMap<(char, u32), Glyph>,
}

impl Letters {
    /// Width of a text whose letters are `size` times the font's, in pixels.
    pub(super) fn width(text: &str, size: f32) -> f32 {
        centre(text.chars().count() * CELL_WIDTH) * size - 0.5 * size
    }

    /// Draws a text from its top left corner on.
    pub(super) fn draw(
        &mut self,
        canvas: &mut Canvas,
        text: &str,
        (left, top): (f32, f32),
        size: f32,
        colour: Rgb,
    ) {
        let mut at = left;
        for letter in text.chars() {
            let glyph = self
                .glyphs
                .entry((letter, size.to_bits()))
                .or_insert_with(|| enlarge(&cell_of(letter), size));
            let rows = glyph.coverage.chunks_exact(glyph.width.max(1));
            for (y, row) in rows.enumerate() {
                for (x, &coverage) in row.iter().enumerate() {
                    canvas.mix(index(at) + x, index(top) + y, colour, coverage);
                }
            }
            at += centre(CELL_WIDTH) * size - 0.5 * size;
        }
    }
}

fn cell_of(letter: char) -> Cell {
    let mut cell = Cell([false; CELL_WIDTH * CELL_HEIGHT]);
    let mut buffer = [0; 4];
    let style = MonoTextStyle::new(&FONT_10X20, BinaryColor::On);
    let text = Text::with_baseline(
        letter.encode_utf8(&mut buffer),
        Point::zero(),
        style,
        Baseline::Top,
    );
    // Drawing into a cell can't fail.
    match text.draw(&mut cell) {
        Ok(_) => cell,
        Err(never) => match never {},
    }
}

/// Samples the letter between its pixels and draws the edge where it is half ink: corners get
/// round instead of jagged. In the font's own size nothing changes.
fn enlarge(cell: &Cell, size: f32) -> Glyph {
    let width = index(centre(CELL_WIDTH) * size);
    let height = index(centre(CELL_HEIGHT) * size);
    let mut coverage = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let ink = cell.sample(centre(x) / size - 0.5, centre(y) / size - 0.5);
            let sharp = (ink - 0.5) * size.max(1.0) + 0.5;
            coverage.push(sharp.clamp(0.0, 1.0));
        }
    }
    Glyph { width, coverage }
}

impl Cell {
    /// Ink at a place between pixels' centres.
    fn sample(&self, x: f32, y: f32) -> f32 {
        let (left, top) = (x.floor(), y.floor());
        let (right_share, lower_share) = (x - left, y - top);
        let upper = mix(self.ink(left, top), self.ink(left + 1.0, top), right_share);
        let lower = mix(
            self.ink(left, top + 1.0),
            self.ink(left + 1.0, top + 1.0),
            right_share,
        );
        mix(upper, lower, lower_share)
    }

    fn ink(&self, x: f32, y: f32) -> f32 {
        if x < 0.0 || y < 0.0 || index(x) >= CELL_WIDTH {
            return 0.0;
        }
        let ink = self
            .0
            .get(index(y) * CELL_WIDTH + index(x))
            .copied()
            .unwrap_or(false);
        f32::from(u8::from(ink))
    }
}

fn mix(from: f32, to: f32, share: f32) -> f32 {
    from + (to - from) * share
}

impl OriginDimensions for Cell {
    fn size(&self) -> Size {
        Size::new(10, 20)
    }
}

impl DrawTarget for Cell {
    type Color = BinaryColor;
    type Error = std::convert::Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Self::Error>
    where
        I: IntoIterator<Item = Pixel<BinaryColor>>,
    {
        for Pixel(Point { x, y }, colour) in pixels {
            let place = usize::try_from(x).ok().zip(usize::try_from(y).ok());
            if let Some((x, y)) = place
                && x < CELL_WIDTH
                && let Some(ink) = self.0.get_mut(y * CELL_WIDTH + x)
            {
                *ink = colour.is_on();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ink(canvas: &Canvas) -> usize {
        canvas
            .bytes()
            .chunks_exact(4)
            .filter(|pixel| pixel[0] > 127)
            .count()
    }

    fn drawn(text: &str, size: f32) -> Canvas {
        let mut canvas = Canvas::new(400, 100);
        Letters::default().draw(&mut canvas, text, (0.0, 0.0), size, [255; 3]);
        canvas
    }

    #[test]
    fn in_its_own_size_the_font_is_not_changed() {
        let canvas = drawn("A", 1.0);
        let cell = cell_of('A');
        for y in 0..CELL_HEIGHT {
            for x in 0..CELL_WIDTH {
                let wanted = if cell.0[y * CELL_WIDTH + x] { 255 } else { 0 };
                assert_eq!(canvas.bytes()[4 * (y * 400 + x)], wanted, "{x}, {y}");
            }
        }
    }

    #[test]
    fn a_text_twice_as_large_has_four_times_the_ink() {
        let (small, large) = (ink(&drawn("Frame 08", 1.0)), ink(&drawn("Frame 08", 2.0)));
        assert!(small > 200);
        let ratio =
            f64::from(u32::try_from(large).unwrap()) / f64::from(u32::try_from(small).unwrap());
        assert!((3.4..4.4).contains(&ratio), "{ratio}");
    }

    #[test]
    fn letters_differ_and_the_multiplication_sign_is_in_the_font() {
        for (one, other) in [("0", "8"), ("l", "1"), ("\u{d7}", "?")] {
            assert!(
                drawn(one, 1.0).bytes() != drawn(other, 1.0).bytes(),
                "{one} {other}"
            );
        }
        assert!(ink(&drawn("\u{d7}", 1.0)) > 0);
    }

    #[test]
    fn a_text_is_as_wide_as_its_letters() {
        assert!((Letters::width("12345", 2.0) - 100.0).abs() < 0.01);
    }
}
