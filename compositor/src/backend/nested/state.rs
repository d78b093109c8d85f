//! What the compositor does when the window's session says something.

use std::time::Duration;

use calloop::LoopHandle;
use smithay::backend::{
    input::InputEvent,
    winit::{WinitEvent, WinitInput},
};
use tracing::{debug, info, warn};

use super::{
    Nested, NestedError,
    frames::{Frames, Wish},
    hands::{Hands, WindowDevice, told},
    source::{Told, WindowSource},
    window,
};
use crate::{
    alarm::Alarm,
    backend::{Backend, HostOutput, OutputId, now},
    desktop::Policy,
    render::{Canvas, Renderer},
    state::{HasState, Parts, State},
};

/// What the window is to be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NestedOptions {
    /// Width and height to begin with, in logical pixels.
    pub size: (u32, u32),
    /// Whether it begins as the only thing on its monitor.
    pub fullscreen: bool,
}

impl State {
    /// A kiosk in a window of the session that this process is part of, served by a loop. `closed`
    /// is called when the user closes the window, each time, and when the session is gone.
    ///
    /// # Errors
    /// Each tells what to do.
    pub fn nested<D: HasState>(
        options: NestedOptions,
        handle: &LoopHandle<'static, D>,
        closed: impl Fn(&mut D) + 'static,
    ) -> Result<Self, NestedError> {
        let (window, events) = window::open(&options)?;
        let frames = Frames::new(window::tells_frames(window.window()));
        // Ours is drawn, or the guest's own.
        window.window().set_cursor_visible(false);
        let nested = Nested {
            frames,
            patience: Alarm::new(handle, Self::host_is_silent),
            canvas: Canvas::new(),
            touched: false,
            shown: None,
        };
        let parts = Parts {
            backend: Backend::Nested(Box::new(nested)),
            renderer: Renderer::in_window(window)?,
            policy: Policy::Kiosk,
        };
        let mut state = Self::assemble(parts, handle)?;
        handle
            .insert_source(
                WindowSource(events),
                move |told, (), data: &mut D| match told {
                    Told::Window(WinitEvent::CloseRequested) => {
                        info!("The window was closed");
                        closed(data);
                    }
                    Told::Window(event) => data.state().window_event(event),
                    Told::Gone => {
                        warn!("The session that showed the window is gone");
                        closed(data);
                    }
                },
            )
            .map_err(|error| NestedError::Loop(error.error.to_string()))?;
        let device = WindowDevice::Desk;
        state.handle_input::<Hands>(InputEvent::DeviceAdded { device });
        state.window_changed();
        Ok(state)
    }

    fn nested_mut(&mut self) -> Option<&mut Nested> {
        match &mut self.backend {
            Backend::Nested(nested) => Some(nested),
            Backend::Headless(_) | Backend::Kms(_) => None,
        }
    }

    fn window_event(&mut self, event: WinitEvent) {
        match event {
            WinitEvent::Resized { .. } => self.window_changed(),
            WinitEvent::Focus(focused) => {
                // It may have come from another monitor.
                self.window_changed();
                if !focused {
                    self.let_go();
                }
            }
            WinitEvent::Input(event) => self.window_input(event),
            WinitEvent::Redraw => self.host_wants_a_picture(),
            // Whoever made this state is told of it.
            WinitEvent::CloseRequested => {}
        }
        self.settle();
    }

    /// The window has another size, or is on another monitor, or may be.
    fn window_changed(&mut self) {
        let Renderer::Window(painter) = &mut self.renderer else {
            return;
        };
        let Some(seen) = window::look(painter) else {
            return;
        };
        let output = self.outputs.iter().next();
        match output.map(|(id, output)| (id, seen.change(output.monitor()))) {
            Some((id, Some(change))) => self.change_output(id, &change),
            Some((_, None)) => {}
            None => {
                self.add_output(HostOutput::new(seen.monitor(), now()));
            }
        }
    }

    fn window_input(&mut self, event: InputEvent<WinitInput>) {
        let output = self.outputs.iter().next();
        let Some(size) = output.map(|(_, output)| output.size()) else {
            return;
        };
        let Some((event, end)) = told(event, size) else {
            return;
        };
        if let InputEvent::TouchDown { .. } = event
            && let Some(nested) = self.nested_mut()
            && !std::mem::replace(&mut nested.touched, true)
        {
            let device = WindowDevice::Touch;
            self.handle_input::<Hands>(InputEvent::DeviceAdded { device });
        }
        self.handle_input(event);
        if let Some(end) = end {
            self.handle_input(end);
        }
    }

    fn host_wants_a_picture(&mut self) {
        let Some(output) = self.outputs.first() else {
            return;
        };
        let Some(nested) = self.nested_mut() else {
            return;
        };
        let wish = nested.frames.host_wants();
        nested.patience.set(nested.frames.deadline());
        match wish {
            Wish::Next => {
                // The host tells that it has shown it, not when.
                let vblank = self.vblank_now(output);
                self.flipped(output, Duration::ZERO, vblank);
            }
            Wish::Back => {
                debug!("The window is seen again");
                self.resume();
            }
            Wish::Again => {
                nested.canvas.forget();
                self.queue_redraw(output);
            }
        }
        self.window_changed();
    }

    /// The number of the vblank that is closest to now.
    fn vblank_now(&self, output: OutputId) -> u64 {
        let output = self.outputs.get(output);
        output.map_or(0, |output| output.redraw.clock().nearest(now()))
    }

    /// The host may have kept a picture for too long.
    fn host_is_silent(&mut self) {
        let Some(nested) = self.nested_mut() else {
            return;
        };
        nested.patience.rang();
        let hides = nested.frames.hides(now());
        nested.patience.set(nested.frames.deadline());
        if hides {
            debug!("Nobody sees the window");
            self.pause();
        }
    }

    /// Has the window's title name the guest that it shows.
    pub(crate) fn settle_title(&mut self) {
        let (Backend::Nested(nested), Renderer::Window(painter)) =
            (&mut self.backend, &mut self.renderer)
        else {
            return;
        };
        let output = self.outputs.first();
        let guest = output.and_then(|output| self.windows.desktop.occupant(output));
        if nested.shown.as_deref() != guest {
            nested.shown = guest.map(str::to_owned);
            painter.window().set_title(&window::title(guest));
        }
    }
}
