//! The connection to the host's compositor, and how the device learns that it is gone.
//!
//! Owns reading and writing. Must not know what the objects on the connection mean.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use thiserror::Error;
use wayland_client::{Connection, DispatchError, EventQueue, QueueHandle, backend::WaylandError};

/// How long the compositor may take for all its first answers together. A busy machine needs
/// some hundred milliseconds; a compositor that is stopped in a debugger never answers.
const PATIENCE: Duration = Duration::from_secs(5);

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
    /// The program was built to speak through libwayland, and there is none.
    #[error(
        "Could not load the library libwayland-client.so.0, which speaks with compositors. Install \
         it (Debian and Ubuntu: libwayland-client0, Fedora: libwayland-client, Arch: wayland)"
    )]
    NoLibrary,
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
    "The connection to the Wayland compositor ended: {reason}. If that was not meant to be, see what \
     the compositor has logged"
)]
pub struct Lost {
    reason: String,
}

/// The moment at which a compositor that has not answered yet counts as hung.
pub fn deadline() -> Instant {
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

    pub(super) fn is_finished(&self) -> bool {
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
        WaylandError::Protocol(error) => {
            let what = format!(
                "the compositor reported protocol error {} of {}",
                error.code, error.object_interface
            );
            // libwayland writes its words to standard error, and keeps them from us.
            match error.message.is_empty() {
                true => what,
                false => format!("{what}: {}", error.message),
            }
        }
    }
}
