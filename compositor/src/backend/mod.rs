//! The host's monitors and what drives them.
//!
//! A back-end knows when an output's next picture can be shown and takes it. It must not know
//! windows or clients.

mod headless;
mod output;

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub use headless::Headless;
pub use output::{HostOutput, OutputError, OutputOptions};

/// Now, on the clock `CLOCK_MONOTONIC`.
#[must_use]
pub fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    // This clock starts at boot and never is negative.
    Duration::new(
        now.tv_sec.try_into().unwrap_or_default(),
        now.tv_nsec.try_into().unwrap_or_default(),
    )
}

/// What the program shows its outputs on.
#[derive(Debug)]
pub enum Backend {
    /// On nothing: outputs exist in memory.
    Headless(Headless),
}

impl Backend {
    /// Has [`State::output_woke`](crate::state::State::output_woke) called at a time, or, with
    /// `None`, not at all. Replaces what was wanted before.
    pub fn wake_at(&mut self, output: usize, deadline: Option<Duration>) {
        match self {
            Self::Headless(headless) => headless.wake_at(output, deadline),
        }
    }

    /// The time that [`Backend::wake_at`] was given has come.
    pub fn woke(&mut self, output: usize) {
        match self {
            Self::Headless(headless) => headless.woke(output),
        }
    }
}
