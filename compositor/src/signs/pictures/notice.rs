//! Sentences that are to be read once.

use super::{BRIGHT, EDGE, RAISED, Screen};
use crate::signs::draw::{
    Area, Picture,
    text::{self, Pen},
};

/// Letters of a line.
const COLUMNS: usize = 60;
/// Lines of a notice.
const LINES: usize = 3;

/// A box around all notices, the oldest first; at most as large as the monitor.
pub(in crate::signs) fn draw(screen: Screen, notices: &[&str]) -> Picture {
    let em = screen.em();
    let mut pen = Pen::new(em);
    let room = screen.width.saturating_sub(4 * em);
    let columns = pen.columns(room).min(COLUMNS);
    let notices: Vec<Vec<String>> = notices
        .iter()
        .map(|notice| text::wrap(&text::clean(notice), columns, LINES))
        .collect();
    let lines = || notices.iter().flatten();
    let widest = lines()
        .map(|line| pen.width(line))
        .max()
        .unwrap_or_default();
    let gap = em / 2;
    let gaps = notices.len().saturating_sub(1) * gap;
    let width = (widest + 2 * em).min(screen.width);
    let height = (lines().count() * pen.line_height() + gaps + em).min(screen.height);

    let mut picture = Picture::new(width, height, RAISED);
    picture.frame(Area::new(0, 0, width, height), screen.hairline(), EDGE);
    let mut top = em / 2;
    for notice in &notices {
        for line in notice {
            pen.write_centred(&mut picture, line, top, BRIGHT);
            top += pen.line_height();
        }
        top += gap;
    }
    picture
}
