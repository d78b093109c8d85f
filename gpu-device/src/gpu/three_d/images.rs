//! What the renderer shares with the host: whether it does, and how the host is given it.

use std::sync::Arc;

use protocols::virtio_gpu::{ErrorCode, Format};
use tracing::debug;

use super::{
    Context, Gpu, Purpose, Ticket,
    host::{HostResource, Shared},
};
use crate::{
    display::{BufferId, Image, ImagePlane, PixelLayout, PixelMemory, Refused},
    gpu::{
        imports::Owner,
        ladder::MAX_VIEWS,
        resources::{Kind, Resource, View},
        scanouts::Shown,
    },
    renderer::{Done, Request},
};

/// DRM's code for rows that follow each other, and its code for "not known", which drivers that lay
/// out memory so use too.
const LINEAR: [u64; 2] = [0, 0x00ff_ffff_ffff_ffff];

/// The most planes of an image.
const MAX_PLANES: usize = 4;

/// How the host can be given what the renderer has drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gpu) enum Access {
    /// The renderer has not said yet.
    Unknown,
    /// As it is.
    InPlace,
    /// Only a copy.
    Copy(Refused),
    /// Not at all.
    Nothing(Refused),
}

impl HostResource {
    /// Whether an image can be this resource. The renderer's word is not taken for it: it may be the
    /// guest who speaks.
    pub(super) fn can_be(&self, image: &Image) -> bool {
        let same_size = self
            .size()
            .is_none_or(|size| size == (image.width, image.height));
        same_size && (1..=MAX_PLANES).contains(&image.planes.len())
    }

    /// How its pixels lie in memory that it shares, for what is to be shown of it.
    fn layout(&self, image: &Image, shown: &Shown) -> Result<PixelLayout, Refused> {
        if let Some(layout) = shown.blob {
            return Ok(layout);
        }
        let is_it = |format: &Format| format.drm_fourcc() == image.fourcc;
        let format = Format::ALL.into_iter().find(is_it);
        let plane = image.planes.first().ok_or(Refused::NotExported)?;
        Ok(PixelLayout {
            width: image.width,
            height: image.height,
            stride: plane.stride,
            offset: plane.offset,
            format: format.ok_or(Refused::FormatNotOffered)?.opaque(),
        })
    }
}

impl Gpu {
    /// How the host can be given what a scanout is to show of the renderer's; `None` for the device's
    /// own resources.
    pub(in crate::gpu) fn access(&self, shown: &Shown) -> Option<Access> {
        let resource = self.resources.get(shown.resource).ok()?;
        let Kind::Host(host) = &resource.kind else {
            return None;
        };
        let refused = match &host.shared {
            Shared::NotAsked | Shared::Asked(_) => return Some(Access::Unknown),
            Shared::Known(Ok(image)) => match self.refusal_of_image(host, image, shown) {
                None => return Some(Access::InPlace),
                Some(refused) => refused,
            },
            Shared::Known(Err(refused)) => *refused,
        };
        Some(match host.size() {
            _ if !resource.is_rendered() => Access::Nothing(Refused::RendererLost),
            Some(_) => Access::Copy(refused),
            // A blob's pixels are known to the guest alone.
            None => Access::Nothing(refused),
        })
    }

    /// Asks once for a resource's memory as the host can be given it.
    pub(super) fn ask_for_memory(&mut self, id: u32, context: &mut Context<'_>) {
        let Ok(resource) = self.resources.get(id) else {
            return;
        };
        if !resource.is_rendered()
            || !matches!(&resource.kind, Kind::Host(host) if matches!(host.shared, Shared::NotAsked))
        {
            return;
        }
        let ticket = self.ask(Purpose::Export(id), None, Request::Export(id), context);
        self.set_shared(id, Shared::Asked(ticket));
    }

    /// The renderer has said how the host can be given a resource.
    pub(super) fn on_exported(
        &mut self,
        ticket: Ticket,
        id: u32,
        outcome: Result<Done, ErrorCode>,
    ) {
        let Ok(resource) = self.resources.get(id) else {
            return;
        };
        let Kind::Host(host) = &resource.kind else {
            return;
        };
        // Another resource has its id by now.
        if !matches!(host.shared, Shared::Asked(asked) if asked == ticket) {
            return;
        }
        let known = match outcome {
            Ok(Done::Exported(image)) if host.can_be(&image) => Ok(image),
            Ok(Done::NotExported(refused)) => Err(refused),
            _ => Err(Refused::NotExported),
        };
        if let Err(refused) = &known {
            debug!(id, reason = %refused, "what is drawn has to be copied to be shown");
        }
        self.set_shared(id, Shared::Known(known));
    }

    pub(super) fn is_rendered(&self, id: u32) -> bool {
        let resource = self.resources.get(id);
        resource.is_ok_and(Resource::is_rendered)
    }

    fn set_shared(&mut self, id: u32, shared: Shared) {
        if let Ok(resource) = self.resources.get_mut(id)
            && let Kind::Host(host) = &mut resource.kind
        {
            host.shared = shared;
        }
    }

    /// Why the host can't be given an image, as far as is known.
    pub(super) fn refusal_of_image(
        &self,
        host: &HostResource,
        image: &Image,
        shown: &Shown,
    ) -> Option<Refused> {
        let layout = match host.layout(image, shown) {
            Ok(layout) => layout,
            Err(refused) => return Some(refused),
        };
        let view = host.views.iter().find(|view| view.layout == layout);
        let refused = view.and_then(|view| view.imported.err());
        refused.or_else(|| self.imports.refusal_of_images())
    }

    /// The host's name for what the renderer has drawn: imported once, refused once.
    pub(in crate::gpu) fn import_image(
        &mut self,
        shown: &Shown,
        context: &mut Context<'_>,
    ) -> Option<BufferId> {
        let resource = self.resources.get_mut(shown.resource).ok()?;
        let Kind::Host(host) = &mut resource.kind else {
            return None;
        };
        let Shared::Known(Ok(image)) = &host.shared else {
            return None;
        };
        let image = Arc::clone(image);
        let layout = host.layout(&image, shown).ok()?;
        if let Some(view) = host.views.iter().find(|view| view.layout == layout) {
            return view.imported.ok();
        }
        let owner = Owner::Host(shown.resource);
        let imported = memory_of(image, layout, shown)
            .and_then(|memory| self.imports.import(context.display, owner, layout, memory));
        if let Err(refused) = imported {
            debug!(
                id = shown.resource,
                reason = %refused,
                "what is drawn can't be shown in place; copying it"
            );
        }
        if host.views.len() >= MAX_VIEWS
            && let Ok(buffer) = host.views.remove(0).imported
        {
            self.imports.forget(context.display, buffer);
        }
        host.views.push(View { layout, imported });
        imported.ok()
    }
}

/// The memory of an image: the driver's layout for a texture, the guest's for a blob.
fn memory_of(
    image: Arc<Image>,
    layout: PixelLayout,
    shown: &Shown,
) -> Result<PixelMemory, Refused> {
    if shown.blob.is_none() {
        return Ok(PixelMemory::Image(image));
    }
    let plane = image.planes.first().ok_or(Refused::NotExported)?;
    let fd = plane.fd.try_clone().map_err(|_| Refused::ImportFailed)?;
    if LINEAR.contains(&image.modifier) {
        return Ok(PixelMemory::DmaBuf(Arc::new(fd)));
    }
    Ok(PixelMemory::Image(Arc::new(Image {
        width: layout.width,
        height: layout.height,
        fourcc: layout.format.drm_fourcc(),
        modifier: image.modifier,
        bottom_up: false,
        planes: vec![ImagePlane {
            fd,
            offset: layout.offset,
            stride: layout.stride,
        }],
    })))
}
