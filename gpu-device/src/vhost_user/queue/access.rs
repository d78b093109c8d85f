//! Small accesses to guest memory, of which a ring needs ten for each chain.
//!
//! A stretch that lies within one region of the memory is looked up once, and an access to it is then a
//! comparison and a move. That is all of a ring in practice; the rest goes the way that is right for
//! everything and takes many times as long.

use std::sync::atomic::Ordering;

use vm_memory::{
    Address, AtomicAccess, ByteValued, Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryError,
    GuestMemoryMmap, GuestMemoryRegion, MemoryRegionAddress, VolatileMemory, VolatileSlice,
};

/// Some bytes of guest memory that follow each other, whether or not they are there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch<'m> {
    memory: &'m GuestMemoryMmap,
    start: GuestAddress,
    /// All of it, where it lies within one region.
    near: Option<VolatileSlice<'m>>,
}

impl<'m> Stretch<'m> {
    /// `len` bytes from `start` on.
    #[inline]
    pub(super) fn new(memory: &'m GuestMemoryMmap, start: GuestAddress, len: usize) -> Self {
        Self {
            memory,
            start,
            near: near(memory, start, len),
        }
    }

    /// Loads a number, `offset` bytes behind the start.
    ///
    /// # Errors
    /// It does not lie in the guest's memory, or not on a multiple of its size.
    #[inline]
    pub(super) fn load<T: AtomicAccess>(
        &self,
        offset: usize,
        order: Ordering,
    ) -> Result<T, GuestMemoryError> {
        match self.near.as_ref().map(|near| near.load(offset, order)) {
            Some(Ok(number)) => Ok(number),
            _ => self.far(offset, |at| self.memory.load(at, order)),
        }
    }

    /// Stores a number.
    ///
    /// # Errors
    /// As [`Stretch::load`].
    #[inline]
    pub(super) fn store<T: AtomicAccess>(
        &self,
        value: T,
        offset: usize,
        order: Ordering,
    ) -> Result<(), GuestMemoryError> {
        match self
            .near
            .as_ref()
            .map(|near| near.store(value, offset, order))
        {
            Some(Ok(())) => Ok(()),
            _ => self.far(offset, |at| self.memory.store(value, at, order)),
        }
    }

    /// Reads a thing of plain bytes, once; it may lie at any address.
    ///
    /// # Errors
    /// Not all of it lies in the guest's memory.
    #[inline]
    pub(super) fn read_obj<T: ByteValued>(&self, offset: usize) -> Result<T, GuestMemoryError> {
        match self.near.as_ref().map(|near| near.get_ref(offset)) {
            Some(Ok(place)) => Ok(place.load()),
            _ => self.far(offset, |at| self.memory.read_obj(at)),
        }
    }

    /// Writes a thing of plain bytes.
    ///
    /// # Errors
    /// As [`Stretch::read_obj`]; some of it may be written then.
    #[inline]
    pub(super) fn write_obj<T: ByteValued>(
        &self,
        value: T,
        offset: usize,
    ) -> Result<(), GuestMemoryError> {
        match self.near.as_ref().map(|near| near.get_ref(offset)) {
            Some(Ok(place)) => {
                place.store(value);
                Ok(())
            }
            _ => self.far(offset, |at| self.memory.write_obj(value, at)),
        }
    }

    /// Fills `bytes` from its start on.
    ///
    /// # Errors
    /// Not all of them lie in the guest's memory.
    pub(super) fn read(&self, bytes: &mut [u8]) -> Result<(), GuestMemoryError> {
        match &self.near {
            Some(near) if near.len() >= bytes.len() => {
                near.copy_to(bytes);
                Ok(())
            }
            _ => self.far(0, |at| self.memory.read_slice(bytes, at)),
        }
    }

    /// Writes `bytes` from its start on.
    ///
    /// # Errors
    /// Not all of them lie in the guest's memory; some may be written then.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<(), GuestMemoryError> {
        match &self.near {
            Some(near) if near.len() >= bytes.len() => {
                near.copy_from(bytes);
                Ok(())
            }
            _ => self.far(0, |at| self.memory.write_slice(bytes, at)),
        }
    }

    /// The way that is right for everything: by the address of a byte of it. Beyond the last address there
    /// is no memory, and none at that one.
    #[cold]
    fn far<T>(
        &self,
        offset: usize,
        access: impl FnOnce(GuestAddress) -> Result<T, GuestMemoryError>,
    ) -> Result<T, GuestMemoryError> {
        let offset = u64::try_from(offset).unwrap_or(u64::MAX);
        access(GuestAddress(self.start.raw_value().saturating_add(offset)))
    }
}

/// `len` bytes that lie within one region; `None` where they don't.
fn near(memory: &GuestMemoryMmap, start: GuestAddress, len: usize) -> Option<VolatileSlice<'_>> {
    let region = memory.find_region(start)?;
    let offset = start.checked_offset_from(region.start_addr())?;
    region.get_slice(MemoryRegionAddress(offset), len).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two regions that touch, and nothing behind them.
    fn memory() -> GuestMemoryMmap {
        let ranges = [(GuestAddress(0), 0x1000), (GuestAddress(0x1000), 0x1000)];
        GuestMemoryMmap::from_ranges(&ranges).unwrap()
    }

    #[test]
    fn what_lies_in_two_regions_is_read_and_written_whole() {
        let memory = memory();
        for at in [0, 0xffc, 0xfff, 0x1000, 0x1ff8] {
            let stretch = Stretch::new(&memory, GuestAddress(at), 8);
            stretch.write(b"12345678").unwrap();
            let mut bytes = [0; 8];
            stretch.read(&mut bytes).unwrap();
            assert_eq!(&bytes, b"12345678");
            assert_eq!(stretch.read_obj::<[u8; 8]>(0).unwrap(), bytes);
            stretch.write_obj(*b"abcd", 4).unwrap();
            assert_eq!(stretch.read_obj::<[u8; 8]>(0).unwrap(), *b"1234abcd");
        }
    }

    #[test]
    fn what_lies_outside_is_an_error() {
        let memory = memory();
        for at in [0x1ffd, 0x2000, u64::MAX - 3, u64::MAX] {
            let stretch = Stretch::new(&memory, GuestAddress(at), 4);
            assert!(stretch.read(&mut [0; 4]).is_err());
            assert!(stretch.write(&[0; 4]).is_err());
            assert!(stretch.read_obj::<u32>(0).is_err());
            assert!(stretch.write_obj(1_u32, 0).is_err());
            assert!(stretch.load::<u32>(0, Ordering::Acquire).is_err());
            assert!(stretch.store(1_u32, 0, Ordering::Release).is_err());
        }
    }

    #[test]
    fn what_lies_behind_the_end_of_a_stretch_is_looked_up_again() {
        let memory = memory();
        let stretch = Stretch::new(&memory, GuestAddress(0xff8), 8);
        stretch.store(7_u32, 8, Ordering::Release).unwrap();
        assert_eq!(stretch.load::<u32>(8, Ordering::Acquire).unwrap(), 7);
        assert_eq!(stretch.read_obj::<u64>(4).unwrap(), 7 << 32);
        let mut bytes = [1; 12];
        stretch.read(&mut bytes).unwrap();
        assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0]);
        assert!(stretch.load::<u32>(usize::MAX, Ordering::Acquire).is_err());
    }

    #[test]
    fn numbers_are_at_multiples_of_their_size() {
        let memory = memory();
        let stretch = Stretch::new(&memory, GuestAddress(0xffe), 6);
        stretch.store(7_u16, 4, Ordering::Release).unwrap();
        let load = |offset| stretch.load::<u16>(offset, Ordering::Acquire);
        assert_eq!(load(4).unwrap(), 7);
        assert!(load(3).is_err());
        assert!(load(1).is_err());
    }
}
