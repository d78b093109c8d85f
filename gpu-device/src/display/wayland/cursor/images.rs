//! The memory of pointer images.
//!
//! Our own compositor gets dma-bufs where they can be made. A monitor has one plane for a pointer at
//! best; another pointer there (a picture in picture's) can have an ordinary plane, but only out of
//! a dma-buf, and would else drag the pictures below it into composition. Elsewhere a pointer is a
//! sub-surface that is drawn anyway, and shared memory is what every host takes.

mod dma_bufs;
mod shared;

use std::io;

use protocols::virtio_gpu::CURSOR_SIZE;
use tracing::debug;
use wayland_client::{QueueHandle, protocol::wl_buffer::WlBuffer};
use wayland_protocols::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::ZwpLinuxBufferParamsV1;

use self::{dma_bufs::DmaBufs, shared::Shared};
use super::{
    super::{State, globals::Globals},
    Means,
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
pub(super) enum Images {
    Shared(Shared),
    DmaBufs(DmaBufs),
}

/// Marks the objects of pointer images. Whose they are is not noted: there are few.
#[derive(Debug, Clone, Copy)]
pub(super) struct Image;

/// An image that can be attached.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) buffer: WlBuffer,
    /// The buffer's width in pixels; not less than the image's.
    pub(super) width: u32,
    /// Its height, likewise.
    pub(super) height: u32,
}

impl Images {
    /// The best memory that the host takes.
    pub(super) fn new(means: &Means<'_>) -> io::Result<Self> {
        let format = dma_bufs::FORMAT;
        let factory = means.globals.dmabuf.as_ref();
        let factory = factory.filter(|_| means.formats.takes_dmabuf(format));
        let maker = means.dma_bufs.filter(|_| means.link.is_some());
        if let Some((factory, maker)) = factory.zip(maker) {
            match DmaBufs::new(maker, factory, means.handle) {
                Ok(dma_bufs) => return Ok(Self::DmaBufs(dma_bufs)),
                Err(error) => debug!(%error, "a pointer's image can't be a dma-buf"),
            }
        }
        Self::shared(means.globals, means.handle)
    }

    /// Shared memory.
    pub(super) fn shared(globals: &Globals, handle: &QueueHandle<State>) -> io::Result<Self> {
        Shared::new(globals, handle).map(Self::Shared)
    }

    /// A buffer with this image; `None` while all slots are held or the host has not answered yet:
    /// one of the events below will come.
    pub(super) fn write(
        &mut self,
        image: &CursorImage,
        means: &Means<'_>,
    ) -> io::Result<Option<Written>> {
        match self {
            Self::Shared(shared) => shared.write(image, means.handle),
            Self::DmaBufs(dma_bufs) => dma_bufs.write(image),
        }
    }

    /// The host no longer reads a buffer.
    pub(super) fn released(&mut self, buffer: &WlBuffer) {
        match self {
            Self::Shared(shared) => shared.released(buffer),
            Self::DmaBufs(dma_bufs) => dma_bufs.released(buffer),
        }
    }

    /// The host has made a buffer. Whether it is one of these.
    pub(super) fn made(&mut self, params: &ZwpLinuxBufferParamsV1, buffer: &WlBuffer) -> bool {
        match self {
            Self::Shared(_) => false,
            Self::DmaBufs(dma_bufs) => dma_bufs.made(params, buffer),
        }
    }

    /// Whether the host is making one of these buffers with these parameters.
    pub(super) fn awaits(&self, params: &ZwpLinuxBufferParamsV1) -> bool {
        match self {
            Self::Shared(_) => false,
            Self::DmaBufs(dma_bufs) => dma_bufs.awaits(params),
        }
    }
}

/// Whether the pixels are there that the image promises, and fit into a slot.
pub(super) fn is_usable(image: &CursorImage) -> bool {
    let fits = image.width <= CURSOR_SIZE && image.height <= CURSOR_SIZE;
    let bytes = u64::from(image.width) * u64::from(image.height) * u64::from(PIXEL);
    fits && bytes != 0 && u64::try_from(image.pixels.len()) == Ok(bytes)
}
