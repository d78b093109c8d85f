//! A strip with all guests, of which one is marked.

use super::{BRIGHT, DIM, EDGE, PLAIN, RAISED, Screen};
use crate::signs::draw::{
    Area, Picture, Rgb,
    text::{self, Pen},
};

/// Behind the marked guest.
const CHOSEN: Rgb = [0x3d, 0x4c, 0x66];
/// Under the marked guest.
const MARK: Rgb = [0x6b, 0x9b, 0xd1];

/// Letters of a name; longer ones are cut.
const NAME_COLUMNS: usize = 20;

/// A guest in the strip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::signs) struct Entry<'a> {
    pub(in crate::signs) name: &'a str,
    pub(in crate::signs) state: &'a str,
}

/// A strip that is at most as wide as the monitor; the marked guest is always to be seen.
pub(in crate::signs) fn draw(screen: Screen, entries: &[Entry<'_>], chosen: usize) -> Picture {
    let em = screen.em();
    let mut large = Pen::new(em);
    let mut small = Pen::new((em * 3 / 4).max(10));
    let entries: Vec<(String, String)> = entries
        .iter()
        .map(|entry| {
            let name = text::cut(&text::clean(entry.name), NAME_COLUMNS);
            (name, text::clean(entry.state))
        })
        .collect();
    let widest = |(name, state): &(String, String)| large.width(name).max(small.width(state));
    let edge = em / 2;
    // Arrows tell that there are more.
    let arrow = large.advance() * 2;
    let room = screen.width.saturating_sub(2 * (edge + arrow)).max(1);
    let cell = entries.iter().map(widest).max().unwrap_or_default() + 2 * em;
    let cell = cell.min(room);
    let seen = (room / cell).clamp(1, entries.len().max(1));
    let first = first_seen(entries.len(), seen, chosen);

    let line_height = large.line_height() + small.line_height();
    let cell_height = line_height + em;
    let width = (seen * cell + 2 * (edge + arrow)).min(screen.width);
    let height = (cell_height + 2 * edge).min(screen.height);
    let mut picture = Picture::new(width, height, RAISED);
    picture.frame(Area::new(0, 0, width, height), screen.hairline(), EDGE);

    let middle = (height.saturating_sub(large.line_height())) / 2;
    if first > 0 {
        large.write(&mut picture, "‹", (edge, middle), PLAIN);
    }
    if first + seen < entries.len() {
        let left = width.saturating_sub(edge + large.advance());
        large.write(&mut picture, "›", (left, middle), PLAIN);
    }
    for (place, (name, state)) in entries.iter().skip(first).take(seen).enumerate() {
        let area = Area::new(edge + arrow + place * cell, edge, cell, cell_height);
        let is_chosen = first + place == chosen;
        if is_chosen {
            picture.fill(area, CHOSEN);
            let thickness = (em / 6).max(2);
            let top = area.bottom().saturating_sub(thickness);
            picture.fill(Area::new(area.left, top, area.width, thickness), MARK);
        }
        let columns = large.columns(area.width.saturating_sub(em));
        let name = text::cut(name, columns);
        let state = text::cut(state, small.columns(area.width.saturating_sub(em)));
        let colour = if is_chosen { BRIGHT } else { PLAIN };
        let centred = |width: usize| area.left + area.width.saturating_sub(width) / 2;
        let top = area.top + em / 2;
        let left = centred(large.width(&name));
        large.write(&mut picture, &name, (left, top), colour);
        let left = centred(small.width(&state));
        let colour = if is_chosen { PLAIN } else { DIM };
        small.write(
            &mut picture,
            &state,
            (left, top + large.line_height()),
            colour,
        );
    }
    picture
}

/// The first of `seen` guests in a row that are shown, with the chosen one as near to their middle
/// as the ends allow.
fn first_seen(all: usize, seen: usize, chosen: usize) -> usize {
    chosen
        .saturating_sub(seen / 2)
        .min(all.saturating_sub(seen))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_guest_is_always_seen() {
        for all in 1..12 {
            for seen in 1..=all {
                for chosen in 0..all {
                    let first = first_seen(all, seen, chosen);
                    assert!((first..first + seen).contains(&chosen));
                    assert!(first + seen <= all);
                }
            }
        }
    }
}
