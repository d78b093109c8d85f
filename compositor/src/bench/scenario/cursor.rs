//! A pointer that moves as often as a gaming mouse reports.
//!
//! Every move is one MOVE_CURSOR on the cursor queue. On an ordinary desktop the pointer is a part of the
//! guest's window, whose place the protocol takes in with the window's commit; our own compositor knows
//! guests' pointers, and moves one without any commit.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use guest::{
    driver::{Driver, DriverOptions},
    kms::{BufferKind, Fencing, Pointer, Screen, ScreenOptions},
};
use protocols::virtio_gpu::CURSOR_SIZE;

use super::{START, Scenario};
use crate::{
    backend::now,
    bench::{
        measure::cpu::Usage,
        plan::Plan,
        report::model::Quantity,
        run::{Bench, Readings},
        stopwatch::{Arrival, Manner, Presents, What},
        subject::{Lack, Role, Shown, Subject, Wanted},
    },
};

/// Between two moves.
const PERIOD: Duration = Duration::from_millis(1);

/// How long the last commits may take to arrive.
const SETTLE: Duration = Duration::from_millis(200);

const SIZE: (u32, u32) = (1280, 800);

/// Each with whether whoever shows the guest knows its pointer.
const CASES: [(&str, bool); 2] = [
    ("1000 moves a second, our own compositor", true),
    ("1000 moves a second, a desktop", false),
];

/// The scenario.
#[derive(Debug, Clone, Copy)]
pub struct Cursor;

impl Scenario for Cursor {
    fn about(&self) -> &'static str {
        "A guest's pointer moves 1000 times a second: commits of surfaces for each move, how long after \
         the guest's kick the move was handed over, and processor time for each move."
    }

    fn wanted(&self, _: &Plan) -> Result<Wanted, Lack> {
        Ok(wanted(true))
    }

    fn takes(&self, plan: &Plan, subjects: u32) -> Duration {
        let cases = CASES.iter().filter(|(name, _)| plan.wants(name)).count();
        plan.time(cases, subjects, START, length(plan) + SETTLE)
    }

    fn run(&self, bench: &mut Bench<'_>) -> anyhow::Result<()> {
        let moves = u32::try_from(length(bench.plan()).as_millis())?;
        for (case, knows_guests) in CASES {
            bench.case(
                case,
                &wanted(knows_guests),
                |subject| Guest::new(subject),
                |guest, subject, readings| guest.measure(subject, readings, moves),
            );
        }
        Ok(())
    }
}

fn length(plan: &Plan) -> Duration {
    plan.pick(Duration::from_millis(500), Duration::from_secs(3))
}

fn wanted(knows_guests: bool) -> Wanted {
    Wanted {
        shown_by: Shown::Stopwatch(Manner {
            presents: Presents::AtRefresh,
            knows_guests,
        }),
        ..Wanted::one(SIZE)
    }
}

/// A guest whose pointer is to be seen.
struct Guest {
    driver: Driver,
    pointer: Pointer,
    _screen: Screen,
}

impl Guest {
    fn new(subject: &mut dyn Subject) -> anyhow::Result<Self> {
        let mut driver = subject.connect(0, &DriverOptions::default())?;
        let options = ScreenOptions {
            fencing: Fencing::Always,
            buffers: 1,
            ..ScreenOptions::default()
        };
        let mut screen = Screen::new(&mut driver, 0, SIZE, options)?;
        let ticket = screen.flip_drawn(&mut driver)?;
        screen.wait(&mut driver, ticket)?;
        let pointer = Pointer::new(&mut driver, 0, BufferKind::Dumb2d, (0, 0))?;
        let side = usize::try_from(CURSOR_SIZE)?;
        pointer.show(&mut driver, &vec![0x80; 4 * side * side], (0, 0))?;
        Ok(Self {
            driver,
            pointer,
            _screen: screen,
        })
    }

    fn measure(
        &mut self,
        subject: &mut dyn Subject,
        readings: &mut Readings,
        moves: u32,
    ) -> anyhow::Result<()> {
        arrived(subject)?;
        let before = Usage::of(&subject.processes())?;
        let kicks = self.move_about(moves)?;
        thread::sleep(SETTLE);
        let used = Usage::of(&subject.processes())?.since(&before);
        let arrivals = arrived(subject)?;

        let all = f64::from(moves);
        let count = |those: fn(What) -> bool| {
            let these = arrivals.iter().filter(|arrival| those(arrival.what));
            these.count() as f64 / all
        };
        readings.value(
            Quantity::CommitsPerMove,
            count(|what| what != What::PointerMove),
        );
        readings.value(
            Quantity::WindowCommitsPerMove,
            count(|what| what == What::Window),
        );
        let device = used.role(Role::Device).cpu;
        readings.value(Quantity::CpuPerCommand, device.as_secs_f64() * 1e6 / all);
        // A move without a commit is one message. On a desktop it is the window's commit that moves a
        // part of it.
        let moved: Vec<&Arrival> = {
            let has_moves = arrivals.iter().any(|it| it.what == What::PointerMove);
            let wanted = match has_moves {
                true => What::PointerMove,
                false => What::Window,
            };
            arrivals.iter().filter(|it| it.what == wanted).collect()
        };
        ensure!(!moved.is_empty(), "No move of the pointer was handed over");
        for kick in kicks {
            // Several moves can go in one; all of them have arrived then.
            let after = moved.partition_point(|arrival| arrival.at < kick);
            if let Some(arrival) = moved.get(after) {
                readings.time(Quantity::MoveToCommit, arrival.at.saturating_sub(kick));
            }
        }
        Ok(())
    }

    /// Moves the pointer along, and returns when each move was kicked.
    fn move_about(&mut self, moves: u32) -> anyhow::Result<Vec<Duration>> {
        let begin = Instant::now();
        let mut kicks = Vec::new();
        for step in 0..moves {
            let due = begin + PERIOD * step;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let place = i32::try_from(step % 600)?;
            kicks.push(now());
            self.pointer.move_to(&mut self.driver, (place, 10))?;
            self.driver.poll(Duration::ZERO)?;
        }
        Ok(kicks)
    }
}

/// Everything that arrived since the last question.
fn arrived(subject: &mut dyn Subject) -> anyhow::Result<Vec<Arrival>> {
    let arrivals = subject.arrivals();
    let arrivals = arrivals.context("Nobody takes the time of its pointer's moves")?;
    Ok(arrivals.try_iter().collect())
}
