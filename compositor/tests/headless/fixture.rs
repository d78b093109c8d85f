//! A compositor and its clients in one event loop.

use std::{
    collections::HashMap,
    os::{fd::OwnedFd, unix::net::UnixStream},
    time::{Duration, Instant},
};

use calloop::EventLoop;
use compositor::{
    backend::{Backend, Headless, HostOutput, Monitor, OutputId, OutputOptions, now},
    desktop::Policy,
    render::{Renderer, RendererChoice},
    screenshot::{Image, ScreenshotTarget},
    state::{HasState, Options, Parts, State},
};

use crate::client::Client;

/// How long anything may take before a test gives up: much longer than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the program's own event loop carries has more in it than the state, so this has, too.
pub struct App {
    pub state: State,
}

impl HasState for App {
    fn state(&mut self) -> &mut State {
        &mut self.state
    }
}

pub struct Fixture {
    event_loop: EventLoop<'static, App>,
    app: App,
    clients: Vec<Option<Client>>,
    monitors: HashMap<String, OutputId>,
}

/// Names a client of a fixture.
#[derive(Clone, Copy)]
pub struct ClientId(usize);

/// The renderers that work on this machine: Pixman does on all.
pub fn renderers() -> Vec<RendererChoice> {
    let mut renderers = vec![RendererChoice::Pixman];
    match Renderer::open(RendererChoice::Gles) {
        Ok(_) => renderers.push(RendererChoice::Gles),
        Err(error) => not_tested(&format!("GLES: {error}")),
    }
    renderers
}

/// Says what a test leaves out on this machine.
#[expect(clippy::print_stderr, reason = "shown with the output of the test")]
pub fn not_tested(what: &str) {
    eprintln!("Not tested: {what}");
}

/// An output that refreshes fast, for tests that do not care when.
pub fn output(name: &str, width: u32, height: u32) -> OutputOptions {
    OutputOptions {
        millihertz: 240_000,
        ..OutputOptions::new(name, width, height)
    }
}

impl Fixture {
    /// One output, `HEADLESS-1`, of 256x192 pixels, drawn by Pixman.
    pub fn new() -> Self {
        Self::with(RendererChoice::Pixman, vec![output("HEADLESS-1", 256, 192)])
    }

    pub fn with(renderer: RendererChoice, outputs: Vec<OutputOptions>) -> Self {
        let event_loop = EventLoop::try_new().unwrap();
        let options = Options { outputs, renderer };
        let state = State::new::<App>(&options, &event_loop.handle()).unwrap();
        Self::around(event_loop, state)
    }

    /// A kiosk with these monitors, whose pictures exist in memory only.
    pub fn kiosk(renderer: RendererChoice, monitors: Vec<Monitor>) -> Self {
        let mut fixture = Self::assemble(Headless::default(), renderer, Policy::Kiosk);
        for monitor in monitors {
            fixture.plug(monitor);
        }
        fixture
    }

    /// A compositor without monitors.
    pub fn assemble(backend: Headless, renderer: RendererChoice, policy: Policy) -> Self {
        let event_loop = EventLoop::try_new().unwrap();
        let parts = Parts {
            backend: Backend::Headless(backend),
            renderer: Renderer::open(renderer).unwrap(),
            policy,
        };
        let state = State::assemble::<App>(parts, &event_loop.handle()).unwrap();
        Self::around(event_loop, state)
    }

    fn around(event_loop: EventLoop<'static, App>, state: State) -> Self {
        Self {
            event_loop,
            app: App { state },
            clients: Vec::new(),
            monitors: HashMap::new(),
        }
    }

    /// A monitor is plugged in.
    pub fn plug(&mut self, monitor: Monitor) {
        let output = HostOutput::new(monitor, now());
        let name = output.name();
        let id = self.state().add_output(output);
        self.monitors.insert(name, id);
    }

    /// A monitor that was plugged in is unplugged.
    pub fn unplug(&mut self, name: &str) {
        let id = self.monitors.remove(name).unwrap();
        self.state().remove_output(id);
    }

    /// The output of a monitor that was plugged in.
    pub fn monitor(&self, name: &str) -> OutputId {
        self.monitors[name]
    }

    pub fn state(&mut self) -> &mut State {
        &mut self.app.state
    }

    /// Connects an ordinary client.
    pub fn add_client(&mut self) -> ClientId {
        let (ours, theirs) = UnixStream::pair().unwrap();
        self.state().connect(ours).unwrap();
        self.add(Client::new(theirs.into()))
    }

    /// Connects a guest's device.
    pub fn add_guest(&mut self, name: &str) -> ClientId {
        let end = self.state().connect_guest(name).unwrap();
        self.add(Client::new(end))
    }

    /// Connects a guest's device that the test speaks for by itself.
    pub fn guest_connection(&mut self, name: &str) -> OwnedFd {
        self.state().connect_guest(name).unwrap()
    }

    fn add(&mut self, client: Client) -> ClientId {
        self.clients.push(Some(client));
        let id = ClientId(self.clients.len() - 1);
        self.round_trip(id);
        id
    }

    pub fn client(&mut self, id: ClientId) -> &mut Client {
        self.clients[id.0].as_mut().unwrap()
    }

    /// The client's process dies.
    pub fn kill(&mut self, id: ClientId) {
        self.clients[id.0] = None;
    }

    /// Lets everybody do what is due, until something holds.
    pub fn wait_until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let give_up = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < give_up, "waited too long until {what}");
            self.turn(Duration::from_millis(2));
        }
    }

    /// Lets everybody do what is due for a while, for what must *not* happen.
    pub fn run_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn(Duration::from_millis(2));
        }
    }

    /// Until the compositor has answered everything that a client has asked for so far.
    pub fn round_trip(&mut self, id: ClientId) {
        let sync = self.client(id).sync();
        self.wait_until("a client is answered", |fixture| {
            fixture.client(id).is_synced(sync)
        });
    }

    /// Until the compositor has disconnected a client for what it did. Returns the error.
    pub fn wait_for_protocol_error(
        &mut self,
        id: ClientId,
    ) -> wayland_client::backend::protocol::ProtocolError {
        self.wait_until("a client is disconnected", |fixture| {
            fixture.client(id).protocol_error().is_some()
        });
        self.client(id).protocol_error().unwrap()
    }

    /// How often the compositor wakes up in a while in which nobody does anything.
    pub fn turns_in(&mut self, time: Duration) -> u32 {
        let end = Instant::now() + time;
        let mut turns = 0;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return turns;
            }
            self.turn(left);
            turns += 1;
        }
    }

    fn turn(&mut self, timeout: Duration) {
        for client in self.clients.iter_mut().flatten() {
            client.flush();
        }
        self.event_loop
            .dispatch(Some(timeout), &mut self.app)
            .unwrap();
        for client in self.clients.iter_mut().flatten() {
            client.read();
        }
    }

    pub fn screenshot(&mut self, output: &str) -> Image {
        let target = ScreenshotTarget::Output {
            name: output.to_owned(),
        };
        self.state().screenshot(&target).unwrap()
    }

    pub fn guest_screenshot(&mut self, guest: &str, scanout: u8) -> Image {
        let target = ScreenshotTarget::Guest {
            name: guest.to_owned(),
            scanout,
        };
        self.state().screenshot(&target).unwrap()
    }
}
