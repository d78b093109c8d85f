//! How copied bytes are stored: through the processor's caches, or past them.
//!
//! An ordinary store first reads the line of memory that it is about to replace, and pushes another one out of
//! the caches. A small picture is still there when it is shown, and is read from there. One that the caches
//! don't hold was read for nothing, and has pushed out what somebody needs. *Streaming* stores write whole
//! lines straight to memory. The C library has them as well, but looks at each call by itself, and a guest's
//! picture comes in thousands of pieces.
//!
//! The guest may change the bytes while they are copied. Nothing here looks at them: each is read once, by
//! a volatile load or by the same copy as everywhere else in this room, and goes to where it belongs.

use vm_memory::VolatileSlice;

/// How bytes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stores {
    /// Through the caches.
    Cached,
    /// Past the caches, where the processor can do that.
    Streaming,
}

/// The least that is streamed, in bytes: between a picture of 1600x900 pixels and one of 1920x1080. The guest's
/// pixels and the two or three copies of which one is written take turns in the last-level cache, whose size
/// is some 8 to 32 MiB. Measured with 32 MiB, writing two copies in turn, each of which was then read: of 4 MiB,
/// streaming takes 1.1 of the time, of 8 MiB 0.8.
const LARGE: u64 = 6 << 20;

impl Stores {
    /// What is best for so many bytes that are copied in one go.
    pub fn of(bytes: u64) -> Self {
        match bytes < LARGE {
            true => Self::Cached,
            false => Self::Streaming,
        }
    }

    /// Does what copies bytes by [`Copier::copy`]. Who sees anything that is written after this call sees the
    /// bytes, too.
    pub(super) fn during<T>(self, work: impl FnOnce(&Copier) -> T) -> T {
        // Here, and the copier only lent: nobody can keep it, or forget to let it end.
        let _fence = match self {
            Self::Cached => None,
            Self::Streaming => Some(Fence),
        };
        work(&Copier(self))
    }
}

/// Leave to copy, until [`Stores::during`] ends.
#[derive(Debug)]
pub(super) struct Copier(Stores);

impl Copier {
    /// Copies as many bytes as the shorter of the two has. `next` begins what is copied after it, if that is
    /// known.
    pub(super) fn copy<'a>(
        &self,
        from: &VolatileSlice<'_>,
        to: &VolatileSlice<'_>,
        next: impl FnOnce() -> Option<VolatileSlice<'a>>,
    ) {
        match self.0 {
            Stores::Cached => from.copy_to_volatile_slice(*to),
            Stores::Streaming => streaming::copy(from, to, next().as_ref()),
        }
    }
}

/// Puts streaming stores in order with those after it, also where the work between panics.
struct Fence;

impl Drop for Fence {
    fn drop(&mut self) {
        streaming::fence();
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod streaming {
    use vm_memory::VolatileSlice;

    pub(super) fn copy(
        from: &VolatileSlice<'_>,
        to: &VolatileSlice<'_>,
        _next: Option<&VolatileSlice<'_>>,
    ) {
        from.copy_to_volatile_slice(*to);
    }

    pub(super) fn fence() {}
}

#[cfg(target_arch = "x86_64")]
mod streaming {
    use std::arch::x86_64::{__m128i, _MM_HINT_T0, _mm_prefetch, _mm_sfence, _mm_stream_si128};

    use vm_memory::VolatileSlice;

    /// Bytes of a line of the caches. One that is written only in part goes to memory in pieces.
    const LINE: usize = 64;

    /// Bytes of a load and a store.
    const BLOCK: usize = size_of::<__m128i>();

    /// How far ahead of the copy the guest's bytes are fetched: about what a line takes to come. The processor
    /// would do so by itself, but not across pages, and a guest's pages are scattered.
    const AHEAD: usize = 1024;

    /// Must be followed by [`fence`] before anybody else looks at `to`.
    pub(super) fn copy(
        from: &VolatileSlice<'_>,
        to: &VolatileSlice<'_>,
        next: Option<&VolatileSlice<'_>>,
    ) {
        let (source, target) = (from.ptr_guard(), to.ptr_guard_mut());
        let (source, target) = (source.as_ptr(), target.as_ptr());
        let len = from.len().min(to.len());
        let head = target.align_offset(LINE).min(len);
        // Only odd widths differ in how they are aligned.
        if source.wrapping_add(head).align_offset(BLOCK) != 0 {
            return from.copy_to_volatile_slice(*to);
        }
        let left = len.saturating_sub(head);
        let body = left.saturating_sub(left % LINE);
        for (start, end) in [(0, head), (head.saturating_add(body), len)] {
            let part = end.saturating_sub(start);
            if let (Ok(from), Ok(to)) = (from.subslice(start, part), to.subslice(start, part)) {
                from.copy_to_volatile_slice(to);
            }
        }
        let (source, target) = (source.wrapping_add(head), target.wrapping_add(head));
        let next = next.map_or(source, |next| next.ptr_guard().as_ptr());
        for at in (0..body).step_by(LINE) {
            let ahead = at.saturating_add(AHEAD);
            fetch(match ahead.checked_sub(body) {
                None => source.wrapping_add(ahead),
                Some(beyond) => next.wrapping_add(beyond),
            });
            let (from, to) = (source.wrapping_add(at), target.wrapping_add(at));
            // SAFETY: `head` and `body` bytes lie within both slices, which are mapped as long as they live, and
            // this is a whole line of the body. `to` was aligned to lines and `from` to blocks, and lines keep
            // them so.
            unsafe { line(from.cast(), to.cast()) };
        }
    }

    /// Copies a line.
    ///
    /// # Safety
    /// There are [`LINE`] bytes to be read and to be written, aligned to blocks. Others may change both.
    #[inline(always)]
    unsafe fn line(from: *const __m128i, to: *mut __m128i) {
        for block in 0..LINE / BLOCK {
            // SAFETY: the caller's word. Volatile, since the guest may write there: the bytes are read once, and
            // whatever they are then is copied.
            let bytes = unsafe { from.wrapping_add(block).read_volatile() };
            // SAFETY: the caller's word, and that of `copy` for the fence.
            unsafe { _mm_stream_si128(to.wrapping_add(block), bytes) };
        }
    }

    fn fetch(address: *const u8) {
        // SAFETY: a hint, which reads nothing as far as a program can tell, and never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }

    pub(super) fn fence() {
        // SAFETY: every x86-64 has the instruction.
        unsafe { _mm_sfence() };
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        thread,
    };

    use proptest::prelude::*;

    use super::*;
    use crate::memory::SharedMemory;

    /// Bytes at the ends of what is copied to that must stay as they are.
    const AROUND: usize = 128;

    fn copied(stores: Stores, from: &mut [u8], start: usize, len: usize) -> Vec<u8> {
        let mut target = vec![0xee; AROUND + start + len + AROUND];
        let to = VolatileSlice::from(&mut target[AROUND + start..][..len]);
        let next = VolatileSlice::from(&mut *from);
        stores.during(|copier| copier.copy(&next, &to, || Some(next)));
        target
    }

    #[test]
    fn large_pictures_are_streamed() {
        assert_eq!(Stores::of(1600 * 900 * 4), Stores::Cached);
        assert_eq!(Stores::of(1920 * 1080 * 4), Stores::Streaming);
    }

    #[test]
    fn a_guest_that_writes_meanwhile_gets_one_of_its_bytes_shown() {
        const SIZE: usize = 1 << 16;
        let memory = SharedMemory::new(SIZE as u64).unwrap();
        let guest = || memory.slice(0, SIZE).unwrap();
        guest().copy_from(&[0x11_u8; SIZE]);
        let mut target = vec![0; SIZE];
        let ends = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !ends.load(Ordering::Relaxed) {
                    guest().copy_from(&[0x22_u8; SIZE]);
                    guest().copy_from(&[0x11_u8; SIZE]);
                }
            });
            for _ in 0..100 {
                let to = VolatileSlice::from(target.as_mut_slice());
                Stores::Streaming.during(|copier| copier.copy(&guest(), &to, || None));
                if !target.iter().all(|byte| matches!(byte, 0x11 | 0x22)) {
                    break;
                }
            }
            ends.store(true, Ordering::Relaxed);
        });
        assert!(target.iter().all(|byte| matches!(byte, 0x11 | 0x22)));
    }

    proptest! {
        /// However both are aligned, and however long: as an ordinary copy, and nothing beside it.
        #[test]
        fn streaming_copies_the_same_bytes(
            all in prop::collection::vec(any::<u8>(), 5000),
            skip in 0_usize..70,
            start in 0_usize..70,
            len in prop_oneof![0_usize..300, 900_usize..1300, 4000_usize..4900],
        ) {
            let mut all = all;
            let from = &mut all[skip..][..len];
            let streamed = copied(Stores::Streaming, from, start, len);
            prop_assert_eq!(&streamed, &copied(Stores::Cached, from, start, len));
            prop_assert_eq!(&streamed[AROUND + start..][..len], from);
        }
    }
}
