//! Why there is no window.

use thiserror::Error;

use crate::{render::OpenError, state::StartError};

/// Why the compositor can't start in a window.
#[derive(Debug, Error)]
pub enum NestedError {
    /// There is nobody to show a window.
    #[error(
        "Could not open a window: this is no part of a session, for neither WAYLAND_DISPLAY nor \
         DISPLAY is set. Use `lucarne kiosk` on a text console, or `lucarne headless`, which needs \
         no screen"
    )]
    NoSession,
    /// The session does not answer, or has no place for a window.
    #[error(
        "Could not open a window: {reason}. Check that {variable} names a session that runs and is \
         yours, and that {libraries} installed"
    )]
    Session {
        /// The variable of the environment that names it.
        variable: &'static str,
        /// What was said.
        reason: String,
        /// What may have to be installed for it, with a verb.
        libraries: &'static str,
    },
    /// A library that is loaded when it is needed is not installed.
    #[error(
        "Could not open a window: {0}. Install it; Debian has libegl1, libwayland-egl1 and \
         libxkbcommon-x11-0"
    )]
    Library(String),
    /// EGL does not draw in it.
    #[error(
        "Could not draw in a window: {0}. Install libgles2 and libgl1-mesa-dri; `lucarne headless` \
         and, in a Wayland session, `lucarne run` work without OpenGL"
    )]
    Draw(String),
    /// The renderer does not work.
    #[error(transparent)]
    Renderer(#[from] OpenError),
    /// The rest of the compositor can't be put together.
    #[error(transparent)]
    State(#[from] StartError),
    /// The event loop does not take the window.
    #[error("Could not wait for the window's events: {0}. Close some programs and try again")]
    Loop(String),
}
