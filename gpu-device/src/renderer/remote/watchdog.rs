//! Finds out that the process that draws is stuck.

use std::time::{Duration, Instant};

/// Looks without any progress until a process is stuck.
const LOOKS: u32 = 4;

/// What the watchdog wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All is well.
    Well,
    /// It has nothing to do but to wait for the graphics card: ask it for a sign of life.
    Ask,
    /// It has not moved for too long.
    Stuck,
}

/// Looks at how far a process has come with its orders, now and then while it has any.
///
/// Being stopped counts as being stuck; waiting for the graphics card does not, as long as orders are
/// taken meanwhile. It counts looks and not only time: when this process was itself stopped for a
/// while, the other one has not had its chance.
#[derive(Debug)]
pub(super) struct Watchdog {
    every: Duration,
    /// While there is something to look at.
    next: Option<Instant>,
    consumed: u32,
    idle: u32,
}

impl Watchdog {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            every: patience.checked_div(LOOKS).unwrap_or(patience),
            next: None,
            consumed: 0,
            idle: 0,
        }
    }

    /// There is something to do for the process from now on, if there was not before.
    pub(super) fn wake(&mut self, now: Instant) {
        if self.next.is_none() {
            self.idle = 0;
            self.next = now.checked_add(self.every);
        }
    }

    /// When to look next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.next
    }

    /// Looks, if it is time to. `consumed` is how far the process has come, `pending` whether it has
    /// orders that it has not carried out, `unanswered` whether answers are awaited.
    pub(super) fn look(
        &mut self,
        now: Instant,
        consumed: u32,
        pending: bool,
        unanswered: bool,
    ) -> Verdict {
        if self.next.is_none_or(|next| now < next) {
            return Verdict::Well;
        }
        let moved = std::mem::replace(&mut self.consumed, consumed) != consumed;
        self.next = (pending || unanswered)
            .then_some(now)
            .and_then(|now| now.checked_add(self.every));
        self.idle = match moved || !pending {
            true => 0,
            false => self.idle.saturating_add(1),
        };
        match (pending, unanswered) {
            _ if self.idle >= LOOKS => Verdict::Stuck,
            (false, true) => Verdict::Ask,
            _ => Verdict::Well,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_millis(2500);

    fn verdicts(looks: &[(u32, bool, bool)]) -> Vec<Verdict> {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(EVERY * LOOKS);
        watchdog.wake(start);
        let at = (1..).map(|look| start + EVERY * look);
        at.zip(looks)
            .map(|(now, (consumed, pending, unanswered))| {
                watchdog.look(now, *consumed, *pending, *unanswered)
            })
            .collect()
    }

    #[test]
    fn who_stands_still_for_the_whole_patience_is_stuck() {
        let still = (8, true, true);
        let seen = verdicts(&[still; 6]);
        // The first look finds that it has moved since it had nothing to do.
        assert_eq!(seen[..4], [Verdict::Well; 4]);
        assert_eq!(seen[4], Verdict::Stuck);
    }

    #[test]
    fn any_progress_starts_the_patience_anew() {
        let looks: Vec<_> = (0..40).map(|look| (look / 3 * 8, true, true)).collect();
        assert_eq!(verdicts(&looks), [Verdict::Well; 40]);
    }

    #[test]
    fn who_waits_for_the_graphics_card_is_asked_for_a_sign_of_life() {
        assert_eq!(verdicts(&[(8, false, true); 40]), [Verdict::Ask; 40]);
    }

    #[test]
    fn nobody_is_looked_at_who_has_nothing_to_do() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(EVERY * LOOKS);
        assert_eq!(watchdog.next_deadline(), None);
        watchdog.wake(start);
        assert_eq!(watchdog.next_deadline(), Some(start + EVERY));
        watchdog.wake(start + EVERY / 2);
        assert_eq!(watchdog.next_deadline(), Some(start + EVERY));
        watchdog.look(start + EVERY, 8, false, false);
        assert_eq!(watchdog.next_deadline(), None);
    }

    #[test]
    fn a_look_too_early_is_none() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(EVERY * LOOKS);
        watchdog.wake(start);
        for _ in 0..100 {
            assert_eq!(watchdog.look(start, 8, true, true), Verdict::Well);
        }
        assert_eq!(watchdog.next_deadline(), Some(start + EVERY));
    }
}
