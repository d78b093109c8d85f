//! The status channel between a device process and the program that started it: JSON lines on a
//! stream socket that the device process inherits.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{DeviceStats, GuestRenderer, InputAction, MachineState};

/// What a device process tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceEvent {
    /// A VMM can connect now. Sent once, when the device has reached its host compositor too.
    Listening,
    /// A VMM has connected and shown its habits.
    Connected {
        /// Which VMM's habits the device recognised.
        dialect: String,
    },
    /// The VMM is gone; the device listens for the next one.
    Disconnected,
    /// The counters, as asked for by [`DeviceRequest::Stats`].
    Stats(DeviceStats),
    /// What draws for the guest: before [`DeviceEvent::Listening`], and whenever it has changed.
    Renderer(GuestRenderer),
    /// The user closed the guest's last window. Nothing has happened yet: what shall, the program
    /// that started the device knows.
    CloseRequested,
    /// The guest is shown on a Wayland display (again).
    Attached,
    /// The guest is shown nowhere.
    Detached,
    /// What became of a request, in the order of the requests of its kind.
    /// [`DeviceRequest::Stats`] and [`DeviceRequest::Quit`] have none.
    Answer {
        /// The request's kind.
        to: Asked,
        /// Why it could not be done, for the user; `None` where it is done.
        error: Option<String>,
    },
}

/// The kinds of requests that are answered with [`DeviceEvent::Answer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// [`DeviceRequest::Input`].
    Input,
    /// [`DeviceRequest::Scanout`].
    Scanout,
    /// [`DeviceRequest::Attach`].
    Attach,
    /// [`DeviceRequest::Detach`].
    Detach,
}

/// What a device process is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceRequest {
    /// Send the counters once.
    Stats,
    /// Use the guest's keyboard, pointer or touch screen.
    Input(InputAction),
    /// Plug a virtual monitor in, or out.
    Scanout {
        /// Which one.
        scanout: u8,
        /// Width and height in pixels; `None` unplugs it.
        size: Option<(u32, u32)>,
    },
    /// Be shown on another Wayland display, or again. Where that fails the guest stays where it is.
    Attach {
        /// The display, a socket's path or name. `None`: the connection that comes with this line
        /// as a file descriptor; without one, the display that the device was started for.
        display: Option<PathBuf>,
    },
    /// Be shown nowhere, until [`DeviceRequest::Attach`].
    Detach,
    /// How the guest's machine is, for the titles of its windows; `None` where nobody knows.
    Machine {
        /// The state.
        state: Option<MachineState>,
    },
    /// End, and take the socket's file away.
    Quit,
}
