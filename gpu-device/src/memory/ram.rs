//! The guest's RAM as the VMM shared it: which file, and where in it, a guest-physical address is.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use protocols::render;
use vm_memory::{
    Address, FileOffset, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion,
    MmapRegion,
};

/// The guest's RAM: regions of guest-physical addresses, each a mapping of a file at an offset.
///
/// Cheap to clone. A clone keeps its mappings alive, so that memory which the VMM takes away is
/// never read unmapped: what was resolved before still reads the old pages.
#[derive(Debug, Clone, Default)]
pub struct GuestRam {
    /// Sorted by address, without overlaps.
    regions: Arc<[Region]>,
}

/// One region of the guest's RAM.
#[derive(Debug, Clone)]
pub(super) struct Region {
    pub(super) start: u64,
    pub(super) len: u64,
    pub(super) mapping: Arc<MmapRegion>,
    /// `None` where the VMM's file can't be examined, or there is none (tests).
    pub(super) file: Option<FilePart>,
}

/// A place in a file.
#[derive(Debug, Clone)]
pub(super) struct FilePart {
    pub(super) file: Arc<File>,
    pub(super) identity: FileIdentity,
    /// In bytes from the start of the file.
    pub(super) offset: u64,
}

/// Which file a descriptor leads to. VMMs send the same memory again under a new descriptor, so
/// descriptors can't be compared. Unique while any descriptor or mapping of the file is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileIdentity {
    device: u64,
    inode: u64,
}

impl GuestRam {
    /// Takes over what the VMM mapped.
    pub fn new(map: impl AsRef<GuestMemoryMmap>) -> Self {
        let map = map.as_ref();
        Self {
            regions: map.iter().map(Region::new).collect(),
        }
    }

    /// Maps what another process has of the guest's RAM.
    ///
    /// # Errors
    /// Regions overlap, or the system's.
    pub fn open(regions: Vec<(render::Region, OwnedFd)>) -> io::Result<Self> {
        if regions.is_empty() {
            return Ok(Self::default());
        }
        let mut ranges = Vec::new();
        for (region, fd) in regions {
            let len = usize::try_from(region.len).map_err(|_| io::ErrorKind::OutOfMemory)?;
            let place = FileOffset::new(File::from(fd), region.offset);
            ranges.push((GuestAddress(region.start), len, Some(place)));
        }
        let map = GuestMemoryMmap::from_ranges_with_files(ranges).map_err(io::Error::other)?;
        Ok(Self::new(Arc::new(map)))
    }

    /// What another process needs for having the same RAM: regions without a file are left out.
    pub fn regions(&self) -> impl Iterator<Item = (render::Region, BorrowedFd<'_>)> {
        self.regions.iter().filter_map(|region| {
            let part = region.file.as_ref()?;
            let described = render::Region {
                start: region.start,
                len: region.len,
                offset: part.offset,
            };
            Some((described, part.file.as_fd()))
        })
    }

    /// The region with this address, and how far into it the address is.
    pub(super) fn find(&self, address: u64) -> Option<(&Region, u64)> {
        let after = self
            .regions
            .partition_point(|region| region.start <= address);
        let region = self.regions.get(after.checked_sub(1)?)?;
        let inside = address.checked_sub(region.start)?;
        (inside < region.len).then_some((region, inside))
    }
}

impl Region {
    fn new(region: &vm_memory::GuestRegionMmap) -> Self {
        let file = region.file_offset().and_then(|place| {
            let stat = rustix::fs::fstat(place.file()).ok()?;
            Some(FilePart {
                file: Arc::clone(place.arc()),
                identity: FileIdentity {
                    device: stat.st_dev,
                    inode: stat.st_ino,
                },
                offset: place.start(),
            })
        });
        Self {
            start: region.start_addr().raw_value(),
            len: region.len(),
            mapping: region.get_mmap(),
            file,
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use std::os::fd::OwnedFd;

    use vm_memory::{Bytes, FileOffset, GuestAddress};

    use super::*;

    /// A piece of memory for [`ram`]: guest-physical start, length, and the file and offset it
    /// maps.
    pub(crate) type Piece<'a> = (u64, usize, &'a File, u64);

    /// A memfd of `len` bytes that may be sealed, as VMMs allocate RAM.
    pub(crate) fn memfd(len: u64) -> File {
        use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
        let fd: OwnedFd =
            memfd_create("ram", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&fd, len).unwrap();
        File::from(fd)
    }

    pub(crate) fn map(pieces: &[Piece<'_>]) -> Arc<GuestMemoryMmap> {
        let ranges = pieces.iter().map(|(start, len, file, offset)| {
            let file = FileOffset::new(file.try_clone().unwrap(), *offset);
            (GuestAddress(*start), *len, Some(file))
        });
        Arc::new(GuestMemoryMmap::from_ranges_with_files(ranges).unwrap())
    }

    /// RAM made of pieces of files.
    pub(crate) fn ram(pieces: &[Piece<'_>]) -> GuestRam {
        GuestRam::new(map(pieces))
    }

    /// Writes as the guest does.
    pub(crate) fn write(map: &GuestMemoryMmap, address: u64, bytes: &[u8]) {
        map.write_slice(bytes, GuestAddress(address)).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::{testing::*, *};

    #[test]
    fn an_address_is_found_in_its_region_only() {
        let file = memfd(0x3000);
        let ram = ram(&[(0x1000, 0x1000, &file, 0), (0x8000, 0x1000, &file, 0x1000)]);

        let start = |address| {
            ram.find(address)
                .map(|(region, inside)| (region.start, inside))
        };
        assert_eq!(start(0xfff), None);
        assert_eq!(start(0x1000), Some((0x1000, 0)));
        assert_eq!(start(0x1fff), Some((0x1000, 0xfff)));
        assert_eq!(start(0x2000), None);
        assert_eq!(start(0x8001), Some((0x8000, 1)));
        assert_eq!(start(u64::MAX), None);
        assert_eq!(GuestRam::default().find(0).map(|(_, inside)| inside), None);
    }

    #[test]
    fn the_same_file_is_recognised_under_another_descriptor() {
        let (file, other) = (memfd(0x1000), memfd(0x1000));
        let identity = |file: &File| {
            let ram = ram(&[(0, 0x1000, file, 0)]);
            ram.find(0).unwrap().0.file.as_ref().unwrap().identity
        };
        assert_eq!(identity(&file), identity(&file.try_clone().unwrap()));
        assert_ne!(identity(&file), identity(&other));
    }
}
