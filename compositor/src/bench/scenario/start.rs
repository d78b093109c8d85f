//! How long a start takes.

mod machine;

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use super::{START, Scenario, guests::player::Player};
use crate::bench::{
    plan::Plan,
    report::model::Quantity,
    run::{Bench, Measure, Readings},
    stopwatch::Manner,
    subject::{Lack, Peer, Shown, Subject, Wanted},
};

const SIZE: (u32, u32) = (1280, 800);

/// How long the first frame may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at the counters: short beside what is measured.
const PAUSE: Duration = Duration::from_micros(500);

/// The scenario.
pub(super) struct Start;

impl Scenario for Start {
    fn about(&self) -> &'static str {
        "From the start of a device process until a VMM can connect; and from the start of all processes \
         to the first frame of a guest that is there at once: shown, where somebody says that it was, else \
         answered. With a Linux guest: from `lucarne run` to the first picture that reaches the session, the \
         boot of QEMU and of the guest's kernel included."
    }

    fn wanted(&self, _plan: &Plan) -> Result<Wanted, Lack> {
        Ok(Wanted::one(SIZE))
    }

    fn takes(&self, plan: &Plan, subjects: u32) -> Duration {
        plan.time(2, subjects, Duration::ZERO, START) + machine::takes(plan)
    }

    fn run(&self, bench: &mut Bench<'_>) -> anyhow::Result<()> {
        contest(bench, "a device alone", device_alone, until_ready);
        let all = |_: &dyn Peer| Wanted::one(SIZE);
        contest(bench, "all processes", all, until_first_frame);
        machine::run(bench);
        Ok(())
    }
}

/// What starts nothing but a device: ours is a client of the benchmark then, others have no compositor of
/// their own.
fn device_alone(peer: &dyn Peer) -> Wanted {
    let alone = Wanted {
        shown_by: Shown::Stopwatch(Manner::default()),
        ..Wanted::one(SIZE)
    };
    match peer.suits(&alone) {
        Ok(()) => alone,
        Err(_) => Wanted::one(SIZE),
    }
}

/// One start of a subject, in a folder of its own.
type OneStart = fn(&dyn Peer, &Wanted, &Path, &mut Readings) -> anyhow::Result<()>;

/// Starts all subjects that suit, in turns.
fn contest(bench: &mut Bench<'_>, case: &str, wanted: fn(&dyn Peer) -> Wanted, once: OneStart) {
    let place = bench.folder().join(case.replace(' ', "-"));
    let mut measures: Vec<(&str, Box<Measure<'_>>)> = Vec::new();
    for peer in bench.peers() {
        let wanted = wanted(peer.as_ref());
        if let Err(lack) = peer.suits(&wanted) {
            bench.skip(&format!("{case}, {}", peer.name()), &lack.to_string());
            continue;
        }
        let folder = place.join(peer.name());
        let measure = move |readings: &mut Readings| {
            std::fs::create_dir_all(&folder).with_context(|| {
                format!("Could not make {}. Check that folder", folder.display())
            })?;
            let outcome = once(peer.as_ref(), &wanted, &folder, readings);
            // The next start finds nothing of this one. What stays goes with the benchmark's own folder.
            let _ = std::fs::remove_dir_all(&folder);
            outcome
        };
        measures.push((peer.name(), Box::new(measure)));
    }
    let mut contestants: Vec<(&str, &mut Measure<'_>)> = measures
        .iter_mut()
        .map(|(name, measure)| (*name, &mut **measure))
        .collect();
    bench.contest(case, &mut contestants);
}

fn until_ready(
    peer: &dyn Peer,
    wanted: &Wanted,
    folder: &Path,
    readings: &mut Readings,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let subject = peer.start(wanted, folder)?;
    let took = began.elapsed();
    drop(subject);
    readings.value(Quantity::DeviceReady, took.as_secs_f64() * 1e3);
    Ok(())
}

fn until_first_frame(
    peer: &dyn Peer,
    wanted: &Wanted,
    folder: &Path,
    readings: &mut Readings,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut subject = peer.start(wanted, folder)?;
    let player = Player::start(subject.as_mut(), 0, wanted.size)?;
    wait_until_shown(subject.as_mut())?;
    let took = began.elapsed();
    // A device is in its right to end when its VMM goes.
    drop(player);
    drop(subject);
    readings.value(Quantity::FirstFrame, took.as_secs_f64() * 1e3);
    Ok(())
}

/// Waits until a frame was shown, where somebody counts them.
fn wait_until_shown(subject: &mut dyn Subject) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while let Some(counters) = subject.counters(0)? {
        if counters.presented > 0 {
            break;
        }
        if Instant::now() >= deadline {
            bail!("No frame was shown within {PATIENCE:?}. The device's log may say why");
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}
