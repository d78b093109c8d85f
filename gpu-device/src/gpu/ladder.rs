//! The ladder: the best way in which the host can be given a scanout's pixels.
//!
//! ```text
//! blob ─▶ its own pages as a dma-buf: nothing is copied
//!   └────▶ shadow: the damage is copied into slots ──┐
//! 2D ────▶ its slots, written by TRANSFER_TO_HOST_2D ┤─▶ slot as a dma-buf, else shared memory
//!   ┌────▶ shadow: the renderer reads back the damage ┘
//! 3D ─▶ the graphics card's own memory as a dma-buf: nothing is copied
//! ```
//!
//! Each step down has a reason, a [`Refused`]. Memory is imported once and presented many times; what
//! was refused once is not tried again.

use std::{os::fd::OwnedFd, sync::Arc};

use tracing::debug;

use super::{
    Context, Gpu,
    imports::{Imports, Owner},
    quota::Quota,
    resources::{Blob, Kind, View},
    scanouts::{Shown, Way},
    three_d::Access,
};
use crate::{
    display::{BufferId, Display, PixelLayout, PixelMemory, Refused},
    memory::{Backing, page_size},
    renderer::pixels::slots::{SlotBuffer, Slots},
};

/// The most layouts of one blob that the host knows at the same time: one for each scanout of a
/// large desk, in a blob that holds the pictures of all of them.
pub(super) const MAX_VIEWS: usize = 16;

/// The most resources whose memory the host knows. Each costs up to a dozen file descriptors; three
/// buffers on each of sixteen scanouts fit. Those that are not shown are taken back from the host
/// first; being shown again costs them a new import.
const MAX_RESIDENT: usize = 64;

/// Where the pixels of a scanout's next frame come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Means {
    /// The slots of a 2D resource.
    Slots,
    /// A blob's own pages.
    Direct(BufferId),
    /// The scanout's copy of a blob.
    Shadow(Refused),
    /// What the host's graphics card has drawn.
    Image(BufferId),
    /// The scanout's copy of that, as far as it was read back.
    ReadBack(Refused),
}

/// A buffer that is ready to be presented.
pub(super) struct Presentable {
    pub(super) buffer: BufferId,
    pub(super) way: Way,
    pub(super) reason: Option<Refused>,
    /// What has to be subtracted from the resource's coordinates to get the buffer's.
    pub(super) origin: (u32, u32),
}

impl Gpu {
    /// Where a scanout's pixels come from. Imports a blob at its first use. `None` where there is
    /// nothing to show, or nobody to show it.
    pub(super) fn means(&mut self, index: usize, context: &mut Context<'_>) -> Option<Means> {
        if !self.can_be_seen(index) {
            return None;
        }
        let scanout = self.scanouts.get(index)?;
        let copies = scanout.step.copies();
        let shown = scanout.shown?;
        if let Some(access) = self.access(&shown) {
            return self.means_of_image(&shown, access, context);
        }
        let Shown {
            resource: id,
            blob: layout,
            ..
        } = shown;
        let resource = self.resources.get_mut(id).ok()?;
        match (resource.parts(), layout) {
            ((Kind::Picture(_), _), _) => Some(Means::Slots),
            ((Kind::Blob(blob), Some(backing)), Some(layout)) => {
                let imports = &mut self.imports;
                match import_blob(blob, id, backing, layout, imports, context.display) {
                    Ok(_) if copies => Some(Means::Shadow(Refused::OutOfStep)),
                    Ok(buffer) => Some(Means::Direct(buffer)),
                    Err(refused) => Some(Means::Shadow(refused)),
                }
            }
            ((Kind::Blob(_) | Kind::Host(_), _), _) => None,
        }
    }

    fn means_of_image(
        &mut self,
        shown: &Shown,
        access: Access,
        context: &mut Context<'_>,
    ) -> Option<Means> {
        if access == Access::InPlace
            && let Some(buffer) = self.import_image(shown, context)
        {
            return Some(Means::Image(buffer));
        }
        match self.access(shown)? {
            Access::Copy(refused) => Some(Means::ReadBack(refused)),
            Access::Unknown | Access::InPlace | Access::Nothing(_) => None,
        }
    }

    /// The current slot of the 2D resource that a scanout shows, held for the host.
    pub(super) fn picture_slot(
        &mut self,
        index: usize,
        context: &mut Context<'_>,
    ) -> Option<Presentable> {
        let scanout = self.scanouts.get_mut(index)?;
        let id = scanout.shown?.resource;
        let Kind::Picture(picture) = &mut self.resources.get_mut(id).ok()?.kind else {
            return None;
        };
        let slots = picture.picture.slots_mut()?;
        let (imports, quota) = (&mut self.imports, &mut self.quota);
        let slot = hold_slot(slots, Owner::Picture(id), imports, quota, context.display)?;
        let copied = std::mem::take(&mut picture.copied);
        scanout.counters.bytes_copied = scanout.counters.bytes_copied.saturating_add(copied);
        let (way, reason) = if slot.dma_buf {
            (Way::DmaBuf, None)
        } else {
            (Way::Shared, slots.refused())
        };
        Some(Presentable {
            buffer: slot.id,
            way,
            reason,
            origin: (0, 0),
        })
    }

    /// The current slot of a scanout's shadow, held for the host.
    pub(super) fn shadow_slot(
        &mut self,
        index: usize,
        reason: Refused,
        context: &mut Context<'_>,
    ) -> Option<Presentable> {
        let scanout = self.scanouts.get_mut(index)?;
        let source = scanout.shown?.source;
        let slots = &mut scanout.shadow.as_mut()?.slots;
        let (imports, quota) = (&mut self.imports, &mut self.quota);
        let slot = hold_slot(slots, Owner::Shadow(index), imports, quota, context.display)?;
        Some(Presentable {
            buffer: slot.id,
            way: Way::Copied,
            reason: Some(reason),
            origin: (source.x, source.y),
        })
    }

    /// Marks a resource as the last shown one, and takes others back from the host if it knows too
    /// many.
    pub(super) fn make_resident(&mut self, resource_id: u32, context: &mut Context<'_>) {
        self.residents.retain(|id| *id != resource_id);
        self.residents.push(resource_id);
        if self.residents.len() <= MAX_RESIDENT {
            return;
        }
        let unused = self
            .residents
            .iter()
            .position(|id| (0..self.scanouts.len()).all(|index| !self.shows(index, *id)));
        let Some(unused) = unused else { return };
        let id = self.residents.remove(unused);
        self.take_back(id, context);
    }

    /// Takes a resource's memory back from the host. What is on the screen stays there.
    pub(super) fn take_back(&mut self, resource_id: u32, context: &mut Context<'_>) {
        let Ok(resource) = self.resources.get_mut(resource_id) else {
            return;
        };
        for buffer in resource.buffers() {
            self.imports.forget(context.display, buffer);
        }
        match &mut resource.kind {
            Kind::Blob(blob) => {
                blob.views.clear();
                blob.dma_buf = None;
            }
            Kind::Host(host) => host.views.clear(),
            Kind::Picture(picture) => {
                let before = picture.picture.bytes();
                if let Err(error) = picture.picture.unshare() {
                    debug!(resource_id, %error, "no memory to put a resource away");
                }
                let after = picture.picture.bytes();
                self.quota.give_bytes(before.saturating_sub(after));
            }
        }
    }
}

/// The host's name for a blob in a layout: imported once, refused once.
fn import_blob(
    blob: &mut Blob,
    id: u32,
    backing: &Backing,
    layout: PixelLayout,
    imports: &mut Imports,
    display: &mut dyn Display,
) -> Result<BufferId, Refused> {
    if let Some(view) = blob.view(layout) {
        return view.imported;
    }
    let imported = match imports.refusal(layout) {
        Some(refused) => Err(refused),
        None => dma_buf_of(blob, backing, layout, imports).and_then(|(fd, layout)| {
            imports.import(display, Owner::Blob(id), layout, PixelMemory::DmaBuf(fd))
        }),
    };
    if let Err(refused) = imported {
        debug!(id, reason = %refused, "a blob can't be shown in place; copying it");
    }
    if blob.views.len() >= MAX_VIEWS {
        let oldest = blob.views.remove(0);
        if let Ok(buffer) = oldest.imported {
            imports.forget(display, buffer);
        }
    }
    blob.views.push(View { layout, imported });
    imported
}

/// A blob's pages as a dma-buf, and how its pixels lie in that. Some display drivers take no pixels
/// that begin elsewhere than the dma-buf does; so a picture further behind in its blob gets a dma-buf
/// of its own, where it begins with a page.
fn dma_buf_of(
    blob: &mut Blob,
    backing: &Backing,
    layout: PixelLayout,
    imports: &Imports,
) -> Result<(Arc<OwnedFd>, PixelLayout), Refused> {
    let (start, size) = (u64::from(layout.offset), blob.size);
    let make = |start| backing.with_pieces(start..size, |pieces| imports.dma_buf(pieces));
    if start != 0 && start.is_multiple_of(page_size()) {
        return Ok((
            make(start)?,
            PixelLayout {
                offset: 0,
                ..layout
            },
        ));
    }
    let whole = blob.dma_buf.get_or_insert_with(|| make(0));
    Ok((whole.clone()?, layout))
}

/// Holds the current slot for the host: imports it if it is new, and makes sure that another one
/// stays free for the guest. `None` if that has to wait for the host.
fn hold_slot(
    slots: &mut Slots,
    owner: Owner,
    imports: &mut Imports,
    quota: &mut Quota,
    display: &mut dyn Display,
) -> Option<SlotBuffer> {
    if !slots.may_hold() {
        if !slots.may_grow() {
            return None;
        }
        let bytes = slots.slot_bytes();
        quota.take_bytes(bytes).ok()?;
        if let Err(error) = slots.grow() {
            debug!(?owner, %error, "no memory for another slot");
            quota.give_bytes(bytes);
            return None;
        }
    }
    let buffer = imports.import_slot(display, owner, slots)?;
    slots.hold();
    Some(buffer)
}
