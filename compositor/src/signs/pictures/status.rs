//! A whole monitor that tells how the guest is that would be on it.

use protocols::ipc::GuestState;

use super::{BACKGROUND, BRIGHT, DIM, EDGE, PLAIN, SUNKEN, Screen};
use crate::signs::{
    draw::{
        Area, Picture, Rgb,
        text::{self, Pen},
    },
    status::GuestStatus,
};

/// How many lines a sentence may take.
const SENTENCE_LINES: usize = 4;

/// How many rows a line of output may take.
const OUTPUT_ROWS: usize = 3;

/// Output in less space than this is not worth a box.
const FEWEST_ROWS: usize = 2;

/// A picture of a monitor's size.
pub(in crate::signs) fn draw(screen: Screen, name: &str, status: &GuestStatus) -> Picture {
    let mut picture = Picture::new(screen.width, screen.height, BACKGROUND);
    let page = Page::new(screen, name, status);
    let has_output = status.is_trouble() && !status.last_output.is_empty();
    let top = if has_output {
        screen.height / 12
    } else {
        // A little above the middle is where the eye expects the middle.
        (screen.height * 9 / 20).saturating_sub(page.height() / 2)
    };
    let bottom = page.draw(&mut picture, top);
    if has_output {
        output(&mut picture, screen, bottom, &status.last_output);
    }
    picture
}

/// The name, the state and what there is to say about it, in the middle of the width.
struct Page {
    em: usize,
    name: (Pen, String),
    word: (Pen, &'static str),
    accent: Rgb,
    /// Lines, the second value tells whether they matter less.
    sentences: (Pen, Vec<(String, bool)>),
}

impl Page {
    fn new(screen: Screen, name: &str, status: &GuestStatus) -> Self {
        let em = screen.em();
        let width = screen.width.saturating_sub(4 * em);
        let clean_name = text::clean(name);
        // A long name gets smaller letters rather than an end that is missing.
        let letters = clean_name.chars().count().max(1);
        let mut name_em = 3 * em;
        while name_em > em && Pen::new(name_em).advance() * letters > width {
            name_em -= name_em.div_ceil(10);
        }
        let name_pen = Pen::new(name_em);
        let name = text::cut(&clean_name, name_pen.columns(width));

        let pen = Pen::new(em);
        let columns = pen.columns(width).min(72);
        let reason = status.reason.as_deref().map(sentence).unwrap_or_default();
        let wrapped = |text: &str, dim: bool| {
            text::wrap(text, columns, SENTENCE_LINES)
                .into_iter()
                .map(move |line| (line, dim))
        };
        let sentences = wrapped(&reason, false)
            .chain(wrapped(&status.sentence(&clean_name), true))
            .collect();
        Self {
            em,
            name: (name_pen, name),
            word: (Pen::new(em * 3 / 2), status.word()),
            accent: accent(status.state),
            sentences: (pen, sentences),
        }
    }

    fn height(&self) -> usize {
        let lines = self.sentences.1.len() * self.sentences.0.line_height();
        self.name.0.line_height() + self.em * 2 + self.word.0.line_height() + lines
    }

    /// Returns where it ends.
    fn draw(self, picture: &mut Picture, mut top: usize) -> usize {
        let (mut pen, name) = self.name;
        pen.write_centred(picture, &name, top, BRIGHT);
        top += pen.line_height() + self.em / 2;
        let (width, thickness) = (self.em * 4, (self.em / 6).max(2));
        let left = picture.width().saturating_sub(width) / 2;
        picture.fill(Area::new(left, top, width, thickness), self.accent);
        top += self.em;
        let (mut pen, word) = self.word;
        pen.write_centred(picture, word, top, PLAIN);
        top += pen.line_height() + self.em / 2;
        let (mut pen, lines) = self.sentences;
        for (line, dim) in lines {
            let colour = if dim { DIM } else { PLAIN };
            pen.write_centred(picture, &line, top, colour);
            top += pen.line_height();
        }
        top
    }
}

/// The last lines that fit between a height and the bottom of the picture.
fn output(picture: &mut Picture, screen: Screen, top: usize, lines: &[String]) {
    let em = screen.em();
    let mut pen = Pen::new((em * 3 / 4).max(11));
    let top = top + em * 3 / 2;
    let side = em * 2;
    let width = screen.width.saturating_sub(2 * side);
    let height = screen.height.saturating_sub(top + side);
    let room = height.saturating_sub(2 * em) / pen.line_height();
    if room < FEWEST_ROWS {
        return;
    }
    let rows = last_rows(lines, pen.columns(width.saturating_sub(2 * em)), room);
    let area = Area::new(side, top, width, rows.len() * pen.line_height() + 2 * em);
    picture.fill(area, SUNKEN);
    picture.frame(area, screen.hairline(), EDGE);
    let inside = area.without(em);
    for (row, line) in rows.iter().enumerate() {
        let top = inside.top + row * pen.line_height();
        pen.write(picture, line, (inside.left, top), PLAIN);
    }
}

/// The last rows of these lines. A long line takes several, unlike a paragraph's without regard to
/// words: a console's line is no sentence.
fn last_rows(lines: &[String], columns: usize, room: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for line in lines.iter().rev().take(room) {
        let line = text::clean(line);
        let characters: Vec<char> = text::cut(&line, columns * OUTPUT_ROWS).chars().collect();
        rows.extend(characters.chunks(columns).rev().map(String::from_iter));
    }
    rows.truncate(room);
    rows.reverse();
    rows
}

/// A reason as the log has it, as a sentence.
fn sentence(reason: &str) -> String {
    let reason = text::clean(reason);
    let mut characters = reason.chars();
    let Some(first) = characters.next() else {
        return String::new();
    };
    let mut sentence: String = first.to_uppercase().chain(characters).collect();
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

fn accent(state: GuestState) -> Rgb {
    match state {
        GuestState::Running => [0x6f, 0xb5, 0x82],
        GuestState::Starting | GuestState::Waiting => [0x6b, 0x9b, 0xd1],
        GuestState::Restarting => [0xd9, 0xae, 0x5f],
        GuestState::Failed => [0xd0, 0x6f, 0x6a],
        GuestState::Stopped | GuestState::Unknown => EDGE,
    }
}
