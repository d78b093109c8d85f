//! Where the host can't have the renderer's memory: copies of what changed, by the renderer, into the
//! scanout's shadow.
//!
//! One picture at a time is read into a shadow, and none is handed over meanwhile: the slot that is
//! written is the current one.

use protocols::virtio_gpu::Rect;
use tracing::debug;

use super::{Context, Gpu, Purpose, Ticket, screen::Drawing};
use crate::{
    gpu::{scanouts::Scanout, shadow::Shadow},
    renderer::{
        Lent, Request, Target,
        pixels::{convert::PIXEL, slots::stride},
    },
};

impl Gpu {
    /// Has a picture read back: all that the shadow lacks of it. Returns what is answered when it is
    /// there; `None` where there is no memory for it.
    pub(super) fn read_back(
        &mut self,
        index: usize,
        drawing: &Drawing,
        context: &mut Context<'_>,
    ) -> Option<Ticket> {
        let source = drawing.shown.source;
        self.prepare_shadow(index, source, context).ok()?;
        let (lent, rects, copied) = self.open_shadow(index, drawing, context)?;
        let stride = stride(source.width);
        let mut last = None;
        let mut bytes = copied;
        for rect in &rects {
            let row = u64::from(rect.y).saturating_mul(stride.into());
            let column = u64::from(rect.x).saturating_mul(PIXEL.into());
            let request = Request::ReadBack {
                resource: drawing.shown.resource,
                part: Rect {
                    x: rect.x.saturating_add(source.x),
                    y: rect.y.saturating_add(source.y),
                    ..*rect
                },
                target: Target {
                    memory: lent,
                    offset: row.saturating_add(column),
                    stride,
                },
            };
            // All are done when the last one is.
            if let Some(before) =
                last.replace(self.ask(Purpose::Draw(index), None, request, context))
            {
                self.three_d.sent.insert(before, Purpose::Aside);
            }
            bytes = bytes.saturating_add(rect.area().saturating_mul(PIXEL.into()));
        }
        let scanout = self.scanouts.get_mut(index)?;
        scanout.shadow.as_mut()?.reading = last;
        scanout.counters.bytes_copied = scanout.counters.bytes_copied.saturating_add(bytes);
        last
    }

    /// Whether a scanout's shadow has all of what it shows.
    pub(in crate::gpu) fn is_read_back(&self, index: usize) -> bool {
        let scanout = self.scanouts.get(index);
        scanout.is_some_and(|Scanout { shadow, shown, .. }| match (shadow, shown) {
            (Some(shadow), Some(shown)) => {
                let size = (shown.source.width, shown.source.height);
                shadow.slots.size() == size && shadow.is_whole()
            }
            _ => false,
        })
    }

    /// Makes a slot of a shadow ready to be written by the renderer. Returns its name, what is to be
    /// written, and how many bytes were copied for that.
    fn open_shadow(
        &mut self,
        index: usize,
        drawing: &Drawing,
        context: &mut Context<'_>,
    ) -> Option<(Lent, Vec<Rect>, u64)> {
        let Scanout { shadow, shown, .. } = self.scanouts.get_mut(index)?;
        let Shadow { slots, due, .. } = shadow.as_mut()?;
        let source = drawing.shown.source;
        if *shown == Some(drawing.shown) {
            due.add(Rect {
                x: drawing.damage.x.saturating_sub(source.x),
                y: drawing.damage.y.saturating_sub(source.y),
                ..drawing.damage
            });
        } else {
            due.add(slots.whole());
        }
        let (_, copied) = slots.begin_write(due.rects()).ok()?;
        let lent = match slots.lent() {
            Some(lent) => lent,
            None => {
                let lent = context.renderer.lend(slots.memory()?);
                let lent = lent.inspect_err(|error| debug!(%error, "memory can't be lent"));
                let lent = lent.ok()?;
                slots.set_lent(lent);
                lent
            }
        };
        let rects = due.rects().to_vec();
        due.clear();
        Some((lent, rects, copied))
    }

    /// Takes memory back that was lent to the renderer.
    pub(in crate::gpu) fn take_back_lent(&mut self, context: &mut Context<'_>) {
        for lent in self.three_d.unused.drain(..) {
            context.renderer.take_back(lent);
        }
    }
}
