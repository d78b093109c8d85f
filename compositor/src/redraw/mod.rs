//! When an output is composed: one state machine per output, on the clock of that output.
//!
//! Pure: this file decides, and is told what time it is. [`crate::state::State`] does what it
//! says (`drive.rs`), a back-end wakes it up. Times are [`Duration`]s on `CLOCK_MONOTONIC`.

mod clock;
mod drive;
mod hidden;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use clock::{FrameClock, Timing};
pub use drive::ComposedFrame;

/// Spare time between the expected end of composing and the vblank: missing the vblank costs a
/// whole refresh.
const MARGIN: Duration = Duration::from_millis(2);

/// The longest rest after a vblank before an output may be composed again, see
/// [`Redraw::compose_time`].
const MAX_REST: Duration = Duration::from_millis(4);

/// Where an output is between a change on it and the moment that shows the change.
///
/// ```text
///              something changed                  compose_at is reached:
///    ┌──────┐ ──────────────────▶ ┌────────┐      the output is composed  ┌──────────────────┐
///    │ Idle │                     │ Queued │ ───────────────────────────▶ │ WaitingForVblank │─┐
///    └──────┘ ◀─────────┐         └────────┘ ◀─┐                          └──────────────────┘ │
///                       │                      │ vblank, and                        │    ▲     │
///                       │                      │ redraw_needed                      │    └─────┘
///                       └──────────────────────┴────────────────────────────────────┘ something
///                         vblank                                                      changed:
///                                                                              redraw_needed = true
/// ```
///
/// `Idle` has no deadline: an output on which nothing happens costs no wake-ups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedrawState {
    /// The picture is up to date.
    Idle,
    /// The picture is out of date and is composed at a time that was chosen when it became so.
    Queued {
        /// When to compose.
        compose_at: Duration,
    },
    /// The picture is composed and becomes visible at a vblank.
    WaitingForVblank {
        /// The number of that vblank.
        sequence: u64,
        /// Something changed since composing.
        redraw_needed: bool,
    },
}

/// What has to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Compose the output, then call [`Redraw::composed`].
    Compose,
    /// The composed picture has become visible: tell the clients.
    Vblank {
        /// The number of the vblank, counted from the start of the output's clock.
        sequence: u64,
        /// When it was.
        at: Duration,
    },
}

/// The redraw state machine of one output.
#[derive(Debug, Clone)]
pub struct Redraw {
    state: RedrawState,
    clock: FrameClock,
    /// How long composing takes.
    render_time: Timing,
    /// How much later than wanted composing begins, as it does on a loaded machine.
    delay: Timing,
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
            render_time: Timing::default(),
            delay: Timing::default(),
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

    /// Something on the output changed.
    pub fn queue(&mut self, now: Duration) {
        match &mut self.state {
            RedrawState::Idle => {
                self.state = RedrawState::Queued {
                    compose_at: self.compose_time(now),
                };
            }
            RedrawState::Queued { .. } => {}
            RedrawState::WaitingForVblank { redraw_needed, .. } => *redraw_needed = true,
        }
    }

    /// When [`Redraw::due`] has to be asked next; `None` while nothing is to be done.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match self.state {
            RedrawState::Idle => None,
            RedrawState::Queued { compose_at } => Some(compose_at),
            RedrawState::WaitingForVblank { sequence, .. } => Some(self.clock.vblank(sequence)),
        }
    }

    /// What has to be done at `now`. After [`Due::Compose`] the machine stays where it is until
    /// [`Redraw::composed`] says that it is done.
    pub fn due(&mut self, now: Duration) -> Option<Due> {
        if self.deadline()? > now {
            return None;
        }
        let RedrawState::WaitingForVblank {
            sequence,
            redraw_needed,
        } = self.state
        else {
            return Some(Due::Compose);
        };
        self.state = RedrawState::Idle;
        if redraw_needed {
            self.queue(now);
        }
        Some(Due::Vblank {
            sequence,
            at: self.clock.vblank(sequence),
        })
    }

    /// The output was composed, between these two times.
    pub fn composed(&mut self, started: Duration, finished: Duration) {
        let period = self.clock.period();
        let took = finished.saturating_sub(started);
        self.render_time.record(took, period);
        if let RedrawState::Queued { compose_at } = self.state {
            // A quarter at most, so that guests keep their time to draw on a machine that is
            // loaded by them.
            let delay = started.saturating_sub(compose_at);
            self.delay.record(delay, period / 4);
        }
        self.state = RedrawState::WaitingForVblank {
            sequence: self.clock.next_after(finished),
            redraw_needed: false,
        };
    }

    /// The GPU had not finished the picture at the vblank, so it shows at the next one.
    pub fn missed_vblank(&mut self, now: Duration) {
        let redraw_needed = !matches!(self.state, RedrawState::Idle);
        self.state = RedrawState::WaitingForVblank {
            sequence: self.clock.next_after(now),
            redraw_needed,
        };
    }

    /// The time to compose a picture that became out of date at `now`.
    ///
    /// As late before the next vblank as the last frames' times allow. Guests have two
    /// frame buffers and learn only at a vblank that their last flip is done; their next one
    /// comes a few milliseconds later. An output that is composed at once, because a pointer or
    /// another guest moved, locks them out of that refresh, and they run at half the rate.
    ///
    /// That is also why composing rests for a moment after a vblank even where it takes so long
    /// that it would have to begin earlier.
    fn compose_time(&self, now: Duration) -> Duration {
        let prepared_for = self.render_time.worst() + self.delay.worst() + MARGIN;
        let rest = (self.clock.period() / 8).min(MAX_REST);
        let next = self.clock.next_after(now);
        let earliest = |sequence: u64| {
            let last = self.clock.vblank(sequence.saturating_sub(1));
            (last + rest).max(now)
        };
        for sequence in [next, next.saturating_add(1)] {
            let vblank = self.clock.vblank(sequence);
            let latest = vblank.saturating_sub(prepared_for);
            let at = latest.max(earliest(sequence));
            // A change that comes late for its vblank is still worth a try: if it misses, it shows
            // at the one after, where waiting would also have it.
            if at + self.render_time.usual() < vblank {
                return at;
            }
        }
        // Slower than the refresh rate: every frame is late, so start as soon as may be.
        earliest(next)
    }
}
