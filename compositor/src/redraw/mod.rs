//! When an output is composed: one state machine per output, on the clock of that output.
//!
//! Pure: this file decides, and is told what time it is. [`crate::state::State`] does what it
//! says (`drive.rs`), a timer wakes it up, and a display tells of its flips. Times are
//! [`Duration`]s on `CLOCK_MONOTONIC`.

mod awaited;
mod clock;
mod drive;
mod frame;
mod hidden;
mod plan;
#[cfg(test)]
mod tests;

use std::{num::NonZeroU32, time::Duration};

pub use clock::{FrameClock, Timing};
pub use frame::ComposedFrame;
pub(crate) use hidden::Hidden;

use crate::render::Shown;
use plan::{Pace, Plan};

/// How long a flip may take before it is taken for lost. Setting a mode can take a display some
/// hundred milliseconds.
const FLIP_PATIENCE: Duration = Duration::from_secs(1);

/// After this many vblanks without a word from the display, the clock may be off by so much that it
/// can't be said which vblank a flip was meant for.
const CLOCK_KEEPS: u64 = 600;

/// Where an output is between a change on it and the moment that shows the change.
///
/// ```text
///                                            Paused ◀──────── from anywhere: the screens are
///                                              │              somebody else's
///                                              │ they are ours again: compose at once
///            something changed                 ▼
///  ┌──────┐ ─────────────────────────────▶ ┌────────┐
///  │ Idle │                                │ Queued │ ◀────────────────────────┐
///  └──────┘ ◀──────────────┐               └────────┘                          │
///                          │                   │ compose_at is reached (or     │
///                          │                   │ at_latest, while clients are  │
///                          │                   │ waited for): it is composed   │
///                          │                   ├────────────────────┐          │
///                          │                   ▼                    ▼          │
///                          │        ┌──────────────────┐  ┌────────────────┐   │
///        something changed:│        │ WaitingForVblank │  │ WaitingForFlip │   │
///        redraw_needed     │        └──────────────────┘  └────────────────┘   │
///                          │                   │ the clock          │          │
///                          │                   │ reaches it         │ flipped, │
///                          │                   │                    │ or lost  │
///                          └───────────────────┴──────────┬─────────┘          │
///                                                         └────────────────────┘
///                                                 redraw_needed, or the flip was lost
/// ```
///
/// After composing, a display flips and tells when it has, which is the vblank; without a display,
/// or if there is nothing to flip to, the vblank of the output's clock counts. Where nothing has to be
/// drawn for no display, that vblank is also the moment to compose at: one wake-up does for both, and
/// clients have all of the refresh to themselves. In both waiting states changes are only noted: there is
/// one frame under way, never two.
///
/// `Idle` and `Paused` have no deadline: an output on which nothing happens costs no wake-ups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedrawState {
    /// The picture is up to date.
    Idle,
    /// The picture is out of date and is composed at a time that was chosen when it became so.
    Queued {
        /// When to compose.
        compose_at: Duration,
        /// When to compose while clients are waited for; not before the other.
        at_latest: Duration,
        /// The number of the vblank that is to show it.
        sequence: u64,
    },
    /// The picture is composed and becomes visible at a vblank of the clock.
    WaitingForVblank {
        /// The number of that vblank.
        sequence: u64,
        /// Something changed since composing.
        redraw_needed: bool,
    },
    /// The picture is composed, and the display flips to it.
    WaitingForFlip {
        /// The number of the vblank at which it should.
        sequence: u64,
        /// When to stop waiting.
        give_up: Duration,
        /// Something changed since composing.
        redraw_needed: bool,
    },
    /// Nothing can be shown. Whether the picture is up to date will not matter when it can.
    Paused,
}

/// A vblank that made a picture visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vblank {
    /// Its number.
    pub sequence: u64,
    /// When it was.
    pub at: Duration,
    /// Who says so.
    pub source: Source,
}

/// Who tells of a vblank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The output's clock here.
    Timer,
    /// The display, with the time of its own.
    Display,
    /// The display, but the time is when we heard of it.
    DisplayWithoutClock,
}

/// What has to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Compose the output, then call [`Redraw::composed`].
    Compose,
    /// The composed picture has become visible: tell the clients.
    Vblank(Vblank),
    /// The display has not flipped for much too long. The next picture may be composed as if it
    /// had.
    Lost,
}

/// How an output was composed.
#[derive(Debug, Clone, Copy)]
pub struct Composition {
    /// When composing began.
    pub started: Duration,
    /// When it ended, with the flip asked for.
    pub finished: Duration,
    /// How the picture becomes visible.
    pub shown: Shown,
    /// Whether there is something new to be seen in it.
    pub fresh: bool,
    /// Whether the renderer is done, not only told what to do.
    pub complete: bool,
}

/// The redraw state machine of one output.
#[derive(Debug, Clone)]
pub struct Redraw {
    state: RedrawState,
    clock: FrameClock,
    /// Whether the clock ever heard of a display's vblank. Before, it is a guess.
    synchronised: bool,
    pace: Pace,
    /// The last vblank that made a picture visible.
    shown: Option<u64>,
    /// Whether the renderer still worked when the flip under way was asked for.
    incomplete: bool,
    /// The last picture needed no time: the next one is composed at the vblank that shows it.
    instant: bool,
    /// Clients are to commit for the next picture that have not yet.
    awaits: bool,
    vrr: bool,
    missed: u64,
}

/// A time as `wl_callback.done` has it: milliseconds that wrap around.
fn millis(time: Duration) -> u32 {
    (time.as_millis() & u128::from(u32::MAX))
        .try_into()
        .unwrap_or_default()
}

impl Redraw {
    /// An idle machine.
    #[must_use]
    pub fn new(clock: FrameClock) -> Self {
        Self {
            state: RedrawState::Idle,
            clock,
            synchronised: false,
            pace: Pace::default(),
            shown: None,
            incomplete: false,
            instant: false,
            awaits: false,
            vrr: false,
            missed: 0,
        }
    }

    /// The output's clock.
    #[must_use]
    pub fn clock(&self) -> &FrameClock {
        &self.clock
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> RedrawState {
        self.state
    }

    /// Whether the display refreshes when there is something to show. The clock's rate is the
    /// fastest then.
    #[must_use]
    pub fn vrr(&self) -> bool {
        self.vrr
    }

    /// At how many vblanks something new should have become visible and did not.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// The display begins or ceases to refresh when there is something to show.
    pub fn set_vrr(&mut self, vrr: bool) {
        self.vrr = vrr;
    }

    /// The output refreshes at another rate.
    pub fn set_rate(&mut self, millihertz: NonZeroU32, now: Duration) {
        self.clock.set_rate(millihertz, now);
        // A display begins anew with another mode.
        self.synchronised = false;
        if let RedrawState::Queued { .. } = self.state {
            self.state = self.queued(now);
        }
    }

    /// Something on the output changed.
    pub fn queue(&mut self, now: Duration) {
        match &mut self.state {
            RedrawState::Idle => self.state = self.queued(now),
            RedrawState::Queued { .. } | RedrawState::Paused => {}
            RedrawState::WaitingForVblank { redraw_needed, .. }
            | RedrawState::WaitingForFlip { redraw_needed, .. } => *redraw_needed = true,
        }
    }

    /// Clients were told of a vblank, and are about to commit for the next one.
    pub fn wait_for_clients(&mut self) {
        self.awaits = true;
    }

    /// All of them have.
    pub fn all_here(&mut self, now: Duration) {
        self.awaits = false;
        if let RedrawState::Queued { compose_at, .. } = &mut self.state {
            // How late composing begins is counted from here, and not from what has passed.
            *compose_at = now.max(*compose_at);
        }
    }

    /// When [`Redraw::due`] has to be asked next; `None` while nothing is to be done.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match self.state {
            RedrawState::Idle | RedrawState::Paused => None,
            RedrawState::Queued { at_latest, .. } if self.awaits => Some(at_latest),
            RedrawState::Queued { compose_at, .. } => Some(compose_at),
            RedrawState::WaitingForVblank { sequence, .. } => Some(self.clock.vblank(sequence)),
            RedrawState::WaitingForFlip { give_up, .. } => Some(give_up),
        }
    }

    /// What has to be done at `now`. After [`Due::Compose`] the machine stays where it is until
    /// [`Redraw::composed`] says that it is done.
    pub fn due(&mut self, now: Duration) -> Option<Due> {
        if self.deadline()? > now {
            return None;
        }
        match self.state {
            RedrawState::Idle | RedrawState::Paused => None,
            RedrawState::Queued { .. } => Some(Due::Compose),
            RedrawState::WaitingForVblank {
                sequence,
                redraw_needed,
            } => {
                let at = self.clock.vblank(sequence);
                self.shown = Some(sequence);
                self.rest(redraw_needed, now);
                Some(Due::Vblank(Vblank {
                    sequence,
                    at,
                    source: Source::Timer,
                }))
            }
            RedrawState::WaitingForFlip { sequence, .. } => {
                self.missed += self.clock.nearest(now).saturating_sub(sequence);
                // What is on the screen now, nobody knows.
                self.rest(true, now);
                Some(Due::Lost)
            }
        }
    }

    /// The output was composed.
    pub fn composed(&mut self, composition: &Composition) {
        let &Composition {
            started, finished, ..
        } = composition;
        let due = self.deadline();
        // Whoever was waited for and did not come is in the picture after this one.
        self.awaits = false;
        let wanted = match (self.state, due) {
            (RedrawState::Queued { sequence, .. }, Some(due)) => {
                self.pace
                    .began(started.saturating_sub(due), self.clock.period());
                sequence
            }
            _ => self.next_possible(started),
        };
        // A display's first flip sets its mode, which takes long and says nothing about the next; nor
        // does a picture that was not drawn about one that has to be.
        self.instant = composition.shown == Shown::AtOnce;
        if composition.shown == Shown::AtVblank || (self.synchronised && !self.instant) {
            self.pace
                .took(finished.saturating_sub(started), self.clock.period());
        }
        match composition.shown {
            Shown::AtVblank | Shown::AtOnce => {
                let earliest = match self.instant {
                    true => self.clock.nearest(finished),
                    false => self.clock.next_after(finished),
                };
                let sequence = earliest.max(wanted);
                if composition.fresh {
                    self.missed += sequence - wanted;
                }
                self.state = RedrawState::WaitingForVblank {
                    sequence,
                    redraw_needed: false,
                };
            }
            Shown::Flip => {
                self.incomplete = !composition.complete && finished < self.clock.vblank(wanted);
                self.state = RedrawState::WaitingForFlip {
                    sequence: wanted,
                    give_up: finished.saturating_add(FLIP_PATIENCE),
                    redraw_needed: false,
                };
            }
        }
    }

    /// The display has flipped: at this time and, if the vblank has one, with this number. `None`
    /// if no flip was waited for.
    ///
    /// Some drivers have no clock and say 0, or use another clock. Then it was now.
    pub fn flipped(&mut self, now: Duration, at: Duration, sequence: u64) -> Option<Vblank> {
        let RedrawState::WaitingForFlip {
            sequence: wanted,
            redraw_needed,
            ..
        } = self.state
        else {
            return None;
        };
        // A time may lie a little in the future: it is that of the first line to be shown, which
        // comes after the vblank.
        let has_clock = !at.is_zero() && at <= now.saturating_add(self.clock.period());
        let (at, source) = match has_clock {
            true => (at, Source::Display),
            false => (now, Source::DisplayWithoutClock),
        };
        let is_known = self.synchronised && self.clock.age(wanted) < CLOCK_KEEPS;
        if is_known && !self.vrr {
            let late = self.clock.nearest(at).saturating_sub(wanted);
            self.missed += late;
            self.pace
                .flipped(late > 0, self.incomplete, self.clock.period());
        }
        self.clock.anchor(sequence, at);
        self.synchronised = true;
        self.shown = Some(sequence);
        self.rest(redraw_needed, now);
        Some(Vblank {
            sequence,
            at,
            source,
        })
    }

    /// The GPU had not finished the picture at the vblank, so it shows at the next one.
    pub fn missed_vblank(&mut self, now: Duration) {
        let redraw_needed = !matches!(self.state, RedrawState::Idle);
        let sequence = self.next_possible(now);
        self.missed += 1;
        self.state = RedrawState::WaitingForVblank {
            sequence,
            redraw_needed,
        };
    }

    /// Nothing can be shown any more. A frame under way is of no interest.
    pub fn pause(&mut self) {
        self.state = RedrawState::Paused;
    }

    /// Something can be shown again. What is on the screen is somebody else's picture, so ours is
    /// due at once.
    pub fn resume(&mut self, now: Duration) {
        if self.state == RedrawState::Paused {
            self.synchronised = false;
            self.state = RedrawState::Queued {
                compose_at: now,
                at_latest: now,
                sequence: self.next_possible(now),
            };
        }
    }

    /// The frame under way is over.
    fn rest(&mut self, redraw_needed: bool, now: Duration) {
        self.state = match redraw_needed {
            true => self.queued(now),
            false => RedrawState::Idle,
        };
    }

    fn queued(&self, now: Duration) -> RedrawState {
        let next = self.next_possible(now);
        let Plan {
            compose_at,
            at_latest,
            sequence,
        } = match (self.vrr, self.instant) {
            (true, _) => self.pace.on_demand(&self.clock, self.shown, next, now),
            (false, true) => Plan::at(self.clock.vblank(next), next),
            (false, false) => self.pace.late(&self.clock, next, now),
        };
        RedrawState::Queued {
            compose_at,
            at_latest,
            sequence,
        }
    }

    /// The first vblank after a time that has not shown a picture yet.
    fn next_possible(&self, now: Duration) -> u64 {
        let unused = self.shown.map_or(0, |shown| shown.saturating_add(1));
        self.clock.next_after(now).max(unused)
    }
}
