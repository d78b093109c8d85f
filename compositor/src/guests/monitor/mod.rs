//! Commands to a VMM while it runs, and what it tells of its machine.
//!
//! [`qmp`] speaks with QEMU and whoever speaks like it, [`mconsole`] with User Mode Linux;
//! [`Monitor`] is either of them as the rest sees it. A VMM may be its guest's puppet: what it says
//! is read in portions and up to a bound, and nothing waits for it.

mod connection;
pub(super) mod mconsole;
pub(super) mod qmp;
mod watch;

use std::{io, path::PathBuf, time::Instant};

use calloop::{LoopHandle, RegistrationToken};
use protocols::ipc::{MachineAction, MachineState};
use thiserror::Error;

use self::{connection::Connection, mconsole::Mconsole};
use super::process::Process;

/// Where a VMM takes commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The socket of QEMU's machine protocol.
    Qmp(PathBuf),
    /// The socket of User Mode Linux' console for commands.
    Mconsole(PathBuf),
    /// Nowhere; what would help is said.
    Nowhere(&'static str),
}

/// A connection to a VMM.
#[derive(Debug)]
pub(super) enum Monitor {
    Qmp(Connection),
    Mconsole(Mconsole),
}

/// What a VMM said.
#[derive(Debug)]
pub(super) enum Heard {
    /// Lines of QEMU's protocol.
    Lines(Vec<Vec<u8>>),
    /// Answers of User Mode Linux.
    Answers(Vec<mconsole::Answer>),
    /// It has closed the connection, or talks nonsense.
    Ended,
}

/// What became known of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// The VMM listens to commands.
    Ready,
    /// The machine is in another state.
    State(MachineState),
    /// The VMM did not do what it was asked.
    Refused {
        /// What it was asked.
        command: &'static str,
        /// Why, in its own words.
        reason: String,
    },
    /// A disk could not be written to or read, and the machine was stopped.
    DiskError {
        /// Whether the host's disk is full.
        is_full: bool,
    },
}

/// Why a VMM was not asked.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum AskError {
    /// It does not answer.
    #[error(
        "it does not answer. Its monitor speaks with one program at a time: leave {} to lucarne, or \
         restart the guest", .0.display()
    )]
    Silent(PathBuf),
    /// The machine can't do that in its state.
    #[error("the machine is {state}. {remedy}")]
    State {
        state: MachineState,
        remedy: &'static str,
    },
    /// The connection broke.
    #[error("it does not listen any more. Restart the guest")]
    Gone,
}

impl Monitor {
    /// Connects; `on_heard` is called with what the VMM says. `None` where there is nobody yet.
    pub(super) fn open<D: 'static>(
        place: &Place,
        handle: &LoopHandle<'static, D>,
        on_heard: impl Fn(&mut D, Heard) + 'static,
    ) -> io::Result<Option<Self>> {
        let monitor = match place {
            Place::Qmp(path) => Connection::open(path, handle, on_heard)?.map(Self::Qmp),
            Place::Mconsole(path) => Mconsole::open(path, handle, on_heard)?.map(Self::Mconsole),
            Place::Nowhere(_) => None,
        };
        Ok(monitor)
    }

    /// Asks for something; `process` is the VMM.
    pub(super) fn ask(
        &mut self,
        action: MachineAction,
        process: &Process,
        now: Instant,
    ) -> Result<(), AskError> {
        match self {
            Self::Qmp(connection) => connection.ask(action, now),
            Self::Mconsole(console) => console.ask(action, process),
        }
    }

    /// Takes in what was heard. An error ends the connection.
    pub(super) fn hear(&mut self, heard: Heard, now: Instant) -> Result<Vec<News>, String> {
        match (self, heard) {
            (Self::Qmp(connection), Heard::Lines(lines)) => connection.hear(&lines, now),
            (Self::Mconsole(console), Heard::Answers(answers)) => Ok(console.hear(&answers)),
            (_, Heard::Ended) => Err("it closed the connection".to_owned()),
            (Self::Qmp(_), Heard::Answers(_)) | (Self::Mconsole(_), Heard::Lines(_)) => {
                Ok(Vec::new())
            }
        }
    }

    /// How the machine is, as far as that is known.
    pub(super) fn state(&self) -> Option<MachineState> {
        match self {
            Self::Qmp(connection) => connection.state(),
            Self::Mconsole(console) => Some(console.state()),
        }
    }

    /// The event source, to be removed with the monitor.
    pub(super) fn source(&self) -> RegistrationToken {
        match self {
            Self::Qmp(connection) => connection.source,
            Self::Mconsole(console) => console.source,
        }
    }
}
