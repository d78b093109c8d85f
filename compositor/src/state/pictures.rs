//! What is on an output, and pictures of it.

use smithay::utils::{Physical, Size};

use super::State;
use crate::{
    backend::{HostOutput, OutputId},
    render::{Layer, RenderError},
    screenshot::{Image, ScreenshotError, ScreenshotTarget},
    wayland::size_of,
};

/// The most pixels of a guest's picture; four bytes each.
const MAX_PICTURE: i64 = 8192 * 8192;

impl State {
    /// Takes a picture of what clients have committed so far: of an output with everything on it,
    /// or of a virtual monitor of a guest alone, in the guest's own pixels, even if other windows
    /// cover it.
    ///
    /// # Errors
    /// There is no such output, nothing to see, or the renderer fails.
    pub fn screenshot(&mut self, target: &ScreenshotTarget) -> Result<Image, ScreenshotError> {
        match target {
            ScreenshotTarget::Output { name } => {
                let known = self.outputs.named(name);
                let id = known.ok_or_else(|| ScreenshotError::UnknownOutput {
                    name: name.clone(),
                    known: self.output_names().join(", "),
                })?;
                Ok(self.output_picture(id)?)
            }
            ScreenshotTarget::Guest { name, scanout } => self.scanout_picture(name, *scanout),
        }
    }

    /// Puts what is on an output into a list, the topmost first: the pointer, signs, windows with
    /// their guests' pointers, and below them the sign for a guest that shows nothing.
    pub(crate) fn fill_scene(&mut self, id: OutputId, scene: &mut Vec<Layer>) {
        let Some(output) = self.outputs.get(id) else {
            return;
        };
        let size = output.size();
        scene.append(&mut self.pointer_layers(id));
        let over = self.signs.over_windows(id, size).into_iter();
        scene.extend(over.map(|placed| Layer::sign(placed.sign, placed.at)));
        scene.append(&mut self.windows.scene(id));
        let vacant = self.windows.desktop.vacant(id);
        let under = self.signs.under_windows(id, size, vacant).into_iter();
        scene.extend(under.map(|placed| Layer::sign(placed.sign, placed.at)));
    }

    fn output_picture(&mut self, id: OutputId) -> Result<Image, RenderError> {
        let size = self.outputs.get(id).map(HostOutput::size);
        let size = size.ok_or_else(RenderError::no_output)?;
        let mut scene = Vec::new();
        self.fill_scene(id, &mut scene);
        self.backend.picture(id, &mut self.renderer, size, &scene)
    }

    fn scanout_picture(&mut self, guest: &str, scanout: u8) -> Result<Image, ScreenshotError> {
        let Some(toplevel) = self.windows.scanout(guest, scanout) else {
            return Err(ScreenshotError::NothingShown {
                guest: guest.to_owned(),
                scanout,
            });
        };
        let surface = toplevel.wl_surface().clone();
        let size = size_of(&surface);
        if i64::from(size.w) * i64::from(size.h) > MAX_PICTURE {
            return Err(ScreenshotError::TooLarge {
                width: size.w,
                height: size.h,
            });
        }
        let scene = self.windows.alone(&surface);
        let size = Size::<i32, Physical>::from((size.w, size.h));
        Ok(self.renderer.paint().picture(size, &scene)?)
    }

    fn output_names(&self) -> Vec<String> {
        let outputs = self.outputs.iter();
        outputs.map(|(_, output)| output.name()).collect()
    }
}
