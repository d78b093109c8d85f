//! The control socket's JSON, one object or string a line.
//!
//! A client of `$LUCARNE_SOCKET` writes a [`Request`] and a line feed, and reads a [`Reply`] and a
//! line feed. Names and codes are stable. In replies, fields and names that a reader does not know
//! are ignored or become `Unknown`; in requests they are errors, so that typing mistakes show.
//! [`to_line`] and [`LineBuffer`] make messages of lines and back.
//!
//! [`device`] is the same idea between a device process and the program that started it.

pub mod device;
mod drawing;
mod hands;
mod lines;
mod machine;
mod output;
mod stats;

#[cfg(test)]
mod tests;

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

pub use drawing::{GuestRenderer, RendererKind};
pub use hands::{HandStats, InputAction, Press, TouchPoint};
pub use lines::{LineBuffer, LineError, to_line};
pub use machine::{MachineAction, MachineState};
pub use output::{
    MonitorIdentity, Output, OutputFrames, OutputMode, Plane, PlaneKind, PlaneOwner, Position,
    Renderer,
};
pub use stats::{CursorState, DeviceStats, GuestStats, PresentPath, Reason, ScanoutStats};

/// The environment variable that holds the path of the control socket.
pub const SOCKET_ENV: &str = "LUCARNE_SOCKET";

/// The longest line that either side reads, in bytes; a longer one ends the connection.
pub const MAX_LINE: usize = 1024 * 1024;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The guests; answered with [`Answer::Guests`].
    Guests,
    /// The outputs; answered with [`Answer::Outputs`].
    Outputs,
    /// Counters; answered with [`Answer::Stats`].
    Stats {
        /// Only of this guest; of all guests if `None`.
        #[serde(default)]
        guest: Option<String>,
    },
    /// Save what is shown as a PNG file; answered with [`Answer::Screenshot`].
    Screenshot {
        /// Of what.
        target: ScreenshotTarget,
        /// The file, an absolute path. An existing file is replaced.
        path: PathBuf,
    },
    /// Stop a guest's VMM and start it again; answered with [`Answer::Done`].
    Restart {
        /// Its name.
        guest: String,
    },
    /// Give a guest's window another size; answered with [`Answer::Done`]. Whether the guest follows
    /// depends on its VMM.
    Resize {
        /// Its name.
        guest: String,
        /// Which of its virtual monitors.
        scanout: u8,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// Switch to a guest: show it on its monitors and give it the keyboard; answered with
    /// [`Answer::Done`].
    Focus {
        /// Its name.
        guest: String,
    },
    /// Use a guest's keyboard, pointer or touch screen; answered with [`Answer::Done`].
    Input {
        /// Its name.
        guest: String,
        /// What to do.
        action: InputAction,
    },
    /// Plug a virtual monitor of a guest in, or out; answered with [`Answer::Done`].
    Scanout {
        /// Its name.
        guest: String,
        /// Which of its virtual monitors.
        scanout: u8,
        /// Width and height in pixels; `None` unplugs it.
        size: Option<(u32, u32)>,
    },
    /// Do something to a guest's machine; answered with [`Answer::Done`].
    Machine {
        /// Its name.
        guest: String,
        /// What to do.
        action: MachineAction,
    },
    /// Show a running guest in the user's session; answered with [`Answer::Done`].
    Attach {
        /// Its name.
        guest: String,
        /// The Wayland display, a socket's path or name; that of the program where `None`.
        #[serde(default)]
        display: Option<PathBuf>,
    },
    /// Take a running guest's windows away and let it run on; answered with [`Answer::Done`].
    Detach {
        /// Its name.
        guest: String,
    },
    /// End the program and what it started; answered with [`Answer::Done`].
    Quit,
}

/// What a screenshot shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ScreenshotTarget {
    /// An output, with everything on it and the pointer.
    Output {
        /// Its name.
        name: String,
    },
    /// One virtual monitor of a guest. In the guest's own pixels, unless its window was given
    /// another size and the guest did not follow: then scaled as the window is.
    Guest {
        /// The guest's name.
        name: String,
        /// Which of its virtual monitors.
        scanout: u8,
    },
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It worked.
    Ok(Answer),
    /// It did not.
    Error(Error),
}

impl Reply {
    /// A refusal.
    #[must_use]
    pub fn error(code: ErrorCode, text: impl Into<String>) -> Self {
        Self::Error(Error {
            code,
            text: text.into(),
        })
    }
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Nothing to tell.
    Done,
    /// To [`Request::Guests`], by name.
    Guests(Vec<Guest>),
    /// To [`Request::Outputs`], by name.
    Outputs(Vec<Output>),
    /// To [`Request::Stats`], by name.
    Stats(Vec<GuestStats>),
    /// To [`Request::Screenshot`]: the file is written.
    Screenshot(Screenshot),
}

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    /// For programs.
    pub code: ErrorCode,
    /// For people: what was attempted, and what to do.
    pub text: String,
}

/// Why a request was refused, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The line is not a request that this version knows.
    InvalidRequest,
    /// There is no guest of this name.
    UnknownGuest,
    /// The guest has no such virtual monitor.
    UnknownScanout,
    /// There is no output of this name.
    UnknownOutput,
    /// There is nothing on that screen yet.
    NothingShown,
    /// The request is understood, but can't be done here or by this guest.
    Unsupported,
    /// The path is not absolute.
    InvalidPath,
    /// Something that was needed failed; the text says what.
    Failed,
    /// A code of a newer version.
    #[serde(other)]
    Unknown,
}

/// A guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// Its name.
    pub name: String,
    /// How it is.
    pub state: GuestState,
    /// The process that is its graphics device.
    pub device_pid: Option<u32>,
    /// The process that runs it.
    pub vmm_pid: Option<u32>,
    /// Which VMM's habits the device recognised, e.g. `qemu-vhost-user-gpu`.
    pub dialect: Option<String>,
    /// The VMM's last lines of output, oldest first.
    pub last_output: Vec<String>,
    /// Whether it runs, but no Wayland display shows it: it was detached, or its compositor is gone.
    #[serde(default)]
    pub detached: bool,
    /// The disk image that it was started for, an absolute path.
    #[serde(default)]
    pub disk: Option<PathBuf>,
    /// How its machine is; `None` where its VMM does not tell.
    #[serde(default)]
    pub machine: Option<MachineState>,
    /// What draws for it; `None` while its device does not run.
    #[serde(default)]
    pub renderer: Option<GuestRenderer>,
}

/// How a guest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuestState {
    /// Its device or its VMM is starting.
    Starting,
    /// Its device waits for a VMM that somebody else starts.
    Waiting,
    /// Its VMM is connected to its device.
    Running,
    /// Its device or VMM ended and is about to be started again.
    Restarting,
    /// Its VMM ended without an error.
    Stopped,
    /// Its device or VMM ended with an error, and is not started again.
    Failed,
    /// A state of a newer version.
    #[serde(other)]
    Unknown,
}

/// The word of the JSON.
impl fmt::Display for GuestState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        })
    }
}

/// A saved screenshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Screenshot {
    /// The file.
    pub path: PathBuf,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}
