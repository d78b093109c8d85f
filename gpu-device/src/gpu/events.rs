//! What the host reports, and what follows from it: the second of the two clocks.

use std::time::Duration;

use protocols::ipc::PresentPath;
use tracing::{debug, info};

use super::{Context, Gpu, imports::Owner, pacing::Then, resources::Kind, scanouts::Way};
use crate::{
    display::{BufferId, DisplayEvent, FrameId, PixelLayout, Refused, ScanoutId},
    renderer::pixels::slots::Slots,
};

impl Gpu {
    /// The display reports something.
    pub(super) fn on_display(&mut self, event: DisplayEvent, context: &mut Context<'_>) {
        match event {
            DisplayEvent::Ready(scanout) => self.on_ready(scanout, context),
            DisplayEvent::Presented {
                scanout,
                frame,
                refresh,
                zero_copy,
                at: _,
            } => {
                self.on_presented(scanout, frame, refresh, zero_copy, context);
            }
            DisplayEvent::Discarded { scanout, frame } => self.on_discarded(scanout, frame),
            DisplayEvent::Released(buffer) => self.on_released(buffer, context),
            DisplayEvent::ImportRefused(buffer, refused) => {
                self.on_import_refused(buffer, refused, context);
            }
            DisplayEvent::FormatsChanged => self.try_refused_again(),
            DisplayEvent::Resized {
                scanout,
                width,
                height,
                dpi,
            } => {
                let index = usize::from(scanout.0);
                self.modes
                    .want_size(index, (width, height), dpi, context.now);
            }
            DisplayEvent::RefreshChanged {
                scanout,
                millihertz,
            } => {
                let index = usize::from(scanout.0);
                self.modes.want_rate(index, millihertz, context.now);
            }
            DisplayEvent::Monitor { scanout, monitor } => {
                self.modes.monitor(usize::from(scanout.0), &monitor);
            }
            DisplayEvent::Unplugged(scanout) => self.modes.unplug(usize::from(scanout.0)),
            DisplayEvent::CloseRequested(_) | DisplayEvent::Input(_) | DisplayEvent::Lost => {}
        }
    }

    /// The host takes another frame.
    pub(super) fn on_ready(&mut self, id: ScanoutId, context: &mut Context<'_>) {
        let index = usize::from(id.0);
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        if scanout.pacing.ready() == Then::HandOver {
            self.hand_over(index, context);
        }
    }

    /// The host no longer reads a buffer.
    pub(super) fn on_released(&mut self, buffer: BufferId, context: &mut Context<'_>) {
        if let Some(slots) = self.slots_of(buffer) {
            slots.released(buffer);
        }
        self.drop_kept(buffer, context);
        for index in 0..self.scanouts.len() {
            let Some(scanout) = self.scanouts.get_mut(index) else {
                continue;
            };
            scanout.lent.retain(|lent| *lent != buffer);
            if scanout.pacing.released() == Then::HandOver {
                self.hand_over(index, context);
            }
            self.note_taken(index, context.now);
        }
    }

    /// The slots that a buffer belongs to.
    fn slots_of(&mut self, buffer: BufferId) -> Option<&mut Slots> {
        match self.imports.owner(buffer)? {
            Owner::Picture(id) => match &mut self.resources.get_mut(id).ok()?.kind {
                Kind::Picture(picture) => picture.picture.slots_mut(),
                Kind::Blob(_) | Kind::Host(_) => None,
            },
            Owner::Shadow(index) => Some(&mut self.scanouts.get_mut(index)?.shadow.as_mut()?.slots),
            Owner::Blob(_) | Owner::Host(_) | Owner::Kept(_) => None,
        }
    }

    /// A frame is on the screen.
    pub(super) fn on_presented(
        &mut self,
        id: ScanoutId,
        frame: FrameId,
        refresh: Duration,
        zero_copy: bool,
        context: &mut Context<'_>,
    ) {
        let index = usize::from(id.0);
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        self.hidden.remove(index);
        scanout.refresh = refresh;
        let Some(shown) = scanout.take_in_flight(frame) else {
            return;
        };
        let counters = &mut scanout.counters;
        counters.presented = counters.presented.saturating_add(1);
        counters.zero_copy = counters.zero_copy.saturating_add(zero_copy.into());
        let path = match shown.way {
            Way::DmaBuf if zero_copy => PresentPath::DmabufPlane,
            Way::DmaBuf => PresentPath::DmabufSampled,
            Way::Shared => PresentPath::SharedMemory,
            Way::Copied => PresentPath::Copy,
        };
        let before = std::mem::replace(&mut counters.path, path);
        if let Some(flushed_at) = shown.flushed_at {
            counters
                .latency
                .add(context.now.saturating_duration_since(flushed_at));
        }
        if shown.way == Way::DmaBuf {
            scanout.reason = (!zero_copy).then_some(Refused::NotOnPlane);
        }
        if before != path {
            let reason = scanout.reason.map_or("", Refused::code);
            // A host may put every other frame on a plane; only the first is worth a line.
            match before {
                PresentPath::Nothing => info!(scanout = id.0, ?path, reason, "the guest is shown"),
                _ => debug!(
                    scanout = id.0,
                    ?path,
                    reason,
                    "the guest is shown another way"
                ),
            }
        }
        self.flushes.shown(index, shown.newest);
        if let (true, Some(drawn)) = (zero_copy, shown.flushed_at) {
            self.keep_step(index, drawn, context);
        }
    }

    /// A frame was replaced before it was on the screen.
    pub(super) fn on_discarded(&mut self, id: ScanoutId, frame: FrameId) {
        let index = usize::from(id.0);
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        let Some(skipped) = scanout.take_in_flight(frame) else {
            return;
        };
        scanout.counters.missed = scanout.counters.missed.saturating_add(1);
        self.flushes.shown(index, skipped.newest);
    }

    /// The host could not import a buffer after all: its frames were dropped. Takes the next step
    /// down the ladder and shows the current picture again.
    pub(super) fn on_import_refused(
        &mut self,
        buffer: BufferId,
        refused: Refused,
        context: &mut Context<'_>,
    ) {
        let Some(owner) = self.imports.owner(buffer) else {
            return;
        };
        info!(?owner, reason = %refused, "the host does not take a dma-buf; using shared memory");
        let layout = match owner {
            Owner::Blob(id) => self.refuse_view(id, buffer, refused),
            Owner::Host(id) => {
                self.refuse_view(id, buffer, refused);
                None
            }
            // Shared memory is never refused; still, nothing must be lost if it is.
            Owner::Kept(_) => return self.drop_kept(buffer, context),
            Owner::Picture(_) | Owner::Shadow(_) => self.slots_of(buffer).map(|slots| {
                slots.import_refused(buffer, refused);
                slots.layout()
            }),
        };
        if let Some(layout) = layout {
            self.imports.remember(layout, refused);
            // Our own memory has rows of our own making; a guest makes them as long as its mode.
            if let (Owner::Blob(_), Refused::ImportFailed) = (owner, refused) {
                self.modes.rows_refused(layout.stride, context.now);
            }
        }
        self.imports.forget(context.display, buffer);
        for index in 0..self.scanouts.len() {
            let Some(scanout) = self.scanouts.get_mut(index) else {
                continue;
            };
            let was_last = scanout
                .in_flight
                .back()
                .is_some_and(|last| last.buffer == buffer);
            scanout.in_flight.retain(|frame| frame.buffer != buffer);
            if was_last {
                // No Ready will come for it.
                scanout.pacing.dropped();
                self.show_again(index, context);
            }
        }
    }

    /// The host takes more than before. What is on the screen stays as it is; the guest's next
    /// frames go the better way.
    pub(super) fn try_refused_again(&mut self) {
        self.imports.forget_refusals();
        for resource in self.resources.iter_mut() {
            match &mut resource.kind {
                Kind::Blob(blob) => blob.views.retain(|view| view.imported.is_ok()),
                Kind::Host(host) => host.views.retain(|view| view.imported.is_ok()),
                Kind::Picture(picture) => {
                    if let Some(slots) = picture.picture.slots_mut() {
                        slots.try_again();
                    }
                }
            }
        }
        let shadows = self.scanouts.iter_mut().filter_map(|it| it.shadow.as_mut());
        shadows.for_each(|shadow| shadow.slots.try_again());
    }

    fn refuse_view(&mut self, id: u32, buffer: BufferId, refused: Refused) -> Option<PixelLayout> {
        let views = match &mut self.resources.get_mut(id).ok()?.kind {
            Kind::Blob(blob) => &mut blob.views,
            Kind::Host(host) => &mut host.views,
            Kind::Picture(_) => return None,
        };
        let view = views.iter_mut().find(|view| view.imported == Ok(buffer))?;
        view.imported = Err(refused);
        Some(view.layout)
    }
}
