//! Answers that wait for the graphics card.

use std::collections::{BTreeMap, VecDeque};

use protocols::virtio_gpu::ErrorCode;

use super::super::{Done, Fence, Timeline};

/// What came of the request with this number.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) number: u64,
    pub(super) result: Result<Done, ErrorCode>,
}

/// Answers that are held until their fences are reached, on each timeline in order.
///
/// The backend gets fences with numbers of ours: a guest may choose its own ones twice or backwards.
#[derive(Debug, Default)]
pub(super) struct Fences {
    /// No queue is empty.
    timelines: BTreeMap<Timeline, VecDeque<Held>>,
    last: u64,
}

#[derive(Debug)]
struct Held {
    answer: Answer,
    /// `None` where there can be no fence: it waits for those before it only, as a guest takes an answer
    /// on a timeline to mean that all before it was done.
    fence: Option<u64>,
}

impl Fences {
    /// Whether no answer is held.
    pub(super) fn is_empty(&self) -> bool {
        self.timelines.is_empty()
    }

    /// Holds an answer until the fence is reached that comes back. It is to be put down now, and may be reached by
    /// another thread before that is told.
    pub(super) fn hold(&mut self, timeline: Timeline, answer: Answer) -> Fence {
        self.last = self.last.saturating_add(1);
        let id = self.last;
        let fence = Some(id);
        let held = Held { answer, fence };
        self.timelines.entry(timeline).or_default().push_back(held);
        Fence { id, timeline }
    }

    /// A fence could not be put down: what is to be answered, as nothing is left to wait for.
    pub(super) fn withdraw(&mut self, fence: Fence) -> Vec<Answer> {
        let queue = self.timelines.get_mut(&fence.timeline);
        let mut all = queue.into_iter().flatten();
        if let Some(held) = all.find(|held| held.fence == Some(fence.id)) {
            held.fence = None;
        }
        self.over(fence.timeline, |_| false)
    }

    /// A fence was reached: what is to be answered.
    pub(super) fn reached(&mut self, fence: Fence) -> Vec<Answer> {
        self.over(fence.timeline, |id| id <= fence.id)
    }

    /// What is to be answered on a timeline where these fences were reached.
    fn over(&mut self, timeline: Timeline, reached: impl Fn(u64) -> bool) -> Vec<Answer> {
        let Some(queue) = self.timelines.get_mut(&timeline) else {
            return Vec::new();
        };
        let is_over = |held: &&Held| held.fence.is_none_or(&reached);
        let over = queue.iter().take_while(is_over).count();
        let answers = queue.drain(..over).map(|held| held.answer).collect();
        if queue.is_empty() {
            self.timelines.remove(&timeline);
        }
        answers
    }

    /// Nothing more is reached on these timelines: what is to be answered.
    pub(super) fn end(&mut self, mut ended: impl FnMut(Timeline) -> bool) -> Vec<Answer> {
        let over = self
            .timelines
            .extract_if(.., |timeline, _| ended(*timeline));
        over.flat_map(|(_, queue)| queue)
            .map(|held| held.answer)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RING: Timeline = Timeline::Ring {
        context: 3,
        ring: 1,
    };

    fn answer(number: u64) -> Answer {
        Answer {
            number,
            result: Ok(Done::Nothing),
        }
    }

    fn numbers(answers: Vec<Answer>) -> Vec<u64> {
        answers.into_iter().map(|answer| answer.number).collect()
    }

    /// Holds an answer; the fence it waits for.
    fn hold(fences: &mut Fences, timeline: Timeline, number: u64) -> Fence {
        fences.hold(timeline, answer(number))
    }

    #[test]
    fn a_fence_brings_all_answers_before_it_on_its_timeline() {
        let mut fences = Fences::default();
        hold(&mut fences, Timeline::Device, 1);
        let second = hold(&mut fences, Timeline::Device, 2);
        hold(&mut fences, RING, 3);
        let fourth = hold(&mut fences, Timeline::Device, 4);

        assert_eq!(numbers(fences.reached(second)), [1, 2]);
        assert_eq!(numbers(fences.reached(second)), [0_u64; 0]);
        assert_eq!(numbers(fences.reached(fourth)), [4]);
        assert!(!fences.is_empty(), "the other timeline");
    }

    #[test]
    fn what_has_no_fence_waits_for_those_before_it() {
        let mut fences = Fences::default();
        let impossible = hold(&mut fences, RING, 1);
        assert_eq!(numbers(fences.withdraw(impossible)), [1]);
        assert!(fences.is_empty());

        let second = hold(&mut fences, RING, 2);
        let impossible = hold(&mut fences, RING, 3);
        assert_eq!(numbers(fences.withdraw(impossible)), [0_u64; 0]);
        let fourth = hold(&mut fences, RING, 4);
        assert_eq!(numbers(fences.reached(second)), [2, 3]);
        assert_eq!(numbers(fences.reached(fourth)), [4]);
        assert!(fences.is_empty());
    }

    #[test]
    fn a_context_that_ends_ends_its_timelines() {
        let mut fences = Fences::default();
        hold(&mut fences, Timeline::Device, 1);
        hold(&mut fences, RING, 2);
        let ended = fences.end(|timeline| matches!(timeline, Timeline::Ring { context: 3, .. }));
        assert_eq!(numbers(ended), [2]);
        assert_eq!(numbers(fences.end(|_| true)), [1]);
        assert!(fences.is_empty());
    }
}
