//! One split virtqueue in guest memory: takes chains out, puts answers in.
//!
//! Owns the indices and everything that is read from or written to the ring. Every chain is
//! walked once: its readable bytes go into the caller's private buffer, the places for the answer
//! are noted down, and guest memory is not asked again. Knows nothing of virtio-gpu, of file
//! descriptors or of who runs the guest.

mod access;
mod descriptors;
mod open;

use std::sync::atomic::Ordering;

use thiserror::Error;
use virtio_queue::{Queue, QueueT};
use vm_memory::{GuestAddress, GuestMemoryMmap};

use self::access::Stretch;
pub use self::open::OpenQueue;
use super::features::Acked;

/// The longest ring. crosvm offers its guests this many entries unless it is told otherwise.
pub const MAX_SIZE: u16 = 32768;

/// The most bytes of room for an answer that are noted down, above every response of a 2D device
/// (EDID: 1056). It bounds what a chain of thousands of tiny descriptors costs.
const MAX_ROOM: u32 = 4096;

/// Why a ring can't be used any more until the driver sets it up again.
#[derive(Debug, Error)]
pub enum Broken {
    /// The indices are impossible or the ring can't be read.
    #[error("its indices or addresses are invalid: {0}")]
    Ring(virtio_queue::Error),
    /// A chain names a descriptor outside the table, runs in a circle, nests indirect tables or
    /// is longer than 4 GiB.
    #[error("a descriptor chain is cut short or runs in a circle")]
    Chain,
    /// The same descriptors were made available again before they were answered.
    #[error("more chains are in flight than the ring has entries")]
    InFlight,
}

impl From<virtio_queue::Error> for Broken {
    fn from(error: virtio_queue::Error) -> Self {
        Self::Ring(error)
    }
}

/// Where the answer to a chain goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room {
    /// The one part that most chains have needs no memory of its own.
    first: Option<(GuestAddress, u32)>,
    others: Vec<(GuestAddress, u32)>,
    size: u32,
}

impl Room {
    /// Bytes of room, counted up to a bound above every response.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Notes down one more writable descriptor.
    fn push(&mut self, address: GuestAddress, len: u32) {
        let len = len.min(MAX_ROOM.saturating_sub(self.size));
        if len == 0 {
            return;
        }
        match self.first {
            None => self.first = Some((address, len)),
            Some(_) => self.others.push((address, len)),
        }
        self.size = self.size.saturating_add(len);
    }

    /// Writes `answer`, as much of it as there is room for; returns the bytes written.
    fn write(&self, memory: &GuestMemoryMmap, mut answer: &[u8]) -> u32 {
        let Some(first) = self.first else {
            return 0;
        };
        let mut written = put(memory, first, &mut answer);
        for part in &self.others {
            written = written.saturating_add(put(memory, *part, &mut answer));
        }
        written
    }
}

/// Writes what of `answer` there is room for in one part, and leaves the rest of it; nothing where the part
/// is not in the guest's memory, for what comes behind a gap is no answer. Returns the bytes written.
fn put(memory: &GuestMemoryMmap, (address, len): (GuestAddress, u32), answer: &mut &[u8]) -> u32 {
    let room = usize::try_from(len).unwrap_or(usize::MAX);
    let (now, later) = answer.split_at(answer.len().min(room));
    if now.is_empty() || Stretch::new(memory, address, now.len()).write(now).is_err() {
        *answer = &[];
        return 0;
    }
    *answer = later;
    u32::try_from(now.len()).unwrap_or(len)
}

/// One chain, taken out of the ring and not yet answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its first descriptor: its name in the used ring.
    head: u16,
    /// Whether all of its readable part, up to the caller's limit, lies in the guest's memory.
    pub readable: bool,
    /// Where its answer goes.
    pub room: Room,
}

/// A split virtqueue.
#[derive(Debug)]
pub struct SplitQueue {
    ring: Queue,
    in_flight: u16,
    /// Answers given since the driver was last asked whether it wants to be called.
    added: u16,
    /// Answers were given that the driver has not been told of.
    unannounced: bool,
    notify_on_empty: bool,
}

impl SplitQueue {
    /// A queue that has not been set up.
    ///
    /// # Errors
    /// None in practice: the maximum size is a valid one.
    pub fn new() -> Result<Self, Broken> {
        Ok(Self {
            ring: Queue::new(MAX_SIZE)?,
            in_flight: 0,
            added: 0,
            unannounced: false,
            notify_on_empty: false,
        })
    }

    /// Takes over what the driver negotiated.
    pub fn set_features(&mut self, acked: Acked) {
        self.ring.set_event_idx(acked.event_idx());
        self.notify_on_empty = acked.notify_on_empty();
    }

    /// Sets the number of entries.
    ///
    /// # Errors
    /// Anything but a power of two up to [`MAX_SIZE`].
    pub fn set_size(&mut self, size: u32) -> Result<(), Broken> {
        let size = u16::try_from(size).map_err(|_| virtio_queue::Error::InvalidSize)?;
        Ok(self.ring.try_set_size(size)?)
    }

    /// Sets the guest-physical addresses of the three parts.
    ///
    /// # Errors
    /// Misaligned addresses.
    pub fn set_addresses(&mut self, table: u64, avail: u64, used: u64) -> Result<(), Broken> {
        self.ring.try_set_desc_table_address(GuestAddress(table))?;
        self.ring.try_set_avail_ring_address(GuestAddress(avail))?;
        Ok(self.ring.try_set_used_ring_address(GuestAddress(used))?)
    }

    /// Continues behind the answers that the ring already holds.
    ///
    /// # Errors
    /// A used ring outside of the guest's memory.
    pub fn resume_used(&mut self, memory: &GuestMemoryMmap) -> Result<(), Broken> {
        let used = self.ring.used_idx(memory, Ordering::Acquire)?;
        self.ring.set_next_used(used.0);
        Ok(())
    }

    /// The index of the next chain to take out.
    pub fn base(&self) -> u16 {
        self.ring.next_avail()
    }

    /// Sets the index of the next chain to take out, and forgets the chains that are in flight.
    pub fn set_base(&mut self, base: u16) {
        self.ring.set_next_avail(base);
        self.in_flight = 0;
        self.added = 0;
        self.unannounced = false;
    }

    /// Whether every part of the ring lies in the guest's memory.
    pub fn is_mapped(&self, memory: &GuestMemoryMmap) -> bool {
        // Only what is asked here needs the mark; nothing else looks at it.
        self.ring.ready() && self.ring.avail_ring() != 0 && self.ring.is_valid(memory)
    }

    /// Marks the ring as set up, or not.
    pub fn set_ready(&mut self, ready: bool) {
        self.ring.set_ready(ready);
    }

    /// Begins to take chains out and to answer them.
    pub fn open<'q, 'm>(&'q mut self, memory: &'m GuestMemoryMmap) -> OpenQueue<'q, 'm> {
        OpenQueue::new(self, memory)
    }

    /// Whether answers were given since the driver was last asked whether it wants to be called.
    pub fn has_news(&self) -> bool {
        self.unannounced
    }
}

#[cfg(test)]
mod tests;
