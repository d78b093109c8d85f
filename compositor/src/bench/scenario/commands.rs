//! Commands and fences a second: what the rings, the kicks and the device's own loop cost.
//!
//! The commands themselves are as cheap as any device can have them. They lie ready in the guest's
//! memory and are sent again and again, so that the driver costs next to nothing.

use std::time::{Duration, Instant};

use guest::driver::{Driver, DriverOptions, Volley};
use guest::ram::RamOptions;
use protocols::virtio_gpu::{CURSOR_SIZE, Command, Format, MemEntry, Rect};

use super::{START, Scenario};
use crate::bench::{
    measure::cpu::Usage,
    plan::Plan,
    report::model::Quantity,
    run::{Bench, Readings},
    subject::{Lack, Subject, Wanted},
};

/// The guest's monitor, which shows nothing.
const SIZE: (u32, u32) = (640, 480);

/// Entries of both queues, whatever the VMM would have: Linux in QEMU's generic device.
const ENTRIES: u16 = 256;

/// How long a device may take over a volley.
const PATIENCE: Duration = Duration::from_secs(5);

/// Memory of the guest, in bytes.
const RAM: u64 = 16 << 20;

/// A picture that the commands are about.
const PICTURE: u32 = 1;

/// The first of those that are made and dropped.
const SHORT_LIVED: u32 = 1000;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// A pixel of a picture that is there.
    Transfers,
    /// Pictures are made, get memory, are drawn into and dropped.
    Resources,
    /// The pointer, on its own queue.
    Moves,
}

/// A case.
struct Case {
    name: &'static str,
    order: Order,
    /// As many at once as the queue takes; else each is waited for.
    batched: bool,
    fenced: bool,
}

const CASES: [Case; 5] = [
    Case {
        name: "1x1 transfers, one at a time",
        order: Order::Transfers,
        batched: false,
        fenced: false,
    },
    Case {
        name: "1x1 transfers, batched",
        order: Order::Transfers,
        batched: true,
        fenced: false,
    },
    Case {
        name: "1x1 transfers with a fence, one at a time",
        order: Order::Transfers,
        batched: false,
        fenced: true,
    },
    Case {
        name: "pictures made and dropped, batched",
        order: Order::Resources,
        batched: true,
        fenced: false,
    },
    Case {
        name: "moves of the pointer, batched",
        order: Order::Moves,
        batched: true,
        fenced: false,
    },
];

/// The scenario.
pub(super) struct Commands;

impl Scenario for Commands {
    fn about(&self) -> &'static str {
        "Commands a second that the device answers, from rings of 256 entries: each waited for, or as many at \
         once as the ring takes with one kick. Nothing is shown meanwhile, and the commands do next to \
         nothing: it is the cost of being asked."
    }

    fn wanted(&self, _plan: &Plan) -> Result<Wanted, Lack> {
        Ok(Wanted::one(SIZE))
    }

    fn takes(&self, plan: &Plan, subjects: u32) -> Duration {
        let cases = CASES.iter().filter(|case| plan.wants(case.name)).count();
        plan.time(cases, subjects, START, length(plan))
    }

    fn run(&self, bench: &mut Bench<'_>) -> anyhow::Result<()> {
        let length = length(bench.plan());
        for case in &CASES {
            bench.case(
                case.name,
                &Wanted::one(SIZE),
                |subject| load(case, subject),
                |volley, subject, readings| fire(case, volley, subject, length, readings),
            );
        }
        Ok(())
    }
}

/// How long a turn lasts.
fn length(plan: &Plan) -> Duration {
    Duration::from_millis(plan.pick(200, 2000))
}

/// Connects a driver and prepares what it sends.
fn load(case: &Case, subject: &mut dyn Subject) -> anyhow::Result<Volley> {
    let options = DriverOptions {
        timeout: PATIENCE,
        ram: RamOptions {
            size: RAM,
            ..RamOptions::default()
        },
        queue_sizes: Some([ENTRIES, ENTRIES]),
        ..DriverOptions::default()
    };
    let mut driver = subject.connect(0, &options)?;
    let entry = make_picture(&mut driver)?;
    if case.order == Order::Moves {
        driver.update_cursor(0, PICTURE, (0, 0), (0, 0))?;
    }
    let wanted = match case.batched {
        true => Volley::capacity(&driver, &command(case.order, entry, 0)),
        false => 1,
    };
    // Pictures come to their end within the volley.
    let whole = wanted - wanted % steps(case.order).min(wanted);
    let commands: Vec<Command> = (0..whole)
        .map(|place| command(case.order, entry, place))
        .collect();
    Ok(Volley::new(driver, &commands, case.fenced)?)
}

/// A picture in the guest's memory, as large as a pointer's; returns where its pixels are.
fn make_picture(driver: &mut Driver) -> anyhow::Result<MemEntry> {
    let bytes = u64::from(4 * CURSOR_SIZE * CURSOR_SIZE);
    let block = driver.ram_mut().allocate(bytes)?;
    let entry = MemEntry {
        addr: block.address,
        length: 4 * CURSOR_SIZE * CURSOR_SIZE,
    };
    driver.create_2d(PICTURE, Format::Bgra8888, CURSOR_SIZE, CURSOR_SIZE)?;
    driver.attach_backing(PICTURE, &[entry])?;
    driver.transfer(PICTURE, Rect::from_size(CURSOR_SIZE, CURSOR_SIZE), 0)?;
    Ok(entry)
}

/// After how many commands it is as before.
fn steps(order: Order) -> usize {
    match order {
        Order::Transfers | Order::Moves => 1,
        Order::Resources => 4,
    }
}

/// What is sent in a place of the volley.
fn command(order: Order, entry: MemEntry, place: usize) -> Command {
    let number = u32::try_from(place).unwrap_or(0);
    match order {
        Order::Transfers => transfer(PICTURE),
        Order::Moves => Command::MoveCursor {
            scanout_id: 0,
            x: i32::try_from(number % SIZE.0).unwrap_or(0),
            y: i32::try_from(number % SIZE.1).unwrap_or(0),
            resource_id: PICTURE,
            hot_x: 0,
            hot_y: 0,
        },
        Order::Resources => {
            let resource_id = SHORT_LIVED + number / 4;
            match number % 4 {
                0 => Command::ResourceCreate2d {
                    resource_id,
                    format: Format::Bgra8888.into(),
                    width: CURSOR_SIZE,
                    height: CURSOR_SIZE,
                },
                1 => Command::ResourceAttachBacking {
                    resource_id,
                    entries: vec![entry],
                },
                2 => transfer(resource_id),
                _ => Command::ResourceUnref { resource_id },
            }
        }
    }
}

fn transfer(resource_id: u32) -> Command {
    Command::TransferToHost2d {
        rect: Rect::from_size(1, 1),
        offset: 0,
        resource_id,
    }
}

/// Sends volleys for a while.
fn fire(
    case: &Case,
    volley: &mut Volley,
    subject: &mut dyn Subject,
    length: Duration,
    readings: &mut Readings,
) -> anyhow::Result<()> {
    volley.fire_and_check(PATIENCE)?;
    let processes = subject.processes();
    let before = Usage::of(&processes)?;
    let began = Instant::now();
    let mut volleys = 0_u32;
    while began.elapsed() < length {
        volley.fire(PATIENCE)?;
        volleys += 1;
    }
    let took = began.elapsed();
    let spent = Usage::of(&processes)?.since(&before).all();
    volley.fire_and_check(PATIENCE)?;

    let commands = f64::from(volleys) * volley.len() as f64;
    let quantity = match case.fenced {
        true => Quantity::FencesPerSecond,
        false => Quantity::CommandsPerSecond,
    };
    readings.value(quantity, commands / took.as_secs_f64());
    let each = spent.cpu.as_secs_f64() * 1e6 / commands;
    readings.value(Quantity::CpuPerCommand, each);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_that_is_made_is_dropped() {
        let entry = MemEntry { addr: 0, length: 4 };
        let made = |command: &Command| matches!(command, Command::ResourceCreate2d { .. });
        let dropped = |command: &Command| matches!(command, Command::ResourceUnref { .. });
        for places in [4, 8, 256] {
            let all: Vec<_> = (0..places)
                .map(|place| command(Order::Resources, entry, place))
                .collect();
            let count = |which: &dyn Fn(&Command) -> bool| {
                all.iter().filter(|command| which(command)).count()
            };
            assert_eq!(count(&made), places / 4);
            assert_eq!(count(&dropped), places / 4);
            assert!(dropped(&all[places - 1]));
        }
    }
}
