//! When a frame became light, and how.

use std::time::Duration;

use rustix::time::ClockId;
use wayland_client::{Connection, Dispatch, QueueHandle, WEnum};
use wayland_protocols::wp::presentation_time::client::{
    wp_presentation::{self, WpPresentation},
    wp_presentation_feedback::{self, Kind, WpPresentationFeedback},
};

use super::{State, frames::Shown};
use crate::display::DisplayEvent;

/// The clock that the host's times are on.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// The clock that everybody uses, and that [`DisplayEvent::Presented`] promises.
    Monotonic,
    /// Another one, or none has been named: its times mean nothing here.
    #[default]
    Other,
}

impl Clock {
    fn named(id: u32) -> Self {
        let monotonic = u32::try_from(ClockId::Monotonic as i32);
        if monotonic == Ok(id) {
            Self::Monotonic
        } else {
            Self::Other
        }
    }

    /// A time as the protocol sends it.
    fn time(self, seconds_high: u32, seconds_low: u32, nanoseconds: u32) -> Option<Duration> {
        let seconds = u64::from(seconds_high) << 32 | u64::from(seconds_low);
        let whole = Duration::from_secs(seconds);
        let time = whole.checked_add(Duration::from_nanos(u64::from(nanoseconds)))?;
        (self == Self::Monotonic).then_some(time)
    }
}

impl State {
    /// A frame callback came, from a host that does not tell more: the frame is as good as shown.
    pub(super) fn report_drawn(&mut self, shown: Shown) {
        self.report_presented(shown, None, Duration::ZERO, false);
    }

    fn report_presented(
        &mut self,
        Shown { scanout, frame }: Shown,
        at: Option<Duration>,
        refresh: Duration,
        zero_copy: bool,
    ) {
        // A frame of a window that is gone has been reported with the window.
        let known = self
            .window(scanout)
            .is_some_and(|window| window.frames.presented(frame));
        if known {
            self.events.push_back(DisplayEvent::Presented {
                scanout,
                frame,
                at,
                refresh,
                zero_copy,
            });
        }
    }

    fn report_discarded(&mut self, Shown { scanout, frame }: Shown) {
        let last = self
            .window(scanout)
            .is_some_and(|window| window.frames.discarded(frame));
        if last {
            self.events
                .push_back(DisplayEvent::Discarded { scanout, frame });
        }
    }
}

impl Dispatch<WpPresentation, ()> for State {
    fn event(
        state: &mut Self,
        _: &WpPresentation,
        event: wp_presentation::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wp_presentation::Event::ClockId { clk_id } = event {
            state.clock = Clock::named(clk_id);
        }
    }
}

impl Dispatch<WpPresentationFeedback, Shown> for State {
    fn event(
        state: &mut Self,
        _: &WpPresentationFeedback,
        event: wp_presentation_feedback::Event,
        shown: &Shown,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use wp_presentation_feedback::Event;
        match event {
            Event::Presented {
                tv_sec_hi,
                tv_sec_lo,
                tv_nsec,
                refresh,
                flags,
                ..
            } => {
                let at = state.clock.time(tv_sec_hi, tv_sec_lo, tv_nsec);
                let kind = match flags {
                    WEnum::Value(kind) => kind,
                    WEnum::Unknown(bits) => Kind::from_bits_truncate(bits),
                };
                let refresh = Duration::from_nanos(u64::from(refresh));
                state.report_presented(*shown, at, refresh, kind.contains(Kind::ZeroCopy));
            }
            Event::Discarded => state.report_discarded(*shown),
            // The output: `outputs` knows.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_times_of_the_monotonic_clock_are_passed_on() {
        let monotonic = Clock::named(1);
        assert_eq!(monotonic, Clock::Monotonic);
        assert_eq!(monotonic.time(0, 7, 500), Some(Duration::new(7, 500)));
        assert_eq!(monotonic.time(1, 0, 0), Some(Duration::from_secs(1 << 32)));
        assert_eq!(Clock::named(0).time(0, 7, 500), None);
    }

    #[test]
    fn impossible_times_are_none() {
        assert_eq!(Clock::Monotonic.time(u32::MAX, u32::MAX, u32::MAX), None);
    }
}
