//! `wl_buffer`s made from pixel memory: one, or several over the same memory.
//!
//! Owns what the protocol wants of sizes and offsets. When which `wl_buffer` is attached and
//! released is counted in `buffers`.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use protocols::virtio_gpu::Rect;
use wayland_client::{
    QueueHandle,
    protocol::{wl_buffer::WlBuffer, wl_shm, wl_shm_pool::WlShmPool},
};
use wayland_protocols::wp::linux_dmabuf::zv1::client::{
    zwp_linux_buffer_params_v1::{Flags, ZwpLinuxBufferParamsV1},
    zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1,
};

use super::{State, formats::LINEAR};
use crate::display::{Image, PixelLayout, ScanoutId};

/// A buffer of the core, as the host knows it.
#[derive(Debug)]
pub(super) struct Imported {
    pub(super) layout: PixelLayout,
    pub(super) memory: Memory,
    pub(super) objects: Vec<Object>,
}

/// What `wl_buffer`s are made from.
#[derive(Debug)]
pub(super) enum Memory {
    Shm {
        pool: Arc<Pool>,
        format: wl_shm::Format,
    },
    DmaBuf {
        fd: Arc<OwnedFd>,
        size: u64,
        factory: ZwpLinuxDmabufV1,
    },
    /// Laid out as its driver likes: only all of it can be a `wl_buffer`.
    Image {
        image: Arc<Image>,
        fourcc: u32,
        factory: ZwpLinuxDmabufV1,
    },
}

/// One memfd as the host has mapped it, shared by all buffers that lie in it.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) fd: Arc<OwnedFd>,
    pub(super) size: u64,
    pub(super) proxy: WlShmPool,
}

/// One `wl_buffer`.
#[derive(Debug)]
pub(super) struct Object {
    /// The part of the core's buffer that it covers.
    pub(super) part: Rect,
    /// The only scanout that may attach it; none until one has.
    pub(super) scanout: Option<ScanoutId>,
    pub(super) handle: Handle,
    /// Frames that the host has been given and not released.
    pub(super) uses: usize,
}

/// How far the host is with making a `wl_buffer`.
#[derive(Debug)]
pub(super) enum Handle {
    Deciding(ZwpLinuxBufferParamsV1),
    Made(WlBuffer),
}

impl Imported {
    pub(super) fn whole(&self) -> Rect {
        Rect::from_size(self.layout.width, self.layout.height)
    }

    /// Where a part begins in memory, in bytes.
    fn start(&self, part: Rect) -> u64 {
        let stride = u64::from(self.layout.stride);
        let pixel = u64::from(self.layout.format.bytes_per_pixel());
        let rows = u64::from(part.y).saturating_mul(stride);
        u64::from(self.layout.offset)
            .saturating_add(rows)
            .saturating_add(u64::from(part.x) * pixel)
    }

    /// Whether the host lets a buffer have this part. It counts the last row as long as the
    /// others, and ends the connection over a buffer that does not fit.
    fn fits(&self, part: Rect) -> bool {
        let stride = u64::from(self.layout.stride);
        let pixel = u64::from(self.layout.format.bytes_per_pixel());
        let end = self
            .start(part)
            .saturating_add(u64::from(part.height) * stride);
        let size = match &self.memory {
            Memory::Shm { pool, .. } => pool.size,
            Memory::DmaBuf { size, .. } => *size,
            Memory::Image { .. } => return part == self.whole(),
        };
        !part.is_empty() && u64::from(part.width) * pixel <= stride && end <= size
    }

    /// The part itself, or without its last row if that row ends where the memory ends.
    pub(super) fn reachable(&self, part: Rect) -> Rect {
        if self.fits(part) {
            part
        } else {
            Rect {
                height: part.height.saturating_sub(1),
                ..part
            }
        }
    }

    /// Makes a `wl_buffer` of a part; none where that is bound to fail.
    pub(super) fn make(&self, part: Rect, handle: &QueueHandle<State>) -> Option<Object> {
        let layout = &self.layout;
        let width = i32::try_from(part.width).ok()?;
        let height = i32::try_from(part.height).ok()?;
        let stride = i32::try_from(layout.stride).ok()?;
        if !self.fits(part) {
            return None;
        }
        let start = self.start(part);
        let handle = match &self.memory {
            Memory::Shm { pool, format } => {
                let start = i32::try_from(start).ok()?;
                let pool = &pool.proxy;
                Handle::Made(pool.create_buffer(start, width, height, stride, *format, handle, ()))
            }
            Memory::DmaBuf { fd, factory, .. } => {
                let start = u32::try_from(start).ok()?;
                let params = factory.create_params(handle, ());
                // The modifier travels in two halves, and linear is zero in both.
                const { assert!(LINEAR == 0) };
                params.add(fd.as_fd(), 0, start, layout.stride, 0, 0);
                params.create(width, height, layout.format.drm_fourcc(), Flags::empty());
                Handle::Deciding(params)
            }
            Memory::Image {
                image,
                fourcc,
                factory,
            } => {
                let params = factory.create_params(handle, ());
                let [high, low] = halves(image.modifier);
                for (plane, index) in image.planes.iter().zip(0..) {
                    params.add(
                        plane.fd.as_fd(),
                        index,
                        plane.offset,
                        plane.stride,
                        high,
                        low,
                    );
                }
                let flags = match image.bottom_up {
                    true => Flags::YInvert,
                    false => Flags::empty(),
                };
                params.create(width, height, *fourcc, flags);
                Handle::Deciding(params)
            }
        };
        Some(Object {
            part,
            scanout: None,
            handle,
            uses: 0,
        })
    }
}

/// A modifier as it travels.
fn halves(modifier: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = modifier.to_be_bytes();
    [[a, b, c, d], [e, f, g, h]].map(u32::from_be_bytes)
}

impl Object {
    /// Whether a scanout may attach it now. `again` may be attached although the host holds it.
    pub(super) fn can_serve(&self, scanout: ScanoutId, again: Option<&WlBuffer>) -> bool {
        let same = self.scanout.is_none_or(|owner| owner == scanout);
        same && (self.uses == 0 || again.is_some_and(|latest| self.is(latest)))
    }

    /// Covers a part that the scanout no longer shows.
    pub(super) fn is_outdated(&self, scanout: ScanoutId, part: Rect) -> bool {
        self.scanout == Some(scanout) && self.part != part && self.uses == 0
    }

    pub(super) fn is(&self, buffer: &WlBuffer) -> bool {
        matches!(&self.handle, Handle::Made(made) if made == buffer)
    }

    pub(super) fn awaits(&self, asked: &ZwpLinuxBufferParamsV1) -> bool {
        matches!(&self.handle, Handle::Deciding(params) if params == asked)
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // Parameters live until the host has answered: its answer may carry a new object.
        if let Handle::Made(buffer) = &self.handle {
            buffer.destroy();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.proxy.destroy();
    }
}
