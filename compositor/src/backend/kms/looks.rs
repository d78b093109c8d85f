//! When a card's connectors are looked at: soon after something changed there, but once for many
//! changes, and again where not everything that was found could be used. Pure: times are
//! [`Duration`]s on `CLOCK_MONOTONIC`, and somebody else sets the timers.
//!
//! A dock or a KVM switch has a dozen things to tell of one cable, while a look asks all monitors
//! anew, which takes some milliseconds each. And what a look finds in the midst of it is half of
//! what there will be: guests would be given monitors that are gone at once.

use std::time::Duration;

/// A burst is over when nothing was heard for so long. It is also what a single monitor waits for.
const QUIET: Duration = Duration::from_millis(60);

/// A burst without an end is looked at so often.
const LONGEST: Duration = Duration::from_millis(400);

/// The wait after the first look that left something to be done; it doubles with each.
const FIRST_AGAIN: Duration = Duration::from_millis(250);

/// So many looks more, some eight seconds; then only news help.
const MOST_AGAIN: u32 = 5;

/// Whether a card is to be looked at.
///
/// ```text
///             heard                 LONGEST after the first or QUIET after the last
///  ┌─────────┐ ──────────▶ ┌───────┐ ───────────────────────────────────────┐
///  │ Settled │             │ Noisy │ ◀─┐ heard                              │
///  └─────────┘ ◀─┐         └───────┘ ──┘                                    ▼
///       ▲        │ given up    ▲ heard                                    a look
///       │        │         ┌───────┐ ─── its time has come ────────────────▶│
///       │        └──────── │ Again │ ◀─── something could not be used ──────┤
///       │                  └───────┘                                        │
///       └──────────────────────────────── all is as it should be ───────────┘
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Looks {
    /// Nothing is to be done.
    #[default]
    Settled,
    /// Something changed, and more may be about to.
    Noisy {
        /// When the first word of it was heard.
        first: Duration,
        /// When the last one was.
        last: Duration,
    },
    /// The last look found what could not be used: the driver was busy, or the monitor had not
    /// come to itself.
    Again {
        /// When to look again.
        at: Duration,
        /// How often that was, this one included.
        times: u32,
    },
}

/// What to do when a timer has gone off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Look, and tell [`Looks::looked`].
    Look,
    /// Set a timer for so long.
    Wait(Duration),
    /// Somebody has looked already.
    Nothing,
}

impl Looks {
    /// Something changed on the card. A timer has to be set for as long as is returned, if it is.
    pub fn heard(&mut self, now: Duration) -> Option<Duration> {
        if let Self::Noisy { last, .. } = self {
            // The timer is set, and will see this.
            *last = now;
            return None;
        }
        *self = Self::Noisy {
            first: now,
            last: now,
        };
        Some(QUIET)
    }

    /// A timer has gone off.
    pub fn went_off(&mut self, now: Duration) -> Due {
        let at = match *self {
            Self::Settled => return Due::Nothing,
            Self::Noisy { first, last } => (last + QUIET).min(first + LONGEST),
            Self::Again { at, .. } => at,
        };
        if now < at {
            return Due::Wait(at - now);
        }
        if let Self::Noisy { .. } = self {
            *self = Self::Settled;
        }
        Due::Look
    }

    /// Somebody looked, for whatever reason. A timer has to be set for as long as is returned, if it
    /// is: not all that was found could be used.
    pub fn looked(&mut self, now: Duration, complete: bool) -> Option<Duration> {
        let times = match *self {
            // Another look comes soon.
            Self::Noisy { .. } => return None,
            Self::Settled => 0,
            Self::Again { times, .. } => times,
        };
        if complete || times == MOST_AGAIN {
            *self = Self::Settled;
            return None;
        }
        let wait = FIRST_AGAIN * 2_u32.pow(times);
        *self = Self::Again {
            at: now + wait,
            times: times + 1,
        };
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// Timers as the event loop has them, and the looks that came of them.
    #[derive(Default)]
    struct Clock {
        looks: Looks,
        timers: Vec<Duration>,
        looked: Vec<Duration>,
    }

    impl Clock {
        fn heard(&mut self, now: Duration) {
            self.go_on(now);
            let wait = self.looks.heard(now);
            self.timers.extend(wait.map(|wait| now + wait));
        }

        /// Lets all timers go off up to now.
        fn go_on(&mut self, now: Duration) {
            while let Some(index) = self.next().filter(|index| self.timers[*index] <= now) {
                let at = self.timers.swap_remove(index);
                match self.looks.went_off(at) {
                    Due::Look => self.looked.push(at),
                    Due::Wait(wait) => self.timers.push(at + wait),
                    Due::Nothing => {}
                }
            }
        }

        fn next(&self) -> Option<usize> {
            (0..self.timers.len()).min_by_key(|index| self.timers[*index])
        }
    }

    #[test]
    fn a_single_monitor_is_seen_within_a_tenth_of_a_second() {
        let mut clock = Clock::default();
        clock.heard(SECOND);
        clock.go_on(2 * SECOND);
        assert_eq!(clock.looked, [SECOND + QUIET]);
        assert!(QUIET <= milliseconds(100));
    }

    #[test]
    fn a_burst_costs_one_look_after_its_end() {
        let mut clock = Clock::default();
        let mut last = SECOND;
        for _ in 0..12 {
            clock.heard(last);
            last += milliseconds(10);
        }
        clock.go_on(9 * SECOND);
        assert_eq!(clock.looked, [last - milliseconds(10) + QUIET]);
    }

    #[test]
    fn a_storm_does_not_hold_it_off() {
        let mut clock = Clock::default();
        for count in 0..1000 {
            clock.heard(milliseconds(10 * count));
        }
        let looks = clock.looked.len();
        assert!((20..=25).contains(&looks), "{looks} in ten seconds");
    }

    #[test]
    fn what_could_not_be_used_is_tried_some_times_and_less_and_less_often() {
        let mut looks = Looks::default();
        let mut now = SECOND;
        let mut waits = Vec::new();
        while let Some(wait) = looks.looked(now, false) {
            assert_eq!(looks.went_off(now), Due::Wait(wait));
            now += wait;
            assert_eq!(looks.went_off(now), Due::Look);
            waits.push(wait.as_millis());
        }
        assert_eq!(waits, [250, 500, 1000, 2000, 4000]);
        assert_eq!(looks, Looks::Settled);
    }

    #[test]
    fn what_works_at_the_second_try_is_settled() {
        let mut looks = Looks::default();
        let wait = looks.looked(SECOND, false).unwrap();
        assert_eq!(looks.looked(SECOND + wait, true), None);
        assert_eq!(looks, Looks::Settled);
        assert_eq!(looks.went_off(9 * SECOND), Due::Nothing);
    }

    #[test]
    fn news_come_before_the_next_try() {
        let mut looks = Looks::default();
        let _ = looks.looked(SECOND, false);
        assert_eq!(looks.heard(SECOND), Some(QUIET));
        // A look for another reason meanwhile does not replace the one that is due.
        assert_eq!(looks.looked(SECOND, true), None);
        assert_eq!(looks.went_off(SECOND + QUIET), Due::Look);
    }

    proptest! {
        /// Whatever comes and when: all of it is looked at after it was heard, within the limit, with
        /// at least the quiet time between two looks, and no timer remains.
        #[test]
        fn everything_heard_is_looked_at_in_time(gaps in prop::collection::vec(0_u64..200, 1..200)) {
            let mut clock = Clock::default();
            let (mut now, mut heard) = (SECOND, Vec::new());
            for gap in gaps {
                now += milliseconds(gap);
                clock.heard(now);
                heard.push(now);
            }
            clock.go_on(now + SECOND);
            for heard in heard {
                let mut looked = clock.looked.iter();
                let after = *looked.find(|looked| **looked > heard).unwrap();
                prop_assert!(after - heard <= LONGEST);
            }
            for pair in clock.looked.windows(2) {
                prop_assert!(pair[1] - pair[0] >= QUIET);
            }
            prop_assert!(clock.timers.is_empty());
            prop_assert_eq!(clock.looks, Looks::Settled);
        }
    }
}
