//! The VMM's half of the software guest: vhost-user as the front-end, in the order and with the
//! habits of a chosen [`Dialect`].
//!
//! Owns the socket, the notifications and what the device knows of the guest's memory. Moves
//! queues between running, paused and reset, but never looks into them.

mod channel;
mod config_space;
mod dialect;
mod error;
mod events;
mod notify;
mod rings;
mod window;

use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    path::Path,
    sync::mpsc::Sender,
    time::Duration,
};

use vhost::vhost_user::message::{FrontendReq, VhostUserProtocolFeatures as Protocol};

use self::{
    channel::Channel,
    notify::{Call, Kick},
    rings::KnownRegion,
    window::Window,
};
pub use self::{dialect::Dialect, error::FrontendError, events::Activity, window::Manners};

/// How many queues a device has: control and cursor of a GPU, events and status of an input
/// device.
pub const QUEUES: usize = 2;

/// `VHOST_USER_F_PROTOCOL_FEATURES`: the feature bit with which a device says that it knows
/// protocol features. Guests never see it.
const PROTOCOL_FEATURES_BIT: u64 = 1 << 30;

/// Where the rings are in their life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The guest has no driver, or it has reset the device.
    Reset,
    /// The driver runs.
    Running,
    /// The VMM has stopped the machine; rings go on where the device said.
    Paused { bases: [u16; QUEUES] },
}

/// A connection to a device, as a VMM has it.
#[derive(Debug)]
pub struct Frontend {
    channel: Channel,
    dialect: Dialect,
    offered: u64,
    protocol: Protocol,
    /// What the device asks of us.
    requests: Option<Channel>,
    /// The other end of QEMU's display socket.
    display_socket: Option<UnixStream>,
    /// Who reads and answers there.
    display: Option<Sender<UnixStream>>,
    kicks: [Kick; QUEUES],
    calls: [Call; QUEUES],
    regions: Vec<KnownRegion>,
    /// Where the guest sees host memory.
    window: Window,
    state: State,
    features: u64,
    refused_events: u64,
    /// Bytes of the configuration space, for the VMMs that keep a copy of it.
    config_size: usize,
}

impl Frontend {
    /// Connects to the device's socket and agrees on features, as a VMM does when it starts.
    /// Waits up to `timeout` for the socket to appear, and as long for each answer later.
    ///
    /// # Errors
    /// Nothing listens there, or the device does not answer as the protocol asks.
    pub fn connect(
        socket: &Path,
        dialect: Dialect,
        timeout: Duration,
    ) -> Result<Self, FrontendError> {
        Self::negotiate(Channel::connect(socket, timeout)?, dialect, timeout)
    }

    /// As [`Frontend::connect`], with a socket that is connected already.
    ///
    /// # Errors
    /// The device does not answer as the protocol asks.
    pub fn from_stream(
        stream: UnixStream,
        dialect: Dialect,
        timeout: Duration,
    ) -> Result<Self, FrontendError> {
        Self::negotiate(Channel::new(stream, timeout), dialect, timeout)
    }

    fn negotiate(
        channel: Channel,
        dialect: Dialect,
        timeout: Duration,
    ) -> Result<Self, FrontendError> {
        let owner_first = matches!(dialect, Dialect::Uml | Dialect::Crosvm);
        if owner_first {
            channel.send(FrontendReq::SET_OWNER, &[], &[])?;
        }
        let offered = channel.ask_u64(FrontendReq::GET_FEATURES)?;
        if offered & PROTOCOL_FEATURES_BIT == 0 {
            return Err(FrontendError::Missing {
                what: "protocol features (bit 30)",
            });
        }
        let protocol = negotiate_protocol(&channel, dialect)?;
        let pair = |_| io_at("the notifications", Kick::new());
        let call = |_| io_at("the notifications", Call::new(dialect.calls_by_pipe()));
        let mut frontend = Self {
            channel,
            dialect,
            offered,
            protocol,
            requests: None,
            display_socket: None,
            display: None,
            kicks: [pair(0)?, pair(1)?],
            calls: [call(0)?, call(1)?],
            regions: Vec::new(),
            window: Window::default(),
            state: State::Reset,
            features: 0,
            refused_events: 0,
            config_size: protocols::virtio_gpu::CONFIG_SIZE,
        };
        frontend.open_request_channel(timeout)?;
        if !owner_first {
            frontend.channel.send(FrontendReq::SET_OWNER, &[], &[])?;
            frontend.offered = frontend.channel.ask_u64(FrontendReq::GET_FEATURES)?;
            frontend.send_calls()?;
        }
        if dialect.has_window() {
            frontend.window = Window::of(&frontend.channel, protocol)?;
        }
        Ok(frontend)
    }

    fn open_request_channel(&mut self, timeout: Duration) -> Result<(), FrontendError> {
        if !self.protocol.contains(Protocol::BACKEND_REQ) {
            return Ok(());
        }
        let (ours, theirs) = io_at("SET_BACKEND_REQ_FD", UnixStream::pair())?;
        self.set(FrontendReq::SET_BACKEND_REQ_FD, &[], &[theirs.as_fd()])?;
        self.requests = Some(Channel::new(ours, timeout));
        Ok(())
    }

    /// Says that the device is no GPU but one whose configuration space has so many bytes.
    #[must_use]
    pub fn with_config_size(self, bytes: usize) -> Self {
        Self {
            config_size: bytes,
            ..self
        }
    }

    /// Names who plays the VMM's display: gets the VMM's end of each display socket as it is opened, in
    /// the dialect that has one. It ends when the machine stops. Nobody reads it otherwise, and a device
    /// that asks something there waits for ever.
    pub fn set_display(&mut self, display: Sender<UnixStream>) {
        self.display = Some(display);
    }

    /// The VMM that is being played.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The virtio features that the guest sees: the device's, less what this VMM keeps back.
    #[must_use]
    pub fn offered_features(&self) -> u64 {
        self.offered & self.dialect.feature_filter() & !PROTOCOL_FEATURES_BIT
    }

    /// The features that the driver runs with; 0 while there is none.
    #[must_use]
    pub fn features(&self) -> u64 {
        self.features
    }

    /// How many events of the device this VMM has refused to pass on.
    #[must_use]
    pub fn refused_events(&self) -> u64 {
        self.refused_events
    }

    /// Tells the device that a queue has new chains.
    ///
    /// # Errors
    /// The notification can't be written.
    pub fn kick(&self, queue: usize) -> Result<(), FrontendError> {
        match self.kicks.get(queue) {
            Some(kick) => io_at("a kick", kick.notify()),
            None => Ok(()),
        }
    }

    /// Sends a message of any number and content, without waiting for a reply.
    ///
    /// # Errors
    /// The socket does not take it.
    pub fn send_raw(
        &self,
        request: u32,
        flags: u32,
        payload: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), FrontendError> {
        io_at(
            "a raw message",
            self.channel.send_message(request, flags, payload, fds),
        )
    }

    /// Sends bytes that need not be a whole message.
    ///
    /// # Errors
    /// The socket does not take them.
    pub fn send_raw_bytes(&self, bytes: &[u8]) -> Result<(), FrontendError> {
        io_at("raw bytes", self.channel.send_bytes(bytes, &[]))
    }

    /// Sends a setting, with or without an acknowledgement, as this VMM does.
    fn set(
        &self,
        request: FrontendReq,
        payload: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), FrontendError> {
        if self.dialect.acknowledges_everything() {
            self.set_acknowledged(request, payload, fds)
        } else {
            self.channel.send(request, payload, fds)
        }
    }

    /// Sends a setting and waits for its acknowledgement, where the device can give one.
    fn set_acknowledged(
        &self,
        request: FrontendReq,
        payload: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), FrontendError> {
        if self.protocol.contains(Protocol::REPLY_ACK) {
            self.channel.send_and_wait(request, payload, fds)
        } else {
            self.channel.send(request, payload, fds)
        }
    }
}

fn negotiate_protocol(channel: &Channel, dialect: Dialect) -> Result<Protocol, FrontendError> {
    let offered = channel.ask_u64(FrontendReq::GET_PROTOCOL_FEATURES)?;
    let protocol = Protocol::from_bits_truncate(offered) & dialect.protocol_features();
    if !protocol.contains(Protocol::CONFIG) {
        return Err(FrontendError::Missing {
            what: "a configuration space (CONFIG, bit 9)",
        });
    }
    let bits = protocol.bits().to_ne_bytes();
    channel.send(FrontendReq::SET_PROTOCOL_FEATURES, &bits, &[])?;
    if protocol.contains(Protocol::MQ) {
        let queues = channel.ask_u64(FrontendReq::GET_QUEUE_NUM)?;
        if usize::try_from(queues).unwrap_or(0) < QUEUES {
            return Err(FrontendError::Missing { what: "two queues" });
        }
    }
    if protocol.contains(Protocol::CONFIGURE_MEM_SLOTS) {
        channel.ask_u64(FrontendReq::GET_MAX_MEM_SLOTS)?;
    }
    Ok(protocol)
}

fn io_at<T>(during: &str, result: io::Result<T>) -> Result<T, FrontendError> {
    result.map_err(|source| FrontendError::Io {
        during: during.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
