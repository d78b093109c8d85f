//! Outputs without monitors: their pictures are drawn into memory, and a timer stands in for the
//! vblank.

use smithay::utils::{Physical, Size};

use super::OutputId;
use crate::{
    render::{Composed, Layer, RenderError, Renderer, Shown},
    screenshot::Image,
};

/// The back-end without monitors.
#[derive(Debug)]
pub struct Headless {
    shown: Shown,
}

impl Default for Headless {
    fn default() -> Self {
        Self {
            shown: Shown::AtVblank,
        }
    }
}

impl Headless {
    /// One that waits for flips like a display, of which whoever made it has to tell by
    /// [`State::flipped`](crate::state::State::flipped).
    #[must_use]
    pub fn flipping() -> Self {
        Self { shown: Shown::Flip }
    }

    pub(super) fn compose(
        &self,
        output: OutputId,
        renderer: &mut Renderer,
        size: Size<i32, Physical>,
        scene: &[Layer],
    ) -> Result<Composed, RenderError> {
        let composed = renderer.paint().compose(output, size, scene)?;
        let shown = match composed.drawn {
            true => self.shown,
            false => Shown::AtVblank,
        };
        Ok(Composed { shown, ..composed })
    }

    /// Brings the kept picture up to date and reads it.
    pub(super) fn picture(
        output: OutputId,
        renderer: &mut Renderer,
        size: Size<i32, Physical>,
        scene: &[Layer],
    ) -> Result<Image, RenderError> {
        renderer.paint().compose(output, size, scene)?;
        renderer.paint().read_back(output)
    }
}
