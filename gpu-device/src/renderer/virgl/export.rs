//! Memory of the host's for others: textures for a compositor, blobs for the guest's CPUs.

use std::{ffi::c_int, os::fd::OwnedFd, ptr, sync::Arc};

use super::{
    Failure, Virgl,
    contexts::number,
    egl::{Exported, owned, planes},
    error::done,
    ffi::{self, ExportQuery, FD_DMABUF, FD_SHM, ResourceInfo, Y_0_TOP},
    formats,
    layout::Layout,
    resources::Kind,
};
use crate::{
    display::{Image, Refused},
    renderer::Mapped,
};

impl Virgl {
    /// A texture's memory as dma-bufs, for a compositor. What is drawn later is in the same memory.
    ///
    /// # Errors
    /// [`Refused::NotExported`] where the driver does not share it.
    pub fn export(&mut self, resource: u32) -> Result<Image, Refused> {
        let layout = *self.texture(resource).map_err(|_| Refused::NotExported)?;
        if !layout.is_shareable() {
            return Err(Refused::NotExported);
        }
        let exported = self
            .export_of_allocator(resource)
            .or_else(|| self.export_of_egl(resource))
            .ok_or(Refused::NotExported)?;
        Ok(image(&layout, exported))
    }

    /// For a library that allocates textures itself (its build option `minigbm_allocation`).
    fn export_of_allocator(&self, resource: u32) -> Option<Exported> {
        let size = u32::try_from(size_of::<ExportQuery>()).ok()?;
        let mut query = ExportQuery {
            stype: ffi::EXPORT_QUERY,
            size,
            in_resource_id: resource,
            in_export_fds: 1,
            out_fds: [-1; 4],
            ..ExportQuery::default()
        };
        // SAFETY: the struct is the header's, of this size, and lives as long as the call.
        let answer = unsafe { (self.functions.execute)(ptr::from_mut(&mut query), size) };
        let count = usize::try_from(query.out_num_fds).ok()?;
        if answer != 0 || !(1..=query.out_fds.len()).contains(&count) || query.out_fourcc == 0 {
            return None;
        }
        let fds = query.out_fds.map(owned);
        let strides = query.out_strides.into_iter().map(u32::cast_signed);
        let offsets = query.out_offsets.into_iter().map(u32::cast_signed);
        Some(Exported {
            fourcc: query.out_fourcc,
            modifier: query.out_modifier,
            planes: planes(fds, strides.zip(offsets).take(count))?,
        })
    }

    /// For textures that OpenGL's driver has allocated.
    fn export_of_egl(&self, resource: u32) -> Option<Exported> {
        let egl = self.egl.as_ref()?;
        // SAFETY: it makes the library's own context current, as it does before most calls.
        unsafe { (self.functions.force_ctx_0)() };
        let mut info = ResourceInfo::default();
        let get_info = self.functions.resource_get_info;
        // SAFETY: the struct has room for all that any version writes. The resource is a picture in
        // colours, which the library insists on.
        let known = unsafe { get_info(number(resource), ptr::from_mut(&mut info)) };
        if known != 0 || info.tex_id == 0 {
            return None;
        }
        egl.export(info.tex_id)
    }

    /// A blob's memory, for others to be mapped.
    ///
    /// # Errors
    /// There is no such blob, it is mapped, it has no memory of the host's, or that can't be shared.
    pub fn map(&mut self, resource: u32) -> Result<Mapped, Failure> {
        let functions = self.functions.clone();
        let (size, mapped) = self.blob(resource)?;
        if *mapped {
            return Err(Failure::State {
                resource,
                state: "is mapped",
            });
        }
        let mut caching = 0;
        let get_map_info = functions.resource_get_map_info;
        // SAFETY: the function writes one number.
        let known = unsafe { get_map_info(resource, ptr::from_mut(&mut caching)) };
        done(known, "map a blob")?;
        let (mut kind, mut fd): (u32, c_int) = (0, -1);
        let export = functions.resource_export_blob;
        // SAFETY: the function writes two numbers.
        let answer = unsafe { export(resource, ptr::from_mut(&mut kind), ptr::from_mut(&mut fd)) };
        done(answer, "share a blob")?;
        let fd: OwnedFd = owned(fd).ok_or(Failure::OutOfMemory)?;
        if !matches!(kind, FD_DMABUF | FD_SHM) {
            // An opaque descriptor of Vulkan's, which only Vulkan can map.
            return Err(Failure::State {
                resource,
                state: "is in memory that can't be mapped",
            });
        }
        *mapped = true;
        Ok(Mapped {
            fd: Arc::new(fd),
            size,
            caching: caching & 0xf,
        })
    }

    /// Takes note that a blob is not mapped any more.
    ///
    /// # Errors
    /// There is no such blob, or it is not mapped.
    pub fn unmap(&mut self, resource: u32) -> Result<(), Failure> {
        let (_, mapped) = self.blob(resource)?;
        if !std::mem::take(mapped) {
            return Err(Failure::State {
                resource,
                state: "is not mapped",
            });
        }
        Ok(())
    }

    /// A blob that has memory of the host's: its size, and whether it is mapped.
    fn blob(&mut self, resource: u32) -> Result<(u64, &mut bool), Failure> {
        let known = self.resources.get_mut(&resource);
        match &mut known.ok_or(Failure::NoResource(resource))?.kind {
            Kind::Blob {
                size,
                host: true,
                mapped,
            } => Ok((*size, mapped)),
            _ => Err(Failure::State {
                resource,
                state: "has no memory of the host's to be mapped",
            }),
        }
    }
}

fn image(layout: &Layout, exported: Exported) -> Image {
    let texture = layout.texture();
    let opaque = formats::shown(texture.format).is_some_and(|format| !format.has_alpha());
    Image {
        width: texture.width,
        height: texture.height,
        fourcc: match opaque {
            true => without_alpha(exported.fourcc),
            false => exported.fourcc,
        },
        modifier: exported.modifier,
        bottom_up: texture.flags & Y_0_TOP != 0,
        planes: exported.planes,
    }
}

/// A texture without alpha may be in memory with alpha, which holds what the guest left there: DRM's
/// code of the same bytes without, with an X for the A.
fn without_alpha(fourcc: u32) -> u32 {
    u32::from_le_bytes(match fourcc.to_le_bytes() {
        [b'A', b, c, d] => [b'X', b, c, d],
        [a @ (b'R' | b'B'), b'A', c, d] => [a, b'X', c, d],
        code => code,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_without_alpha_is_shared_without() {
        let code = |text: &[u8; 4]| u32::from_le_bytes(*text);
        let pairs = [
            (b"AR24", b"XR24"),
            (b"AB24", b"XB24"),
            (b"RA24", b"RX24"),
            (b"BA24", b"BX24"),
            (b"XR24", b"XR24"),
            (b"RG16", b"RG16"),
        ];
        for (with, without) in pairs {
            assert_eq!(without_alpha(code(with)), code(without));
        }
    }
}
