//! The window in the guest's address space through which its CPUs see host memory, as the VMM keeps
//! it: the device asks for mappings, the guest reads and writes them.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Seek, SeekFrom},
    os::fd::OwnedFd,
};

use protocols::virtio_gpu::SHM_ID_HOST_VISIBLE;
use rustix::mm::{MapFlags, ProtFlags};
use vhost::vhost_user::message::{
    BackendReq, FrontendReq, VhostUserMMap, VhostUserMMapFlags,
    VhostUserProtocolFeatures as Protocol,
};
use vm_memory::{ByteValued, Bytes, FileOffset, MmapRegion, VolatileMemory};

use super::{
    Frontend, FrontendError,
    channel::{Channel, Message},
};
use crate::ram::PAGE;

/// Regions of shared memory that a device can have.
const REGIONS: usize = 256;

/// What the VMM does when the device asks for a change of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Manners {
    /// Carries it out, if the protocol allows it, and says so.
    #[default]
    Willing,
    /// Refuses everything.
    Refusing,
    /// Carries nothing out and never answers.
    Mute,
}

/// The window, and what is in it.
#[derive(Debug, Default)]
pub(super) struct Window {
    size: u64,
    manners: Manners,
    /// By where in the window it begins.
    mapped: BTreeMap<u64, Piece>,
}

#[derive(Debug)]
struct Piece {
    memory: MmapRegion,
    writable: bool,
}

impl Window {
    /// What the device offers, as this VMM finds out about it.
    pub(super) fn of(channel: &Channel, protocol: Protocol) -> Result<Self, FrontendError> {
        let request = FrontendReq::GET_SHMEM_CONFIG;
        if !protocol.contains(Protocol::SHMEM) {
            return Ok(Self::default());
        }
        let reply = channel.ask(request, &[])?;
        let wrong = |what: String| FrontendError::WrongReply {
            request: format!("{request:?}"),
            what,
        };
        if reply.len() != 8 + 8 * REGIONS {
            return Err(wrong(format!("{} bytes", reply.len())));
        }
        let (head, sizes) = reply.split_at(8);
        let sizes: Vec<u64> = sizes
            .chunks_exact(8)
            .map(|size| size.try_into().map_or(0, u64::from_ne_bytes))
            .collect();
        let valid = sizes.iter().filter(|size| **size != 0).count();
        let claimed = head
            .first_chunk()
            .map_or(0, |bytes| u32::from_ne_bytes(*bytes));
        if usize::try_from(claimed) != Ok(valid) {
            return Err(wrong(format!(
                "{claimed} regions, of which {valid} have a size"
            )));
        }
        // As crosvm has it: one region, or none.
        let size = sizes.get(usize::from(SHM_ID_HOST_VISIBLE)).copied();
        Ok(Self {
            size: size.filter(|_| valid == 1).unwrap_or(0),
            ..Self::default()
        })
    }

    /// Whether a message of the device is about the window.
    pub(super) fn concerns(message: &Message) -> bool {
        [BackendReq::SHMEM_MAP, BackendReq::SHMEM_UNMAP]
            .map(u32::from)
            .contains(&message.request)
    }

    /// Does what the device asks for. Returns what to answer, if anything.
    pub(super) fn serve(&mut self, message: &Message, fds: Vec<OwnedFd>) -> Option<u64> {
        let outcome = match self.manners {
            Manners::Mute => return None,
            Manners::Refusing => Err("the VMM refuses".to_owned()),
            Manners::Willing => self.carry_out(message, fds),
        };
        if let Err(reason) = &outcome {
            tracing::debug!(
                request = message.request,
                reason,
                "The window stays as it is"
            );
        }
        Some(u64::from(outcome.is_err()))
    }

    fn carry_out(&mut self, message: &Message, fds: Vec<OwnedFd>) -> Result<(), String> {
        let wish = VhostUserMMap::from_slice(&message.payload)
            .copied()
            .ok_or("its size is wrong")?;
        let (offset, len) = (wish.shm_offset, wish.len);
        if wish.shmid != SHM_ID_HOST_VISIBLE {
            return Err("there is no such region".to_owned());
        }
        let whole = offset.is_multiple_of(PAGE) && len.is_multiple_of(PAGE) && len > 0;
        let end = offset.checked_add(len).filter(|end| *end <= self.size);
        let end = end.filter(|_| whole).ok_or("it is not in the window")?;
        if message.request == u32::from(BackendReq::SHMEM_UNMAP) {
            let exact = self
                .mapped
                .get(&offset)
                .is_some_and(|piece| piece.len() == len);
            return match exact.then(|| self.mapped.remove(&offset)) {
                Some(_) => Ok(()),
                None => Err("it is no mapping".to_owned()),
            };
        }
        let before = self.mapped.range(..end).next_back();
        if before.is_some_and(|(start, piece)| start + piece.len() > offset) {
            return Err("something is mapped there".to_owned());
        }
        let fd = match <[OwnedFd; 1]>::try_from(fds) {
            Ok([fd]) => fd,
            Err(fds) => return Err(format!("it has {} descriptors", fds.len())),
        };
        let piece = Piece::new(File::from(fd), &wish)?;
        self.mapped.insert(offset, piece);
        Ok(())
    }

    /// The guest has reset the device.
    pub(super) fn clear(&mut self) {
        self.mapped.clear();
    }

    /// What is mapped at `offset`, and how far into it that is.
    fn at(&self, offset: u64, bytes: usize) -> Result<(&Piece, usize), FrontendError> {
        let nothing = FrontendError::NotMapped { offset };
        let (start, piece) = self.mapped.range(..=offset).next_back().ok_or(nothing)?;
        let inside = usize::try_from(offset - start).unwrap_or(usize::MAX);
        match inside.checked_add(bytes) {
            Some(end) if end <= piece.memory.size() => Ok((piece, inside)),
            _ => Err(FrontendError::NotMapped { offset }),
        }
    }
}

impl Piece {
    fn new(mut file: File, wish: &VhostUserMMap) -> Result<Self, String> {
        // dma-bufs tell their size by nothing else.
        let there = file.seek(SeekFrom::End(0));
        let there = there.map_err(|error| error.to_string())?;
        let wanted = wish.fd_offset.checked_add(wish.len);
        if wanted.is_none_or(|wanted| wanted > there) {
            return Err(format!("the memory has only {there} bytes"));
        }
        let writable = wish.flags & VhostUserMMapFlags::WRITABLE.bits() != 0;
        let access = match writable {
            true => ProtFlags::READ | ProtFlags::WRITE,
            false => ProtFlags::READ,
        };
        let memory = MmapRegion::build(
            Some(FileOffset::new(file, wish.fd_offset)),
            usize::try_from(wish.len).unwrap_or(usize::MAX),
            access.bits().cast_signed(),
            MapFlags::SHARED.bits().cast_signed(),
        );
        Ok(Self {
            memory: memory.map_err(|error| error.to_string())?,
            writable,
        })
    }

    fn len(&self) -> u64 {
        u64::try_from(self.memory.size()).unwrap_or(u64::MAX)
    }
}

impl Frontend {
    /// Bytes of the window for host memory; 0 where the device or this VMM has none.
    #[must_use]
    pub fn window_size(&self) -> u64 {
        self.window.size
    }

    /// What is in the window: offsets and lengths, in bytes.
    #[must_use]
    pub fn window_pieces(&self) -> Vec<(u64, u64)> {
        let pieces = self.window.mapped.iter();
        pieces
            .map(|(offset, piece)| (*offset, piece.len()))
            .collect()
    }

    /// Decides how the VMM treats the device's wishes from here on.
    pub fn set_window_manners(&mut self, manners: Manners) {
        self.window.manners = manners;
    }

    /// The guest reads host memory, `offset` bytes into the window.
    ///
    /// # Errors
    /// Not all of it is mapped; a real guest would see ones, or stop.
    pub fn read_window(&self, offset: u64, bytes: &mut [u8]) -> Result<(), FrontendError> {
        let (piece, inside) = self.window.at(offset, bytes.len())?;
        let memory = piece.memory.as_volatile_slice();
        let read = memory.read_slice(bytes, inside);
        read.map_err(|_| FrontendError::NotMapped { offset })
    }

    /// The guest writes host memory, `offset` bytes into the window.
    ///
    /// # Errors
    /// Not all of it is mapped, or not for writing.
    pub fn write_window(&mut self, offset: u64, bytes: &[u8]) -> Result<(), FrontendError> {
        let (piece, inside) = self.window.at(offset, bytes.len())?;
        if !piece.writable {
            return Err(FrontendError::ReadOnly { offset });
        }
        let memory = piece.memory.as_volatile_slice();
        let written = memory.write_slice(bytes, inside);
        written.map_err(|_| FrontendError::NotMapped { offset })
    }
}

#[cfg(test)]
mod tests;
