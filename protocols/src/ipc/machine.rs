//! A guest's machine: what can be done to it, and how it is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What can be done to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineAction {
    /// Press its power button: the guest shuts down, if it listens to it.
    Power,
    /// Stop its processors.
    Pause,
    /// Let its processors go on.
    Resume,
    /// Press its reset button.
    Reset,
}

/// How a machine is, as its VMM tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineState {
    /// Its processors run.
    Running,
    /// They were stopped.
    Paused,
    /// The guest sleeps, with its picture gone.
    Suspended,
    /// The guest has shut down, but its VMM keeps the machine.
    ShutDown,
    /// The guest's kernel or the machine itself has failed.
    Crashed,
    /// It was stopped because of its disk, which is full or failed.
    DiskError,
    /// A state of a newer version.
    #[serde(other)]
    Unknown,
}

/// For people.
impl fmt::Display for MachineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Suspended => "suspended",
            Self::ShutDown => "shut down",
            Self::Crashed => "crashed",
            Self::DiskError => "stopped by a disk error",
            Self::Unknown => "unknown",
        })
    }
}
