//! A ring of messages in memory that two processes share.
//!
//! One of them produces, the other consumes. Each keeps its own place for itself and believes the
//! other's only as far as it is possible: an end that lies can lose its own messages, nothing else.
//!
//! ```text
//!             tail            head
//!              ▼               ▼
//!  ┌───────────┬────┬──────┬───┬──────────────┬─────┐   Places count bytes for ever and wrap around
//!  │   free    │ msg│  msg │msg│     free     │     │   with u32. A message lies in one piece: what
//!  └───────────┴────┴──────┴───┴──────────────┴─────┘   is too short at the end is skipped.
//!  0                                           capacity
//! ```
//!
//! Neither end ever waits in here. Whoever is going to sleep says so in the memory, and the other end
//! finds out whether to wake it; how is not this room's business.

mod consumer;
mod producer;

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use thiserror::Error;
use vm_memory::{VolatileMemory, VolatileSlice};

pub use self::{
    consumer::{Consumer, InPlace},
    producer::Producer,
};
use super::SharedMemory;

/// Words that both ends read and write, each on a cache line of its own, before the bytes.
const HEAD: usize = 0;
const TAIL: usize = 64;
const CONSUMER_SLEEPS: usize = 128;
const PRODUCER_WAITS: usize = 192;
const CONTROL: u32 = 256;

/// Messages begin at multiples of it, and are preceded by as many bytes: their length.
const UNIT: u32 = 8;

/// Instead of a length: the rest up to the end of the ring is skipped.
const SKIP: u32 = u32::MAX;

/// The other end has broken the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("The other end of a shared ring has broken it")]
pub struct Broken;

/// Where a ring lies in memory that is shared.
#[derive(Clone)]
pub struct Ring {
    memory: Arc<SharedMemory>,
    at: u64,
    /// A power of two, at most 2 GiB.
    capacity: u32,
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ring({} bytes at {})", self.capacity, self.at)
    }
}

impl Ring {
    /// The bytes of memory that a ring for `capacity` bytes of messages takes.
    pub const fn footprint(capacity: u32) -> u64 {
        // Widening, and `From` is not const.
        (capacity as u64).saturating_add(CONTROL as u64)
    }

    /// A ring in memory that was zeroed before its first end was made.
    ///
    /// # Errors
    /// `capacity` is no power of two between 64 and 2 GiB, or the ring does not lie in the memory on a
    /// cache line.
    pub fn new(memory: Arc<SharedMemory>, at: u64, capacity: u32) -> io::Result<Self> {
        let ring = Self {
            memory,
            at,
            capacity,
        };
        let possible = capacity.is_power_of_two() && (64..=1 << 31).contains(&capacity);
        if !possible || !at.is_multiple_of(64) || ring.whole().is_none() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(ring)
    }

    /// The longest message in bytes: half of the ring less its length, so that it fits into an empty
    /// ring wherever that stands.
    pub fn max_message(&self) -> usize {
        usize_of((self.capacity / 2).saturating_sub(UNIT))
    }

    fn whole(&self) -> Option<VolatileSlice<'_>> {
        let len = usize::try_from(Self::footprint(self.capacity)).ok()?;
        self.memory.slice(self.at, len)
    }

    /// # Errors
    /// None: every word lies in the memory, as was found out when the ring was made.
    fn word(&self, at: usize) -> Result<AtomicWord<'_>, Broken> {
        let slice = self.whole().ok_or(Broken)?;
        let word = slice.subslice(at, size_of::<u32>()).map_err(|_| Broken)?;
        Ok(AtomicWord(word))
    }

    /// `len` bytes of messages from a place on.
    fn bytes(&self, place: u32, len: usize) -> Result<VolatileSlice<'_>, Broken> {
        let at = CONTROL.saturating_add(self.within(place));
        let slice = self.whole().ok_or(Broken)?;
        slice.subslice(usize_of(at), len).map_err(|_| Broken)
    }

    /// Where in the ring a place is.
    fn within(&self, place: u32) -> u32 {
        place & self.capacity.saturating_sub(1)
    }

    /// How many bytes there are from a place to the end.
    fn to_end(&self, place: u32) -> u32 {
        self.capacity.saturating_sub(self.within(place))
    }

    /// The bytes between two places, as one of them was told by the other end.
    fn between(&self, tail: u32, head: u32) -> Result<u32, Broken> {
        let used = head.wrapping_sub(tail);
        if used > self.capacity || !used.is_multiple_of(UNIT) {
            return Err(Broken);
        }
        Ok(used)
    }
}

/// A word that both processes change.
struct AtomicWord<'a>(VolatileSlice<'a>);

impl AtomicWord<'_> {
    fn with<T>(&self, access: impl FnOnce(&AtomicU32) -> T) -> Result<T, Broken> {
        let word = self.0.get_atomic_ref::<AtomicU32>(0);
        word.map(access).map_err(|_| Broken)
    }
}

/// Lowers a flag; whether it was raised.
fn take_flag(word: &AtomicU32) -> bool {
    word.load(Ordering::Relaxed) != 0 && word.swap(0, Ordering::Relaxed) != 0
}

/// Every platform with memory enough for a guest has pointers of 32 bits at least.
fn usize_of(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
