//! The host's monitors and what drives them.
//!
//! A back-end knows when an output's next picture can be shown and takes it. It must not know
//! windows or clients.

mod headless;
pub mod kms;
mod nested;
mod output;
mod outputs;
mod timer;

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use smithay::utils::{Physical, Size};

pub use headless::Headless;
pub use kms::Kms;
pub use nested::{Nested, NestedError, NestedOptions};
pub use output::{Change, Counters, HostOutput, Monitor, OutputError, OutputOptions};
pub use outputs::{OutputId, Outputs};
pub use timer::Timer;

use crate::{
    render::{Composed, Layer, RenderError, Renderer},
    screenshot::Image,
};

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
///
/// A variant composes and says how the picture becomes visible ([`Composed::shown`]). Where that
/// is a flip, it calls [`State::flipped`](crate::state::State::flipped) at the vblank, once for
/// each. It tells of monitors with [`State::add_output`](crate::state::State::add_output) and its
/// sisters, calls [`State::pause`](crate::state::State::pause) while its screens are somebody
/// else's, and ends each of its callbacks with `State::settle`.
#[derive(Debug)]
pub enum Backend {
    /// On nothing: outputs exist in memory.
    Headless(Headless),
    /// On the monitors of a seat.
    Kms(Box<Kms>),
    /// In a window of another session.
    Nested(Box<Nested>),
}

impl Backend {
    /// Brings what an output shows, or is going to show at the next vblank, up to date.
    ///
    /// It is called only while no flip of this output is under way, unless one was waited for in
    /// vain: then the back-end has to begin anew.
    ///
    /// # Errors
    /// The renderer's or the screen's. The redraw state machine goes on as if nothing had to be
    /// shown; it is the back-end's to ask for another try.
    pub fn compose(
        &mut self,
        output: OutputId,
        renderer: &mut Renderer,
        size: Size<i32, Physical>,
        scene: &[Layer],
    ) -> Result<Composed, RenderError> {
        match self {
            Self::Headless(headless) => headless.compose(output, renderer, size, scene),
            Self::Kms(kms) => kms.compose(output, renderer, size, scene),
            Self::Nested(nested) => nested.compose(renderer, size, scene),
        }
    }

    /// What was last composed for an output has become visible.
    pub(crate) fn presented(&mut self, output: OutputId) {
        match self {
            Self::Headless(headless) => headless.presented(output),
            // They are told by those who show it, and before.
            Self::Kms(_) | Self::Nested(_) => {}
        }
    }

    /// An output is gone, and what was kept for it is no more needed.
    pub(crate) fn forget(&mut self, output: OutputId) {
        match self {
            Self::Headless(headless) => headless.forget(output),
            // It is them who say so.
            Self::Kms(_) | Self::Nested(_) => {}
        }
    }

    /// A picture of an output with a scene on it, whatever is on the output now.
    ///
    /// # Errors
    /// The renderer's.
    pub fn picture(
        &mut self,
        output: OutputId,
        renderer: &mut Renderer,
        size: Size<i32, Physical>,
        scene: &[Layer],
    ) -> Result<Image, RenderError> {
        match self {
            Self::Headless(_) => Headless::picture(output, renderer, size, scene),
            // What planes show can't be read back, nor what a window shows.
            Self::Kms(_) | Self::Nested(_) => renderer.paint().picture(size, scene),
        }
    }
}
