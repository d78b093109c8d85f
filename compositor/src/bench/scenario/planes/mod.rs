//! A guest on the planes of a graphics card, as `lucarne kiosk` shows it on a bare console.
//!
//! Beside it runs a bare program that does nothing but flip two dma-bufs: what it reaches is what the machine can
//! do. Only one of them can have the card, so each turn starts its program anew.
//!
//! - `find`: a card that nobody uses.
//! - `card`, `bare`: the bare program.
//! - `kiosk`: ours, with a guest.
//! - `turn`: the guest flips.

pub mod bare;
mod card;
mod find;
mod kiosk;
mod turn;

use std::{path::Path, time::Duration};

use anyhow::Context as _;

use self::{
    bare::{Bare, Findings},
    find::Found,
    kiosk::Kiosk,
    turn::Way,
};
use super::Scenario;
use crate::bench::{
    peer::child::Child,
    plan::Plan,
    report::model::Quantity,
    run::{Bench, Readings},
    subject::{Lack, Wanted},
};

/// What a start of the kiosk and of its guest takes, for the estimate.
const START: Duration = Duration::from_secs(4);

/// How much longer than its flips the bare program may take.
const BARE_PATIENCE: Duration = Duration::from_secs(20);

/// Who else flips.
const BARE: &str = "bare program";

/// The scenario.
pub(super) struct Planes;

impl Scenario for Planes {
    fn about(&self) -> &'static str {
        "A guest of the monitor's size flips two buffers as fast as it may, on a real monitor of a bare console. \
         `lucarne` has them on the card's primary plane, `lucarne, composited` has to draw them, because they are in \
         a format that no plane shows, and the bare program flips two dma-bufs and does nothing else: a refresh \
         that it misses nobody could have. Last, what the driver takes to refuse an arrangement of planes, and to \
         take one: a compositor that asks anew in every frame pays that in every frame, ours asks again after \
         250 ms at the earliest."
    }

    fn wanted(&self, _: &Plan) -> Result<Wanted, Lack> {
        let found = find::find()?;
        Ok(Wanted {
            hertz: found.monitor.hertz(),
            ..Wanted::one(found.monitor.size())
        })
    }

    fn takes(&self, plan: &Plan, _subjects: u32) -> Duration {
        plan.time(3, 1, Duration::ZERO, START + time(plan))
    }

    fn run(&self, bench: &mut Bench<'_>) -> anyhow::Result<()> {
        let found = match find::find() {
            Ok(found) => found,
            Err(lack) => {
                bench.skip("all of it", &lack.to_string());
                return Ok(());
            }
        };
        flips(bench, &found);
        arrangements(bench, &found);
        Ok(())
    }
}

/// For how long each of them flips in a turn.
fn time(plan: &Plan) -> Duration {
    plan.pick(Duration::from_secs(2), Duration::from_secs(10))
}

fn flips(bench: &mut Bench<'_>, found: &Found) {
    let time = time(bench.plan());
    let folder = bench.folder().to_owned();
    let (width, height) = found.monitor.size();
    let ceiling = std::cell::Cell::new(None);
    let kiosk = |way: Way, readings: &mut Readings| {
        let kiosk = Kiosk::start(found, &folder)?;
        let turn = turn::take(&kiosk, found.monitor.size(), way, time, readings)?;
        kiosk.quit()?;
        anyhow::Ok(turn)
    };
    let mut bare = |readings: &mut Readings| {
        let findings = run_bare(found, time, &folder)?;
        ceiling.set(Some(tell(&findings, readings)));
        Ok(())
    };
    let mut plane = |readings: &mut Readings| {
        let share = kiosk(Way::Plane, readings)?;
        // The bare program has the first turn of all.
        if let Some(ceiling) = ceiling.get() {
            readings.value(Quantity::OfBare, share / ceiling);
        }
        Ok(())
    };
    let mut composited = |readings: &mut Readings| kiosk(Way::Composited, readings).map(drop);
    bench.contest(
        &format!(
            "{width}x{height} blob, {} Hz monitor",
            found.monitor.hertz()
        ),
        &mut [
            (BARE, &mut bare),
            ("lucarne", &mut plane),
            ("lucarne, composited", &mut composited),
        ],
    );
}

/// Writes down what the bare program found, and returns its share of fresh refreshes.
fn tell(findings: &Findings, readings: &mut Readings) -> f64 {
    let share = f64::from(findings.fresh) / f64::from(findings.vblanks.max(1));
    readings.value(Quantity::FreshRefreshes, 100.0 * share);
    let frames = f64::from(findings.fresh.max(1));
    readings.value(Quantity::CpuPerFrame, findings.cpu_us / frames);
    share
}

fn arrangements(bench: &mut Bench<'_>, found: &Found) {
    let folder = bench.folder().to_owned();
    let mut ask = |readings: &mut Readings| {
        let findings = run_bare(found, Duration::ZERO, &folder)?;
        for (quantity, times) in [
            (Quantity::AcceptedArrangement, findings.accepted_us),
            (Quantity::RefusedArrangement, findings.refused_us),
        ] {
            for time in times {
                readings.time(quantity, Duration::from_secs_f64(time / 1e6));
            }
        }
        Ok(())
    };
    bench.contest("arrangements of planes", &mut [(BARE, &mut ask)]);
}

fn run_bare(found: &Found, time: Duration, folder: &Path) -> anyhow::Result<Findings> {
    let bare = Bare {
        card: found.node.clone(),
        time,
    };
    let command = bare.command().context("Could not find this program")?;
    let mut child = Child::start(BARE, command, folder)?;
    let patience = time + BARE_PATIENCE;
    child.wait_until("the bare program", patience, |child| {
        bare::findings(&child.output())
    })
}
