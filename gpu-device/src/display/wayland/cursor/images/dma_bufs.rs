//! Pointer images in dma-bufs, which a display controller reads as they are.
//!
//! Each slot is a dma-buf of its own and one `wl_buffer` for good, so that the host imports it once.
//! It has the largest image's size, and nothing but transparent pixels beside a smaller one:
//! rows have a length then that every controller takes.

use std::{io, os::fd::AsFd};

use protocols::virtio_gpu::{CURSOR_SIZE, Format};
use thiserror::Error;
use wayland_client::{QueueHandle, protocol::wl_buffer::WlBuffer};
use wayland_protocols::wp::linux_dmabuf::zv1::client::{
    zwp_linux_buffer_params_v1::{Flags, ZwpLinuxBufferParamsV1},
    zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1,
};

use super::{
    super::super::{State, formats::LINEAR, objects::Handle, window::pixels},
    Image, PIXEL, SLOT, SLOTS, Written,
};
use crate::{
    display::{CursorImage, Refused},
    memory::{DmaBufMaker, SharedMemory},
};

/// Bytes from one row to the next.
const STRIDE: u32 = CURSOR_SIZE * PIXEL;

/// What an image is; the first that every compositor and every plane for pointers takes.
pub(super) const FORMAT: Format = Format::Bgra8888;

/// Why there is no memory.
#[derive(Debug, Error)]
pub(super) enum NoMemory {
    #[error("{0}")]
    Memory(#[from] io::Error),
    #[error("{0}")]
    DmaBuf(#[from] Refused),
}

#[derive(Debug)]
pub(in super::super) struct DmaBufs {
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    memory: SharedMemory,
    buffer: Handle,
    held: bool,
}

impl DmaBufs {
    /// Asks the host to take the memory; its answers come later.
    pub(super) fn new(
        maker: &dyn DmaBufMaker,
        factory: &ZwpLinuxDmabufV1,
        handle: &QueueHandle<State>,
    ) -> Result<Self, NoMemory> {
        let mut slots = Vec::new();
        for _ in 0..SLOTS {
            let memory = SharedMemory::new(SLOT.into())?;
            let dma_buf = maker.make(&[memory.piece()?])?;
            let params = factory.create_params(handle, Image);
            // The modifier travels in two halves, and linear is zero in both.
            const { assert!(LINEAR == 0) };
            params.add(dma_buf.as_fd(), 0, 0, STRIDE, 0, 0);
            let side = pixels(CURSOR_SIZE);
            params.create(side, side, FORMAT.drm_fourcc(), Flags::empty());
            slots.push(Slot {
                memory,
                buffer: Handle::Deciding(params),
                held: false,
            });
        }
        Ok(Self { slots })
    }

    pub(super) fn write(&mut self, image: &CursorImage) -> io::Result<Option<Written>> {
        let free = self.slots.iter_mut().filter(|slot| !slot.held);
        let mut ready = free.filter_map(|slot| match &slot.buffer {
            Handle::Made(buffer) => Some((buffer.clone(), &slot.memory, &mut slot.held)),
            Handle::Deciding(_) => None,
        });
        let Some((buffer, memory, held)) = ready.next() else {
            return Ok(None);
        };
        let bytes = padded(image);
        let target = memory.slice(0, bytes.len());
        target
            .ok_or(io::ErrorKind::UnexpectedEof)?
            .copy_from(&bytes);
        *held = true;
        Ok(Some(Written {
            buffer,
            width: CURSOR_SIZE,
            height: CURSOR_SIZE,
        }))
    }

    pub(super) fn released(&mut self, buffer: &WlBuffer) {
        let is_it = |slot: &&mut Slot| matches!(&slot.buffer, Handle::Made(made) if made == buffer);
        if let Some(slot) = self.slots.iter_mut().find(is_it) {
            slot.held = false;
        }
    }

    /// The host has made a buffer. Whether it is one of these.
    pub(super) fn made(&mut self, params: &ZwpLinuxBufferParamsV1, buffer: &WlBuffer) -> bool {
        let slot = self.slots.iter_mut().find(|slot| slot.awaits(params));
        slot.map(|slot| slot.buffer = Handle::Made(buffer.clone()))
            .is_some()
    }

    /// Whether the host is making one of these buffers with these parameters.
    pub(super) fn awaits(&self, params: &ZwpLinuxBufferParamsV1) -> bool {
        self.slots.iter().any(|slot| slot.awaits(params))
    }
}

impl Slot {
    fn awaits(&self, asked: &ZwpLinuxBufferParamsV1) -> bool {
        matches!(&self.buffer, Handle::Deciding(params) if params == asked)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Parameters live until the host has answered: its answer may carry a new object.
        if let Handle::Made(buffer) = &self.buffer {
            buffer.destroy();
        }
    }
}

/// The image as a slot has it.
fn padded(image: &CursorImage) -> Vec<u8> {
    let length = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut bytes = vec![0; length(SLOT)];
    let row = length(image.width.saturating_mul(PIXEL)).max(1);
    let rows = bytes.chunks_exact_mut(length(STRIDE));
    for (to, from) in rows.zip(image.pixels.chunks_exact(row)) {
        if let Some(to) = to.get_mut(..row) {
            to.copy_from_slice(from);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_image_is_in_the_corner_of_transparent_pixels() {
        let image = CursorImage {
            width: 2,
            height: 3,
            hot_x: 0,
            hot_y: 0,
            pixels: (1..=24).collect(),
        };
        let bytes = padded(&image);
        assert_eq!(bytes.len(), 64 * 64 * 4);
        let (first, third) = (&bytes[..9], &bytes[512..521]);
        assert_eq!(first, [1, 2, 3, 4, 5, 6, 7, 8, 0]);
        assert_eq!(third, [17, 18, 19, 20, 21, 22, 23, 24, 0]);
        assert_eq!(bytes.iter().filter(|byte| **byte != 0).count(), 24);
    }
}
