//! What the loop needs of a display beyond showing: something to watch, and when to speak.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use crate::display::{
    Display, DisplayEvent,
    wayland::{Lost, WaylandDisplay},
};

/// A [`Display`] that the device process can be run with.
pub trait HostDisplay: Display {
    /// A descriptor that becomes readable when there is something to dispatch, for the loop to
    /// own; `None` if that never happens.
    ///
    /// # Errors
    /// Out of descriptors.
    fn watched(&self) -> io::Result<Option<OwnedFd>>;

    /// Reads what the host has sent.
    ///
    /// # Errors
    /// The host is gone.
    fn dispatch(&mut self) -> Result<(), Lost>;

    /// Sends what the host is to know. Called once for each time the process wakes up.
    ///
    /// # Errors
    /// The host is gone.
    fn flush(&mut self) -> Result<(), Lost>;

    /// Whether the host takes no more for now, so that [`HostDisplay::flush`] has to be called when
    /// the watched descriptor becomes writable.
    fn wants_write(&self) -> bool;

    /// What the host reported since the last call, oldest first. Calls of [`Display`] can add to
    /// it.
    fn take_events(&mut self) -> Vec<DisplayEvent>;
}

impl HostDisplay for WaylandDisplay {
    fn watched(&self) -> io::Result<Option<OwnedFd>> {
        self.as_fd().try_clone_to_owned().map(Some)
    }

    fn dispatch(&mut self) -> Result<(), Lost> {
        Self::dispatch(self)
    }

    fn flush(&mut self) -> Result<(), Lost> {
        Self::flush(self)
    }

    fn wants_write(&self) -> bool {
        Self::wants_write(self)
    }

    fn take_events(&mut self) -> Vec<DisplayEvent> {
        Self::take_events(self).collect()
    }
}
