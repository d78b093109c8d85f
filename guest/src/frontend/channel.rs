//! vhost-user messages on a socket: 12 bytes of header, a payload, file descriptors.
//!
//! The message types and numbers are those of the `vhost` crate. Its `Frontend` is not used: it
//! waits for replies without a time-out, and knows neither GPU_SET_SOCKET nor SET_STATUS nor
//! calls by pipe, which the dialects of VMMs need.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags,
    },
};
use vhost::vhost_user::message::{FrontendReq, MAX_MSG_SIZE};

use super::FrontendError;

/// Version 1, which every message carries.
const VERSION: u32 = 1;
/// The message is a reply.
const REPLY: u32 = 1 << 2;
/// The sender waits for a reply.
const NEED_REPLY: u32 = 1 << 3;

/// Bytes of header before each payload.
const HEADER: usize = 12;

/// File descriptors that one message can carry; SET_MEM_TABLE needs the most.
const MAX_FDS: usize = 8;

/// How long to wait between two tries to connect: a socket that is not there yet can't be polled.
const CONNECT_AGAIN: Duration = Duration::from_millis(20);

/// A message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub request: u32,
    pub flags: u32,
    pub payload: Vec<u8>,
}

impl Message {
    pub(super) fn needs_reply(&self) -> bool {
        self.flags & NEED_REPLY != 0
    }

    fn is_reply_to(&self, request: u32) -> bool {
        self.request == request && self.flags & REPLY != 0
    }
}

/// One end of a vhost-user socket.
#[derive(Debug)]
pub(super) struct Channel {
    stream: UnixStream,
    timeout: Duration,
}

impl Channel {
    /// Wraps a connected socket; a reply may take as long as `timeout`.
    pub(super) fn new(stream: UnixStream, timeout: Duration) -> Self {
        Self { stream, timeout }
    }

    /// Connects to a device that may just be starting.
    pub(super) fn connect(path: &Path, timeout: Duration) -> Result<Self, FrontendError> {
        let deadline = Instant::now() + timeout;
        loop {
            match UnixStream::connect(path) {
                Ok(stream) => return Ok(Self::new(stream, timeout)),
                Err(error) if may_come_up(&error) && Instant::now() < deadline => {
                    std::thread::sleep(CONNECT_AGAIN);
                }
                Err(source) => {
                    return Err(FrontendError::Connect {
                        path: path.to_owned(),
                        source,
                    });
                }
            }
        }
    }

    /// Sends a request without waiting for anything.
    pub(super) fn send(
        &self,
        request: FrontendReq,
        payload: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), FrontendError> {
        self.send_message(request.into(), VERSION, payload, fds)
            .map_err(|source| lost(request, source))
    }

    /// Sends a request and waits until the device says that it has carried it out.
    pub(super) fn send_and_wait(
        &self,
        request: FrontendReq,
        payload: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), FrontendError> {
        self.send_message(request.into(), VERSION | NEED_REPLY, payload, fds)
            .map_err(|source| lost(request, source))?;
        match self.reply_u64(request)? {
            0 => Ok(()),
            code => Err(FrontendError::Refused {
                request: name(request),
                code,
            }),
        }
    }

    /// Sends a request that is answered with a payload, and returns it.
    pub(super) fn ask(
        &self,
        request: FrontendReq,
        payload: &[u8],
    ) -> Result<Vec<u8>, FrontendError> {
        self.send(request, payload, &[])?;
        self.reply(request)
    }

    /// Sends a request that is answered with a number.
    pub(super) fn ask_u64(&self, request: FrontendReq) -> Result<u64, FrontendError> {
        self.send(request, &[], &[])?;
        self.reply_u64(request)
    }

    /// Sends a message of any content.
    pub(super) fn send_message(
        &self,
        request: u32,
        flags: u32,
        payload: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(HEADER + payload.len());
        let size = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        for word in [request, flags, size] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        bytes.extend_from_slice(payload);
        self.send_bytes(&bytes, fds)
    }

    /// Sends bytes that need not be a message.
    pub(super) fn send_bytes(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(io::Error::other(
                "too many file descriptors for one message",
            ));
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            self.ready(PollFlags::OUT)?;
            let sent = rustix::net::sendmsg(
                &self.stream,
                &[IoSlice::new(rest)],
                &mut ancillary,
                SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
            )?;
            // The file descriptors travel with the first byte.
            ancillary.clear();
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    /// Receives the next message.
    pub(super) fn receive(&self) -> io::Result<Message> {
        let mut header = [0; HEADER];
        self.fill(&mut header)?;
        self.receive_payload(header)
    }

    /// Receives the next message, and the file descriptors that came with its first byte.
    pub(super) fn receive_with_fds(&self) -> io::Result<(Message, Vec<OwnedFd>)> {
        let mut header = [0; HEADER];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        self.ready(PollFlags::IN)?;
        let received = rustix::net::recvmsg(
            &self.stream,
            &mut [IoSliceMut::new(&mut header)],
            &mut ancillary,
            RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC,
        )?;
        let mut fds = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        match received.bytes {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            got => self.fill(header.get_mut(got..).unwrap_or_default())?,
        }
        Ok((self.receive_payload(header)?, fds))
    }

    fn receive_payload(&self, header: [u8; HEADER]) -> io::Result<Message> {
        let [r0, r1, r2, r3, f0, f1, f2, f3, s0, s1, s2, s3] = header;
        let size = usize::try_from(u32::from_ne_bytes([s0, s1, s2, s3])).unwrap_or(usize::MAX);
        if size > MAX_MSG_SIZE {
            return Err(io::Error::other(format!(
                "the message claims to have {size} bytes"
            )));
        }
        let mut payload = vec![0; size];
        self.fill(&mut payload)?;
        Ok(Message {
            request: u32::from_ne_bytes([r0, r1, r2, r3]),
            flags: u32::from_ne_bytes([f0, f1, f2, f3]),
            payload,
        })
    }

    /// Answers a message of the other side with a number.
    pub(super) fn answer(&self, message: &Message, code: u64) -> io::Result<()> {
        self.send_message(message.request, VERSION | REPLY, &code.to_ne_bytes(), &[])
    }

    fn reply(&self, request: FrontendReq) -> Result<Vec<u8>, FrontendError> {
        let message = self.receive().map_err(|source| lost(request, source))?;
        if message.is_reply_to(request.into()) {
            Ok(message.payload)
        } else {
            let what = format!("message {} (flags {:#x})", message.request, message.flags);
            Err(FrontendError::WrongReply {
                request: name(request),
                what,
            })
        }
    }

    fn reply_u64(&self, request: FrontendReq) -> Result<u64, FrontendError> {
        let payload = self.reply(request)?;
        let bytes: [u8; 8] = payload.as_slice().try_into().map_err(|_| {
            let what = format!("{} bytes instead of 8", payload.len());
            FrontendError::WrongReply {
                request: name(request),
                what,
            }
        })?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn fill(&self, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            self.ready(PollFlags::IN)?;
            let (read, _) = rustix::net::recv(&self.stream, &mut *buffer, RecvFlags::DONTWAIT)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buffer = buffer.get_mut(read..).unwrap_or_default();
        }
        Ok(())
    }

    fn ready(&self, flags: PollFlags) -> io::Result<()> {
        let timeout = timespec(self.timeout);
        let mut fds = [PollFd::new(&self.stream, flags)];
        match rustix::io::retry_on_intr(|| rustix::event::poll(&mut fds, Some(&timeout)))? {
            0 => Err(io::ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// A duration as system calls want it.
pub(super) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

fn may_come_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

fn name(request: FrontendReq) -> String {
    format!("{request:?}")
}

fn lost(request: FrontendReq, source: io::Error) -> FrontendError {
    let during = name(request);
    match source.kind() {
        io::ErrorKind::TimedOut => FrontendError::NoReply { during },
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset => FrontendError::Closed { during },
        _ => FrontendError::Io { during, source },
    }
}
