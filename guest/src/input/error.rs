//! What can go wrong while driving an input device.

use std::time::Duration;

use thiserror::Error;

use crate::{frontend::FrontendError, ram::RamError, virtqueue::QueueError};

/// What can go wrong while driving an input device.
#[derive(Debug, Error)]
pub enum InputError {
    /// Between the VMM and the device.
    #[error(transparent)]
    Frontend(#[from] FrontendError),
    /// The guest's memory.
    #[error(transparent)]
    Ram(#[from] RamError),
    /// A queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The device returned a buffer without exactly one event in it.
    #[error("The device wrote {length} bytes where an event has 8: it has a bug")]
    BadEvent {
        /// Bytes that it says it has written.
        length: u32,
    },
    /// The device took too long.
    #[error("No {what} came from the device within {after:?}. It hangs, or had nothing to say")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long the driver waited.
        after: Duration,
    },
    /// The connection was closed.
    #[error("The device went away. Its log says why")]
    Gone,
}

impl InputError {
    /// Whether the device has closed the connection.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(
            self,
            Self::Gone | Self::Frontend(FrontendError::Closed { .. })
        )
    }
}
