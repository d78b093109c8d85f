//! The 2D path: pictures that the device copies out of the guest's memory.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use protocols::virtio_gpu::Rect;

use super::{
    Scenario,
    frames::{Account, Fence, Guest, Kind, number},
};
use crate::bench::{
    measure::memcpy::Copies,
    plan::Plan,
    report::model::Quantity,
    run::{Bench, Readings},
    subject::{Lack, Subject, Wanted},
};

/// Of which all is transferred.
const SIZES: [(u32, u32); 3] = [(640, 480), (1920, 1080), (3840, 2160)];

/// Of which a part is transferred.
const USUAL_SIZE: (u32, u32) = (1920, 1080);

/// The parts: a small picture, and a line of text.
const PARTS: [(u32, u32); 2] = [(64, 64), (1920, 16)];

/// How many frames are under way: a guest does not wait for one before it sends the next.
const DEPTH: usize = 2;

/// The 2D path.
#[derive(Debug, Clone, Copy)]
pub struct Transfer;

/// One of the things that are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Case {
    size: (u32, u32),
    /// Width and height of what is transferred; `None` for all.
    part: Option<(u32, u32)>,
}

impl Scenario for Transfer {
    fn about(&self) -> &'static str {
        "Pictures that the device copies out of the guest's memory: TRANSFER_TO_HOST_2D, then RESOURCE_FLUSH, \
         as fast as they are answered, two at a time; the guest draws nothing. Beside it, in the same turn, \
         memcpy of as many bytes between two memories of one process. The device that does nothing moves no \
         pixel: its throughput is what it answers for, and only says how much a frame's commands cost alone."
    }

    fn wanted(&self, _: &Plan) -> Result<Wanted, Lack> {
        Ok(Wanted::one(USUAL_SIZE))
    }

    fn takes(&self, plan: &Plan) -> Duration {
        let cases = u32::try_from(cases(plan).len()).unwrap_or(u32::MAX);
        (turn(plan) + beside(plan)) * cases
    }

    fn run(&self, bench: &mut Bench<'_>) -> anyhow::Result<()> {
        let (turn, beside) = (turn(bench.plan()), beside(bench.plan()));
        for case in cases(bench.plan()) {
            bench.case(
                &case.name(),
                &Wanted::one(case.size),
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

fn cases(plan: &Plan) -> Vec<Case> {
    let full = |size| Case { size, part: None };
    let part = |part| Case {
        size: USUAL_SIZE,
        part: Some(part),
    };
    let sizes = plan.pick(vec![USUAL_SIZE], SIZES.to_vec());
    let full = sizes.into_iter().map(full);
    full.chain(PARTS.map(part)).collect()
}

/// How long the frames of a turn take.
fn turn(plan: &Plan) -> Duration {
    plan.pick(Duration::from_millis(300), Duration::from_millis(1500))
}

/// How long memcpy takes beside them.
fn beside(plan: &Plan) -> Duration {
    plan.pick(Duration::from_millis(50), Duration::from_millis(300))
}

impl Case {
    fn name(self) -> String {
        let (width, height) = self.size;
        match self.part {
            None => format!("{width}x{height} full"),
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
            if under_way.len() == DEPTH
                && let Some(oldest) = under_way.pop_front()
            {
                guest.wait(oldest)?;
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

    #[test]
    fn parts_lie_in_their_picture() {
        let all = [
            SIZES.map(|size| Case { size, part: None }).as_slice(),
            &PARTS.map(|part| Case {
                size: USUAL_SIZE,
                part: Some(part),
            }),
        ]
        .concat();
        for case in all {
            let (width, height) = case.size;
            assert!(
                Rect::from_size(width, height).contains(&case.rect()),
                "{case:?}"
            );
        }
    }
}
