//! What can go wrong while driving the device.

use std::time::Duration;

use protocols::virtio_gpu::ErrorCode;
use thiserror::Error;

use crate::{frontend::FrontendError, ram::RamError, virtqueue::QueueError};

/// What can go wrong while driving the device.
#[derive(Debug, Error)]
pub enum DriverError {
    /// Between the VMM and the device.
    #[error(transparent)]
    Frontend(#[from] FrontendError),
    /// The guest's memory.
    #[error(transparent)]
    Ram(#[from] RamError),
    /// A queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The device answered with an error.
    #[error("The device refused {command}: {code:?}")]
    Refused {
        /// The command's name.
        command: String,
        /// The device's reason.
        code: ErrorCode,
    },
    /// The device answered with something that no driver would take.
    #[error("The device answered {command} with {what}: it has a bug")]
    BadAnswer {
        /// The command's name.
        command: String,
        /// What is wrong.
        what: String,
    },
    /// The device took too long.
    #[error("The device did not answer {command} within {after:?}. It hangs, or is overloaded")]
    Timeout {
        /// The command's name.
        command: String,
        /// How long the driver waited.
        after: Duration,
    },
    /// The connection was closed.
    #[error("The device went away. Its log says why")]
    Gone,
    /// The request was dropped by a reset, or taken already.
    #[error("The request is not under way (any more)")]
    Dropped,
    /// No enabled monitor.
    #[error("The device has no scanout {scanout} that is switched on")]
    NoScanout {
        /// The number asked for.
        scanout: u32,
    },
}

impl DriverError {
    /// The device's error code, if it answered with one.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the device has closed the connection.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(
            self,
            Self::Gone | Self::Frontend(FrontendError::Closed { .. })
        )
    }
}
