//! In which order fenced commands are answered.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use protocols::virtio_gpu::{Header, Response};

use crate::renderer::{Fence, Ticket, Timeline};

/// The fenced commands that the guest has not heard of.
///
/// Linux takes the answer to a fenced command as word that all older fences of its timeline are
/// reached, too: it counts fences up and looks no further than at the newest (`virtio_gpu_fence.c`).
/// So an answer must not overtake an older one whose work is *not done*: what the renderer draws,
/// what it has still to read of the guest's memory. That would tell the guest that it may use memory
/// which is still in use. Such answers are held back until the older ones are due.
///
/// A flush that waits for the screen holds up nobody. Its work is done as soon as its picture is
/// drawn; that its answer waits is a favour to the guest, which takes it as the beat to draw to. If a
/// younger fence ends that wait early, the guest draws one frame sooner, and what the host still
/// reads it does not draw into (see `three_d::gate`). The other way round, a game's fences would wait
/// for a screen that shows something else.
///
/// Each timeline is by itself. One command is on one timeline; those without a fence are on none, and
/// are answered when they are done.
#[derive(Debug, Default)]
pub(super) struct Fences {
    /// On which timeline the commands are.
    timelines: BTreeMap<Ticket, Timeline>,
    /// Those whose work is not done.
    undone: BTreeSet<(Timeline, Ticket)>,
    /// Answers that would overtake an undone one.
    held: BTreeMap<(Timeline, Ticket), Response>,
}

/// What a command says about its fence.
pub(super) fn fence_of(header: &Header) -> Option<Fence> {
    let timeline = match header.ring_idx {
        None => Timeline::Device,
        Some(ring) => Timeline::Ring {
            context: header.ctx_id,
            ring,
        },
    };
    header.fence.map(|id| Fence { id, timeline })
}

impl Fences {
    /// A command is answered later. Its work is not done yet.
    pub(super) fn began(&mut self, ticket: Ticket, timeline: Timeline) {
        self.timelines.insert(ticket, timeline);
        self.undone.insert((timeline, ticket));
    }

    /// The work of a command is done; its answer comes later, and others may overtake it.
    pub(super) fn worked(&mut self, ticket: Ticket, answers: &mut Vec<(Ticket, Response)>) {
        let Some(timeline) = self.timelines.get(&ticket).copied() else {
            return;
        };
        if self.undone.remove(&(timeline, ticket)) {
            self.release(timeline, answers);
        }
    }

    /// A command is to be answered with this. Adds it to `answers`, with all that it held up, or keeps
    /// it until no older one is undone.
    pub(super) fn answer(
        &mut self,
        ticket: Ticket,
        response: Response,
        answers: &mut Vec<(Ticket, Response)>,
    ) {
        let Some(timeline) = self.timelines.get(&ticket).copied() else {
            answers.push((ticket, response));
            return;
        };
        self.undone.remove(&(timeline, ticket));
        self.held.insert((timeline, ticket), response);
        self.release(timeline, answers);
    }

    /// The newest command was carried out at once. Returns its answer, unless that has to wait.
    pub(super) fn answer_newest(
        &mut self,
        ticket: Ticket,
        timeline: Timeline,
        response: Response,
    ) -> Option<Response> {
        if self.first_undone(timeline).is_none() {
            return Some(response);
        }
        self.timelines.insert(ticket, timeline);
        self.held.insert((timeline, ticket), response);
        None
    }

    /// Forgets everything.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    fn first_undone(&self, timeline: Timeline) -> Option<Ticket> {
        let mut undone = self.undone.range(all_of(timeline));
        undone.next().map(|(_, ticket)| *ticket)
    }

    fn release(&mut self, timeline: Timeline, answers: &mut Vec<(Ticket, Response)>) {
        let undone = self.first_undone(timeline).unwrap_or(Ticket(u64::MAX));
        while let Some((key, _)) = self.held.range(all_of(timeline)).next() {
            let key @ (_, ticket) = *key;
            if ticket > undone {
                return;
            }
            if let Some(response) = self.held.remove(&key) {
                self.timelines.remove(&ticket);
                answers.push((ticket, response));
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert!(self.undone.len() + self.held.len() <= self.timelines.len());
        self.timelines.len()
    }
}

fn all_of(timeline: Timeline) -> RangeInclusive<(Timeline, Ticket)> {
    (timeline, Ticket(0))..=(timeline, Ticket(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEVICE: Timeline = Timeline::Device;
    const RING: Timeline = Timeline::Ring {
        context: 1,
        ring: 0,
    };

    fn answered(fences: &mut Fences, ticket: u64) -> Vec<u64> {
        let mut answers = Vec::new();
        fences.answer(Ticket(ticket), Response::OkNodata, &mut answers);
        answers.into_iter().map(|(Ticket(it), _)| it).collect()
    }

    fn newest(fences: &mut Fences, ticket: u64) -> bool {
        let answer = fences.answer_newest(Ticket(ticket), DEVICE, Response::OkNodata);
        answer.is_some()
    }

    #[test]
    fn an_answer_waits_for_older_ones_whose_work_is_not_done() {
        let mut fences = Fences::default();
        assert!(newest(&mut fences, 1));
        fences.began(Ticket(2), DEVICE);
        fences.began(Ticket(3), DEVICE);
        assert!(!newest(&mut fences, 4));
        assert_eq!(answered(&mut fences, 3), [0; 0]);
        assert_eq!(answered(&mut fences, 2), [2, 3, 4]);
        assert!(newest(&mut fences, 5));
        assert_eq!(fences.len(), 0);
    }

    #[test]
    fn what_waits_for_the_screen_only_holds_up_nobody_and_overtakes_nobody() {
        let mut fences = Fences::default();
        fences.began(Ticket(1), DEVICE);
        fences.began(Ticket(2), DEVICE);
        let mut answers = Vec::new();
        fences.worked(Ticket(2), &mut answers);
        fences.began(Ticket(3), DEVICE);
        assert_eq!(answered(&mut fences, 1), [1]);
        assert_eq!(answered(&mut fences, 3), [3]);
        fences.began(Ticket(4), DEVICE);
        assert_eq!(answered(&mut fences, 2), [2]);
        fences.began(Ticket(5), DEVICE);
        fences.worked(Ticket(5), &mut answers);
        assert_eq!(answered(&mut fences, 5), [0; 0]);
        assert_eq!(answers, []);
        assert_eq!(answered(&mut fences, 4), [4, 5]);
    }

    #[test]
    fn timelines_and_commands_without_a_fence_are_independent() {
        let mut fences = Fences::default();
        fences.began(Ticket(1), DEVICE);
        fences.began(Ticket(2), RING);
        assert_eq!(answered(&mut fences, 3), [3]);
        assert_eq!(answered(&mut fences, 2), [2]);
        assert_eq!(answered(&mut fences, 1), [1]);
    }

    proptest! {
        #[test]
        fn everything_is_answered_once_and_in_order(
            began in prop::collection::vec((any::<bool>(), any::<bool>()), 1..40),
            order in any::<prop::sample::Index>(),
        ) {
            let mut fences = Fences::default();
            let mut answers = Vec::new();
            for (ticket, (ring, _)) in (0..).zip(&began) {
                fences.began(Ticket(ticket), if *ring { RING } else { DEVICE });
            }
            // Backwards, from somewhere.
            let mut all: Vec<usize> = (0..began.len()).rev().collect();
            all.rotate_left(order.index(began.len()));
            for index in all {
                fences.answer(Ticket(index as u64), Response::OkNodata, &mut answers);
            }
            prop_assert_eq!(fences.len(), 0);
            prop_assert_eq!(answers.len(), began.len());
            for ring in [true, false] {
                let on_it = |(ticket, _): &&(Ticket, Response)| began[usize::try_from(ticket.0).unwrap()].0 == ring;
                prop_assert!(answers.iter().filter(on_it).is_sorted_by_key(|(ticket, _)| *ticket));
            }
        }
    }
}
