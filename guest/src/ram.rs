//! The guest's RAM: memfds as a VMM makes them, mapped, with a page allocator that can hand out
//! scattered pages, so that buffers are fragmented like a real guest's.
//!
//! Everything that other rooms put into guest memory (rings, commands, pixels) goes through
//! [`Ram`]; there is no reference into the shared pages, since the device may write to them at
//! any time. Knows nothing of virtio.

mod backing;
mod error;
mod options;
mod pages;

use std::{fs::File, ops::Range};

use protocols::virtio_gpu::MemEntry;
use rustix::fs::{MemfdFlags, SealFlags};
use vm_memory::{
    Address, Bytes, FileOffset, GuestAddress, GuestMemoryBackend, GuestMemoryMmap,
    GuestMemoryRegion, GuestRegionMmap,
};

use self::pages::Pages;
pub use self::{
    backing::{Backing, Block},
    error::RamError,
    options::{Layout, Placement, RamOptions, Seals},
};

/// Bytes in a page of guest memory.
pub const PAGE: u64 = 4096;

/// Where the second half of a PC's RAM begins: below it, up to 4 GiB, are the devices.
const ABOVE_4G: u64 = 1 << 32;

/// A region of guest memory as a VMM announces it.
#[derive(Debug)]
pub struct Region<'a> {
    /// Guest-physical address.
    pub start: u64,
    /// Bytes.
    pub size: u64,
    /// Address of the mapping in this process.
    pub mapped_at: u64,
    /// The file behind it.
    pub file: &'a File,
    /// Bytes from the start of the file.
    pub file_offset: u64,
}

/// The RAM of one guest.
#[derive(Debug)]
pub struct Ram {
    memory: GuestMemoryMmap,
    pages: Pages,
    options: RamOptions,
}

impl Ram {
    /// Allocates and maps the memory.
    ///
    /// # Errors
    /// The kernel has no memory or no address space left.
    pub fn new(options: &RamOptions) -> Result<Self, RamError> {
        let options = RamOptions {
            size: options.size.next_multiple_of(2 * PAGE),
            ..*options
        };
        let file = std::sync::Arc::new(memory_file(options.size, options.seals)?);
        let half = options.size / 2;
        let pieces = match options.layout {
            Layout::Flat => vec![(0, options.size, 0)],
            Layout::Split => vec![(0, half, 0), (ABOVE_4G, half, half)],
        };
        let regions = pieces
            .iter()
            .map(|&(start, size, offset)| {
                map(
                    start,
                    size,
                    FileOffset::from_arc(std::sync::Arc::clone(&file), offset),
                )
            })
            .collect::<Result<Vec<_>, _>>()?;
        let memory = GuestMemoryMmap::from_regions(regions).map_err(|error| RamError::Map {
            start: 0,
            reason: error.to_string(),
        })?;

        let seed = match options.placement {
            Placement::Contiguous => 1,
            Placement::Scattered { seed, .. } => seed,
        };
        let mut pages = Pages::new(seed);
        for (start, size, _) in pieces {
            // Address 0 is never used, as in a real guest: it reads like a mistake everywhere.
            pages.give(start.max(PAGE)..start + size);
        }
        Ok(Self {
            memory,
            pages,
            options,
        })
    }

    /// The mapped memory; clones share it.
    #[must_use]
    pub fn memory(&self) -> &GuestMemoryMmap {
        &self.memory
    }

    /// Its regions in the order of their addresses.
    #[must_use]
    pub fn regions(&self) -> Vec<Region<'_>> {
        self.memory.iter().filter_map(describe).collect()
    }

    /// Bytes that are not allocated.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.pages.available()
    }

    /// Allocates `bytes` in one piece, rounded up to pages.
    ///
    /// # Errors
    /// There is no such piece.
    pub fn allocate(&mut self, bytes: u64) -> Result<Block, RamError> {
        let length = whole_pages(bytes);
        let address = self
            .pages
            .take(length)
            .ok_or_else(|| self.exhausted(length))?;
        Ok(Block { address, length })
    }

    /// Frees what [`Ram::allocate`] gave.
    pub fn free(&mut self, block: Block) {
        self.give_back(block.address..block.address + block.length);
    }

    /// Allocates memory for a buffer as the options' [`Placement`] has it, rounded up to pages
    /// and zeroed.
    ///
    /// # Errors
    /// There are not enough free pages.
    pub fn allocate_backing(&mut self, bytes: u64) -> Result<Backing, RamError> {
        let length = whole_pages(bytes);
        let pieces = match self.options.placement {
            Placement::Contiguous => self
                .pages
                .take(length)
                .map(|start| one_piece(start, length)),
            Placement::Scattered { longest, .. } => self.pages.take_scattered(length, longest),
        };
        let pieces = pieces.ok_or_else(|| self.exhausted(length))?;
        self.backing_of(&pieces)
    }

    /// Allocates memory for a buffer, zeroed, in one piece inside the region that begins at
    /// `region`.
    ///
    /// # Errors
    /// There is no such region, or it has no such piece.
    pub fn allocate_backing_in(&mut self, region: u64, bytes: u64) -> Result<Backing, RamError> {
        let range = self.region_range(region)?;
        let length = whole_pages(bytes);
        let start = self
            .pages
            .take_within(length, range)
            .ok_or_else(|| self.exhausted(length))?;
        self.backing_of(&one_piece(start, length))
    }

    /// Frees a buffer's memory. The host may still show it: use what [`Ram`] gives next with the
    /// same care as a guest kernel does.
    pub fn free_backing(&mut self, backing: &Backing) {
        for entry in &backing.entries {
            self.give_back(entry.addr..entry.addr + u64::from(entry.length));
        }
    }

    /// Writes bytes to guest memory.
    ///
    /// # Errors
    /// The range is not all memory.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<(), RamError> {
        self.memory
            .write_slice(bytes, GuestAddress(address))
            .map_err(|source| RamError::Access {
                address,
                length: bytes.len(),
                source,
            })
    }

    /// Reads bytes from guest memory.
    ///
    /// # Errors
    /// The range is not all memory.
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), RamError> {
        let length = bytes.len();
        self.memory
            .read_slice(bytes, GuestAddress(address))
            .map_err(|source| RamError::Access {
                address,
                length,
                source,
            })
    }

    /// Adds a region with a file of its own, as memory hot-plug does. Tell the device about it
    /// with [`Frontend::update_memory`](crate::frontend::Frontend::update_memory).
    ///
    /// # Errors
    /// No memory, or the range overlaps another region.
    pub fn plug(&mut self, start: u64, size: u64) -> Result<(), RamError> {
        let size = whole_pages(size);
        let file = memory_file(size, self.options.seals)?;
        let region = std::sync::Arc::new(map(start, size, FileOffset::new(file, 0))?);
        self.memory = self
            .memory
            .insert_region(region)
            .map_err(|error| RamError::Map {
                start,
                reason: error.to_string(),
            })?;
        self.pages.give(start..start + size);
        Ok(())
    }

    /// Removes the region that begins at `start`, also if buffers lie in it: what becomes of
    /// them is what the caller wants to see.
    ///
    /// # Errors
    /// There is no such region.
    pub fn unplug(&mut self, start: u64) -> Result<(), RamError> {
        let range = self.region_range(start)?;
        let (memory, _) = self
            .memory
            .remove_region(GuestAddress(start), range.end - range.start)
            .map_err(|_| RamError::NoSuchRegion { start })?;
        self.memory = memory;
        self.pages.withdraw(range);
        Ok(())
    }

    fn region_range(&self, start: u64) -> Result<Range<u64>, RamError> {
        self.regions()
            .into_iter()
            .find(|region| region.start == start)
            .map(|region| region.start..region.start + region.size)
            .ok_or(RamError::NoSuchRegion { start })
    }

    fn give_back(&mut self, range: Range<u64>) {
        // Pages of a region that was unplugged meanwhile are gone with it.
        if self.memory.address_in_range(GuestAddress(range.start)) {
            self.pages.give(range);
        }
    }

    fn backing_of(&self, pieces: &[Range<u64>]) -> Result<Backing, RamError> {
        let mut entries = Vec::with_capacity(pieces.len());
        for piece in pieces {
            self.zero(piece)?;
            let mut start = piece.start;
            while start < piece.end {
                // A list entry's length has 32 bits.
                let length = (piece.end - start).min(1 << 31);
                let entry_length = u32::try_from(length).unwrap_or(u32::MAX);
                entries.push(MemEntry {
                    addr: start,
                    length: entry_length,
                });
                start += length;
            }
        }
        Ok(Backing { entries })
    }

    fn zero(&self, piece: &Range<u64>) -> Result<(), RamError> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut address = piece.start;
        while address < piece.end {
            self.write(address, &ZEROS)?;
            address += PAGE;
        }
        Ok(())
    }

    fn exhausted(&self, wanted: u64) -> RamError {
        RamError::Exhausted {
            wanted,
            available: self.pages.available(),
        }
    }
}

fn one_piece(start: u64, length: u64) -> Vec<Range<u64>> {
    std::iter::once(start..start + length).collect()
}

fn whole_pages(bytes: u64) -> u64 {
    bytes.max(1).next_multiple_of(PAGE)
}

fn memory_file(size: u64, seals: Seals) -> Result<File, RamError> {
    let allocate = |error: rustix::io::Errno| RamError::Allocate {
        size,
        source: error.into(),
    };
    let mut flags = MemfdFlags::CLOEXEC;
    if seals != Seals::Unsealable {
        flags |= MemfdFlags::ALLOW_SEALING;
    }
    let fd = rustix::fs::memfd_create("lucarne-guest-ram", flags).map_err(allocate)?;
    rustix::fs::ftruncate(&fd, size).map_err(allocate)?;
    let sealed = SealFlags::SHRINK | SealFlags::GROW;
    match seals {
        Seals::Qemu => rustix::fs::fcntl_add_seals(&fd, sealed | SealFlags::SEAL),
        Seals::Crosvm => rustix::fs::fcntl_add_seals(&fd, sealed),
        Seals::Open | Seals::Unsealable => Ok(()),
    }
    .map_err(allocate)?;
    Ok(fd.into())
}

fn map(start: u64, size: u64, file: FileOffset) -> Result<GuestRegionMmap, RamError> {
    let length = usize::try_from(size).map_err(|error| RamError::Map {
        start,
        reason: error.to_string(),
    })?;
    GuestRegionMmap::from_range(GuestAddress(start), length, Some(file)).map_err(|error| {
        RamError::Map {
            start,
            reason: error.to_string(),
        }
    })
}

fn describe(region: &GuestRegionMmap) -> Option<Region<'_>> {
    let file = region.file_offset()?;
    Some(Region {
        start: region.start_addr().raw_value(),
        size: region.len(),
        mapped_at: u64::try_from(region.as_ptr().addr()).ok()?,
        file: file.file(),
        file_offset: file.start(),
    })
}

#[cfg(test)]
mod tests;
