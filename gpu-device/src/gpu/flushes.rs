//! When the guest's flushes are answered: the first of the two clocks.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{FlushId, later};

/// How long a fenced flush may stay unanswered. Linux waits 50 ms for one in its commit, and a
/// hidden surface never learns that it was shown; answering just before keeps such a guest at an
/// even 22 frames a second.
pub(super) const HIDDEN_ANSWER: Duration = Duration::from_millis(45);

/// The most flushes that wait for the host. Each holds an entry of the guest's ring, so a guest can
/// hardly exceed it; those beyond are answered at once.
const MAX_PENDING: usize = 1024;

/// A set of scanouts, by number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Scanouts(u16);

impl Scanouts {
    pub(super) fn insert(&mut self, index: usize) {
        self.0 |= Self::bit(index);
    }

    pub(super) fn remove(&mut self, index: usize) {
        self.0 &= !Self::bit(index);
    }

    pub(super) fn contains(self, index: usize) -> bool {
        self.0 & Self::bit(index) != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    fn bit(index: usize) -> u16 {
        u32::try_from(index)
            .ok()
            .and_then(|index| 1_u16.checked_shl(index))
            .unwrap_or(0)
    }
}

/// When a flush is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    AtOnce,
    /// When all of these scanouts have shown it, or at a time.
    WhenShown(Scanouts, Instant),
}

/// When to answer a flush that touches these scanouts: the one place that holds this policy.
///
/// - Without a fence the guest does not wait for the screen but for the answer itself: EDK2 sends
///   one rectangle after the other and would draw one each refresh. The VIRTIO text lets the device
///   answer as soon as it likes.
/// - With a fence the answer is the guest's page flip. Linux lets its next frame begin then, so
///   the frame must be on the screen, not merely taken: hence presented, not released (on a plane,
///   a buffer is released one refresh later, which would halve the rate).
/// - Scanouts that are known to be hidden are waited for only if all are: a guest that mirrors its
///   picture must not be slowed down by the window that nobody sees.
pub(super) fn when_to_answer(
    fenced: bool,
    touched: Scanouts,
    hidden: Scanouts,
    now: Instant,
) -> Answer {
    if !fenced || touched.is_empty() {
        return Answer::AtOnce;
    }
    let visible = touched.without(hidden);
    let waited_for = if visible.is_empty() { touched } else { visible };
    Answer::WhenShown(waited_for, later(now, HIDDEN_ANSWER))
}

/// The flushes whose answer is due.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    last: u64,
    /// In the order of their ids, hence of their deadlines.
    pending: VecDeque<Pending>,
    answered: Vec<FlushId>,
}

#[derive(Debug)]
struct Pending {
    id: FlushId,
    waits_for: Scanouts,
    deadline: Instant,
}

impl Flushes {
    /// A name for the next flush.
    pub(super) fn next(&mut self) -> FlushId {
        self.last = self.last.saturating_add(1);
        FlushId(self.last)
    }

    /// Keeps a flush until it is answered. False if too many are kept already.
    pub(super) fn keep(&mut self, id: FlushId, waits_for: Scanouts, deadline: Instant) -> bool {
        if self.pending.len() >= MAX_PENDING {
            return false;
        }
        self.pending.push_back(Pending {
            id,
            waits_for,
            deadline,
        });
        true
    }

    /// A scanout has shown (or skipped) the picture of this flush and all before it.
    pub(super) fn shown(&mut self, scanout: usize, up_to: FlushId) {
        for pending in self
            .pending
            .iter_mut()
            .take_while(|pending| pending.id <= up_to)
        {
            pending.waits_for.remove(scanout);
        }
        self.answer_complete();
    }

    /// A scanout will show nothing more of what was flushed.
    pub(super) fn stop_waiting_for(&mut self, scanout: usize) {
        self.shown(scanout, FlushId(self.last));
    }

    /// Gives up on flushes that have waited too long. Returns the scanouts that did not show them.
    pub(super) fn expire(&mut self, now: Instant) -> Scanouts {
        let mut late = Scanouts::default();
        while let Some(pending) = self.pending.pop_front_if(|pending| pending.deadline <= now) {
            late.0 |= pending.waits_for.0;
            self.answered.push(pending.id);
        }
        late
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.pending.front().map(|pending| pending.deadline)
    }

    pub(super) fn take_answered(&mut self) -> std::vec::Drain<'_, FlushId> {
        self.answered.drain(..)
    }

    /// Forgets all flushes, answered or not.
    pub(super) fn reset(&mut self) {
        self.pending.clear();
        self.answered.clear();
    }

    fn answer_complete(&mut self) {
        let answered = &mut self.answered;
        self.pending.retain(|pending| {
            if pending.waits_for.is_empty() {
                answered.push(pending.id);
            }
            !pending.waits_for.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(indices: &[usize]) -> Scanouts {
        let mut scanouts = Scanouts::default();
        indices.iter().for_each(|index| scanouts.insert(*index));
        scanouts
    }

    #[test]
    fn unfenced_flushes_and_those_that_nobody_sees_are_answered_at_once() {
        let now = Instant::now();
        assert_eq!(
            when_to_answer(false, set(&[0]), set(&[]), now),
            Answer::AtOnce
        );
        assert_eq!(
            when_to_answer(true, set(&[]), set(&[]), now),
            Answer::AtOnce
        );
    }

    #[test]
    fn fenced_flushes_wait_for_the_visible_scanouts() {
        let now = Instant::now();
        let until = now + HIDDEN_ANSWER;
        let answer = |touched: &[usize], hidden: &[usize]| {
            when_to_answer(true, set(touched), set(hidden), now)
        };
        assert_eq!(answer(&[0, 3], &[]), Answer::WhenShown(set(&[0, 3]), until));
        assert_eq!(answer(&[0, 3], &[3]), Answer::WhenShown(set(&[0]), until));
        assert_eq!(answer(&[3], &[3]), Answer::WhenShown(set(&[3]), until));
    }

    #[test]
    fn a_flush_is_answered_when_all_its_scanouts_have_shown_it_or_a_later_one() {
        let now = Instant::now();
        let mut flushes = Flushes::default();
        let (first, second) = (flushes.next(), flushes.next());
        assert!(flushes.keep(first, set(&[0, 1]), now));
        assert!(flushes.keep(second, set(&[0]), now));

        flushes.shown(0, first);
        assert_eq!(flushes.take_answered().count(), 0);
        flushes.shown(1, second);
        assert_eq!(flushes.take_answered().collect::<Vec<_>>(), [first]);
        flushes.shown(0, second);
        assert_eq!(flushes.take_answered().collect::<Vec<_>>(), [second]);
    }

    #[test]
    fn late_flushes_are_given_up_in_order() {
        let now = Instant::now();
        let mut flushes = Flushes::default();
        for late in 0..3 {
            let id = flushes.next();
            flushes.keep(
                id,
                set(&[late]),
                now + HIDDEN_ANSWER * u32::try_from(late).unwrap(),
            );
        }
        assert_eq!(flushes.next_deadline(), Some(now));
        assert_eq!(flushes.expire(now + HIDDEN_ANSWER), set(&[0, 1]));
        assert_eq!(
            flushes.take_answered().collect::<Vec<_>>(),
            [FlushId(1), FlushId(2)]
        );
        assert_eq!(flushes.next_deadline(), Some(now + HIDDEN_ANSWER * 2));
    }

    #[test]
    fn the_number_of_waiting_flushes_is_bounded() {
        let mut flushes = Flushes::default();
        let now = Instant::now();
        for _ in 0..MAX_PENDING {
            let id = flushes.next();
            assert!(flushes.keep(id, set(&[0]), now));
        }
        let id = flushes.next();
        assert!(!flushes.keep(id, set(&[0]), now));
    }
}
