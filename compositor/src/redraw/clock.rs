//! An output's vblanks, and how long things take.

use std::{num::NonZeroU32, time::Duration};

/// Nanoseconds of 1000 seconds: what a rate in millihertz divides.
const NANOS_PER_KILOSECOND: u128 = 1_000_000_000_000;

/// The vblanks of an output: a grid on `CLOCK_MONOTONIC`.
///
/// Every vblank is computed from one known vblank, the anchor, so that neither rounding nor a late
/// wake-up shifts the ones after it. A display tells when its vblanks really are; then the last of
/// them is the anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameClock {
    anchor: Duration,
    /// The number of the vblank at the anchor.
    sequence: u64,
    millihertz: NonZeroU32,
}

impl FrameClock {
    /// A grid whose vblank 0 is at `start`.
    #[must_use]
    pub fn new(start: Duration, millihertz: NonZeroU32) -> Self {
        Self {
            anchor: start,
            sequence: 0,
            millihertz,
        }
    }

    /// The vblank of this number was at this time.
    pub fn anchor(&mut self, sequence: u64, at: Duration) {
        self.anchor = at;
        self.sequence = sequence;
    }

    /// Vblanks come at another rate after the last one before `now`.
    pub fn set_rate(&mut self, millihertz: NonZeroU32, now: Duration) {
        let last = self.next_after(now).saturating_sub(1).max(self.sequence);
        self.anchor(last, self.vblank(last));
        self.millihertz = millihertz;
    }

    /// The time from one vblank to the next, rounded down to nanoseconds.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.periods(1)
    }

    /// The time of a vblank.
    #[must_use]
    pub fn vblank(&self, sequence: u64) -> Duration {
        match sequence.checked_sub(self.sequence) {
            Some(later) => self.anchor.saturating_add(self.periods(later)),
            None => {
                let earlier = self.periods(self.sequence - sequence);
                self.anchor.saturating_sub(earlier)
            }
        }
    }

    /// The first vblank after a time; not before the anchor.
    #[must_use]
    pub fn next_after(&self, now: Duration) -> u64 {
        let Some(elapsed) = now.checked_sub(self.anchor) else {
            return self.sequence;
        };
        let periods = elapsed.as_nanos() * u128::from(self.millihertz.get()) / NANOS_PER_KILOSECOND;
        let periods = u64::try_from(periods).unwrap_or(u64::MAX);
        let mut sequence = self.sequence.saturating_add(periods);
        // At most twice: vblanks are rounded down to nanoseconds, so the one just computed, and
        // rarely the one after it, may lie at or before `now`.
        while self.vblank(sequence) <= now && sequence < u64::MAX {
            sequence += 1;
        }
        sequence
    }

    /// The vblank that is closest to a time; not before the anchor.
    #[must_use]
    pub fn nearest(&self, time: Duration) -> u64 {
        self.next_after(time.saturating_sub(self.period() / 2))
    }

    /// How many vblanks ago this grid was known to be right.
    #[must_use]
    pub fn age(&self, sequence: u64) -> u64 {
        sequence.saturating_sub(self.sequence)
    }

    fn periods(&self, count: u64) -> Duration {
        let nanos = u128::from(count) * NANOS_PER_KILOSECOND / u128::from(self.millihertz.get());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// How much longer than twice the usual time a frame may take before it is an interruption.
const SURPRISE: Duration = Duration::from_millis(2);

/// How many frames are remembered one by one.
const REMEMBERED: usize = 16;

/// How long something takes that is done every frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timing {
    worst: Duration,
    /// The last frames' times; the oldest is replaced.
    last: [Duration; REMEMBERED],
    /// How many were noted, ever.
    noted: usize,
}

impl Timing {
    /// Notes a frame. What is longer than `limit` counts as `limit`, and what is much longer than
    /// usual counts as somewhat longer: for an interruption nobody can be prepared, and the dozens
    /// of frames after it would be composed too early for guests to be in them.
    pub fn record(&mut self, took: Duration, limit: Duration) {
        let took = took.min(limit);
        let usual = if self.noted == 0 { took } else { self.usual() };
        let expected = took.min(usual * 2 + SURPRISE);
        self.worst = match self.worst.checked_sub(expected) {
            Some(excess) => self.worst - excess / 16,
            None => expected,
        };
        self.last[self.noted % REMEMBERED] = took;
        self.noted = self.noted.saturating_add(1);
    }

    /// What to be prepared for: grows at once with a slow frame and forgets it over the next
    /// dozens. Between two slow frames a mean would be too short for every second one.
    #[must_use]
    pub fn worst(&self) -> Duration {
        self.worst
    }

    /// What three in four of the last frames stayed below.
    #[must_use]
    pub fn likely(&self) -> Duration {
        self.ranked(|known| known - 1 - known / 4).min(self.worst)
    }

    /// What to expect: half of the last frames took less. Interruptions have no part in it, however
    /// long they are.
    #[must_use]
    pub fn usual(&self) -> Duration {
        self.ranked(|known| (known - 1) / 2)
    }

    /// The last frames' time of a rank, the shortest first, which is chosen by how many are known.
    fn ranked(&self, rank: impl FnOnce(usize) -> usize) -> Duration {
        let known = self.noted.min(REMEMBERED);
        if known == 0 {
            return Duration::ZERO;
        }
        let mut times = self.last;
        let times = &mut times[..known];
        times.sort_unstable();
        times[rank(known)]
    }
}
