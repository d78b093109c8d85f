//! Connections of clients, guests' devices among them.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    fmt,
    io::{self, ErrorKind},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    rc::Rc,
    sync::Arc,
};

use calloop::{
    EventSource, Interest, LoopHandle, Mode, PostAction, RegistrationToken,
    channel::{Event, Sender, channel},
    generic::Generic,
};
use smithay::{
    backend::allocator::dmabuf::DmabufSource,
    reexports::wayland_server::{
        Client, Display, DisplayHandle, Resource,
        backend::{ClientData, ClientId, DisconnectReason, protocol::ProtocolError},
        protocol::wl_surface::WlSurface,
    },
    wayland::{compositor::CompositorClientState, drm_syncobj::DrmSyncPointSource},
};
use tracing::{debug, error, warn};

use crate::state::{HasState, State};

/// How many bytes may wait for a client that does not read, before it is disconnected. A device
/// that is busy for a few seconds is not to lose its windows for that.
const MAX_BACKLOG: usize = 1024 * 1024;

/// How many commits of a client may wait for its GPU. Each takes a descriptor, and what it waits for
/// may never come.
const MAX_WAITS: usize = 256;

/// What is known of one client.
#[derive(Debug)]
pub struct ClientState {
    /// smithay's part.
    pub(crate) compositor: CompositorClientState,
    /// The guest whose device it is; `None` for other clients.
    guest: Option<String>,
    gone: Sender<ClientId>,
}

impl ClientState {
    /// The guest whose device this client is; `None` for other clients.
    #[must_use]
    pub fn guest(&self) -> Option<&str> {
        self.guest.as_deref()
    }
}

/// Whether a surface is one of a guest's device.
pub(super) fn is_guests(surface: &WlSurface) -> bool {
    let client = surface.client();
    client.is_some_and(|client| {
        let state = client.get_data::<ClientState>();
        state.is_some_and(|state| state.guest.is_some())
    })
}

impl ClientData for ClientState {
    fn disconnected(&self, client: ClientId, reason: DisconnectReason) {
        let name = self.guest.as_deref().unwrap_or("a client");
        match reason {
            DisconnectReason::ConnectionClosed => debug!("{name} disconnected"),
            DisconnectReason::ProtocolError(error) => {
                warn!("Disconnecting {name}: {error}");
            }
        }
        // Fails when the event loop is already gone, and with it everything to clean up.
        let _ = self.gone.send(client);
    }
}

/// What tells that a client's GPU is done.
#[derive(Debug)]
pub(crate) enum Ready {
    /// The memory that it writes.
    Memory(DmabufSource),
    /// A point that the client named.
    Point(DrmSyncPointSource),
}

/// The sources in the loop that clients' commits wait for.
#[derive(Debug, Default)]
struct Waits {
    clients: HashMap<ClientId, BTreeMap<u64, RegistrationToken>>,
    next: u64,
}

impl Waits {
    fn count(&self, client: &ClientId) -> usize {
        self.clients.get(client).map_or(0, BTreeMap::len)
    }

    fn done(&mut self, client: &ClientId, wait: u64) {
        if let Some(waits) = self.clients.get_mut(client) {
            waits.remove(&wait);
            if waits.is_empty() {
                self.clients.remove(client);
            }
        }
    }
}

/// All clients.
pub struct Clients {
    server: Rc<RefCell<Display<State>>>,
    display: DisplayHandle,
    /// Readable when a client has said something.
    readable: Rc<OwnedFd>,
    /// Has the loop serve clients no longer, while it does.
    leave_loop: Option<Box<dyn FnOnce()>>,
    gone: Sender<ClientId>,
    /// Has a client's commit wait for its GPU, without the loop waiting for it.
    when_ready: Box<dyn Fn(Ready, Client) -> bool>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl Clients {
    /// Makes the server and lets the loop serve it.
    ///
    /// # Errors
    /// The event loop can't watch another descriptor.
    pub(crate) fn new<D: HasState>(
        display: Display<State>,
        handle: &LoopHandle<'static, D>,
    ) -> io::Result<Self> {
        let display_handle = display.handle();
        display_handle.set_default_max_buffer_size(MAX_BACKLOG);
        let readable = Rc::new(display.as_fd().try_clone_to_owned()?);
        let display = Rc::new(RefCell::new(display));

        let serving = handle
            .insert_source(
                Generic::new(Rc::clone(&readable), Interest::READ, Mode::Level),
                move |_, _, data: &mut D| {
                    data.state().serve_clients();
                    Ok(PostAction::Continue)
                },
            )
            .map_err(|error| error.error)?;

        let waits = Rc::new(RefCell::new(Waits::default()));
        // Weak: a source that keeps its own loop alive would keep it for ever.
        let (abandoned, waiting) = (Rc::clone(&waits), handle.downgrade());
        // A client that is disconnected while nothing of it is being read, because a message to it
        // or its memory turned out bad, would keep its windows until some client says something.
        let (gone, source) = channel();
        let server = Rc::clone(&display);
        handle
            .insert_source(source, move |event, (), data: &mut D| {
                let Event::Msg(client) = event else {
                    return;
                };
                let state = data.state();
                let waits = abandoned.borrow_mut().clients.remove(&client);
                if let Some(waiting) = waiting.upgrade() {
                    for token in waits.unwrap_or_default().into_values() {
                        waiting.remove(token);
                    }
                }
                // An error says that the client is gone, which is why we are here.
                let _ = display
                    .borrow_mut()
                    .backend()
                    .dispatch_single_client(state, client);
                state.settle();
            })
            .map_err(|error| error.error)?;

        let (handle, ours, leaving) = (handle.clone(), display_handle.clone(), handle.clone());
        Ok(Self {
            server,
            display: display_handle,
            readable,
            leave_loop: Some(Box::new(move || leaving.remove(serving))),
            gone,
            when_ready: Box::new(move |source, client| match source {
                Ready::Memory(source) => wait_for(&ours, &handle, &waits, source, client),
                Ready::Point(source) => wait_for(&ours, &handle, &waits, source, client),
            }),
        })
    }

    /// The handle to the server.
    pub(crate) fn display(&self) -> &DisplayHandle {
        &self.display
    }

    /// The loop does not serve clients any longer: whoever runs it calls [`State::serve_clients`].
    pub(crate) fn leave_loop(&mut self) {
        if let Some(leave) = self.leave_loop.take() {
            leave();
        }
    }

    /// Readable when a client has said something.
    pub(crate) fn readable(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }

    /// Adds a client by its connection.
    ///
    /// # Errors
    /// The connection can't be watched.
    pub(crate) fn insert(&mut self, stream: UnixStream, guest: Option<&str>) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        let state = ClientState {
            compositor: CompositorClientState::default(),
            guest: guest.map(str::to_owned),
            gone: self.gone.clone(),
        };
        self.display.insert_client(stream, Arc::new(state))?;
        Ok(())
    }

    /// Adds the device of a guest, and returns the device's end of the connection.
    ///
    /// # Errors
    /// No more descriptors.
    pub(crate) fn connect_guest(&mut self, guest: &str) -> io::Result<OwnedFd> {
        let (ours, theirs) = UnixStream::pair()?;
        self.insert(ours, Some(guest))?;
        Ok(theirs.into())
    }

    /// Calls the client's blockers off when the source is ready. `false` if it can't be waited for.
    /// A client with far too much to wait for is disconnected.
    pub(crate) fn when_ready(&self, source: Ready, client: Client) -> bool {
        (self.when_ready)(source, client)
    }

    /// Sends what waits to be sent.
    pub(crate) fn flush(&mut self) {
        // One client's trouble disconnects that client and is not reported here.
        match self.display.flush_clients() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                warn!("Could not send to the clients: {error}");
            }
            _ => {}
        }
    }
}

impl State {
    /// Hears what clients have said, and does what follows.
    pub(crate) fn serve_clients(&mut self) {
        let server = Rc::clone(&self.clients.server);
        if let Err(error) = server.borrow_mut().dispatch_clients(self) {
            error!("Could not read from the clients: {error}");
        }
        self.settle();
    }
}

/// Disconnects a client that wants more than anybody may have.
pub(super) fn disconnect(display: &DisplayHandle, client: &Client, why: String) {
    let error = ProtocolError {
        // `no_memory` of `wl_display`.
        code: 2,
        object_id: 1,
        object_interface: "wl_display".to_owned(),
        message: why,
    };
    client.kill(display, error);
}

fn wait_for<D, S>(
    display: &DisplayHandle,
    handle: &LoopHandle<'static, D>,
    waits: &Rc<RefCell<Waits>>,
    source: S,
    client: Client,
) -> bool
where
    D: HasState,
    S: EventSource<Event = (), Ret = io::Result<()>> + 'static,
{
    let id = client.id();
    if waits.borrow().count(&id) >= MAX_WAITS {
        let why = format!("more than {MAX_WAITS} commits wait for a GPU");
        disconnect(display, &client, why);
        return false;
    }
    let mut all = waits.borrow_mut();
    all.next += 1;
    let wait = all.next;
    let done = Rc::clone(waits);
    let added = handle.insert_source(source, move |(), _, data: &mut D| {
        done.borrow_mut().done(&client.id(), wait);
        let state = data.state();
        if let Some(client_state) = client.get_data::<ClientState>() {
            let display = state.clients.display.clone();
            client_state.compositor.blocker_cleared(state, &display);
        }
        state.settle();
        Ok(())
    });
    if let Ok(token) = &added {
        all.clients.entry(id).or_default().insert(wait, *token);
    }
    added.is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use calloop::EventLoop;
    use smithay::backend::allocator::{
        Fourcc, Modifier,
        dmabuf::{Dmabuf, DmabufFlags},
    };

    use super::*;
    use crate::{backend::OutputOptions, render::RendererChoice, state::Options};

    /// A client, and our end of its connection.
    fn client(state: &mut State) -> (Client, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let data = ClientState {
            compositor: CompositorClientState::default(),
            guest: None,
            gone: state.clients.gone.clone(),
        };
        let client = state.clients.display.insert_client(ours, Arc::new(data));
        (client.unwrap(), theirs)
    }

    fn descriptors() -> usize {
        fs::read_dir("/proc/self/fd").unwrap().count()
    }

    /// Memory that its GPU never finishes: the end of a pipe of which nothing ever comes out.
    fn never_ready(pipe: &OwnedFd) -> Ready {
        let mut dmabuf = Dmabuf::builder(
            (1, 1),
            Fourcc::Xrgb8888,
            Modifier::Linear,
            DmabufFlags::empty(),
        );
        dmabuf.add_plane(pipe.try_clone().unwrap(), 0, 0, 4);
        let blocker = dmabuf.build().unwrap().generate_blocker(Interest::READ);
        Ready::Memory(blocker.unwrap().1)
    }

    #[test]
    fn what_never_gets_ready_takes_no_descriptors_beyond_its_client() {
        let mut event_loop: EventLoop<'static, State> = EventLoop::try_new().unwrap();
        let options = Options {
            outputs: vec![OutputOptions::new("a", 8, 8)],
            renderer: RendererChoice::Pixman,
        };
        let mut state = State::new(&options, &event_loop.handle()).unwrap();
        let (pipe, _writer) = rustix::pipe::pipe().unwrap();
        let before = descriptors();
        let (client, theirs) = client(&mut state);
        for _ in 0..MAX_WAITS {
            assert!(state.clients.when_ready(never_ready(&pipe), client.clone()));
        }
        assert!(descriptors() > before + MAX_WAITS);
        assert!(!state.clients.when_ready(never_ready(&pipe), client.clone()));
        drop(client);
        while descriptors() > before + 1 {
            event_loop.dispatch(None, &mut state).unwrap();
        }
        drop(theirs);
    }
}
