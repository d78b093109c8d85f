//! A guest's turn: it flips, and its frames are where they are to be.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use guest::{
    driver::Driver,
    kms::{BufferKind, Fencing, Screen, ScreenOptions},
};
use protocols::{
    ipc::{Output, ScanoutStats},
    virtio_gpu::Format,
};

use super::kiosk::Kiosk;
use crate::bench::{measure::cpu::Usage, report::model::Quantity, run::Readings, subject::Role};

/// How long frames may take to be where they are to be: Mesa compiles its shaders, and what was composited
/// comes back to its plane only after a while.
const SETTLE: Duration = Duration::from_secs(15);

/// A flush that takes this long is answered so that the guest goes on, whether its frame was seen or not.
const UNSEEN: Duration = Duration::from_millis(45);

/// Flips between two looks at where they are.
const LOOK_EVERY: u32 = 30;

/// Formats of as many bytes as [`Format::Bgrx8888`] that few display controllers know.
const UNCOMMON: [Format; 3] = [Format::Xrgb8888, Format::Argb8888, Format::Rgbx8888];

/// Where frames are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// On the primary plane, with nothing drawn.
    Plane,
    /// Drawn by the compositor.
    Composited,
}

/// Flips for some time, writes down what that cost, and returns the part of all refreshes that showed a new
/// frame.
///
/// # Errors
/// Frames do not go the way that they are to go, or something ended.
pub(super) fn take(
    kiosk: &Kiosk,
    size: (u32, u32),
    way: Way,
    time: Duration,
    readings: &mut Readings,
) -> anyhow::Result<f64> {
    let mut driver = kiosk.connect()?;
    let mut screen = settle(kiosk, &mut driver, size, way)?;
    let before = Moment::now(kiosk)?;
    // A flush is answered when its frame is seen: from one answer to another, no refresh is counted in halves.
    flip(&mut screen, &mut driver)?;
    let first = kiosk.vblank()?;
    let began = Instant::now();
    let mut fresh = 0;
    while began.elapsed() < time {
        if let Some(took) = flip(&mut screen, &mut driver)?.filter(|took| *took < UNSEEN) {
            readings.time(Quantity::FlushToAnswer, took);
            fresh += 1;
        }
    }
    let vblanks = kiosk.vblank()?.wrapping_sub(first);
    ensure!(vblanks > 0, "The kernel counted no vblanks in {time:?}");
    let share = f64::from(fresh) / f64::from(vblanks);
    readings.value(Quantity::FreshRefreshes, 100.0 * share);
    Moment::now(kiosk)?.tell(&before, way, readings)?;
    Ok(share)
}

fn flip(screen: &mut Screen, driver: &mut Driver) -> anyhow::Result<Option<Duration>> {
    let ticket = screen.flip_drawn(driver)?;
    Ok(screen.wait(driver, ticket)?)
}

/// A screen whose frames go the way that they are to go.
fn settle(
    kiosk: &Kiosk,
    driver: &mut Driver,
    size: (u32, u32),
    way: Way,
) -> anyhow::Result<Screen> {
    let formats: &[Format] = match way {
        Way::Plane => &[Format::Bgrx8888],
        Way::Composited => &UNCOMMON,
    };
    let mut last = String::new();
    for &format in formats {
        let options = ScreenOptions {
            kind: BufferKind::Blob,
            format,
            fencing: Fencing::AsLinux,
            buffers: 2,
        };
        let mut screen = Screen::new(driver, 0, size, options)?;
        let began = Instant::now();
        while began.elapsed() < SETTLE {
            for _ in 0..LOOK_EVERY {
                flip(&mut screen, driver)?;
            }
            let output = kiosk.output()?;
            if way.is(&output) {
                return Ok(screen);
            }
            last = words(&output);
            if way == Way::Composited {
                break;
            }
        }
        screen.destroy(driver)?;
    }
    match way {
        Way::Plane => bail!("Could not bring a guest's frames to a plane: {last}"),
        Way::Composited => {
            bail!("Could not have frames drawn: the card shows all formats ({last})")
        }
    }
}

impl Way {
    /// Whether frames go this way now. A guest that is shown on a plane is on it alone.
    fn is(self, output: &Output) -> bool {
        let drawn = output.composited.is_some();
        drawn == (self == Self::Composited) && !output.planes.is_empty()
    }
}

fn words(output: &Output) -> String {
    let reason = output.composited.as_ref();
    let reason = reason.map_or("nothing is composited", |reason| &reason.text);
    format!("{} planes are in use, {reason}", output.planes.len())
}

/// Everything that counts on, at one time.
struct Moment {
    usage: Usage,
    counters: ScanoutStats,
    output: Output,
}

impl Moment {
    fn now(kiosk: &Kiosk) -> anyhow::Result<Self> {
        Ok(Self {
            usage: Usage::of(&kiosk.processes())?,
            counters: kiosk.counters()?,
            output: kiosk.output()?,
        })
    }

    /// Writes down what came between.
    fn tell(&self, before: &Self, way: Way, readings: &mut Readings) -> anyhow::Result<()> {
        let counted = |count: fn(&ScanoutStats) -> u64| {
            count(&self.counters).saturating_sub(count(&before.counters))
        };
        let presented = counted(|stats| stats.frames_presented);
        ensure!(presented > 0, "No frame was shown");
        let on_plane = counted(|stats| stats.frames_zero_copy);
        let drawn = self.output.frames.composited - before.output.frames.composited;
        let right = match way {
            Way::Plane => on_plane == presented && drawn == 0,
            Way::Composited => on_plane == 0 && drawn > 0,
        };
        ensure!(
            right,
            "Of {presented} frames {on_plane} were on a plane, and {drawn} refreshes were drawn: {}",
            words(&self.output)
        );
        readings.value(
            Quantity::BytesCopiedPerFrame,
            count(counted(|stats| stats.bytes_copied)) / count(presented),
        );
        let usage = self.usage.since(&before.usage);
        for (quantity, spent) in [
            (Quantity::CpuPerFrame, usage.all()),
            (Quantity::DeviceCpuPerFrame, usage.role(Role::Device)),
            (
                Quantity::CompositorCpuPerFrame,
                usage.role(Role::Compositor),
            ),
        ] {
            let micros = spent.cpu.as_secs_f64() * 1e6;
            readings.value(quantity, micros / count(presented));
        }
        Ok(())
    }
}

/// A number of frames, which is far below what an f64 holds exactly.
#[expect(clippy::cast_precision_loss, reason = "of minutes at most")]
fn count(frames: u64) -> f64 {
    frames as f64
}
