//! A socket at which VMMs knock, one of which is let in at a time.

use std::{
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use calloop::{Interest, LoopHandle, Mode, RegistrationToken};
use tracing::{info, warn};

use super::{DeviceError, HostDisplay, Process, process::watch, ready::Ready};
use crate::vhost_user::listener::Listener;

/// How long to leave a listener alone that can't accept, usually for want of descriptors.
const PAUSE: Duration = Duration::from_millis(500);

/// The socket of one device.
#[derive(Debug)]
pub(super) struct Door {
    listener: Listener,
    knocks: RegistrationToken,
    listens: bool,
    again: Option<Instant>,
}

impl Door {
    /// Lets the loop watch a listener; `note` notes down that somebody knocks.
    ///
    /// # Errors
    /// Descriptors that can't be had or watched.
    pub(super) fn new<D: HostDisplay + 'static>(
        handle: &LoopHandle<'static, Process<D>>,
        listener: Listener,
        note: impl FnMut(&mut Ready) + 'static,
    ) -> Result<Self, DeviceError> {
        let fd = listener.watched()?;
        let knocks = watch(handle, fd, Interest::READ, Mode::Level, note)?;
        Ok(Self {
            listener,
            knocks,
            listens: true,
            again: None,
        })
    }

    /// The next VMM that waits, where one has `knocked` and none is there. A second one stays in the
    /// socket's backlog: it may be the successor of one whose end we have not seen yet.
    pub(super) fn answer<D: HostDisplay + 'static>(
        &mut self,
        handle: &LoopHandle<'static, Process<D>>,
        knocked: bool,
        taken: bool,
    ) -> Option<UnixStream> {
        if self.again.is_some_and(|again| again <= Instant::now()) {
            self.again = None;
            self.listen(handle, !taken);
        }
        if !knocked {
            return None;
        }
        if taken {
            info!("Another VMM waits at the socket until the present one is gone");
            self.listen(handle, false);
            return None;
        }
        match self.listener.accept() {
            Ok(socket) => {
                if self.listener.is_single() {
                    self.listen(handle, false);
                }
                socket
            }
            Err(error) => {
                warn!(%error, "VMMs can't be let in for now; check the limit of open files");
                self.listen(handle, false);
                self.again = Instant::now().checked_add(PAUSE);
                None
            }
        }
    }

    /// Whether nobody can come once the first VMM has gone.
    pub(super) fn is_single(&self) -> bool {
        self.listener.is_single()
    }

    /// Listens to knocks, or leaves them for later.
    pub(super) fn listen<D: HostDisplay + 'static>(
        &mut self,
        handle: &LoopHandle<'static, Process<D>>,
        on: bool,
    ) {
        if self.listens == on {
            return;
        }
        let outcome = match on {
            true => handle.enable(&self.knocks),
            false => handle.disable(&self.knocks),
        };
        match outcome {
            Ok(()) => self.listens = on,
            Err(error) => warn!(%error, "The socket for VMMs can't be watched"),
        }
    }

    /// When [`Door::answer`] has something to do although nobody knocks.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.again
    }
}
