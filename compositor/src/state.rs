//! The compositor's state, and what the rest of the program asks of it.
//!
//! [`State`] lives inside whatever the event loop carries, see [`HasState`]. It serves itself:
//! every source that [`State::assemble`] adds to the loop draws and answers clients when it is due.
//! It must not know processes, virtual machines or the control socket.

mod outputs;
mod pictures;
mod report;

use std::{
    fmt, io,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
};

use calloop::LoopHandle;
use smithay::{reexports::wayland_server::Display, wayland::socket::ListeningSocketSource};
use thiserror::Error;
use tracing::{info, warn};

use crate::{
    backend::{
        Backend, Counters, Headless, HostOutput, OutputError, OutputId, OutputOptions, Outputs,
        Timer, now,
    },
    desktop::{Desktop, Policy},
    input::Input,
    redraw::Hidden,
    render::{Layer, OpenError, Renderer, RendererChoice},
    signs::Signs,
    wait::{Beside, Woken},
    wayland::{Clients, Departed, Protocols, ResizeError, WindowInfo, Windows},
};

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

/// What a compositor is put together from.
#[derive(Debug)]
pub struct Parts {
    /// What shows its outputs.
    pub backend: Backend,
    /// What draws.
    pub renderer: Renderer,
    /// How windows are laid out.
    pub policy: Policy,
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
    pub(crate) outputs: Outputs,
    pub(crate) timer: Timer,
    /// Clients and the timer are waited for beside the loop.
    beside: bool,
    /// Nothing can be shown for now.
    pub(crate) paused: bool,
    /// Surfaces of which nothing is to be seen.
    pub(crate) hidden: Hidden,
    /// Outputs that are gone.
    pub(crate) departed: Departed,
    /// What the last frame consisted of: empty, but its memory is used again.
    pub(crate) scene: Vec<Layer>,
    pub(crate) protocols: Protocols,
    pub(crate) clients: Clients,
    pub(crate) windows: Windows,
    pub(crate) signs: Signs,
    pub(crate) input: Input,
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
        let parts = Parts {
            backend: Backend::Headless(Headless::default()),
            renderer: Renderer::open(options.renderer)?,
            policy: Policy::Headless,
        };
        let mut state = Self::assemble(parts, handle)?;
        for output in outputs {
            state.add_output(output);
        }
        Ok(state)
    }

    /// A compositor without outputs that is served by a loop.
    ///
    /// # Errors
    /// No more file descriptors.
    pub fn assemble<D: HasState>(
        parts: Parts,
        handle: &LoopHandle<'static, D>,
    ) -> Result<Self, StartError> {
        let Parts {
            backend,
            mut renderer,
            policy,
        } = parts;
        let server = |error: &dyn fmt::Display| StartError::Server(error.to_string());
        let display = Display::new().map_err(|error| server(&error))?;
        let protocols = Protocols::new(&display.handle(), &mut renderer);
        let clients = Clients::new(display, handle).map_err(|error| server(&error))?;
        let timer = Timer::new(handle).map_err(|error| server(&error))?;
        let mut signs = Signs::new(handle);
        if let Backend::Kms(_) = backend {
            signs.use_planes(clients.display(), handle);
        }
        Ok(Self {
            backend,
            renderer,
            outputs: Outputs::default(),
            timer,
            beside: false,
            paused: false,
            hidden: Hidden::default(),
            departed: Departed::default(),
            scene: Vec::new(),
            protocols,
            clients,
            windows: Windows::new(Desktop::new(policy)),
            signs,
            input: Input::new(handle),
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

    /// What became of an output's frames since it appeared; `None` if there is no such output.
    #[must_use]
    pub fn counters(&self, output: &str) -> Option<Counters> {
        let id = self.outputs.named(output)?;
        self.outputs.get(id).map(HostOutput::counters)
    }

    /// What draws, for people, e.g. `GLES on llvmpipe (LLVM 19.1.7, 256 bits)`.
    #[must_use]
    pub fn renderer_description(&self) -> &str {
        self.renderer.description()
    }

    /// All windows that show something, the lowest first.
    #[must_use]
    pub fn windows(&self) -> Vec<WindowInfo> {
        let name = |id: OutputId| self.outputs.get(id).map(HostOutput::name);
        self.windows.list(|id| name(id).unwrap_or_default())
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

    /// Has whoever runs the loop wait for clients and for the outputs' timer, by [`State::beside`]. A
    /// window of another session stays in the loop with all that belongs to it: it has to look for
    /// events before each sleep.
    pub fn leave_loop(&mut self) {
        if let Backend::Headless(_) | Backend::Kms(_) = self.backend {
            self.beside = true;
            self.clients.leave_loop();
            self.timer.leave_loop();
        }
    }

    /// What is to be waited for beside the loop; `None` where everything is in it.
    #[must_use]
    pub fn beside(&self) -> Option<Beside<'_>> {
        self.beside.then(|| Beside {
            clients: self.clients.readable(),
            timer: self.timer.as_fd(),
        })
    }

    /// Serves what has become ready of that.
    pub fn serve(&mut self, woken: Woken) {
        if woken.clients {
            self.serve_clients();
        }
        if woken.timer {
            self.serve_timer();
        }
    }

    /// Does what follows from everything that happened in this turn of the loop.
    pub(crate) fn settle(&mut self) {
        self.settle_windows();
        self.announce_monitors();
        self.settle_input();
        self.settle_title();
        self.settle_frames();
    }

    /// The same where outputs were composed or have shown a picture, and nothing else happened: windows,
    /// monitors and hands are as they were.
    pub(crate) fn settle_frames(&mut self) {
        self.timer.set(self.deadline());
        self.clients.flush();
    }
}
