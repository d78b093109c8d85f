//! Where the host is with the pictures that it was handed. Pure; times are on `CLOCK_MONOTONIC`.

use std::time::Duration;

use crate::render::Shown;

/// How long a host may take to say that it has shown a picture before nobody can be looking: the
/// window is covered, minimised or on another desktop. Much longer than a refresh, and shorter than
/// the output waits for a flip.
const PATIENCE: Duration = Duration::from_millis(400);

/// Where a window's host is.
///
/// ```text
///            a picture is handed over              the host has shown it
///  ┌──────┐ ──────────────────────────▶ ┌─────────┐ ────────────────────▶ Idle
///  │ Idle │                             │ Waiting │
///  └──────┘ ◀───────────────────┐       └─────────┘
///                               │            │ PATIENCE is over
///         it has shown it after │            ▼
///         all: somebody looks   │       ┌────────┐
///                               └────── │ Hidden │
///                                       └────────┘
/// ```
///
/// While it is `Hidden` nothing is handed over: the host would not look at it, and EGL runs out of
/// buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frames {
    /// The host never tells (X11): pictures are shown at the vblanks of a clock of our own.
    Untold,
    /// The host has shown everything.
    Idle,
    /// It has a picture that it has not shown.
    Waiting {
        /// When to stop waiting.
        until: Duration,
    },
    /// It keeps the picture until the window is to be seen again.
    Hidden,
}

/// What it means that the host wants something drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// It has shown the last picture, and takes the next one.
    Next,
    /// The window is seen again.
    Back,
    /// What was drawn is lost, or the host waits for an answer to what it told the window.
    Again,
}

impl Frames {
    /// Of a host that tells when it has shown a picture, or does not.
    pub(super) fn new(tells: bool) -> Self {
        match tells {
            true => Self::Idle,
            false => Self::Untold,
        }
    }

    /// Whether the host tells when it has shown a picture.
    pub(super) fn is_told(self) -> bool {
        self != Self::Untold
    }

    /// The host was handed a picture. Returns how that becomes visible.
    pub(super) fn handed_over(&mut self, now: Duration) -> Shown {
        match self {
            Self::Untold => Shown::AtVblank,
            Self::Idle | Self::Waiting { .. } | Self::Hidden => {
                *self = Self::Waiting {
                    until: now.saturating_add(PATIENCE),
                };
                Shown::Flip
            }
        }
    }

    /// The host wants something drawn. Returns what that means.
    pub(super) fn host_wants(&mut self) -> Wish {
        match self {
            Self::Untold | Self::Idle => Wish::Again,
            Self::Waiting { .. } => {
                *self = Self::Idle;
                Wish::Next
            }
            Self::Hidden => {
                *self = Self::Idle;
                Wish::Back
            }
        }
    }

    /// When [`Frames::hides`] has to be asked; `None` while nothing is waited for.
    pub(super) fn deadline(self) -> Option<Duration> {
        match self {
            Self::Waiting { until } => Some(until),
            Self::Untold | Self::Idle | Self::Hidden => None,
        }
    }

    /// Whether the host's time is up, so that the window is hidden from now on.
    pub(super) fn hides(&mut self, now: Duration) -> bool {
        let is_over = self.deadline().is_some_and(|until| until <= now);
        if is_over {
            *self = Self::Hidden;
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_host_that_tells_is_waited_for() {
        let mut frames = Frames::new(true);
        assert_eq!(frames.deadline(), None, "nothing is waited for");
        assert_eq!(frames.handed_over(ms(10)), Shown::Flip);
        assert_eq!(frames.deadline(), Some(ms(410)));
        assert!(!frames.hides(ms(409)));
        assert_eq!(frames.host_wants(), Wish::Next);
        assert_eq!(frames.deadline(), None);
        assert!(
            !frames.hides(ms(1000)),
            "an idle window is not a hidden one"
        );
    }

    #[test]
    fn a_window_that_nobody_sees_is_hidden_once_and_comes_back() {
        let mut frames = Frames::new(true);
        frames.handed_over(ms(0));
        assert!(frames.hides(ms(400)));
        assert!(!frames.hides(ms(800)));
        assert_eq!(frames.deadline(), None, "a hidden window costs no wake-ups");
        assert_eq!(frames.host_wants(), Wish::Back);
        assert_eq!(frames, Frames::Idle);
    }

    #[test]
    fn what_was_not_waited_for_is_drawn_again() {
        assert_eq!(Frames::new(true).host_wants(), Wish::Again);
        let mut untold = Frames::new(false);
        assert_eq!(untold.handed_over(ms(0)), Shown::AtVblank);
        assert_eq!(untold.deadline(), None);
        assert_eq!(untold.host_wants(), Wish::Again);
    }
}
