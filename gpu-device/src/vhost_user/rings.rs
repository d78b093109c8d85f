//! A device's rings: when they run, who kicks them, whom they call.
//!
//! A [`Ring`] is a [`SplitQueue`] with the front-end's state machine around it. It runs when the
//! front-end has given it addresses and a kick descriptor, has enabled it, and all of it lies in
//! the guest's memory; it stops at `GET_VRING_BASE`. What its chains mean is the business of the
//! device's type: [`super::commands`], [`super::events`].

use std::{
    fmt,
    fs::File,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use rustix::io::{Errno, ioctl_fionbio, read, write};
use tracing::{debug, warn};
use vm_memory::GuestMemoryMmap;

use super::{
    features::Acked,
    queue::{Broken, Chain, OpenQueue, SplitQueue},
};

/// The most chains of one ring that are served before frames are handed over. A guest that never
/// stops would otherwise keep its own pictures back.
pub(super) const CHAINS_PER_TURN: usize = 256;

/// The most chains that are answered before the driver is called, if it waits. On an idle machine it takes as
/// long to wake up as a hundred cheap commands take to be served, so it wakes while the rest is served; on a
/// busy one each call costs it and us as much as dozens of commands, so there is one for half a turn. A guest
/// that sends a frame is called once, at its end.
pub(super) const CHAINS_PER_CALL: usize = 128;

/// Chains that a ring has taken out and not given back.
pub trait Chains: fmt::Debug + Default {
    /// The ring stops: gives all of them back, for the guest's memory must not be touched from here
    /// on until the ring starts again.
    ///
    /// # Errors
    /// A used ring that can't be written.
    fn give_back(&mut self, queue: &mut OpenQueue<'_, '_>) -> Result<(), Broken>;

    /// The ring is another one now: they are never given back.
    fn forget(&mut self);
}

/// For rings whose chains are given back as soon as they are taken out.
impl Chains for () {
    fn give_back(&mut self, _: &mut OpenQueue<'_, '_>) -> Result<(), Broken> {
        Ok(())
    }

    fn forget(&mut self) {}
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

/// One ring of a device.
#[derive(Debug)]
pub struct Ring<C> {
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
    chains: C,
}

impl<C: Chains> Ring<C> {
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
            chains: C::default(),
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

    /// It is being looked at.
    pub(super) fn take_notice(&mut self) {
        self.kicked = false;
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
        self.chains.forget();
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
        self.chains.forget();
        self.past = Past::Fresh;
        self.broken = false;
    }

    /// Stops the ring and returns where it stopped.
    pub fn stop(&mut self, memory: &GuestMemoryMmap) -> u16 {
        if self.addressed && self.mapped && !self.broken {
            let outcome = self.chains.give_back(&mut self.queue.open(memory));
            self.check(outcome);
            self.announce(memory);
        }
        self.chains.forget();
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

    /// Takes out the chains that are waiting, up to a bound, and hands each to `serve`, with the
    /// first `limit` of its readable bytes; [`Ring::is_kicked`] tells whether some are left.
    pub fn serve_chains(
        &mut self,
        memory: &GuestMemoryMmap,
        request: &mut Vec<u8>,
        limit: usize,
        mut serve: impl FnMut(&mut OpenQueue<'_, '_>, &mut C, Chain, &[u8]) -> Result<(), Broken>,
    ) {
        if !self.is_kicked() {
            return;
        }
        self.kicked = false;
        let mut left = true;
        for _ in 0..CHAINS_PER_TURN / CHAINS_PER_CALL {
            self.use_queue(memory, |queue, chains| {
                queue.pause_kicks()?;
                for _ in 0..CHAINS_PER_CALL {
                    match queue.pop(request, limit)? {
                        Some(chain) => serve(queue, chains, chain, request)?,
                        // A chain that arrived after the last look is never kicked for.
                        None if !queue.resume_kicks()? => {
                            left = false;
                            return Ok(());
                        }
                        None => queue.pause_kicks()?,
                    }
                }
                Ok(())
            });
            if !left || !self.runs() {
                break;
            }
            self.announce(memory);
        }
        self.kicked |= left;
    }

    /// Does something to the queue while the ring runs.
    pub(super) fn use_queue(
        &mut self,
        memory: &GuestMemoryMmap,
        work: impl FnOnce(&mut OpenQueue<'_, '_>, &mut C) -> Result<(), Broken>,
    ) {
        if !self.runs() {
            return;
        }
        let before = self.queue.base();
        let outcome = work(&mut self.queue.open(memory), &mut self.chains);
        if self.queue.base() != before {
            self.past = Past::Ran;
        }
        self.check(outcome);
    }

    /// What was taken out and not given back.
    pub(super) fn chains_mut(&mut self) -> &mut C {
        &mut self.chains
    }

    /// Calls the driver if it wants to be called for what was answered.
    pub fn announce(&mut self, memory: &GuestMemoryMmap) {
        if !self.addressed || !self.mapped || self.broken || !self.queue.has_news() {
            return;
        }
        match self.queue.open(memory).wants_call() {
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
        self.chains.forget();
        signal(self.error.as_ref(), self.name);
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
