//! What only the renderer holds: textures and blobs of host memory, and the commands that fill and use
//! them.

use std::sync::Arc;

use protocols::virtio_gpu::{
    BLOB_FLAG_CROSS_DEVICE, BLOB_FLAG_MAPPABLE, BLOB_FLAG_SHAREABLE, BLOB_MEM_HOST3D,
    BLOB_MEM_HOST3D_GUEST, Command, ErrorCode, MemEntry, Rect,
};

use super::{Context, Gpu, Order, Outcome, Purpose, Ticket};
use crate::{
    display::{Image, Refused},
    gpu::resources::{Kind, Resource, View},
    renderer::{
        BlobOf, Request, Texture, Transfer,
        pixels::slots::MAX_SIDE,
        virgl::{self, Failure},
    },
};

/// `PIPE_TEXTURE_2D` and `PIPE_TEXTURE_RECT`: what a scanout can show.
const PICTURES: [u32; 2] = [2, 5];

/// All flags of blobs.
const BLOB_FLAGS: u32 = BLOB_FLAG_MAPPABLE | BLOB_FLAG_SHAREABLE | BLOB_FLAG_CROSS_DEVICE;

/// A resource that the renderer holds.
#[derive(Debug)]
pub(in crate::gpu) struct HostResource {
    what: What,
    /// The command that made it: an id may be used again.
    born: Ticket,
    /// Its memory as the host can be given it.
    pub(in crate::gpu) shared: Shared,
    /// The layouts in which it was shown.
    pub(in crate::gpu) views: Vec<View>,
    /// Where in the window for host memory it is, in bytes.
    pub(super) mapped_at: Option<u64>,
}

#[derive(Debug)]
enum What {
    Texture(Texture),
    Blob {
        size: u64,
        flags: u32,
        /// Whether the guest's memory is in it, too.
        guest: bool,
    },
}

/// A resource's memory, as the host can be given it.
#[derive(Debug, Clone)]
pub(in crate::gpu) enum Shared {
    /// It was never shown.
    NotAsked,
    /// The renderer has been asked.
    Asked(Ticket),
    /// It is known.
    Known(Result<Arc<Image>, Refused>),
}

impl HostResource {
    fn new(what: What, born: Ticket) -> Box<Self> {
        Box::new(Self {
            what,
            born,
            shared: Shared::NotAsked,
            views: Vec::new(),
            mapped_at: None,
        })
    }

    /// The renderer has died. What it has shared stays readable.
    pub(super) fn renderer_lost(&mut self) {
        if !matches!(self.shared, Shared::Known(Ok(_))) {
            self.shared = Shared::Known(Err(Refused::RendererLost));
        }
    }

    /// How many bytes of the guest's memory have to be behind it, if any are.
    pub(in crate::gpu) fn backing_bytes(&self) -> u64 {
        match self.what {
            What::Blob { size, .. } => size,
            What::Texture(_) => 0,
        }
    }

    /// Width and height of a texture that a scanout can show.
    pub(in crate::gpu) fn size(&self) -> Option<(u32, u32)> {
        let What::Texture(texture) = &self.what else {
            return None;
        };
        let sides = 1..=MAX_SIDE;
        let is_flat = texture.samples <= 1 && texture.depth <= 1 && texture.array_size <= 1;
        let is_picture = is_flat && PICTURES.contains(&texture.target);
        let fits = sides.contains(&texture.width) && sides.contains(&texture.height);
        (is_picture && fits).then_some((texture.width, texture.height))
    }

    /// Whether a rectangle is one of its pixels; whatever is, for a blob.
    pub(in crate::gpu) fn contains(&self, rect: &Rect) -> bool {
        match &self.what {
            What::Texture(texture) => Rect::from_size(texture.width, texture.height).contains(rect),
            What::Blob { .. } => true,
        }
    }

    /// Bytes of a blob; `None` for a texture.
    pub(in crate::gpu) fn blob_size(&self) -> Option<u64> {
        match self.what {
            What::Blob { size, .. } => Some(size),
            What::Texture(_) => None,
        }
    }

    /// Bytes of a blob that may be mapped for the guest's CPUs.
    pub(super) fn mappable(&self) -> Option<u64> {
        match self.what {
            What::Blob { size, flags, .. } if flags & BLOB_FLAG_MAPPABLE != 0 => Some(size),
            What::Blob { .. } | What::Texture(_) => None,
        }
    }

    #[cfg(test)]
    pub(in crate::gpu) fn is_mapped_at(&self, offset: u64) -> bool {
        self.mapped_at == Some(offset)
    }

    /// Whether the guest's memory may be behind it.
    pub(in crate::gpu) fn takes_backing(&self) -> bool {
        matches!(self.what, What::Texture(_) | What::Blob { guest: true, .. })
    }
}

/// Bytes that a texture takes, with its mipmaps: each has at most a quarter of the pixels of the one
/// before. What the host's driver adds nobody knows.
fn texture_bytes(texture: &Texture) -> Result<u64, ErrorCode> {
    let largest = virgl::texture_bytes(texture).map_err(Failure::code)?;
    Ok(match texture.last_level {
        0 => largest,
        _ => largest.saturating_add(largest / 3),
    })
}

impl Gpu {
    /// RESOURCE_CREATE_3D.
    pub(super) fn create_texture(
        &mut self,
        order: Order,
        command: &Command,
        context: &mut Context<'_>,
    ) -> Result<Outcome, ErrorCode> {
        let Command::ResourceCreate3d {
            resource_id: id,
            target,
            format,
            bind,
            width,
            height,
            depth,
            array_size,
            last_level,
            nr_samples: samples,
            flags,
        } = *command
        else {
            return Err(ErrorCode::Unspec);
        };
        let texture = Texture {
            target,
            format,
            bind,
            width,
            height,
            depth,
            array_size,
            last_level,
            samples,
            flags,
        };
        self.resources.insert(id, &mut self.quota, |quota| {
            let host = HostResource::new(What::Texture(texture), order.ticket);
            let mut resource = Resource::new(Kind::Host(host));
            resource.renderer_knows(texture_bytes(&texture)?, quota)?;
            Ok(resource)
        })?;
        let request = Request::CreateTexture {
            resource: id,
            texture,
        };
        let purpose = Purpose::MakeResource(id);
        Ok(self.three_d.command(order, purpose, request, context))
    }

    /// RESOURCE_CREATE_BLOB of memory that is the host's, or both sides'.
    pub(in crate::gpu) fn create_host_blob(
        &mut self,
        order: Order,
        id: u32,
        blob: BlobOf,
        entries: Vec<MemEntry>,
        context: &mut Context<'_>,
    ) -> Result<Outcome, ErrorCode> {
        let guest = match blob.memory {
            BLOB_MEM_HOST3D => false,
            BLOB_MEM_HOST3D_GUEST => true,
            _ => return Err(ErrorCode::InvalidParameter),
        };
        if context.renderer.capsets().is_empty() || blob.flags & !BLOB_FLAGS != 0 {
            return Err(ErrorCode::InvalidParameter);
        }
        self.three_d.contexts.check(blob.context)?;
        self.resources.insert(id, &mut self.quota, |quota| {
            let named = entries
                .iter()
                .fold(0, |sum: u64, entry| sum.saturating_add(entry.length.into()));
            let fits = entries.is_empty() || (guest && named >= blob.size);
            if blob.size == 0 || !fits {
                return Err(ErrorCode::InvalidParameter);
            }
            let what = What::Blob {
                size: blob.size,
                flags: blob.flags,
                guest,
            };
            let host = HostResource::new(what, order.ticket);
            let mut resource = Resource::new(Kind::Host(host));
            resource.attach(entries, context.ram, quota)?;
            resource
                .renderer_knows(blob.size, quota)
                .inspect_err(|_| _ = resource.drop_backing(quota))?;
            Ok(resource)
        })?;
        let request = Request::CreateBlob {
            resource: id,
            blob,
            entries: self.resources.get(id)?.entries(),
        };
        let purpose = Purpose::MakeResource(id);
        Ok(self.three_d.command(order, purpose, request, context))
    }

    /// The renderer could not make a resource: there is none.
    pub(super) fn resource_was_not_made(
        &mut self,
        id: u32,
        born: Ticket,
        context: &mut Context<'_>,
    ) {
        let Ok(resource) = self.resources.get_mut(id) else {
            return;
        };
        if matches!(&resource.kind, Kind::Host(host) if host.born == born) {
            resource.renderer_forgets(&mut self.quota);
            self.forget_resource(id, context);
        }
    }

    /// TRANSFER_TO_HOST_3D and TRANSFER_FROM_HOST_3D.
    pub(super) fn transfer_3d(
        &mut self,
        order: Order,
        command: &Command,
        context: &mut Context<'_>,
    ) -> Result<Outcome, ErrorCode> {
        let (Command::TransferToHost3d {
            area: part,
            offset,
            resource_id: resource,
            level,
            stride,
            layer_stride,
        }
        | Command::TransferFromHost3d {
            area: part,
            offset,
            resource_id: resource,
            level,
            stride,
            layer_stride,
        }) = *command
        else {
            return Err(ErrorCode::Unspec);
        };
        let transfer = Transfer {
            context: order.context,
            resource,
            part,
            offset,
            level,
            stride,
            layer_stride,
        };
        if transfer.context != 0 {
            self.three_d.contexts.check(transfer.context)?;
        }
        if !self.resources.get(transfer.resource)?.is_rendered() {
            return Err(ErrorCode::InvalidResourceId);
        }
        let request = match command {
            Command::TransferFromHost3d { .. } => Request::TransferFromHost(transfer),
            _ => Request::TransferToHost(transfer),
        };
        Ok(self
            .three_d
            .command(order, Purpose::Command, request, context))
    }

    /// SUBMIT_3D.
    pub(in crate::gpu) fn try_to_submit(
        &mut self,
        order: Order,
        commands: &[u8],
        context: &mut Context<'_>,
    ) -> Result<Outcome, ErrorCode> {
        self.three_d.contexts.check(order.context)?;
        if !commands.len().is_multiple_of(size_of::<u32>()) {
            return Err(ErrorCode::InvalidParameter);
        }
        let request = Request::Submit {
            context: order.context,
            commands,
        };
        Ok(self
            .three_d
            .command(order, Purpose::Command, request, context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTURE: Texture = Texture {
        target: 2,
        format: 1,
        bind: 2,
        width: 64,
        height: 32,
        depth: 1,
        array_size: 1,
        last_level: 0,
        samples: 0,
        flags: 0,
    };

    #[test]
    fn what_a_texture_takes_is_known_before_it_is_made() {
        assert_eq!(texture_bytes(&TEXTURE), Ok(64 * 32 * 4));
        let smooth = Texture {
            samples: 4,
            last_level: 5,
            ..TEXTURE
        };
        assert_eq!(texture_bytes(&smooth), Ok(64 * 32 * 16 + 64 * 32 * 16 / 3));
        let impossible = Texture {
            width: u32::MAX,
            height: u32::MAX,
            ..TEXTURE
        };
        assert_eq!(texture_bytes(&impossible), Err(ErrorCode::InvalidParameter));
    }

    #[test]
    fn a_scanout_shows_flat_textures_without_samples() {
        let size = |texture| HostResource::new(What::Texture(texture), Ticket(1)).size();
        assert_eq!(size(TEXTURE), Some((64, 32)));
        for wrong in [
            Texture {
                target: 3,
                ..TEXTURE
            },
            Texture {
                samples: 2,
                ..TEXTURE
            },
            Texture {
                array_size: 2,
                ..TEXTURE
            },
            Texture {
                width: 0,
                ..TEXTURE
            },
            Texture {
                height: MAX_SIDE + 1,
                ..TEXTURE
            },
        ] {
            assert_eq!(size(wrong), None, "{wrong:?}");
        }
    }
}
