//! What `run`, `kiosk`, `headless` and `demo` have in common: guests, a control socket, an event loop.

use std::{
    env,
    io::{self, Write as _},
    path::PathBuf,
};

use anyhow::Context as _;
use calloop::EventLoop;
use protocols::ipc::SOCKET_ENV;

use super::log::{Filter, LOG_ENV};
use crate::{
    app::{App, Lasts},
    guests::{
        DeviceOptions, Guests,
        runtime_dir::{self, RuntimeDir},
    },
    host::Host,
    ipc::Socket,
    keymap,
    service::Service,
};

/// A program that is ready to run.
pub(super) struct Program<H: Host> {
    pub(super) app: App<H>,
    pub(super) event_loop: EventLoop<'static, App<H>>,
    /// The control socket's path.
    pub(super) socket: PathBuf,
}

/// What the guests' processes find in their environment besides the control socket.
pub(super) type Environment = Vec<(String, String)>;

impl<H: Host> Program<H> {
    /// Makes the sockets and the loop; `host` is made for that loop.
    pub(super) fn new(
        lasts: Lasts,
        filter: &Filter,
        host: impl FnOnce(&EventLoop<'static, App<H>>, &mut Environment) -> anyhow::Result<H>,
    ) -> anyhow::Result<Self> {
        let base = runtime_dir::base()?;
        // Before anything here has threads of its own.
        keymap::stand_in(&base);
        let event_loop = EventLoop::try_new()
            .context("Could not make an event loop. Check the limit of open files (ulimit -n)")?;
        let control = Socket::new(&base)?;
        let socket = control.path().to_owned();
        let mut environment = vec![
            (SOCKET_ENV.to_owned(), socket.to_string_lossy().into_owned()),
            (LOG_ENV.to_owned(), filter.as_str().to_owned()),
        ];
        let host = host(&event_loop, &mut environment)?;
        let options = DeviceOptions {
            environment,
            ..DeviceOptions::default()
        };
        let guests = Guests::new(RuntimeDir::new(&base)?, options);
        let mut app = App::new(host, guests, &event_loop, lasts)?;
        app.ipc.listen(control)?;
        Ok(Self {
            app,
            event_loop,
            socket,
        })
    }

    /// Prints where Wayland clients and `lucarne msg` find this program, as lines for a shell.
    pub(super) fn announce(&self, display: &str) -> io::Result<()> {
        let mut out = io::stdout();
        writeln!(out, "WAYLAND_DISPLAY={display}")?;
        writeln!(out, "{SOCKET_ENV}={}", self.socket.display())?;
        out.flush()
    }

    /// Tells a service manager that all is set up, and from now on how the guests are.
    pub(super) fn ready(&mut self) {
        let mut service = Service::from_environment();
        service.watch(&self.event_loop.handle());
        service.status(self.app.guests.summary());
        service.ready();
        self.app.service = service;
    }

    /// Runs to the end, stops what is left, and tells of guests that failed.
    pub(super) fn run(mut self) -> anyhow::Result<Vec<String>> {
        self.app
            .run(&mut self.event_loop)
            .context("Could not wait for events")?;
        Ok(self.app.guests.failures())
    }
}

/// Whether this process is a part of a Wayland session.
pub(crate) fn has_session() -> bool {
    ["WAYLAND_DISPLAY", "WAYLAND_SOCKET"]
        .into_iter()
        .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}
