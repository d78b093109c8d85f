//! The thread: its clients, its globals and the loop that serves them.

use std::{
    os::{
        fd::AsFd as _,
        unix::net::{UnixListener, UnixStream},
    },
    sync::{
        Arc,
        mpsc::{Receiver, Sender, TryRecvError},
    },
    time::Duration,
};

use anyhow::{anyhow, ensure};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use smithay::{
    backend::allocator::{Format, Fourcc, Modifier},
    input::{Seat, SeatState, keyboard::XkbConfig},
    reexports::wayland_server::{
        Display, DisplayHandle, Resource as _,
        backend::{ClientData, ClientId, DisconnectReason},
        protocol::wl_surface::WlSurface,
    },
    wayland::{
        compositor::{CompositorClientState, CompositorState},
        dmabuf::{DmabufGlobal, DmabufState},
        presentation::PresentationState,
        shell::xdg::{XdgShellState, decoration::XdgDecorationState},
        shm::ShmState,
        viewporter::ViewporterState,
    },
};
use tracing::{debug, warn};

use super::{Bell, Manner, Order, Reports, guests, screen::Screen, wire::Wire};
use crate::{backend::now, keymap};

/// `CLOCK_MONOTONIC`, as `wp_presentation` names it.
const CLOCK: u32 = 1;

/// The formats that guests draw in.
const FORMATS: [Fourcc; 4] = [
    Fourcc::Xrgb8888,
    Fourcc::Argb8888,
    Fourcc::Xbgr8888,
    Fourcc::Abgr8888,
];

/// What the server is to be like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    pub(super) manner: Manner,
    pub(super) size: (u32, u32),
    pub(super) hertz: u32,
}

/// What is known of a client.
#[derive(Debug)]
pub(super) struct ClientState {
    pub(super) compositor: CompositorClientState,
    /// The guest that it belongs to.
    pub(super) guest: usize,
}

impl ClientData for ClientState {
    fn disconnected(&self, _: ClientId, reason: DisconnectReason) {
        match reason {
            DisconnectReason::ConnectionClosed => debug!("A device left the stopwatch"),
            DisconnectReason::ProtocolError(error) => {
                warn!("The stopwatch disconnects a device: {error}");
            }
        }
    }
}

/// What the loop serves.
pub(super) struct State {
    pub(super) setup: Setup,
    pub(super) display: DisplayHandle,
    pub(super) reports: Reports,
    pub(super) screen: Screen,
    pub(super) compositor: CompositorState,
    pub(super) shm: ShmState,
    pub(super) dmabuf: DmabufState,
    pub(super) xdg_shell: XdgShellState,
    pub(super) seats: SeatState<State>,
    pub(super) seat: Seat<State>,
    /// The window that hands are on.
    pub(super) focus: Option<WlSurface>,
    /// Of all clients that there were, in their order.
    pub(super) wires: Vec<Wire>,
    /// It was told to end.
    pub(super) over: bool,
    _globals: Globals,
}

/// These have nothing to ask; they live as long as their globals.
struct Globals {
    _decoration: XdgDecorationState,
    _dmabuf: DmabufGlobal,
    _presentation: PresentationState,
    _viewporter: ViewporterState,
}

/// The server, and what it waits for.
struct Server {
    display: Display<State>,
    state: State,
    listener: UnixListener,
    orders: Receiver<Order>,
    bell: Bell,
}

/// What became ready.
struct Ready {
    display: bool,
    listener: bool,
    orders: bool,
}

/// Serves until it is told to end. `ready` hears when devices can connect.
pub(super) fn run(
    setup: Setup,
    listener: UnixListener,
    (orders, bell): (Receiver<Order>, Bell),
    reports: Reports,
    ready: &Sender<anyhow::Result<()>>,
) {
    let mut server = match Server::new(setup, listener, orders, bell, reports) {
        Ok(server) => server,
        Err(error) => {
            // Nobody who waits is nobody to tell.
            let _ = ready.send(Err(error));
            return;
        }
    };
    let _ = ready.send(Ok(()));
    while !server.state.over {
        if let Err(error) = server.turn() {
            warn!("The stopwatch ends: {error}");
            return;
        }
    }
}

impl Server {
    fn new(
        setup: Setup,
        listener: UnixListener,
        orders: Receiver<Order>,
        bell: Bell,
        reports: Reports,
    ) -> anyhow::Result<Self> {
        listener.set_nonblocking(true)?;
        let display = Display::new()?;
        let state = State::new(setup, &display.handle(), reports)?;
        Ok(Self {
            display,
            state,
            listener,
            orders,
            bell,
        })
    }

    /// Sleeps, and does what is due then.
    fn turn(&mut self) -> anyhow::Result<()> {
        let ready = self.sleep()?;
        if ready.display {
            // Before anything else: it is the time that counts.
            self.state.wires.iter_mut().for_each(Wire::look);
            self.display.dispatch_clients(&mut self.state)?;
        }
        if ready.listener {
            self.take_device();
        }
        if ready.orders {
            self.bell.silence();
            self.carry_out_orders();
        }
        self.state.refresh();
        self.state.flush();
        Ok(())
    }

    /// Waits until something is ready or a refresh is due. A loop of more layers would need more system
    /// calls between a request's arrival and the look at the clock.
    fn sleep(&mut self) -> anyhow::Result<Ready> {
        let timeout = self.state.screen.sleep(now());
        let timeout = timeout.map(TryInto::try_into).transpose()?;
        let display = self.display.as_fd();
        let mut fds = [
            PollFd::from_borrowed_fd(display, PollFlags::IN),
            PollFd::new(&self.listener, PollFlags::IN),
            PollFd::new(&self.bell, PollFlags::IN),
        ];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [display, listener, orders] = fds.map(|fd| !fd.revents().is_empty());
        Ok(Ready {
            display,
            listener,
            orders,
        })
    }

    fn take_device(&mut self) {
        // One that is gone again already is no reason to end.
        if let Ok((stream, _)) = self.listener.accept()
            && let Err(error) = self.state.insert(stream)
        {
            warn!("The stopwatch could not take a device: {error}");
        }
    }

    fn carry_out_orders(&mut self) {
        loop {
            match self.orders.try_recv() {
                Ok(order) => self.state.carry_out(order),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.state.over = true;
                    return;
                }
            }
        }
    }
}

impl State {
    fn new(setup: Setup, display: &DisplayHandle, reports: Reports) -> anyhow::Result<Self> {
        let mut dmabuf = DmabufState::new();
        let formats = FORMATS.map(|code| Format {
            code,
            modifier: Modifier::Linear,
        });
        let globals = Globals {
            _decoration: XdgDecorationState::new::<Self>(display),
            _dmabuf: dmabuf.create_global::<Self>(display, formats),
            _presentation: PresentationState::new::<Self>(display, CLOCK),
            _viewporter: ViewporterState::new::<Self>(display),
        };
        if setup.manner.knows_guests {
            guests::announce(display);
        }
        let mut seats = SeatState::new();
        let mut seat = seats.new_wl_seat(display, "seat0");
        seat.add_pointer();
        // libxkbcommon crashes without any.
        ensure!(
            keymap::is_installed(),
            "There is no keyboard: no layouts are installed. Install xkb-data"
        );
        seat.add_keyboard(XkbConfig::default(), 600, 25)
            .map_err(|error| anyhow!("There is no keyboard: {error}. Install xkb-data"))?;
        Ok(Self {
            setup,
            display: display.clone(),
            reports,
            screen: Screen::new(&setup, display),
            compositor: CompositorState::new_v6::<Self>(display),
            shm: ShmState::new::<Self>(display, Vec::new()),
            dmabuf,
            xdg_shell: XdgShellState::new::<Self>(display),
            seats,
            seat,
            focus: None,
            wires: Vec::new(),
            over: false,
            _globals: globals,
        })
    }

    fn insert(&mut self, stream: UnixStream) -> anyhow::Result<()> {
        stream.set_nonblocking(true)?;
        let client = ClientState {
            compositor: CompositorClientState::default(),
            guest: self.wires.len(),
        };
        let wire = Wire::new(stream.try_clone()?);
        self.display.insert_client(stream, Arc::new(client))?;
        self.wires.push(wire);
        Ok(())
    }

    /// The guest whose device a surface's client is.
    pub(super) fn guest_of(surface: &WlSurface) -> usize {
        let client = surface.client();
        client
            .as_ref()
            .and_then(|client| client.get_data::<ClientState>())
            .map_or(0, |state| state.guest)
    }

    /// Does something with the wire of a surface's client.
    pub(super) fn wire_of<T>(
        &mut self,
        surface: &WlSurface,
        act: impl FnOnce(&mut Wire) -> T,
    ) -> Option<T> {
        self.wires.get_mut(Self::guest_of(surface)).map(act)
    }

    /// When the request came that is being served, if it is one that is awaited of a surface's client.
    pub(super) fn came(&mut self, surface: &WlSurface) -> Duration {
        self.wire_of(surface, Wire::take).unwrap_or_else(now)
    }

    /// Sends what waits to be sent; a client that does not read is its own problem.
    pub(super) fn flush(&mut self) {
        let _ = self.display.flush_clients();
    }
}
