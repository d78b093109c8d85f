//! The bare tables of a queue, for guests that break the rules.

use std::sync::atomic::Ordering;

use vm_memory::{Bytes, GuestAddress};

use super::{DESCRIPTOR_SIZE, Descriptor, QueueError, Virtqueue};

/// Unchecked access to a queue's tables: a hostile guest's view.
#[derive(Debug)]
pub struct RawQueue<'a> {
    pub(super) queue: &'a mut Virtqueue,
}

impl RawQueue<'_> {
    /// Writes a descriptor. `index` may lie beyond the table's end.
    ///
    /// # Errors
    /// The address is not memory.
    pub fn set_descriptor(&mut self, index: u16, descriptor: Descriptor) -> Result<(), QueueError> {
        let address = self.queue.descriptor_table() + DESCRIPTOR_SIZE * u64::from(index);
        Ok(self
            .queue
            .memory
            .write_slice(&descriptor.to_bytes(), GuestAddress(address))?)
    }

    /// Writes an entry of the ring of available chains.
    ///
    /// # Errors
    /// The address is not memory.
    pub fn set_available_entry(&mut self, slot: u16, head: u16) -> Result<(), QueueError> {
        let address = self.queue.available_ring() + 4 + 2 * u64::from(slot);
        self.queue.store(head, address, Ordering::Relaxed)
    }

    /// Writes the index of the ring of available chains, and goes on from there.
    ///
    /// # Errors
    /// The rings' memory is gone.
    pub fn set_available_index(&mut self, index: u16) -> Result<(), QueueError> {
        self.queue.next_available = index;
        self.queue
            .store(index, self.queue.available_ring() + 2, Ordering::Release)
    }

    /// Makes a head available as it is, whatever its descriptors say.
    ///
    /// # Errors
    /// The rings' memory is gone.
    pub fn publish(&mut self, head: u16) -> Result<(), QueueError> {
        self.queue.publish(head)
    }

    /// Makes heads available in this order, all at once: the device sees none of them or all.
    ///
    /// # Errors
    /// The rings' memory is gone.
    pub fn publish_all(&mut self, heads: &[u16]) -> Result<(), QueueError> {
        self.queue.publish_all(heads)
    }

    /// The device's index in the ring of used chains.
    ///
    /// # Errors
    /// The rings' memory is gone.
    pub fn used_index(&self) -> Result<u16, QueueError> {
        self.queue.used_index()
    }

    /// What the device wrote into the ring of used chains at an index: a head, and how many bytes it
    /// says it has written.
    ///
    /// # Errors
    /// The rings' memory is gone.
    pub fn used_entry(&self, index: u16) -> Result<(u32, u32), QueueError> {
        let queue = &self.queue;
        let slot = u64::from(index % queue.size);
        queue.used_element(slot)
    }

    /// Asks the device for a call when it finishes the chain of this index. Returns whether it has done
    /// so meanwhile: then no call may come.
    ///
    /// # Errors
    /// The rings' memory is gone.
    pub fn ask_for_call_at(&mut self, index: u16) -> Result<bool, QueueError> {
        self.queue.ask_for_call_at(index)
    }
}
