//! The guest's side for tests: RAM in a memfd and a driver of split rings in it.

use std::fs::File;

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use vm_memory::{Bytes, FileOffset, GuestAddress, GuestMemoryMmap};

/// A descriptor is followed by another.
pub const NEXT: u16 = 1;
/// A descriptor is written by the device.
pub const WRITE: u16 = 2;
/// A descriptor is a table of descriptors.
pub const INDIRECT: u16 = 4;

/// Guest RAM of one region.
pub struct Ram {
    /// The memory's file.
    pub file: File,
    /// The guest's view of it.
    pub map: GuestMemoryMmap,
    /// The guest-physical address of its first byte.
    pub start: u64,
    /// Its length in bytes.
    pub len: u64,
}

impl Ram {
    /// `len` bytes that the guest sees from `start` on.
    pub fn new(start: u64, len: u64) -> Self {
        let fd = memfd_create("ram", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&fd, len).unwrap();
        let file = File::from(fd);
        let offset = FileOffset::new(file.try_clone().unwrap(), 0);
        let range = (
            GuestAddress(start),
            usize::try_from(len).unwrap(),
            Some(offset),
        );
        let map = GuestMemoryMmap::from_ranges_with_files([range]).unwrap();
        Self {
            file,
            map,
            start,
            len,
        }
    }

    /// Writes as the guest does.
    pub fn write(&self, address: u64, bytes: &[u8]) {
        self.map.write_slice(bytes, GuestAddress(address)).unwrap();
    }

    /// Reads as the guest does.
    pub fn read(&self, address: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.map
            .read_slice(&mut bytes, GuestAddress(address))
            .unwrap();
        bytes
    }
}

/// One descriptor: address, length, flags without [`NEXT`].
pub type Part = (u64, u32, u16);

/// The driver's side of a split ring.
pub struct DriverRing {
    map: GuestMemoryMmap,
    base: u64,
    size: u16,
    next: u16,
    avail: u16,
    used: u16,
}

impl DriverRing {
    /// A fresh ring of `size` entries at guest address `base`.
    pub fn new(ram: &Ram, base: u64, size: u16) -> Self {
        let ring = Self {
            map: ram.map.clone(),
            base,
            size,
            next: 0,
            avail: 0,
            used: 0,
        };
        let len = ring.used_address() + 6 + 8 * u64::from(size) - base;
        ram.write(base, &vec![0; usize::try_from(len).unwrap()]);
        ring
    }

    /// Where the descriptor table is.
    pub fn table_address(&self) -> u64 {
        self.base
    }

    /// Where the available ring is.
    pub fn avail_address(&self) -> u64 {
        self.base + 16 * u64::from(self.size)
    }

    /// Where the used ring is.
    pub fn used_address(&self) -> u64 {
        (self.avail_address() + 6 + 2 * u64::from(self.size)).next_multiple_of(4)
    }

    /// Where the driver writes the index up to which it wants no call.
    pub fn used_event_address(&self) -> u64 {
        self.avail_address() + 4 + 2 * u64::from(self.size)
    }

    /// Where the device writes the index up to which it wants no kick.
    pub fn avail_event_address(&self) -> u64 {
        self.used_address() + 4 + 8 * u64::from(self.size)
    }

    /// Entries.
    pub fn size(&self) -> u16 {
        self.size
    }

    /// Writes one descriptor, right or wrong.
    pub fn descriptor(&self, index: u16, (address, len, flags): Part, next: u16) {
        write_descriptor(&self.map, self.base, index, (address, len, flags), next);
    }

    /// Writes a chain of descriptors and returns its head; does not make it available.
    pub fn chain(&mut self, parts: &[Part]) -> u16 {
        let head = self.next;
        for (index, part) in parts.iter().enumerate() {
            let (address, len, mut flags) = *part;
            let slot = self.next;
            self.next = (self.next + 1) % self.size;
            if index + 1 < parts.len() {
                flags |= NEXT;
            }
            self.descriptor(slot, (address, len, flags), self.next);
        }
        head
    }

    /// The head of the next chain.
    pub fn next_head(&self) -> u16 {
        self.next
    }

    /// Asks to be called for the next answer (with event index).
    pub fn want_call(&self) {
        self.map
            .write_obj(self.used, GuestAddress(self.used_event_address()))
            .unwrap();
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    }

    /// Makes a chain available.
    pub fn offer(&mut self, head: u16) {
        let slot = self.avail_address() + 4 + 2 * u64::from(self.avail % self.size);
        self.map.write_obj(head, GuestAddress(slot)).unwrap();
        self.avail = self.avail.wrapping_add(1);
        self.set_avail_index(self.avail);
    }

    /// Claims that chains up to this index are available.
    pub fn set_avail_index(&self, index: u16) {
        let place = GuestAddress(self.avail_address() + 2);
        self.map
            .store(index, place, std::sync::atomic::Ordering::Release)
            .unwrap();
    }

    /// The next answer: the chain's head and how many bytes were written.
    pub fn take_used(&mut self) -> Option<(u32, u32)> {
        let index: u16 = self
            .map
            .load(
                GuestAddress(self.used_address() + 2),
                std::sync::atomic::Ordering::Acquire,
            )
            .unwrap();
        if index == self.used {
            return None;
        }
        let slot = self.used_address() + 4 + 8 * u64::from(self.used % self.size);
        self.used = self.used.wrapping_add(1);
        let [head, len]: [u32; 2] = self.map.read_obj(GuestAddress(slot)).unwrap();
        Some((head, len))
    }
}

/// Writes one descriptor into the table at `table`.
pub fn write_descriptor(map: &GuestMemoryMmap, table: u64, index: u16, part: Part, next: u16) {
    let (address, len, flags) = part;
    let place = table + 16 * u64::from(index);
    map.write_obj(address, GuestAddress(place)).unwrap();
    map.write_obj(len, GuestAddress(place + 8)).unwrap();
    map.write_obj([flags, next], GuestAddress(place + 12))
        .unwrap();
}
