//! Copies of blobs that can't be shown in place.
//!
//! A shadow belongs to a scanout, not to a blob: a guest that flips between three blobs needs one
//! copy, not three.

use std::time::Instant;

use protocols::virtio_gpu::{ErrorCode, Rect};
use tracing::debug;

use super::{Context, Gpu, resources::Kind};
use crate::{
    display::PixelLayout,
    renderer::{
        Ticket,
        pixels::{
            copy::{self, Source},
            region::Region,
            slots::Slots,
        },
    },
};

/// A copy of the shown part of a blob.
#[derive(Debug)]
pub(super) struct Shadow {
    pub(super) slots: Slots,
    /// What the copy lacks, in its own pixels.
    pub(super) due: Region,
    /// What the renderer answers once it has written into the current slot.
    pub(super) reading: Option<Ticket>,
}

impl Shadow {
    fn new(slots: Slots) -> Self {
        let mut shadow = Self {
            slots,
            due: Region::default(),
            reading: None,
        };
        shadow.lacks_all();
        shadow
    }

    /// Nothing of the copy is any good: what there is to see is another picture, or was not noted.
    pub(super) fn lacks_all(&mut self) {
        self.due = Region::of(self.slots.whole());
    }

    /// Whether all of the picture is there.
    pub(super) fn is_whole(&self) -> bool {
        self.due.is_empty() && self.reading.is_none()
    }

    /// Whether the renderer writes into the current slot.
    pub(super) fn is_being_read(&self) -> bool {
        self.reading.is_some()
    }

    /// The renderer has written what it was asked for, or could not. False if it was to write into
    /// another shadow, which is gone.
    pub(super) fn was_read(&mut self, ticket: Ticket, done: bool) -> bool {
        if self.reading.take_if(|asked| *asked == ticket).is_none() {
            return false;
        }
        if !done {
            self.lacks_all();
        }
        true
    }

    /// The renderer has died, in the middle of writing or not.
    pub(super) fn renderer_lost(&mut self) {
        self.slots.take_lent().for_each(drop);
        if let Some(reading) = self.reading {
            self.was_read(reading, false);
        }
    }
}

impl Gpu {
    /// Copies what has changed of a blob, and all that the copy lacks besides, into the scanout's
    /// shadow.
    pub(super) fn copy_into_shadow(
        &mut self,
        index: usize,
        damage: Rect,
        context: &mut Context<'_>,
    ) -> Result<(), ErrorCode> {
        let shown = self.scanouts.get(index).and_then(|scanout| scanout.shown);
        let Some(shown) = shown else { return Ok(()) };
        self.prepare_shadow(index, shown.source, context)?;
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return Ok(());
        };
        let (Some(shadow), Some(shown)) = (&mut scanout.shadow, scanout.shown) else {
            return Ok(());
        };
        let (Some(layout), Ok(resource)) = (shown.blob, self.resources.get(shown.resource)) else {
            return Ok(());
        };
        let source = shown.source;
        shadow.due.add(Rect {
            x: damage.x.saturating_sub(source.x),
            y: damage.y.saturating_sub(source.y),
            ..damage
        });
        if shadow.is_being_read() {
            // The next picture comes from the renderer, and is on its way into this slot.
            return Err(ErrorCode::Unspec);
        }
        if shadow.due.is_empty() {
            return Ok(());
        }
        let Some(backing) = resource.backing() else {
            return Ok(());
        };
        let (canvas, mut copied) = shadow
            .slots
            .begin_write(shadow.due.rects())
            .map_err(|_| ErrorCode::OutOfMemory)?;
        for rect in shadow.due.rects() {
            let from = Source {
                backing,
                offset: blob_offset(layout, source, *rect),
                stride: layout.stride,
                format: layout.format,
            };
            let bytes = copy::from_guest(&from, &canvas, rect, &mut self.row);
            copied = copied.saturating_add(bytes.map_err(|_| ErrorCode::Unspec)?);
        }
        shadow.due.clear();
        scanout.counters.bytes_copied = scanout.counters.bytes_copied.saturating_add(copied);
        Ok(())
    }

    /// Makes sure that a scanout has a shadow of the size of what it shows.
    pub(super) fn prepare_shadow(
        &mut self,
        index: usize,
        source: Rect,
        context: &mut Context<'_>,
    ) -> Result<(), ErrorCode> {
        let Some(scanout) = self.scanouts.get(index) else {
            return Ok(());
        };
        let size = (source.width, source.height);
        if scanout
            .shadow
            .as_ref()
            .is_some_and(|shadow| shadow.slots.size() == size)
        {
            return Ok(());
        }
        self.drop_shadow(index, context);
        let bytes = Slots::initial_bytes(source.width, source.height);
        self.quota.take_bytes(bytes)?;
        let slots = Slots::new(source.width, source.height).map_err(|error| {
            debug!(index, %error, "no memory to copy a blob");
            self.quota.give_bytes(bytes);
            ErrorCode::OutOfMemory
        })?;
        if let Some(scanout) = self.scanouts.get_mut(index) {
            scanout.shadow = Some(Shadow::new(slots));
        }
        Ok(())
    }

    /// A frame of a scanout, drawn at `drawn`, is on a plane: looks whether copies would help its guest, or do.
    pub(super) fn keep_step(&mut self, index: usize, drawn: Instant, context: &mut Context<'_>) {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        let resource = scanout
            .shown
            .map(|shown| self.resources.get(shown.resource));
        if matches!(resource, Some(Ok(resource)) if matches!(resource.kind, Kind::Host(_))) {
            return;
        }
        if !scanout.step.presented(drawn, context.now, scanout.refresh) {
            return;
        }
        let copies = scanout.step.copies();
        debug!(
            index,
            copies, "the guest is or was out of step with the screen"
        );
        if !scanout.step.keeps_copy() {
            self.drop_shadow(index, context);
        } else if let (false, Some(shadow)) = (copies, &mut scanout.shadow) {
            // What the guest draws meanwhile is not noted: all of it has to be copied then.
            shadow.lacks_all();
        }
    }

    /// There is no memory for copies that would help a guest: it goes on without.
    pub(super) fn cannot_copy(&mut self, index: usize, context: &mut Context<'_>) {
        if let Some(scanout) = self.scanouts.get_mut(index) {
            scanout.step.cannot_copy(context.now);
        }
        self.drop_shadow(index, context);
    }

    /// Frees a scanout's copy. What the host still shows of it stays.
    pub(super) fn drop_shadow(&mut self, index: usize, context: &mut Context<'_>) {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        let Some(mut shadow) = scanout.shadow.take() else {
            return;
        };
        self.three_d.unused.extend(shadow.slots.take_lent());
        self.take_back_lent(context);
        self.quota.give_bytes(shadow.slots.bytes());
        for buffer in shadow.slots.buffers() {
            self.imports.forget(context.display, buffer);
        }
    }
}

/// Where a rectangle of a shadow begins in its blob, in bytes.
pub(super) fn blob_offset(layout: PixelLayout, source: Rect, rect: Rect) -> u64 {
    let x = u64::from(source.x).saturating_add(rect.x.into());
    let y = u64::from(source.y).saturating_add(rect.y.into());
    let rows = y.saturating_mul(layout.stride.into());
    let columns = x.saturating_mul(layout.format.bytes_per_pixel().into());
    u64::from(layout.offset)
        .saturating_add(rows)
        .saturating_add(columns)
}
