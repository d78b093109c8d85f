//! What guests cost that do nothing.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    START, Scenario,
    guests::{
        player::{Player, bytes},
        read_memory, start_all,
    },
};
use crate::bench::{
    measure::{
        cpu::Usage,
        memory::{self, Mapping},
    },
    plan::Plan,
    report::model::Quantity,
    run::{Bench, Readings},
    subject::{Lack, Role, Subject, Wanted},
};

const SIZE: (u32, u32) = (1280, 800);

/// Who was not woken up for so long is idle.
const QUIET: Duration = Duration::from_millis(300);

/// Memory that the guest sees as well, by its name in a device process: all of the guest's RAM, and the
/// pictures that our own devices keep.
const SEEN_BY_GUEST: [&str; 2] = ["/memfd:lucarne-guest-ram", "/memfd:lucarne "];

/// A case: how many guests have started, and whether their pointers are shown.
struct Case {
    name: &'static str,
    /// Devices that are there.
    devices: usize,
    /// Devices with a guest.
    guests: usize,
    pointer: bool,
}

const CASES: [Case; 4] = [
    Case {
        name: "no guest",
        devices: 1,
        guests: 0,
        pointer: false,
    },
    Case {
        name: "one guest",
        devices: 1,
        guests: 1,
        pointer: false,
    },
    Case {
        name: "one guest with a pointer",
        devices: 1,
        guests: 1,
        pointer: true,
    },
    Case {
        name: "16 guests",
        devices: 16,
        guests: 16,
        pointer: false,
    },
];

/// The scenario.
pub(super) struct Idle;

impl Scenario for Idle {
    fn about(&self) -> &'static str {
        "Devices without a guest, and guests that have started, have shown pictures and do nothing more: how \
         often any thread of any process wakes up, processor time, and memory by share (what processes have \
         in common is divided among them; this program is one of them)."
    }

    fn wanted(&self, _plan: &Plan) -> Result<Wanted, Lack> {
        Ok(Wanted::one(SIZE))
    }

    fn takes(&self, plan: &Plan, subjects: u32) -> Duration {
        let cases = CASES.iter().filter(|case| plan.wants(case.name)).count();
        plan.time(cases, subjects, START + 2 * QUIET, length(plan))
    }

    fn run(&self, bench: &mut Bench<'_>) -> anyhow::Result<()> {
        let (length, settling) = (length(bench.plan()), settling(bench.plan()));
        for case in &CASES {
            let wanted = Wanted {
                guests: case.devices,
                ..Wanted::one(SIZE)
            };
            bench.case(
                case.name,
                &wanted,
                |subject| {
                    let mut players = start_all(subject, case.guests, SIZE)?;
                    if case.pointer {
                        players.iter_mut().try_for_each(Player::show_pointer)?;
                    }
                    settle(subject, settling)?;
                    Ok(players)
                },
                |players, subject, readings| watch(players, subject, length, readings),
            );
        }
        Ok(())
    }
}

/// How long a turn lasts.
fn length(plan: &Plan) -> Duration {
    Duration::from_millis(plan.pick(500, 4000))
}

/// How long it may take until nothing happens any more.
fn settling(plan: &Plan) -> Duration {
    Duration::from_secs(plan.pick(2, 5))
}

/// Waits until nobody was woken up for a while. Just started, a device is not idle yet: windows are
/// arranged, last frames are shown. Who never rests is measured as it is.
fn settle(subject: &mut dyn Subject, limit: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        let processes = subject.processes();
        let before = Usage::of(&processes)?;
        thread::sleep(QUIET);
        if Usage::of(&processes)?.since(&before).all().wakeups == 0 {
            break;
        }
    }
    Ok(())
}

fn watch(
    players: &[Player],
    subject: &mut dyn Subject,
    length: Duration,
    readings: &mut Readings,
) -> anyhow::Result<()> {
    let processes = subject.processes();
    let before = Usage::of(&processes)?;
    thread::sleep(length);
    let spent = Usage::of(&processes)?.since(&before).all();
    let seconds = length.as_secs_f64();
    readings.value(Quantity::Wakeups, spent.wakeups as f64 / seconds);
    let percent = 100.0 * spent.cpu.as_secs_f64() / seconds;
    readings.value(Quantity::Cpu, percent);
    read_memory(&processes, readings)?;
    let devices = processes
        .iter()
        .filter(|process| process.role == Role::Device);
    let beyond = devices
        .map(|process| memory::beyond(process.pid, is_seen_by_guest))
        .collect::<anyhow::Result<Vec<u64>>>()?;
    if !beyond.is_empty() {
        let mean = beyond.iter().sum::<u64>() as f64 / beyond.len() as f64;
        let kept = (kept_pictures(players, subject) / 1024) as f64;
        readings.value(Quantity::DeviceMemoryBeyondGuest, (mean - kept).max(0.0));
    }
    Ok(())
}

fn is_seen_by_guest(mapping: &Mapping) -> bool {
    let name = mapping.name.as_str();
    // The kernel puts `(deleted)` behind a space.
    let starts = |prefix: &&str| name.starts_with(*prefix);
    SEEN_BY_GUEST.iter().any(starts) || name == "/memfd:lucarne"
}

/// Bytes of pictures that a device without blobs keeps of its guest. Those of peers lie among everything
/// else that they keep, and are not held against them; ours have names.
fn kept_pictures(players: &[Player], subject: &dyn Subject) -> u64 {
    let ours = subject.control_socket().is_some();
    match players.first() {
        Some(player) if !ours && !player.has_blobs() => 2 * bytes(SIZE),
        _ => 0,
    }
}
