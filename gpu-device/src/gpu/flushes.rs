//! When the guest's flushes are answered: the first of the two clocks.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::later;
use crate::renderer::Ticket;

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
    WhenShown(Wait),
}

/// What a flush waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    /// All of these scanouts have to show it,
    shown: Scanouts,
    /// or all of these to have taken it, with the guest's memory before it free again,
    taken: Scanouts,
    /// and this time to have come (never, where the refresh rate is unknown).
    earliest: Option<Instant>,
    /// But it waits no longer than this.
    deadline: Instant,
}

/// When to answer a flush that touches these scanouts: the one place that holds this policy.
///
/// - Without a fence the guest does not wait for the screen but for the answer itself: EDK2 sends
///   one rectangle after the other and would draw one each refresh. The VIRTIO text lets the device
///   answer as soon as it likes.
/// - With a fence the answer is the guest's page flip. Linux lets its next frame begin then, so
///   the frame must be on the screen, not merely taken: hence presented, not released (on a plane,
///   a buffer is released one refresh later, which would halve the rate).
/// - Linux 7.1 and newer end the flip at the next tick of a timer of their own, which has the host's
///   rate but not its phase. A guest that ticks after the host has composed is shown two vblanks
///   later; if it had to wait for that, it would lose every other tick and run at half the rate for
///   ever. So a frame that the host has taken counts as flipped a quarter of a refresh after its
///   flush, once nothing reads the memory that the guest may draw into next. (On a plane that is when
///   it is shown; `step` finds the guests that this holds back.) The host takes one frame a refresh,
///   which paces older guests.
/// - Scanouts that are known to be hidden are waited for only if all are: a guest that mirrors its
///   picture must not be slowed down by the window that nobody sees.
pub(super) fn when_to_answer(
    fenced: bool,
    touched: Scanouts,
    hidden: Scanouts,
    refresh: Duration,
    now: Instant,
) -> Answer {
    if !fenced || touched.is_empty() {
        return Answer::AtOnce;
    }
    let visible = touched.without(hidden);
    let waited_for = if visible.is_empty() { touched } else { visible };
    Answer::WhenShown(Wait {
        shown: waited_for,
        taken: waited_for,
        earliest: refresh
            .checked_div(4)
            .filter(|quarter| !quarter.is_zero())
            .map(|quarter| later(now, quarter)),
        deadline: later(now, HIDDEN_ANSWER),
    })
}

/// The flushes whose answer is due.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    /// In the order in which they came.
    pending: VecDeque<Pending>,
    answered: Vec<Ticket>,
}

#[derive(Debug)]
struct Pending {
    id: Ticket,
    wait: Wait,
}

impl Flushes {
    /// Keeps a flush until it is answered. False if too many are kept already.
    pub(super) fn keep(&mut self, id: Ticket, wait: Wait) -> bool {
        if self.pending.len() >= MAX_PENDING {
            return false;
        }
        // One whose drawing took longer comes behind younger ones.
        let place = self.pending.partition_point(|other| other.id < id);
        self.pending.insert(place, Pending { id, wait });
        true
    }

    /// A scanout has shown (or skipped) the picture of this flush and all before it.
    pub(super) fn shown(&mut self, scanout: usize, up_to: Ticket) {
        for wait in self.up_to(up_to) {
            wait.shown.remove(scanout);
        }
        self.answer(|wait| wait.shown.is_empty());
    }

    /// The host has taken a scanout's picture of this flush and all before it, and does not read
    /// guest memory that an earlier one showed.
    pub(super) fn taken(&mut self, scanout: usize, up_to: Ticket, now: Instant) {
        for wait in self.up_to(up_to) {
            wait.taken.remove(scanout);
            if let (true, Some(earliest)) = (wait.taken.is_empty(), wait.earliest) {
                wait.deadline = wait.deadline.min(earliest.max(now));
            }
        }
    }

    /// A scanout will show nothing more of what was flushed.
    pub(super) fn stop_waiting_for(&mut self, scanout: usize) {
        self.shown(scanout, Ticket(u64::MAX));
    }

    /// Answers those whose time has come. Returns the scanouts that did not even take what was
    /// flushed.
    pub(super) fn expire(&mut self, now: Instant) -> Scanouts {
        let mut late = Scanouts::default();
        for wait in self.pending.iter().map(|pending| pending.wait) {
            if wait.deadline <= now && !(wait.taken.is_empty() && wait.earliest.is_some()) {
                late.0 |= wait.shown.0;
            }
        }
        self.answer(|wait| wait.deadline <= now);
        late
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.pending
            .iter()
            .map(|pending| pending.wait.deadline)
            .min()
    }

    pub(super) fn take_answered(&mut self) -> std::vec::Drain<'_, Ticket> {
        self.answered.drain(..)
    }

    /// Forgets all flushes, answered or not.
    pub(super) fn reset(&mut self) {
        self.pending.clear();
        self.answered.clear();
    }

    fn up_to(&mut self, id: Ticket) -> impl Iterator<Item = &mut Wait> {
        let pending = self.pending.iter_mut();
        pending
            .take_while(move |pending| pending.id <= id)
            .map(|pending| &mut pending.wait)
    }

    fn answer(&mut self, those: impl Fn(&Wait) -> bool) {
        let answered = &mut self.answered;
        self.pending.retain(|pending| {
            let due = those(&pending.wait);
            if due {
                answered.push(pending.id);
            }
            !due
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

    const REFRESH: Duration = Duration::from_micros(16_667);

    fn wait(scanouts: &[usize], deadline: Instant) -> Wait {
        Wait {
            shown: set(scanouts),
            taken: set(scanouts),
            earliest: None,
            deadline,
        }
    }

    #[test]
    fn unfenced_flushes_and_those_that_nobody_sees_are_answered_at_once() {
        let now = Instant::now();
        assert_eq!(
            when_to_answer(false, set(&[0]), set(&[]), REFRESH, now),
            Answer::AtOnce
        );
        assert_eq!(
            when_to_answer(true, set(&[]), set(&[]), REFRESH, now),
            Answer::AtOnce
        );
    }

    #[test]
    fn fenced_flushes_wait_for_the_visible_scanouts() {
        let now = Instant::now();
        let answer = |touched: &[usize], hidden: &[usize]| {
            when_to_answer(true, set(touched), set(hidden), Duration::ZERO, now)
        };
        let waits_for = |scanouts: &[usize]| Answer::WhenShown(wait(scanouts, now + HIDDEN_ANSWER));
        assert_eq!(answer(&[0, 3], &[]), waits_for(&[0, 3]));
        assert_eq!(answer(&[0, 3], &[3]), waits_for(&[0]));
        assert_eq!(answer(&[3], &[3]), waits_for(&[3]));
    }

    #[test]
    fn what_all_scanouts_have_taken_is_answered_a_quarter_of_a_refresh_after_its_flush() {
        let now = Instant::now();
        let mut flushes = Flushes::default();
        let id = Ticket(7);
        let answer = when_to_answer(true, set(&[0, 1]), set(&[]), REFRESH, now);
        let Answer::WhenShown(wait) = answer else {
            panic!("answered at once");
        };
        assert!(flushes.keep(id, wait));

        flushes.taken(0, id, now);
        assert_eq!(flushes.next_deadline(), Some(now + HIDDEN_ANSWER));
        flushes.taken(1, id, now);
        assert_eq!(flushes.next_deadline(), Some(now + REFRESH / 4));
        assert_eq!(flushes.take_answered().count(), 0);
        assert_eq!(flushes.expire(now + REFRESH / 4), set(&[]), "not late");
        assert_eq!(flushes.take_answered().collect::<Vec<_>>(), [id]);
    }

    #[test]
    fn a_flush_is_answered_when_all_its_scanouts_have_shown_it_or_a_later_one() {
        let now = Instant::now();
        let mut flushes = Flushes::default();
        let (first, second) = (Ticket(1), Ticket(2));
        assert!(flushes.keep(first, wait(&[0, 1], now)));
        assert!(flushes.keep(second, wait(&[0], now)));

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
        for late in 0..3_u8 {
            let id = Ticket(u64::from(late) + 1);
            let deadline = now + HIDDEN_ANSWER * u32::from(late);
            flushes.keep(id, wait(&[late.into()], deadline));
        }
        assert_eq!(flushes.next_deadline(), Some(now));
        assert_eq!(flushes.expire(now + HIDDEN_ANSWER), set(&[0, 1]));
        assert_eq!(
            flushes.take_answered().collect::<Vec<_>>(),
            [Ticket(1), Ticket(2)]
        );
        assert_eq!(flushes.next_deadline(), Some(now + HIDDEN_ANSWER * 2));
    }

    #[test]
    fn the_number_of_waiting_flushes_is_bounded() {
        let mut flushes = Flushes::default();
        let now = Instant::now();
        for id in (0..).take(MAX_PENDING) {
            assert!(flushes.keep(Ticket(id), wait(&[0], now)));
        }
        assert!(!flushes.keep(Ticket(u64::MAX), wait(&[0], now)));
    }

    #[test]
    fn a_flush_that_was_drawn_late_is_answered_with_those_before_it() {
        let now = Instant::now();
        let mut flushes = Flushes::default();
        for id in [2, 3, 1] {
            assert!(flushes.keep(Ticket(id), wait(&[0], now)));
        }
        flushes.shown(0, Ticket(2));
        assert_eq!(
            flushes.take_answered().collect::<Vec<_>>(),
            [Ticket(1), Ticket(2)]
        );
    }
}
