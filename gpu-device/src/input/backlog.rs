//! Frames of one device that the guest has not taken yet.
//!
//! ```text
//! Hands ─ push ─▶ │frame│frame│frame│ ─ next, advance ─▶ the guest's event queue
//! ```
//!
//! A guest takes events one by one, so the first frame may be half gone: it always goes on to its
//! end. Where a guest takes too few, motion is put together; where that is not enough, everything
//! but that first frame is thrown away, and [`Overflow`] says what the guest may now take for
//! pressed.

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use protocols::virtio_input::{EV_KEY, Event};

use super::Frame;

/// The most events that wait: a page of text typed at once, 128 KiB.
const MAX_EVENTS: usize = 8192;

/// From so many events on motion is put together: as many as Linux' driver has room for. A guest
/// that has less is behind.
const MANY_EVENTS: usize = 64;

/// The frames of one device that wait.
#[derive(Debug, Default)]
pub struct Backlog {
    frames: VecDeque<Waiting>,
    /// How many events of the first frame the guest has.
    taken: usize,
    /// How many events wait.
    events: usize,
}

#[derive(Debug)]
struct Waiting {
    frame: Frame,
    since: Instant,
}

/// What was thrown away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overflow {
    /// How many frames.
    pub frames: u64,
    /// The keys and buttons that they were about.
    pub keys: BTreeSet<u16>,
}

impl Backlog {
    /// Lets a frame wait that was born `now`.
    ///
    /// # Errors
    /// There were too many: all of them and this one are thrown away, but the one that the guest has
    /// begun to take.
    pub(super) fn push(&mut self, frame: Frame, now: Instant) -> Result<(), Overflow> {
        let begun = self.frames.len() == 1 && self.taken > 0;
        if self.events >= MANY_EVENTS
            && !begun
            && let Some(last) = self.frames.back_mut()
        {
            let before = last.frame.events().len();
            if last.frame.absorb(&frame) {
                let grown = last.frame.events().len().saturating_sub(before);
                self.events = self.events.saturating_add(grown);
                return Ok(());
            }
        }
        let events = self.events.saturating_add(frame.events().len());
        self.frames.push_back(Waiting { frame, since: now });
        self.events = events;
        if events > MAX_EVENTS {
            return Err(self.drop_waiting());
        }
        Ok(())
    }

    /// The event that is to be taken next.
    pub fn next(&self) -> Option<Event> {
        let first = self.frames.front()?;
        first.frame.events().get(self.taken).copied()
    }

    /// The guest has taken [`Backlog::next`]. Returns how long its frame has waited, if it was the
    /// frame's last.
    pub fn advance(&mut self, now: Instant) -> Option<Duration> {
        let length = self.frames.front()?.frame.events().len();
        self.taken = self.taken.saturating_add(1);
        self.events = self.events.saturating_sub(1);
        if self.taken < length {
            return None;
        }
        self.taken = 0;
        let done = self.frames.pop_front()?;
        Some(now.saturating_duration_since(done.since))
    }

    /// Throws all away but the frame that the guest has begun to take.
    pub(super) fn drop_waiting(&mut self) -> Overflow {
        let keep = usize::from(self.taken > 0);
        let mut overflow = Overflow::default();
        for waiting in self.frames.drain(keep..) {
            let keys = waiting.frame.events().iter();
            let keys = keys.filter(|event| event.kind == EV_KEY);
            overflow.keys.extend(keys.map(|event| event.code));
            overflow.frames = overflow.frames.saturating_add(1);
        }
        let begun = self.frames.front().map(|first| first.frame.events().len());
        self.events = begun.unwrap_or(0).saturating_sub(self.taken);
        overflow
    }
    /// Throws all away: the guest is another one.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            codes::{ABS_X, REL_X},
            frame::{event, key},
        },
        *,
    };
    use protocols::virtio_input::{EV_ABS, EV_REL};

    fn frame(event: Event) -> Frame {
        Frame::new(vec![event]).unwrap()
    }

    fn drain(backlog: &mut Backlog) -> Vec<Event> {
        let now = Instant::now();
        let mut events = Vec::new();
        while let Some(event) = backlog.next() {
            events.push(event);
            backlog.advance(now);
        }
        events
    }

    #[test]
    fn frames_come_out_whole_and_in_order() {
        let mut backlog = Backlog::default();
        let born = Instant::now();
        backlog.push(frame(key(30, true)), born).unwrap();
        backlog.push(frame(key(30, false)), born).unwrap();
        let later = born + Duration::from_millis(3);
        assert_eq!(backlog.next(), Some(key(30, true)));
        assert_eq!(backlog.advance(later), None);
        assert_eq!(backlog.next(), Some(Event::SYN));
        assert_eq!(backlog.advance(later), Some(Duration::from_millis(3)));
        assert_eq!(drain(&mut backlog), [key(30, false), Event::SYN]);
        assert_eq!(backlog.advance(later), None);
    }

    #[test]
    fn motion_is_put_together_only_where_the_guest_is_behind() {
        let mut backlog = Backlog::default();
        let now = Instant::now();
        for place in 0..1000 {
            let place = frame(event(EV_ABS, ABS_X, place));
            backlog.push(place, now).unwrap();
        }
        let events = drain(&mut backlog);
        assert_eq!(events.len(), MANY_EVENTS);
        assert_eq!(events[2], event(EV_ABS, ABS_X, 1));
        assert_eq!(events[MANY_EVENTS - 2], event(EV_ABS, ABS_X, 999));
    }

    #[test]
    fn no_step_of_a_mouse_is_lost() {
        let mut backlog = Backlog::default();
        for _ in 0..1000 {
            let step = frame(event(EV_REL, REL_X, 2));
            backlog.push(step, Instant::now()).unwrap();
        }
        let steps = drain(&mut backlog);
        assert_eq!(steps.iter().map(|step| step.value).sum::<i32>(), 2000);
    }

    #[test]
    fn a_frame_that_has_begun_is_not_changed() {
        let mut backlog = Backlog::default();
        let now = Instant::now();
        let long: Vec<_> = (0..70).map(|axis| event(EV_ABS, axis, 1)).collect();
        backlog.push(Frame::new(long).unwrap(), now).unwrap();
        backlog.advance(now);
        backlog.push(frame(event(EV_ABS, 0, 7)), now).unwrap();
        let events = drain(&mut backlog);
        assert_eq!(
            events.iter().filter(|event| **event == Event::SYN).count(),
            2
        );
        assert_eq!(events[events.len() - 2], event(EV_ABS, 0, 7));
    }

    #[test]
    fn too_many_frames_are_thrown_away_but_for_the_one_that_has_begun() {
        let mut backlog = Backlog::default();
        let now = Instant::now();
        backlog.push(frame(key(1, true)), now).unwrap();
        backlog.advance(now);
        let mut pushed = 1_u64;
        let overflow = loop {
            pushed += 1;
            let code = 2 + u16::from(pushed.is_multiple_of(2));
            if let Err(overflow) = backlog.push(frame(key(code, true)), now) {
                break overflow;
            }
        };
        assert_eq!(overflow.frames, pushed - 1);
        assert_eq!(overflow.keys, BTreeSet::from([2, 3]));
        assert_eq!(drain(&mut backlog), [Event::SYN]);
    }
}
