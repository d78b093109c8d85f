//! The listening end: takes clients, cuts what they send into requests, sends replies.
//!
//! A client's requests are answered one after the other. A client that does not read its replies
//! is dropped, so that it can't make this program hold them.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, Write as _},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::{UnixListener, UnixStream},
    },
    rc::Rc,
};

use calloop::{
    Interest, LoopHandle, Mode, PostAction, RegistrationToken,
    channel::{Channel, Event, Sender, channel},
    generic::Generic,
};
use protocols::ipc::{ErrorCode, MAX_LINE, Reply, Request};
use tracing::{debug, warn};

use super::{Pending, Socket, waiting::Waiting};
use crate::{
    app::App,
    host::Host,
    lines::{LineBuffer, Reading},
};

/// More than that many clients at once are a mistake of one of them.
const MAX_CLIENTS: usize = 64;
/// Requests that a client may have waiting behind the one that is being answered.
const MAX_WAITING: usize = 64;

/// Names a client for as long as it is connected; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClientId(u64);

/// The clients of the control socket.
#[derive(Debug)]
pub struct Server<H: Host> {
    clients: BTreeMap<ClientId, Client>,
    next_id: u64,
    socket: Option<Socket>,
    /// Where threads send what they have finished.
    pub(super) finished: Sender<(ClientId, Reply)>,
    pub(super) pending: Vec<Pending>,
    pub(super) waiting: Vec<Waiting>,
    handle: LoopHandle<'static, App<H>>,
}

#[derive(Debug)]
struct Client {
    stream: Stream,
    source: RegistrationToken,
    lines: LineBuffer,
    waiting: VecDeque<Vec<u8>>,
    /// Whether a request of it is being answered.
    is_busy: bool,
    /// Whether it has sent its last request.
    is_ending: bool,
    unsent: Vec<u8>,
}

/// A stream that the event loop polls and its owner reads and writes.
#[derive(Debug, Clone)]
struct Stream(Rc<UnixStream>);

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<H: Host> Server<H> {
    /// A server that does not listen yet.
    ///
    /// # Errors
    /// Where the system gives no file descriptors.
    pub fn new(handle: &LoopHandle<'static, App<H>>) -> calloop::Result<Self> {
        let (finished, results): (_, Channel<(ClientId, Reply)>) = channel();
        handle
            .insert_source(results, |event, (), app: &mut App<H>| {
                if let Event::Msg((client, reply)) = event {
                    app.reply(client, &reply);
                }
            })
            .map_err(|error| error.error)?;
        Ok(Self {
            clients: BTreeMap::new(),
            next_id: 0,
            socket: None,
            finished,
            pending: Vec::new(),
            waiting: Vec::new(),
            handle: handle.clone(),
        })
    }

    /// Takes clients of `socket` from now on.
    ///
    /// # Errors
    /// Where the system gives no file descriptors.
    pub fn listen(&mut self, socket: Socket) -> calloop::Result<()> {
        let listener = socket.listener.try_clone()?;
        self.handle
            .insert_source(
                Generic::new(listener, Interest::READ, Mode::Level),
                |_, listener, app: &mut App<H>| {
                    app.ipc.accept(listener);
                    Ok(PostAction::Continue)
                },
            )
            .map_err(|error| error.error)?;
        self.socket = Some(socket);
        Ok(())
    }

    fn accept(&mut self, listener: &UnixListener) {
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    if let Err(error) = self.add(stream) {
                        warn!("Could not take a client of the control socket: {error}");
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    warn!("Could not take a client of the control socket: {error}");
                    return;
                }
            }
        }
    }

    pub(super) fn add(&mut self, stream: UnixStream) -> io::Result<()> {
        if self.clients.len() >= MAX_CLIENTS {
            return Err(io::Error::other("there are too many"));
        }
        stream.set_nonblocking(true)?;
        let stream = Stream(Rc::new(stream));
        let id = ClientId(self.next_id);
        // Edge-triggered: being writable is no news while there is nothing to write. Each time
        // all is read, and written, that can be.
        let source = Generic::new(stream.clone(), Interest::BOTH, Mode::Edge);
        let source = self
            .handle
            .insert_source(source, move |_, _, app: &mut App<H>| {
                app.client_ready(id);
                Ok(PostAction::Continue)
            })
            .map_err(|error| io::Error::from(error.error))?;
        self.next_id += 1;
        self.clients.insert(
            id,
            Client {
                stream,
                source,
                lines: LineBuffer::default(),
                waiting: VecDeque::new(),
                is_busy: false,
                is_ending: false,
                unsent: Vec::new(),
            },
        );
        Ok(())
    }

    fn drop_client(&mut self, id: ClientId, why: &str) {
        if let Some(client) = self.clients.remove(&id) {
            debug!(?id, "A client of the control socket is gone: {why}");
            self.handle.remove(client.source);
        }
        self.pending.retain(|pending| pending.client != id);
    }
}

impl<H: Host> App<H> {
    fn client_ready(&mut self, id: ClientId) {
        let Some(client) = self.ipc.clients.get_mut(&id) else {
            return;
        };
        let waiting = &mut client.waiting;
        let reading = client.lines.read(&mut &*client.stream.0, |line| {
            waiting.push_back(line.to_vec());
        });
        let sent = client.send();
        // Its last request may still wait for its answer: `echo … | socat` is a way to use this.
        client.is_ending |= matches!(reading, Ok(Reading::Ended));
        if let Err(error) = reading.and(sent) {
            self.ipc.drop_client(id, &error.to_string());
        } else if client.waiting.len() > MAX_WAITING {
            self.ipc
                .drop_client(id, "it asks without waiting for answers");
        } else {
            self.serve(id);
        }
    }

    /// Answers a client's requests until one takes longer.
    fn serve(&mut self, id: ClientId) {
        while let Some(client) = self.ipc.clients.get_mut(&id) {
            if client.is_busy {
                return;
            }
            let Some(line) = client.waiting.pop_front() else {
                if client.is_ending && client.unsent.is_empty() {
                    self.ipc.drop_client(id, "it has its answers");
                }
                return;
            };
            client.is_busy = true;
            let reply = match serde_json::from_slice::<Request>(&line) {
                Ok(request) => self.request(id, request),
                Err(error) => Some(Reply::error(
                    ErrorCode::InvalidRequest,
                    format!("Could not understand the request: {error}"),
                )),
            };
            if let Some(reply) = reply {
                self.ipc.send(id, &reply);
            }
        }
    }

    /// Answers the request that a client waits for.
    pub(super) fn reply(&mut self, id: ClientId, reply: &Reply) {
        self.ipc.send(id, reply);
        self.serve(id);
    }
}

impl<H: Host> Server<H> {
    fn send(&mut self, id: ClientId, reply: &Reply) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.is_busy = false;
        match serde_json::to_vec(reply) {
            Ok(line) => {
                client.unsent.extend(line);
                client.unsent.push(b'\n');
            }
            Err(error) => {
                self.drop_client(id, &format!("its reply can't be written: {error}"));
                return;
            }
        }
        if let Err(error) = client.send() {
            self.drop_client(id, &error.to_string());
        }
    }
}

impl Client {
    /// Writes what fits.
    fn send(&mut self) -> io::Result<()> {
        let mut written = 0;
        while written < self.unsent.len() {
            match (&*self.stream.0).write(&self.unsent[written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.unsent.drain(..written);
        if self.unsent.len() > MAX_LINE {
            return Err(io::Error::other("it does not read"));
        }
        Ok(())
    }
}
