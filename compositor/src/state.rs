//! The compositor's state, and what the rest of the program asks of it.
//!
//! [`State`] lives inside whatever the event loop carries, see [`HasState`]. It serves itself:
//! every source that [`State::new`] adds to the loop draws and answers clients when it is due.
//! It must not know processes, virtual machines or the control socket.

use std::{
    fmt, io,
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use calloop::LoopHandle;
use protocols::ipc;
use smithay::{
    reexports::wayland_server::Display,
    utils::{Physical, SERIAL_COUNTER, Size},
    wayland::socket::ListeningSocketSource,
};
use thiserror::Error;
use tracing::{info, warn};

use crate::{
    backend::{Backend, Headless, HostOutput, OutputError, OutputOptions, now},
    desktop::Desktop,
    render::{Composed, Layer, OpenError, RenderError, Renderer, RendererChoice},
    screenshot::{Image, ScreenshotError, ScreenshotTarget},
    wayland::{Clients, Protocols, ResizeError, WindowInfo, Windows, size_of},
};

/// The most pixels of a guest's picture; four bytes each.
const MAX_PICTURE: i64 = 8192 * 8192;

/// What an event loop carries that serves a [`State`].
pub trait HasState: 'static {
    /// The state in it.
    fn state(&mut self) -> &mut State;
}

impl HasState for State {
    fn state(&mut self) -> &mut State {
        self
    }
}

/// What the compositor is to be like.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The virtual monitors, from left to right; at least one.
    pub outputs: Vec<OutputOptions>,
    /// What draws.
    pub renderer: RendererChoice,
}

/// Why the compositor can't start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An impossible output.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// No renderer.
    #[error(transparent)]
    Renderer(#[from] OpenError),
    /// The Wayland server can't be made.
    #[error("Could not make the Wayland server: {0}. Close some programs and try again")]
    Server(String),
}

/// Why clients can't connect.
#[derive(Debug, Error)]
#[error(
    "Could not listen for Wayland clients on {name}: {reason}. Check that XDG_RUNTIME_DIR is a \
     directory of yours, or choose another name with --wayland-display"
)]
pub struct ListenError {
    name: String,
    reason: String,
}

/// The compositor.
#[derive(Debug)]
pub struct State {
    pub(crate) backend: Backend,
    pub(crate) renderer: Renderer,
    pub(crate) outputs: Vec<HostOutput>,
    pub(crate) protocols: Protocols,
    pub(crate) clients: Clients,
    pub(crate) windows: Windows,
}

impl State {
    /// A headless compositor that is served by a loop.
    ///
    /// # Errors
    /// Impossible options, no renderer, or no more file descriptors.
    pub fn new<D: HasState>(
        options: &Options,
        handle: &LoopHandle<'static, D>,
    ) -> Result<Self, StartError> {
        let outputs = HostOutput::make(&options.outputs, now())?;
        let mut renderer = Renderer::open(options.renderer)?;
        let server = |error: &dyn fmt::Display| StartError::Server(error.to_string());
        let display = Display::new().map_err(|error| server(&error))?;
        let protocols = Protocols::new(&display.handle(), &mut renderer, &outputs);
        let clients = Clients::new(display, handle).map_err(|error| server(&error))?;
        let headless = Headless::new(outputs.len(), handle).map_err(|error| server(&error))?;
        let sizes = outputs.iter().map(|output| {
            let size = output.logical_size();
            (size.w, size.h)
        });
        Ok(Self {
            backend: Backend::Headless(headless),
            renderer,
            protocols,
            clients,
            windows: Windows::new(Desktop::new(sizes.collect())),
            outputs,
        })
    }

    /// Lets ordinary clients connect to a socket in `$XDG_RUNTIME_DIR`: one of this name, or the
    /// first free one of `wayland-1`, `wayland-2` … Returns its name, for `$WAYLAND_DISPLAY`. The
    /// socket goes when the loop goes.
    ///
    /// # Errors
    /// The name is taken, or the directory is missing or not writable.
    pub fn listen<D: HasState>(
        handle: &LoopHandle<'static, D>,
        name: Option<&str>,
    ) -> Result<String, ListenError> {
        let failed = |reason: &dyn fmt::Display| ListenError {
            name: name.unwrap_or("a free name").to_owned(),
            reason: reason.to_string(),
        };
        let source = match name {
            Some(name) => ListeningSocketSource::with_name(name),
            None => ListeningSocketSource::new_auto(),
        }
        .map_err(|error| failed(&error))?;
        let bound = source.socket_name().to_string_lossy().into_owned();
        handle
            .insert_source(source, |stream, (), data: &mut D| {
                if let Err(error) = data.state().connect(stream) {
                    warn!("Could not accept a client: {error}");
                }
            })
            .map_err(|error| failed(&error.error))?;
        info!("Wayland clients can connect to {bound}");
        Ok(bound)
    }

    /// Adds an ordinary client by its connection.
    ///
    /// # Errors
    /// No more file descriptors.
    pub fn connect(&mut self, stream: UnixStream) -> io::Result<()> {
        self.clients.insert(stream, None)
    }

    /// Connects the device of a guest, and returns the device's end of the connection. Its windows
    /// are the guest's until it closes that end; a guest can be connected again and again.
    ///
    /// # Errors
    /// No more file descriptors.
    pub fn connect_guest(&mut self, guest: &str) -> io::Result<OwnedFd> {
        let device = self.clients.connect_guest(guest)?;
        self.windows.desktop.guest_connected(guest);
        Ok(device)
    }

    /// The outputs, from left to right.
    #[must_use]
    pub fn outputs(&self) -> Vec<ipc::Output> {
        let describe = |output: &HostOutput| {
            let at = output.output.current_location();
            let pixels = |pixels: i32| u32::try_from(pixels).unwrap_or_default();
            ipc::Output {
                name: output.name(),
                width: pixels(output.size().w),
                height: pixels(output.size().h),
                millihertz: output.millihertz(),
                position: ipc::Position { x: at.x, y: at.y },
                scale: output.scale(),
                renderer: self.renderer.kind(),
            }
        };
        self.outputs.iter().map(describe).collect()
    }

    /// How often something of an output was drawn since the start; `None` if there is no such
    /// output.
    #[must_use]
    pub fn frames_drawn(&self, output: &str) -> Option<u64> {
        let index = self.output_named(output)?;
        self.outputs.get(index).map(HostOutput::frames_drawn)
    }

    /// What draws, for people, e.g. `GLES on llvmpipe (LLVM 19.1.7, 256 bits)`.
    #[must_use]
    pub fn renderer_description(&self) -> &str {
        self.renderer.description()
    }

    /// All windows that show something, the lowest first.
    #[must_use]
    pub fn windows(&self) -> Vec<WindowInfo> {
        let name = |index: usize| self.outputs.get(index).map(HostOutput::name);
        self.windows.list(|index| name(index).unwrap_or_default())
    }

    /// Asks a guest's device to give one of its virtual monitors another size, in pixels. Whether
    /// the guest follows is up to its driver and its VMM.
    ///
    /// # Errors
    /// The guest's monitor has no window, or the size is out of range.
    pub fn resize(
        &mut self,
        guest: &str,
        scanout: u8,
        width: u32,
        height: u32,
    ) -> Result<(), ResizeError> {
        self.windows.resize(guest, scanout, width, height)?;
        self.clients.flush();
        Ok(())
    }

    /// Takes a picture of what clients have committed so far: of an output with everything on it,
    /// or of a virtual monitor of a guest alone, in the guest's own pixels, even if other windows
    /// cover it.
    ///
    /// # Errors
    /// There is no such output, nothing to see, or the renderer fails.
    pub fn screenshot(&mut self, target: &ScreenshotTarget) -> Result<Image, ScreenshotError> {
        match target {
            ScreenshotTarget::Output { name } => {
                let index =
                    self.output_named(name)
                        .ok_or_else(|| ScreenshotError::UnknownOutput {
                            name: name.clone(),
                            known: self.output_names().join(", "),
                        })?;
                self.draw(index)?;
                Ok(self.renderer.paint().read_back(index)?)
            }
            ScreenshotTarget::Guest { name, scanout } => self.scanout_picture(name, *scanout),
        }
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
        let layer = Layer {
            surface,
            at: (0, 0).into(),
            scale: 1.0,
        };
        let size = Size::<i32, Physical>::from((size.w, size.h));
        Ok(self.renderer.paint().picture(size, &[layer])?)
    }

    /// Brings an output's kept picture up to date.
    pub(crate) fn draw(&mut self, index: usize) -> Result<(Vec<Layer>, Composed), RenderError> {
        let Some(output) = self.outputs.get_mut(index) else {
            return Err(RenderError::no_output());
        };
        let scene = self.windows.scene(index, output.scale());
        let composed = self
            .renderer
            .paint()
            .compose(index, output.size(), &scene)?;
        if composed.drawn {
            output.note_drawn();
        }
        Ok((scene, composed))
    }

    /// Does what follows from everything that happened in this turn of the loop.
    pub(crate) fn settle(&mut self) {
        if let Some(surface) = self.windows.update_focus()
            && let Some(keyboard) = self.protocols.seat.get_keyboard()
        {
            keyboard.set_focus(self, surface, SERIAL_COUNTER.next_serial());
        }
        for (index, output) in self.outputs.iter().enumerate() {
            self.backend.wake_at(index, output.deadline());
        }
        self.clients.flush();
    }

    fn output_named(&self, name: &str) -> Option<usize> {
        self.outputs.iter().position(|output| output.name() == name)
    }

    fn output_names(&self) -> Vec<String> {
        self.outputs.iter().map(HostOutput::name).collect()
    }
}
