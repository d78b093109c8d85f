//! Where a guest is in its life; the diagram is in [`super`].

use std::time::Instant;

use super::words::Ended;

/// What comes after stopping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Then {
    Off(Ended),
    Start,
    /// Start after a pause.
    Again,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    Off(Ended),
    DeviceStarts,
    Runs {
        since: Instant,
        /// Whether the VMM is connected now.
        connected: bool,
        /// Whether it ever was.
        was_connected: bool,
    },
    VmmLeft {
        since: Instant,
    },
    VmmWaits,
    AllWaits,
    VmmStops {
        then: Then,
        device: bool,
        asked: bool,
    },
    DeviceStops {
        then: Then,
        asked: bool,
    },
}
