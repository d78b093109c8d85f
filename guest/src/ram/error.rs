//! What can go wrong with guest memory.

use thiserror::Error;

/// What can go wrong with guest memory.
#[derive(Debug, Error)]
pub enum RamError {
    /// The kernel gave no memory.
    #[error(
        "Could not allocate {size} bytes of guest memory: {source}. Free some memory or use a \
         smaller guest"
    )]
    Allocate {
        /// The wanted size in bytes.
        size: u64,
        /// The kernel's reason.
        source: std::io::Error,
    },
    /// The mapping failed.
    #[error("Could not map guest memory at {start:#x}: {reason}")]
    Map {
        /// The guest-physical address.
        start: u64,
        /// Why.
        reason: String,
    },
    /// All pages are taken.
    #[error(
        "The guest is out of memory: {wanted} bytes wanted, {available} free. Give the guest \
         more memory"
    )]
    Exhausted {
        /// Bytes asked for.
        wanted: u64,
        /// Bytes left, perhaps not in one piece.
        available: u64,
    },
    /// An access outside of the guest's memory.
    #[error("No guest memory at {address:#x} (+{length} bytes): {source}")]
    Access {
        /// The guest-physical address.
        address: u64,
        /// Bytes accessed.
        length: usize,
        /// The reason.
        source: vm_memory::GuestMemoryError,
    },
    /// A region was named that does not exist.
    #[error("No region of guest memory begins at {start:#x}")]
    NoSuchRegion {
        /// The guest-physical address.
        start: u64,
    },
}
