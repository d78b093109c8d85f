//! What shows the guest: a host's compositor, or for a while nothing.
//!
//! Owns the connection, what the loop watches of it, and the search for another one. Must not know
//! what is shown.

mod display;

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use calloop::{Interest, LoopHandle, Mode, RegistrationToken};
use tracing::{debug, warn};

use super::{
    DeviceError, Process,
    host::{Attempt, HostDisplay, Hosts, Reach},
    process::watch,
};
use crate::display::{
    DisplayEvent,
    wayland::{ConnectError, Lost, WaylandSource},
};

/// The first pause before a host that is gone is called again; doubles up to [`MAX_PAUSE`]. A
/// compositor that crashed needs some tenths of a second to be there again.
const MIN_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause. A call to a socket that is not there costs microseconds, and a user who logs
/// in again does not wait much longer than for the rest of the session.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// A host that showed the guest for this long did not throw it out at once: the pauses begin anew.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// Whether, and by whom, the guest is shown.
///
/// ```text
///              the host is gone
///   Attached ───────────────────▶ Lost ──┐ not there: pauses, and tries again
///    │  ▲ ▲                        │ ▲───┘
///    │  │ └───── connected ────────┘
///    │  └─────── connected ───────┐
///    └───── detach ──────────▶ Detached
/// ```
///
/// Connecting takes a while, and is an [`Underway`] beside any of these: a guest is shown by the
/// host that it leaves until the next one has answered. A host that was reached through a handed-over
/// connection can't be called again: with it the device ends.
enum Stage<D> {
    Attached(Shown<D>),
    /// The host is gone against the user's will, and is called again at some time.
    Lost {
        again: Instant,
    },
    /// The user wants no windows.
    Detached,
}

/// A display, and how the loop watches it.
struct Shown<D> {
    display: D,
    since: Instant,
    /// What becomes readable when the host says something.
    readable: Option<OwnedFd>,
    /// Off but for while the host is slow.
    writable: Option<RegistrationToken>,
    waits_to_write: bool,
}

/// A connection that is being made.
struct Underway<D> {
    attempt: Box<dyn Attempt<D>>,
    readable: Option<RegistrationToken>,
    /// Where the host is looked for once this connection is lost.
    home: Option<WaylandSource>,
    /// Whether somebody waits for it; otherwise it is the search for a lost host.
    asked: bool,
}

/// The connection to the host, or the want of one.
///
/// As a [`Display`](crate::display::Display) it swallows everything while there is none: the core shows nothing then, and
/// tells the next host all that matters.
pub struct Attachment<D: HostDisplay + 'static> {
    handle: LoopHandle<'static, Process<D>>,
    stage: Stage<D>,
    underway: Option<Underway<D>>,
    /// Where the device was started for.
    origin: Option<WaylandSource>,
    /// Where the last host was.
    home: Option<WaylandSource>,
    reach: Reach<D>,
    /// The last pause before a host was called.
    pause: Duration,
    /// How the last host was lost.
    lost: Option<Lost>,
    /// A frame was handed over since the last flush.
    has_frame: bool,
}

/// What became of a connection that was being made.
#[derive(Debug)]
pub(super) enum Arrival {
    /// It is there and shows the guest from now on.
    Connected {
        /// Whether somebody waits for it.
        asked: bool,
        /// Whether another host showed the guest until now.
        moved: bool,
    },
    /// It failed, and somebody waits for it.
    Refused(String),
    /// Nothing yet, or nothing that anybody waits for.
    Nothing,
}

impl<D: HostDisplay + 'static> Attachment<D> {
    pub(super) fn new(
        handle: LoopHandle<'static, Process<D>>,
        hosts: Hosts<D>,
    ) -> Result<Self, DeviceError> {
        let Hosts {
            first,
            seeks,
            home,
            reach,
        } = hosts;
        let again = |source: &WaylandSource| source.again();
        let stage = match first {
            Some(display) => Stage::Attached(Shown::new(&handle, display)?),
            None if seeks && home.is_some() => Stage::Lost {
                again: Instant::now(),
            },
            None => Stage::Detached,
        };
        Ok(Self {
            handle,
            stage,
            underway: None,
            origin: home.as_ref().and_then(again),
            home,
            reach,
            pause: MIN_PAUSE,
            lost: None,
            has_frame: false,
        })
    }

    /// The display, while there is one.
    pub(super) fn shown(&mut self) -> Option<&mut D> {
        match &mut self.stage {
            Stage::Attached(shown) => Some(&mut shown.display),
            Stage::Lost { .. } | Stage::Detached => None,
        }
    }

    pub(super) fn is_attached(&self) -> bool {
        matches!(self.stage, Stage::Attached(_))
    }

    /// What becomes readable when the host that shows the guest has said something.
    pub(super) fn readable(&self) -> Option<BorrowedFd<'_>> {
        match &self.stage {
            Stage::Attached(shown) => shown.readable.as_ref().map(AsFd::as_fd),
            Stage::Lost { .. } | Stage::Detached => None,
        }
    }

    /// When something is to be done although nothing happens.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let underway = self.underway.as_ref();
        let given_up = underway.map(|underway| underway.attempt.deadline());
        let staged = match &self.stage {
            Stage::Attached(shown) => shown.display.next_deadline(),
            Stage::Lost { again } if underway.is_none() => Some(*again),
            Stage::Lost { .. } | Stage::Detached => None,
        };
        given_up.into_iter().chain(staged).min()
    }

    /// Reads what the host has sent. That it is gone, its last event says.
    pub(super) fn dispatch(&mut self) {
        if let Some(display) = self.shown() {
            self.lost = display.dispatch().err();
        }
    }

    /// What the host reported since the last call, oldest first.
    pub(super) fn take_events(&mut self) -> Vec<DisplayEvent> {
        self.shown().map(D::take_events).unwrap_or_default()
    }

    /// Whether a frame waits to be sent.
    pub(super) fn has_frame(&self) -> bool {
        self.has_frame
    }

    /// Sends what the host is to know, and lets the loop watch for when it takes the rest. False if
    /// the host is gone: an event says so.
    pub(super) fn flush(&mut self) -> Result<bool, DeviceError> {
        self.has_frame = false;
        let Stage::Attached(shown) = &mut self.stage else {
            return Ok(true);
        };
        let sent = shown.display.flush();
        let waits = shown.display.wants_write();
        if let Some(token) = &shown.writable
            && waits != shown.waits_to_write
        {
            match waits {
                true => self.handle.enable(token)?,
                false => self.handle.disable(token)?,
            }
            shown.waits_to_write = waits;
        }
        Ok(sent.is_ok())
    }

    /// The host is gone. It is looked for again where it was.
    ///
    /// # Errors
    /// It can't be called again.
    pub(super) fn lose(&mut self, now: Instant) -> Result<(), DeviceError> {
        let lost = self.lost.take();
        if self.home.is_none() {
            return Err(lost.map_or(DeviceError::DisplayGone, DeviceError::DisplayLost));
        }
        let why = lost.map(|lost| lost.to_string()).unwrap_or_default();
        warn!(
            why,
            "The compositor is gone; the guest runs on, and is shown again when it is back"
        );
        let was_stable = match &self.stage {
            Stage::Attached(shown) => now.saturating_duration_since(shown.since) >= STABLE_AFTER,
            Stage::Lost { .. } | Stage::Detached => false,
        };
        self.leave();
        match was_stable {
            true => self.pause = MIN_PAUSE,
            false => self.pause_longer(),
        }
        self.stage = Stage::Lost {
            again: now + self.pause,
        };
        Ok(())
    }

    /// Nothing shows the guest from now on, and nothing is looked for. True if somebody waits for a
    /// connection that is given up with this.
    pub(super) fn detach(&mut self) -> bool {
        self.leave();
        self.stage = Stage::Detached;
        self.give_up()
    }

    fn leave(&mut self) {
        if let Stage::Attached(shown) = std::mem::replace(&mut self.stage, Stage::Detached)
            && let Some(token) = shown.writable
        {
            self.handle.remove(token);
        }
    }

    /// Gives up the connection that is being made. True if somebody waits for it.
    pub(super) fn give_up(&mut self) -> bool {
        let Some(underway) = self.underway.take() else {
            return false;
        };
        if let Some(token) = underway.readable {
            self.handle.remove(token);
        }
        underway.asked
    }

    /// Begins to connect because somebody asks for it: to the display that the device was started
    /// for where no other is named. What comes of it is [`Attachment::step`]'s to tell. Another
    /// connection that was being made must have been given up.
    ///
    /// # Errors
    /// There is nobody.
    pub(super) fn ask(&mut self, source: Option<WaylandSource>) -> Result<(), ConnectError> {
        let origin = || self.origin.as_ref().and_then(WaylandSource::again);
        let source = source.or_else(origin).ok_or(ConnectError::NoDisplay)?;
        self.begin(source, true)
    }

    fn begin(&mut self, source: WaylandSource, asked: bool) -> Result<(), ConnectError> {
        let home = source.again();
        let attempt = (self.reach)(source)?;
        let readable = match attempt.watched() {
            // Each turn looks at it anyway.
            Ok(Some(fd)) => watch(&self.handle, fd, Interest::READ, Mode::Level, |_| {}).ok(),
            Ok(None) | Err(_) => None,
        };
        self.underway = Some(Underway {
            attempt,
            readable,
            home,
            asked,
        });
        Ok(())
    }

    /// Goes on with a connection that is being made, and calls a lost host when it is time to.
    pub(super) fn step(&mut self, now: Instant) -> Arrival {
        if let (None, Stage::Lost { again }) = (&self.underway, &self.stage)
            && *again <= now
            && let Some(home) = self.home.as_ref().and_then(WaylandSource::again)
            && let Err(error) = self.begin(home, false)
        {
            return self.refused(&error, false, now);
        }
        let Some(underway) = &mut self.underway else {
            return Arrival::Nothing;
        };
        match underway.attempt.step() {
            Ok(None) => Arrival::Nothing,
            Ok(Some(display)) => {
                let home = underway.home.take();
                let asked = self.give_up();
                match Shown::new(&self.handle, display) {
                    Ok(shown) => {
                        let moved = self.is_attached();
                        self.leave();
                        self.stage = Stage::Attached(shown);
                        self.home = home;
                        Arrival::Connected { asked, moved }
                    }
                    Err(error) => self.refused(&error, asked, now),
                }
            }
            Err(error) => {
                let asked = self.give_up();
                self.refused(&error, asked, now)
            }
        }
    }

    fn refused(&mut self, error: &dyn std::error::Error, asked: bool, now: Instant) -> Arrival {
        if asked {
            return Arrival::Refused(error.to_string());
        }
        debug!(%error, "the host is not back yet");
        self.pause_longer();
        if let Stage::Lost { again } = &mut self.stage {
            *again = now + self.pause;
        }
        Arrival::Nothing
    }

    fn pause_longer(&mut self) {
        self.pause = self.pause.saturating_mul(2).min(MAX_PAUSE);
    }
}

impl<D: HostDisplay + 'static> Shown<D> {
    fn new(handle: &LoopHandle<'static, Process<D>>, display: D) -> Result<Self, DeviceError> {
        let readable = display.watched()?;
        let writable = match &readable {
            Some(fd) => {
                let fd = fd.try_clone()?;
                let token = watch(handle, fd, Interest::WRITE, Mode::Level, |_| {})?;
                handle.disable(&token)?;
                Some(token)
            }
            None => None,
        };
        Ok(Self {
            display,
            since: Instant::now(),
            readable,
            writable,
            waits_to_write: false,
        })
    }
}
