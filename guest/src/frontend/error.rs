//! What can go wrong between the VMM and the device.

use std::{io, path::PathBuf};

use thiserror::Error;

/// What can go wrong between the VMM and the device.
#[derive(Debug, Error)]
pub enum FrontendError {
    /// Nothing listens.
    #[error(
        "Could not connect to the device at {path}: {source}. Start the device first \
         (`lucarne device --gpu-socket {path}`), or check the path"
    )]
    Connect {
        /// The socket's path.
        path: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The device closed the connection.
    #[error("The device closed the connection at {during}. Its log says why")]
    Closed {
        /// The message that could not be sent or answered.
        during: String,
    },
    /// The device takes too long.
    #[error("The device did not answer {during} in time. It hangs, or its machine is overloaded")]
    NoReply {
        /// The message.
        during: String,
    },
    /// Another failure of the socket or of a notification.
    #[error("Could not talk to the device at {during}: {source}")]
    Io {
        /// The message or the step.
        during: String,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The device answered something else.
    #[error("The device answered {request} with {what}: it has a bug")]
    WrongReply {
        /// The request.
        request: String,
        /// What came.
        what: String,
    },
    /// The device could not carry out a request.
    #[error("The device refused {request} (code {code}). Its log says why")]
    Refused {
        /// The request.
        request: String,
        /// The device's code; not zero.
        code: u64,
    },
    /// The device lacks what the dialect can't do without.
    #[error("The device does not offer {what}, which this VMM needs. Is it a virtio-gpu device?")]
    Missing {
        /// The feature.
        what: &'static str,
    },
    /// Nothing is mapped in the window for host memory.
    #[error(
        "Nothing is mapped {offset:#x} bytes into the window for host memory. Map a blob there first"
    )]
    NotMapped {
        /// Bytes from the window's start.
        offset: u64,
    },
    /// Host memory may only be read.
    #[error("What is mapped {offset:#x} bytes into the window for host memory may only be read")]
    ReadOnly {
        /// Bytes from the window's start.
        offset: u64,
    },
    /// Guest memory lies where the device was not told.
    #[error("Address {address:#x} is in no memory that the device knows")]
    UnknownAddress {
        /// The guest-physical address.
        address: u64,
    },
}
