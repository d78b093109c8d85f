//! One split virtqueue in guest memory: takes chains out, puts answers in.
//!
//! Owns the indices and everything that is read from or written to the ring. Every chain is
//! walked once: its readable bytes go into the caller's private buffer, the places for the answer
//! are noted down, and guest memory is not asked again. Knows nothing of virtio-gpu, of file
//! descriptors or of who runs the guest.

mod access;
mod descriptors;

use std::sync::atomic::{Ordering, fence};

use thiserror::Error;
use virtio_bindings::virtio_ring::VRING_AVAIL_F_NO_INTERRUPT;
use virtio_queue::{Queue, QueueT};
use vm_memory::{GuestAddress, GuestMemoryMmap};

use self::descriptors::Descriptors;

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
        let mut written = 0_u32;
        for (address, len) in self.first.iter().chain(&self.others) {
            let Ok(room) = usize::try_from(*len) else {
                break;
            };
            let (now, later) = answer.split_at(answer.len().min(room));
            if now.is_empty() || access::write(memory, *address, now).is_err() {
                break;
            }
            written = written.saturating_add(u32::try_from(now.len()).unwrap_or(0));
            answer = later;
        }
        written
    }
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

    /// Takes out the next chain. The first `limit` of its readable bytes replace those in
    /// `request`; fewer if some lie outside of the guest's memory.
    ///
    /// # Errors
    /// A ring or chain that can't be right.
    pub fn pop(
        &mut self,
        memory: &GuestMemoryMmap,
        request: &mut Vec<u8>,
        limit: usize,
    ) -> Result<Option<Chain>, Broken> {
        let avail = self.load(memory, self.available(2), Ordering::Acquire)?;
        let next = self.ring.next_avail();
        if avail == next {
            return Ok(None);
        }
        let size = self.ring.size();
        if self.in_flight >= size {
            return Err(Broken::InFlight);
        }
        if !self.ring.ready() {
            return Err(virtio_queue::Error::QueueNotReady.into());
        }
        if avail.wrapping_sub(next) > size {
            return Err(virtio_queue::Error::InvalidAvailRingIndex.into());
        }
        let slot = next.checked_rem(size).ok_or(Broken::Chain)?;
        let entry = self.available(4_u64.saturating_add(u64::from(slot).saturating_mul(2)));
        let head = self.load(memory, entry, Ordering::Acquire)?;
        self.ring.set_next_avail(next.wrapping_add(1));
        let table = GuestAddress(self.ring.desc_table());
        let descriptors = Descriptors::new(memory, table, size, head);
        let mut chain = Chain {
            head,
            readable: true,
            room: Room::default(),
        };
        request.clear();
        // A chain is whole only if the last descriptor of it is one without a successor.
        let mut whole = false;
        for descriptor in descriptors {
            whole = !descriptor.has_next();
            if descriptor.is_write_only() {
                chain.room.push(descriptor.addr(), descriptor.len());
            } else if chain.readable {
                let len = usize::try_from(descriptor.len()).unwrap_or(usize::MAX);
                let len = len.min(limit.saturating_sub(request.len()));
                chain.readable = gather(memory, descriptor.addr(), len, request);
            }
        }
        if !whole {
            return Err(Broken::Chain);
        }
        self.in_flight = self.in_flight.saturating_add(1);
        Ok(Some(chain))
    }

    /// Answers a chain: writes `answer` into its room, as much as fits, and gives it back. Returns
    /// the bytes written.
    ///
    /// # Errors
    /// A used ring that can't be written.
    pub fn complete(
        &mut self,
        memory: &GuestMemoryMmap,
        chain: &Chain,
        answer: &[u8],
    ) -> Result<u32, Broken> {
        let written = chain.room.write(memory, answer);
        self.in_flight = self.in_flight.saturating_sub(1);
        self.unannounced = true;
        self.add_used(memory, chain.head, written)?;
        Ok(written)
    }

    fn add_used(
        &mut self,
        memory: &GuestMemoryMmap,
        head: u16,
        written: u32,
    ) -> Result<(), Broken> {
        let next = self.ring.next_used();
        let slot = next.checked_rem(self.ring.size()).ok_or(Broken::Chain)?;
        let element = u64::from(head) | u64::from(written) << 32;
        let place = 4_u64.saturating_add(u64::from(slot).saturating_mul(8));
        access::write(memory, self.used(place), &element.to_le_bytes())
            .map_err(virtio_queue::Error::GuestMemory)?;
        let next = next.wrapping_add(1);
        self.ring.set_next_used(next);
        self.added = self.added.wrapping_add(1);
        // Release: a driver that sees the new index sees the answer too.
        access::store(memory, next.to_le(), self.used(2), Ordering::Release)
            .map_err(virtio_queue::Error::GuestMemory)?;
        Ok(())
    }

    /// An address in the ring of available chains.
    fn available(&self, offset: u64) -> GuestAddress {
        GuestAddress(self.ring.avail_ring().saturating_add(offset))
    }

    /// An address in the ring of used chains.
    fn used(&self, offset: u64) -> GuestAddress {
        GuestAddress(self.ring.used_ring().saturating_add(offset))
    }

    fn load(
        &self,
        memory: &GuestMemoryMmap,
        address: GuestAddress,
        order: Ordering,
    ) -> Result<u16, Broken> {
        let number = access::load::<u16>(memory, address, order);
        Ok(u16::from_le(
            number.map_err(virtio_queue::Error::GuestMemory)?,
        ))
    }

    /// Asks the driver not to kick while chains are being taken out anyway.
    ///
    /// # Errors
    /// A ring that can't be written.
    pub fn pause_kicks(&mut self, memory: &GuestMemoryMmap) -> Result<(), Broken> {
        Ok(self.ring.disable_notification(memory)?)
    }

    /// Asks for kicks again. Returns whether chains have arrived meanwhile, for which there will
    /// be none.
    ///
    /// # Errors
    /// A ring that can't be written.
    pub fn resume_kicks(&mut self, memory: &GuestMemoryMmap) -> Result<bool, Broken> {
        Ok(self.ring.enable_notification(memory)?)
    }

    /// Whether the driver wants to be called for the answers given since the last question.
    ///
    /// # Errors
    /// A ring that can't be read.
    pub fn wants_call(&mut self, memory: &GuestMemoryMmap) -> Result<bool, Broken> {
        if !std::mem::take(&mut self.unannounced) {
            return Ok(false);
        }
        let added = std::mem::take(&mut self.added);
        // The answers must be there before the driver's wish is looked at: it looks for answers after it
        // has written that.
        fence(Ordering::SeqCst);
        let wanted = if self.ring.event_idx_enabled() {
            let event = u64::from(self.ring.size()).saturating_mul(2);
            let event = self.available(4_u64.saturating_add(event));
            let event = self.load(memory, event, Ordering::Relaxed)?;
            // Whether the index has passed what the driver waits for.
            let beyond = self.ring.next_used().wrapping_sub(event).wrapping_sub(1);
            beyond < added
        } else {
            let flags = self.load(memory, self.available(0), Ordering::Relaxed)?;
            u32::from(flags) & VRING_AVAIL_F_NO_INTERRUPT == 0
        };
        if wanted || !self.notify_on_empty || self.in_flight > 0 {
            return Ok(wanted);
        }
        let avail = self.load(memory, self.available(2), Ordering::Relaxed)?;
        Ok(avail == self.ring.next_avail())
    }
}

/// Appends `len` bytes of guest memory to `request`. Returns whether there are that many; if not,
/// `request` stays as it was.
fn gather(
    memory: &GuestMemoryMmap,
    address: GuestAddress,
    len: usize,
    request: &mut Vec<u8>,
) -> bool {
    let start = request.len();
    request.resize(start.saturating_add(len), 0);
    let read = match request.get_mut(start..) {
        Some([]) | None => true,
        Some(bytes) => access::read(memory, address, bytes).is_ok(),
    };
    if !read {
        request.truncate(start);
    }
    read
}

#[cfg(test)]
mod tests;
