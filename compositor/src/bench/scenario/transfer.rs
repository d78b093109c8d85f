//! The 2D path: pictures that the device copies out of the guest's memory.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use protocols::virtio_gpu::Rect;

use super::{
    START, Scenario,
    frames::{Account, Fence, Guest, Kind, number},
};
use crate::bench::{
    measure::memcpy::Copies,
    plan::Plan,
    report::model::Quantity,
    run::{Bench, Readings},
    subject::{Lack, Needs, Subject, Wanted},
};

/// Of which all is transferred.
const SIZES: [(u32, u32); 3] = [(640, 480), (1920, 1080), (3840, 2160)];

/// Of which a part is transferred.
const USUAL_SIZE: (u32, u32) = (1920, 1080);

/// The parts: a small picture, and a line of text.
const PARTS: [(u32, u32); 2] = [(64, 64), (1920, 16)];

/// The 2D path.
#[derive(Debug, Clone, Copy)]
pub struct Transfer;

/// One of the things that are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Case {
    size: (u32, u32),
    /// Width and height of what is transferred; `None` for all.
    part: Option<(u32, u32)>,
    supply: Supply,
}

/// How the guest sends frames: it never waits for one before it sends the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Supply {
    /// As a guest with two buffers: two are under way, and it sleeps until the older one is answered. A fast
    /// device waits for the guest, and the guest for it: wake-ups are part of what is measured.
    TwoBuffers,
    /// The device always finds more to do: many are under way, and the guest stays awake.
    KeptFull,
}

impl Scenario for Transfer {
    fn about(&self) -> &'static str {
        "Pictures that the device copies out of the guest's memory: TRANSFER_TO_HOST_2D, then RESOURCE_FLUSH, \
         as fast as they are answered; the guest draws nothing. Two frames are under way, as of a guest with \
         two buffers, which sleeps until one is answered: between small pictures both sides wait to be woken. \
         `16 under way`: the guest never sleeps and keeps the ring full, so that the device never waits, and \
         what is measured is how fast it copies. Beside it, in the same turn, memcpy of as many bytes between \
         two memories of one process."
    }

    fn wanted(&self, _: &Plan) -> Result<Wanted, Lack> {
        Ok(wanted(USUAL_SIZE))
    }

    fn takes(&self, plan: &Plan, subjects: u32) -> Duration {
        let cases = cases(plan).into_iter().map(Case::name);
        let cases = cases.filter(|name| plan.wants(name)).count();
        plan.time(cases, subjects, START, turn(plan) + beside(plan))
    }

    fn run(&self, bench: &mut Bench<'_>) -> anyhow::Result<()> {
        let (turn, beside) = (turn(bench.plan()), beside(bench.plan()));
        for case in cases(bench.plan()) {
            bench.case(
                &case.name(),
                &wanted(case.size),
                |subject| {
                    let guest = Guest::connect(subject, case.size, Kind::Transfers)?;
                    Ok((guest, Copies::new(usize::try_from(case.bytes())?)))
                },
                |(guest, copies), subject, readings| {
                    let ours = case.measure(turn, guest, subject, readings)?;
                    readings.value(Quantity::Throughput, ours);
                    let memcpy = copies.throughput(beside);
                    readings.value(Quantity::ThroughputOfMemcpy, ours / memcpy);
                    Ok(())
                },
            );
        }
        Ok(())
    }
}

fn wanted(size: (u32, u32)) -> Wanted {
    Wanted {
        needs: Needs {
            pixels: true,
            ..Needs::default()
        },
        ..Wanted::one(size)
    }
}

fn cases(plan: &Plan) -> Vec<Case> {
    let sizes = plan.pick(vec![USUAL_SIZE], SIZES.to_vec());
    let full = [Supply::TwoBuffers, Supply::KeptFull]
        .into_iter()
        .flat_map(|supply| {
            sizes.iter().map(move |&size| Case {
                size,
                part: None,
                supply,
            })
        });
    let parts = PARTS.map(|part| Case {
        size: USUAL_SIZE,
        part: Some(part),
        supply: Supply::TwoBuffers,
    });
    full.chain(parts).collect()
}

/// How long the frames of a turn take.
fn turn(plan: &Plan) -> Duration {
    plan.pick(Duration::from_millis(300), Duration::from_millis(1500))
}

/// How long memcpy takes beside them.
fn beside(plan: &Plan) -> Duration {
    plan.pick(Duration::from_millis(50), Duration::from_millis(300))
}

impl Supply {
    /// How many frames are under way.
    fn frames(self) -> usize {
        match self {
            Self::TwoBuffers => 2,
            // So many that some are left when the guest looks again, and few enough for every ring.
            Self::KeptFull => 16,
        }
    }
}

impl Case {
    fn name(self) -> String {
        let (width, height) = self.size;
        match self.part {
            None => match self.supply {
                Supply::TwoBuffers => format!("{width}x{height} full"),
                Supply::KeptFull => {
                    format!("{width}x{height} full, {} under way", self.supply.frames())
                }
            },
            Some((part_width, part_height)) => {
                format!("{width}x{height} {part_width}x{part_height}")
            }
        }
    }

    fn rect(self) -> Rect {
        let (width, height) = self.part.unwrap_or(self.size);
        // At the left, for a line has the picture's width.
        Rect {
            x: 0,
            y: self.part.map_or(0, |_| self.size.1 / 2),
            width,
            height,
        }
    }

    /// Bytes that a frame changes.
    fn bytes(self) -> u64 {
        let Rect { width, height, .. } = self.rect();
        4 * u64::from(width) * u64::from(height)
    }

    /// Millions of bytes a second.
    fn measure(
        self,
        length: Duration,
        guest: &mut Guest,
        subject: &mut dyn Subject,
        readings: &mut Readings,
    ) -> anyhow::Result<f64> {
        let rect = self.rect();
        guest.show()?;
        let account = Account::open(subject)?;
        let mut under_way = VecDeque::new();
        let mut frames = 0;
        let began = Instant::now();
        while began.elapsed() < length {
            under_way.push_back(guest.update(rect, Fence::None)?);
            if under_way.len() == self.supply.frames()
                && let Some(oldest) = under_way.pop_front()
            {
                match self.supply {
                    Supply::TwoBuffers => guest.wait(oldest).map(drop)?,
                    Supply::KeptFull => guest.watch(oldest)?,
                }
                frames += 1;
            }
        }
        for flush in under_way {
            guest.wait(flush)?;
            frames += 1;
        }
        let took = began.elapsed().as_secs_f64();
        let timed = frames;
        // What was copied for a frame is counted when that is handed over: after this one all of it is.
        let last = guest.update(rect, Fence::Flush)?;
        guest.wait(last)?;
        frames += 1;
        account.close(subject, frames, false, readings)?;
        readings.value(Quantity::FramesPerSecond, number(timed) / took);
        Ok(number(timed * self.bytes()) / took / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::plan::{Length, ScenarioKind};

    fn full() -> Plan {
        Plan {
            scenarios: vec![ScenarioKind::Transfer],
            peers: Vec::new(),
            length: Length::Full,
            repetitions: 1,
            cases: Vec::new(),
            place: String::new(),
            machine: None,
        }
    }

    #[test]
    fn each_size_is_measured_with_two_buffers_and_kept_full() {
        let names: Vec<_> = cases(&full()).into_iter().map(Case::name).collect();
        for (width, height) in SIZES {
            let of_size = format!("{width}x{height} full");
            assert!(names.contains(&of_size), "{names:?}");
            assert!(
                names.contains(&format!("{of_size}, 16 under way")),
                "{names:?}"
            );
        }
    }

    #[test]
    fn parts_lie_in_their_picture() {
        for case in cases(&full()) {
            let (width, height) = case.size;
            assert!(
                Rect::from_size(width, height).contains(&case.rect()),
                "{case:?}"
            );
        }
    }
}
