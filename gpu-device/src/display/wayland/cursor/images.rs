//! The memory of pointer images: small enough for shared memory, so that it is never in the way of
//! the guest's pictures.

use std::{
    fs::File,
    io,
    os::{fd::AsFd, unix::fs::FileExt},
};

use protocols::virtio_gpu::CURSOR_SIZE;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use wayland_client::{
    QueueHandle,
    protocol::{wl_buffer::WlBuffer, wl_shm, wl_shm_pool::WlShmPool},
};

use super::super::{
    State,
    globals::Globals,
    window::{Owner, pixels},
};
use crate::display::CursorImage;

/// Bytes of one pixel of the image.
const PIXEL: u32 = 4;

/// Bytes of the largest image.
const SLOT: u32 = CURSOR_SIZE * CURSOR_SIZE * PIXEL;

/// Images in memory: one on the screen, one on its way there.
const SLOTS: u32 = 2;

/// Where the images are. A slot is written again only when the host has released it.
#[derive(Debug)]
pub(super) struct Images {
    file: File,
    pool: WlShmPool,
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    offset: u32,
    held: Option<WlBuffer>,
}

impl Images {
    pub(super) fn new(globals: &Globals, handle: &QueueHandle<State>) -> io::Result<Self> {
        let size = SLOT * SLOTS;
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let fd = memfd_create("lucarne-pointer", flags)?;
        ftruncate(&fd, size.into())?;
        // Spares the host from guarding against a shrinking file.
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::SEAL)?;
        let pool = globals
            .shm
            .create_pool(fd.as_fd(), pixels(size), handle, ());
        let slots = (0..SLOTS)
            .map(|slot| Slot {
                offset: slot * SLOT,
                held: None,
            })
            .collect();
        Ok(Self {
            file: File::from(fd),
            pool,
            slots,
        })
    }

    /// A buffer with this image; `None` while all slots are held: a release will come.
    pub(super) fn write(
        &mut self,
        image: &CursorImage,
        owner: Owner,
        handle: &QueueHandle<State>,
    ) -> io::Result<Option<WlBuffer>> {
        let Some(slot) = self.slots.iter_mut().find(|slot| slot.held.is_none()) else {
            return Ok(None);
        };
        self.file.write_all_at(&image.pixels, slot.offset.into())?;
        let buffer = self.pool.create_buffer(
            pixels(slot.offset),
            pixels(image.width),
            pixels(image.height),
            pixels(image.width * PIXEL),
            wl_shm::Format::Argb8888,
            handle,
            owner,
        );
        slot.held = Some(buffer.clone());
        Ok(Some(buffer))
    }

    pub(super) fn released(&mut self, buffer: &WlBuffer) {
        let mut slots = self.slots.iter_mut();
        if let Some(slot) = slots.find(|slot| slot.held.as_ref() == Some(buffer)) {
            slot.held = None;
            buffer.destroy();
        }
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        for buffer in self.slots.iter().filter_map(|slot| slot.held.as_ref()) {
            buffer.destroy();
        }
        self.pool.destroy();
    }
}

/// Whether the pixels are there that the image promises, and fit into a slot.
pub(super) fn is_usable(image: &CursorImage) -> bool {
    let fits = image.width <= CURSOR_SIZE && image.height <= CURSOR_SIZE;
    let bytes = u64::from(image.width) * u64::from(image.height) * u64::from(PIXEL);
    fits && bytes != 0 && u64::try_from(image.pixels.len()) == Ok(bytes)
}
