//! How many lines a guest's device may add to the log.

use std::time::{Duration, Instant};

/// Lines that may come at once.
const BURST: u32 = 200;
/// How long it takes for one more.
const REFILL: Duration = Duration::from_millis(50);

/// A bucket of lines: full at first, refilled slowly. What a guest can make its device say must
/// not fill the disk that the log is on.
#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
    counted: Option<Instant>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            left: BURST,
            counted: None,
        }
    }
}

impl Budget {
    /// Takes one line, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(*self.counted.get_or_insert(now));
        let refill = u32::try_from(since.as_millis() / REFILL.as_millis()).unwrap_or(u32::MAX);
        if refill > 0 {
            self.left = self.left.saturating_add(refill).min(BURST);
            self.counted = Some(now);
        }
        let taken = self.left > 0;
        self.left = self.left.saturating_sub(1);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_a_flood_does_not() {
        let mut budget = Budget::default();
        let start = Instant::now();
        let passed = (0..1000).filter(|_| budget.take(start)).count();
        assert_eq!(passed, 200);
        let passed = (0..1000)
            .filter(|_| budget.take(start + REFILL * 3))
            .count();
        assert_eq!(passed, 3);
    }
}
