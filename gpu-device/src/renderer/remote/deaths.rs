//! How soon after its death a process is followed by another.

use std::time::Duration;

/// A process that has lived for less has died at once.
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// Deaths at once that cost nothing: a driver fails now and then.
const FREE: u32 = 2;

/// The shortest rest.
const REST: Duration = Duration::from_millis(100);

/// The deaths of processes.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    all: u32,
    /// One after the other at once, the last included.
    at_once: u32,
}

impl Deaths {
    /// Another one, after a life of `age`.
    pub(super) fn another(&mut self, age: Duration) {
        self.all = self.all.saturating_add(1);
        self.at_once = match age < SHORT_LIFE {
            true => self.at_once.saturating_add(1),
            false => 0,
        };
    }

    /// How many there were.
    pub(super) fn count(&self) -> u32 {
        self.all
    }

    /// How long the next process is to wait: a guest's program waits as long for its first context.
    pub(super) fn rest(&self, longest: Duration) -> Duration {
        let Some(doublings) = self.at_once.checked_sub(FREE.saturating_add(1)) else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        REST.saturating_mul(factor).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rests(ages: &[u64]) -> Vec<u128> {
        let mut deaths = Deaths::default();
        let rest = |age: &u64| {
            deaths.another(Duration::from_millis(*age));
            deaths.rest(Duration::from_secs(1)).as_millis()
        };
        ages.iter().map(rest).collect()
    }

    #[test]
    fn who_dies_at_once_again_and_again_waits_longer_and_longer() {
        let seen = rests(&[10; 40]);
        assert_eq!(seen[..8], [0, 0, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(seen[39], 1000);
    }

    #[test]
    fn who_has_lived_for_a_while_is_followed_at_once() {
        assert_eq!(rests(&[10, 10, 10, 5000, 10]), [0, 0, 100, 0, 0]);
    }
}
