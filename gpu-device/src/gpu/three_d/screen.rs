//! Scanouts that show what the renderer draws.
//!
//! A flush says that a picture is *asked for*, not that it is drawn. Until it is, the scanout goes on
//! with what it showed before: SET_SCANOUT and RESOURCE_FLUSH of such resources come into force together,
//! once the picture is there, in the order in which they came.
//!
//! ```text
//!           the host can have the memory             nothing is read before it is drawn
//! flush ──┬──▶ Finishing ─────────────────────────────────────────────┐
//!         │        │ it can't after all                               ▼
//!         │        ▼                                               Drawn ──▶ the scanout's next frame
//!         └──▶ Waiting ──▶ Reading: into the scanout's shadow ────────▲
//!            one at a time
//! ```
//!
//! The host needs no fence: what it is given is complete.

use std::time::Instant;

use protocols::virtio_gpu::{ErrorCode, Rect, Response};

use super::{Context, Gpu, Order, Outcome, Purpose, Ticket, images::Access};
use crate::{
    display::Refused,
    gpu::{
        flushes::{Answer, Scanouts, when_to_answer},
        scanouts::Shown,
        shadow::Shadow,
    },
    renderer::{Done, Fence, Request, Timeline},
};

/// A picture that was flushed and is not there yet.
#[derive(Debug, Clone, Copy)]
pub(in crate::gpu) struct Drawing {
    /// What the guest wanted to be shown when it flushed.
    pub(in crate::gpu) shown: Shown,
    /// What changed, in the resource's pixels, inside of what is shown.
    pub(super) damage: Rect,
    /// The flush, and when it came.
    flush: Ticket,
    flushed_at: Instant,
    pub(super) step: Step,
}

impl Drawing {
    fn is_answered_by(&self, ticket: Ticket) -> bool {
        self.step == Step::Finishing(ticket) || self.step == Step::Reading(ticket)
    }

    /// Whether its pixels are being read back, or will be.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.step, Step::Waiting | Step::Reading(_))
    }
}

/// What came of the wish to show a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begun {
    /// It can't be shown.
    Nothing,
    /// It is there.
    Drawn,
    /// It is not there yet.
    Drawing,
}

/// How far a picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The renderer says when all that it was asked for before is drawn.
    Finishing(Ticket),
    /// Another picture is being read back.
    Waiting,
    /// The renderer copies its pixels.
    Reading(Ticket),
    /// It is there; `read` if its pixels are in the shadow.
    Drawn { read: bool },
}

/// A flush of which a scanout's picture is not there yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Undrawn {
    fenced: bool,
    /// The scanouts that show it, and those of them whose picture is not there.
    touched: Scanouts,
    drawing: Scanouts,
}

/// Where an internal fence is: behind everything that was drawn before. Its number means nothing.
const ALL_BEFORE: Fence = Fence {
    id: 0,
    timeline: Timeline::Device,
};

impl Gpu {
    /// RESOURCE_FLUSH of a resource that the renderer holds.
    pub(in crate::gpu) fn flush_host(
        &mut self,
        order: Order,
        rect: Rect,
        resource_id: u32,
        context: &mut Context<'_>,
    ) -> Outcome {
        let mut flush = Undrawn {
            fenced: order.fence.is_some(),
            touched: Scanouts::default(),
            drawing: Scanouts::default(),
        };
        for index in 0..self.scanouts.len() {
            let Some(scanout) = self.scanouts.get_mut(index) else {
                continue;
            };
            let wanted = scanout.wanted.filter(|it| it.resource == resource_id);
            let Some((shown, damage)) =
                wanted.and_then(|shown| Some((shown, shown.source.intersect(&rect)?)))
            else {
                continue;
            };
            scanout.counters.flushed = scanout.counters.flushed.saturating_add(1);
            let drawing = Drawing {
                shown,
                damage,
                flush: order.ticket,
                flushed_at: context.now,
                step: Step::Drawn { read: false },
            };
            match self.begin_drawing(index, drawing, context) {
                Begun::Nothing => {}
                Begun::Drawn => flush.touched.insert(index),
                Begun::Drawing => {
                    flush.touched.insert(index);
                    flush.drawing.insert(index);
                }
            }
        }
        if flush.drawing.is_empty() {
            return match self.wait_for_screen(order.ticket, flush, context.now) {
                true => Outcome::WhenShown,
                false => Outcome::Now(Response::OkNodata),
            };
        }
        self.three_d.undrawn.insert(order.ticket, flush);
        Outcome::WhenShown
    }

    /// A flush's pictures are all there. False if it is to be answered now.
    fn wait_for_screen(&mut self, flush: Ticket, undrawn: Undrawn, now: Instant) -> bool {
        let Undrawn {
            fenced, touched, ..
        } = undrawn;
        let refresh = self.refresh(touched);
        match when_to_answer(fenced, touched, self.hidden, refresh, now) {
            Answer::WhenShown(wait) if self.flushes.keep(flush, wait) => {
                (0..self.scanouts.len()).for_each(|index| self.note_taken(index, now));
                true
            }
            _ => false,
        }
    }

    /// A picture was flushed.
    fn begin_drawing(
        &mut self,
        index: usize,
        drawing: Drawing,
        context: &mut Context<'_>,
    ) -> Begun {
        if !self.can_be_seen(index) {
            self.stop_drawing(index, None, context);
            self.drawn(index, drawing, context);
            return Begun::Drawn;
        }
        let flush = drawing.flush;
        self.ask_for_memory(drawing.shown.resource, context);
        let step = match self.access(&drawing.shown) {
            // Nobody draws into it any more.
            Some(Access::InPlace) if !self.is_rendered(drawing.shown.resource) => {
                self.drawn(index, drawing, context);
                return Begun::Drawn;
            }
            Some(Access::Unknown | Access::InPlace) => {
                let purpose = Purpose::Draw(index);
                let asked = self.ask(purpose, Some(ALL_BEFORE), Request::Nothing, context);
                Step::Finishing(asked)
            }
            Some(Access::Copy(_)) => Step::Waiting,
            Some(Access::Nothing(refused)) => {
                self.note_reason(index, refused);
                return Begun::Nothing;
            }
            None => return Begun::Nothing,
        };
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return Begun::Nothing;
        };
        scanout.drawing.push_back(Drawing { step, ..drawing });
        self.read_next(index, context);
        let scanout = self.scanouts.get(index);
        match scanout.is_some_and(|scanout| scanout.drawing.iter().any(|it| it.flush == flush)) {
            true => Begun::Drawing,
            false => Begun::Nothing,
        }
    }

    /// The renderer has finished or read back a picture.
    pub(super) fn on_drawn(
        &mut self,
        ticket: Ticket,
        index: usize,
        outcome: &Result<Done, ErrorCode>,
        context: &mut Context<'_>,
    ) {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        let shadow = scanout.shadow.as_mut();
        let read = shadow.is_some_and(|shadow| shadow.was_read(ticket, outcome.is_ok()));
        let is_it = |it: &&Drawing| it.is_answered_by(ticket);
        let Some(drawing) = scanout.drawing.iter().find(is_it).copied() else {
            return;
        };
        let next = match drawing.step {
            Step::Reading(_) if outcome.is_err() => None,
            Step::Reading(_) if read => Some(Step::Drawn { read }),
            // Into a shadow that is gone.
            Step::Reading(_) => Some(Step::Waiting),
            _ => match self.access(&drawing.shown) {
                Some(Access::Copy(_)) => Some(Step::Waiting),
                Some(Access::Nothing(refused)) => {
                    self.note_reason(index, refused);
                    None
                }
                _ => Some(Step::Drawn { read: false }),
            },
        };
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        match next {
            Some(step) => {
                let mut drawings = scanout.drawing.iter_mut();
                if let Some(drawing) = drawings.find(|it| it.is_answered_by(ticket)) {
                    drawing.step = step;
                }
            }
            None => {
                scanout.drawing.retain(|it| !it.is_answered_by(ticket));
                self.is_drawn(drawing.flush, index, false, context.now);
            }
        }
        self.read_next(index, context);
    }

    /// Brings the pictures into force that are there, and has the next one read back.
    fn read_next(&mut self, index: usize, context: &mut Context<'_>) {
        loop {
            let Some(scanout) = self.scanouts.get_mut(index) else {
                return;
            };
            let Some(drawing) = scanout.drawing.front().copied() else {
                return;
            };
            match drawing.step {
                Step::Finishing(_) | Step::Reading(_) => return,
                Step::Drawn { .. } => {
                    scanout.drawing.pop_front();
                    self.drawn(index, drawing, context);
                }
                Step::Waiting if !self.can_be_seen(index) => {
                    if let Some(scanout) = self.scanouts.get_mut(index) {
                        scanout.drawing.pop_front();
                    }
                    self.drawn(index, drawing, context);
                }
                Step::Waiting => match self.read_back(index, &drawing, context) {
                    Some(ticket) => {
                        if let Some(scanout) = self.scanouts.get_mut(index)
                            && let Some(drawing) = scanout.drawing.front_mut()
                        {
                            drawing.step = Step::Reading(ticket);
                        }
                        return;
                    }
                    None => {
                        if let Some(scanout) = self.scanouts.get_mut(index) {
                            scanout.drawing.pop_front();
                        }
                        self.is_drawn(drawing.flush, index, false, context.now);
                    }
                },
            }
        }
    }

    fn note_reason(&mut self, index: usize, refused: Refused) {
        if let Some(scanout) = self.scanouts.get_mut(index) {
            scanout.reason = Some(refused);
        }
    }

    /// A picture is there: the scanout shows it next.
    fn drawn(&mut self, index: usize, drawing: Drawing, context: &mut Context<'_>) {
        self.make_resident(drawing.shown.resource, context);
        if let Some(scanout) = self.scanouts.get_mut(index) {
            scanout.show(drawing.shown);
            if scanout.pacing.is_waiting() && drawing.flush > scanout.newest {
                scanout.counters.missed = scanout.counters.missed.saturating_add(1);
            }
            if drawing.step == (Step::Drawn { read: true })
                && let Some(shadow) = &mut scanout.shadow
            {
                // It is another resource's picture than before, but all there.
                shadow.due.clear();
            }
            scanout.damage.add(drawing.damage);
            scanout.newest = scanout.newest.max(drawing.flush);
            scanout.flushed_at = Some(drawing.flushed_at);
            self.picture(index, context);
        }
        self.is_drawn(drawing.flush, index, true, context.now);
    }

    /// A scanout's picture of a flush is there, or never will be.
    fn is_drawn(&mut self, flush: Ticket, index: usize, there: bool, now: Instant) {
        let Some(undrawn) = self.three_d.undrawn.get_mut(&flush) else {
            return;
        };
        undrawn.drawing.remove(index);
        if !there {
            undrawn.touched.remove(index);
        }
        if !undrawn.drawing.is_empty() {
            return;
        }
        let undrawn = *undrawn;
        self.three_d.undrawn.remove(&flush);
        if !self.wait_for_screen(flush, undrawn, now) {
            self.answer(flush, Response::OkNodata);
        }
    }

    /// All of what a scanout shows has to be had anew: as a copy, or because nobody has looked at it
    /// before.
    pub(in crate::gpu) fn draw_again(&mut self, index: usize, context: &mut Context<'_>) {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        let (Some(shown), Some(flushed_at)) = (scanout.shown, scanout.flushed_at) else {
            return;
        };
        // What comes next is read whole where the shadow lacks something.
        if !scanout.drawing.is_empty() {
            return;
        }
        let drawing = Drawing {
            shown,
            damage: shown.source,
            flush: scanout.newest,
            flushed_at,
            step: Step::Waiting,
        };
        self.begin_drawing(index, drawing, context);
    }

    /// Shows what the renderer holds where nobody has looked at it before; nothing else.
    pub(in crate::gpu) fn draw_unknown(&mut self, index: usize, context: &mut Context<'_>) {
        let shown = self.scanouts.get(index).and_then(|scanout| scanout.shown);
        if shown.and_then(|shown| self.access(&shown)) == Some(Access::Unknown)
            && self.can_be_seen(index)
        {
            self.draw_again(index, context);
        }
    }

    /// Pictures of a scanout that are not there yet are of no use any more: all, or those of a
    /// resource.
    pub(in crate::gpu) fn stop_drawing(
        &mut self,
        index: usize,
        resource: Option<u32>,
        context: &mut Context<'_>,
    ) {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        let mut flushes = Vec::new();
        scanout.drawing.retain(|it| {
            let stays = resource.is_some_and(|resource| it.shown.resource != resource);
            if !stays {
                flushes.push(it.flush);
            }
            stays
        });
        // The renderer still writes into it.
        let shadow = scanout.shadow.as_ref();
        if shadow.is_some_and(Shadow::is_being_read) && !flushes.is_empty() {
            self.drop_shadow(index, context);
        }
        for flush in flushes {
            self.is_drawn(flush, index, false, context.now);
        }
        self.read_next(index, context);
    }
}
