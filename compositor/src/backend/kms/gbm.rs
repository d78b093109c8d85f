//! Framebuffers through GBM, for cards whose GPU draws.

use std::io;

use smithay::{
    backend::{
        allocator::{
            Buffer as _, Format,
            gbm::{GbmBuffer, GbmDevice},
        },
        drm::{
            DrmDeviceFd, Framebuffer,
            exporter::{
                ExportBuffer, ExportFramebuffer,
                gbm::{Error as GbmError, GbmFramebufferExporter},
            },
            gbm::GbmFramebuffer,
        },
    },
    reexports::drm::control::framebuffer,
    wayland::dmabuf::get_dmabuf,
};

use super::{
    exporter::may_export,
    framebuffers::{Framebuffers, Listed},
};

/// smithay's exporter, with every framebuffer on the card's list.
///
/// smithay's takes only clients' buffers whose device it knows; a guest's memory has none. Here
/// every one is tried: Mesa imports it with care for what the renderer does with the same memory,
/// and a refusal is remembered.
#[derive(Debug)]
pub struct GbmExporter {
    exporter: GbmFramebufferExporter<DrmDeviceFd>,
    list: Framebuffers,
}

impl GbmExporter {
    /// An exporter that keeps the card's list.
    #[must_use]
    pub fn new(gbm: GbmDevice<DrmDeviceFd>, list: Framebuffers) -> Self {
        Self {
            exporter: GbmFramebufferExporter::new(gbm, None),
            list,
        }
    }
}

/// A framebuffer on the card's list.
#[derive(Debug)]
pub struct ListedFramebuffer {
    framebuffer: GbmFramebuffer,
    _listed: Listed,
}

impl AsRef<framebuffer::Handle> for ListedFramebuffer {
    fn as_ref(&self) -> &framebuffer::Handle {
        self.framebuffer.as_ref()
    }
}

impl Framebuffer for ListedFramebuffer {
    fn format(&self) -> Format {
        self.framebuffer.format()
    }
}

impl ExportFramebuffer<GbmBuffer> for GbmExporter {
    type Framebuffer = ListedFramebuffer;
    type Error = GbmError;

    fn add_framebuffer(
        &self,
        card: &DrmDeviceFd,
        buffer: ExportBuffer<'_, GbmBuffer>,
        use_opaque: bool,
    ) -> Result<Option<ListedFramebuffer>, GbmError> {
        let (size, client) = match &buffer {
            ExportBuffer::Allocator(buffer) => (buffer.size(), None),
            ExportBuffer::Wayland(buffer) => match get_dmabuf(buffer) {
                Ok(dmabuf) => (dmabuf.size(), Some(*buffer)),
                Err(_) => return Ok(None),
            },
        };
        let Some(framebuffer) = self.exporter.add_framebuffer(card, buffer, use_opaque)? else {
            return Ok(None);
        };
        let size = (size.w.unsigned_abs(), size.h.unsigned_abs());
        let listed = self
            .list
            .list(*framebuffer.as_ref(), framebuffer.format(), size, client);
        Ok(Some(ListedFramebuffer {
            framebuffer,
            _listed: listed,
        }))
    }

    fn can_add_framebuffer(&self, buffer: &ExportBuffer<'_, GbmBuffer>) -> bool {
        match buffer {
            ExportBuffer::Allocator(_) => true,
            ExportBuffer::Wayland(buffer) => may_export(buffer),
        }
    }
}

/// Opens GBM on a card.
///
/// # Errors
/// There is no Mesa, or none that knows the card.
pub fn open(card: &DrmDeviceFd) -> io::Result<GbmDevice<DrmDeviceFd>> {
    GbmDevice::new(card.clone())
}
