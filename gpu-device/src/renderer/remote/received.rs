//! Judges what came of a request, and the descriptors that came with it.
//!
//! They go on to the VMM and to the host's compositor: what a renderer that a guest has taken over
//! could harm those with stops here.

use std::{
    os::fd::{AsRawFd as _, OwnedFd},
    sync::Arc,
};

use protocols::{
    render::{Outcome, Picture},
    virtio_gpu::ErrorCode,
};
use tracing::warn;

use super::{
    super::{Done, Mapped},
    asked::Expects,
};
use crate::display::{Image, ImagePlane, Refused};

/// The largest picture in either direction; no graphics card draws larger ones.
const MAX_SIDE: u32 = 32768;

/// What came of a request; `None` where that can't have come of it.
pub(super) fn judge(
    expects: Expects,
    outcome: Outcome,
    descriptors: Vec<OwnedFd>,
) -> Option<Result<Done, ErrorCode>> {
    let done = match (expects, outcome) {
        (_, Outcome::Failed(code)) => Err(code),
        (Expects::Done, Outcome::Done) => Ok(Done::Nothing),
        (Expects::Picture, Outcome::NotExported) => Ok(Done::NotExported(Refused::NotExported)),
        (Expects::Picture, Outcome::Exported(picture)) => Ok(exported(picture, descriptors)),
        (Expects::Mapping, Outcome::Mapped { size, caching }) => {
            mapped(size, caching, descriptors.into_iter().next()?)
        }
        _ => return None,
    };
    Some(done)
}

fn exported(picture: Picture, descriptors: Vec<OwnedFd>) -> Done {
    let sides = [picture.width, picture.height];
    let possible = sides.iter().all(|side| (1..=MAX_SIDE).contains(side));
    let shared = descriptors
        .iter()
        .all(|fd| matches!(Kind::of(fd), Kind::DmaBuf(_)));
    if !possible || !shared {
        warn!(?picture, "The 3D renderer shares a picture that is none");
        return Done::NotExported(Refused::NotExported);
    }
    let plane = |(fd, plane): (OwnedFd, protocols::render::PicturePlane)| ImagePlane {
        fd,
        offset: plane.offset,
        stride: plane.stride,
    };
    Done::Exported(Arc::new(Image {
        width: picture.width,
        height: picture.height,
        fourcc: picture.fourcc,
        modifier: picture.modifier,
        bottom_up: picture.bottom_up,
        planes: descriptors
            .into_iter()
            .zip(picture.planes)
            .map(plane)
            .collect(),
    }))
}

fn mapped(size: u64, caching: u32, fd: OwnedFd) -> Result<Done, ErrorCode> {
    let there = match Kind::of(&fd) {
        Kind::DmaBuf(size) | Kind::Memory(size) => size,
        Kind::Other => 0,
    };
    if !(1..=3).contains(&caching) || size == 0 || size > there {
        warn!(
            size,
            caching, "The 3D renderer shares a memory that is none"
        );
        return Err(ErrorCode::Unspec);
    }
    Ok(Done::Mapped(Mapped {
        fd: Arc::new(fd),
        size,
        caching,
    }))
}

/// What a descriptor leads to, and how large that is in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    DmaBuf(u64),
    Memory(u64),
    /// Maybe a file whose file system is a program that never answers, so it is asked for nothing.
    Other,
}

impl Kind {
    /// Asks the kernel, and nobody else.
    fn of(fd: &OwnedFd) -> Self {
        // Only shared memory has seals.
        if rustix::fs::fcntl_get_seals(fd).is_ok() {
            let size = rustix::fs::fstat(fd).map(|stat| u64::try_from(stat.st_size).unwrap_or(0));
            return size.map_or(Self::Other, Self::Memory);
        }
        let path = format!("/proc/self/fdinfo/{}", fd.as_raw_fd());
        let info = std::fs::read_to_string(path).unwrap_or_default();
        let size = info.lines().find_map(|line| line.strip_prefix("size:"));
        // Only dma-bufs have an exporter.
        let exporter = info.lines().any(|line| line.starts_with("exp_name:"));
        match size.and_then(|size| size.trim().parse().ok()) {
            Some(size) if exporter => Self::DmaBuf(size),
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests;
