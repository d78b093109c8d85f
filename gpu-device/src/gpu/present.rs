//! RESOURCE_FLUSH, and the hand-over of a scanout's newest picture to the host.

use std::time::{Duration, Instant};

use protocols::virtio_gpu::{ErrorCode, Rect, Response};

use super::{
    Context, Gpu, Order, Outcome,
    flushes::{Answer, Scanouts, when_to_answer},
    ladder::{Means, Presentable},
    pacing::Then,
    resources::Kind,
    scanouts::{InFlight, Way},
};
use crate::{
    display::{Frame, FrameId, Refused},
    renderer::Ticket,
};

impl Gpu {
    /// RESOURCE_FLUSH.
    pub(super) fn flush(
        &mut self,
        order: Order,
        rect: Rect,
        resource_id: u32,
        context: &mut Context<'_>,
    ) -> Result<Outcome, ErrorCode> {
        let resource = self.resources.get(resource_id)?;
        match &resource.kind {
            Kind::Picture(picture) if !picture.picture.whole().contains(&rect) => {
                return Err(ErrorCode::InvalidParameter);
            }
            Kind::Host(host) if !host.contains(&rect) => return Err(ErrorCode::InvalidParameter),
            Kind::Host(_) => return Ok(self.flush_host(order, rect, resource_id, context)),
            Kind::Picture(_) | Kind::Blob(_) => {}
        }
        let id = order.ticket;
        let mut touched = Scanouts::default();
        for index in 0..self.scanouts.len() {
            let Some(scanout) = self.scanouts.get(index) else {
                continue;
            };
            let shown = scanout.wanted.filter(|shown| shown.resource == resource_id);
            let damage = shown.and_then(|shown| shown.source.intersect(&rect));
            let Some(damage) = damage else { continue };
            if self.flush_scanout(index, damage, id, context)? {
                touched.insert(index);
            }
        }
        let refresh = self.refresh(touched);
        match when_to_answer(
            order.fence.is_some(),
            touched,
            self.hidden,
            refresh,
            context.now,
        ) {
            Answer::WhenShown(wait) if self.flushes.keep(id, wait) => {
                for index in 0..self.scanouts.len() {
                    self.note_taken(index, context.now);
                }
                Ok(Outcome::WhenShown)
            }
            _ => Ok(Outcome::Now(Response::OkNodata)),
        }
    }

    /// The refresh period of the fastest of these scanouts, zero if unknown.
    pub(super) fn refresh(&self, scanouts: Scanouts) -> Duration {
        let all = self.scanouts.iter().enumerate();
        let these = all.filter(|(index, _)| scanouts.contains(*index));
        let known = these.map(|(_, scanout)| scanout.refresh);
        known
            .filter(|refresh| !refresh.is_zero())
            .min()
            .unwrap_or_default()
    }

    /// Flushes whose frame the host has taken need not wait for more, once the host reads no guest
    /// memory that was shown before.
    pub(super) fn note_taken(&mut self, index: usize, now: Instant) {
        let Some(scanout) = self.scanouts.get(index) else {
            return;
        };
        let Some(last) = scanout.in_flight.back() else {
            return;
        };
        if scanout.lent.iter().all(|buffer| *buffer == last.buffer) {
            self.flushes.taken(index, last.newest, now);
        }
    }

    /// Shows new pixels of a scanout, or notes them for later while nobody can see it. False if there
    /// is nothing to show them from.
    fn flush_scanout(
        &mut self,
        index: usize,
        damage: Rect,
        id: Ticket,
        context: &mut Context<'_>,
    ) -> Result<bool, ErrorCode> {
        let means = self.means(index, context);
        if means.is_none() && self.can_be_seen(index) {
            return Ok(false);
        }
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return Ok(false);
        };
        scanout.counters.flushed = scanout.counters.flushed.saturating_add(1);
        if scanout.pacing.is_waiting() {
            scanout.counters.missed = scanout.counters.missed.saturating_add(1);
        }
        scanout.damage.add(damage);
        scanout.newest = id;
        scanout.flushed_at = Some(context.now);
        if let Some(Means::Shadow(reason)) = means {
            let copied = self.copy_into_shadow(index, damage, context);
            if reason == Refused::OutOfStep && copied.is_err() {
                self.cannot_copy(index, context);
            } else {
                copied?;
            }
        }
        self.picture(index, context);
        Ok(true)
    }

    /// A scanout has a new picture: hands it over if the host takes it.
    pub(super) fn picture(&mut self, index: usize, context: &mut Context<'_>) {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        if scanout.pacing.picture() == Then::HandOver {
            self.hand_over(index, context);
        }
    }

    /// Shows all of what a scanout shows anew, without waiting for the guest.
    pub(super) fn show_again(&mut self, index: usize, context: &mut Context<'_>) {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        let Some(shown) = scanout.shown else { return };
        // Before the first flush the guest has not drawn it yet.
        if scanout.flushed_at.is_none() {
            return;
        }
        let due = scanout.shadow.as_ref().map(|shadow| shadow.due.clone());
        scanout.damage_all();
        match self.means(index, context) {
            None => return self.draw_unknown(index, context),
            // The renderer's picture is as it was when it was flushed.
            Some(Means::ReadBack(_)) => {
                if let Some(scanout) = self.scanouts.get_mut(index)
                    && let (Some(shadow), Some(due)) = (&mut scanout.shadow, due)
                {
                    shadow.due = due;
                }
            }
            Some(Means::Shadow(_)) => {
                if self.copy_into_shadow(index, shown.source, context).is_err() {
                    return;
                }
            }
            Some(Means::Slots | Means::Direct(_) | Means::Image(_)) => {}
        }
        self.picture(index, context);
    }

    /// Hands a scanout's newest picture over, or notes that it has to wait for a free slot.
    pub(super) fn hand_over(&mut self, index: usize, context: &mut Context<'_>) {
        let means = self.means(index, context);
        let in_place = matches!(means, Some(Means::Direct(_)));
        let lent = matches!(means, Some(Means::Direct(_) | Means::Image(_)));
        let presentable = means.and_then(|means| match means {
            Means::Direct(buffer) | Means::Image(buffer) => {
                let (way, reason, origin) = (Way::DmaBuf, None, (0, 0));
                Some(Presentable {
                    buffer,
                    way,
                    reason,
                    origin,
                })
            }
            Means::Slots => self.picture_slot(index, context),
            Means::ReadBack(reason) if self.is_read_back(index) => {
                self.shadow_slot(index, reason, context)
            }
            Means::ReadBack(_) => {
                self.draw_again(index, context);
                None
            }
            // Nothing is due, unless the blob itself was to be shown when it was flushed.
            Means::Shadow(reason) => self
                .copy_into_shadow(index, Rect::default(), context)
                .ok()
                .and_then(|()| self.shadow_slot(index, reason, context)),
        });
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        let (Some(presentable), Some(shown)) = (presentable, scanout.shown) else {
            scanout.pacing.starved();
            return;
        };
        let (x, y) = presentable.origin;
        let moved = |rect: &Rect| Rect {
            x: rect.x.saturating_sub(x),
            y: rect.y.saturating_sub(y),
            ..*rect
        };
        self.last_frame = FrameId(self.last_frame.0.saturating_add(1));
        let frame = Frame {
            id: self.last_frame,
            buffer: presentable.buffer,
            source: moved(&shown.source),
            damage: scanout.damage.rects().iter().map(moved).collect(),
        };
        scanout.damage.clear();
        // Whether a dma-buf goes to a plane is only known once it is presented.
        if presentable.reason.is_some() || scanout.reason != Some(Refused::NotOnPlane) {
            scanout.reason = presentable.reason;
        }
        scanout.push_in_flight(InFlight {
            frame: frame.id,
            buffer: frame.buffer,
            way: presentable.way,
            newest: scanout.newest,
            flushed_at: scanout.flushed_at,
        });
        scanout.in_place = in_place.then_some(shown);
        let imports = &self.imports;
        scanout
            .lent
            .retain(|buffer| *buffer != presentable.buffer && imports.owner(*buffer).is_some());
        if lent {
            scanout.lent.push(presentable.buffer);
        }
        self.three_d.is_shown(presentable.buffer);
        scanout.pacing.handed();
        scanout.has_window = true;
        context.display.present(scanout.id, frame);
        self.note_taken(index, context.now);
    }
}
