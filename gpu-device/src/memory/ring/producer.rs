//! The end of a ring that sends.

use std::sync::atomic::{Ordering, fence};

use super::{Broken, CONSUMER_SLEEPS, HEAD, PRODUCER_WAITS, Ring, SKIP, TAIL, UNIT, take_flag};

/// The end that sends.
#[derive(Debug)]
pub struct Producer {
    ring: Ring,
    head: u32,
}

impl Producer {
    /// The only producer of a ring, from its beginning on.
    pub fn new(ring: Ring) -> Self {
        Self { ring, head: 0 }
    }

    /// The longest message in bytes.
    pub fn max_message(&self) -> usize {
        self.ring.max_message()
    }

    /// Puts a message, the two parts one after the other, into the ring; `false` where there is no room
    /// for it now. Then the consumer will find that room is wanted.
    ///
    /// # Errors
    /// The other end is broken, or the message longer than [`Self::max_message`].
    pub fn push(&mut self, first: &[u8], second: &[u8]) -> Result<bool, Broken> {
        let len = first.len().checked_add(second.len()).ok_or(Broken)?;
        if !self.has_room(len)? {
            return Ok(false);
        }
        self.put(first, second, len)?;
        Ok(true)
    }

    /// Whether a message of this length can be put into the ring now. Where it can't the consumer will
    /// find that room is wanted.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn has_room(&self, len: usize) -> Result<bool, Broken> {
        if len > self.ring.max_message() {
            return Err(Broken);
        }
        let (skipped, taken) = self.needed(len)?;
        let needed = skipped.saturating_add(taken);
        let has_room = || Ok(self.ring.capacity.saturating_sub(self.used()?) >= needed);
        if has_room()? {
            return Ok(true);
        }
        self.want_room()?;
        // The consumer may have made room before it could see that it is wanted.
        has_room()
    }

    /// The bytes to be skipped before a message, and those that it takes.
    fn needed(&self, len: usize) -> Result<(u32, u32), Broken> {
        let len = u32::try_from(len).map_err(|_| Broken)?;
        let taken = len
            .checked_next_multiple_of(UNIT)
            .and_then(|len| len.checked_add(UNIT))
            .ok_or(Broken)?;
        let to_end = self.ring.to_end(self.head);
        let skipped = if taken > to_end { to_end } else { 0 };
        Ok((skipped, taken))
    }

    /// Puts a message where there is room for it.
    fn put(&mut self, first: &[u8], second: &[u8], len: usize) -> Result<(), Broken> {
        let (skipped, taken) = self.needed(len)?;
        let len = u32::try_from(len).map_err(|_| Broken)?;
        if skipped > 0 {
            self.ring
                .bytes(self.head, 4)?
                .copy_from(&SKIP.to_ne_bytes());
        }
        let start = self.head.wrapping_add(skipped);
        let body = start.wrapping_add(UNIT);
        self.ring.bytes(start, 4)?.copy_from(&len.to_ne_bytes());
        self.ring.bytes(body, first.len())?.copy_from(first);
        let second_at = body.wrapping_add(u32::try_from(first.len()).map_err(|_| Broken)?);
        if !second.is_empty() {
            self.ring.bytes(second_at, second.len())?.copy_from(second);
        }
        self.head = start.wrapping_add(taken);
        let head = self.head;
        self.ring
            .word(HEAD)?
            .with(|word| word.store(head, Ordering::Release))
    }

    /// Has the consumer say when there is room again; see [`super::Consumer::room_is_wanted`].
    ///
    /// # Errors
    /// None in practice.
    pub fn want_room(&self) -> Result<(), Broken> {
        self.ring
            .word(PRODUCER_WAITS)?
            .with(|word| word.store(1, Ordering::Relaxed))?;
        // The consumer's place is looked at after this is seen, or the consumer sees this after it.
        fence(Ordering::SeqCst);
        Ok(())
    }

    /// Whether the consumer sleeps and has to be woken. It is told so once for each sleep.
    ///
    /// # Errors
    /// None in practice.
    pub fn consumer_sleeps(&self) -> Result<bool, Broken> {
        // What was sent is seen by the consumer before it sleeps, or this sees that it sleeps.
        fence(Ordering::SeqCst);
        self.ring.word(CONSUMER_SLEEPS)?.with(take_flag)
    }

    /// How many bytes the consumer has not consumed.
    ///
    /// # Errors
    /// The other end is broken.
    pub fn used(&self) -> Result<u32, Broken> {
        self.ring.between(self.consumed()?, self.head)
    }

    /// How far the consumer has come: changes with every message that it is done with.
    ///
    /// # Errors
    /// None in practice.
    pub fn consumed(&self) -> Result<u32, Broken> {
        self.ring
            .word(TAIL)?
            .with(|word| word.load(Ordering::Acquire))
    }
}
