//! What can go wrong with a queue.

use thiserror::Error;
use vm_memory::GuestMemoryError;

use crate::ram::RamError;

/// What can go wrong with a queue; the last two are the device's fault.
#[derive(Debug, Error)]
pub enum QueueError {
    /// The size is not one that a split queue can have.
    #[error("A queue of {0} entries is impossible: choose a power of two up to 32768")]
    Size(u16),
    /// More descriptors are needed than are free.
    #[error("The queue is full: {wanted} descriptors wanted, {free} free. Wait for answers first")]
    Full {
        /// Descriptors the chain needs.
        wanted: usize,
        /// Descriptors left.
        free: usize,
    },
    /// The indirect table that was given is too small for the chain.
    #[error("An indirect table of {room} descriptors can't hold a chain of {wanted}")]
    TableTooSmall {
        /// Descriptors the chain needs.
        wanted: usize,
        /// Descriptors in the table.
        room: u64,
    },
    /// A chain without buffers.
    #[error("A chain needs at least one buffer")]
    EmptyChain,
    /// No memory for the rings.
    #[error(transparent)]
    Ram(#[from] RamError),
    /// The rings are not in guest memory (any more).
    #[error("The queue's memory can't be accessed: {0}")]
    Memory(#[from] GuestMemoryError),
    /// The device returned a chain that it does not have.
    #[error("The device returned chain {head}, which it was not given: the device has a bug")]
    UnknownHead {
        /// The head it named.
        head: u32,
    },
    /// The device returned more chains than there are.
    #[error(
        "The device moved its index from {from} to {to}, beyond what it was given: it has a bug"
    )]
    IndexRanAway {
        /// Last index seen.
        from: u16,
        /// The new one.
        to: u16,
    },
}
