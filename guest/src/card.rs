//! The demo's picture: a card that tells which frame it is, in which size, by which path it is
//! shown and where the pointer is, with things that move.
//!
//! A border of one pixel on each side proves that no edge is cut off; the bar at the bottom moves
//! by the same number of pixels each frame, so that a torn or missed frame can be seen. Pure: the
//! same [`Facts`] give the same pixels.

mod canvas;
mod pointer;
mod scene;
mod text;

use std::f32::consts::TAU;

pub use self::pointer::{POINTER_HOT, pointer_image};
use self::{
    canvas::{Area, Canvas, between, centre, index},
    scene::{
        AMBER, FAINT, GLOW, Layout, MINT, PANEL, PAPER, draw_border, draw_dial, draw_panel,
        draw_sky, draw_strip, draw_trough,
    },
    text::Letters,
};

/// What the card tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Number of the frame; things move with it.
    pub frame: u64,
    /// Frames a second that the guest draws.
    pub rate: u32,
    /// The scanout's number.
    pub scanout: u32,
    /// The path by which the host shows the card, in words.
    pub path: &'a str,
    /// Where the pointer points, in pixels; `None` if there is none.
    pub pointer: Option<(i32, i32)>,
}

/// Pixels that the bar moves in each frame.
pub const BAR_STEP: u64 = 8;

/// Frames in one turn of the clock's hand.
const TURN: u64 = 120;

/// The card in one size.
#[derive(Debug)]
pub struct Card {
    /// What never changes.
    still: Canvas,
    canvas: Canvas,
    letters: Letters,
    layout: Layout,
}

impl Card {
    /// A card of `width` by `height` pixels.
    #[must_use]
    pub fn new(width: u32, height: u32) -> Self {
        let pixels = |number| usize::try_from(number).unwrap_or(0);
        let mut still = Canvas::new(pixels(width), pixels(height));
        let layout = Layout::new(centre(still.width()) - 0.5, centre(still.height()) - 0.5);
        let mut letters = Letters::default();
        draw_sky(&mut still);
        draw_panel(&mut still, &layout, &mut letters);
        draw_dial(&mut still, &layout);
        draw_trough(&mut still, &layout);
        draw_strip(&mut still, &layout);
        draw_border(&mut still);
        Self {
            canvas: still.clone(),
            still,
            letters,
            layout,
        }
    }

    /// Draws the card; returns its pixels in DRM XRGB8888, rows without gaps.
    pub fn draw(&mut self, facts: &Facts<'_>) -> &[u8] {
        self.canvas.copy_from(&self.still);
        self.draw_values(facts);
        self.draw_hand(facts.frame);
        self.draw_bar(facts.frame);
        draw_border(&mut self.canvas);
        self.canvas.bytes()
    }

    fn draw_values(&mut self, facts: &Facts<'_>) {
        let Layout {
            unit,
            text,
            lines: (top, step),
            size,
            ..
        } = self.layout;
        let pointer = match facts.pointer {
            Some((x, y)) => format!("{x}, {y}"),
            None => "none".to_owned(),
        };
        let values = [
            (format!("{:06}", facts.frame), AMBER),
            (
                format!(
                    "{} \u{d7} {}  {} Hz",
                    self.canvas.width(),
                    self.canvas.height(),
                    facts.rate
                ),
                PAPER,
            ),
            (facts.path.to_owned(), MINT),
            (pointer, PAPER),
        ];
        let left = text + 150.0 * unit;
        let mut at = top;
        for (value, colour) in values {
            let room = self.layout.panel.right - 24.0 * unit - left;
            let fitting = size.min(size * room / Letters::width(&value, size).max(1.0));
            self.letters
                .draw(&mut self.canvas, &value, (left, at), fitting, colour);
            at += step;
        }
        let name = format!("Screen {}", facts.scanout + 1);
        let place = (text, self.layout.panel.top + 112.0 * unit);
        self.letters
            .draw(&mut self.canvas, &name, place, size, FAINT);
    }

    fn draw_hand(&mut self, frame: u64) {
        let Layout {
            unit,
            clock: (x, y),
            radius,
            ..
        } = self.layout;
        let turn = TAU * share(frame % TURN, TURN);
        let end = |angle: f32, length: f32| (x + angle.sin() * length, y - angle.cos() * length);
        // A short tail of where the hand was.
        for back in 1..=14u8 {
            let angle = turn - f32::from(back) * TAU / 180.0;
            let colour = between(AMBER, PANEL, 0.35 + f32::from(back) / 22.0);
            let (inner, outer) = (end(angle, radius * 0.55), end(angle, radius * 0.80));
            self.canvas.line(inner, outer, 3.0 * unit, colour);
        }
        self.canvas
            .line((x, y), end(turn, radius * 0.80), 6.0 * unit, AMBER);
        let minute = TAU * share(frame / TURN % 60, 60);
        self.canvas
            .line((x, y), end(minute, radius * 0.52), 9.0 * unit, PAPER);
        self.canvas.disc((x, y), 11.0 * unit, PAPER, 1.0);
        self.canvas.disc((x, y), 5.0 * unit, PANEL, 1.0);
    }

    fn draw_bar(&mut self, frame: u64) {
        let Layout { unit, bar, .. } = self.layout;
        let inside = Area {
            left: bar.left + 4.0 * unit,
            top: bar.top + 4.0 * unit,
            right: bar.right - 4.0 * unit,
            bottom: bar.bottom - 4.0 * unit,
        };
        let width = 110.0 * unit;
        let way = (inside.right - inside.left - width).max(1.0);
        // There and back, so that it never jumps.
        let cycle = 2 * u64::try_from(index(way)).unwrap_or(1).max(1);
        let at = (frame * BAR_STEP) % cycle;
        let left = inside.left + way * share(at.min(cycle - at), cycle / 2);
        let height = inside.bottom - inside.top;
        let runner = Area::new(left, inside.top, width, height);
        self.canvas.panel(runner, 9.0 * unit, GLOW, 1.0);
        let core = Area::new(left + width * 0.3, inside.top, width * 0.4, height);
        self.canvas.panel(core, 9.0 * unit, AMBER, 1.0);
    }
}

/// A part of a whole, from 0 to 1.
fn share(part: u64, whole: u64) -> f32 {
    let whole = centre(usize::try_from(whole).unwrap_or(usize::MAX)) - 0.5;
    (centre(usize::try_from(part).unwrap_or(usize::MAX)) - 0.5) / whole.max(1.0)
}

#[cfg(test)]
mod tests;
