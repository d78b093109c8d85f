//! One connection of a front-end: messages in, replies out, without ever waiting for either.
//!
//! Owns the socket. The crate `vhost` reads and answers messages with blocking calls, so a
//! message is handed to it only when all of it has arrived and there is room for the reply.
//! What messages mean is [`super::handler`]'s business.

use std::{
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, ioctl_fionread},
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recv, recvmsg, send},
};
use thiserror::Error;
use tracing::{debug, warn};
use vhost::vhost_user::{
    BackendReqHandler, Error as VhostError,
    message::{FrontendReq, MAX_MSG_SIZE, VhostUserProtocolFeatures},
};

use super::{channel::Channel, device_type::DeviceType, handler::Handler, queue::Broken};

/// Request, flags, size: three native words in front of every message.
const HEADER: usize = 12;

/// The flag of a request whose sender waits for an answer.
const NEED_REPLY: u32 = 1 << 3;

/// The flag of a reply.
const REPLY: u32 = 1 << 2;

/// The most descriptors that the kernel passes with one message.
const MAX_DESCRIPTORS: usize = 253;

/// Why a connection ended, where it wasn't simply closed.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The socket failed.
    #[error("the socket failed: {0}")]
    Socket(#[from] io::Error),
    /// The front-end says something that is not vhost-user.
    #[error("message {code} is malformed: {reason}")]
    Malformed {
        /// The message's number.
        code: u32,
        /// What is wrong.
        reason: VhostError,
    },
    /// A message can't be that long.
    #[error("message {code} claims to have {size} bytes")]
    TooLong {
        /// The message's number.
        code: u32,
        /// Its claimed size.
        size: u32,
    },
    /// A message came apart in a way that no stream socket does by itself.
    #[error("a message header came in pieces")]
    InPieces,
    /// It speaks a draft of the protocol.
    #[error(
        "the VMM asks for shared memory regions in the way of a draft of vhost-user, in which SHMEM was \
         protocol feature 20 or 21; it is 22. Use QEMU 11.1, a crosvm of 2026, or newer, or give the \
         guest no Vulkan"
    )]
    DraftOfShmem,
    /// The rings could not be made.
    #[error("{0}")]
    Rings(#[from] Broken),
}

impl From<Errno> for SessionError {
    fn from(error: Errno) -> Self {
        Self::Socket(error.into())
    }
}

/// How far [`Session::step`] came.
#[derive(Debug)]
pub enum Step {
    /// A message was handled; there may be another.
    Handled,
    /// Nothing more to do until the socket becomes readable or writable.
    Waiting,
    /// The front-end has closed the connection.
    Closed,
}

/// A message's header, seen before the message is taken.
#[derive(Debug, Clone, Copy)]
struct Header {
    code: u32,
    flags: u32,
    size: u32,
}

/// One connection to a device of type `T`.
pub struct Session<T: DeviceType> {
    socket: UnixStream,
    requests: BackendReqHandler<Mutex<Handler<T>>>,
    // The crate wants to share the handler; both references live on one thread, so the lock is
    // never contended.
    handler: Arc<Mutex<Handler<T>>>,
}

impl<T: DeviceType> std::fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

impl<T: DeviceType> Session<T> {
    /// Takes over a connected socket, with the configuration space that its front-end is to see.
    ///
    /// # Errors
    /// The socket can't be set up.
    pub fn new(socket: UnixStream, config: T) -> Result<Self, SessionError> {
        // The crate's calls expect to block; they don't, because of what is checked before.
        socket.set_nonblocking(false)?;
        let handler = Arc::new(Mutex::new(Handler::new(config)?));
        let requests = BackendReqHandler::from_stream(socket.try_clone()?, Arc::clone(&handler));
        Ok(Self {
            socket,
            requests,
            handler,
        })
    }

    /// What the front-end has said.
    pub fn handler(&self) -> MutexGuard<'_, Handler<T>> {
        self.handler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A descriptor to watch the connection by, for the loop to own. It has to be watched edge-
    /// triggered: half a message leaves the socket readable.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn watched(&self) -> io::Result<OwnedFd> {
        self.socket.as_fd().try_clone_to_owned()
    }

    /// Handles one message, if a whole one is there.
    ///
    /// # Errors
    /// The connection can't go on.
    pub fn step(&mut self) -> Result<Step, SessionError> {
        let Some(header) = self.peek()? else {
            return Ok(Step::Closed);
        };
        let Some(header) = header else {
            return Ok(Step::Waiting);
        };
        let request = FrontendReq::try_from(header.code)
            .ok()
            .filter(|code| is_taken(*code));
        let Some(request) = request else {
            debug!(
                code = header.code,
                "The VMM sent a request that this device doesn't know"
            );
            self.skip(header)?;
            self.refuse(header);
            return Ok(Step::Handled);
        };
        match request {
            FrontendReq::SET_BACKEND_REQ_FD => self.copy_channel()?,
            FrontendReq::GET_SHMEM_CONFIG if !self.may_ask_for_regions() => {
                return Err(SessionError::DraftOfShmem);
            }
            _ => {}
        }
        match self.requests.handle_request() {
            Ok(()) if request == FrontendReq::SET_PROTOCOL_FEATURES => self.check_protocol(),
            Ok(()) => Ok(Step::Handled),
            // The crate has answered with the error, if an answer was wanted.
            Err(VhostError::ReqHandlerError(reason))
                if reason.kind() == io::ErrorKind::Unsupported =>
            {
                debug!(code = header.code, %reason, "A request of the VMM was declined");
                Ok(Step::Handled)
            }
            Err(VhostError::ReqHandlerError(reason)) => {
                warn!(code = header.code, %reason, "A request of the VMM was refused");
                Ok(Step::Handled)
            }
            // The message was read, but not answered.
            Err(reason @ (VhostError::InactiveOperation(_) | VhostError::InactiveFeature(_))) => {
                warn!(code = header.code, %reason, "The VMM sent a request that was not negotiated");
                self.refuse(header);
                Ok(Step::Handled)
            }
            Err(VhostError::Disconnected) => Ok(Step::Closed),
            Err(VhostError::SocketBroken(error)) => Err(SessionError::Socket(error)),
            Err(reason) => Err(SessionError::Malformed {
                code: header.code,
                reason,
            }),
        }
    }

    /// Whether the front-end agreed that there may be regions of shared memory. It waits for data, so
    /// it could not be told otherwise.
    fn may_ask_for_regions(&self) -> bool {
        let agreed = self.handler().evidence.protocol;
        agreed & VhostUserProtocolFeatures::SHMEM.bits() != 0
    }

    fn check_protocol(&self) -> Result<Step, SessionError> {
        match self.handler().evidence.means_a_draft_of_shmem() {
            true => Err(SessionError::DraftOfShmem),
            false => Ok(Step::Handled),
        }
    }

    /// The header of the next message: `None` at the end of the connection, `Some(None)` while
    /// the message is not all there or the reply would have no room.
    fn peek(&self) -> Result<Option<Option<Header>>, SessionError> {
        let mut bytes = [0_u8; HEADER];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let got = match recv(&self.socket, &mut bytes, flags) {
            Ok((_, 0)) | Err(Errno::CONNRESET) => return Ok(None),
            Ok((_, got)) => got,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Some(None)),
            Err(error) => return Err(error.into()),
        };
        // Peeking stops behind descriptors, so how much has arrived is another question.
        let arrived = ioctl_fionread(&self.socket)?;
        if arrived < u64::try_from(HEADER).unwrap_or(0) {
            return Ok(self.rest_will_come()?.then_some(None));
        }
        if got < HEADER {
            return Err(SessionError::InPieces);
        }
        let mut words = bytes
            .chunks_exact(4)
            .map(|word| word.try_into().map_or(0, u32::from_ne_bytes));
        let mut next = || words.next().unwrap_or(0);
        let header = Header {
            code: next(),
            flags: next(),
            size: next(),
        };
        let whole = u64::from(header.size).saturating_add(12);
        if usize::try_from(header.size).map_or(true, |size| size > MAX_MSG_SIZE) {
            return Err(SessionError::TooLong {
                code: header.code,
                size: header.size,
            });
        }
        if arrived < whole {
            return Ok(self.rest_will_come()?.then_some(None));
        }
        Ok(Some(self.has_room()?.then_some(header)))
    }

    /// Whether what is missing of a message can still come. A front-end that died in the middle
    /// of one leaves its first bytes behind, and the end of the connection lies beyond them,
    /// where reading never comes.
    fn rest_will_come(&self) -> Result<bool, SessionError> {
        let gone = PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR;
        Ok(!self.ready(PollFlags::RDHUP)?.intersects(gone))
    }

    /// Whether a reply can be sent without waiting.
    fn has_room(&self) -> Result<bool, SessionError> {
        // A closed socket is found out by using it.
        let ready = PollFlags::OUT | PollFlags::HUP | PollFlags::ERR;
        Ok(self.ready(PollFlags::OUT)?.intersects(ready))
    }

    fn ready(&self, wanted: PollFlags) -> Result<PollFlags, SessionError> {
        let mut sockets = [PollFd::new(&self.socket, wanted)];
        poll(&mut sockets, Some(&Timespec::default()))?;
        let [socket] = sockets;
        Ok(socket.revents())
    }

    /// Duplicates the descriptor that the next message carries, without taking the message: to
    /// the crate it goes as well, which keeps its copy to itself.
    fn copy_channel(&self) -> Result<(), SessionError> {
        let mut bytes = [0_u8; HEADER];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        recvmsg(
            &self.socket,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            flags,
        )?;
        let passed = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        if let Some(socket) = passed {
            let mut handler = self.handler();
            let passed = handler.passed.clone();
            handler.channel = Some(Channel::new(socket).with_passed(passed));
        }
        Ok(())
    }

    /// Takes a message out of the socket, and closes what descriptors it brought.
    fn skip(&self, header: Header) -> Result<(), SessionError> {
        let mut left = HEADER.saturating_add(usize::try_from(header.size).unwrap_or(0));
        let mut bytes = [0_u8; MAX_MSG_SIZE];
        while left > 0 {
            let end = left.min(bytes.len());
            let part = bytes.get_mut(..end).unwrap_or_default();
            match recv(&self.socket, part, RecvFlags::DONTWAIT) {
                Ok((_, 0)) => break,
                Ok((_, got)) => left = left.saturating_sub(got),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Answers a request with failure, if its sender waits for an answer.
    fn refuse(&self, header: Header) {
        let acks = self.handler().evidence.protocol & VhostUserProtocolFeatures::REPLY_ACK.bits();
        if header.flags & NEED_REPLY == 0 || acks == 0 {
            return;
        }
        let mut reply = Vec::with_capacity(20);
        for word in [header.code, REPLY | 1, 8] {
            reply.extend(word.to_ne_bytes());
        }
        reply.extend(1_u64.to_ne_bytes());
        if let Err(error) = send(
            &self.socket,
            &reply,
            SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
        ) {
            debug!(%error, "The VMM does not take the answer to a refused request");
        }
    }
}

/// Whether the crate may see a request. Those of other device types, of features that this
/// device doesn't offer and of newer versions are skipped, for the crate would end the connection
/// over them.
fn is_taken(request: FrontendReq) -> bool {
    matches!(
        request,
        FrontendReq::GET_FEATURES
            | FrontendReq::SET_FEATURES
            | FrontendReq::SET_OWNER
            | FrontendReq::RESET_OWNER
            | FrontendReq::SET_MEM_TABLE
            | FrontendReq::SET_VRING_NUM
            | FrontendReq::SET_VRING_ADDR
            | FrontendReq::SET_VRING_BASE
            | FrontendReq::GET_VRING_BASE
            | FrontendReq::SET_VRING_KICK
            | FrontendReq::SET_VRING_CALL
            | FrontendReq::SET_VRING_ERR
            | FrontendReq::GET_PROTOCOL_FEATURES
            | FrontendReq::SET_PROTOCOL_FEATURES
            | FrontendReq::GET_QUEUE_NUM
            | FrontendReq::SET_VRING_ENABLE
            | FrontendReq::SET_BACKEND_REQ_FD
            | FrontendReq::GET_CONFIG
            | FrontendReq::SET_CONFIG
            | FrontendReq::GPU_SET_SOCKET
            | FrontendReq::RESET_DEVICE
            | FrontendReq::GET_MAX_MEM_SLOTS
            | FrontendReq::ADD_MEM_REG
            | FrontendReq::REM_MEM_REG
            | FrontendReq::SET_DEVICE_STATE_FD
            | FrontendReq::CHECK_DEVICE_STATE
            | FrontendReq::GET_SHMEM_CONFIG
    )
}

impl<T: DeviceType> AsFd for Session<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests;
