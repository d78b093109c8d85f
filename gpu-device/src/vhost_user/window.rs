//! The host-visible window: what of the host's memory the guest's CPUs see, as the VMM is asked for
//! it.
//!
//! Owns the requests that are under way, what is mapped where, and when a VMM has taken too long.
//! Whether there is a window at all is [`super::dialect`]'s to say; the bytes are
//! [`super::channel`]'s; which blob is mapped where, and whether a guest may, is the core's.
//!
//! ```text
//!            follow(channel)                expire
//!   Link::None ──────────▶ Open: answers ──────────▶ Open: silent
//!     ▲  ▲                  │  ▲                        │   │
//!     │  └─ follow(None) ───┤  └── the next answer ─────┘   │
//!     │                     └──────── nonsense, closed ─────┤
//!     └────────────────────────────── follow(None) ── Broken ◀┘
//! ```
//!
//! A VMM answers requests in their order. Those that nobody waits for any more (they took too long,
//! or their driver is gone) stay in line for their answer all the same: a mapping that turns out to
//! have been made after all is taken away again.
//!
//! Nothing is asked of it while no driver runs: QEMU 11.1 has nothing to map into then, and crashes.
//! What it announces as memory of the guest in answer, [`super::handler`] declines.

mod requests;

use std::{
    collections::BTreeMap,
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use tracing::{debug, warn};

use self::requests::{Act, Mapped, Request, Requests};
use super::{
    channel::{Answers, Channel, ChannelError, Sending},
    passed::Identity,
};
use crate::{
    gpu::{HostVisible, Mapping},
    renderer::Ticket,
};

/// How many bytes to offer to guests with OpenGL only, which map few of their buffers.
pub const WINDOW_OF_VIRGL: u64 = 256 << 20;

/// How many bytes to offer to guests with Vulkan, whose programs map much of their memory. It costs
/// address space only; the guest's firmware places a PCI resource of that size above 4 GiB.
pub const WINDOW_OF_VENUS: u64 = 4 << 30;

/// How long a VMM may take from one answer to the next. Its own main loop answers, in microseconds;
/// the guest's driver waits for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most requests under way before mappings are refused. A driver waits for each of its programs'
/// mappings, so honest guests have no more than threads.
const UNDER_WAY: usize = 1024;

/// The window of one device, for as long as the device lives. VMMs come and go.
#[derive(Debug)]
pub struct Window {
    offered: u64,
    link: Link,
    requests: Requests,
    /// What is in the window, by its offset.
    mapped: BTreeMap<u64, Mapped>,
    outcomes: Vec<(Ticket, bool)>,
}

#[derive(Debug)]
enum Link {
    /// No VMM, or one without a window.
    None,
    Open {
        channel: Channel,
        answers: Answers,
        /// Whether the guest runs: while it is paused nothing may be sent.
        runs: bool,
        /// Whether the VMM has let the time run out and said nothing since.
        silent: bool,
    },
    /// The VMM has closed this channel or says what can't be understood.
    Broken(Channel),
}

impl Window {
    /// A window of so many bytes, whole pages, for VMMs that have room for one; 0 means that none is
    /// offered.
    pub fn new(offered: u64) -> Self {
        Self {
            offered,
            link: Link::None,
            requests: Requests::default(),
            mapped: BTreeMap::new(),
            outcomes: Vec::new(),
        }
    }

    /// How many bytes VMMs are offered.
    pub fn offered(&self) -> u64 {
        self.offered
    }

    /// The VMM has said something: this is its channel, if it has a window, and whether its guest
    /// runs. Returns whether [`Window::watched`] is another descriptor now.
    pub fn follow(&mut self, channel: Option<&Channel>, now_runs: bool) -> bool {
        match (&mut self.link, channel) {
            (Link::None, None) => false,
            (Link::Open { channel, runs, .. }, Some(same)) if channel.is(same) => {
                let resumed = !std::mem::replace(runs, now_runs) && now_runs;
                if resumed {
                    self.requests.wait_from(Instant::now());
                }
                self.post();
                false
            }
            (Link::Broken(channel), Some(same)) if channel.is(same) => false,
            (_, Some(channel)) => {
                self.give_up();
                self.link = Link::Open {
                    channel: channel.clone(),
                    answers: Answers::default(),
                    runs: now_runs,
                    silent: false,
                };
                debug!(bytes = self.offered, "The VMM has a window for host memory");
                true
            }
            (_, None) => {
                *self = Self::new(self.offered);
                true
            }
        }
    }

    /// A descriptor to watch for answers and for room to send, for the loop to own; edge-triggered,
    /// since nothing may be waiting to be sent. `None` where there is no window.
    pub fn watched(&self) -> Option<io::Result<OwnedFd>> {
        match &self.link {
            Link::Open { channel, .. } => Some(channel.watched()),
            Link::None | Link::Broken(_) => None,
        }
    }

    /// Takes in what the VMM has answered, sends what could not be sent before, and gives up what
    /// took too long.
    pub fn dispatch(&mut self, now: Instant) {
        loop {
            let Link::Open {
                channel,
                answers,
                silent,
                ..
            } = &mut self.link
            else {
                return;
            };
            match answers.next(channel) {
                Ok(None) => break,
                Ok(Some(answer)) => {
                    *silent = false;
                    match self.requests.answered(answer.request, now) {
                        Some(request) => self.done(request, answer.code == 0),
                        None => return self.break_off("it answered what it was not asked"),
                    }
                }
                Err(error) => return self.break_off(error),
            }
        }
        if self.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.lose_patience();
        }
        self.post();
    }

    /// When [`Window::dispatch`] has something to do although nothing came.
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.link {
            Link::Open {
                runs,
                silent: false,
                ..
            } => self.requests.waits_since(runs)?.checked_add(PATIENCE),
            Link::None | Link::Open { .. } | Link::Broken(_) => None,
        }
    }

    /// What came of requests since the last time.
    pub fn take_outcomes(&mut self) -> Vec<(Ticket, bool)> {
        std::mem::take(&mut self.outcomes)
    }

    /// The guest's driver is gone: nobody waits for anything, and the window is emptied. VMMs should
    /// do that by themselves, but not all do; those refuse to do it twice, without harm.
    pub fn reset(&mut self) {
        self.outcomes.clear();
        self.requests.abandon();
        for (offset, mapped) in std::mem::take(&mut self.mapped) {
            self.requests.push(Request::unmap(None, offset, mapped));
        }
        self.post();
    }

    /// The VMM has answered a request.
    fn done(&mut self, request: Request, carried_out: bool) {
        let Request {
            act,
            owner,
            piece: (offset, len),
            memory,
            ..
        } = request;
        let mapped = Mapped { len, memory };
        match (act, owner, carried_out) {
            (Act::Map, Some(_), true) | (Act::Unmap, Some(_), false) => {
                self.mapped.insert(offset, mapped);
            }
            (Act::Map, None, true) => self.requests.push(Request::unmap(None, offset, mapped)),
            (Act::Map, _, false) | (Act::Unmap, None, _) | (Act::Unmap, _, true) => {
                self.forget(memory);
            }
        }
        if !carried_out {
            debug!(?act, offset, len, "The VMM refused to change the window");
        }
        self.outcomes
            .extend(owner.map(|owner| (owner, carried_out)));
    }

    /// The VMM has let go of memory.
    fn forget(&self, memory: Option<Identity>) {
        if let (Link::Open { channel, .. }, Some(memory)) = (&self.link, memory) {
            channel.passed.forget(memory);
        }
    }

    fn ask(&mut self, request: Request) {
        self.requests.push(request);
        self.post();
    }

    /// Sends what waits, as far as there is room.
    fn post(&mut self) {
        let Link::Open {
            channel,
            runs: true,
            ..
        } = &self.link
        else {
            return;
        };
        if self.requests.post(channel) == Sending::Closed {
            self.break_off(ChannelError::Closed);
        }
    }

    fn lose_patience(&mut self) {
        warn!(
            seconds = PATIENCE.as_secs(),
            "The VMM does not answer a request to map host memory: programs of the guest that need it \
             get errors until it does"
        );
        if let Link::Open { silent, .. } = &mut self.link {
            *silent = true;
        }
        let owners = self.requests.abandon();
        self.outcomes
            .extend(owners.into_iter().map(|owner| (owner, false)));
    }

    /// Nothing can be asked of this VMM any more.
    fn break_off(&mut self, why: impl std::fmt::Display) {
        warn!(
            "The VMM's channel for mapping host memory is of no use any more: {why}. Programs of the \
             guest that need it get errors until the VMM is started again"
        );
        if let Link::Open { channel, .. } = &self.link {
            self.link = Link::Broken(channel.clone());
        }
        self.give_up();
    }

    /// What was under way on a channel never comes.
    fn give_up(&mut self) {
        let owners = std::mem::take(&mut self.requests).into_owners();
        self.outcomes.extend(owners.map(|owner| (owner, false)));
        self.mapped.clear();
    }

    /// Whether to bother the VMM.
    fn takes_requests(&self) -> bool {
        matches!(self.link, Link::Open { silent: false, .. })
    }
}

impl HostVisible for Window {
    fn size(&self) -> u64 {
        match self.link {
            Link::Open { .. } => self.offered,
            Link::None | Link::Broken(_) => 0,
        }
    }

    fn map(&mut self, ticket: Ticket, mapping: Mapping) {
        if self.takes_requests() && self.requests.len() < UNDER_WAY {
            self.ask(Request::map(ticket, mapping));
        } else {
            self.outcomes.push((ticket, false));
        }
    }

    fn unmap(&mut self, ticket: Ticket, offset: u64, len: u64) {
        // A part of a mapping can't be taken away, and a VMM might mistake it for the whole.
        let mapped = self.mapped.get(&offset).copied();
        match mapped.filter(|mapped| mapped.len == len && self.takes_requests()) {
            Some(mapped) => {
                self.mapped.remove(&offset);
                self.ask(Request::unmap(Some(ticket), offset, mapped));
            }
            None => self.outcomes.push((ticket, false)),
        }
    }
}

#[cfg(test)]
mod tests;
