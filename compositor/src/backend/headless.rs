//! Outputs without monitors: a timer stands in for the vblank.
//!
//! What would be on a display's plane stays where it is, as there: nothing reads a buffer that covers its
//! output until somebody asks for a picture. Everything else is drawn into memory.

mod plane;

use std::collections::BTreeMap;

use smithay::utils::{Physical, Size};

use self::plane::Plane;
use super::OutputId;
use crate::{
    render::{Composed, Layer, RenderError, Renderer, Shown, Work, direct::Direct},
    screenshot::Image,
};

/// The back-end without monitors.
#[derive(Debug)]
pub struct Headless {
    shown: Shown,
    planes: BTreeMap<OutputId, Plane>,
}

impl Default for Headless {
    fn default() -> Self {
        Self::with(Shown::AtVblank)
    }
}

impl Headless {
    /// One that waits for flips like a display, of which whoever made it has to tell by
    /// [`State::flipped`](crate::state::State::flipped).
    #[must_use]
    pub fn flipping() -> Self {
        Self::with(Shown::Flip)
    }

    fn with(shown: Shown) -> Self {
        Self {
            shown,
            planes: BTreeMap::new(),
        }
    }

    pub(super) fn compose(
        &mut self,
        output: OutputId,
        renderer: &mut Renderer,
        size: Size<i32, Physical>,
        scene: &[Layer],
    ) -> Result<Composed, RenderError> {
        let plane = self.planes.entry(output).or_default();
        if let Some(direct) = Direct::of(size, scene) {
            let states = direct.states(size);
            let work = plane.take(direct);
            return Ok(Composed {
                states,
                work,
                shown: match (work, self.shown) {
                    (_, Shown::AtVblank | Shown::AtOnce) => Shown::AtOnce,
                    (Work::None, Shown::Flip) => Shown::AtVblank,
                    (Work::Direct | Work::Drawn, Shown::Flip) => Shown::Flip,
                },
                ..Composed::nothing()
            });
        }
        let composed = renderer.paint().compose(output, size, scene)?;
        let work = plane.leave(composed.work);
        Ok(Composed {
            work,
            shown: match work {
                Work::None => Shown::AtVblank,
                Work::Direct | Work::Drawn => self.shown,
            },
            ..composed
        })
    }

    /// The picture that was last composed for an output has become visible.
    pub(super) fn presented(&mut self, output: OutputId) {
        if let Some(plane) = self.planes.get_mut(&output) {
            plane.presented();
        }
    }

    /// An output is gone.
    pub(super) fn forget(&mut self, output: OutputId) {
        self.planes.remove(&output);
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
