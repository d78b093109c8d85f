//! How the device reaches its host compositor, and how it learns that the compositor is gone.
//!
//! Owns the socket, reading and writing. Must not know what the objects on the connection mean.

use std::{
    env, io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, poll};
use thiserror::Error;
use wayland_client::{
    Connection, Dispatch, DispatchError, EventQueue, QueueHandle, backend::WaylandError,
    protocol::wl_callback::WlCallback,
};

/// How long the compositor may take for all its first answers together. A busy machine needs
/// some hundred milliseconds; a compositor that is stopped in a debugger never answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the connection to the host's compositor comes from.
#[derive(Debug)]
pub enum WaylandSource {
    /// `$WAYLAND_SOCKET`, else `$WAYLAND_DISPLAY` in `$XDG_RUNTIME_DIR`, as any Wayland program.
    Environment,
    /// A connected Unix stream socket, as handed over by Lucarne's own compositor.
    Socket(OwnedFd),
}

/// Why no usable connection to a compositor came about.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The environment names no compositor.
    #[error(
        "No Wayland display to show the guest on: neither WAYLAND_DISPLAY nor WAYLAND_SOCKET is \
         set. Start Lucarne inside a Wayland session, or use `lucarne headless`"
    )]
    NoDisplay,
    /// The environment names a compositor that does not take the connection.
    #[error(
        "Connecting to the Wayland display \"{0}\" failed. Check that its compositor runs and that \
         XDG_RUNTIME_DIR is set to the folder of its socket, or use `lucarne headless`"
    )]
    Unreachable(String),
    /// A socket was handed over, but it is none.
    #[error(
        "The Wayland connection that was handed over can't be used. Unset WAYLAND_SOCKET to \
         connect through WAYLAND_DISPLAY"
    )]
    BadSocket,
    /// The compositor took the connection and then said nothing.
    #[error(
        "The Wayland compositor did not answer within {} s. Check that it is not stopped or hung",
        PATIENCE.as_secs()
    )]
    TimedOut,
    /// The compositor answered, but can't show windows the way Lucarne needs it.
    #[error(
        "The Wayland compositor does not offer {interface} in version {version} or later, which \
         Lucarne needs. Use a newer compositor, or `lucarne headless`"
    )]
    Missing {
        /// The protocol's interface.
        interface: &'static str,
        /// The version that would do.
        version: u32,
    },
    /// The compositor ended the connection at once.
    #[error(transparent)]
    Lost(#[from] Lost),
}

/// The connection to the host's compositor ended; nothing can be shown any more.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "The connection to the Wayland compositor ended: {reason}. Start the device again when the \
     compositor runs"
)]
pub struct Lost {
    reason: String,
}

impl WaylandSource {
    /// Opens the connection; nothing is asked of the compositor yet.
    pub(super) fn open(self) -> Result<Connection, ConnectError> {
        match self {
            Self::Socket(fd) => {
                Connection::from_socket(UnixStream::from(fd)).map_err(|_| ConnectError::BadSocket)
            }
            Self::Environment => Connection::connect_to_env().map_err(|error| match error {
                wayland_client::ConnectError::NoCompositor => unreachable_display(),
                wayland_client::ConnectError::InvalidFd
                | wayland_client::ConnectError::NoWaylandLib => ConnectError::BadSocket,
            }),
        }
    }
}

fn unreachable_display() -> ConnectError {
    env::var_os("WAYLAND_DISPLAY").map_or(ConnectError::NoDisplay, |name| {
        ConnectError::Unreachable(name.to_string_lossy().into_owned())
    })
}

/// The moment at which a compositor that has not answered yet counts as hung.
pub(super) fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// Marks the callback that ends a round trip; set when it has come.
#[derive(Debug, Clone, Default)]
pub(super) struct RoundTrip(Arc<AtomicBool>);

impl RoundTrip {
    /// Everything that was asked before the round trip has been answered.
    pub(super) fn finish(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_finished(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One event queue on the connection, and whether the connection still lives.
#[derive(Debug)]
pub(super) struct Link<S> {
    connection: Connection,
    queue: EventQueue<S>,
    blocked: bool,
    lost: Option<Lost>,
}

impl<S: 'static> Link<S> {
    pub(super) fn new(connection: &Connection) -> Self {
        Self {
            connection: connection.clone(),
            queue: connection.new_event_queue(),
            blocked: false,
            lost: None,
        }
    }

    /// Where objects of this queue are made.
    pub(super) fn handle(&self) -> QueueHandle<S> {
        self.queue.handle()
    }

    /// Whether the compositor's side of the socket was full at the last flush.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Reads what has arrived and hands it to `state`; never blocks.
    pub(super) fn dispatch(&mut self, state: &mut S) -> Result<(), Lost> {
        self.alive()?;
        let read = match self.queue.prepare_read() {
            Some(guard) => guard.read().map(drop),
            // Something is queued already; it is dispatched below.
            None => Ok(()),
        };
        // What came before the end of the connection still counts, hence dispatch first.
        let dispatched = self.queue.dispatch_pending(state).map(drop);
        match (dispatched, read) {
            (Ok(()), Ok(())) => Ok(()),
            (Ok(()), Err(WaylandError::Io(error))) if is_would_block(&error) => Ok(()),
            (Err(DispatchError::BadMessage { interface, .. }), _) => {
                Err(self.end(format!("it sent a malformed message to a {interface}")))
            }
            (Err(DispatchError::Backend(error)), _) | (Ok(()), Err(error)) => {
                Err(self.end(reason(&error)))
            }
        }
    }

    /// Sends what is queued; never blocks.
    pub(super) fn flush(&mut self) -> Result<(), Lost> {
        self.alive()?;
        self.blocked = false;
        match self.queue.flush() {
            Ok(()) => Ok(()),
            Err(WaylandError::Io(error)) if is_would_block(&error) => {
                self.blocked = true;
                Ok(())
            }
            Err(error) => Err(self.end(reason(&error))),
        }
    }

    /// Waits until the compositor has answered everything that was asked so far. Only for the
    /// start of the connection: nothing else may wait for the compositor.
    pub(super) fn round_trip(&mut self, state: &mut S, until: Instant) -> Result<(), ConnectError>
    where
        S: Dispatch<WlCallback, RoundTrip>,
    {
        let trip = RoundTrip::default();
        self.connection
            .display()
            .sync(&self.queue.handle(), trip.clone());
        loop {
            self.flush()?;
            self.dispatch(state)?;
            if trip.is_finished() {
                return Ok(());
            }
            self.wait(until)?;
        }
    }

    fn wait(&self, until: Instant) -> Result<(), ConnectError> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ConnectError::TimedOut);
        }
        let write = if self.blocked {
            PollFlags::OUT
        } else {
            PollFlags::empty()
        };
        let mut fds = [PollFd::new(&self.connection, PollFlags::IN | write)];
        // A wait that a signal cuts short or that can't be done ends in another try, and that in
        // the deadline.
        let timeout = left.try_into().ok();
        let _ = poll(&mut fds, timeout.as_ref());
        Ok(())
    }

    fn alive(&self) -> Result<(), Lost> {
        self.lost.clone().map_or(Ok(()), Err)
    }

    fn end(&mut self, reason: String) -> Lost {
        self.blocked = false;
        self.lost.insert(Lost { reason }).clone()
    }
}

impl<S> AsFd for Link<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

fn is_would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

fn reason(error: &WaylandError) -> String {
    match error {
        WaylandError::Io(error)
            if matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
            ) =>
        {
            "the compositor closed it".to_owned()
        }
        WaylandError::Io(error) => format!("the socket failed ({error})"),
        WaylandError::Protocol(error) => format!(
            "the compositor reported protocol error {} of {}: {}",
            error.code, error.object_interface, error.message
        ),
    }
}
