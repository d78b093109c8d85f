//! From a flush to the commit that shows it, when everybody sleeps.
//!
//! The unit is a byte that goes from one process to another and back over a socket, which is two
//! wake-ups: a frame needs two as well, of the device and of whoever takes its commit. Both are taken in
//! turn, each after the same pause, so that they find the machine in the same state.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use guest::{
    driver::{Driver, DriverOptions},
    kms::{BufferKind, Fencing, Screen, ScreenOptions},
};
use protocols::virtio_gpu::{F_RESOURCE_BLOB, Rect};

use crate::{
    backend::now,
    bench::{
        measure::{ping_pong::PingPong, statistics::median},
        plan::Plan,
        report::model::Quantity,
        run::{Bench, Readings},
        scenario::{
            START,
            frames::{in_place, micros},
        },
        stopwatch::{Arrival, Manner, Presents, What},
        subject::{Needs, Shown, Subject, Wanted},
    },
};

/// How long everybody sleeps before each: longer than a scheduler remembers, shorter than a refresh.
const PAUSE: Duration = Duration::from_millis(4);

/// How long a frame may be on its way before its device counts as hung.
const PATIENCE: Duration = Duration::from_secs(5);

/// What of the picture changes: a few rows of text.
const DAMAGE: Rect = Rect {
    x: 64,
    y: 64,
    width: 64,
    height: 64,
};

const SIZE: (u32, u32) = (1280, 800);

/// A guest that shows something.
struct Guest {
    driver: Driver,
    screen: Screen,
    ping_pong: PingPong,
}

/// How often each of its cases is measured in a turn.
fn frames(plan: &Plan) -> u32 {
    plan.pick(40, 300)
}

/// About how long its cases take, as [`Scenario::takes`](super::Scenario::takes).
pub(super) fn takes(plan: &Plan, subjects: u32) -> Duration {
    let cases = KINDS.iter().filter(|kind| plan.wants(&name(**kind)));
    plan.time(cases.count(), subjects, START, 2 * PAUSE * frames(plan))
}

/// How the pixels of its cases reach the device.
const KINDS: [BufferKind; 2] = [BufferKind::Dumb2d, BufferKind::Blob];

fn name(kind: BufferKind) -> String {
    let kind = match kind {
        BufferKind::Dumb2d => "2D",
        BufferKind::Blob if in_place(SIZE).is_ok() => "blob",
        BufferKind::Blob => "blob copied",
    };
    format!("1280x800 {kind}, 64x64 at rest")
}

/// Measures its cases.
pub(super) fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let frames = frames(bench.plan());
    for kind in KINDS {
        let wanted = Wanted {
            needs: Needs {
                blobs: kind == BufferKind::Blob,
                ..Needs::default()
            },
            // With a refresh in between, the next frame would have to wait for the one before.
            shown_by: Shown::Stopwatch(Manner {
                presents: Presents::AtOnce,
                knows_guests: true,
            }),
            ..Wanted::one(SIZE)
        };
        bench.case(
            &name(kind),
            &wanted,
            |subject| Guest::new(subject, kind),
            |guest, subject, readings| guest.measure(subject, readings, frames),
        );
    }
    Ok(())
}

impl Guest {
    fn new(subject: &mut dyn Subject, kind: BufferKind) -> anyhow::Result<Self> {
        let mut driver = subject.connect(0, &DriverOptions::default())?;
        // A peer without blobs does the same by its own best way.
        let kind = match driver.has(F_RESOURCE_BLOB) {
            true => kind,
            false => BufferKind::Dumb2d,
        };
        let options = ScreenOptions {
            kind,
            fencing: Fencing::Always,
            buffers: 1,
            ..ScreenOptions::default()
        };
        let mut screen = Screen::new(&mut driver, 0, SIZE, options)?;
        let ticket = screen.flip_drawn(&mut driver)?;
        screen.wait(&mut driver, ticket)?;
        Ok(Self {
            driver,
            screen,
            ping_pong: PingPong::start()?,
        })
    }

    fn measure(
        &mut self,
        subject: &mut dyn Subject,
        readings: &mut Readings,
        frames: u32,
    ) -> anyhow::Result<()> {
        let (mut flushes, mut trips) = (Vec::new(), Vec::new());
        for _ in 0..frames {
            thread::sleep(PAUSE);
            trips.push(micros(self.ping_pong.round_trip(1, Duration::ZERO)?));
            thread::sleep(PAUSE);
            let took = self.flush(subject)?;
            readings.time(Quantity::FlushToCommit, took);
            flushes.push(micros(took));
        }
        if let (Some(flush), Some(trip)) = (median(&flushes), median(&trips))
            && trip > 0.0
        {
            readings.value(Quantity::FlushToCommitInPingPongs, flush / trip);
        }
        Ok(())
    }

    /// Shows a change, and returns how long it took to be handed over.
    fn flush(&mut self, subject: &mut dyn Subject) -> anyhow::Result<Duration> {
        let Self { driver, screen, .. } = self;
        let front = screen.front().context("The screen has no buffer")?;
        drain(subject)?;
        let start = now();
        front.transfer(driver, DAMAGE)?;
        let ticket = driver.flush_fenced(front.resource_id(), DAMAGE)?;
        let arrival = next_window(subject)?;
        screen.wait(driver, Some(ticket))?;
        Ok(arrival.at.saturating_sub(start))
    }
}

/// What arrived so far is not of interest.
fn drain(subject: &mut dyn Subject) -> anyhow::Result<()> {
    let Some(arrivals) = subject.arrivals() else {
        bail!("Nobody takes the time of its frames");
    };
    while arrivals.try_recv().is_ok() {}
    Ok(())
}

/// The next picture of a guest's monitor that is handed over.
fn next_window(subject: &mut dyn Subject) -> anyhow::Result<Arrival> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let Some(arrivals) = subject.arrivals() else {
            bail!("Nobody takes the time of its frames");
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let arrival = arrivals
            .recv_timeout(left)
            .context("A frame that was flushed was not handed over")?;
        if arrival.what == What::Window && arrival.buffer.is_some() {
            return Ok(arrival);
        }
    }
}
