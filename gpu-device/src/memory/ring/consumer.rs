//! The end of a ring that receives.

use std::sync::atomic::{Ordering, fence};

use super::{
    Broken, CONSUMER_SLEEPS, HEAD, PRODUCER_WAITS, Ring, SKIP, TAIL, UNIT, take_flag, usize_of,
};

/// The end that receives.
#[derive(Debug)]
pub struct Consumer {
    ring: Ring,
    tail: u32,
}

/// Where a message is.
#[derive(Debug, Clone, Copy)]
struct Message {
    body: u32,
    len: usize,
    /// The place after it.
    end: u32,
}

impl Consumer {
    /// The only consumer of a ring, from its beginning on.
    pub fn new(ring: Ring) -> Self {
        Self { ring, tail: 0 }
    }

    /// Copies the next message into `out`, which is emptied before, and is done with it; `false` where
    /// there is none.
    ///
    /// # Errors
    /// The other end is broken.
    pub fn take(&mut self, out: &mut Vec<u8>) -> Result<bool, Broken> {
        let Some(message) = self.find()? else {
            return Ok(false);
        };
        out.clear();
        out.resize(message.len, 0);
        if message.len > 0 {
            self.ring
                .bytes(message.body, message.len)?
                .copy_to(out.as_mut_slice());
        }
        self.done_with(message)?;
        Ok(true)
    }

    fn find(&mut self) -> Result<Option<Message>, Broken> {
        let head = self
            .ring
            .word(HEAD)?
            .with(|word| word.load(Ordering::Acquire))?;
        let mut used = self.ring.between(self.tail, head)?;
        if used == 0 {
            return Ok(None);
        }
        let mut start = self.tail;
        let mut len = self.length(start)?;
        if len == SKIP {
            let skipped = self.ring.to_end(start);
            // Nothing is skipped at the beginning, nor behind the last message.
            if skipped == self.ring.capacity || skipped >= used {
                return Err(Broken);
            }
            used = used.saturating_sub(skipped);
            start = start.wrapping_add(skipped);
            len = self.length(start)?;
        }
        if usize_of(len) > self.ring.max_message() {
            return Err(Broken);
        }
        let taken = len.next_multiple_of(UNIT).saturating_add(UNIT);
        if taken > used || taken > self.ring.to_end(start) {
            return Err(Broken);
        }
        Ok(Some(Message {
            body: start.wrapping_add(UNIT),
            len: usize_of(len),
            end: start.wrapping_add(taken),
        }))
    }

    /// Reads a length, once.
    fn length(&self, start: u32) -> Result<u32, Broken> {
        let mut bytes = [0; 4];
        self.ring.bytes(start, 4)?.copy_to(&mut bytes);
        Ok(u32::from_ne_bytes(bytes))
    }

    fn done_with(&mut self, message: Message) -> Result<(), Broken> {
        self.tail = message.end;
        self.ring
            .word(TAIL)?
            .with(|word| word.store(message.end, Ordering::Release))
    }

    /// Whether the producer waits for room, and there is some: half of the ring, so that a producer with
    /// much to send is not woken for each message. It is told so once for each time that it waits.
    ///
    /// # Errors
    /// The other end is broken.
    pub fn room_is_wanted(&self) -> Result<bool, Broken> {
        fence(Ordering::SeqCst);
        let waits = self.ring.word(PRODUCER_WAITS)?;
        if waits.with(|word| word.load(Ordering::Relaxed))? == 0 {
            return Ok(false);
        }
        let head = self
            .ring
            .word(HEAD)?
            .with(|word| word.load(Ordering::Acquire))?;
        if self.ring.between(self.tail, head)? > self.ring.capacity / 2 {
            return Ok(false);
        }
        waits.with(take_flag)
    }

    /// Says that this end is going to sleep until it is woken; `false` where it must not, since there
    /// are messages. Messages sent from here on wake it.
    ///
    /// # Errors
    /// The other end is broken.
    pub fn sleeps(&self) -> Result<bool, Broken> {
        let word = self.ring.word(CONSUMER_SLEEPS)?;
        word.with(|word| word.store(1, Ordering::Relaxed))?;
        fence(Ordering::SeqCst);
        let head = self
            .ring
            .word(HEAD)?
            .with(|word| word.load(Ordering::Acquire))?;
        Ok(self.ring.between(self.tail, head)? == 0)
    }
}

/// A consumer that reads messages where they lie, instead of copying them.
#[derive(Debug)]
pub struct InPlace {
    consumer: Consumer,
    next: Option<Message>,
}

impl InPlace {
    /// The only consumer of a ring whose producer is the very program that has started this one: it
    /// keeps its hands off a message until that is consumed. Where it does not, it has an error of its
    /// own, and this process is its own to break.
    pub fn trusting(ring: Ring) -> Self {
        Self {
            consumer: Consumer::new(ring),
            next: None,
        }
    }

    /// The next message, at an address that is a multiple of eight; `None` where there is none. The
    /// same until [`Self::advance`].
    ///
    /// # Errors
    /// The other end is broken.
    pub fn peek(&mut self) -> Result<Option<&[u8]>, Broken> {
        if self.next.is_none() {
            self.next = self.consumer.find()?;
        }
        let Some(message) = self.next else {
            return Ok(None);
        };
        let bytes = self.consumer.ring.bytes(message.body, message.len)?;
        let guard = bytes.ptr_guard();
        // SAFETY: `bytes` lies in a mapping that lives as long as `self`, which the result borrows.
        // The memory is initialised. Nobody changes it meanwhile: this process has no producer of
        // this ring, `advance` needs `self` again, and the process that has the producer does not
        // write where the consumer has not been (see `trusting`).
        Ok(Some(unsafe {
            std::slice::from_raw_parts(guard.as_ptr(), message.len)
        }))
    }

    /// Is done with the message that was peeked at.
    ///
    /// # Errors
    /// None in practice.
    pub fn advance(&mut self) -> Result<(), Broken> {
        match self.next.take() {
            Some(message) => self.consumer.done_with(message),
            None => Ok(()),
        }
    }

    /// As [`Consumer::room_is_wanted`].
    ///
    /// # Errors
    /// The other end is broken.
    pub fn room_is_wanted(&self) -> Result<bool, Broken> {
        self.consumer.room_is_wanted()
    }

    /// As [`Consumer::sleeps`].
    ///
    /// # Errors
    /// The other end is broken.
    pub fn sleeps(&self) -> Result<bool, Broken> {
        self.consumer.sleeps()
    }
}
