//! The bare program: it flips dma-bufs of its own memory on a primary plane, a new one at each vblank,
//! and does nothing else. What it reaches is the ceiling of the machine, which ratios are held against.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use drm::control::{Device as _, Event};
use serde::{Deserialize, Serialize};

use super::{buffers::Buffer, card::Card, orders, standstill::Watch};
use crate::{labtests::picture::Picture, report};

/// What was shown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Vblanks at which a new frame appeared.
    pub fresh: u32,
    /// All vblanks in that time, but for those at which the machine stood still.
    pub vblanks: u32,
    /// How many those were.
    pub still: u32,
}

impl Rate {
    /// So many new frames while `vblanks` passed, with the machine standing still at some of them.
    ///
    /// # Errors
    ///
    /// When that was so often that nothing can be said.
    pub fn new(fresh: u32, vblanks: u32, still: u32) -> Result<Self> {
        ensure!(
            still < vblanks / 20,
            "The machine stood still at {still} of {vblanks} vblanks; nothing can be measured on it"
        );
        Ok(Self {
            fresh,
            vblanks: vblanks - still,
            still,
        })
    }

    /// Part of the vblanks with a new frame.
    pub fn share(self) -> f64 {
        f64::from(self.fresh) / f64::from(self.vblanks.max(1))
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            fresh: self.fresh + other.fresh,
            vblanks: self.vblanks + other.vblanks,
            still: self.still + other.still,
        }
    }
}

/// Flips `count` buffers of a size for some time on the first monitor of a card, and prints the rate as a
/// line of JSON. One buffer is shown anew at each vblank. Each of `pictures`, if there are any, is drawn before
/// it is shown, into the buffer that was seen before the one that is seen.
///
/// # Errors
///
/// When the card refuses something.
pub fn run(node: &Path, size: (u32, u32), count: u32, time: Duration, pictures: u32) -> Result<()> {
    let pictures: Vec<Vec<u8>> = (0..pictures)
        .map(|number| orders::picture(number, size).to_xrgb())
        .collect();
    let rate = flip(node, size, count, time, &pictures)?;
    report::say(serde_json::to_string(&rate)?);
    Ok(())
}

fn flip(
    node: &Path,
    (width, height): (u32, u32),
    count: u32,
    time: Duration,
    pictures: &[Vec<u8>],
) -> Result<Rate> {
    let mut card = Card::open(node)?;
    let head = card.head()?;
    let mode = head.mode(width, height)?;
    let mut buffers = Vec::new();
    for number in 0..count {
        let buffer = Buffer::new(width, height)?;
        let [low, ..] = number.to_le_bytes();
        let across = usize::try_from(width)?;
        let down = usize::try_from(height)?;
        match pictures.first() {
            Some(picture) => buffer.write(picture)?,
            None => buffer.draw(&Picture::from_fn(across, down, |_, _| [low, 255 - low, 0]))?,
        }
        let framebuffer = card.import(&buffer)?;
        buffers.push((buffer, framebuffer));
    }
    let (_, first) = buffers.first().context("Flipping no buffers at all")?;
    card.light(&head, mode, *first)?;
    let watch = Watch::start(node, head.pipe)?;
    let started = Instant::now();
    let mut seen: Option<(u32, u32)> = None;
    let mut fresh = 0;
    let mut turn = buffers.iter().cycle().skip(1);
    let mut album = pictures.iter().cycle();
    while started.elapsed() < time {
        let (buffer, framebuffer) = turn.next().context("There are no buffers")?;
        if let Some(picture) = album.next() {
            buffer.write(picture)?;
        }
        card.flip(&head, *framebuffer)?;
        let sequence = flipped(&card)?;
        fresh += 1;
        let start = seen.map_or(sequence, |(start, _)| start);
        seen = Some((start, sequence));
    }
    let (start, end) = seen.context("Nothing was shown")?;
    ensure!(end > start, "The kernel counted no vblanks");
    // The first event only says where counting begins.
    Rate::new(fresh - 1, end - start, watch.end()?)
}

/// Waits for the flip that is under way; the number of its vblank.
fn flipped(card: &Card) -> Result<u32> {
    loop {
        for event in card.receive_events()? {
            if let Event::PageFlip(flip) = event {
                return Ok(flip.frame);
            }
        }
    }
}
