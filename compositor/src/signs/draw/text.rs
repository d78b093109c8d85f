//! Text in any size, with a font that is compiled in: signs have to be readable on a machine
//! without any fonts.
//!
//! All letters have the same width, so that texts are measured by counting, and a console's lines
//! look as they were meant.

use std::{collections::HashMap, sync::LazyLock};

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _, point};

use super::{Picture, Rgb};

/// DejaVu Sans Mono: the characters of European languages, and those that consoles draw boxes
/// with.
pub(in crate::signs) const FONT_BYTES: &[u8] = include_bytes!("../../../fonts/DejaVuSansMono.ttf");

static FONT: LazyLock<FontRef<'static>> = LazyLock::new(|| {
    FontRef::try_from_slice(FONT_BYTES).expect("the font that is compiled in is one")
});

/// Stands for a character that the font lacks.
const UNKNOWN: char = '?';

/// Ends a text that was cut.
const CUT: char = '…';

/// Writes in one size.
#[derive(Debug)]
pub(in crate::signs) struct Pen {
    scale: PxScale,
    advance: usize,
    line_height: usize,
    /// From the top of a line to the line on which letters stand.
    baseline: f32,
    letters: HashMap<char, Letter>,
}

/// Where a letter has ink.
#[derive(Debug, Default)]
struct Letter(Vec<Stroke>);

/// Pixels next to each other that all have some ink. Most of a letter's box has none.
#[derive(Debug)]
struct Stroke {
    /// From the top left corner of the letter's cell; may be negative, for accents.
    left: isize,
    top: isize,
    /// How much ink each gets.
    coverage: Vec<u8>,
}

impl Pen {
    /// For letters of a size in pixels: what typographers call an em.
    pub(in crate::signs) fn new(em: usize) -> Self {
        let em = px(em.max(1));
        let units = FONT.units_per_em().unwrap_or(1.0);
        let scale = PxScale::from(em * FONT.height_unscaled() / units);
        let font = FONT.as_scaled(scale);
        // Whole pixels: columns stay under each other, and equal letters look equal.
        let advance = whole(font.h_advance(font.glyph_id('m')).round()).max(1);
        let line_height = whole((em * 1.35).round()).max(1);
        let gap = px(line_height) - (font.ascent() - font.descent());
        Self {
            scale,
            advance,
            line_height,
            baseline: (font.ascent() + gap / 2.0).round(),
            letters: HashMap::new(),
        }
    }

    /// From one letter to the next, in pixels.
    pub(in crate::signs) fn advance(&self) -> usize {
        self.advance
    }

    /// From one line to the next, in pixels.
    pub(in crate::signs) fn line_height(&self) -> usize {
        self.line_height
    }

    /// The width of a text in pixels.
    pub(in crate::signs) fn width(&self, text: &str) -> usize {
        text.chars().count() * self.advance
    }

    /// How many letters fit into so many pixels; at least one.
    pub(in crate::signs) fn columns(&self, width: usize) -> usize {
        (width / self.advance).max(1)
    }

    /// Writes a line, of which this is the top left corner.
    pub(in crate::signs) fn write(
        &mut self,
        picture: &mut Picture,
        text: &str,
        (left, top): (usize, usize),
        colour: Rgb,
    ) {
        for (column, character) in text.chars().enumerate() {
            let at = left + column * self.advance;
            let (scale, baseline) = (self.scale, self.baseline);
            let letter = self
                .letters
                .entry(character)
                .or_insert_with(|| Letter::new(character, scale, baseline));
            letter.draw(picture, (at, top), colour);
        }
    }

    /// Writes a line in the middle of the picture's width.
    pub(in crate::signs) fn write_centred(
        &mut self,
        picture: &mut Picture,
        text: &str,
        top: usize,
        colour: Rgb,
    ) {
        let left = picture.width().saturating_sub(self.width(text)) / 2;
        self.write(picture, text, (left, top), colour);
    }
}

impl Letter {
    fn new(character: char, scale: PxScale, baseline: f32) -> Self {
        let glyph = FONT
            .glyph_id(character)
            .with_scale_and_position(scale, point(0.0, baseline));
        // Spaces have none.
        let Some(outline) = FONT.outline_glyph(glyph) else {
            return Self::default();
        };
        let bounds = outline.px_bounds();
        let width = whole(bounds.width().ceil());
        let height = whole(bounds.height().ceil());
        let mut coverage = vec![0; width * height];
        outline.draw(|x, y, ink| {
            let place = usize::try_from(y).ok().zip(usize::try_from(x).ok());
            if let Some((y, x)) = place
                && let Some(pixel) = coverage.get_mut(y * width + x)
            {
                *pixel = level(ink);
            }
        });
        let corner = (whole_offset(bounds.min.x), whole_offset(bounds.min.y));
        let rows = (corner.1..).zip(coverage.chunks_exact(width.max(1)));
        Self(
            rows.flat_map(|(top, row)| strokes(corner.0, top, row))
                .collect(),
        )
    }

    fn draw(&self, picture: &mut Picture, (left, top): (usize, usize), colour: Rgb) {
        for stroke in &self.0 {
            // What is left of the picture or above it is not drawn.
            let outside = stroke.left.min(0).unsigned_abs().saturating_sub(left);
            let left = left.saturating_add_signed(stroke.left);
            if let Some(top) = top.checked_add_signed(stroke.top)
                && let Some(seen) = stroke.coverage.get(outside..)
            {
                picture.cover((left, top), seen, colour);
            }
        }
    }
}

/// The strokes of a row of pixels, the first of which is at `left`.
fn strokes(mut left: isize, top: isize, row: &[u8]) -> Vec<Stroke> {
    let mut strokes = Vec::new();
    for run in row.chunk_by(|one, next| (*one == 0) == (*next == 0)) {
        if run[0] != 0 {
            let coverage = run.to_vec();
            strokes.push(Stroke {
                left,
                top,
                coverage,
            });
        }
        left = left.saturating_add_unsigned(run.len());
    }
    strokes
}

/// A text as one line that can be drawn as it is: what is not seen or would move others is out,
/// what the font lacks is a question mark.
pub(in crate::signs) fn clean(text: &str) -> String {
    let drawn = |character: char| match character {
        '\t' | '\n' => Some(' '),
        character if character.is_control() || is_invisible(character) => None,
        character if FONT.glyph_id(character).0 == 0 => Some(UNKNOWN),
        character => Some(character),
    };
    text.chars().filter_map(drawn).collect()
}

/// Characters that only direct others: joiners, marks and overrides of writing direction.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// At most so many columns of a text; at least one.
pub(in crate::signs) fn cut(text: &str, columns: usize) -> String {
    let columns = columns.max(1);
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    text.chars().take(columns - 1).chain([CUT]).collect()
}

/// A text in lines of at most so many columns, broken between words where they are short enough,
/// and cut after so many lines; at least one of each.
pub(in crate::signs) fn wrap(text: &str, columns: usize, lines: usize) -> Vec<String> {
    let (columns, lines) = (columns.max(1), lines.max(1));
    let mut wrapped: Vec<String> = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if wrapped.len() + 1 == lines {
            wrapped.push(cut(rest, columns));
            break;
        }
        let end = break_at(rest, columns);
        let (line, after) = rest.split_at(end);
        wrapped.push(line.trim_end().to_owned());
        rest = after.trim_start();
    }
    wrapped
}

/// Where the first line of a text ends, as an index of its bytes; not 0.
fn break_at(text: &str, columns: usize) -> usize {
    let Some((limit, next)) = text.char_indices().nth(columns) else {
        return text.len();
    };
    if next == ' ' {
        return limit;
    }
    match text[..limit].rfind(' ') {
        Some(space) if space > 0 => space,
        _ => limit,
    }
}

/// Pixels as ab_glyph counts them.
#[expect(clippy::cast_precision_loss, reason = "pictures are small")]
fn px(pixels: usize) -> f32 {
    pixels as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates"
)]
fn whole(pixels: f32) -> usize {
    pixels as usize
}

#[expect(clippy::cast_possible_truncation, reason = "saturates")]
fn whole_offset(pixels: f32) -> isize {
    pixels.floor() as isize
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates"
)]
fn level(ink: f32) -> u8 {
    (ink * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INK: Rgb = [255; 3];

    fn written(text: &str, em: usize) -> Picture {
        let mut pen = Pen::new(em);
        let mut picture = Picture::new(pen.width(text), pen.line_height(), [0; 3]);
        pen.write(&mut picture, text, (0, 0), INK);
        picture
    }

    fn ink(picture: &Picture) -> u32 {
        let blue = picture.bytes().into_iter().step_by(4);
        blue.map(u32::from).sum()
    }

    /// The picture in characters, for people.
    fn sketch(picture: &Picture) -> String {
        let mut sketch = String::new();
        for row in picture.rows() {
            let shade = |pixel: &[u8]| match pixel[0] {
                0..64 => ' ',
                64..160 => '.',
                _ => '#',
            };
            let line: String = row.chunks_exact(4).map(shade).collect();
            sketch.push_str(line.trim_end());
            sketch.push('\n');
        }
        sketch
    }

    #[test]
    fn letters_look_like_letters() {
        let sketch = sketch(&written("Lu7", 14));
        let wanted = "
 .#              ######.
 .#                  .#
 .#      ..   #      #.
 .#      #.   #      #
 .#      #.   #     .#
 .#      #.   #     #.
 .#      #.   #    .#
 .#      .#   #    ##
 .#      .#  ##    #.
 .######  ###.#   .#
";
        assert_eq!(sketch.trim(), wanted.trim(), "\n{sketch}");
    }

    #[test]
    fn a_text_twice_as_large_has_four_times_the_ink() {
        let (small, large) = (
            ink(&written("Debian 13", 16)),
            ink(&written("Debian 13", 32)),
        );
        let ratio = f64::from(large) / f64::from(small);
        assert!((3.6..4.4).contains(&ratio), "{ratio}");
    }

    #[test]
    fn every_letter_stays_within_its_line() {
        for em in [9, 12, 18, 24, 61] {
            let text = "ÅÇgjy|█├";
            let pen = Pen::new(em);
            let alone = ink(&written(text, em));
            let mut picture = Picture::new(pen.width(text) + 80, pen.line_height() + 80, [0; 3]);
            Pen::new(em).write(&mut picture, text, (40, 40), INK);
            let spilled = ink(&picture).saturating_sub(alone);
            assert!(
                spilled < 255 * 40,
                "{em}: {spilled} is more than smooth edges"
            );
        }
    }

    #[test]
    fn foreign_letters_are_drawn_or_questioned() {
        assert_eq!(clean("Grüße, Ζεύς и Ёлка ├──┤"), "Grüße, Ζεύς и Ёлка ├──┤");
        assert_eq!(clean("日本 🚀"), "?? ?");
    }

    #[test]
    fn nothing_that_is_not_seen_is_left() {
        assert_eq!(
            clean("a\tb\u{7}c\u{1b}[1m\u{202e}d\u{200b}e\u{9b}"),
            "a bc[1mde"
        );
        assert_eq!(clean("\r\n\0"), " ");
    }

    #[test]
    fn texts_are_cut_with_a_mark() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("äöüßàé!", 6), "äöüßà…");
        assert_eq!(cut("ab", 0), "…");
    }

    #[test]
    fn texts_are_wrapped_between_words_if_possible() {
        assert_eq!(
            wrap("its VMM ended too soon", 10, 9),
            ["its VMM", "ended too", "soon"]
        );
        assert_eq!(
            wrap("abcdefghijklm no", 5, 9),
            ["abcde", "fghij", "klm", "no"]
        );
        assert_eq!(wrap("one two three four", 7, 2), ["one two", "three …"]);
        assert_eq!(wrap("  ", 7, 2), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn wrapped_lines_keep_their_bounds(text in "\\PC{0,80}", columns in 0..20usize, lines in 0..9usize) {
            let wrapped = wrap(&text, columns, lines);
            prop_assert!(wrapped.len() <= lines.max(1));
            for line in &wrapped {
                prop_assert!(!line.is_empty());
                prop_assert!(line.chars().count() <= columns.max(1));
            }
        }

        #[test]
        fn nothing_is_lost_while_there_are_lines(text in "[a-zäü ]{0,60}", columns in 1..20usize) {
            let wrapped: String = wrap(&text, columns, 1000).concat();
            let letters = |text: &str| text.replace(' ', "");
            prop_assert_eq!(letters(&wrapped), letters(&text));
        }

        #[test]
        fn clean_texts_have_no_controls(text in "\\PC*|[\\x00-\\x9f]*") {
            let cleaned = clean(&text);
            prop_assert!(!cleaned.chars().any(char::is_control));
            prop_assert_eq!(clean(&cleaned), cleaned);
        }
    }
}
