//! The descriptors of one chain, each read once.

use virtio_queue::desc::split::Descriptor;
use vm_memory::GuestMemoryMmap;

use super::access::Stretch;

/// Bytes of a descriptor.
pub(super) const SIZE: usize = size_of::<Descriptor>();

/// Walks a chain. Stops silently at whatever is wrong with it: then the last descriptor that it gave has a
/// successor, or it gave none.
///
/// Wrong is a descriptor outside of its table, a circle, an indirect table within another or of a size
/// that is none, and a chain of more than 4 GiB.
pub(super) struct Descriptors<'m> {
    memory: &'m GuestMemoryMmap,
    table: Stretch<'m>,
    /// Entries of the table.
    size: u16,
    next: u16,
    /// How many more there may be before it must be a circle.
    left: u16,
    bytes: u32,
    is_indirect: bool,
}

impl<'m> Descriptors<'m> {
    /// The chain that begins with the entry `head` of a table.
    pub(super) fn new(
        memory: &'m GuestMemoryMmap,
        table: Stretch<'m>,
        size: u16,
        head: u16,
    ) -> Self {
        Self {
            memory,
            table,
            size,
            next: head,
            left: size,
            bytes: 0,
            is_indirect: false,
        }
    }

    /// The chain goes on in a table of its own.
    fn enter(&mut self, table: &Descriptor) -> Option<()> {
        let len = usize::try_from(table.len()).ok()?;
        if self.is_indirect || !len.is_multiple_of(SIZE) {
            return None;
        }
        self.size = u16::try_from(len / SIZE).ok()?;
        self.table = Stretch::new(self.memory, table.addr(), len);
        self.next = 0;
        self.left = self.size;
        self.is_indirect = true;
        Some(())
    }
}

impl Iterator for Descriptors<'_> {
    type Item = Descriptor;

    #[inline]
    fn next(&mut self) -> Option<Descriptor> {
        loop {
            if self.left == 0 || self.next >= self.size {
                return None;
            }
            let offset = usize::from(self.next).saturating_mul(SIZE);
            let descriptor: Descriptor = self.table.read_obj(offset).ok()?;
            if descriptor.refers_to_indirect_table() {
                self.enter(&descriptor)?;
                continue;
            }
            self.bytes = self.bytes.checked_add(descriptor.len())?;
            if descriptor.has_next() {
                self.next = descriptor.next();
                self.left = self.left.saturating_sub(1);
            } else {
                self.left = 0;
            }
            return Some(descriptor);
        }
    }
}
