//! When the guest flips, and how evenly it is answered.

use std::{fmt, time::Duration};

use anyhow::Context as _;
use rustix::{
    thread::clock_nanosleep_absolute,
    time::{ClockId, Timespec},
};

use super::number;
use crate::backend::now;

/// When the guest flips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench::scenario) enum Pace {
    /// When the last frame was shown.
    Free,
    /// When the last flush was answered, which it is before the frame is shown.
    Unfenced,
    /// So many times a second, but not before the last frame was shown.
    Hertz(u32),
}

impl Pace {
    /// So many times a second; `None` if that is not the guest's choice.
    pub(super) fn hertz(self) -> Option<u32> {
        match self {
            Self::Free | Self::Unfenced => None,
            Self::Hertz(hertz) => Some(hertz),
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => f.write_str("free-running"),
            Self::Unfenced => f.write_str("unfenced"),
            Self::Hertz(hertz) => write!(f, "{hertz} Hz"),
        }
    }
}

/// The moments to flip at, a grid on `CLOCK_MONOTONIC`: each is computed from the first one, so that a
/// late wake-up does not shift those after it.
#[derive(Debug)]
pub(in crate::bench::scenario) struct Ticks {
    start: Duration,
    hertz: Option<u32>,
    /// The number of the tick that was last waited for.
    last: u64,
}

impl Ticks {
    /// The first tick is a period from now.
    pub(in crate::bench::scenario) fn start(pace: Pace) -> Self {
        Self {
            start: now(),
            hertz: pace.hertz(),
            last: 0,
        }
    }

    /// Since the start.
    pub(in crate::bench::scenario) fn elapsed(&self) -> Duration {
        now().saturating_sub(self.start)
    }

    /// Waits for the next moment to flip; not at all where there is no grid, or that moment is past.
    /// Ticks that went by in between are left out: nobody draws two frames at once to catch up.
    ///
    /// # Errors
    /// A signal came, or the clock is broken.
    pub(in crate::bench::scenario) fn wait(&mut self) -> anyhow::Result<()> {
        let Some(hertz) = self.hertz else {
            return Ok(());
        };
        let passed = ticks(self.elapsed(), hertz);
        self.last = self.last.saturating_add(1).max(passed);
        let at = self.start + at(self.last, hertz);
        let request = Timespec {
            tv_sec: at.as_secs().try_into()?,
            tv_nsec: at.subsec_nanos().into(),
        };
        clock_nanosleep_absolute(ClockId::Monotonic, &request)
            .context("Could not wait for the next frame. Try again")
    }
}

/// When a tick is, from the start.
fn at(tick: u64, hertz: u32) -> Duration {
    let nanos = u128::from(tick) * 1_000_000_000 / u128::from(hertz.max(1));
    Duration::from_nanos(nanos.try_into().unwrap_or(u64::MAX))
}

/// How many ticks lie in a time.
fn ticks(time: Duration, hertz: u32) -> u64 {
    let ticks = time.as_nanos() * u128::from(hertz) / 1_000_000_000;
    ticks.try_into().unwrap_or(u64::MAX)
}

/// Of the refreshes between the first answer and the last, how many percent showed a new frame; `None`
/// for less than two answers. `missed` of the frames were never shown.
pub(super) fn fresh(answers: &[Duration], hertz: u32, missed: u64) -> Option<f64> {
    let (first, last) = (answers.first()?, answers.last()?);
    let frames = u64::try_from(answers.len()).ok()?.saturating_sub(1);
    let refreshes = (last.saturating_sub(*first).as_secs_f64() * f64::from(hertz)).round();
    let shown = number(frames.saturating_sub(missed));
    // Who is not paced by refreshes may show more than one in each; only one of them counts.
    (refreshes >= 1.0).then(|| 100.0 * shown.min(refreshes) / refreshes)
}

/// How much the time between each two answers differs from a refresh.
pub(super) fn jitter(answers: &[Duration], hertz: u32) -> impl Iterator<Item = Duration> {
    let refresh = at(1, hertz);
    answers.windows(2).filter_map(move |pair| match pair {
        [one, next] => Some(next.saturating_sub(*one).abs_diff(refresh)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(millis: u64, count: u64) -> Vec<Duration> {
        (0..count)
            .map(|n| Duration::from_millis(n * millis))
            .collect()
    }

    #[test]
    fn ticks_do_not_drift() {
        assert_eq!(at(60, 60), Duration::from_secs(1));
        assert_eq!(at(144 * 3600, 144), Duration::from_secs(3600));
        assert_eq!(ticks(Duration::from_millis(999), 60), 59);
        assert_eq!(ticks(Duration::from_secs(1), 60), 60);
    }

    #[test]
    fn ticks_that_went_by_are_left_out() {
        let mut ticks = Ticks {
            start: now().saturating_sub(Duration::from_millis(95)),
            hertz: Some(100),
            last: 0,
        };
        ticks.wait().unwrap();
        assert!(ticks.last >= 9);
        let last = ticks.last;
        ticks.wait().unwrap();
        assert!(ticks.last > last);
        assert!(ticks.elapsed() >= at(ticks.last, 100));
    }

    #[test]
    fn every_second_refresh_is_half_of_them() {
        assert_eq!(fresh(&every(20, 51), 100, 0), Some(50.0));
        assert_eq!(fresh(&every(10, 101), 100, 0), Some(100.0));
        assert_eq!(fresh(&every(10, 101), 100, 10), Some(90.0));
        assert_eq!(fresh(&every(1, 101), 100, 0), Some(100.0));
        assert_eq!(fresh(&every(10, 1), 100, 0), None);
        assert_eq!(fresh(&[], 100, 0), None);
    }

    #[test]
    fn jitter_is_the_distance_from_an_even_pace() {
        let answers = [0, 10, 25, 30].map(Duration::from_millis);
        let wanted = [0, 5, 5].map(Duration::from_millis);
        assert_eq!(jitter(&answers, 100).collect::<Vec<_>>(), wanted);
    }
}
