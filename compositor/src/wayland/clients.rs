//! Connections of clients, guests' devices among them.

use std::{
    cell::RefCell,
    fmt,
    io::{self, ErrorKind},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    rc::Rc,
    sync::Arc,
};

use calloop::{
    Interest, LoopHandle, Mode, PostAction,
    channel::{Event, Sender, channel},
    generic::Generic,
};
use smithay::{
    backend::allocator::dmabuf::DmabufSource,
    reexports::wayland_server::{
        Client, Display, DisplayHandle, Resource,
        backend::{ClientData, ClientId, DisconnectReason},
        protocol::wl_surface::WlSurface,
    },
    wayland::compositor::CompositorClientState,
};
use tracing::{debug, error, warn};

use crate::state::{HasState, State};

/// How many bytes may wait for a client that does not read, before it is disconnected. A device
/// that is busy for a few seconds is not to lose its windows for that.
const MAX_BACKLOG: usize = 1024 * 1024;

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

/// All clients.
pub struct Clients {
    display: DisplayHandle,
    gone: Sender<ClientId>,
    /// Has a client's commit wait for its GPU, without the loop waiting for it.
    when_ready: Box<dyn Fn(DmabufSource, Client) -> bool>,
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
        let fd = display.as_fd().try_clone_to_owned()?;
        let display = Rc::new(RefCell::new(display));

        let serving = Rc::clone(&display);
        handle
            .insert_source(
                Generic::new(fd, Interest::READ, Mode::Level),
                move |_, _, data: &mut D| {
                    let state = data.state();
                    if let Err(error) = serving.borrow_mut().dispatch_clients(state) {
                        error!("Could not read from the clients: {error}");
                    }
                    state.settle();
                    Ok(PostAction::Continue)
                },
            )
            .map_err(|error| error.error)?;

        // A client that is disconnected while nothing of it is being read, because a message to it
        // or its memory turned out bad, would keep its windows until some client says something.
        let (gone, source) = channel();
        handle
            .insert_source(source, move |event, (), data: &mut D| {
                let Event::Msg(client) = event else {
                    return;
                };
                let state = data.state();
                // An error says that the client is gone, which is why we are here.
                let _ = display
                    .borrow_mut()
                    .backend()
                    .dispatch_single_client(state, client);
                state.settle();
            })
            .map_err(|error| error.error)?;

        let waiting = handle.clone();
        Ok(Self {
            display: display_handle,
            gone,
            when_ready: Box::new(move |source, client| wait_for(&waiting, source, client)),
        })
    }

    /// The handle to the server.
    pub(crate) fn display(&self) -> &DisplayHandle {
        &self.display
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
    pub(crate) fn when_ready(&self, source: DmabufSource, client: Client) -> bool {
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

fn wait_for<D: HasState>(
    handle: &LoopHandle<'static, D>,
    source: DmabufSource,
    client: Client,
) -> bool {
    let done = handle.insert_source(source, move |(), _, data: &mut D| {
        let state = data.state();
        if let Some(client_state) = client.get_data::<ClientState>() {
            let display = state.clients.display.clone();
            client_state.compositor.blocker_cleared(state, &display);
        }
        state.settle();
        Ok(())
    });
    done.is_ok()
}
