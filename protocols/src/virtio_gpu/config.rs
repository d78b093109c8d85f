//! The device's configuration space.

use zerocopy::{FromBytes, IntoBytes};

use super::wire;

/// The size of the configuration space in bytes without `blob_alignment`.
pub const CONFIG_SIZE: usize = 16;

/// The size of the configuration space in bytes with `blob_alignment`
/// ([`super::F_BLOB_ALIGNMENT`]).
pub const CONFIG_SIZE_WITH_ALIGNMENT: usize = 20;

/// The bit of `events_read` and `events_clear` that says: ask for the display info again.
pub const EVENT_DISPLAY: u32 = 1 << 0;

/// What the configuration space says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Config {
    /// Events that the guest has not seen yet; only [`EVENT_DISPLAY`] exists.
    pub events_read: u32,
    /// What the guest wrote to clear events; reads as 0.
    pub events_clear: u32,
    /// How many virtual monitors there are, 1 to 16; 0 makes Linux a render-only device.
    pub num_scanouts: u32,
    /// How many capsets GET_CAPSET_INFO knows.
    pub num_capsets: u32,
    /// The power of two that blob sizes and offsets must be multiples of, in bytes.
    /// `None` leaves the field, and so the last four bytes, out.
    pub blob_alignment: Option<u32>,
}

impl Config {
    /// The offset of `events_clear`, the one field that a guest writes.
    pub const EVENTS_CLEAR_OFFSET: u32 = 4;

    /// The size in bytes: [`CONFIG_SIZE`] or [`CONFIG_SIZE_WITH_ALIGNMENT`].
    #[must_use]
    pub const fn size(&self) -> usize {
        match self.blob_alignment {
            Some(_) => CONFIG_SIZE_WITH_ALIGNMENT,
            None => CONFIG_SIZE,
        }
    }

    /// Fills `into` with the bytes from `offset` on. Whatever lies beyond the end reads as
    /// zero: front-ends ask for more than there is, and the answer must have the size that
    /// was asked for.
    pub fn read(&self, offset: u32, into: &mut [u8]) {
        into.fill(0);
        let wire = wire::Config {
            events_read: self.events_read.into(),
            events_clear: self.events_clear.into(),
            num_scanouts: self.num_scanouts.into(),
            num_capsets: self.num_capsets.into(),
            blob_alignment: self.blob_alignment.unwrap_or(0).into(),
        };
        let bytes = wire.as_bytes().iter().take(self.size());
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        for (to, from) in into.iter_mut().zip(bytes.skip(offset)) {
            *to = *from;
        }
    }

    /// Reads a whole configuration space as a guest does; `None` if it has fewer than
    /// [`CONFIG_SIZE`] bytes. From [`CONFIG_SIZE_WITH_ALIGNMENT`] bytes on there is an alignment.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut padded = [0; CONFIG_SIZE_WITH_ALIGNMENT];
        if bytes.len() < CONFIG_SIZE {
            return None;
        }
        for (to, from) in padded.iter_mut().zip(bytes) {
            *to = *from;
        }
        let wire = wire::Config::read_from_bytes(&padded).ok()?;
        let has_alignment = bytes.len() >= CONFIG_SIZE_WITH_ALIGNMENT;
        Some(Self {
            events_read: wire.events_read.get(),
            events_clear: wire.events_clear.get(),
            num_scanouts: wire.num_scanouts.get(),
            num_capsets: wire.num_capsets.get(),
            blob_alignment: has_alignment.then_some(wire.blob_alignment.get()),
        })
    }
}
