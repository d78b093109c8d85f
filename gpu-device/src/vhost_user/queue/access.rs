//! Small accesses to guest memory, of which a ring needs ten for each chain.
//!
//! What lies within one region of the memory is reached with one look-up. That is all of a ring in practice;
//! the rest goes the way that is right for everything and takes several times as long.

use std::sync::atomic::Ordering;

use vm_memory::{
    Address, AtomicAccess, ByteValued, Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryError,
    GuestMemoryMmap, GuestMemoryRegion, VolatileSlice, volatile_memory,
};

/// Loads a number of the ring.
///
/// # Errors
/// It does not lie in the guest's memory, or not on a multiple of its size.
pub(super) fn load<T: AtomicAccess>(
    memory: &GuestMemoryMmap,
    address: GuestAddress,
    order: Ordering,
) -> Result<T, GuestMemoryError> {
    let near = near(memory, address, size_of::<T>(), |slice| {
        slice.load(0, order)
    });
    near.map_or_else(|| memory.load(address, order), Ok)
}

/// Stores a number of the ring.
///
/// # Errors
/// As [`load`].
pub(super) fn store<T: AtomicAccess>(
    memory: &GuestMemoryMmap,
    value: T,
    address: GuestAddress,
    order: Ordering,
) -> Result<(), GuestMemoryError> {
    let near = near(memory, address, size_of::<T>(), |slice| {
        slice.store(value, 0, order)
    });
    near.map_or_else(|| memory.store(value, address, order), Ok)
}

/// Reads a thing of plain bytes, once.
///
/// # Errors
/// Not all of it lies in the guest's memory.
pub(super) fn read_obj<T: ByteValued>(
    memory: &GuestMemoryMmap,
    address: GuestAddress,
) -> Result<T, GuestMemoryError> {
    let near = near(memory, address, size_of::<T>(), |slice| slice.read_obj(0));
    near.map_or_else(|| memory.read_obj(address), Ok)
}

/// Fills `bytes`.
///
/// # Errors
/// Not all of them lie in the guest's memory.
pub(super) fn read(
    memory: &GuestMemoryMmap,
    address: GuestAddress,
    bytes: &mut [u8],
) -> Result<(), GuestMemoryError> {
    let near = near(memory, address, bytes.len(), |slice| {
        slice.read_slice(bytes, 0)
    });
    match near {
        Some(()) => Ok(()),
        None => memory.read_slice(bytes, address),
    }
}

/// Writes `bytes`.
///
/// # Errors
/// Not all of them lie in the guest's memory; some may be written then.
pub(super) fn write(
    memory: &GuestMemoryMmap,
    address: GuestAddress,
    bytes: &[u8],
) -> Result<(), GuestMemoryError> {
    let near = near(memory, address, bytes.len(), |slice| {
        slice.write_slice(bytes, 0)
    });
    near.map_or_else(|| memory.write_slice(bytes, address), Ok)
}

/// Does something to `len` bytes that lie within one region; `None` where they don't, or it fails.
fn near<T>(
    memory: &GuestMemoryMmap,
    address: GuestAddress,
    len: usize,
    access: impl FnOnce(&VolatileSlice<'_>) -> Result<T, volatile_memory::Error>,
) -> Option<T> {
    let region = memory.find_region(address)?;
    let offset = address.checked_offset_from(region.start_addr())?;
    let slice = region
        .get_slice(vm_memory::MemoryRegionAddress(offset), len)
        .ok()?;
    access(&slice).ok()
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
            let at = GuestAddress(at);
            write(&memory, at, b"12345678").unwrap();
            let mut bytes = [0; 8];
            read(&memory, at, &mut bytes).unwrap();
            assert_eq!(&bytes, b"12345678");
            assert_eq!(read_obj::<[u8; 8]>(&memory, at).unwrap(), bytes);
        }
    }

    #[test]
    fn what_lies_outside_is_an_error() {
        let memory = memory();
        for at in [0x1ffd, 0x2000, u64::MAX - 3, u64::MAX] {
            let at = GuestAddress(at);
            assert!(read(&memory, at, &mut [0; 4]).is_err());
            assert!(write(&memory, at, &[0; 4]).is_err());
            assert!(read_obj::<u32>(&memory, at).is_err());
            assert!(load::<u32>(&memory, at, Ordering::Acquire).is_err());
            assert!(store(&memory, 1_u32, at, Ordering::Release).is_err());
        }
    }

    #[test]
    fn numbers_are_at_multiples_of_their_size() {
        let memory = memory();
        store(&memory, 7_u16, GuestAddress(0x1002), Ordering::Release).unwrap();
        let load = |at| load::<u16>(&memory, GuestAddress(at), Ordering::Acquire);
        assert_eq!(load(0x1002).unwrap(), 7);
        assert!(load(0x1001).is_err());
        assert!(load(0xfff).is_err());
    }
}
