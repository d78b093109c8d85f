//! The status channel between a device process and the program that started it: JSON lines on a
//! stream socket that the device process inherits.

use serde::{Deserialize, Serialize};

use super::DeviceStats;

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
}

/// What a device process is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceRequest {
    /// Send the counters once.
    Stats,
    /// End, and take the socket's file away.
    Quit,
}
