//! Resources of the device's own that a 3D context uses.
//!
//! A 2D resource's pixels are here, a guest blob's are in the guest. Where a context is to use one,
//! the renderer gets a *twin* of it, with the same backing: from then on what the guest transfers goes
//! to both, so that scanouts and contexts see the same. What a context draws *into* a twin stays with
//! the renderer: what a guest wants to be seen it draws into textures.

use protocols::virtio_gpu::{
    BLOB_FLAG_SHAREABLE, BLOB_MEM_GUEST, Box3d, ErrorCode, Rect, Response,
};

use super::{Context, Gpu, Order, Outcome, Purpose};
use crate::{
    gpu::resources::Kind,
    renderer::{BlobOf, Request, Texture, Transfer, pixels::slots::stored_bytes},
};

/// `PIPE_TEXTURE_2D`.
const TEXTURE_2D: u32 = 2;

/// `VIRGL_BIND_RENDER_TARGET | VIRGL_BIND_SAMPLER_VIEW`.
const BIND: u32 = 1 << 1 | 1 << 3;

impl Gpu {
    /// Makes sure that the renderer knows a resource: makes a twin of one of the device's own.
    pub(super) fn make_rendered(
        &mut self,
        id: u32,
        context: &mut Context<'_>,
    ) -> Result<(), ErrorCode> {
        let resource = self.resources.get_mut(id)?;
        if resource.is_rendered() {
            return Ok(());
        }
        let is_attached = resource.is_attached();
        match &resource.kind {
            // The process that held it is gone.
            Kind::Host(_) => Err(ErrorCode::InvalidResourceId),
            Kind::Picture(picture) => {
                let (width, height) = picture.picture.size();
                let texture = Texture {
                    target: TEXTURE_2D,
                    // Virgl has the same numbers.
                    format: picture.format.into(),
                    bind: BIND,
                    width,
                    height,
                    depth: 1,
                    array_size: 1,
                    last_level: 0,
                    samples: 0,
                    // With `VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP` it would be drawn from upside down.
                    flags: 0,
                };
                resource.renderer_knows(stored_bytes(width, height), &mut self.quota)?;
                let request = Request::CreateTexture {
                    resource: id,
                    texture,
                };
                self.ask(Purpose::Aside, None, request, context);
                if is_attached {
                    self.attach_twin(id, context);
                    let whole = Rect::from_size(width, height);
                    let request = Request::TransferToHost(twin_transfer(id, whole, 0));
                    self.ask(Purpose::Aside, None, request, context);
                }
                Ok(())
            }
            Kind::Blob(blob) => {
                if !is_attached {
                    return Err(ErrorCode::Unspec);
                }
                let blob = BlobOf {
                    context: 0,
                    memory: BLOB_MEM_GUEST,
                    flags: BLOB_FLAG_SHAREABLE,
                    id: 0,
                    size: blob.size,
                };
                resource.renderer_knows(blob.size, &mut self.quota)?;
                let ticket = self.next_ticket();
                let request = Request::CreateBlob {
                    resource: id,
                    blob,
                    entries: self.resources.get(id)?.entries(),
                };
                self.three_d.sent.insert(ticket, Purpose::Aside);
                context.renderer.send(ticket, None, request);
                Ok(())
            }
        }
    }

    /// Gives the renderer the backing of a resource that it knows.
    pub(super) fn attach_twin(&mut self, id: u32, context: &mut Context<'_>) {
        let ticket = self.next_ticket();
        let Ok(resource) = self.resources.get(id) else {
            return;
        };
        let request = Request::AttachBacking {
            resource: id,
            entries: resource.entries(),
        };
        self.three_d.sent.insert(ticket, Purpose::Aside);
        context.renderer.send(ticket, None, request);
    }

    /// A resource has got its backing.
    pub(in crate::gpu) fn also_attach(
        &mut self,
        order: Order,
        id: u32,
        context: &mut Context<'_>,
    ) -> Result<Outcome, ErrorCode> {
        let resource = self.resources.get(id)?;
        if !resource.is_rendered() || !resource.is_attached() {
            return Ok(Outcome::Now(Response::OkNodata));
        }
        let purpose = match resource.kind {
            Kind::Host(_) => Purpose::Command,
            Kind::Picture(_) | Kind::Blob(_) => Purpose::Also,
        };
        let request = Request::AttachBacking {
            resource: id,
            entries: resource.entries(),
        };
        Ok(self.three_d.command(order, purpose, request, context))
    }

    /// Something of the device's own was done to a resource; the renderer does it, too, if it knows
    /// the resource. The guest hears of it only then: it may use its memory for something else.
    pub(in crate::gpu) fn also(
        &mut self,
        order: Order,
        rendered: bool,
        request: Request<'_>,
        context: &mut Context<'_>,
    ) -> Outcome {
        match rendered {
            true => self.three_d.command(order, Purpose::Also, request, context),
            false => Outcome::Now(Response::OkNodata),
        }
    }
}

/// TRANSFER_TO_HOST_2D, for a twin.
pub(in crate::gpu) fn twin_transfer(resource: u32, rect: Rect, offset: u64) -> Transfer {
    Transfer {
        context: 0,
        resource,
        part: Box3d {
            x: rect.x,
            y: rect.y,
            z: 0,
            width: rect.width,
            height: rect.height,
            depth: 1,
        },
        offset,
        level: 0,
        stride: 0,
        layer_stride: 0,
    }
}
