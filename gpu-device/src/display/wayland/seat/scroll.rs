//! How far something scrolled, in 1/120 of a wheel's notch.
//!
//! Pure. Hosts say it in up to three ways at once, of which the most exact counts:
//!
//! | since | event | unit |
//! |-------|-------|------|
//! | 8 | `axis_value120` | 1/120 of a notch |
//! | 5 | `axis_discrete` | notches |
//! | 1 | `axis` | a length |
//!
//! A length alone comes from fingers or a trackpoint, and from hosts before version 5. How many
//! notches it is, no protocol says. For fingers libinput calls 15 units about as far as a wheel's
//! notch of 15 degrees, and hosts pass that on. Hosts before version 5 were made when ten units were
//! the agreed length of a notch.
//!
//! The signs are the host's: with "natural" scrolling switched on there, the guest scrolls as
//! every other window does, and `axis_relative_direction`, which tells what the fingers really did,
//! does not matter.

use wayland_client::protocol::wl_pointer::{Axis, AxisSource};

/// Units of `HostInput::Scroll` in a notch.
const NOTCH: i32 = 120;

/// The length of a notch for fingers.
const FINGER_NOTCH: f64 = 15.0;

/// The length of a notch for wheels that don't say how far they turned.
const WHEEL_NOTCH: f64 = 10.0;

/// No hand scrolls further between two frames: a hundred notches.
const FARTHEST: i32 = 100 * NOTCH;

/// What has been said since the last frame, and what of it was too little to count.
#[derive(Debug, Default)]
pub(super) struct Scroll {
    horizontal: Along,
    vertical: Along,
    source: Option<AxisSource>,
}

/// One axis.
#[derive(Debug, Default)]
struct Along {
    length: Option<f64>,
    notches: Option<i32>,
    units: Option<i32>,
    /// The part of a unit that is left over from lengths.
    carry: f64,
}

impl Scroll {
    /// `wl_pointer.axis`.
    pub(super) fn length(&mut self, axis: Axis, length: f64) {
        if let Some(along) = self.along(axis) {
            along.length = Some(along.length.unwrap_or_default() + length);
        }
    }

    /// `wl_pointer.axis_discrete`.
    pub(super) fn notches(&mut self, axis: Axis, notches: i32) {
        if let Some(along) = self.along(axis) {
            along.notches = Some(along.notches.unwrap_or_default().saturating_add(notches));
        }
    }

    /// `wl_pointer.axis_value120`.
    pub(super) fn units(&mut self, axis: Axis, units: i32) {
        if let Some(along) = self.along(axis) {
            along.units = Some(along.units.unwrap_or_default().saturating_add(units));
        }
    }

    /// `wl_pointer.axis_source`.
    pub(super) fn source(&mut self, source: AxisSource) {
        self.source = Some(source);
    }

    /// `wl_pointer.axis_stop`: the fingers are up, what they do next is something else.
    pub(super) fn stop(&mut self, axis: Axis) {
        if let Some(along) = self.along(axis) {
            along.carry = 0.0;
        }
    }

    /// The frame is complete. How far to the right and down it scrolled; `None` if it did not.
    pub(super) fn take(&mut self) -> Option<(i32, i32)> {
        let notch = match self.source.take() {
            Some(AxisSource::Finger | AxisSource::Continuous) => FINGER_NOTCH,
            _ => WHEEL_NOTCH,
        };
        let amount = (self.horizontal.take(notch), self.vertical.take(notch));
        (amount != (0, 0)).then_some(amount)
    }

    fn along(&mut self, axis: Axis) -> Option<&mut Along> {
        match axis {
            Axis::HorizontalScroll => Some(&mut self.horizontal),
            Axis::VerticalScroll => Some(&mut self.vertical),
            _ => None,
        }
    }
}

impl Along {
    fn take(&mut self, notch: f64) -> i32 {
        let length = self.length.take();
        let exact = self.notches.take().map(|it| it.saturating_mul(NOTCH));
        let exact = self.units.take().or(exact);
        if let Some(exact) = exact {
            self.carry = 0.0;
            return exact.clamp(-FARTHEST, FARTHEST);
        }
        let Some(length) = length else {
            return 0;
        };
        let farthest = f64::from(FARTHEST);
        let units = self.carry + length * f64::from(NOTCH) / notch;
        let units = units.clamp(-farthest, farthest);
        let whole = units.trunc();
        self.carry = units - whole;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a whole number between -FARTHEST and FARTHEST"
        )]
        let whole = whole as i32;
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOWN: Axis = Axis::VerticalScroll;
    const RIGHT: Axis = Axis::HorizontalScroll;

    #[test]
    fn the_most_exact_word_counts() {
        let mut scroll = Scroll::default();
        scroll.length(DOWN, 15.0);
        assert_eq!(scroll.take(), Some((0, 180)));
        scroll.length(DOWN, 15.0);
        scroll.notches(DOWN, 1);
        assert_eq!(scroll.take(), Some((0, 120)));
        scroll.length(DOWN, 15.0);
        scroll.notches(DOWN, 1);
        scroll.units(DOWN, 30);
        assert_eq!(scroll.take(), Some((0, 30)));
        assert_eq!(scroll.take(), None);
    }

    #[test]
    fn right_and_down_are_positive() {
        let mut scroll = Scroll::default();
        scroll.units(RIGHT, 120);
        scroll.units(DOWN, -120);
        assert_eq!(scroll.take(), Some((120, -120)));
    }

    #[test]
    fn fingers_lose_nothing_on_the_way() {
        let mut scroll = Scroll::default();
        let mut sum = 0;
        // 0.1 is 0.8 of a unit.
        for _ in 0..150 {
            scroll.source(AxisSource::Finger);
            scroll.length(RIGHT, 0.1);
            sum += scroll.take().map_or(0, |(right, _)| right);
        }
        assert!((119..=120).contains(&sum), "{sum}");
    }

    #[test]
    fn what_lifted_fingers_left_over_does_not_count() {
        let mut scroll = Scroll::default();
        scroll.source(AxisSource::Finger);
        scroll.length(DOWN, 0.12);
        assert_eq!(scroll.take(), None);
        scroll.stop(DOWN);
        scroll.source(AxisSource::Finger);
        scroll.length(DOWN, 0.12);
        assert_eq!(scroll.take(), None);
    }

    #[test]
    fn absurd_amounts_are_cut() {
        let mut scroll = Scroll::default();
        for _ in 0..3 {
            scroll.notches(DOWN, i32::MAX);
            scroll.units(RIGHT, i32::MIN);
        }
        assert_eq!(scroll.take(), Some((-FARTHEST, FARTHEST)));
        scroll.length(DOWN, f64::from(i32::MAX));
        scroll.length(RIGHT, f64::from(i32::MIN));
        assert_eq!(scroll.take(), Some((-FARTHEST, FARTHEST)));
        assert_eq!(scroll.take(), None);
    }
}
