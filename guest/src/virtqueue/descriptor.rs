//! Buffers and the descriptors that name them.

/// Descriptor flag: the chain goes on at `next`.
pub const NEXT: u16 = 1;
/// Descriptor flag: the device writes this buffer; without it, it reads.
pub const WRITE: u16 = 2;
/// Descriptor flag: the buffer is a table of descriptors.
pub const INDIRECT: u16 = 4;

/// Bytes in a descriptor.
pub const DESCRIPTOR_SIZE: u64 = 16;

/// A buffer of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Guest-physical address.
    pub address: u64,
    /// Bytes.
    pub length: u32,
    /// Whether the device writes it.
    pub writable: bool,
}

/// A descriptor as it lies in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Descriptor {
    /// Guest-physical address of the buffer.
    pub address: u64,
    /// Bytes.
    pub length: u32,
    /// [`NEXT`], [`WRITE`], [`INDIRECT`].
    pub flags: u16,
    /// The next descriptor of the chain, if `flags` says so.
    pub next: u16,
}

impl Descriptor {
    /// Its bytes in guest memory.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.address.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.flags.to_le_bytes());
        bytes[14..].copy_from_slice(&self.next.to_le_bytes());
        bytes
    }
}

/// The descriptor of a buffer, followed by another one or not.
pub(super) fn descriptor_of(segment: &Segment, next: Option<u16>) -> Descriptor {
    let write = if segment.writable { WRITE } else { 0 };
    let chained = if next.is_some() { NEXT } else { 0 };
    Descriptor {
        address: segment.address,
        length: segment.length,
        flags: write | chained,
        next: next.unwrap_or(0),
    }
}
