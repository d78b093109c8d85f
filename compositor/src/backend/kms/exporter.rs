//! Clients' dma-bufs as framebuffers, without GBM: for cards that nothing but the CPU draws for.
//!
//! smithay's exporter for dumb buffers refuses clients' buffers, its exporter for GBM needs a Mesa
//! that knows the card.

use std::io;

use smithay::{
    backend::{
        allocator::{
            Buffer as _, Format, Fourcc, Modifier, dmabuf::Dmabuf, dumb::DumbBuffer,
            format::get_opaque,
        },
        drm::{
            DrmDeviceFd, Framebuffer,
            dumb::{DumbFramebuffer, framebuffer_from_dumb_buffer},
            exporter::{ExportBuffer, ExportFramebuffer},
        },
    },
    reexports::{
        drm::{
            Device as _, DriverCapability,
            buffer::{Handle, PlanarBuffer},
            control::{Device as _, FbCmd2Flags, framebuffer},
        },
        wayland_server::protocol::wl_buffer::WlBuffer,
    },
    wayland::dmabuf::get_dmabuf,
};
use thiserror::Error;
use tracing::debug;

use super::framebuffers::{Framebuffers, Listed};

/// Why a buffer is no framebuffer.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The card does not take the memory, or not as a framebuffer.
    #[error("Could not {attempt} a buffer of a client: {source}")]
    Client {
        /// What was attempted.
        attempt: &'static str,
        /// What the driver said.
        source: io::Error,
    },
    /// The same of our own memory.
    #[error("Could not make a picture into a framebuffer: {0}")]
    Own(String),
}

/// Makes framebuffers on one card.
#[derive(Debug)]
pub struct Exporter {
    list: Framebuffers,
    /// Whether the card is told modifiers.
    modifiers: bool,
}

impl Exporter {
    /// An exporter that keeps the card's list.
    #[must_use]
    pub fn new(card: &DrmDeviceFd, list: Framebuffers) -> Self {
        Self {
            list,
            modifiers: takes_modifiers(card),
        }
    }

    fn import(
        &self,
        card: &DrmDeviceFd,
        dmabuf: &Dmabuf,
        use_opaque: bool,
    ) -> Result<ClientFramebuffer, ExportError> {
        let failed = |attempt| move |source| ExportError::Client { attempt, source };
        let layout = Layout::of(dmabuf, use_opaque, self.modifiers);
        let mut memory = [None; MAX_PLANES];
        let mut imported = Ok(());
        for (handle, fd) in memory.iter_mut().zip(dmabuf.handles()) {
            imported = card.prime_fd_to_buffer(fd).map(|it| *handle = Some(it));
            if imported.is_err() {
                break;
            }
        }
        let added = imported
            .map_err(failed("give the card the memory of"))
            .and_then(|()| {
                let flags = match self.modifiers {
                    true => FbCmd2Flags::MODIFIERS,
                    false => FbCmd2Flags::empty(),
                };
                card.add_planar_framebuffer(&Imported { layout, memory }, flags)
                    .map_err(failed("make a framebuffer of"))
            });
        // The framebuffer has the memory now. The handles must not stay: the same memory imported
        // again gets the same one, and whichever is closed first would close the other's.
        for (index, handle) in memory.iter().enumerate() {
            // Planes that lie in the same memory have the same one.
            let Some(handle) = handle.filter(|it| !memory[..index].contains(&Some(*it))) else {
                continue;
            };
            if let Err(error) = card.close_buffer(handle) {
                debug!("Could not close a client's memory: {error}");
            }
        }
        Ok(ClientFramebuffer {
            handle: added?,
            format: layout.format(),
            card: card.clone(),
        })
    }
}

fn takes_modifiers(card: &DrmDeviceFd) -> bool {
    let answer = card.get_driver_capability(DriverCapability::AddFB2Modifiers);
    answer.is_ok_and(|answer| answer == 1)
}

impl ExportFramebuffer<DumbBuffer> for Exporter {
    type Framebuffer = OwnFramebuffer;
    type Error = ExportError;

    fn add_framebuffer(
        &self,
        card: &DrmDeviceFd,
        buffer: ExportBuffer<'_, DumbBuffer>,
        use_opaque: bool,
    ) -> Result<Option<OwnFramebuffer>, ExportError> {
        let (kind, size, client) = match buffer {
            ExportBuffer::Allocator(buffer) => {
                let framebuffer = framebuffer_from_dumb_buffer(card, buffer, use_opaque)
                    .map_err(|error| ExportError::Own(error.to_string()))?;
                (Kind::Dumb(framebuffer), buffer.size(), None)
            }
            ExportBuffer::Wayland(buffer) => {
                let Ok(dmabuf) = get_dmabuf(buffer) else {
                    return Ok(None);
                };
                let framebuffer = self.import(card, dmabuf, use_opaque)?;
                (Kind::Client(framebuffer), dmabuf.size(), Some(buffer))
            }
        };
        let size = (size.w.unsigned_abs(), size.h.unsigned_abs());
        let listed = self.list.list(*kind.as_ref(), kind.format(), size, client);
        Ok(Some(OwnFramebuffer {
            kind,
            _listed: listed,
        }))
    }

    fn can_add_framebuffer(&self, buffer: &ExportBuffer<'_, DumbBuffer>) -> bool {
        match buffer {
            ExportBuffer::Allocator(_) => true,
            ExportBuffer::Wayland(buffer) => may_export(buffer),
        }
    }
}

/// Whether a client's buffer may become a framebuffer. Memory without a modifier could be laid
/// out in any way; a display controller would show rubbish.
#[must_use]
pub fn may_export(buffer: &WlBuffer) -> bool {
    get_dmabuf(buffer).is_ok_and(|dmabuf| dmabuf.format().modifier != Modifier::Invalid)
}

/// A framebuffer on the card's list.
#[derive(Debug)]
pub struct OwnFramebuffer {
    kind: Kind,
    _listed: Listed,
}

#[derive(Debug)]
enum Kind {
    Dumb(DumbFramebuffer),
    Client(ClientFramebuffer),
}

/// A client's buffer as a framebuffer.
#[derive(Debug)]
struct ClientFramebuffer {
    handle: framebuffer::Handle,
    format: Format,
    card: DrmDeviceFd,
}

impl Drop for ClientFramebuffer {
    fn drop(&mut self) {
        if let Err(error) = self.card.destroy_framebuffer(self.handle) {
            // Also when the card is gone, and the framebuffer with it.
            debug!("Could not remove a framebuffer: {error}");
        }
    }
}

impl AsRef<framebuffer::Handle> for Kind {
    fn as_ref(&self) -> &framebuffer::Handle {
        match self {
            Self::Dumb(framebuffer) => framebuffer.as_ref(),
            Self::Client(framebuffer) => &framebuffer.handle,
        }
    }
}

impl Kind {
    fn format(&self) -> Format {
        match self {
            Self::Dumb(framebuffer) => framebuffer.format(),
            Self::Client(framebuffer) => framebuffer.format,
        }
    }
}

impl AsRef<framebuffer::Handle> for OwnFramebuffer {
    fn as_ref(&self) -> &framebuffer::Handle {
        self.kind.as_ref()
    }
}

impl Framebuffer for OwnFramebuffer {
    fn format(&self) -> Format {
        self.kind.format()
    }
}

/// What a framebuffer can have of them.
const MAX_PLANES: usize = 4;

/// How a dma-buf is laid out, as the card is told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    size: (u32, u32),
    code: Fourcc,
    modifier: Option<Modifier>,
    pitches: [u32; MAX_PLANES],
    offsets: [u32; MAX_PLANES],
}

impl Layout {
    fn of(dmabuf: &Dmabuf, use_opaque: bool, modifiers: bool) -> Self {
        let Format { code, modifier } = dmabuf.format();
        // The lowest plane has nothing below it to shine through, and many can't blend.
        let opaque = get_opaque(code).filter(|_| use_opaque);
        Self {
            size: (dmabuf.width(), dmabuf.height()),
            code: opaque.unwrap_or(code),
            modifier: modifiers.then_some(modifier),
            pitches: of_planes(dmabuf.strides()),
            offsets: of_planes(dmabuf.offsets()),
        }
    }

    /// As planes list it: those of a card without modifiers name none.
    fn format(&self) -> Format {
        Format {
            code: self.code,
            modifier: self.modifier.unwrap_or(Modifier::Invalid),
        }
    }
}

/// A number for each plane, 0 for those that there are not.
fn of_planes(numbers: impl Iterator<Item = u32>) -> [u32; MAX_PLANES] {
    let mut planes = [0; MAX_PLANES];
    for (plane, number) in planes.iter_mut().zip(numbers) {
        *plane = number;
    }
    planes
}

struct Imported {
    layout: Layout,
    memory: [Option<Handle>; MAX_PLANES],
}

impl PlanarBuffer for Imported {
    fn size(&self) -> (u32, u32) {
        self.layout.size
    }

    fn format(&self) -> Fourcc {
        self.layout.code
    }

    fn modifier(&self) -> Option<Modifier> {
        self.layout.modifier
    }

    fn pitches(&self) -> [u32; 4] {
        self.layout.pitches
    }

    fn handles(&self) -> [Option<Handle>; 4] {
        self.memory
    }

    fn offsets(&self) -> [u32; 4] {
        self.layout.offsets
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use smithay::backend::allocator::dmabuf::DmabufFlags;

    use super::*;

    /// With so many planes in one memory, page after page.
    fn dmabuf(code: Fourcc, planes: u32) -> Dmabuf {
        let mut builder = Dmabuf::builder((640, 480), code, Modifier::Linear, DmabufFlags::empty());
        for plane in 0..planes {
            let fd = File::open("/dev/null").unwrap().into();
            assert!(builder.add_plane(fd, plane, 64 + 4096 * plane, 2560 >> plane));
        }
        builder.build().unwrap()
    }

    #[test]
    fn the_card_is_told_the_layout_of_the_memory() {
        let layout = Layout::of(&dmabuf(Fourcc::Xrgb8888, 1), false, true);
        assert_eq!(layout.size, (640, 480));
        assert_eq!(layout.pitches, [2560, 0, 0, 0]);
        assert_eq!(layout.offsets, [64, 0, 0, 0]);
        assert_eq!(layout.format(), dmabuf(Fourcc::Xrgb8888, 1).format());
    }

    #[test]
    fn the_card_is_told_of_all_planes() {
        let layout = Layout::of(&dmabuf(Fourcc::Xrgb8888, 2), false, true);
        assert_eq!(layout.pitches, [2560, 1280, 0, 0]);
        assert_eq!(layout.offsets, [64, 4160, 0, 0]);
    }

    #[test]
    fn on_the_lowest_plane_nothing_shines_through() {
        let layout = |opaque| Layout::of(&dmabuf(Fourcc::Argb8888, 1), opaque, true);
        assert_eq!(layout(true).code, Fourcc::Xrgb8888);
        assert_eq!(layout(false).code, Fourcc::Argb8888);
    }

    #[test]
    fn a_card_without_modifiers_is_told_none() {
        let layout = Layout::of(&dmabuf(Fourcc::Xrgb8888, 1), false, false);
        assert_eq!(layout.modifier, None);
        assert_eq!(layout.format().modifier, Modifier::Invalid);
    }
}
