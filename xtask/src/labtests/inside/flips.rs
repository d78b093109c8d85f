//! A guest's program that flips pages as fast as they are seen, and counts on the serial console.
//!
//! Each picture differs from the one before: some screens are only looked at now and then, and only where something
//! has changed.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use drm::{
    buffer::Buffer as _,
    control::{Device as _, Event, dumbbuffer::DumbMapping},
};

use super::kms::card::Card;
use crate::{labtests::until, report};

/// For the driver to find its device.
const LIMIT: Duration = Duration::from_secs(20);

/// Between two lines.
const BEAT: Duration = Duration::from_millis(250);

/// Rows of the bar that moves.
const BAR: usize = 32;

/// Flips for ever.
///
/// # Errors
///
/// When there is no screen, or its driver refuses something.
pub fn run(node: &Path) -> Result<()> {
    until(LIMIT, || Ok(node.exists().then_some(()))).context("Waiting for the card")?;
    let mut card = Card::open(node)?;
    let head = card.head()?;
    let mode = *head.modes.first().context("The monitor has no mode")?;
    let (width, height) = mode.size();
    let mut first = card.dumb(width.into(), height.into())?;
    let mut second = card.dumb(width.into(), height.into())?;
    card.light(&head, mode, first.1)?;
    let row = usize::try_from(first.0.pitch())?;
    let mut screens = [
        Bar::new(card.map_dumb_buffer(&mut first.0)?, row),
        Bar::new(card.map_dumb_buffer(&mut second.0)?, row),
    ];
    let framebuffers = [first.1, second.1];
    report::say(format!("flips on a screen of {width}x{height}"));
    let mut told = Instant::now();
    let mut flips = 0_usize;
    loop {
        let turn = (flips + 1) % 2;
        screens[turn].draw(flips);
        card.flip(&head, framebuffers[turn])?;
        flipped(&card)?;
        flips += 1;
        if told.elapsed() >= BEAT {
            told = Instant::now();
            report::say(format!("flips {flips}"));
        }
    }
}

fn flipped(card: &Card) -> Result<()> {
    loop {
        for event in card.receive_events()? {
            if matches!(event, Event::PageFlip(_)) {
                return Ok(());
            }
        }
    }
}

/// A buffer with a bar on black.
struct Bar<'a> {
    pixels: DumbMapping<'a>,
    /// Bytes from one row to the next.
    row: usize,
    /// Where the bar is, in rows.
    top: usize,
}

impl<'a> Bar<'a> {
    fn new(pixels: DumbMapping<'a>, row: usize) -> Self {
        Self {
            pixels,
            row,
            top: 0,
        }
    }

    /// Moves it, and gives it another colour.
    fn draw(&mut self, number: usize) {
        let rows = self.pixels.len() / self.row;
        self.fill(0);
        self.top = number * 4 % rows.saturating_sub(BAR).max(1);
        let [shade, ..] = number.to_le_bytes();
        self.fill(shade | 0x40);
    }

    fn fill(&mut self, byte: u8) {
        let start = self.top * self.row;
        let end = (start + BAR * self.row).min(self.pixels.len());
        self.pixels[start..end].fill(byte);
    }
}
