//! What the host knows of our memory: names of buffers, whose they are, and what the host has
//! refused, so that nothing is tried again for each frame.

use std::{
    collections::{HashMap, VecDeque},
    os::fd::OwnedFd,
    sync::Arc,
};

use protocols::virtio_gpu::Format;

use crate::{
    display::{BufferId, Display, PixelLayout, PixelMemory, Refused},
    memory::{DmaBufMaker, Piece},
    renderer::pixels::slots::{SlotBuffer, Slots},
};

/// The most refused layouts that are remembered; the oldest is forgotten, and tried again.
const MAX_REFUSED: usize = 64;

/// Whose memory a buffer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// A 2D resource's.
    Picture(u32),
    /// A blob's own.
    Blob(u32),
    /// The host's own graphics card's, drawn into by the renderer.
    Host(u32),
    /// The copy that a scanout shows in place of a blob.
    Shadow(usize),
    /// A copy of the last picture of a blob that is gone, of so many bytes.
    Kept(u64),
}

/// The buffers that the host knows.
#[derive(Debug)]
pub(super) struct Imports {
    maker: Option<Box<dyn DmaBufMaker>>,
    /// Why there are no dma-bufs at all.
    unavailable: Option<Refused>,
    /// Layouts that the host does not take as dma-bufs. Whether it does depends on format and
    /// stride, hardly on anything else.
    refused: VecDeque<(Format, u32, Refused)>,
    owners: HashMap<BufferId, Owner>,
    last: u64,
}

impl Imports {
    pub(super) fn new(maker: Option<Box<dyn DmaBufMaker>>, turned_off: bool) -> Self {
        let unavailable = match &maker {
            _ if turned_off => Some(Refused::TurnedOff),
            None => Some(Refused::NoUdmabuf),
            Some(_) => None,
        };
        let (refused, owners) = (VecDeque::new(), HashMap::new());
        Self {
            maker,
            unavailable,
            refused,
            owners,
            last: 0,
        }
    }

    /// Why pixels of this layout can't be given to the host as a dma-buf, as far as is known.
    pub(super) fn refusal(&self, layout: PixelLayout) -> Option<Refused> {
        let same = |(format, stride, _): &&(Format, u32, Refused)| {
            (*format, *stride) == (layout.format, layout.stride)
        };
        self.unavailable
            .or_else(|| self.refused.iter().find(same).map(|(_, _, why)| *why))
    }

    /// Why what the renderer draws can't be given to the host, as far as that is known of all of it.
    pub(super) fn refusal_of_images(&self) -> Option<Refused> {
        let all = [Refused::TurnedOff, Refused::NoLinuxDmabuf];
        self.unavailable.filter(|refused| all.contains(refused))
    }

    /// Makes a dma-buf.
    pub(super) fn dma_buf(&self, pieces: &[Piece<'_>]) -> Result<Arc<OwnedFd>, Refused> {
        match (&self.maker, self.unavailable) {
            (_, Some(unavailable)) => Err(unavailable),
            (None, None) => Err(Refused::NoUdmabuf),
            (Some(maker), None) => maker.make(pieces).map(Arc::new),
        }
    }

    /// Makes memory known to the host.
    pub(super) fn import(
        &mut self,
        display: &mut dyn Display,
        owner: Owner,
        layout: PixelLayout,
        memory: PixelMemory,
    ) -> Result<BufferId, Refused> {
        self.last = self.last.saturating_add(1);
        let buffer = BufferId(self.last);
        // Whether an image is taken depends on its modifier, too.
        let linear = matches!(memory, PixelMemory::DmaBuf(_));
        display
            .import(buffer, layout, memory)
            .inspect_err(|refused| {
                if linear {
                    self.remember(layout, *refused);
                }
            })?;
        self.owners.insert(buffer, owner);
        Ok(buffer)
    }

    /// The host's name for a picture's newest slot, as a dma-buf if possible; `None` if the system
    /// has run out of descriptors.
    pub(super) fn import_slot(
        &mut self,
        display: &mut dyn Display,
        owner: Owner,
        slots: &mut Slots,
    ) -> Option<SlotBuffer> {
        if let Some(buffer) = slots.buffer() {
            return Some(buffer);
        }
        let layout = slots.layout();
        let dma_buf = match slots.refused().or_else(|| self.refusal(layout)) {
            Some(refused) => Err(refused),
            None => {
                let piece = slots.memory()?.piece().ok()?;
                self.dma_buf(&[piece])
                    .and_then(|fd| self.import(display, owner, layout, PixelMemory::DmaBuf(fd)))
            }
        };
        let buffer = match dma_buf {
            Ok(id) => SlotBuffer { id, dma_buf: true },
            Err(refused) => {
                slots.refuse(refused);
                let memory = slots.memory()?;
                let fd = Arc::new(memory.descriptor().ok()?);
                let shared = PixelMemory::Shm {
                    fd,
                    size: memory.size(),
                };
                let id = self.import(display, owner, layout, shared).ok()?;
                SlotBuffer { id, dma_buf: false }
            }
        };
        slots.set_buffer(buffer);
        Some(buffer)
    }

    /// Forgets what the host did not take.
    pub(super) fn forget_refusals(&mut self) {
        self.refused.clear();
    }

    /// Remembers that the host does not take pixels of this layout as a dma-buf.
    pub(super) fn remember(&mut self, layout: PixelLayout, refused: Refused) {
        if refused == Refused::NoLinuxDmabuf {
            self.unavailable = Some(refused);
            return;
        }
        if self.refusal(layout).is_none() {
            self.refused
                .push_back((layout.format, layout.stride, refused));
            if self.refused.len() > MAX_REFUSED {
                self.refused.pop_front();
            }
        }
    }

    /// Whose memory a buffer is; `None` for one that was forgotten.
    pub(super) fn owner(&self, buffer: BufferId) -> Option<Owner> {
        self.owners.get(&buffer).copied()
    }

    /// Takes a buffer's name back.
    pub(super) fn forget(&mut self, display: &mut dyn Display, buffer: BufferId) {
        if self.owners.remove(&buffer).is_some() {
            display.forget(buffer);
        }
    }

    /// The host is gone: its names for buffers and what it refused mean nothing any more. Returns
    /// whose the buffers were.
    pub(super) fn host_gone(&mut self) -> impl Iterator<Item = Owner> {
        self.refused.clear();
        if self.unavailable == Some(Refused::NoLinuxDmabuf) {
            self.unavailable = None;
        }
        self.owners.drain().map(|(_, owner)| owner)
    }

    /// Bytes of the copies that keep pictures.
    #[cfg(test)]
    pub(super) fn kept_bytes(&self) -> u64 {
        let kept = self.owners.values().map(|owner| match owner {
            Owner::Kept(bytes) => *bytes,
            _ => 0,
        });
        kept.sum()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.owners.len()
    }
}
