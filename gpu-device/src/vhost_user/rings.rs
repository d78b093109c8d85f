//! The device's two rings: when they run, who kicks them, whom they call.
//!
//! A [`Ring`] is a [`SplitQueue`] with the front-end's state machine around it. It runs when the
//! front-end has given it addresses and a kick descriptor, has enabled it, and all of it lies in
//! the guest's memory; it stops at `GET_VRING_BASE`. What a command does is the caller's closure.

use std::{
    fs::File,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use protocols::virtio_gpu::{Command, ErrorCode, Header, MAX_REQUEST, Response, decode};
use rustix::io::{Errno, ioctl_fionbio, read, write};
use tracing::{debug, warn};
use vm_memory::GuestMemoryMmap;

use super::{
    features::Acked,
    queue::{Broken, Chain, SplitQueue},
};
use crate::gpu::{FlushId, Reply};

/// The most chains of one ring that are served before frames are handed over and answers are
/// announced. A guest that never stops would otherwise keep its own pictures back.
const CHAINS_PER_TURN: usize = 256;

/// One byte more than may be decoded, so that what is too long is seen to be too long.
const REQUEST_LIMIT: usize = MAX_REQUEST + 1;

/// Buffers for one request and one response, used again and again.
#[derive(Debug, Default)]
pub struct Scratch {
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// What a ring went through, to tell a resumed driver from a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Past {
    /// No chain was taken out since the last reset.
    Fresh,
    /// Chains were taken out.
    Ran,
    /// It was stopped at this index.
    Stopped(u16),
}

/// A RESOURCE_FLUSH that is answered later.
#[derive(Debug)]
struct Held {
    flush: FlushId,
    header: Header,
    chain: Chain,
    due: bool,
}

/// One ring of the device.
#[derive(Debug)]
pub struct Ring {
    name: &'static str,
    queue: SplitQueue,
    addressed: bool,
    mapped: bool,
    enabled: bool,
    broken: bool,
    kicked: bool,
    past: Past,
    kick: Option<Arc<OwnedFd>>,
    call: Option<OwnedFd>,
    error: Option<OwnedFd>,
    held: Vec<Held>,
}

impl Ring {
    /// A ring that has not been set up.
    ///
    /// # Errors
    /// None in practice, see [`SplitQueue::new`].
    pub fn new(name: &'static str) -> Result<Self, Broken> {
        Ok(Self {
            name,
            queue: SplitQueue::new()?,
            addressed: false,
            mapped: false,
            enabled: false,
            broken: false,
            kicked: false,
            past: Past::Fresh,
            kick: None,
            call: None,
            error: None,
            held: Vec::new(),
        })
    }

    /// Whether chains may be taken out and answered.
    pub fn runs(&self) -> bool {
        self.addressed && self.mapped && self.enabled && !self.broken && self.kick.is_some()
    }

    /// Whether chains may be waiting.
    pub fn is_kicked(&self) -> bool {
        self.kicked && self.runs()
    }

    /// Looks at the ring at the next turn, whether or not the driver kicks.
    pub fn look_at_it(&mut self) {
        self.kicked = true;
    }

    /// The descriptor that the driver kicks.
    pub fn kick_fd(&self) -> Option<&Arc<OwnedFd>> {
        self.kick.as_ref()
    }

    /// Takes over what the driver negotiated.
    pub fn set_features(&mut self, acked: Acked) {
        self.queue.set_features(acked);
    }

    /// Sets the number of entries.
    ///
    /// # Errors
    /// A size that no ring has.
    pub fn set_size(&mut self, size: u32) -> Result<(), Broken> {
        self.queue.set_size(size)
    }

    /// Sets the guest-physical addresses of the ring's three parts.
    ///
    /// # Errors
    /// Addresses outside of the guest's memory, or misaligned ones.
    pub fn set_addresses(
        &mut self,
        memory: &GuestMemoryMmap,
        [table, avail, used]: [u64; 3],
    ) -> Result<(), Broken> {
        self.queue.set_addresses(table, avail, used)?;
        self.queue.resume_used(memory)?;
        self.addressed = true;
        self.memory_changed(memory);
        Ok(())
    }

    /// Sets where to continue. Returns whether a *new* driver must have set up the ring: it was
    /// used before and does not go on where it was stopped.
    pub fn set_base(&mut self, base: u16) -> bool {
        let new_driver = match self.past {
            Past::Fresh => false,
            Past::Ran => true,
            Past::Stopped(stopped) => stopped != base,
        };
        self.queue.set_base(base);
        self.held.clear();
        self.broken = false;
        new_driver
    }

    /// Takes the kick descriptor; the ring starts with it.
    pub fn set_kick(&mut self, fd: Option<File>) {
        self.kick = fd.map(|fd| Arc::new(not_blocking(fd)));
        self.broken = false;
        self.kicked = true;
    }

    /// Takes the call descriptor.
    pub fn set_call(&mut self, fd: Option<File>) {
        self.call = fd.map(not_blocking);
    }

    /// Takes the descriptor that tells the front-end of a broken ring.
    pub fn set_error(&mut self, fd: Option<File>) {
        self.error = fd.map(not_blocking);
    }

    /// Enables or disables the ring.
    pub fn set_enabled(&mut self, enabled: bool) {
        self.enabled = enabled;
        self.kicked |= enabled;
    }

    /// The guest's memory is another now.
    pub fn memory_changed(&mut self, memory: &GuestMemoryMmap) {
        self.queue.set_ready(self.addressed);
        self.mapped = self.addressed && self.queue.is_mapped(memory);
        self.kicked |= self.mapped;
    }

    /// The device was reset, or a new driver came: chains that are in flight are never answered.
    pub fn reset(&mut self) {
        self.held.clear();
        self.past = Past::Fresh;
        self.broken = false;
    }

    /// Stops the ring and returns where it stopped. Held chains are answered now, for the guest's
    /// memory must not be touched from here on until the ring starts again.
    pub fn stop(&mut self, memory: &GuestMemoryMmap) -> u16 {
        if self.addressed && self.mapped && !self.broken {
            for held in &mut self.held {
                held.due = true;
            }
            let outcome = self.answer_due(memory, &mut Vec::new());
            self.check(outcome);
            self.announce(memory);
        }
        self.held.clear();
        if self.past != Past::Fresh {
            self.past = Past::Stopped(self.queue.base());
        }
        self.kick = None;
        self.call = None;
        self.queue.base()
    }

    /// Empties the kick descriptor. Returns whether it can be listened to any longer.
    pub fn take_kick(&mut self, fd: impl AsFd) -> bool {
        // An eventfd needs one read; what is left in a pipe wakes the loop again.
        let mut count = [0_u8; 8];
        match read(fd, &mut count) {
            Ok(1..) | Err(Errno::AGAIN | Errno::INTR) => {
                self.kicked = true;
                true
            }
            Ok(_) => {
                warn!(ring = self.name, "The VMM closed the descriptor for kicks");
                false
            }
            Err(error) => {
                warn!(ring = self.name, %error, "The descriptor for kicks can't be read");
                false
            }
        }
    }

    /// Serves the chains that are waiting, up to a bound; [`Ring::is_kicked`] tells whether some
    /// are left.
    pub fn serve(
        &mut self,
        memory: &GuestMemoryMmap,
        scratch: &mut Scratch,
        execute: &mut dyn FnMut(&Header, Command) -> Reply,
    ) {
        if self.is_kicked() {
            self.kicked = false;
            let outcome = self.serve_waiting(memory, scratch, execute);
            self.check(outcome);
        }
    }

    fn serve_waiting(
        &mut self,
        memory: &GuestMemoryMmap,
        scratch: &mut Scratch,
        execute: &mut dyn FnMut(&Header, Command) -> Reply,
    ) -> Result<(), Broken> {
        self.queue.pause_kicks(memory)?;
        for _ in 0..CHAINS_PER_TURN {
            match self
                .queue
                .pop(memory, &mut scratch.request, REQUEST_LIMIT)?
            {
                Some(chain) => self.serve_chain(memory, chain, scratch, execute)?,
                // A chain that arrived after the last look is never kicked for.
                None if !self.queue.resume_kicks(memory)? => return Ok(()),
                None => self.queue.pause_kicks(memory)?,
            }
        }
        self.kicked = true;
        Ok(())
    }

    fn serve_chain(
        &mut self,
        memory: &GuestMemoryMmap,
        chain: Chain,
        scratch: &mut Scratch,
        execute: &mut dyn FnMut(&Header, Command) -> Reply,
    ) -> Result<(), Broken> {
        self.past = Past::Ran;
        let (header, response) = match request(&chain, &scratch.request) {
            Ok((header, command)) => match execute(&header, command) {
                Reply::Now(response) => (header, response),
                Reply::Later(flush) => {
                    self.held.push(Held {
                        flush,
                        header,
                        chain,
                        due: false,
                    });
                    return Ok(());
                }
            },
            Err((header, error)) => (header, Response::Err(error)),
        };
        encode(&response, &header, &chain, &mut scratch.answer);
        self.queue.complete(memory, &chain, &scratch.answer)
    }

    /// The core wants this flush answered; nothing happens if the ring doesn't hold it.
    pub fn flush_is_due(&mut self, flush: FlushId) {
        if let Some(held) = self.held.iter_mut().find(|held| held.flush == flush) {
            held.due = true;
        }
    }

    /// Answers the flushes that are due.
    pub fn answer_flushes(&mut self, memory: &GuestMemoryMmap, scratch: &mut Scratch) {
        if self.runs() && self.held.iter().any(|held| held.due) {
            let outcome = self.answer_due(memory, &mut scratch.answer);
            self.check(outcome);
        }
    }

    fn answer_due(&mut self, memory: &GuestMemoryMmap, answer: &mut Vec<u8>) -> Result<(), Broken> {
        let queue = &mut self.queue;
        let mut outcome = Ok(());
        self.held.retain(|held| {
            if held.due && outcome.is_ok() {
                encode(&Response::OkNodata, &held.header, &held.chain, answer);
                outcome = queue.complete(memory, &held.chain, answer);
            }
            !held.due
        });
        outcome
    }

    /// Calls the driver if it wants to be called for what was answered.
    pub fn announce(&mut self, memory: &GuestMemoryMmap) {
        if !self.addressed || !self.mapped || self.broken {
            return;
        }
        match self.queue.wants_call(memory) {
            Ok(true) => signal(self.call.as_ref(), self.name),
            Ok(false) => {}
            Err(broken) => self.check(Err(broken)),
        }
    }

    /// Gives up a ring that can't be right. The others, and the process, go on.
    fn check(&mut self, outcome: Result<(), Broken>) {
        let Err(reason) = outcome else { return };
        warn!(
            ring = self.name,
            %reason,
            "The guest broke a ring; it is not served until the guest sets it up again"
        );
        self.broken = true;
        self.held.clear();
        signal(self.error.as_ref(), self.name);
    }
}

/// Decodes a chain's request, or says how to answer what can't be decoded.
fn request(chain: &Chain, bytes: &[u8]) -> Result<(Header, Command), (Header, ErrorCode)> {
    match decode(bytes) {
        Ok(request) if chain.readable => Ok(request),
        Ok((header, _)) => {
            debug!("The guest sent a request that lies partly outside of its memory");
            Err((header, ErrorCode::Unspec))
        }
        Err(error) => {
            debug!(%error, "The guest sent a request that can't be decoded");
            Err((error.header.unwrap_or_default(), error.code()))
        }
    }
}

/// Encodes a response. Where its payload doesn't fit, the guest gets an error instead of half of
/// it.
fn encode(response: &Response, header: &Header, chain: &Chain, answer: &mut Vec<u8>) {
    answer.clear();
    response.encode(header, answer);
    let room = usize::try_from(chain.room.size()).unwrap_or(usize::MAX);
    if room > 0 && answer.len() > room {
        answer.clear();
        Response::Err(ErrorCode::Unspec).encode(header, answer);
    }
}

/// Wakes whoever waits at the other end. Never blocks: a full pipe or counter is a wake-up that
/// has not been seen yet.
fn signal(fd: Option<&OwnedFd>, ring: &str) {
    let Some(fd) = fd else { return };
    match write(fd, &1_u64.to_ne_bytes()) {
        Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
        Err(error) => debug!(ring, %error, "The front-end's descriptor can't be signalled"),
    }
}

/// Makes a descriptor fail instead of block: the front-end could have emptied or filled it.
fn not_blocking(fd: File) -> OwnedFd {
    if let Err(error) = ioctl_fionbio(&fd, true) {
        debug!(%error, "A descriptor from the front-end stays blocking");
    }
    fd.into()
}

#[cfg(test)]
mod tests;
