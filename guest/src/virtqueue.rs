//! The driver's side of a split virtqueue in guest memory: descriptors, the ring of available
//! chains, the ring of used ones, indirect tables and the event index.
//!
//! [`Virtqueue`] is what a kernel does with it, and checks what the device answers as Linux's
//! `virtio_ring.c` does. [`Virtqueue::raw`] gives the bare tables to scripts that misbehave.
//! Knows nothing of virtio-gpu.

mod descriptor;
mod error;
mod raw;

use std::{
    collections::HashMap,
    sync::atomic::{Ordering, fence},
};

use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use self::descriptor::descriptor_of;
pub use self::{
    descriptor::{DESCRIPTOR_SIZE, Descriptor, INDIRECT, NEXT, Segment, WRITE},
    error::QueueError,
    raw::RawQueue,
};
use crate::ram::{Block, PAGE, Ram};

/// In `used.flags`: the device does not want to be kicked.
const NO_NOTIFY: u16 = 1;

/// A chain that the device has finished with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// The head that [`Virtqueue::push`] returned.
    pub head: u16,
    /// Bytes that the device says it has written.
    pub length: u32,
}

/// Which optional parts of the ring are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RingFeatures {
    /// `VIRTIO_F_EVENT_IDX`: both sides say at which index they want to be woken.
    pub event_idx: bool,
}

/// A split virtqueue, seen from the driver.
#[derive(Debug)]
pub struct Virtqueue {
    memory: GuestMemoryMmap,
    block: Block,
    size: u16,
    features: RingFeatures,
    /// Descriptors that are in no chain.
    free: Vec<u16>,
    /// Heads that the device has, with the descriptors of their chains.
    in_flight: HashMap<u16, Vec<u16>>,
    next_available: u16,
    /// `next_available` when the device was last told.
    announced: u16,
    next_used: u16,
}

impl Virtqueue {
    /// Allocates an empty queue of `size` entries.
    ///
    /// # Errors
    /// The size is no power of two up to 32768, or there is no memory.
    pub fn new(ram: &mut Ram, size: u16, features: RingFeatures) -> Result<Self, QueueError> {
        if !size.is_power_of_two() {
            return Err(QueueError::Size(size));
        }
        let block = ram.allocate(used_offset(size) + 6 + 8 * u64::from(size))?;
        let mut queue = Self {
            memory: ram.memory().clone(),
            block,
            size,
            features,
            free: Vec::new(),
            in_flight: HashMap::new(),
            next_available: 0,
            announced: 0,
            next_used: 0,
        };
        queue.clear()?;
        Ok(queue)
    }

    /// Forgets all chains and starts over at index 0, as after a reset of the device.
    ///
    /// # Errors
    /// The rings' memory is gone.
    pub fn clear(&mut self) -> Result<(), QueueError> {
        self.memory.write_slice(
            &vec![0; usize::try_from(self.block.length).unwrap_or(0)],
            GuestAddress(self.block.address),
        )?;
        self.free = (0..self.size).rev().collect();
        self.in_flight.clear();
        self.next_available = 0;
        self.announced = 0;
        self.next_used = 0;
        Ok(())
    }

    /// Number of entries.
    #[must_use]
    pub fn size(&self) -> u16 {
        self.size
    }

    /// Guest-physical address of the descriptor table.
    #[must_use]
    pub fn descriptor_table(&self) -> u64 {
        self.block.address
    }

    /// Guest-physical address of the ring of available chains.
    #[must_use]
    pub fn available_ring(&self) -> u64 {
        self.block.address + available_offset(self.size)
    }

    /// Guest-physical address of the ring of used chains.
    #[must_use]
    pub fn used_ring(&self) -> u64 {
        self.block.address + used_offset(self.size)
    }

    /// Index of the next chain that the driver will make available.
    #[must_use]
    pub fn next_available(&self) -> u16 {
        self.next_available
    }

    /// Chains that the device has.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Descriptors that are free.
    #[must_use]
    pub fn free_descriptors(&self) -> usize {
        self.free.len()
    }

    /// Makes a chain available and returns its head. With `table`, memory for an indirect table,
    /// the chain takes one descriptor of the queue.
    ///
    /// # Errors
    /// Too few descriptors are free, the table is too small, or there is no buffer.
    pub fn push(&mut self, chain: &[Segment], table: Option<Block>) -> Result<u16, QueueError> {
        if chain.is_empty() {
            return Err(QueueError::EmptyChain);
        }
        let wanted = if table.is_some() { 1 } else { chain.len() };
        if wanted > self.free.len() {
            return Err(QueueError::Full {
                wanted,
                free: self.free.len(),
            });
        }
        if let Some(table) = table {
            self.write_table(chain, table)?;
        }
        let indices = self.free.split_off(self.free.len() - wanted);
        let head = indices.first().copied().ok_or(QueueError::EmptyChain)?;
        match table {
            Some(table) => {
                let length = u32::try_from(DESCRIPTOR_SIZE * chain.len() as u64).map_err(|_| {
                    QueueError::TableTooSmall {
                        wanted: chain.len(),
                        room: 0,
                    }
                })?;
                let descriptor = Descriptor {
                    address: table.address,
                    length,
                    flags: INDIRECT,
                    next: 0,
                };
                self.raw().set_descriptor(head, descriptor)?;
            }
            None => {
                for (position, (&index, segment)) in indices.iter().zip(chain).enumerate() {
                    let next = indices.get(position + 1).copied();
                    self.raw()
                        .set_descriptor(index, descriptor_of(segment, next))?;
                }
            }
        }
        self.in_flight.insert(head, indices);
        self.publish(head)?;
        Ok(head)
    }

    /// Whether the device has to be kicked about the chains pushed since the last call.
    ///
    /// # Errors
    /// The rings' memory is gone.
    pub fn needs_kick(&mut self) -> Result<bool, QueueError> {
        let old = std::mem::replace(&mut self.announced, self.next_available);
        if old == self.next_available {
            return Ok(false);
        }
        // Orders our index's store before the load of the device's wish, the mirror image of
        // what the device does; otherwise both can miss each other and wait for ever.
        fence(Ordering::SeqCst);
        if self.features.event_idx {
            let event: u16 = self.load(self.used_ring() + 4 + 8 * u64::from(self.size))?;
            Ok(passed(event, old, self.next_available))
        } else {
            Ok(self.load(self.used_ring())? & NO_NOTIFY == 0)
        }
    }

    /// The next chain that the device has finished with.
    ///
    /// # Errors
    /// The device returned what it was not given.
    pub fn pop_used(&mut self) -> Result<Option<Used>, QueueError> {
        let index = self.used_index()?;
        if index == self.next_used {
            return Ok(None);
        }
        if usize::from(index.wrapping_sub(self.next_used)) > self.in_flight.len() {
            return Err(QueueError::IndexRanAway {
                from: self.next_used,
                to: index,
            });
        }
        let slot = u64::from(self.next_used % self.size);
        let (head, length) = self.used_element(slot)?;

        let known = u16::try_from(head)
            .ok()
            .and_then(|head| self.in_flight.remove_entry(&head));
        let (head, indices) = known.ok_or(QueueError::UnknownHead { head })?;
        self.free.extend(indices);
        self.next_used = self.next_used.wrapping_add(1);
        Ok(Some(Used { head, length }))
    }

    /// Asks the device for a call when it finishes the next chain. Returns whether it has
    /// finished one meanwhile: then no call may come, and [`Virtqueue::pop_used`] is due.
    ///
    /// # Errors
    /// The rings' memory is gone.
    pub fn ask_for_call(&mut self) -> Result<bool, QueueError> {
        self.ask_for_call_at(self.next_used)
    }

    fn ask_for_call_at(&mut self, index: u16) -> Result<bool, QueueError> {
        if self.features.event_idx {
            let event = self.available_ring() + 4 + 2 * u64::from(self.size);
            self.store(index, event, Ordering::Relaxed)?;
        }
        fence(Ordering::SeqCst);
        Ok(self.used_index()? != index)
    }

    /// The bare tables, for scripts that break the rules. Chains put there are unknown to
    /// [`Virtqueue::pop_used`]; [`RawQueue::used_index`] sees them.
    pub fn raw(&mut self) -> RawQueue<'_> {
        RawQueue { queue: self }
    }

    fn write_table(&self, chain: &[Segment], table: Block) -> Result<(), QueueError> {
        let room = table.length / DESCRIPTOR_SIZE;
        if chain.len() as u64 > room.min(u64::from(u16::MAX)) {
            return Err(QueueError::TableTooSmall {
                wanted: chain.len(),
                room,
            });
        }
        let mut bytes = Vec::with_capacity(chain.len() * 16);
        for (segment, following) in chain.iter().zip(1..) {
            let next = (usize::from(following) < chain.len()).then_some(following);
            bytes.extend_from_slice(&descriptor_of(segment, next).to_bytes());
        }
        Ok(self
            .memory
            .write_slice(&bytes, GuestAddress(table.address))?)
    }

    fn publish(&mut self, head: u16) -> Result<(), QueueError> {
        self.publish_all(&[head])
    }

    fn publish_all(&mut self, heads: &[u16]) -> Result<(), QueueError> {
        let mut left = heads;
        while !left.is_empty() {
            let slot = self.next_available % self.size;
            let (now, later) = left.split_at(left.len().min(usize::from(self.size - slot)));
            let entries: Vec<u8> = now.iter().flat_map(|head| head.to_le_bytes()).collect();
            let place = self.available_ring() + 4 + 2 * u64::from(slot);
            self.memory.write_slice(&entries, GuestAddress(place))?;
            let count = u16::try_from(now.len()).unwrap_or(self.size);
            self.next_available = self.next_available.wrapping_add(count);
            left = later;
        }
        // Release: a device that sees the new index sees the descriptors and the buffers too.
        self.store(
            self.next_available,
            self.available_ring() + 2,
            Ordering::Release,
        )
    }

    /// A used chain: its head, and the bytes that the device says it has written.
    fn used_element(&self, slot: u64) -> Result<(u32, u32), QueueError> {
        let mut element = [0; 8];
        self.memory
            .read_slice(&mut element, GuestAddress(self.used_ring() + 4 + 8 * slot))?;
        let [h0, h1, h2, h3, l0, l1, l2, l3] = element;
        let head = u32::from_le_bytes([h0, h1, h2, h3]);
        Ok((head, u32::from_le_bytes([l0, l1, l2, l3])))
    }

    fn used_index(&self) -> Result<u16, QueueError> {
        let index: u16 = self
            .memory
            .load(GuestAddress(self.used_ring() + 2), Ordering::Acquire)?;
        Ok(u16::from_le(index))
    }

    fn load(&self, address: u64) -> Result<u16, QueueError> {
        let value: u16 = self.memory.load(GuestAddress(address), Ordering::Relaxed)?;
        Ok(u16::from_le(value))
    }

    fn store(&self, value: u16, address: u64, order: Ordering) -> Result<(), QueueError> {
        Ok(self
            .memory
            .store(value.to_le(), GuestAddress(address), order)?)
    }
}

/// Whether moving from `old` to `new` steps over `event` (the spec's `vring_need_event`).
fn passed(event: u16, old: u16, new: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

/// The available ring follows the descriptors: 4 bytes, an entry each, and the event index.
fn available_offset(size: u16) -> u64 {
    DESCRIPTOR_SIZE * u64::from(size)
}

/// The used ring begins on a page of its own, as in a PC's guest.
fn used_offset(size: u16) -> u64 {
    (available_offset(size) + 6 + 2 * u64::from(size)).next_multiple_of(PAGE)
}

#[cfg(test)]
mod tests;
