//! Several guests at once, each at 60 Hz: what they cost and what they miss.

pub(super) mod player;

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;

use self::player::{Played, Player, play_all};
use super::Scenario;
use crate::bench::{
    measure::{cpu::Usage, memory},
    plan::Plan,
    report::model::Quantity,
    run::{Bench, Readings},
    subject::{Counters, Lack, Needs, Process, Role, Shown, Subject, Wanted},
};

const HERTZ: u32 = 60;

/// Frames before those that count.
const WARM_UP: u32 = 10;

/// How long the last frames may take until they are counted.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two looks at the counters.
const PAUSE: Duration = Duration::from_millis(10);

/// What starting the guests of a case takes, and warming up before each turn, for the estimate.
const FIRST: Duration = Duration::from_secs(1);
const WARMING: Duration = Duration::from_millis(300);

/// The scenario.
pub(super) struct Guests;

impl Scenario for Guests {
    fn about(&self) -> &'static str {
        "Guests at once, each with a window, a device process and a clock of its own, that flip two pictures \
         60 times a second: processor time, memory, and the refreshes of the host that showed nothing new \
         of a guest that had drawn. Each guest is a thread here, and costs the machine something as well."
    }

    fn wanted(&self, _plan: &Plan) -> Result<Wanted, Lack> {
        Ok(wanted(1, (640, 480)))
    }

    fn takes(&self, plan: &Plan, subjects: u32) -> Duration {
        let cases = cases(plan)
            .into_iter()
            .map(|(guests, size)| name(guests, size));
        let cases = cases.filter(|name| plan.wants(name)).count();
        plan.time(cases, subjects, FIRST, length(plan) + WARMING)
    }

    fn run(&self, bench: &mut Bench<'_>) -> anyhow::Result<()> {
        let length = length(bench.plan());
        for (guests, size) in cases(bench.plan()) {
            bench.case(
                &name(guests, size),
                &wanted(guests, size),
                |subject| start_all(subject, guests, size),
                |players, subject, readings| measure(players, subject, length, readings),
            );
        }
        Ok(())
    }
}

fn name(guests: usize, (width, height): (u32, u32)) -> String {
    let noun = if guests == 1 { "guest" } else { "guests" };
    format!("{guests} {noun}, {width}x{height}")
}

fn cases(plan: &Plan) -> Vec<(usize, (u32, u32))> {
    let counts: &[usize] = plan.pick(&[1, 16], &[1, 2, 4, 8, 16]);
    let sizes: &[(u32, u32)] = plan.pick(&[(640, 480)], &[(640, 480), (1920, 1080)]);
    sizes
        .iter()
        .flat_map(|&size| counts.iter().map(move |&count| (count, size)))
        .collect()
}

fn wanted(guests: usize, size: (u32, u32)) -> Wanted {
    Wanted {
        size,
        hertz: HERTZ,
        guests,
        needs: Needs::default(),
        shown_by: Shown::Compositor,
    }
}

/// How long a turn lasts.
fn length(plan: &Plan) -> Duration {
    Duration::from_millis(plan.pick(500, 3000))
}

/// Starts the drivers of all guests, each with a frame on its monitor.
pub(super) fn start_all(
    subject: &mut dyn Subject,
    guests: usize,
    size: (u32, u32),
) -> anyhow::Result<Vec<Player>> {
    (0..guests)
        .map(|guest| Player::start(subject, guest, size))
        .collect()
}

fn measure(
    players: &mut [Player],
    subject: &mut dyn Subject,
    length: Duration,
    readings: &mut Readings,
) -> anyhow::Result<()> {
    let period = Duration::from_secs(1) / HERTZ;
    // Nobody rests any more when it counts.
    play_all(players, period, period * WARM_UP)?;
    let counted = all_counters(subject, players.len())?;
    let processes = subject.processes();
    let before = Usage::of(&processes)?;
    let began = Instant::now();
    let played = play_all(players, period, length)?;
    let took = began.elapsed();
    let spent = Usage::of(&processes)?.since(&before);

    let frames = played.iter().map(|played| played.flips).sum::<u64>() as f64;
    let percent = 100.0 * spent.all().cpu.as_secs_f64() / took.as_secs_f64();
    readings.value(Quantity::Cpu, percent);
    readings.value(Quantity::FramesPerSecond, frames / length.as_secs_f64());
    let mut each = |quantity, cpu: Duration| {
        readings.value(quantity, cpu.as_secs_f64() * 1e6 / frames);
    };
    each(Quantity::CpuPerFrame, spent.all().cpu);
    each(Quantity::DeviceCpuPerFrame, spent.role(Role::Device).cpu);
    if has(&processes, Role::Compositor) {
        let cpu = spent.role(Role::Compositor).cpu;
        each(Quantity::CompositorCpuPerFrame, cpu);
    }
    read_memory(&processes, readings)?;
    if let Some(counted) = counted {
        let now = settled_counters(subject, &counted, &played)?;
        check_counters(&counted, &now, &played)?;
        read_counters(&counted, &now, &played, readings);
    }
    Ok(())
}

fn has(processes: &[Process], role: Role) -> bool {
    processes.iter().any(|process| process.role == role)
}

/// Memory of a device process, on the average of all, and of the compositor.
pub(super) fn read_memory(processes: &[Process], readings: &mut Readings) -> anyhow::Result<()> {
    for (role, quantity) in [
        (Role::Device, Quantity::DeviceMemory),
        (Role::Compositor, Quantity::CompositorMemory),
    ] {
        let pids = processes.iter().filter(|process| process.role == role);
        let memory = pids.map(|process| memory::pss(process.pid));
        let memory = memory.collect::<anyhow::Result<Vec<u64>>>()?;
        if !memory.is_empty() {
            let mean = memory.iter().sum::<u64>() as f64 / memory.len() as f64;
            readings.value(quantity, mean);
        }
    }
    Ok(())
}

/// The counters of all guests; `None` where nobody counts.
fn all_counters(subject: &mut dyn Subject, guests: usize) -> anyhow::Result<Option<Vec<Counters>>> {
    (0..guests).map(|guest| subject.counters(guest)).collect()
}

/// The counters once they have all frames: shown, or known to be missed.
fn settled_counters(
    subject: &mut dyn Subject,
    before: &[Counters],
    played: &[Played],
) -> anyhow::Result<Vec<Counters>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = all_counters(subject, played.len())?.unwrap_or_default();
        let all = now.iter().zip(before).zip(played);
        let settled = all.clone().count() == played.len()
            && all.into_iter().all(|((now, before), played)| {
                let ended = now.presented + now.missed;
                ended >= before.presented + before.missed + played.flips
            });
        if settled || Instant::now() >= deadline {
            return Ok(now);
        }
        thread::sleep(PAUSE);
    }
}

/// A device that counts other frames than its guest flushes is not to be believed in anything else.
fn check_counters(before: &[Counters], now: &[Counters], played: &[Played]) -> anyhow::Result<()> {
    for ((before, now), played) in before.iter().zip(now).zip(played) {
        let counted = now.flushed.saturating_sub(before.flushed);
        ensure!(
            counted == played.flips,
            "The device counted {counted} frames of a guest that flushed {}: its counters are wrong",
            played.flips
        );
    }
    Ok(())
}

fn read_counters(
    before: &[Counters],
    now: &[Counters],
    played: &[Played],
    readings: &mut Readings,
) {
    let guests = before.iter().zip(now).zip(played);
    let missed: Vec<f64> = guests
        .map(|((before, now), played)| {
            let shown = now.presented.saturating_sub(before.presented);
            let due = played.due.max(1);
            100.0 * due.saturating_sub(shown) as f64 / due as f64
        })
        .collect();
    let mean = missed.iter().sum::<f64>() / missed.len().max(1) as f64;
    readings.value(Quantity::MissedRefreshes, mean);
    let worst = missed.into_iter().fold(0.0, f64::max);
    readings.value(Quantity::WorstMissedRefreshes, worst);
    let copied = |counters: &[Counters]| -> u64 {
        counters.iter().map(|counters| counters.bytes_copied).sum()
    };
    let bytes = copied(now).saturating_sub(copied(before)) as f64;
    let frames = played.iter().map(|played| played.flips).sum::<u64>();
    readings.value(Quantity::BytesCopiedPerFrame, bytes / frames.max(1) as f64);
}
