//! A Wayland server in the benchmark that shows nothing and takes the time.
//!
//! Device processes are its clients, as they are of any compositor. It answers as a compositor does
//! whose monitor has a given refresh rate, or as one that shows everything at once, and reports each
//! commit with the moment at which the request was seen in the socket. It runs on a thread of its
//! own and wakes up for requests and due refreshes only.
//!
//! What its clients draw it must not look at: that it does nothing is what makes its times those of
//! the device. What the times mean is the scenarios' business.
//!
//! - `server`: the thread, its clients and globals.
//! - `handlers`: what requests lead to.
//! - `hands`: keys and places for the window.
//! - `wire`: when requests came.
//! - `screen`: when what was committed counts as shown.
//! - `guests`: the little that our own compositor and devices say to each other.

mod guests;
mod handlers;
mod hands;
mod screen;
mod server;
mod wire;

use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixListener,
    },
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use rustix::{
    event::{EventfdFlags, eventfd},
    io::{read, write},
};
use serde::{Deserialize, Serialize};

use super::subject::{Shown, Wanted};

/// How long the server may take to start, or to do what it is told: far longer than it ever needs.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the stopwatch is like as a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Manner {
    /// When it says that a frame was shown.
    pub presents: Presents,
    /// Whether it knows guests as our own compositor does (`lucarne-guest-v1`), in which a pointer
    /// moves without a commit. An ordinary desktop does not.
    pub knows_guests: bool,
}

/// When a frame counts as shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Presents {
    /// At the next refresh of a monitor with the wanted rate.
    #[default]
    AtRefresh,
    /// When it was committed: what remains is the device's own time.
    AtOnce,
}

/// Something was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When it came, on the clock `CLOCK_MONOTONIC`: the moment at which it was seen in the socket.
    pub at: Duration,
    /// Whose it is; guests count from 0 in the order in which their devices connected.
    pub guest: usize,
    /// What it is.
    pub what: What,
    /// Width and height of the buffer that was attached, in pixels; `None` if none was.
    pub buffer: Option<(u32, u32)>,
    /// Pixels that are said to have changed; where rectangles overlap they count twice.
    pub damage: u64,
}

/// What was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// A commit of the window that shows a guest's monitor, or a peer's message about it.
    Window,
    /// A commit of the surface that is the guest's pointer.
    Pointer,
    /// A new place of the guest's pointer, without a commit.
    PointerMove,
    /// A commit of another surface.
    Other,
}

/// A window's frame counts as shown from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presented {
    /// When it was shown, on the clock `CLOCK_MONOTONIC`.
    pub at: Duration,
    /// Whose it is, as in [`Arrival`].
    pub guest: usize,
}

/// What hands are to do to the window that appeared first.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Order {
    /// A key of the keyboard, by its evdev code.
    Key { code: u32, pressed: bool },
    /// The pointer goes to this place on the window.
    Point { x: f64, y: f64 },
    /// The server ends.
    End,
}

/// Wakes the server up for orders.
#[derive(Debug)]
struct Bell(OwnedFd);

impl Bell {
    fn new() -> io::Result<Self> {
        Ok(Self(eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?))
    }

    fn other(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    fn ring(&self) {
        // Fails where it rings so often that nobody can have missed it.
        let _ = write(&self.0, &1_u64.to_ne_bytes());
    }

    fn silence(&self) {
        // Fails where it does not ring.
        let _ = read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What the server's thread reports to.
struct Reports {
    arrivals: Sender<Arrival>,
    presented: Sender<Presented>,
    /// When an order was carried out.
    sent: Sender<Duration>,
}

/// The running server. Dropping it disconnects its clients.
#[derive(Debug)]
pub struct Stopwatch {
    display: PathBuf,
    arrivals: Receiver<Arrival>,
    presented: Receiver<Presented>,
    sent: Receiver<Duration>,
    orders: Sender<Order>,
    bell: Bell,
    thread: Option<JoinHandle<()>>,
}

impl Stopwatch {
    /// Starts it, with a monitor of the wanted size and rate, listening on a socket in `folder`.
    ///
    /// # Errors
    /// There can't be such a socket, or another server.
    pub fn start(folder: &Path, wanted: &Wanted) -> anyhow::Result<Self> {
        let manner = match wanted.shown_by {
            Shown::Stopwatch(manner) => manner,
            Shown::Compositor => Manner::default(),
        };
        let display = std::path::absolute(folder)?.join("stopwatch");
        let listener = UnixListener::bind(&display)
            .with_context(|| format!("Could not listen on {}", display.display()))?;
        let (arrivals_sender, arrivals) = channel();
        let (presented_sender, presented) = channel();
        let (sent_sender, sent) = channel();
        let (orders, orders_receiver) = channel();
        let bell = Bell::new()?;
        let orders_and_bell = (orders_receiver, bell.other()?);
        let reports = Reports {
            arrivals: arrivals_sender,
            presented: presented_sender,
            sent: sent_sender,
        };
        let (ready, is_ready) = channel();
        let (size, hertz) = (wanted.size, wanted.hertz);
        let thread = thread::Builder::new()
            .name("stopwatch".to_owned())
            .spawn(move || {
                let setup = server::Setup {
                    manner,
                    size,
                    hertz,
                };
                server::run(setup, listener, orders_and_bell, reports, &ready);
            })?;
        let stopwatch = Self {
            display,
            arrivals,
            presented,
            sent,
            orders,
            bell,
            thread: Some(thread),
        };
        match is_ready.recv_timeout(PATIENCE) {
            Ok(Ok(())) => Ok(stopwatch),
            Ok(Err(error)) => Err(error.context("Could not start the stopwatch")),
            Err(_) => Err(anyhow!("The stopwatch does not start")),
        }
    }

    /// Where devices connect: a path for `$WAYLAND_DISPLAY`.
    #[must_use]
    pub fn display(&self) -> &Path {
        &self.display
    }

    /// What was handed over, in that order.
    #[must_use]
    pub fn arrivals(&self) -> &Receiver<Arrival> {
        &self.arrivals
    }

    /// Which windows' frames were shown, in that order. A frame that another one replaced before is
    /// not among them.
    #[must_use]
    pub fn presented(&self) -> &Receiver<Presented> {
        &self.presented
    }

    /// Has a key pressed or released; `code` is evdev's. [`Stopwatch::sent`] tells when that was.
    ///
    /// # Errors
    /// The server has ended.
    pub fn key(&self, code: u16, pressed: bool) -> anyhow::Result<()> {
        self.order(Order::Key {
            code: code.into(),
            pressed,
        })
    }

    /// Has the pointer moved over the window; the place is in the window's pixels.
    /// [`Stopwatch::sent`] tells when that was.
    ///
    /// # Errors
    /// The server has ended.
    pub fn point(&self, x: f64, y: f64) -> anyhow::Result<()> {
        self.order(Order::Point { x, y })
    }

    /// When the next of the orders given so far was carried out: the moment just before its event was
    /// written, on the clock `CLOCK_MONOTONIC`. Waits for it.
    ///
    /// # Errors
    /// There was no such order, or no window to do it to.
    pub fn sent(&self) -> anyhow::Result<Duration> {
        let sent = self.sent.recv_timeout(PATIENCE);
        sent.context("The stopwatch did not do what it was told: there is no window to do it to")
    }

    fn order(&self, order: Order) -> anyhow::Result<()> {
        let gone = |_| anyhow!("The stopwatch has ended");
        self.orders.send(order).map_err(gone)?;
        self.bell.ring();
        Ok(())
    }
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        // A server that has ended by itself needs no order.
        let _ = self.order(Order::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.display);
    }
}

#[cfg(test)]
mod tests;
