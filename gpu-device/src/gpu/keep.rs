//! Pictures that stay although the guest takes back the memory that they are in.
//!
//! A blob is shown from the guest's own pages. A window outlives the guest's driver and what it
//! drew with: a guest that reboots, or destroys what it shows before it shows something else,
//! keeps its last picture. But the guest then uses the pages for something else, and that would be
//! seen. So the host is given a copy before the guest hears that it may go on.
//!
//! The copy is shared memory, which no host refuses, and lives until the host has released it. No
//! frame of the guest's travels that way: it counts neither as one nor as copied bytes.

use protocols::virtio_gpu::{Format, Rect};
use tracing::debug;

use super::{Context, Gpu, imports::Owner, scanouts::Shown, shadow::blob_offset};
use crate::{
    display::{BufferId, Frame, FrameId, PixelLayout, PixelMemory},
    memory::{Backing, SharedMemory},
    renderer::pixels::{
        copy::{self, Canvas, Source},
        slots::{stored_bytes, stride},
    },
};

impl Gpu {
    /// Makes what is on the screen independent of the guest's memory. For when the guest has been
    /// stopped and nobody knows whether the same driver goes on: its pages are as it left them
    /// only now.
    pub fn keep_pictures(&mut self, context: &mut Context<'_>) {
        for index in 0..self.scanouts.len() {
            self.keep_picture(index, context);
        }
    }

    /// The guest is about to get the pages of a resource back.
    pub(super) fn keep_pictures_of(&mut self, resource_id: u32, context: &mut Context<'_>) {
        for index in 0..self.scanouts.len() {
            let Some(scanout) = self.scanouts.get_mut(index) else {
                continue;
            };
            let is_it = |shown: &mut Shown| shown.resource == resource_id;
            let Some(in_place) = scanout.in_place.take_if(is_it) else {
                continue;
            };
            // Another picture that waits for the host's next refresh replaces this one anyway.
            let is_replaced = scanout.pacing.is_waiting()
                && scanout
                    .shown
                    .is_some_and(|shown| shown.resource != resource_id);
            if !is_replaced {
                scanout.in_place = Some(in_place);
                self.keep_picture(index, context);
            }
        }
    }

    /// The host has released a copy.
    pub(super) fn drop_kept(&mut self, buffer: BufferId, context: &mut Context<'_>) {
        if let Some(Owner::Kept(bytes)) = self.imports.owner(buffer) {
            self.quota.give_bytes(bytes);
            self.imports.forget(context.display, buffer);
        }
    }

    fn keep_picture(&mut self, index: usize, context: &mut Context<'_>) {
        let Some(scanout) = self.scanouts.get_mut(index) else {
            return;
        };
        let Some(shown) = scanout.in_place.take() else {
            return;
        };
        let resource = self.resources.get(shown.resource).ok();
        let backing = resource.and_then(|resource| resource.backing());
        let (Some(backing), Some(layout)) = (backing, shown.blob) else {
            return;
        };
        let (width, height) = (shown.source.width, shown.source.height);
        let bytes = stored_bytes(width, height);
        if self.quota.take_bytes(bytes).is_err() {
            debug!(index, "no memory to keep a picture");
            return;
        }
        let copy = copy_of(backing, layout, shown.source, &mut self.row);
        let copy = copy.and_then(|copy| {
            let fd = copy.descriptor().ok()?.into();
            let size = copy.size();
            Some(PixelMemory::Shm { fd, size })
        });
        let layout = PixelLayout {
            width,
            height,
            stride: stride(width),
            offset: 0,
            format: Format::Bgrx8888,
        };
        let imported = copy.and_then(|copy| {
            let owner = Owner::Kept(bytes);
            self.imports
                .import(context.display, owner, layout, copy)
                .ok()
        });
        let Some(buffer) = imported else {
            debug!(index, "a picture can't be kept");
            self.quota.give_bytes(bytes);
            return;
        };
        let whole = Rect::from_size(width, height);
        self.last_frame = FrameId(self.last_frame.0.saturating_add(1));
        let frame = Frame {
            id: self.last_frame,
            buffer,
            source: whole,
            damage: vec![whole],
        };
        context.display.present(scanout.id, frame);
    }
}

/// The shown part of a blob, in memory of our own.
fn copy_of(
    backing: &Backing,
    layout: PixelLayout,
    source: Rect,
    row: &mut Vec<u8>,
) -> Option<SharedMemory> {
    let memory = SharedMemory::new(stored_bytes(source.width, source.height)).ok()?;
    let from = Source {
        backing,
        offset: blob_offset(layout, source, Rect::default()),
        stride: layout.stride,
        format: layout.format,
    };
    let to = Canvas {
        memory: memory.slice(0, usize::try_from(memory.size()).ok()?)?,
        stride: stride(source.width),
    };
    let whole = Rect::from_size(source.width, source.height);
    copy::from_guest(&from, &to, &whole, row).ok()?;
    Some(memory)
}
