//! What planes refused, so that it is not asked for again and again. Pure; the clock is told.
//!
//! An atomic test can take milliseconds. smithay remembers a failed one for a surface only while
//! nothing at all changes about the planes in use: a moving window or a pointer that comes and
//! goes would have every frame tested anew. Two things are remembered here:
//!
//! - an *arrangement* that the driver refused, and
//! - a *surface* that fell off its plane, for whatever reason. Between plane and composition every
//!   switch costs a test and, on some hardware, a flicker, so it stays composited for a moment.
//!
//! Both waits grow as long as the trouble comes back.

use std::{collections::HashMap, hash::Hash, time::Duration};

use smithay::backend::allocator::Format;

/// The first wait after a refusal or a fall.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// The longest one.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A surface that stayed on its plane for this many waits has settled.
const SETTLED: u32 = 4;

/// More refused arrangements than this are not remembered: a client that resizes its window goes
/// through hundreds.
const MOST_ARRANGEMENTS: usize = 64;

/// The kinds of planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaneKind {
    /// The one that always shows something.
    Primary,
    /// One above or below it.
    Overlay,
    /// The one for the pointer.
    Cursor,
}

/// What a plane was asked to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Arrangement {
    /// The buffer's format and modifier.
    pub format: Format,
    /// The part of the buffer that is shown, in its pixels, rounded up.
    pub source: (i32, i32),
    /// How large it is shown, in pixels.
    pub shown: (i32, i32),
    /// The kind of plane that it would be on at best.
    pub plane: PlaneKind,
}

/// Why a surface is not offered to planes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptOff {
    /// The driver refused the same arrangement a short time ago.
    Refused,
    /// It fell off its plane a short time ago.
    Settling,
    /// No plane has its format: the driver need not be asked.
    Format,
}

/// What became of a surface in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is on a plane.
    OnPlane,
    /// It was offered to planes and the driver refused.
    Refused,
    /// It is composited for another reason.
    Composited,
}

#[derive(Debug, Clone, Copy)]
struct Ban {
    until: Duration,
    wait: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    /// Since when it is on a plane.
    on_plane: Option<Duration>,
    /// Its last fall, if it has not settled since.
    fall: Option<Ban>,
    /// Whether it was in the last frame.
    seen: bool,
}

/// The memory of one output. `K` names surfaces.
#[derive(Debug)]
pub struct Planes<K> {
    refused: HashMap<Arrangement, Ban>,
    surfaces: HashMap<K, Record>,
}

impl<K> Default for Planes<K> {
    fn default() -> Self {
        Self {
            refused: HashMap::new(),
            surfaces: HashMap::new(),
        }
    }
}

impl<K: Eq + Hash + Clone> Planes<K> {
    /// Whether a surface may be offered to planes.
    ///
    /// # Errors
    /// Why it may not.
    pub fn may_try(
        &self,
        surface: &K,
        arrangement: &Arrangement,
        now: Duration,
    ) -> Result<(), KeptOff> {
        let waits = |ban: &Ban| now < ban.until;
        if self.refused.get(arrangement).is_some_and(waits) {
            return Err(KeptOff::Refused);
        }
        let record = self.surfaces.get(surface);
        let fall = record.and_then(|record| record.fall.as_ref());
        match fall.is_some_and(waits) {
            true => Err(KeptOff::Settling),
            false => Ok(()),
        }
    }

    /// Notes what became of a surface in the frame that is being made.
    pub fn saw(&mut self, surface: &K, arrangement: &Arrangement, outcome: Outcome, now: Duration) {
        let record = self.surfaces.entry(surface.clone()).or_insert(Record {
            on_plane: None,
            fall: None,
            seen: true,
        });
        record.seen = true;
        if outcome == Outcome::OnPlane {
            let since = *record.on_plane.get_or_insert(now);
            let settled = |fall: &Ban| now.saturating_sub(since) > fall.wait * SETTLED;
            record.fall = record.fall.filter(|fall| !settled(fall));
            self.refused.remove(arrangement);
            return;
        }
        if record.on_plane.take().is_some() {
            record.fall = Some(Ban::after(record.fall, now));
        }
        if outcome == Outcome::Refused {
            self.forget_old(now);
            let before = self.refused.get(arrangement).copied();
            self.refused.insert(*arrangement, Ban::after(before, now));
        }
    }

    /// The frame is made. Surfaces that were not in it start anew when they come back: a guest
    /// that is switched in again goes straight to its plane.
    pub fn frame_made(&mut self) {
        self.surfaces
            .retain(|_, record| std::mem::take(&mut record.seen));
    }

    /// When a surface that is composited now may be tried again; `None` if none waits.
    #[must_use]
    pub fn next_try(&self, now: Duration) -> Option<Duration> {
        let falls = self.surfaces.values().filter_map(|record| {
            let waits = record.on_plane.is_none();
            record.fall.filter(|_| waits)
        });
        falls
            .chain(self.refused.values().copied())
            .map(|ban| ban.until)
            .filter(|until| *until > now)
            .min()
    }

    /// Another mode, or somebody else had the screen: what was refused may work now.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    fn forget_old(&mut self, now: Duration) {
        if self.refused.len() < MOST_ARRANGEMENTS {
            return;
        }
        self.refused.retain(|_, ban| ban.until > now);
        let first = self.refused.iter().min_by_key(|(_, ban)| ban.until);
        if self.refused.len() >= MOST_ARRANGEMENTS
            && let Some(arrangement) = first.map(|(arrangement, _)| *arrangement)
        {
            self.refused.remove(&arrangement);
        }
    }
}

impl Ban {
    fn after(before: Option<Self>, now: Duration) -> Self {
        let wait = match before {
            Some(before) => (before.wait * 2).min(LONGEST_WAIT),
            None => FIRST_WAIT,
        };
        Self {
            until: now + wait,
            wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use smithay::backend::allocator::{Fourcc, Modifier};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn window(width: i32) -> Arrangement {
        Arrangement {
            format: Format {
                code: Fourcc::Xrgb8888,
                modifier: Modifier::Linear,
            },
            source: (width, 100),
            shown: (width, 100),
            plane: PlaneKind::Overlay,
        }
    }

    /// Runs frames of one surface at 60 Hz. The driver accepts it when `accepts` says so; returns
    /// how often it was asked, and in how many frames the surface changed between the two ways.
    fn run(seconds: u32, mut accepts: impl FnMut(Duration) -> bool) -> (u32, u32) {
        let mut planes = Planes::default();
        let (mut asked, mut changes, mut last) = (0, 0, None);
        for frame in 0..seconds * 60 {
            let now = Duration::from_secs(1) * frame / 60;
            let outcome = match planes.may_try(&"guest", &window(640), now) {
                Err(_) => Outcome::Composited,
                Ok(()) => {
                    asked += 1;
                    match accepts(now) {
                        true => Outcome::OnPlane,
                        false => Outcome::Refused,
                    }
                }
            };
            planes.saw(&"guest", &window(640), outcome, now);
            planes.frame_made();
            let on_plane = outcome == Outcome::OnPlane;
            changes += u32::from(last.is_some_and(|last| last != on_plane));
            last = Some(on_plane);
        }
        (asked, changes)
    }

    #[test]
    fn a_refusal_costs_a_test_now_and_then_and_not_one_per_frame() {
        let (asked, _) = run(60, |_| false);
        assert!((6..=9).contains(&asked), "{asked} tests in a minute");
        let (asked, _) = run(600, |_| false);
        assert!(asked <= 18, "{asked} tests in ten minutes");
    }

    #[test]
    fn a_driver_that_changes_its_mind_is_not_followed_back_and_forth() {
        let mut frame = 0;
        let (_, changes) = run(10, |_| {
            frame += 1;
            frame % 2 == 1
        });
        assert!(changes <= 12, "{changes} changes in ten seconds");
    }

    #[test]
    fn what_works_is_never_kept_off() {
        assert_eq!(run(5, |_| true), (300, 0));
    }

    #[test]
    fn another_size_is_another_arrangement() {
        let mut planes = Planes::default();
        planes.saw(&1, &window(640), Outcome::Refused, MS);
        assert_eq!(
            planes.may_try(&1, &window(640), 2 * MS),
            Err(KeptOff::Refused)
        );
        assert_eq!(planes.may_try(&1, &window(641), 2 * MS), Ok(()));
        assert_eq!(
            planes.may_try(&2, &window(640), 2 * MS),
            Err(KeptOff::Refused)
        );
        assert_eq!(planes.may_try(&1, &window(640), 300 * MS), Ok(()));
    }

    #[test]
    fn a_surface_that_was_never_on_a_plane_may_go_there_at_once() {
        let mut planes = Planes::default();
        planes.saw(&1, &window(640), Outcome::Composited, MS);
        planes.frame_made();
        assert_eq!(planes.may_try(&1, &window(640), 2 * MS), Ok(()));
    }

    #[test]
    fn a_fallen_surface_waits_and_says_until_when() {
        let mut planes = Planes::default();
        planes.saw(&1, &window(640), Outcome::OnPlane, MS);
        planes.saw(&1, &window(640), Outcome::Composited, 2 * MS);
        planes.frame_made();
        assert_eq!(
            planes.may_try(&1, &window(640), 3 * MS),
            Err(KeptOff::Settling)
        );
        assert_eq!(planes.next_try(3 * MS), Some(2 * MS + FIRST_WAIT));
        assert_eq!(
            planes.may_try(&1, &window(640), 2 * MS + FIRST_WAIT),
            Ok(())
        );
        assert_eq!(planes.next_try(2 * MS + FIRST_WAIT), None);
    }

    #[test]
    fn a_surface_that_comes_back_starts_anew() {
        let mut planes = Planes::default();
        planes.saw(&1, &window(640), Outcome::OnPlane, MS);
        planes.frame_made();
        planes.frame_made();
        planes.saw(&1, &window(640), Outcome::Composited, 2 * MS);
        planes.frame_made();
        assert_eq!(planes.may_try(&1, &window(640), 3 * MS), Ok(()));
    }

    #[test]
    fn the_wait_is_short_again_after_a_calm_time() {
        let mut planes = Planes::default();
        let mut now = MS;
        for _ in 0..4 {
            planes.saw(&1, &window(640), Outcome::OnPlane, now);
            planes.saw(&1, &window(640), Outcome::Composited, now + MS);
            now = planes.next_try(now + MS).unwrap();
        }
        planes.saw(&1, &window(640), Outcome::OnPlane, now);
        let later = now + LONGEST_WAIT * 5;
        planes.saw(&1, &window(640), Outcome::OnPlane, later);
        planes.saw(&1, &window(640), Outcome::Composited, later + MS);
        assert_eq!(planes.next_try(later + MS), Some(later + MS + FIRST_WAIT));
    }

    #[test]
    fn a_window_that_is_resized_all_day_fills_no_memory() {
        let mut planes = Planes::default();
        for width in 1..10_000 {
            planes.saw(&1, &window(width), Outcome::Refused, MS);
        }
        assert!(planes.refused.len() <= MOST_ARRANGEMENTS);
    }
}
