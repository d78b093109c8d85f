//! Pointer images in shared memory, which every host takes.

use std::{
    fs::File,
    io,
    os::{fd::AsFd, unix::fs::FileExt},
};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use wayland_client::{
    QueueHandle,
    protocol::{wl_buffer::WlBuffer, wl_shm, wl_shm_pool::WlShmPool},
};

use super::{
    super::super::{State, globals::Globals, window::pixels},
    Image, PIXEL, SLOT, SLOTS, Written,
};
use crate::display::CursorImage;

/// One file, in which each slot has its place. Buffers are as large as their images.
#[derive(Debug)]
pub(in super::super) struct Shared {
    file: File,
    pool: WlShmPool,
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    offset: u32,
    held: Option<WlBuffer>,
}

impl Shared {
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

    pub(super) fn write(
        &mut self,
        image: &CursorImage,
        handle: &QueueHandle<State>,
    ) -> io::Result<Option<Written>> {
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
            Image,
        );
        slot.held = Some(buffer.clone());
        Ok(Some(Written {
            buffer,
            width: image.width,
            height: image.height,
        }))
    }

    pub(super) fn released(&mut self, buffer: &WlBuffer) {
        let mut slots = self.slots.iter_mut();
        if let Some(slot) = slots.find(|slot| slot.held.as_ref() == Some(buffer)) {
            slot.held = None;
            buffer.destroy();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for buffer in self.slots.iter().filter_map(|slot| slot.held.as_ref()) {
            buffer.destroy();
        }
        self.pool.destroy();
    }
}
