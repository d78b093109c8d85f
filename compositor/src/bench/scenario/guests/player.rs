//! A guest that flips two buffers, with its own clock.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use guest::{
    driver::{Driver, DriverError, DriverOptions, Ticket},
    kms::{BufferKind, Fencing, Pointer, Screen, ScreenOptions},
    ram::RamOptions,
};

use crate::bench::subject::Subject;

/// How long a device may take over an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Memory of a guest besides its pictures, in bytes.
const MEMORY_FOR_THE_REST: u64 = 4 << 20;

/// A guest's driver with one monitor. Its pictures are blobs where the device has them.
#[derive(Debug)]
pub(in crate::bench::scenario) struct Player {
    driver: Driver,
    screen: Screen,
    pointer: Option<Pointer>,
}

/// What a guest did in a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::bench::scenario) struct Played {
    /// Frames that were due.
    pub(in crate::bench::scenario) due: u64,
    /// Frames that were flushed.
    pub(in crate::bench::scenario) flips: u64,
}

impl Player {
    /// Connects to the device of a guest, makes two pictures of a size and shows the first. Waits until
    /// the host has it.
    ///
    /// # Errors
    /// The device does not do what a driver asks of it.
    pub(in crate::bench::scenario) fn start(
        subject: &mut dyn Subject,
        guest: usize,
        size: (u32, u32),
    ) -> anyhow::Result<Self> {
        let options = DriverOptions {
            timeout: PATIENCE,
            ram: RamOptions {
                size: 2 * bytes(size) + MEMORY_FOR_THE_REST,
                ..RamOptions::default()
            },
            ..DriverOptions::default()
        };
        let mut driver = subject.connect(guest, &options)?;
        let screen_options = ScreenOptions {
            kind: BufferKind::of_linux(&driver),
            fencing: Fencing::Always,
            ..ScreenOptions::default()
        };
        let mut screen = Screen::new(&mut driver, 0, size, screen_options)?;
        for grey in [0x40, 0xa0] {
            let image = vec![grey; usize::try_from(bytes(size)).unwrap_or(0)];
            let ticket = screen.flip(&mut driver, &image)?;
            if let Some(ticket) = ticket {
                driver.wait(ticket, PATIENCE)?.done()?;
            }
        }
        Ok(Self {
            driver,
            screen,
            pointer: None,
        })
    }

    /// Shows a pointer, which then rests.
    ///
    /// # Errors
    /// The device does not do what a driver asks of it.
    pub(in crate::bench::scenario) fn show_pointer(&mut self) -> anyhow::Result<()> {
        let kind = BufferKind::of_linux(&self.driver);
        let pointer = Pointer::new(&mut self.driver, 0, kind, (0, 0))?;
        let side = protocols::virtio_gpu::CURSOR_SIZE;
        let image = vec![0xff; usize::try_from(bytes((side, side))).unwrap_or(0)];
        pointer.show(&mut self.driver, &image, (100, 100))?;
        self.pointer = Some(pointer);
        self.finish()
    }

    /// Whether its pictures are the guest's own memory.
    pub(in crate::bench::scenario) fn has_blobs(&self) -> bool {
        BufferKind::of_linux(&self.driver) == BufferKind::Blob
    }

    /// Flips each time when a period has passed since `first`, until `end`. Where the last frame is not
    /// answered yet there is none in this period.
    ///
    /// # Errors
    /// The device refuses a frame, or goes away.
    pub(in crate::bench::scenario) fn play(
        &mut self,
        first: Instant,
        period: Duration,
        end: Instant,
    ) -> anyhow::Result<Played> {
        let mut played = Played::default();
        let mut under_way: Option<Ticket> = None;
        let mut next = first;
        while next < end {
            played.due += 1;
            self.rest_until(next)?;
            if self.is_done(&mut under_way)? {
                under_way = self.screen.flip_drawn(&mut self.driver)?;
                played.flips += 1;
            }
            next += period;
        }
        if let Some(ticket) = under_way {
            self.driver.wait(ticket, PATIENCE)?.done()?;
        }
        self.finish()?;
        Ok(played)
    }

    /// Whether the last frame is answered.
    fn is_done(&mut self, under_way: &mut Option<Ticket>) -> anyhow::Result<bool> {
        let Some(ticket) = *under_way else {
            return Ok(true);
        };
        let Some(completion) = self.driver.try_take(ticket)? else {
            return Ok(false);
        };
        completion.done()?;
        *under_way = None;
        Ok(true)
    }

    /// Sleeps until a moment, and hears what the device says meanwhile.
    fn rest_until(&mut self, moment: Instant) -> Result<(), DriverError> {
        loop {
            let left = moment.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.driver.poll(left)?;
        }
    }

    /// Waits until the device has answered everything.
    fn finish(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.driver.requests_under_way() > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!(
                    "The device did not answer all commands within {PATIENCE:?}. It hangs, or is overloaded"
                );
            }
            self.driver.poll(left)?;
        }
        match self.driver.take_failures().into_iter().next() {
            Some(failure) => Err(failure.into()),
            None => Ok(()),
        }
    }
}

/// Lets all guests play at once for a while, in a thread each. Guests have clocks of their own, so that
/// their periods begin evenly spread.
///
/// # Errors
/// The first thing that went wrong with one of them.
pub(in crate::bench::scenario) fn play_all(
    players: &mut [Player],
    period: Duration,
    length: Duration,
) -> anyhow::Result<Vec<Played>> {
    let count = u32::try_from(players.len()).unwrap_or(1).max(1);
    let start = Instant::now() + period;
    thread::scope(|scope| -> anyhow::Result<Vec<Played>> {
        let threads: Vec<_> = (0..count)
            .zip(players)
            .map(|(place, player)| {
                let first = start + period * place / count;
                scope.spawn(move || player.play(first, period, first + length))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| match thread.join() {
                Ok(played) => played,
                Err(_) => bail!("A guest's thread ended with a panic. Please report this bug"),
            })
            .collect()
    })
    .context("Could not let the guests draw")
}

/// Bytes of a picture.
pub(in crate::bench::scenario) fn bytes((width, height): (u32, u32)) -> u64 {
    4 * u64::from(width) * u64::from(height)
}
