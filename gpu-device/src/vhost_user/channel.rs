//! The back-end's own channel to the front-end: that the configuration has changed, and what is to
//! be seen in the host-visible window.
//!
//! The crate `vhost` keeps the channel's descriptor to itself, has no message for the first and
//! waits for the answers to the second, so [`super::session`] duplicates the descriptor while the
//! message that carries it is still in the socket. This file knows bytes; what is asked for and
//! what the answers mean is [`super::window`]'s business.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::Arc,
};

use rustix::{
    io::Errno,
    net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv, sendmsg},
};
use thiserror::Error;
use tracing::debug;
use vhost::vhost_user::message::BackendReq;

use super::passed::Passed;

/// Version 1, which every message carries.
const VERSION: u32 = 1;

/// Which bits of the flags are the version.
const VERSION_MASK: u32 = 3;

/// The flag of a reply.
const REPLY: u32 = 1 << 2;

/// The flag of a request whose sender waits for an answer.
const NEED_REPLY: u32 = 1 << 3;

/// Request, flags, size and a number: all that a front-end ever says on this channel.
const ANSWER: usize = 20;

/// The sending half of the back-end channel. Clones are the same channel.
#[derive(Debug, Clone)]
pub struct Channel {
    socket: Arc<OwnedFd>,
    /// What the front-end has from us.
    pub passed: Passed,
}

/// What came of an attempt to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// The message is on its way.
    Sent,
    /// The front-end has to read first.
    NoRoom,
    /// Nobody will ever read it.
    Closed,
}

/// Why nothing more can be understood on a channel.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ChannelError {
    /// The front-end has closed its end, or the descriptor was no socket to begin with.
    #[error("it is closed")]
    Closed,
    /// The front-end says something that is no answer.
    #[error("message {code} (flags {flags:#x}, {size} bytes) is no answer to a request")]
    NoAnswer {
        /// The message's number.
        code: u32,
        /// Its flags.
        flags: u32,
        /// Bytes behind the header.
        size: u32,
    },
}

impl Channel {
    /// Takes over the descriptor that the front-end passed.
    pub fn new(socket: OwnedFd) -> Self {
        Self {
            socket: Arc::new(socket),
            passed: Passed::default(),
        }
    }

    /// The same, of a device that keeps this list of what it has given away.
    #[must_use]
    pub fn with_passed(self, passed: Passed) -> Self {
        Self { passed, ..self }
    }

    /// Whether this is the same channel and not one that has taken its place.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.socket, &other.socket)
    }

    /// A descriptor to watch the channel by, for the loop to own.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn watched(&self) -> io::Result<OwnedFd> {
        self.socket.as_fd().try_clone_to_owned()
    }

    /// Tells the front-end that the configuration space has changed. Returns whether it took the
    /// message; a front-end that doesn't read must not stop the device.
    pub fn config_changed(&self) -> bool {
        let message = message(BackendReq::CONFIG_CHANGE_MSG, VERSION, &[]);
        // Nothing is gained by trying again on a closed channel.
        self.send(&message, None) != Sending::NoRoom
    }

    /// Sends a request that the front-end is to answer.
    pub fn ask(&self, request: BackendReq, payload: &[u8], fd: Option<BorrowedFd<'_>>) -> Sending {
        self.send(&message(request, VERSION | NEED_REPLY, payload), fd)
    }

    /// Messages are too short for the kernel to take a part of one.
    fn send(&self, message: &[u8], fd: Option<BorrowedFd<'_>>) -> Sending {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fds: Vec<BorrowedFd<'_>> = fd.into_iter().collect();
        if !fds.is_empty() {
            // There is room for one.
            ancillary.push(SendAncillaryMessage::ScmRights(&fds));
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        match sendmsg(
            &self.socket,
            &[IoSlice::new(message)],
            &mut ancillary,
            flags,
        ) {
            Ok(sent) if sent == message.len() => Sending::Sent,
            // The last: too many descriptors are in sockets, to be read by somebody.
            Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS | Errno::TOOMANYREFS) => Sending::NoRoom,
            Ok(_) => Sending::Closed,
            Err(error) => {
                debug!(%error, "The front-end's channel for back-end requests is closed");
                Sending::Closed
            }
        }
    }
}

/// A message in native words, as the front-end is on the same machine.
fn message(request: BackendReq, flags: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut message = Vec::with_capacity(payload.len().saturating_add(12));
    for word in [u32::from(request), flags, size] {
        message.extend(word.to_ne_bytes());
    }
    message.extend(payload);
    message
}

/// An answer of the front-end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The request's number.
    pub request: u32,
    /// 0 where it was carried out.
    pub code: u64,
}

/// The receiving half of the back-end channel.
#[derive(Debug, Default)]
pub struct Answers {
    bytes: [u8; ANSWER],
    /// How many of them have arrived.
    filled: usize,
}

impl Answers {
    /// The next answer, if all of it has arrived. Descriptors that come along are closed.
    ///
    /// # Errors
    /// See [`ChannelError`]; nothing that comes after can be understood.
    pub fn next(&mut self, channel: &Channel) -> Result<Option<Answer>, ChannelError> {
        loop {
            let rest = self.bytes.get_mut(self.filled..).unwrap_or_default();
            let got = match recv(&channel.socket, rest, RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Err(ChannelError::Closed),
                Ok((_, got)) => got,
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => continue,
                Err(error) => {
                    debug!(%error, "The front-end's channel for back-end requests is closed");
                    return Err(ChannelError::Closed);
                }
            };
            self.filled = self.filled.saturating_add(got);
            if self.filled >= ANSWER {
                self.filled = 0;
                return self.understand().map(Some);
            }
        }
    }

    fn understand(&self) -> Result<Answer, ChannelError> {
        let [head @ .., c0, c1, c2, c3, c4, c5, c6, c7] = self.bytes;
        let code = u64::from_ne_bytes([c0, c1, c2, c3, c4, c5, c6, c7]);
        let mut words = head
            .chunks_exact(4)
            .map(|word| word.try_into().map_or(0, u32::from_ne_bytes));
        let mut next = || words.next().unwrap_or(0);
        let (request, flags, size) = (next(), next(), next());
        match flags & (VERSION_MASK | REPLY) == VERSION | REPLY && size == 8 {
            true => Ok(Answer { request, code }),
            false => Err(ChannelError::NoAnswer {
                code: request,
                flags,
                size,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
