//! What shows the guests' windows: a compositor of ours, or the user's own session.

use std::{io, os::fd::OwnedFd};

use protocols::ipc::{Error, ErrorCode, Output, ScreenshotTarget};

use crate::{
    app::App,
    screenshot::{Image, ScreenshotError},
    signs::GuestStatus,
    state::{HasState, State},
    wait::{Beside, Woken},
    wayland::ResizeError,
};

/// How a device process reaches its compositor.
#[derive(Debug)]
pub enum Connection {
    /// Through the environment, as any client of the user's session.
    Session,
    /// Through this end of a socket pair.
    Socket(OwnedFd),
}

/// What shows the guests' windows, as seen by the parts that start guests and answer the control
/// socket. No call blocks.
pub trait Host: Sized + 'static {
    /// A connection for a guest's new device process.
    ///
    /// # Errors
    /// What the system says.
    fn connect_guest(&mut self, guest: &str) -> io::Result<Connection>;

    /// A guest came into another state, which is to be seen where the guest itself shows nothing.
    fn guest_changed(&mut self, guest: &str, status: &GuestStatus);

    /// The monitors.
    ///
    /// # Errors
    /// For the user's own session, whose monitors are not ours to tell about.
    fn outputs(&self) -> Result<Vec<Output>, Error>;

    /// A picture of what is shown.
    ///
    /// # Errors
    /// Where there is no such thing, or nothing on it yet.
    fn screenshot(&mut self, target: &ScreenshotTarget) -> Result<Image, Error>;

    /// Gives the window of a guest's virtual monitor another size.
    ///
    /// # Errors
    /// Where there is no such window.
    fn resize(&mut self, guest: &str, scanout: u8, width: u32, height: u32) -> Result<(), Error>;

    /// Shows a guest where several share a monitor, and gives it the keyboard.
    ///
    /// # Errors
    /// For a guest that was never connected.
    fn focus(&mut self, guest: &str) -> Result<(), Error>;

    /// Whoever runs the event loop waits from now on for what [`Host::beside`] names, if the host has
    /// something that comes too often for the loop.
    fn leave_loop(&mut self);

    /// What is to be waited for beside the event loop; `None` where everything is in it.
    fn beside(&self) -> Option<Beside<'_>>;

    /// Some of that may have become ready.
    fn serve(&mut self, woken: Woken);
}

/// The user's own session: `lucarne run` has windows there like any other program.
#[derive(Debug, Clone, Copy)]
pub struct Session;

impl Session {
    fn not_ours<T>(attempt: &str) -> Result<T, Error> {
        Err(Error {
            code: ErrorCode::Unsupported,
            text: format!(
                "Could not {attempt}: this lucarne has its windows in your own session, whose \
                 compositor knows. Use `lucarne headless` for a compositor of its own"
            ),
        })
    }
}

impl Host for Session {
    fn connect_guest(&mut self, _guest: &str) -> io::Result<Connection> {
        Ok(Connection::Session)
    }

    /// Windows go with their guest there, and nothing takes their place.
    fn guest_changed(&mut self, _guest: &str, _status: &GuestStatus) {}

    fn outputs(&self) -> Result<Vec<Output>, Error> {
        Self::not_ours("list outputs")
    }

    fn screenshot(&mut self, _target: &ScreenshotTarget) -> Result<Image, Error> {
        Self::not_ours("take a screenshot")
    }

    fn resize(
        &mut self,
        _guest: &str,
        _scanout: u8,
        _width: u32,
        _height: u32,
    ) -> Result<(), Error> {
        Self::not_ours("resize a window")
    }

    fn focus(&mut self, _guest: &str) -> Result<(), Error> {
        Self::not_ours("switch to a guest")
    }

    fn leave_loop(&mut self) {}

    fn beside(&self) -> Option<Beside<'_>> {
        None
    }

    fn serve(&mut self, _: Woken) {}
}

impl Host for State {
    fn connect_guest(&mut self, guest: &str) -> io::Result<Connection> {
        self.connect_guest(guest).map(Connection::Socket)
    }

    fn guest_changed(&mut self, guest: &str, status: &GuestStatus) {
        self.set_guest_status(guest, status);
    }

    fn outputs(&self) -> Result<Vec<Output>, Error> {
        Ok(Self::outputs(self))
    }

    fn screenshot(&mut self, target: &ScreenshotTarget) -> Result<Image, Error> {
        self.screenshot(target).map_err(|error| Error {
            code: match &error {
                ScreenshotError::UnknownOutput { .. } => ErrorCode::UnknownOutput,
                ScreenshotError::NothingShown { .. } => ErrorCode::NothingShown,
                ScreenshotError::TooLarge { .. } | ScreenshotError::Render(_) => ErrorCode::Failed,
            },
            text: error.to_string(),
        })
    }

    fn resize(&mut self, guest: &str, scanout: u8, width: u32, height: u32) -> Result<(), Error> {
        self.resize(guest, scanout, width, height)
            .map_err(|error| Error {
                code: match &error {
                    ResizeError::NothingShown { .. } => ErrorCode::NothingShown,
                    ResizeError::Size { .. } => ErrorCode::Unsupported,
                },
                text: error.to_string(),
            })
    }

    fn focus(&mut self, guest: &str) -> Result<(), Error> {
        self.focus_guest(guest).map_err(|error| Error {
            code: ErrorCode::UnknownGuest,
            text: error.to_string(),
        })
    }

    fn leave_loop(&mut self) {
        Self::leave_loop(self);
    }

    fn beside(&self) -> Option<Beside<'_>> {
        Self::beside(self)
    }

    fn serve(&mut self, woken: Woken) {
        Self::serve(self, woken);
    }
}

impl HasState for App<State> {
    fn state(&mut self) -> &mut State {
        &mut self.host
    }
}
