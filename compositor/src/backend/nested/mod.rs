//! A monitor that is a window of another session, on Wayland or X11: guests fill the window as they
//! fill a monitor of a kiosk.
//!
//! - `window` opens it through smithay's winit back-end, `error` tells why there is none, `icon`
//!   is what it looks like in a list of windows;
//! - `frames` is where the host is with the pictures that it was handed; pure;
//! - `monitor` is the window as a monitor: its mode, its size on a desk, its scale; pure;
//! - `hands` translates what hands do in the window into events of devices that each do one thing
//!   rightly;
//! - `source` brings all that from the event loop, and `state` is what happens then.
//!
//! What draws in the window is [`Renderer::Window`], which keeps it. This room must not know guests.

mod error;
mod frames;
mod hands;
mod icon;
mod monitor;
mod source;
mod state;
mod window;

use smithay::utils::{Physical, Size};

pub use error::NestedError;
pub use state::NestedOptions;

use super::now;
use crate::{
    alarm::Alarm,
    render::{Canvas, Composed, Layer, RenderError, Renderer, Work},
};
use frames::Frames;

/// The back-end for a window.
#[derive(Debug)]
pub struct Nested {
    frames: Frames,
    /// Rings when the host has kept a picture for suspiciously long.
    patience: Alarm,
    canvas: Canvas,
    /// Where fingers are known.
    touched: bool,
    /// The guest in the window's title.
    shown: Option<String>,
}

impl Nested {
    /// Draws what changed, and hands the picture to the host.
    ///
    /// # Errors
    /// The renderer's. The next call then draws everything.
    pub(super) fn compose(
        &mut self,
        renderer: &mut Renderer,
        size: Size<i32, Physical>,
        scene: &[Layer],
    ) -> Result<Composed, RenderError> {
        let Renderer::Window(painter) = renderer else {
            return Err(RenderError::no_output());
        };
        let mut composed = painter.show(&mut self.canvas, size, scene)?;
        if composed.work != Work::None {
            composed.shown = self.frames.handed_over(now());
            self.patience.set(self.frames.deadline());
            if self.frames.is_told() {
                // The host's answer to the picture comes as this.
                painter.window().request_redraw();
            }
        }
        Ok(composed)
    }
}
