//! `zwp_linux_dmabuf_v1`: which memory of clients is taken.
//!
//! smithay checks that the memory is long enough for its stride and height, but takes a stride
//! that is shorter than a row and modifiers that were never offered.

use std::os::fd::AsFd;

use rustix::fs::{SealFlags, fcntl_get_seals};
use smithay::{
    backend::allocator::{Buffer, Modifier, dmabuf::Dmabuf, format::get_bpp},
    delegate_dmabuf,
    wayland::dmabuf::{DmabufGlobal, DmabufHandler, DmabufState, ImportNotifier},
};
use thiserror::Error;
use tracing::{debug, warn};

use crate::{render::RenderError, state::State};

/// Why a client's memory is not taken.
#[derive(Debug, Error)]
enum Refusal {
    #[error("its modifier {0:?} is not linear")]
    Modifier(Modifier),
    #[error("it has {0} planes instead of 1")]
    Planes(usize),
    #[error("its format {0} has no size per pixel")]
    Format(smithay::backend::allocator::Fourcc),
    #[error("its stride {stride} is shorter than a row of {width} pixels")]
    Stride { stride: u32, width: u32 },
    #[error("it is a memfd that can shrink while it is read")]
    Unsealed,
    #[error(transparent)]
    Renderer(#[from] RenderError),
}

impl DmabufHandler for State {
    fn dmabuf_state(&mut self) -> &mut DmabufState {
        &mut self.protocols.dmabuf
    }

    fn dmabuf_imported(&mut self, _: &DmabufGlobal, dmabuf: Dmabuf, notifier: ImportNotifier) {
        let taken = check(&dmabuf).and_then(|()| Ok(self.renderer.paint().import(&dmabuf)?));
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
}

fn check(dmabuf: &Dmabuf) -> Result<(), Refusal> {
    let format = dmabuf.format();
    if format.modifier != Modifier::Linear {
        return Err(Refusal::Modifier(format.modifier));
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
        // Software renderers take a memfd for a dma-buf. Reading beyond the end of one that its
        // owner has cut off meanwhile kills this process; a real dma-buf can't be cut off and has
        // no seals to ask for.
        if let Ok(seals) = fcntl_get_seals(handle.as_fd())
            && !seals.contains(SealFlags::SHRINK)
        {
            return Err(Refusal::Unsealed);
        }
    }
    Ok(())
}

delegate_dmabuf!(State);
