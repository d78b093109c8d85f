//! A queue at work: chains out, answers in.

use std::sync::atomic::{Ordering, fence};

use virtio_bindings::virtio_ring::{VRING_AVAIL_F_NO_INTERRUPT, VRING_USED_F_NO_NOTIFY};
use virtio_queue::{Queue, QueueT};
use vm_memory::{GuestAddress, GuestMemoryMmap};

use super::{
    Broken, Chain, Room, SplitQueue,
    access::Stretch,
    descriptors::{self, Descriptors},
};

/// Where a ring has its flags, its index and its entries. Behind the entries is the index at which the
/// other side wants to be woken.
const FLAGS: usize = 0;
const INDEX: usize = 2;
const ENTRIES: usize = 4;

/// Bytes of an entry: the head of an available chain; that of a used one, and the bytes written.
const AVAILABLE: usize = size_of::<u16>();
const USED: usize = size_of::<u64>();

/// A [`SplitQueue`] whose parts are looked up in the guest's memory once for all the chains that are
/// taken out or answered by it.
#[derive(Debug)]
pub struct OpenQueue<'q, 'm> {
    queue: &'q mut SplitQueue,
    memory: &'m GuestMemoryMmap,
    table: Stretch<'m>,
    available: Stretch<'m>,
    used: Stretch<'m>,
    /// Up to which index chains are known to be available.
    seen: u16,
}

impl<'q, 'm> OpenQueue<'q, 'm> {
    pub(super) fn new(queue: &'q mut SplitQueue, memory: &'m GuestMemoryMmap) -> Self {
        let ring = &queue.ring;
        let part = |address, len| Stretch::new(memory, GuestAddress(address), len);
        let table = usize::from(ring.size()).saturating_mul(descriptors::SIZE);
        let whole = |entry| event_place(ring, entry).saturating_add(size_of::<u16>());
        Self {
            table: part(ring.desc_table(), table),
            available: part(ring.avail_ring(), whole(AVAILABLE)),
            used: part(ring.used_ring(), whole(USED)),
            seen: ring.next_avail(),
            memory,
            queue,
        }
    }

    /// Takes out the next chain. The first `limit` of its readable bytes replace those in
    /// `request`; fewer if some lie outside of the guest's memory.
    ///
    /// # Errors
    /// A ring or chain that can't be right.
    pub fn pop(&mut self, request: &mut Vec<u8>, limit: usize) -> Result<Option<Chain>, Broken> {
        let next = self.queue.ring.next_avail();
        if self.seen == next && !self.look()? {
            return Ok(None);
        }
        let size = self.queue.ring.size();
        if self.queue.in_flight >= size {
            return Err(Broken::InFlight);
        }
        let entry = self.entry(next, AVAILABLE);
        let head = load(&self.available, entry, Ordering::Relaxed)?;
        self.queue.ring.set_next_avail(next.wrapping_add(1));
        let mut chain = Chain {
            head,
            readable: true,
            room: Room::default(),
        };
        request.clear();
        // A chain is whole only if the last descriptor of it is one without a successor.
        let mut whole = false;
        for descriptor in Descriptors::new(self.memory, self.table, size, head) {
            whole = !descriptor.has_next();
            if descriptor.is_write_only() {
                chain.room.push(descriptor.addr(), descriptor.len());
            } else if chain.readable {
                let len = usize::try_from(descriptor.len()).unwrap_or(usize::MAX);
                let len = len.min(limit.saturating_sub(request.len()));
                chain.readable = gather(self.memory, descriptor.addr(), len, request);
            }
        }
        if !whole {
            return Err(Broken::Chain);
        }
        self.queue.in_flight = self.queue.in_flight.saturating_add(1);
        Ok(Some(chain))
    }

    /// Asks the driver what is available. Returns whether there is more than was taken out.
    fn look(&mut self) -> Result<bool, Broken> {
        let ring = &self.queue.ring;
        // Acquire: who sees the index sees the entries, the descriptors and the buffers.
        let available = load(&self.available, INDEX, Ordering::Acquire)?;
        let waiting = available.wrapping_sub(ring.next_avail());
        if waiting == 0 {
            return Ok(false);
        }
        if !ring.ready() {
            return Err(virtio_queue::Error::QueueNotReady.into());
        }
        if waiting > ring.size() {
            return Err(virtio_queue::Error::InvalidAvailRingIndex.into());
        }
        self.seen = available;
        Ok(true)
    }

    /// Answers a chain: writes `answer` into its room, as much as fits, and gives it back. Returns
    /// the bytes written.
    ///
    /// # Errors
    /// A used ring that can't be written.
    pub fn complete(&mut self, chain: &Chain, answer: &[u8]) -> Result<u32, Broken> {
        let written = chain.room.write(self.memory, answer);
        self.queue.in_flight = self.queue.in_flight.saturating_sub(1);
        self.queue.unannounced = true;
        self.add_used(chain.head, written)?;
        Ok(written)
    }

    fn add_used(&mut self, head: u16, written: u32) -> Result<(), Broken> {
        let next = self.queue.ring.next_used();
        let element = u64::from(head) | u64::from(written) << 32;
        let place = self.entry(next, USED);
        let put = self.used.write_obj(element.to_le(), place);
        put.map_err(virtio_queue::Error::GuestMemory)?;
        let next = next.wrapping_add(1);
        self.queue.ring.set_next_used(next);
        self.queue.added = self.queue.added.wrapping_add(1);
        // Release: a driver that sees the new index sees the answer too.
        store(&self.used, next, INDEX, Ordering::Release)
    }

    /// Where a ring has the entry of an index. Its size is a power of two.
    fn entry(&self, index: u16, bytes: usize) -> usize {
        let slot = usize::from(index & self.queue.ring.size().wrapping_sub(1));
        slot.saturating_mul(bytes).saturating_add(ENTRIES)
    }

    /// Asks the driver not to kick while chains are being taken out anyway.
    ///
    /// # Errors
    /// A ring that can't be written.
    pub fn pause_kicks(&mut self) -> Result<(), Broken> {
        // With event index it kicks once and then not again until it is asked to.
        match self.queue.ring.event_idx_enabled() {
            true => Ok(()),
            false => self.set_flags(VRING_USED_F_NO_NOTIFY),
        }
    }

    /// Asks for kicks again. Returns whether chains have arrived meanwhile, for which there will
    /// be none.
    ///
    /// # Errors
    /// A ring that can't be written.
    pub fn resume_kicks(&mut self) -> Result<bool, Broken> {
        let ring = &self.queue.ring;
        let next = ring.next_avail();
        match ring.event_idx_enabled() {
            true => store(&self.used, next, event_place(ring, USED), Ordering::Relaxed)?,
            false => self.set_flags(0)?,
        }
        // The wish must be there before the index is looked at: the driver looks at the wish after it has
        // written that.
        fence(Ordering::SeqCst);
        Ok(load(&self.available, INDEX, Ordering::Acquire)? != next)
    }

    fn set_flags(&self, flags: u32) -> Result<(), Broken> {
        let flags = u16::try_from(flags).unwrap_or(0);
        store(&self.used, flags, FLAGS, Ordering::Relaxed)
    }

    /// Whether the driver wants to be called for the answers given since the last question.
    ///
    /// # Errors
    /// A ring that can't be read.
    pub fn wants_call(&mut self) -> Result<bool, Broken> {
        if !std::mem::take(&mut self.queue.unannounced) {
            return Ok(false);
        }
        let added = std::mem::take(&mut self.queue.added);
        let ring = &self.queue.ring;
        // The answers must be there before the driver's wish is looked at: it looks for answers after it
        // has written that.
        fence(Ordering::SeqCst);
        let wanted = if ring.event_idx_enabled() {
            let event = event_place(ring, AVAILABLE);
            let event = load(&self.available, event, Ordering::Relaxed)?;
            // Whether the index has passed what the driver waits for.
            let beyond = ring.next_used().wrapping_sub(event).wrapping_sub(1);
            beyond < added
        } else {
            let flags = load(&self.available, FLAGS, Ordering::Relaxed)?;
            u32::from(flags) & VRING_AVAIL_F_NO_INTERRUPT == 0
        };
        if wanted || !self.queue.notify_on_empty || self.queue.in_flight > 0 {
            return Ok(wanted);
        }
        let available = load(&self.available, INDEX, Ordering::Relaxed)?;
        Ok(available == ring.next_avail())
    }
}

/// Where a ring has the index at which the other side wants to be woken.
fn event_place(ring: &Queue, entry: usize) -> usize {
    let entries = usize::from(ring.size()).saturating_mul(entry);
    entries.saturating_add(ENTRIES)
}

fn load(part: &Stretch<'_>, offset: usize, order: Ordering) -> Result<u16, Broken> {
    let number = part.load(offset, order);
    let number = number.map_err(virtio_queue::Error::GuestMemory)?;
    Ok(u16::from_le(number))
}

fn store(part: &Stretch<'_>, number: u16, offset: usize, order: Ordering) -> Result<(), Broken> {
    let stored = part.store(number.to_le(), offset, order);
    Ok(stored.map_err(virtio_queue::Error::GuestMemory)?)
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
        Some(bytes) => Stretch::new(memory, address, len).read(bytes).is_ok(),
    };
    if !read {
        request.truncate(start);
    }
    read
}
