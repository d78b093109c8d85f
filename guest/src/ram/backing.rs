//! Allocated memory: single blocks, and buffers that are made of many.

use protocols::virtio_gpu::MemEntry;

use super::{Ram, RamError};

/// One piece of allocated guest memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Guest-physical address, on a page boundary.
    pub address: u64,
    /// Bytes, whole pages.
    pub length: u64,
}

/// The memory of one buffer: pieces that count as one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backing {
    /// The pieces in the buffer's order.
    pub entries: Vec<MemEntry>,
}

impl Backing {
    /// Bytes in total.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.entries
            .iter()
            .map(|entry| u64::from(entry.length))
            .sum()
    }
}

impl Ram {
    /// Writes bytes into a buffer, `offset` bytes from its start; what lies beyond its end is
    /// dropped.
    ///
    /// # Errors
    /// The buffer's pieces are not all memory.
    pub fn write_backing(
        &self,
        backing: &Backing,
        offset: u64,
        mut bytes: &[u8],
    ) -> Result<(), RamError> {
        for (address, length) in pieces_from(backing, offset) {
            let (now, later) = bytes.split_at(bytes.len().min(length));
            if now.is_empty() {
                break;
            }
            self.write(address, now)?;
            bytes = later;
        }
        Ok(())
    }

    /// Reads from a buffer, `offset` bytes from its start; what lies beyond its end is left as
    /// it is.
    ///
    /// # Errors
    /// The buffer's pieces are not all memory.
    pub fn read_backing(
        &self,
        backing: &Backing,
        offset: u64,
        mut bytes: &mut [u8],
    ) -> Result<(), RamError> {
        for (address, length) in pieces_from(backing, offset) {
            let (now, later) = bytes.split_at_mut(bytes.len().min(length));
            if now.is_empty() {
                break;
            }
            self.read(address, now)?;
            bytes = later;
        }
        Ok(())
    }
}

/// The pieces of a buffer from `offset` on, as addresses and lengths.
fn pieces_from(backing: &Backing, offset: u64) -> impl Iterator<Item = (u64, usize)> {
    let mut skip = offset;
    backing.entries.iter().filter_map(move |entry| {
        let length = u64::from(entry.length);
        let skipped = skip.min(length);
        skip -= skipped;
        let left = usize::try_from(length - skipped).ok()?;
        (left > 0).then_some((entry.addr + skipped, left))
    })
}
