//! The device's side of the process that draws for a guest.
//!
//! Owns that process: starts it, sends it what is to be done, judges what it answers, finds out that it
//! has died or is stuck, and starts another when the guest wants to draw again. Must not know what
//! requests mean. Nothing here waits, but for [`Remote::start`].
//!
//! ```text
//!               start                     Hello
//!   Absent ───────────────▶ Alive ────────────────────▶ Alive, answering
//!     ▲ │                    ▲ │                            │
//!     │ └ CreateContext      │ │ Lacking, died, silent      │ died, stuck, broken
//!     │        ▼             │ │                            │
//!     │     Resting ─────────┘ │                            │
//!     │       rest is over     │                            │
//!     └────────────────────────┴────────────────────────────┘
//!                          RendererEvent::Lost
//! ```
//!
//! A process that a guest has taken over may say anything. All of it is judged; who lies is killed.

mod alive;
mod asked;
mod child;
mod deaths;
mod known;
mod received;
mod renderer;
mod reports;
mod watchdog;
mod watched;

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use protocols::render::Order;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::debug;

pub use self::child::Spawn;
use self::{
    alive::{Alive, Due, Heard},
    asked::{Asked, Expects},
    child::Child,
    deaths::Deaths,
    known::Known,
    watched::Watched,
};
use super::{
    Capset, Renderer, RendererEvent, Request, Versions,
    choice::{Lack, Missing, Offer},
    link::{self, DeviceEnd},
};

/// A process that draws, or the place of one.
#[derive(Debug)]
pub struct Remote {
    spawn: Spawn,
    life: Life,
    /// What the first process said.
    offered: Option<Offered>,
    asked: Asked,
    known: Known,
    events: Vec<RendererEvent>,
    losses: Losses,
    watched: Watched,
    /// A message on its way out or in.
    scratch: Vec<u8>,
}

#[derive(Debug)]
enum Life {
    /// There is no process, and none is wanted.
    Absent,
    /// One is wanted, but the last ones died at once.
    Resting {
        link: DeviceEnd,
        socket: OwnedFd,
        until: Instant,
    },
    /// There is one.
    Alive(Alive),
}

#[derive(Debug)]
struct Offered {
    capsets: Vec<Capset>,
    versions: Versions,
}

/// Processes that were.
#[derive(Debug, Default)]
struct Losses {
    deaths: Deaths,
    /// Those that were killed and have not ended yet.
    dying: Vec<Child>,
    last: Option<Lack>,
    /// Whether the last one was not reported yet.
    untold: bool,
}

impl Remote {
    /// Starts a process and waits, at most as long as [`Spawn::greeting`], until it says what it can do.
    ///
    /// # Errors
    /// What is missing.
    pub fn start(spawn: Spawn) -> Result<Self, Lack> {
        let watched = Watched::new().map_err(system)?;
        let mut remote = Self {
            spawn,
            life: Life::Absent,
            offered: None,
            asked: Asked::default(),
            known: Known::default(),
            events: Vec::new(),
            losses: Losses::default(),
            watched,
            scratch: Vec::new(),
        };
        remote.begin(Instant::now()).map_err(system)?;
        while remote.offered.is_none() {
            if let Some(lack) = remote.losses.last.take() {
                return Err(lack);
            }
            remote.wait();
            remote.dispatch();
            remote.read_reports();
            remote.expire(Instant::now());
        }
        Ok(remote)
    }

    /// What it draws with.
    pub fn versions(&self) -> &Versions {
        let offered = self.offered.as_ref();
        offered.map_or(Versions::NONE, |offered| &offered.versions)
    }

    /// How many processes have died or were killed so far.
    pub fn losses(&self) -> u32 {
        self.losses.deaths.count()
    }

    /// Why the last one was lost.
    pub fn last_loss(&self) -> Option<&Lack> {
        self.losses.last.as_ref()
    }

    /// The process' number, while there is one.
    pub fn process(&self) -> Option<u32> {
        match &self.life {
            Life::Alive(alive) => Some(alive.child.id()),
            Life::Absent | Life::Resting { .. } => None,
        }
    }

    /// Takes note of what has woken the loop. Afterwards drain [`Renderer::take_events`].
    pub fn dispatch(&mut self) {
        let watched = &self.watched;
        self.losses.dying.retain_mut(|child| match child.ended() {
            None => true,
            Some(how) => {
                debug!(how, "a renderer that was lost has ended");
                watched.remove(child.as_fd());
                false
            }
        });
        let Life::Alive(alive) = &mut self.life else {
            return;
        };
        match alive.hear() {
            Heard::Rung => return,
            Heard::Nothing => {}
            Heard::Closed => watched.remove(alive.link.as_fd()),
        }
        if let Some(how) = alive.child.ended() {
            // What it said before counts.
            self.read_reports();
            self.lose(Lack::new(Missing::Answer, how));
        }
    }

    /// When [`Self::expire`] is to be called.
    pub fn next_deadline(&self) -> Option<Instant> {
        match &self.life {
            Life::Absent => None,
            Life::Resting { until, .. } => Some(*until),
            Life::Alive(alive) => alive.next_deadline(),
        }
    }

    /// Does what is due: starts a process, or kills one that is stuck. Too early or too often is
    /// harmless. Afterwards drain [`Renderer::take_events`].
    pub fn expire(&mut self, now: Instant) {
        match &mut self.life {
            Life::Absent => {}
            Life::Resting { until, .. } => {
                if now >= *until {
                    self.end_rest(now);
                }
            }
            Life::Alive(alive) => match alive.due(now, self.asked.len()) {
                Ok(Due::Nothing) => {}
                Ok(Due::Ask) => {
                    let number = self.asked.add(None, Expects::Done);
                    self.order(&Order::Do {
                        number,
                        fence: None,
                        request: Request::Nothing,
                    });
                    self.flush();
                }
                Ok(Due::Lost(why)) => self.lose(Lack::new(Missing::Answer, why)),
                Err(error) => self.lose(Lack::new(Missing::Answer, error.to_string())),
            },
        }
    }

    /// Wakes the process if it sleeps and there is something to do. To be called at the end of each
    /// turn of the loop in which something was sent.
    pub fn flush(&mut self) {
        if let Life::Alive(alive) = &mut self.life
            && let Err(error) = alive.link.ring()
        {
            self.lose(Lack::new(Missing::Answer, error.to_string()));
        }
    }

    /// Lays the way to a process, and starts it or has it wait for its time.
    pub(super) fn begin(&mut self, now: Instant) -> io::Result<()> {
        let (mut link, socket) = link::lay()?;
        self.known.tell_all(&mut link.orders, &mut self.scratch)?;
        let rest = self.losses.deaths.rest(self.spawn.longest_rest());
        self.life = Life::Resting {
            link,
            socket,
            until: now.checked_add(rest).unwrap_or(now),
        };
        self.expire(now);
        Ok(())
    }

    /// Starts a process where the way to it lies.
    fn end_rest(&mut self, now: Instant) {
        let Life::Resting { link, socket, .. } = std::mem::replace(&mut self.life, Life::Absent)
        else {
            return;
        };
        let started = Child::start(&self.spawn, socket).and_then(|child| {
            self.watched.add(link.as_fd())?;
            self.watched.add(child.as_fd())?;
            Ok(child)
        });
        match started {
            Ok(child) => {
                debug!(process = child.id(), "started a renderer");
                self.life = Life::Alive(Alive::new(link, child, &self.spawn, now));
            }
            Err(error) => self.is_lost(system(error), Duration::ZERO),
        }
    }

    /// Sends an order, to a process or for the next one.
    pub(super) fn order(&mut self, order: &Order<'_>) {
        let link = match &mut self.life {
            Life::Absent => return,
            Life::Resting { link, .. } => link,
            Life::Alive(alive) => {
                alive.is_busy(Instant::now());
                &mut alive.link
            }
        };
        let rest = order.encode(&mut self.scratch);
        if let Err(error) = link.orders.send(&self.scratch, rest, Vec::new()) {
            self.lose(Lack::new(Missing::Answer, error.to_string()));
        }
    }

    /// Waits until there is something to do.
    fn wait(&self) {
        let now = Instant::now();
        let left = self
            .next_deadline()
            .map(|at| at.saturating_duration_since(now));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut watched = [PollFd::from_borrowed_fd(
            self.watched.as_fd(),
            PollFlags::IN,
        )];
        // Interrupted or not: what is to be done is found out.
        let _ = poll(&mut watched, left.as_ref());
    }
}

impl AsFd for Remote {
    /// Readable when [`Remote::dispatch`] is to be called, whichever process there is.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watched.as_fd()
    }
}

impl Offer for Remote {
    fn capsets(&self) -> &[Capset] {
        Renderer::capsets(self)
    }

    fn versions(&self) -> &Versions {
        self.versions()
    }
}

impl Life {
    fn orders(&mut self) -> Option<&mut link::Sender> {
        match self {
            Self::Absent => None,
            Self::Resting { link, .. } => Some(&mut link.orders),
            Self::Alive(alive) => Some(&mut alive.link.orders),
        }
    }
}

fn system(error: io::Error) -> Lack {
    Lack::new(Missing::Answer, format!("it could not be started: {error}"))
}

#[cfg(test)]
mod tests;
