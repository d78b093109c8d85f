//! Which fences are on their way.
//!
//! The guest's numbers never reach the library: it takes 32 bits for the device's timeline, and a guest
//! may use a number twice. Each fence gets a number of ours instead, and each of the library's timelines
//! (there are fewer than of the guest's) a queue:
//!
//! ```text
//!  Fence{id: 7}  ──▶ queue of its timeline: (1, 7) (2, 9) (3, 9) ──▶ library reports 2
//!                                                                       │
//!  reached:  7, 9  ◀── all up to that number: it may speak for several ◀┘
//! ```

use std::collections::{BTreeMap, VecDeque};

use super::callbacks::Reached;
use crate::renderer::{Fence, Timeline};

/// Fences between the library and those who wait for them.
#[derive(Debug, Default)]
pub struct Fences {
    last: u32,
    awaited: BTreeMap<Timeline, VecDeque<Awaited>>,
    reached: Vec<Fence>,
}

/// A fence that the library knows.
#[derive(Debug, Clone, Copy)]
struct Awaited {
    id: u32,
    /// `None` for one that only speaks for those before it.
    fence: Option<Fence>,
}

impl Fences {
    /// The library is to be given a fence under the number that comes back, on this timeline of its own. To be called
    /// before it is, since it may be reached before that call comes back.
    pub fn await_on(&mut self, timeline: Timeline, fence: Option<Fence>) -> u32 {
        // Wraps after 4 billion: numbers are compared with those of a queue, which are far fewer.
        self.last = self.last.wrapping_add(1);
        let id = self.last;
        let queue = self.awaited.entry(timeline).or_default();
        queue.push_back(Awaited { id, fence });
        id
    }

    /// The library has not taken it.
    pub fn withdraw(&mut self, timeline: Timeline, id: u32) {
        if let Some(queue) = self.awaited.get_mut(&timeline) {
            queue.retain(|awaited| awaited.id != id);
            if queue.is_empty() {
                self.awaited.remove(&timeline);
            }
        }
    }

    /// A fence needs no library.
    pub fn reached_at_once(&mut self, fence: Fence) {
        self.reached.push(fence);
    }

    /// The library reports a fence, and with it those before it.
    pub fn report(&mut self, report: Reached) {
        let timeline = match report.ring {
            None => Timeline::Device,
            Some((context, ring)) => match u8::try_from(ring) {
                Ok(ring) => Timeline::Ring { context, ring },
                Err(_) => return,
            },
        };
        let Some(queue) = self.awaited.get_mut(&timeline) else {
            return;
        };
        let Some(at) = queue
            .iter()
            .position(|awaited| u64::from(awaited.id) == report.id)
        else {
            return;
        };
        let done = queue.drain(..=at);
        self.reached
            .extend(done.filter_map(|awaited| awaited.fence));
        if queue.is_empty() {
            self.awaited.remove(&timeline);
        }
    }

    /// A context is gone, and the library forgets the fences of its own: nothing is left to wait for.
    pub fn context_gone(&mut self, gone: u32) {
        for timeline in self.timelines() {
            if matches!(timeline, Timeline::Ring { context, .. } if context == gone) {
                self.give_up(timeline);
            }
        }
    }

    /// Takes all fences of a timeline for reached.
    pub fn give_up(&mut self, timeline: Timeline) {
        let queue = self.awaited.remove(&timeline).unwrap_or_default();
        self.reached
            .extend(queue.into_iter().filter_map(|awaited| awaited.fence));
    }

    /// The timelines on which something is awaited.
    pub fn timelines(&self) -> Vec<Timeline> {
        self.awaited.keys().copied().collect()
    }

    /// Whether nothing is awaited.
    pub fn is_idle(&self) -> bool {
        self.awaited.is_empty()
    }

    /// What was reached since the last time.
    pub fn take_reached(&mut self) -> Vec<Fence> {
        std::mem::take(&mut self.reached)
    }

    /// Nobody waits any more. Reports that still come are of fences that nobody knows.
    pub fn forget(&mut self) {
        self.awaited.clear();
        self.reached.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fence(id: u64, timeline: Timeline) -> Fence {
        Fence { id, timeline }
    }

    fn ring(context: u32, ring: u8) -> Timeline {
        Timeline::Ring { context, ring }
    }

    fn send(fences: &mut Fences, fence: Fence) -> u32 {
        fences.await_on(fence.timeline, Some(fence))
    }

    fn report(fences: &mut Fences, ring: Option<(u32, u32)>, id: u32) {
        fences.report(Reached {
            ring,
            id: id.into(),
        });
    }

    #[test]
    fn a_report_speaks_for_those_before_it() {
        let mut fences = Fences::default();
        let sent = [7, 9, 9, 3].map(|id| fence(id, Timeline::Device));
        let ids = sent.map(|fence| send(&mut fences, fence));
        report(&mut fences, None, ids[2]);
        assert_eq!(fences.take_reached(), sent[..3]);
        report(&mut fences, None, ids[1]);
        assert_eq!(fences.take_reached(), [], "reported twice");
        report(&mut fences, None, ids[3]);
        assert_eq!(fences.take_reached(), sent[3..]);
        assert!(fences.is_idle());
    }

    #[test]
    fn timelines_do_not_wait_for_each_other() {
        let mut fences = Fences::default();
        let first = fence(1, ring(5, 0));
        let second = fence(2, ring(5, 63));
        send(&mut fences, first);
        let id = send(&mut fences, second);
        report(&mut fences, Some((5, 63)), id);
        assert_eq!(fences.take_reached(), [second]);
        fences.context_gone(6);
        assert_eq!(fences.take_reached(), []);
        fences.context_gone(5);
        assert_eq!(fences.take_reached(), [first]);
    }

    #[test]
    fn one_that_the_library_refuses_is_not_awaited() {
        let mut fences = Fences::default();
        let first = fence(1, Timeline::Device);
        let id = send(&mut fences, first);
        let refused = send(&mut fences, fence(2, Timeline::Device));
        fences.withdraw(Timeline::Device, refused);
        report(&mut fences, None, id);
        assert_eq!(fences.take_reached(), [first]);
        assert!(fences.is_idle());
    }

    #[test]
    fn numbers_wrap_around() {
        let mut fences = Fences {
            last: u32::MAX - 1,
            ..Fences::default()
        };
        let sent = [1, 2].map(|id| fence(id, Timeline::Device));
        let ids = sent.map(|fence| send(&mut fences, fence));
        assert_eq!(ids, [u32::MAX, 0]);
        report(&mut fences, None, ids[1]);
        assert_eq!(fences.take_reached(), sent);
    }

    #[test]
    fn nonsense_is_ignored() {
        let mut fences = Fences::default();
        report(&mut fences, None, 1);
        report(&mut fences, Some((1, 256)), 1);
        send(&mut fences, fence(1, Timeline::Device));
        fences.forget();
        report(&mut fences, None, 1);
        assert_eq!(fences.take_reached(), []);
    }

    proptest! {
        /// However reports are merged, each fence is reached once and in its order.
        #[test]
        fn every_fence_is_reached_once_in_order(
            sent in prop::collection::vec((0_u8..3, any::<bool>()), 1..40),
        ) {
            let mut fences = Fences::default();
            let timelines = [Timeline::Device, ring(1, 0), ring(1, 1)];
            let rings = [None, Some((1, 0)), Some((1, 1))];
            let mut last = [None; 3];
            let mut reached = Vec::new();
            for (number, (on, merged)) in sent.iter().enumerate() {
                let on = usize::from(*on);
                let id = send(&mut fences, fence(number as u64, timelines[on]));
                last[on] = Some(id);
                if !merged {
                    report(&mut fences, rings[on], id);
                    reached.extend(fences.take_reached());
                }
            }
            for (ring, id) in rings.iter().zip(last) {
                if let Some(id) = id {
                    report(&mut fences, *ring, id);
                }
            }
            reached.extend(fences.take_reached());
            prop_assert!(fences.is_idle());
            prop_assert_eq!(reached.len(), sent.len());
            for timeline in timelines {
                let of_it = reached.iter().filter(|fence| fence.timeline == timeline);
                prop_assert!(of_it.map(|fence| fence.id).is_sorted());
            }
        }
    }
}
