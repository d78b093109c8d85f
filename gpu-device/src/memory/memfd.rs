//! Memory that this process writes and the host's compositor reads.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::{MemfdFlags, SealFlags},
    io::Errno,
};
use vm_memory::{FileOffset, MmapRegion, VolatileMemory, VolatileSlice};

use super::{Piece, backing::page_size};

/// A mapped memfd, sealed against shrinking: a host that maps it can't be killed by a fault.
///
/// Zeroed when it is made. It holds one file descriptor.
#[derive(Debug)]
pub struct SharedMemory {
    mapping: MmapRegion,
    /// In bytes, whole pages.
    size: u64,
}

impl SharedMemory {
    /// Allocates at least `size` bytes, rounded up to whole pages as udmabuf needs them.
    ///
    /// # Errors
    /// The system's: out of memory or of file descriptors.
    pub fn new(size: u64) -> io::Result<Self> {
        let size = size.max(1).checked_next_multiple_of(page_size());
        let size = size.ok_or(io::ErrorKind::OutOfMemory)?;
        let mapped = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let fd = create()?;
        rustix::fs::ftruncate(&fd, size)?;
        // Not against writing: udmabuf refuses memory that is.
        rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let mapping = MmapRegion::from_file(FileOffset::new(File::from(fd), 0), mapped)
            .map_err(io::Error::other)?;
        Ok(Self { mapping, size })
    }

    /// Maps memory that another process has made and told the size of.
    ///
    /// # Errors
    /// It is smaller than that or may still shrink, or the system's.
    pub fn open(fd: OwnedFd, size: u64) -> io::Result<Self> {
        let is_sealed = rustix::fs::fcntl_get_seals(&fd)?.contains(SealFlags::SHRINK);
        let there = u64::try_from(rustix::fs::fstat(&fd)?.st_size).unwrap_or(0);
        if !is_sealed || there < size {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mapped = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mapping = MmapRegion::from_file(FileOffset::new(File::from(fd), 0), mapped)
            .map_err(io::Error::other)?;
        Ok(Self { mapping, size })
    }

    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// `len` bytes from `offset` on; `None` where they don't all exist.
    pub fn slice(&self, offset: u64, len: usize) -> Option<VolatileSlice<'_>> {
        self.mapping
            .get_slice(usize::try_from(offset).ok()?, len)
            .ok()
    }

    /// A descriptor of the memfd for somebody else to keep.
    ///
    /// # Errors
    /// The system's: out of file descriptors.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.file()?.as_fd().try_clone_to_owned()
    }

    /// All of it, as what a dma-buf is made from.
    ///
    /// # Errors
    /// None in practice: its mapping always has a file.
    pub fn piece(&self) -> io::Result<Piece<'_>> {
        Ok(Piece {
            fd: self.file()?.as_fd(),
            offset: 0,
            len: self.size,
        })
    }

    fn file(&self) -> io::Result<&File> {
        Ok(self.mapping.file_offset().ok_or(Errno::BADF)?.file())
    }
}

fn create() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match rustix::fs::memfd_create("lucarne", flags | MemfdFlags::NOEXEC_SEAL) {
        // Kernels before 6.3 don't know the flag.
        Err(Errno::INVAL) => Ok(rustix::fs::memfd_create("lucarne", flags)?),
        made => Ok(made?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_zeroed_whole_pages_and_sealed_against_shrinking() {
        let memory = SharedMemory::new(5000).unwrap();
        let fd = memory.descriptor().unwrap();

        assert_eq!(memory.size(), 2 * page_size());
        let mut bytes = vec![1_u8; 5000];
        memory.slice(0, 5000).unwrap().copy_to(&mut bytes);
        assert!(bytes.iter().all(|byte| *byte == 0));
        assert_eq!(rustix::fs::ftruncate(&fd, 0), Err(Errno::PERM));
        let seals = rustix::fs::fcntl_get_seals(&fd).unwrap();
        assert!(seals.contains(SealFlags::SHRINK));
        assert!(!seals.intersects(SealFlags::WRITE | SealFlags::FUTURE_WRITE));
    }

    #[test]
    fn a_slice_never_leaves_it() {
        let memory = SharedMemory::new(4096).unwrap();
        assert!(memory.slice(4095, 1).is_some());
        assert!(memory.slice(4096, 1).is_none());
        assert!(memory.slice(u64::MAX, 1).is_none());
    }

    #[test]
    fn both_ends_see_the_same_bytes() {
        let ours = SharedMemory::new(4096).unwrap();
        let theirs = SharedMemory::open(ours.descriptor().unwrap(), ours.size()).unwrap();
        ours.slice(7, 3).unwrap().copy_from(b"abc");
        let mut bytes = [0; 3];
        theirs.slice(7, 3).unwrap().copy_to(&mut bytes);
        assert_eq!(&bytes, b"abc");
    }

    #[test]
    fn memory_that_may_shrink_or_is_too_small_is_not_mapped() {
        let whole = SharedMemory::new(4096).unwrap().descriptor().unwrap();
        assert!(SharedMemory::open(whole, 8192).is_err());
        let unsealed = create().unwrap();
        rustix::fs::ftruncate(&unsealed, 4096).unwrap();
        assert!(SharedMemory::open(unsealed, 4096).is_err());
    }

    #[test]
    fn impossible_sizes_are_errors() {
        assert!(SharedMemory::new(u64::MAX).is_err());
        assert!(SharedMemory::new(1 << 62).is_err());
    }
}
