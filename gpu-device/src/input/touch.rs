//! The guest's touch screen: which finger is in which slot.
//!
//! evdev's protocol B (`multi-touch-protocol.rst` of Linux): a slot holds one touch from its
//! tracking id on until that becomes [`NO_TOUCH`]. The driver of the guest emulates no pointer, so
//! the first finger is told as a place of its own, too.

use protocols::virtio_input::{EV_ABS, Event};

use super::{
    Frame,
    codes::{
        ABS_MT_POSITION_X, ABS_MT_POSITION_Y, ABS_MT_SLOT, ABS_MT_TOOL_TYPE, ABS_MT_TRACKING_ID,
        ABS_X, ABS_Y, BTN_TOUCH, MT_TOOL_FINGER, MT_TOOL_PALM, NO_TOUCH,
    },
    devices::FINGERS,
    frame::{event, key},
};

/// Where a finger is, in the units of the device.
type Place = (i32, i32);

/// The touch of one slot.
///
/// ```text
/// (free) ─ down ─▶ Landed ─ frame ─▶ Resting ◀─ frame ─ Moved
///    ▲                                 │  └───── motion ──▶│
///    └───────── frame ── Lifted ◀── up ┴───────────────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Down, and not told yet.
    Landed,
    /// As it was told.
    Resting,
    /// Somewhere else than was told.
    Moved,
    /// Up, and not told yet.
    Lifted,
}

#[derive(Debug, Clone, Copy)]
struct Finger {
    /// The host's name for it.
    id: i32,
    place: Place,
    stage: Stage,
    /// Its number among all touches.
    tracking: u16,
}

/// The fingers on the screen.
#[derive(Debug, Default)]
pub(super) struct Touch {
    slots: [Option<Finger>; FINGERS],
    next_tracking: u16,
    /// The slot that is told as a place of its own, while a finger is in it.
    first: Option<usize>,
}

impl Touch {
    /// A finger comes down, or one that is down moves. One too many is ignored. Returns a frame that
    /// had to end before.
    pub(super) fn down(&mut self, id: i32, place: Place) -> Option<Frame> {
        if self.finger(id).is_some() {
            return self.motion(id, place);
        }
        // Only a frame frees a slot.
        let before = match self.slots.iter().any(Option::is_none) {
            true => None,
            false => self.frame(),
        };
        let tracking = self.next_tracking;
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(Finger {
                id,
                place,
                stage: Stage::Landed,
                tracking,
            });
            self.next_tracking = tracking.wrapping_add(1);
        }
        before
    }

    /// A finger moves. Returns a frame that had to end before.
    pub(super) fn motion(&mut self, id: i32, place: Place) -> Option<Frame> {
        let finger = self.finger(id)?;
        let landed = finger.stage == Stage::Landed && finger.place != place;
        // Where it came down decides what it is on.
        let before = landed.then(|| self.frame()).flatten();
        let finger = self.finger(id)?;
        if finger.place != place {
            (finger.place, finger.stage) = (place, Stage::Moved);
        }
        before
    }

    /// A finger is up. Returns a frame that had to end before: a touch that is not seen is none.
    pub(super) fn up(&mut self, id: i32) -> Option<Frame> {
        let told = !matches!(self.finger(id)?.stage, Stage::Landed | Stage::Moved);
        let before = match told {
            true => None,
            false => self.frame(),
        };
        self.finger(id)?.stage = Stage::Lifted;
        before
    }

    /// All of it happened at once.
    pub(super) fn frame(&mut self) -> Option<Frame> {
        let mut events = Vec::new();
        for (number, slot) in (0..).zip(&mut self.slots) {
            let Some(finger) = slot else { continue };
            tell(number, finger, &mut events);
            match finger.stage {
                Stage::Landed | Stage::Resting | Stage::Moved => finger.stage = Stage::Resting,
                Stage::Lifted => *slot = None,
            }
        }
        if !events.is_empty() {
            self.tell_first(&mut events);
        }
        Frame::new(events)
    }

    /// The host took the touches for something else: the guest had better not act on them. What is
    /// no finger does not count for libinput and Android; then it goes.
    pub(super) fn cancel(&mut self) -> Vec<Frame> {
        let mut events = Vec::new();
        for (number, slot) in (0..).zip(&mut self.slots) {
            match slot {
                Some(finger) if finger.stage != Stage::Landed => {
                    events.push(event(EV_ABS, ABS_MT_SLOT, number));
                    events.push(event(EV_ABS, ABS_MT_TOOL_TYPE, MT_TOOL_PALM));
                }
                Some(_) | None => *slot = None,
            }
        }
        let palms = Frame::new(events);
        self.lift_all();
        palms.into_iter().chain(self.frame()).collect()
    }

    /// All fingers go up, whatever the guest knows of them.
    pub(super) fn let_go(&mut self) -> Option<Frame> {
        let idle = self.slots.iter().all(Option::is_none);
        self.slots = Default::default();
        self.first = None;
        if idle {
            return None;
        }
        Self::end_all()
    }

    /// The end of every touch that a guest could know of.
    pub(super) fn end_all() -> Option<Frame> {
        let ends = (0..).take(FINGERS).flat_map(|number| {
            [
                event(EV_ABS, ABS_MT_SLOT, number),
                event(EV_ABS, ABS_MT_TRACKING_ID, NO_TOUCH),
            ]
        });
        Frame::new(ends.chain([key(BTN_TOUCH, false)]).collect())
    }

    fn lift_all(&mut self) {
        for finger in self.slots.iter_mut().flatten() {
            finger.stage = Stage::Lifted;
        }
    }

    /// The finger of this name that is not up.
    fn finger(&mut self, id: i32) -> Option<&mut Finger> {
        let mut fingers = self.slots.iter_mut().flatten();
        fingers.find(|finger| finger.id == id && finger.stage != Stage::Lifted)
    }

    /// Tells of one finger as of a pointer: it stays that one until it is up, and the next one is
    /// the oldest.
    fn tell_first(&mut self, events: &mut Vec<Event>) {
        let held = |first: usize| self.slots.get(first).copied().flatten();
        let before = self.first;
        if before.and_then(held).is_none() {
            let there = self.slots.iter().enumerate();
            let there = there.filter_map(|(slot, finger)| Some((slot, finger.as_ref()?)));
            // Numbers wrap around: the oldest is the one that is furthest behind the next number.
            let age = |finger: &Finger| self.next_tracking.wrapping_sub(finger.tracking);
            let oldest = there.max_by_key(|(_, finger)| age(finger));
            self.first = oldest.map(|(slot, _)| slot);
        }
        let first = self
            .first
            .and_then(|first| self.slots.get(first).copied().flatten());
        match first {
            Some(Finger { place: (x, y), .. }) => {
                if before.is_none() {
                    events.push(key(BTN_TOUCH, true));
                }
                events.extend([event(EV_ABS, ABS_X, x), event(EV_ABS, ABS_Y, y)]);
            }
            None => {
                self.first = None;
                if before.is_some() {
                    events.push(key(BTN_TOUCH, false));
                }
            }
        }
    }
}

/// Tells what is new of a finger.
fn tell(number: i32, finger: &Finger, events: &mut Vec<Event>) {
    let (x, y) = finger.place;
    let place = [
        event(EV_ABS, ABS_MT_POSITION_X, x),
        event(EV_ABS, ABS_MT_POSITION_Y, y),
    ];
    let slot = event(EV_ABS, ABS_MT_SLOT, number);
    match finger.stage {
        Stage::Landed => {
            let tracking = event(EV_ABS, ABS_MT_TRACKING_ID, finger.tracking.into());
            let finger = event(EV_ABS, ABS_MT_TOOL_TYPE, MT_TOOL_FINGER);
            events.extend([slot, tracking, finger]);
            events.extend(place);
        }
        Stage::Moved => {
            events.push(slot);
            events.extend(place);
        }
        Stage::Lifted => events.extend([slot, event(EV_ABS, ABS_MT_TRACKING_ID, NO_TOUCH)]),
        Stage::Resting => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn abs(code: u16, value: i32) -> Event {
        event(EV_ABS, code, value)
    }

    fn told(frame: Option<Frame>) -> Vec<Event> {
        let frame = frame.unwrap();
        let (end, events) = frame.events().split_last().unwrap();
        assert_eq!(*end, Event::SYN);
        events.to_vec()
    }

    /// One finger down at a place, told.
    fn touched() -> Touch {
        let mut touch = Touch::default();
        assert_eq!(touch.down(7, (100, 200)), None);
        let events = told(touch.frame());
        assert_eq!(
            events,
            [
                abs(ABS_MT_SLOT, 0),
                abs(ABS_MT_TRACKING_ID, 0),
                abs(ABS_MT_TOOL_TYPE, MT_TOOL_FINGER),
                abs(ABS_MT_POSITION_X, 100),
                abs(ABS_MT_POSITION_Y, 200),
                key(BTN_TOUCH, true),
                abs(ABS_X, 100),
                abs(ABS_Y, 200),
            ]
        );
        touch
    }

    #[test]
    fn a_finger_lands_moves_and_goes() {
        let mut touch = touched();
        touch.motion(7, (101, 200));
        assert_eq!(
            told(touch.frame()),
            [
                abs(ABS_MT_SLOT, 0),
                abs(ABS_MT_POSITION_X, 101),
                abs(ABS_MT_POSITION_Y, 200),
                abs(ABS_X, 101),
                abs(ABS_Y, 200),
            ]
        );
        touch.up(7);
        assert_eq!(
            told(touch.frame()),
            [
                abs(ABS_MT_SLOT, 0),
                abs(ABS_MT_TRACKING_ID, -1),
                key(BTN_TOUCH, false)
            ]
        );
        assert_eq!(touch.frame(), None);
    }

    #[test]
    fn the_second_finger_becomes_the_place_when_the_first_goes() {
        let mut touch = touched();
        touch.down(8, (5, 6));
        let events = told(touch.frame());
        assert!(events.contains(&abs(ABS_MT_SLOT, 1)));
        assert!(events.ends_with(&[abs(ABS_X, 100), abs(ABS_Y, 200)]));
        touch.up(7);
        let events = told(touch.frame());
        assert!(events.ends_with(&[abs(ABS_X, 5), abs(ABS_Y, 6)]));
        touch.down(9, (1, 1));
        let events = told(touch.frame());
        assert_eq!(events[0], abs(ABS_MT_SLOT, 0));
        assert!(events.ends_with(&[abs(ABS_X, 5), abs(ABS_Y, 6)]));
    }

    #[test]
    fn a_tap_within_a_frame_is_seen() {
        let mut touch = Touch::default();
        touch.down(1, (0, 0));
        let before = told(touch.up(1));
        assert!(before.contains(&key(BTN_TOUCH, true)));
        // It comes back before its end was told.
        assert_eq!(touch.down(1, (9, 9)), None);
        let events = told(touch.frame());
        let ids: Vec<_> = events
            .iter()
            .filter(|event| event.code == ABS_MT_TRACKING_ID)
            .map(|event| event.value)
            .collect();
        assert_eq!(ids, [-1, 1]);
    }

    #[test]
    fn the_eleventh_finger_is_ignored_until_one_goes() {
        let mut touch = Touch::default();
        for id in 0..10 {
            touch.down(id, (id, id));
        }
        touch.frame();
        touch.down(10, (10, 10));
        assert_eq!(touch.frame(), None);
        touch.motion(10, (11, 11));
        touch.up(10);
        assert_eq!(touch.frame(), None);
        touch.up(3);
        assert!(
            touch.down(10, (10, 10)).is_some(),
            "the end of the other is told first"
        );
        assert_eq!(told(touch.frame())[0], abs(ABS_MT_SLOT, 3));
    }

    #[test]
    fn what_the_host_takes_back_becomes_a_palm_and_goes() {
        let mut touch = touched();
        let frames = touch.cancel();
        let mut frames = frames.into_iter().map(Some).map(told);
        let palm = [abs(ABS_MT_SLOT, 0), abs(ABS_MT_TOOL_TYPE, MT_TOOL_PALM)];
        assert_eq!(frames.next().unwrap(), palm);
        let events = frames.next().unwrap();
        assert!(events.contains(&abs(ABS_MT_TRACKING_ID, -1)));
        assert!(events.contains(&key(BTN_TOUCH, false)));
        assert!(touch.cancel().is_empty());
        // One that nobody has seen never was.
        touch.down(1, (0, 0));
        assert!(touch.cancel().is_empty());
    }

    #[test]
    fn fingers_of_unknown_names_do_nothing() {
        let mut touch = touched();
        touch.motion(8, (0, 0));
        touch.up(8);
        assert_eq!(touch.frame(), None);
    }

    #[test]
    fn letting_go_ends_every_slot() {
        let mut touch = touched();
        let ends = told(touch.let_go());
        assert_eq!(ends.len(), 2 * FINGERS + 1);
        assert_eq!(touch.let_go(), None);
        touch.down(7, (1, 1));
        assert!(told(touch.frame()).contains(&key(BTN_TOUCH, true)));
    }
}
