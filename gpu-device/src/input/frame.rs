//! What happened at once on one device: events up to a SYN_REPORT.

use protocols::virtio_input::{EV_ABS, EV_KEY, EV_REL, Event};

use super::codes::{ABS_MT_SLOT, ABS_MT_TOOL_TYPE, ABS_MT_TRACKING_ID, REL_X, REL_Y};

/// Events that belong together; the last one, and no other, is [`Event::SYN`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    events: Vec<Event>,
}

impl Frame {
    /// A frame of these events, of which none is a SYN_REPORT; `None` without any.
    pub(super) fn new(mut events: Vec<Event>) -> Option<Self> {
        if events.is_empty() {
            return None;
        }
        events.push(Event::SYN);
        Some(Self { events })
    }

    /// The events, in their order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Puts a later frame into this one, where both are only motion, so that a guest that takes both
    /// at once is at the same place. Returns whether that could be done.
    pub(super) fn absorb(&mut self, later: &Self) -> bool {
        if self.events.iter().all(is_step) && later.events.iter().all(is_step) {
            return self.add_steps(later);
        }
        if !self.events.iter().all(is_place) || !later.events.iter().all(is_place) {
            return false;
        }
        if self.is_of_fingers() || later.is_of_fingers() {
            let same = self.events.len() == later.events.len()
                && self.events.iter().zip(&later.events).all(is_replaced);
            if same {
                self.events.clone_from(&later.events);
            }
            return same;
        }
        for event in &later.events {
            self.put(*event);
        }
        true
    }

    /// The sums of two motions; left alone where a sum is out of range.
    fn add_steps(&mut self, later: &Self) -> bool {
        let mut sums = self.clone();
        for event in later.events.iter().filter(|event| event.kind == EV_REL) {
            match sums.events.iter_mut().find(|sum| is_same(sum, event)) {
                Some(sum) => match sum.value.checked_add(event.value) {
                    Some(value) => sum.value = value,
                    None => return false,
                },
                None => sums.put(*event),
            }
        }
        *self = sums;
        true
    }

    /// Sets one value: that of an event that is there, or else a new one before the SYN_REPORT.
    fn put(&mut self, event: Event) {
        if let Some(old) = self.events.iter_mut().find(|old| is_same(old, &event)) {
            old.value = event.value;
        } else {
            let end = self.events.len().saturating_sub(1);
            self.events.insert(end, event);
        }
    }

    fn is_of_fingers(&self) -> bool {
        let fingers = |event: &Event| event.kind == EV_ABS && event.code >= ABS_MT_SLOT;
        self.events.iter().any(fingers)
    }
}

fn is_same(one: &Event, other: &Event) -> bool {
    (one.kind, one.code) == (other.kind, other.code)
}

/// Whether an event is the end of a frame, or says how far a mouse moved.
fn is_step(event: &Event) -> bool {
    *event == Event::SYN || event.kind == EV_REL && matches!(event.code, REL_X | REL_Y)
}

/// Whether an event is the end of a frame, or says where something is: what a later one makes
/// worthless.
fn is_place(event: &Event) -> bool {
    let begins = matches!(event.code, ABS_MT_TRACKING_ID | ABS_MT_TOOL_TYPE);
    *event == Event::SYN || event.kind == EV_ABS && !begins
}

/// Whether the later of two events says all that the earlier one does: the same axis of the same
/// finger.
fn is_replaced((earlier, later): (&Event, &Event)) -> bool {
    let names_finger = earlier.kind == EV_ABS && earlier.code == ABS_MT_SLOT;
    is_same(earlier, later) && (!names_finger || earlier.value == later.value)
}

/// An event.
pub(super) fn event(kind: u16, code: u16, value: i32) -> Event {
    Event { kind, code, value }
}

/// A key or button that goes down, or up.
pub(super) fn key(code: u16, pressed: bool) -> Event {
    event(EV_KEY, code, i32::from(pressed))
}

#[cfg(test)]
mod tests {
    use super::{super::codes::*, *};

    fn frame(events: &[(u16, u16, i32)]) -> Frame {
        let events = events.iter().map(|(k, c, v)| event(*k, *c, *v)).collect();
        Frame::new(events).unwrap()
    }

    fn absorbed(one: &Frame, other: &Frame) -> Option<Frame> {
        let mut one = one.clone();
        one.absorb(other).then_some(one)
    }

    #[test]
    fn steps_are_added() {
        let one = frame(&[(EV_REL, REL_X, 3)]);
        let other = frame(&[(EV_REL, REL_X, -5), (EV_REL, REL_Y, 1)]);
        let sum = frame(&[(EV_REL, REL_X, -2), (EV_REL, REL_Y, 1)]);
        assert_eq!(absorbed(&one, &other), Some(sum));
        let far = frame(&[(EV_REL, REL_X, i32::MAX)]);
        assert_eq!(absorbed(&far, &one), None);
    }

    #[test]
    fn the_later_place_counts() {
        let one = frame(&[(EV_ABS, ABS_X, 1), (EV_ABS, ABS_Y, 2)]);
        let other = frame(&[(EV_ABS, ABS_Y, 4), (EV_ABS, ABS_PRESSURE, 9)]);
        let wanted = [
            (EV_ABS, ABS_X, 1),
            (EV_ABS, ABS_Y, 4),
            (EV_ABS, ABS_PRESSURE, 9),
        ];
        assert_eq!(absorbed(&one, &other), Some(frame(&wanted)));
    }

    #[test]
    fn fingers_are_not_mixed_up() {
        let finger =
            |slot, x| frame(&[(EV_ABS, ABS_MT_SLOT, slot), (EV_ABS, ABS_MT_POSITION_X, x)]);
        assert_eq!(absorbed(&finger(1, 5), &finger(1, 6)), Some(finger(1, 6)));
        assert_eq!(absorbed(&finger(1, 5), &finger(2, 6)), None);
        let ends = frame(&[(EV_ABS, ABS_MT_SLOT, 1), (EV_ABS, ABS_MT_TRACKING_ID, -1)]);
        assert_eq!(absorbed(&finger(1, 5), &ends), None);
        assert_eq!(absorbed(&ends, &ends), None);
    }

    #[test]
    fn what_is_no_motion_stays_by_itself() {
        let place = frame(&[(EV_ABS, ABS_X, 1)]);
        for other in [
            frame(&[(EV_KEY, BTN_LEFT, 1)]),
            frame(&[(EV_REL, REL_WHEEL, 1)]),
            frame(&[(EV_REL, REL_X, 1)]),
            frame(&[(EV_ABS, ABS_X, 2), (EV_KEY, BTN_TOUCH, 1)]),
        ] {
            assert_eq!(absorbed(&place, &other), None);
            assert_eq!(absorbed(&other, &place), None);
        }
        let wheel = frame(&[(EV_REL, REL_WHEEL, 1)]);
        assert_eq!(absorbed(&wheel, &wheel), None);
    }

    #[test]
    fn nothing_is_no_frame() {
        assert_eq!(Frame::new(Vec::new()), None);
    }
}
