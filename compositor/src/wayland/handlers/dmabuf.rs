//! `zwp_linux_dmabuf_v1`: which memory of clients is taken.
//!
//! smithay checks that the memory is long enough for its stride and height, but takes a stride
//! that is shorter than a row and modifiers that were never offered. Layouts of a graphics card's own
//! are the card's driver to check, which reads them where there is a card that draws; software reads
//! linear memory only.

use std::os::fd::AsFd;

use rustix::fs::{SealFlags, fcntl_get_seals, fstatfs};
use smithay::{
    backend::allocator::{Buffer, Modifier, dmabuf::Dmabuf, format::get_bpp},
    delegate_dmabuf,
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    wayland::dmabuf::{DmabufFeedback, DmabufGlobal, DmabufHandler, DmabufState, ImportNotifier},
};
use thiserror::Error;
use tracing::{debug, warn};

use crate::{backend::Backend, render::RenderError, state::State};

/// Why a client's memory is not taken.
#[derive(Debug, Error)]
enum Refusal {
    #[error("its modifier {0:?} was not offered")]
    Modifier(Modifier),
    #[error("it has {0} planes instead of 1")]
    Planes(usize),
    #[error("it is no dma-buf, but has the layout of a graphics card")]
    NoCards,
    #[error("its format {0} has no size per pixel")]
    Format(smithay::backend::allocator::Fourcc),
    #[error("its stride {stride} is shorter than a row of {width} pixels")]
    Stride { stride: u32, width: u32 },
    #[error("it is a memfd that can shrink while it is read")]
    Unsealed,
    #[error("it is a file that can shrink while it is read")]
    File,
    #[error(transparent)]
    Renderer(#[from] RenderError),
}

/// The type of the file system that dma-bufs are on, as `linux/magic.h` has it.
const DMA_BUF_MAGIC: i64 = 0x444d_4142;

impl DmabufHandler for State {
    fn dmabuf_state(&mut self) -> &mut DmabufState {
        &mut self.protocols.dmabuf
    }

    fn dmabuf_imported(&mut self, _: &DmabufGlobal, dmabuf: Dmabuf, notifier: ImportNotifier) {
        let taken = check(&dmabuf, self.renderer.is_gpu())
            .and_then(|()| Ok(self.renderer.paint().import(&dmabuf)?));
        match taken {
            Ok(()) => {
                if notifier.successful::<Self>().is_err() {
                    debug!("A client went away while its dma-buf was imported");
                }
            }
            Err(refusal) => {
                warn!("Refused a client's dma-buf: {refusal}");
                notifier.failed();
            }
        }
    }

    fn new_surface_feedback(
        &mut self,
        surface: &WlSurface,
        _: &DmabufGlobal,
    ) -> Option<DmabufFeedback> {
        let Backend::Kms(kms) = &self.backend else {
            return None;
        };
        // Clients ask before they show anything. What they hear then may change with the first
        // frame, but most allocate by the first word.
        let output = self.windows.output(&self.toplevel_of(surface.clone()));
        let output = output.or_else(|| self.outputs.first())?;
        kms.feedback(output).cloned()
    }
}

fn check(dmabuf: &Dmabuf, gpu: bool) -> Result<(), Refusal> {
    let format = dmabuf.format();
    match format.modifier {
        Modifier::Linear => {}
        Modifier::Invalid => return Err(Refusal::Modifier(format.modifier)),
        // What was not offered of these, the driver does not import.
        _ if gpu && dmabuf.handles().all(is_dma_buf) => return Ok(()),
        _ if gpu => return Err(Refusal::NoCards),
        other => return Err(Refusal::Modifier(other)),
    }
    if dmabuf.num_planes() != 1 {
        return Err(Refusal::Planes(dmabuf.num_planes()));
    }
    let bits = get_bpp(format.code).ok_or(Refusal::Format(format.code))?;
    let bytes = u64::try_from(bits.div_ceil(8)).unwrap_or(u64::MAX);
    let width = dmabuf.width();
    for (handle, stride) in dmabuf.handles().zip(dmabuf.strides()) {
        if u64::from(stride) < u64::from(width).saturating_mul(bytes) {
            return Err(Refusal::Stride { stride, width });
        }
        // Software renderers take a memfd, and any other file, for a dma-buf. Reading beyond the end
        // of one that its owner has cut off meanwhile kills this process; a real dma-buf can't be
        // cut off and has no seals to ask for.
        match fcntl_get_seals(handle.as_fd()) {
            Ok(seals) if seals.contains(SealFlags::SHRINK) => {}
            Ok(_) => return Err(Refusal::Unsealed),
            Err(_) if is_dma_buf(handle) => {}
            Err(_) => return Err(Refusal::File),
        }
    }
    Ok(())
}

fn is_dma_buf(memory: impl AsFd) -> bool {
    fstatfs(memory).is_ok_and(|system| system.f_type == DMA_BUF_MAGIC)
}

delegate_dmabuf!(State);
