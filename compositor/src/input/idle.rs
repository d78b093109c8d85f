//! When nobody is there: who waits for that, and how long. Pure; times are on `CLOCK_MONOTONIC`.

use std::time::Duration;

/// How often windows are looked at that keep the screens lit, at most: a client may ask to be told
/// after no time at all.
const PULSE: Duration = Duration::from_secs(1);

/// Everybody who wants to know when nobody has touched anything for a while.
#[derive(Debug)]
pub struct Idle<W> {
    watches: Vec<Watch<W>>,
}

#[derive(Debug)]
struct Watch<W> {
    who: W,
    after: Duration,
    /// Whether a window that keeps the screens lit holds this one off, too.
    heeds: Heeds,
    /// The time is counted from here.
    since: Duration,
    /// It is not up before.
    not_before: Duration,
    idle: bool,
}

/// What holds a watch off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heeds {
    /// Hands only.
    Hands,
    /// Hands, and windows that ask for the screens to stay lit.
    HandsAndWindows,
}

impl<W> Default for Idle<W> {
    /// Nobody waits yet.
    fn default() -> Self {
        Self {
            watches: Vec::new(),
        }
    }
}

impl<W: PartialEq + Clone> Idle<W> {
    /// Somebody wants to know when nothing was touched for a time, counted from now.
    pub fn watch(&mut self, who: W, after: Duration, heeds: Heeds, now: Duration) {
        self.watches.push(Watch {
            who,
            after,
            heeds,
            since: now,
            not_before: now,
            idle: false,
        });
    }

    /// Somebody does not want to know any more.
    pub fn unwatch(&mut self, who: &W) {
        self.watches.retain(|watch| watch.who != *who);
    }

    /// Somebody touched something. Returns who has to be told that it is over.
    pub fn touched(&mut self, now: Duration) -> Vec<W> {
        let mut over = Vec::new();
        for watch in &mut self.watches {
            watch.since = now;
            watch.not_before = now;
            if std::mem::take(&mut watch.idle) {
                over.push(watch.who.clone());
            }
        }
        over
    }

    /// No window keeps the screens lit any more: whoever heeded it waits from now on.
    pub fn windows_let_go(&mut self, now: Duration) {
        let heeding = |watch: &&mut Watch<W>| watch.heeds == Heeds::HandsAndWindows && !watch.idle;
        for watch in self.watches.iter_mut().filter(heeding) {
            watch.since = now;
            watch.not_before = now;
        }
    }

    /// When [`Idle::due`] has to be asked next; `None` while nobody waits.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let waiting = self.watches.iter().filter(|watch| !watch.idle);
        waiting.map(Watch::deadline).min()
    }

    /// Whether somebody's time is up who heeds windows that keep the screens lit: only then is it
    /// worth a look whether there are any.
    #[must_use]
    pub fn asks_for_windows(&self, now: Duration) -> bool {
        let mut up = self.watches.iter().filter(|watch| watch.is_up(now));
        up.any(|watch| watch.heeds == Heeds::HandsAndWindows)
    }

    /// Who has to be told that nobody is there. Where a window keeps the screens lit, those who
    /// heed it are put off for another time of theirs.
    pub fn due(&mut self, now: Duration, held: bool) -> Vec<W> {
        let mut idle = Vec::new();
        for watch in self.watches.iter_mut().filter(|watch| watch.is_up(now)) {
            if held && watch.heeds == Heeds::HandsAndWindows {
                watch.since = now;
                watch.not_before = now.saturating_add(PULSE);
            } else {
                watch.idle = true;
                idle.push(watch.who.clone());
            }
        }
        idle
    }
}

impl<W> Watch<W> {
    fn is_up(&self, now: Duration) -> bool {
        !self.idle && self.deadline() <= now
    }

    fn deadline(&self) -> Duration {
        self.since.saturating_add(self.after).max(self.not_before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn nobody_who_waits_costs_no_timer() {
        let mut idle = Idle::<&str>::default();
        assert_eq!(idle.deadline(), None);
        idle.watch("screens", s(10), Heeds::Hands, s(0));
        assert_eq!(idle.deadline(), Some(s(10)));
        assert_eq!(idle.due(s(10), false), ["screens"]);
        assert_eq!(idle.deadline(), None, "it is told once");
    }

    #[test]
    fn a_touch_counts_anew_and_ends_it() {
        let mut idle = Idle::default();
        idle.watch("screens", s(10), Heeds::Hands, s(0));
        assert!(idle.touched(s(5)).is_empty());
        assert!(idle.due(s(10), false).is_empty());
        assert_eq!(idle.due(s(15), false), ["screens"]);
        assert_eq!(idle.touched(s(20)), ["screens"]);
        assert!(idle.touched(s(21)).is_empty());
        assert_eq!(idle.deadline(), Some(s(31)));
    }

    #[test]
    fn each_waits_for_its_own_time() {
        let mut idle = Idle::default();
        idle.watch("late", s(20), Heeds::Hands, s(0));
        idle.watch("soon", s(5), Heeds::Hands, s(0));
        assert_eq!(idle.deadline(), Some(s(5)));
        assert_eq!(idle.due(s(6), false), ["soon"]);
        assert_eq!(idle.deadline(), Some(s(20)));
        idle.unwatch(&"late");
        assert_eq!(idle.deadline(), None);
    }

    #[test]
    fn a_window_holds_off_those_who_heed_it() {
        let mut idle = Idle::default();
        idle.watch("screens", s(10), Heeds::HandsAndWindows, s(0));
        idle.watch("log-out", s(10), Heeds::Hands, s(0));
        assert_eq!(idle.due(s(10), true), ["log-out"]);
        assert_eq!(idle.deadline(), Some(s(20)), "asked again after its time");
        idle.windows_let_go(s(13));
        assert_eq!(idle.deadline(), Some(s(23)));
        assert_eq!(idle.due(s(23), false), ["screens"]);
    }

    #[test]
    fn whoever_waits_no_time_at_all_is_put_off_for_a_while() {
        let mut idle = Idle::default();
        idle.watch("at once", s(0), Heeds::HandsAndWindows, s(0));
        assert!(idle.due(s(10), true).is_empty());
        assert_eq!(idle.deadline(), Some(s(11)));
    }

    #[test]
    fn windows_are_looked_at_only_when_it_matters() {
        let mut idle = Idle::default();
        idle.watch("log-out", s(10), Heeds::Hands, s(0));
        idle.watch("screens", s(20), Heeds::HandsAndWindows, s(0));
        assert!(!idle.asks_for_windows(s(10)));
        assert!(idle.asks_for_windows(s(20)));
    }
}
