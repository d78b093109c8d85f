//! What a guest's life cycle is told, and what it asks for.

use std::time::Duration;

/// One of a guest's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The process that is its graphics device.
    Device,
    /// The process that runs it.
    Vmm,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The guest is wanted.
    Start,
    /// The guest is not wanted any more.
    Stop,
    /// Off and on again.
    Restart,
    /// The device can be connected to.
    Listening,
    /// The VMM has connected to the device.
    Connected,
    /// The VMM has left the device.
    Disconnected,
    /// A process ended.
    Exited {
        /// Which.
        role: Role,
        /// Whether its exit status was 0.
        success: bool,
        /// The status in words, like "exit status 1".
        status: String,
    },
    /// A process could not be started at all.
    NotStarted {
        /// Which.
        role: Role,
        /// Why, for the user.
        reason: String,
    },
    /// The VMM showed that it can't go on like this, and was given another command line.
    Unfit,
    /// The last timer has run out.
    Timeout,
}

/// What has to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Start a process.
    Start(Role),
    /// Ask a process to end.
    Terminate(Role),
    /// End a process.
    Kill(Role),
}

/// What follows from an event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// In this order.
    pub actions: Vec<Action>,
    /// The timer to set instead of the one that runs; `None` for none.
    pub timer: Option<Duration>,
}

/// Why a guest is off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was never started.
    NeverStarted,
    /// Its VMM ended without an error.
    ShutDown,
    /// It was stopped.
    Stopped,
    /// A process of it failed.
    Failed {
        /// Which.
        role: Role,
        /// How, for the user.
        reason: String,
    },
}
