//! Copies between textures and memory: the guest's, and ours that a screen is shown from.

use std::{ffi::c_int, ptr};

use protocols::virtio_gpu::{Box3d, Rect};
use vm_memory::VolatileSlice;

use super::{
    Failure, Virgl,
    error::done,
    ffi::{Cuboid, Iovec},
    formats,
    layout::Layout,
    resources::Kind,
};
use crate::renderer::{
    Transfer,
    pixels::convert::{PIXEL, is_stored_as_is, to_bgra},
};

impl Virgl {
    /// TRANSFER_TO_HOST_3D: from the backing into the texture.
    ///
    /// # Errors
    /// Something does not exist, or the part is not in the texture or not in the backing.
    pub fn transfer_to_host(&mut self, transfer: &Transfer) -> Result<(), Failure> {
        self.check_transfer(transfer)?;
        let mut part = Cuboid::from(&transfer.part);
        let write = self.functions.transfer_write_iov;
        // SAFETY: the box lives as long as the call. The memory is the resource's backing, which is
        // attached as long as it is in `resources`, and large enough.
        let written = unsafe {
            write(
                transfer.resource,
                transfer.context,
                transfer.level.cast_signed(),
                transfer.stride,
                transfer.layer_stride,
                ptr::from_mut(&mut part),
                transfer.offset,
                ptr::null_mut(),
                0,
            )
        };
        done(written, "copy to a texture")
    }

    /// TRANSFER_FROM_HOST_3D: from the texture into the backing. Waits for what is drawn into it.
    ///
    /// # Errors
    /// As [`Self::transfer_to_host`].
    pub fn transfer_from_host(&mut self, transfer: &Transfer) -> Result<(), Failure> {
        self.check_transfer(transfer)?;
        // SAFETY: the memory is the resource's backing, which is attached as long as it is in
        // `resources`, and large enough.
        unsafe { self.read(transfer, ptr::null_mut()) }
    }

    /// Copies a part of a texture as B, G, R, A, the top row first: row 0 of the part to `offset` of
    /// `memory`, the next one `stride` bytes further. Waits for what is drawn into the texture.
    ///
    /// # Errors
    /// There is no such texture, its pixels are none that a screen shows, or the part is not in the
    /// texture or not in the memory.
    pub fn read_back(
        &mut self,
        resource: u32,
        part: Rect,
        memory: &VolatileSlice<'_>,
        offset: u64,
        stride: u32,
    ) -> Result<(), Failure> {
        const BEYOND: Failure = Failure::Invalid("Pixels don't fit in the memory for them");
        let layout = self.texture(resource)?;
        let format = formats::shown(layout.texture().format);
        let format = format.filter(|_| layout.is_picture());
        let format = format.ok_or(Failure::Invalid("A screen can't show such a texture"))?;
        if part.is_empty() {
            return Ok(());
        }
        let transfer = Transfer {
            context: 0,
            resource,
            part: Box3d {
                x: part.x,
                y: part.y,
                z: 0,
                width: part.width,
                height: part.height,
                depth: 1,
            },
            offset: 0,
            level: 0,
            stride,
            layer_stride: 0,
        };
        let rows = rows(part, stride).filter(|_| stride > 0 && stride.is_multiple_of(PIXEL));
        let length = rows.ok_or(BEYOND)?;
        let offset = usize::try_from(offset).map_err(|_| BEYOND)?;
        let target = memory.subslice(offset, length).map_err(|_| BEYOND)?;
        let target_bytes = u64::try_from(length).map_err(|_| BEYOND)?;
        layout.check(&transfer, target_bytes)?;
        let guard = target.ptr_guard_mut();
        let mut run = Iovec {
            base: guard.as_ptr().cast(),
            len: length,
        };
        // SAFETY: the run lives as long as the call, its memory as long as `memory`; the rows of the
        // part are all in it. Others may read it meanwhile, as they may all of a volatile slice.
        unsafe { self.read(&transfer, ptr::from_mut(&mut run)) }?;
        if !is_stored_as_is(format) {
            let convert = |pixels: &mut [u8]| to_bgra(format, pixels);
            in_rows(&target, part.width, stride, convert).ok_or(BEYOND)?;
        }
        Ok(())
    }

    /// Reads a part of a texture into the memory of a run, or of the backing where that is null.
    ///
    /// # Safety
    /// The transfer must have been checked against that memory.
    unsafe fn read(&self, transfer: &Transfer, run: *mut Iovec) -> Result<(), Failure> {
        let mut part = Cuboid::from(&transfer.part);
        let read = self.functions.transfer_read_iov;
        // SAFETY: the box lives as long as the call, the memory is the caller's promise.
        let result = unsafe {
            read(
                transfer.resource,
                transfer.context,
                transfer.level,
                transfer.stride,
                transfer.layer_stride,
                ptr::from_mut(&mut part),
                transfer.offset,
                run,
                c_int::from(!run.is_null()),
            )
        };
        done(result, "copy from a texture")
    }

    fn check_transfer(&self, transfer: &Transfer) -> Result<(), Failure> {
        if transfer.context != 0 {
            let context = self.contexts.get(&transfer.context);
            let context = context.ok_or(Failure::NoContext(transfer.context))?;
            if !context.attached.contains(&transfer.resource) {
                // The library would give the context up for it.
                return Err(Failure::State {
                    resource: transfer.resource,
                    state: "is not attached to the context",
                });
            }
        }
        let layout = self.texture(transfer.resource)?;
        let known = self.resources.get(&transfer.resource);
        let lent = known.and_then(|known| known.lent.as_ref());
        let lent = lent.ok_or(Failure::State {
            resource: transfer.resource,
            state: "has no backing",
        })?;
        layout.check(transfer, lent.len())
    }

    /// A resource that has a layout.
    pub(super) fn texture(&self, resource: u32) -> Result<&Layout, Failure> {
        let known = self.resources.get(&resource);
        match &known.ok_or(Failure::NoResource(resource))?.kind {
            Kind::Texture(layout) => Ok(layout),
            Kind::Blob { .. } => Err(Failure::State {
                resource,
                state: "is memory without a layout",
            }),
        }
    }
}

impl From<&Box3d> for Cuboid {
    fn from(part: &Box3d) -> Self {
        Self {
            x: part.x,
            y: part.y,
            z: part.z,
            width: part.width,
            height: part.height,
            depth: part.depth,
        }
    }
}

/// Bytes from the first to the last pixel of a part that is not empty.
fn rows(part: Rect, stride: u32) -> Option<usize> {
    let before = u64::from(stride).checked_mul(u64::from(part.height).checked_sub(1)?)?;
    let row = u64::from(part.width).checked_mul(PIXEL.into())?;
    usize::try_from(before.checked_add(row)?).ok()
}

/// Changes the pixels of each row in place; `None` where a row is not in the memory.
fn in_rows(
    memory: &VolatileSlice<'_>,
    width: u32,
    stride: u32,
    mut change: impl FnMut(&mut [u8]),
) -> Option<()> {
    let length = usize::try_from(width.checked_mul(PIXEL)?).ok()?;
    let stride = usize::try_from(stride).ok()?;
    let mut row = vec![0; length];
    let mut start = 0_usize;
    while start < memory.len() {
        let pixels = memory.subslice(start, length).ok()?;
        pixels.copy_to(row.as_mut_slice());
        change(&mut row);
        pixels.copy_from(row.as_slice());
        start = start.checked_add(stride)?;
    }
    Some(())
}
