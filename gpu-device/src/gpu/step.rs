//! Whether a guest keeps step with the screen, and what helps it if it does not.
//!
//! Linux 7.1 and newer end a page flip at the next tick of a timer of their own. It has the screen's
//! rate, but begins at whatever moment the guest sets its mode, and its crystal is another. While the
//! guest's memory itself is on a plane, a flip can't be answered before it has happened: the guest
//! would draw over what the screen still reads. A guest that ticks just before the answer, or too
//! late for the host's next frame, therefore misses every second tick, for as long as its clock needs
//! to drift away: minutes, or hours. One whose ticks and answers come at the same moment misses one now
//! and then, by chance.
//!
//! With a copy on the plane nothing of the guest's is read any more once the frame is made, so that
//! it can have its answer at once. Whether that is what it lacks shows only by trying: a program that
//! draws 30 frames a second looks the same.

use std::time::{Duration, Instant};

use super::later;

/// How many frames are looked at before something is concluded.
const FRAMES: u32 = 60;

/// How many are looked at to see whether a guest keeps step in place by now. They may be many, since the look is over
/// as soon as some have failed to come.
const FRAMES_OF_RETURN: u32 = 120;

/// So many after a change are not counted: the host still has one that was made before, and one may have waited for it.
const SETTLING: u32 = 2;

/// Longer than this between two frames, in refreshes, and the guest does not animate.
const PAUSE: u32 = 8;

/// Fewer frames than this in a thousand refreshes are worth a trial.
const POOR: u32 = 750;

/// So many frames of a hundred at least that missed their tick are worth one, too, where most are prompt. A guest that
/// hesitates now and then looks the same, which the trial tells; a restless host does not, for it shows frames late that
/// were drawn in time.
const MISSED: u32 = 5;

/// So many of the frames that a guest has as copies, in thousandths, and it keeps step without. They are more than the
/// ones that are worth a trial: it is known to do better.
const GOOD: u32 = 970;

/// The first wait until the other way is tried again. It doubles while that does not help.
const FIRST_WAIT: Duration = Duration::from_secs(10);

/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// How a scanout's frames reach its plane.
///
/// ```text
///            too few frames,          not half as many
///            or ticks missed               lost                the wait is over
/// InPlace ──────────────────▶ Trying ────────────────────▶ Copied ──────────────────▶ Returning
///   ▲ ▲                         │                            ▲                          │ │
///   │ └──── no better: wait ────┘                            └──── too few: wait ───────┘ │
///   └──────────────────────────────────── enough ─────────────────────────────────────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The guest's memory.
    InPlace,
    /// Copies of it, to see what becomes of so many frames in a thousand refreshes.
    Trying { before: u32 },
    /// Copies, because the guest keeps step with them and not without.
    Copied,
    /// The guest's memory, to see whether it keeps step with that by now: as copies there were so many frames in a
    /// thousand refreshes.
    Returning { copied: u32 },
}

/// What is known of a scanout's guest.
#[derive(Debug)]
pub(super) struct Step {
    way: Way,
    /// The frames that are looked at.
    seen: Option<Seen>,
    /// How many frames are still to be left out.
    settling: u32,
    wait: Duration,
    /// The other way is not tried before this.
    not_before: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    first: Instant,
    last: Instant,
    /// After the first.
    frames: u32,
    /// Those of them that were drawn within half a refresh of the frame before.
    prompt: u32,
    /// Those that were not within a whole one: the guest had missed its tick.
    missed: u32,
}

impl Seen {
    fn begin(now: Instant) -> Self {
        Self {
            first: now,
            last: now,
            frames: 0,
            prompt: 0,
            missed: 0,
        }
    }

    /// Counts a frame that the guest had drawn at `drawn`.
    fn add(&mut self, drawn: Instant, now: Instant, refresh: Duration) {
        let after = drawn.saturating_duration_since(self.last);
        self.last = now;
        self.frames = self.frames.saturating_add(1);
        if after.saturating_mul(2) < refresh {
            self.prompt = self.prompt.saturating_add(1);
        } else if after > refresh {
            self.missed = self.missed.saturating_add(1);
        }
    }

    /// Whether the guest's ticks come when its answers do.
    fn misses_ticks(&self) -> bool {
        self.prompt > self.frames / 2
            && self.missed.saturating_mul(100) >= self.frames.saturating_mul(MISSED)
    }
}

/// What a look at a guest has shown.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// How many frames there were in a thousand refreshes.
    share: u32,
    misses_ticks: bool,
}

impl Default for Step {
    fn default() -> Self {
        Self {
            way: Way::InPlace,
            seen: None,
            settling: 0,
            wait: FIRST_WAIT,
            not_before: None,
        }
    }
}

impl Step {
    /// Whether frames are to be copied that could be shown in place.
    pub(super) fn copies(&self) -> bool {
        matches!(self.way, Way::Trying { .. } | Way::Copied)
    }

    /// Whether the memory for copies is kept, even if it is not used right now: getting it takes longer than
    /// the look whether the guest can do without.
    pub(super) fn keeps_copy(&self) -> bool {
        self.copies() || matches!(self.way, Way::Returning { .. })
    }

    /// A frame that the guest had drawn at `drawn` is on its plane, where one lasts for `refresh`. Returns whether
    /// [`Step::copies`] or [`Step::keeps_copy`] says something else now.
    pub(super) fn presented(&mut self, drawn: Instant, now: Instant, refresh: Duration) -> bool {
        if self.settling > 0 {
            self.settling = self.settling.saturating_sub(1);
            return false;
        }
        let Some(look) = self.count(drawn, now, refresh) else {
            return false;
        };
        let share = look.share;
        let may_try = self.not_before.is_none_or(|time| time <= now);
        let least = self.least();
        let before = (self.copies(), self.keeps_copy());
        match self.way {
            Way::InPlace if may_try && (share < least || look.misses_ticks) => {
                self.way = Way::Trying { before: share };
            }
            Way::Trying { .. } if share < least => self.fall_back(Way::InPlace, now),
            Way::Trying { .. } => {
                self.way = Way::Copied;
                self.wait = FIRST_WAIT;
                self.not_before = Some(later(now, self.wait));
            }
            Way::Copied if may_try => self.way = Way::Returning { copied: share },
            Way::Returning { .. } if share < least => self.fall_back(Way::Copied, now),
            Way::Returning { .. } => {
                self.way = Way::InPlace;
                self.wait = FIRST_WAIT;
                self.not_before = None;
            }
            Way::InPlace | Way::Copied => {}
        }
        if before.0 != self.copies() {
            self.settling = SETTLING;
            self.seen = None;
        }
        before != (self.copies(), self.keeps_copy())
    }

    /// There is no memory for copies.
    pub(super) fn cannot_copy(&mut self, now: Instant) {
        self.fall_back(Way::InPlace, now);
        self.seen = None;
    }

    fn fall_back(&mut self, way: Way, now: Instant) {
        self.way = way;
        self.not_before = Some(later(now, self.wait));
        self.wait = self.wait.saturating_mul(2).min(LONGEST_WAIT);
    }

    /// Fewer frames than this in a thousand refreshes are too few.
    fn least(&self) -> u32 {
        match self.way {
            Way::InPlace => POOR,
            // Copies are worth it if not half as many are lost.
            Way::Trying { before } => 1000_u32.saturating_sub(1000_u32.saturating_sub(before) / 2),
            Way::Copied => 0,
            Way::Returning { copied } => copied.min(1000).saturating_mul(GOOD) / 1000,
        }
    }

    /// Counts a frame. Returns what it looks like when enough were seen, or so few that those still missing
    /// could not make up for it.
    fn count(&mut self, drawn: Instant, now: Instant, refresh: Duration) -> Option<Look> {
        let (pause, least) = (refresh.saturating_mul(PAUSE), self.least());
        let seen = match &mut self.seen {
            Some(seen) if now.saturating_duration_since(seen.last) < pause => seen,
            seen => {
                *seen = Some(Seen::begin(now));
                return None;
            }
        };
        seen.add(drawn, now, refresh);
        let wanted = match self.way {
            Way::Returning { .. } => FRAMES_OF_RETURN,
            Way::InPlace | Way::Trying { .. } | Way::Copied => FRAMES,
        };
        let took = now.saturating_duration_since(seen.first).as_micros();
        let missing = wanted.saturating_sub(seen.frames);
        let one = refresh.as_micros();
        let thousandths = |frames: u32, micros: u128| {
            let shown = one.saturating_mul(frames.into());
            u32::try_from(shown.saturating_mul(1000).checked_div(micros)?).ok()
        };
        // If each that is missing came with the next refresh.
        let at_best = took.saturating_add(one.saturating_mul(missing.into()));
        let is_lost = thousandths(wanted, at_best).is_some_and(|share| share < least);
        if missing > 0 && !is_lost {
            return None;
        }
        let misses_ticks = seen.misses_ticks();
        let share = thousandths(seen.frames, took);
        self.seen = None;
        Some(Look {
            share: share?,
            misses_ticks,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REFRESH: Duration = Duration::from_micros(16_667);

    /// A guest whose frames come every so many refreshes, in place and copied.
    struct Guest {
        step: Step,
        now: Instant,
        start: Instant,
        in_place: u32,
        copied: u32,
        /// How many frames were copied.
        copies: u32,
    }

    impl Guest {
        fn new(in_place: u32, copied: u32) -> Self {
            let now = Instant::now();
            Self {
                step: Step::default(),
                now,
                start: now,
                in_place,
                copied,
                copies: 0,
            }
        }

        fn runs(&mut self, time: Duration) {
            let end = self.now + time;
            while self.now < end {
                let copies = self.step.copies();
                self.copies += u32::from(copies);
                let refreshes = if copies { self.copied } else { self.in_place };
                self.now += REFRESH * refreshes;
                let keeps = self.step.keeps_copy();
                let drawn = self.now - REFRESH * 2 / 3;
                let changed = self.step.presented(drawn, self.now, REFRESH);
                let now = (self.step.copies(), self.step.keeps_copy());
                assert_eq!(changed, (copies, keeps) != now);
                assert!(!now.0 || now.1, "copies without memory for them");
            }
        }
    }

    const SECONDS: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn a_guest_that_keeps_step_is_never_copied() {
        let mut guest = Guest::new(1, 1);
        guest.runs(SECONDS(100));
        assert_eq!(guest.copies, 0);
    }

    #[test]
    fn a_guest_that_loses_every_second_refresh_is_copied_if_it_keeps_step_then() {
        let mut guest = Guest::new(2, 1);
        guest.runs(SECONDS(5));
        assert!(guest.step.copies());
        guest.runs(SECONDS(3600));
        let all = guest.now.duration_since(guest.start).as_micros() / REFRESH.as_micros();
        assert!(
            u128::from(guest.copies) > all * 98 / 100,
            "hardly ever tried in place"
        );
    }

    #[test]
    fn a_look_whether_a_guest_keeps_step_again_costs_it_few_refreshes_and_no_new_memory() {
        let mut guest = Guest::new(2, 1);
        guest.runs(SECONDS(5));
        let began = guest.now;
        let mut in_place = 0;
        while in_place == 0 || !guest.step.copies() {
            guest.runs(REFRESH);
            assert!(guest.step.keeps_copy());
            in_place += u32::from(!guest.step.copies());
            assert!(guest.now < began + SECONDS(20));
        }
        assert!(in_place <= 8, "{in_place} frames in place");
    }

    #[test]
    fn a_guest_that_keeps_step_again_is_shown_in_place_again() {
        let mut guest = Guest::new(2, 1);
        guest.runs(SECONDS(5));
        guest.in_place = 1;
        guest.runs(SECONDS(20));
        guest.copies = 0;
        guest.runs(SECONDS(100));
        assert_eq!(guest.copies, 0);
    }

    #[test]
    fn a_guest_that_falls_out_of_step_once_it_is_back_in_place_is_soon_copied_again() {
        let mut guest = Guest::new(2, 1);
        guest.runs(SECONDS(5));
        guest.in_place = 1;
        guest.runs(SECONDS(20));
        assert!(!guest.step.keeps_copy());
        guest.in_place = 2;
        let began = guest.now;
        while !guest.step.copies() {
            guest.runs(REFRESH);
            assert!(guest.now < began + REFRESH * 50);
        }
    }

    #[test]
    fn a_guest_that_still_loses_a_refresh_in_four_in_place_stays_copied() {
        let mut guest = Guest::new(2, 1);
        guest.runs(SECONDS(5));
        guest.copies = 0;
        let mut frames = 0;
        let end = guest.now + SECONDS(100);
        while guest.now < end {
            frames += 1;
            guest.in_place = if frames % 3 == 0 { 2 } else { 1 };
            guest.runs(REFRESH);
        }
        assert!(guest.copies > frames * 98 / 100, "{}", guest.copies);
    }

    #[test]
    fn a_guest_that_misses_a_tick_now_and_then_is_copied() {
        let mut guest = Guest::new(1, 1);
        for frame in 0..120 {
            guest.in_place = if frame % 12 == 0 { 2 } else { 1 };
            guest.runs(REFRESH);
        }
        assert!(guest.step.copies());
    }

    #[test]
    fn a_guest_whose_frames_the_host_shows_late_now_and_then_is_not_copied() {
        let mut step = Step::default();
        let mut now = Instant::now();
        for frame in 0..1000 {
            let drawn = now + REFRESH / 3;
            now += REFRESH * if frame % 12 == 0 { 2 } else { 1 };
            step.presented(drawn, now, REFRESH);
            assert!(!step.copies());
        }
    }

    #[test]
    fn a_slow_guest_is_hardly_ever_copied() {
        let mut guest = Guest::new(2, 2);
        guest.runs(SECONDS(3600));
        assert!((1..1000).contains(&guest.copies), "{}", guest.copies);
    }

    #[test]
    fn a_guest_that_shows_something_now_and_then_is_not_copied() {
        let mut guest = Guest::new(PAUSE, 1);
        guest.runs(SECONDS(100));
        assert_eq!(guest.copies, 0);
    }

    #[test]
    fn where_there_is_no_memory_for_copies_they_are_not_asked_for_all_the_time() {
        let mut guest = Guest::new(2, 1);
        guest.runs(SECONDS(3));
        assert!(guest.step.copies());
        guest.step.cannot_copy(guest.now);
        assert!(!guest.step.copies());
        guest.copies = 0;
        guest.runs(FIRST_WAIT - SECONDS(1));
        assert_eq!(guest.copies, 0);
    }

    proptest! {
        /// Whatever a host reports, and at whatever rate.
        #[test]
        fn nothing_confuses_it(
            frames in prop::collection::vec((0..200_000u64, 0..50_000u64, any::<bool>()), 1..500),
        ) {
            let mut step = Step::default();
            let mut now = Instant::now();
            for (wait, refresh, fails) in frames {
                now += Duration::from_micros(wait);
                let drawn = now - Duration::from_micros(wait / 2);
                step.presented(drawn, now, Duration::from_micros(refresh));
                if fails && step.copies() {
                    step.cannot_copy(now);
                    prop_assert!(!step.copies());
                }
            }
        }
    }
}
