//! Where a guest is shown, and what closing its last window means.

use std::time::{Duration, Instant};

use config::guest::OnClose;

/// Who closes a guest's last window again within this time does not want to wait for it.
const IMPATIENT: Duration = Duration::from_secs(30);

/// Where a guest is shown, as its device tells.
///
/// ```text
///            detached, or the display is gone
///   at home ────────────┐          ┌──────────── elsewhere
///      ▲ ▲              ▼          ▼               ▲ ▲
///      │ └─────────── attached: nowhere ───────────┘ │
///      └────────────────── attached ─────────────────┘
/// ```
#[derive(Debug, Clone)]
pub(super) struct Shown {
    /// Whether a display shows it.
    pub(super) attached: bool,
    /// Whether that is, or was last, the display of this program.
    at_home: bool,
    /// Whether it was asked to go to that one.
    bound_home: bool,
    /// When its power button was pressed because its window was closed.
    power: Option<Instant>,
}

/// What is to be done about a closed window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Press the guest's power button. Where there is none: [`Then::End`].
    PressPower,
    /// End the guest at once.
    End,
    /// Let it run without windows.
    Detach,
}

impl Default for Shown {
    fn default() -> Self {
        Self {
            attached: true,
            at_home: true,
            bound_home: true,
            power: None,
        }
    }
}

impl Shown {
    /// A guest that nothing shows until somebody wants to see it.
    pub(super) fn nowhere() -> Self {
        Self {
            attached: false,
            ..Self::default()
        }
    }

    /// Whether the display of this program shows it.
    pub(super) fn is_home(&self) -> bool {
        self.attached && self.at_home
    }

    /// It is asked to go to another display.
    pub(super) fn bound_for(&mut self, home: bool) {
        self.bound_home = home;
    }

    /// It has arrived where it was asked to go.
    pub(super) fn arrived(&mut self) {
        self.at_home = self.bound_home;
    }

    /// Its last window was closed.
    pub(super) fn closed(&mut self, on_close: OnClose, now: Instant) -> Then {
        match on_close {
            OnClose::Kill => Then::End,
            OnClose::Detach => Then::Detach,
            OnClose::Shutdown => {
                let before = self.power.replace(now);
                let again =
                    before.is_some_and(|before| now.saturating_duration_since(before) < IMPATIENT);
                if again { Then::End } else { Then::PressPower }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_means_what_the_configuration_says() {
        let now = Instant::now();
        let mut shown = Shown::default();
        assert_eq!(shown.closed(OnClose::Kill, now), Then::End);
        assert_eq!(shown.closed(OnClose::Detach, now), Then::Detach);
        assert_eq!(shown.closed(OnClose::Detach, now), Then::Detach);
        assert_eq!(shown.closed(OnClose::Shutdown, now), Then::PressPower);
    }

    #[test]
    fn who_closes_again_within_half_a_minute_does_not_want_to_wait() {
        let now = Instant::now();
        let mut shown = Shown::default();
        let mut after = |seconds| {
            let then = now + Duration::from_secs(seconds);
            shown.closed(OnClose::Shutdown, then)
        };
        assert_eq!(after(0), Then::PressPower);
        // The guest asked its user something, who said no.
        assert_eq!(after(30), Then::PressPower);
        assert_eq!(after(59), Then::End);
    }

    #[test]
    fn a_guest_is_at_home_until_it_has_arrived_elsewhere() {
        let mut shown = Shown::default();
        shown.bound_for(false);
        assert!(shown.is_home(), "it may never get there");
        shown.arrived();
        assert!(!shown.is_home());
        shown.bound_for(true);
        shown.arrived();
        assert!(shown.is_home());
        assert!(!Shown::nowhere().is_home());
    }
}
