//! Two buffers in turn: what a frame costs, how long it takes, how many refreshes show a new one.

mod commit;
mod machine;
pub(super) mod pace;

use std::{collections::BTreeMap, fmt, time::Duration};

use anyhow::Context as _;

use self::pace::{Pace, Ticks};
use super::{
    START, Scenario,
    frames::{Account, Fence, Guest, Kind, in_place, micros, number},
};
use crate::bench::{
    plan::Plan,
    report::model::Quantity,
    run::{Bench, Readings},
    subject::{Lack, Subject, Wanted},
};

/// All sizes, from an installer's to 8K.
const SIZES: [(u32, u32); 6] = [
    (640, 480),
    (1280, 800),
    (1920, 1080),
    (2560, 1440),
    (3840, 2160),
    (7680, 4320),
];

/// Those of a short run.
const SHORT_SIZES: [(u32, u32); 2] = [(640, 480), (1920, 1080)];

/// The size at which the other paces are tried.
const USUAL_SIZE: (u32, u32) = (1920, 1080);

/// Those with pictures that are transferred, in a full run.
const TRANSFERRED_SIZES: [(u32, u32); 3] = [(640, 480), (1920, 1080), (3840, 2160)];

/// Frames before each turn that are not counted: the machine did something else before.
const WARM_UP: u32 = 3;

/// Two buffers in turn.
#[derive(Debug, Clone, Copy)]
pub struct Flip;

/// One of the things that are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Case {
    size: (u32, u32),
    kind: Kind,
    pace: Pace,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            size: (width, height),
            kind,
            pace,
        } = self;
        let kind = match kind {
            Kind::Blob if in_place(self.size).is_ok() => "blob",
            Kind::Blob => "blob copied",
            Kind::Transfers => "2D",
        };
        write!(f, "{width}x{height} {kind}, {pace}")
    }
}

impl Scenario for Flip {
    fn about(&self) -> &'static str {
        "Two buffers in turn. The guest draws nothing (its own drawing is not what is measured) and \
         flushes all of the picture. Free-running: the next flip follows when the last flush, which has a \
         fence, is answered. At a rate: at moments on a fixed grid, or as soon as the last flush is answered \
         if that is later. Unfenced: as fast as flushes are answered that need not be shown, and a frame is \
         then one that was flushed; else it is one that was shown. Devices without blobs transfer the \
         picture in the blob cases too. Where the host can't make dma-bufs of guest memory, blobs are \
         copied, and the case says so."
    }

    fn wanted(&self, _: &Plan) -> Result<Wanted, Lack> {
        Ok(Wanted::one(USUAL_SIZE))
    }

    fn takes(&self, plan: &Plan, subjects: u32) -> Duration {
        let flips = plan.time(cases(plan).len(), subjects, START, turn(plan));
        flips + commit::takes(plan, subjects) + machine::takes(plan)
    }

    fn run(&self, bench: &mut Bench<'_>) -> anyhow::Result<()> {
        for (why, sizes) in copied(bench.plan()) {
            bench.skip(&format!("{} blob in place", sizes.join(", ")), &why);
        }
        let length = turn(bench.plan());
        for case in cases(bench.plan()) {
            let wanted = Wanted {
                hertz: case.pace.hertz().unwrap_or(60),
                ..Wanted::one(case.size)
            };
            bench.case(
                &case.to_string(),
                &wanted,
                |subject| Guest::connect(subject, case.size, case.kind),
                |guest, subject, readings| case.measure(length, guest, subject, readings),
            );
        }
        commit::run(bench)?;
        machine::run(bench);
        Ok(())
    }
}

fn sizes(plan: &Plan) -> Vec<(u32, u32)> {
    plan.pick(SHORT_SIZES.to_vec(), SIZES.to_vec())
}

/// The sizes of which the host can't show blobs as they are, by the reason.
fn copied(plan: &Plan) -> BTreeMap<String, Vec<String>> {
    let mut copied = BTreeMap::<_, Vec<_>>::new();
    for size in sizes(plan) {
        if let Err(why) = in_place(size) {
            let size = format!("{}x{}", size.0, size.1);
            copied.entry(why).or_default().push(size);
        }
    }
    copied
}

fn cases(plan: &Plan) -> Vec<Case> {
    let blob = |size, pace| Case {
        size,
        kind: Kind::Blob,
        pace,
    };
    let mut cases = Vec::new();
    for size in sizes(plan) {
        cases.push(blob(size, Pace::Free));
        cases.push(blob(size, Pace::Hertz(60)));
        if size == USUAL_SIZE {
            cases.push(blob(size, Pace::Unfenced));
            let fast = plan.pick(vec![144], vec![120, 144]);
            cases.extend(fast.into_iter().map(|hertz| blob(size, Pace::Hertz(hertz))));
        }
    }
    let transferred = plan.pick(vec![USUAL_SIZE], TRANSFERRED_SIZES.to_vec());
    cases.extend(transferred.into_iter().map(|size| Case {
        size,
        kind: Kind::Transfers,
        pace: Pace::Hertz(60),
    }));
    cases.retain(|case| plan.wants(&case.to_string()));
    cases
}

/// How long a turn is.
fn turn(plan: &Plan) -> Duration {
    plan.pick(Duration::from_millis(400), Duration::from_millis(2500))
}

impl Case {
    fn measure(
        self,
        length: Duration,
        guest: &mut Guest,
        subject: &mut dyn Subject,
        readings: &mut Readings,
    ) -> anyhow::Result<()> {
        for _ in 0..WARM_UP {
            guest.show()?;
        }
        let fence = match self.pace {
            Pace::Unfenced => Fence::None,
            Pace::Free | Pace::Hertz(_) => Fence::Flush,
        };
        let account = Account::open(subject)?;
        let mut ticks = Ticks::start(self.pace);
        let mut answers = Vec::new();
        while ticks.elapsed() < length {
            ticks.wait()?;
            let flush = guest.flip(fence)?;
            readings.time(Quantity::FlushToAnswer, guest.wait(flush)?);
            answers.push(ticks.elapsed());
        }
        let flushed = u64::try_from(answers.len())?;
        let shown = account.close(subject, flushed, fence == Fence::Flush, readings)?;
        readings.value(
            Quantity::FramesPerSecond,
            number(flushed) / shown.took.as_secs_f64(),
        );
        if fence == Fence::None {
            return Ok(());
        }
        if let Some(counters) = subject.counters(0)?
            && let Some(half) = counters.flush_to_present
        {
            readings.value(Quantity::FlushToPresent, micros(half));
        }
        // Whether a guest that runs freely is paced, only one that counts can say.
        let hertz = match (self.pace.hertz(), shown.missed) {
            (None, None) => return Ok(()),
            (hertz, _) => hertz.unwrap_or(60),
        };
        let fresh = pace::fresh(&answers, hertz, shown.missed.unwrap_or(0));
        readings.value(
            Quantity::FreshRefreshes,
            fresh.context("Could not count refreshes: there was one frame at most")?,
        );
        for jitter in pace::jitter(&answers, hertz) {
            readings.time(Quantity::Jitter, jitter);
        }
        Ok(())
    }
}
