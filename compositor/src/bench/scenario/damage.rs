//! Small changes: how many bytes are touched for each that changed.

use std::time::Duration;

use protocols::virtio_gpu::Rect;

use super::{
    START, Scenario,
    flip::pace::{Pace, Ticks},
    frames::{Account, Fence, Guest, Kind, in_place, number},
};
use crate::bench::{
    plan::Plan,
    report::model::Quantity,
    run::{Bench, Readings},
    subject::{Lack, Subject, Wanted},
};

/// The monitor.
const SIZE: (u32, u32) = (1920, 1080);

/// Changes a second.
const HERTZ: u32 = 60;

/// What changes: a text cursor, a terminal that scrolls above a status line, a film in a window.
const CHANGES: [(&str, Rect); 3] = [
    (
        "cursor",
        Rect {
            x: 640,
            y: 512,
            width: 8,
            height: 16,
        },
    ),
    (
        "terminal",
        Rect {
            x: 0,
            y: 0,
            width: 1920,
            height: 1064,
        },
    ),
    (
        "video",
        Rect {
            x: 320,
            y: 200,
            width: 640,
            height: 360,
        },
    ),
];

/// Small changes.
#[derive(Debug, Clone, Copy)]
pub struct Damage;

impl Scenario for Damage {
    fn about(&self) -> &'static str {
        "A guest that changes a part of the picture that is shown, 60 times a second: a blinking text cursor of \
         8x16 pixels (sped up), a terminal that scrolls (1920x1064), a film in a window (640x360). Bytes that \
         the device copied, for each byte that changed. With pictures in the guest's own memory nothing has to \
         be copied; devices without blobs transfer them."
    }

    fn wanted(&self, _: &Plan) -> Result<Wanted, Lack> {
        Ok(Wanted::one(SIZE))
    }

    fn takes(&self, plan: &Plan, subjects: u32) -> Duration {
        let cases = [Kind::Blob, Kind::Transfers].map(|kind| {
            let names = CHANGES.iter().map(|(what, _)| name(what, kind));
            names.filter(|name| plan.wants(name)).count()
        });
        plan.time(cases.iter().sum(), subjects, START, turn(plan))
    }

    fn run(&self, bench: &mut Bench<'_>) -> anyhow::Result<()> {
        bench.skip(
            "what the compositor draws",
            "its control socket does not tell how many pixels it draws",
        );
        let length = turn(bench.plan());
        for kind in [Kind::Blob, Kind::Transfers] {
            for (what, rect) in CHANGES {
                bench.case(
                    &name(what, kind),
                    &Wanted::one(SIZE),
                    |subject| Guest::connect(subject, SIZE, kind),
                    |guest, subject, readings| measure(rect, length, guest, subject, readings),
                );
            }
        }
        Ok(())
    }
}

fn name(what: &str, kind: Kind) -> String {
    let way = match kind {
        Kind::Blob if in_place(SIZE).is_ok() => "blob",
        Kind::Blob => "blob copied",
        Kind::Transfers => "2D",
    };
    format!("{what}, {way}")
}

/// How long a turn is.
fn turn(plan: &Plan) -> Duration {
    plan.pick(Duration::from_millis(300), Duration::from_secs(2))
}

fn measure(
    rect: Rect,
    length: Duration,
    guest: &mut Guest,
    subject: &mut dyn Subject,
    readings: &mut Readings,
) -> anyhow::Result<()> {
    guest.show()?;
    // What the other buffers of the host lack after a whole frame is no part of a small change.
    for _ in 0..3 {
        let flush = guest.update(rect, Fence::Flush)?;
        guest.wait(flush)?;
    }
    let account = Account::open(subject)?;
    let mut ticks = Ticks::start(Pace::Hertz(HERTZ));
    let mut frames = 0;
    while ticks.elapsed() < length {
        ticks.wait()?;
        let flush = guest.update(rect, Fence::Flush)?;
        readings.time(Quantity::FlushToAnswer, guest.wait(flush)?);
        frames += 1;
    }
    let shown = account.close(subject, frames, true, readings)?;
    if let Some(copied) = shown.bytes_copied {
        let changed = 4 * frames * u64::from(rect.width) * u64::from(rect.height);
        let ratio = number(copied) / number(changed.max(1));
        readings.value(Quantity::BytesPerChangedByte, ratio);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_lie_in_the_picture() {
        let whole = Rect::from_size(SIZE.0, SIZE.1);
        assert!(CHANGES.iter().all(|(_, rect)| whole.contains(rect)));
    }
}
