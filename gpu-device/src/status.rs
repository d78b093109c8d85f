//! The status channel: what the device process tells the program that started it, as JSON lines.
//!
//! Owns the socket and both directions' buffers. Nothing here blocks: a supervisor that doesn't
//! read loses messages, not the guest its pictures.

use std::{
    collections::VecDeque,
    io::IoSliceMut,
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use protocols::ipc::{
    LineBuffer, LineError, MAX_LINE,
    device::{DeviceEvent, DeviceRequest},
    to_line,
};
use rustix::{
    io::{Errno, ioctl_fionbio, write},
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
};
use tracing::{debug, warn};

/// The most descriptors that are kept for whoever asks for them.
const MAX_DESCRIPTORS: usize = 4;

/// The device's end of the status channel.
#[derive(Debug)]
pub struct StatusChannel {
    socket: OwnedFd,
    inbox: LineBuffer,
    /// Those that came with messages, oldest first.
    descriptors: VecDeque<OwnedFd>,
    outbox: Vec<u8>,
}

/// The other end is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

impl StatusChannel {
    /// Takes over an inherited socket.
    ///
    /// # Errors
    /// A descriptor that can't be made non-blocking.
    pub fn new(socket: OwnedFd) -> Result<Self, Errno> {
        ioctl_fionbio(&socket, true)?;
        Ok(Self {
            socket,
            inbox: LineBuffer::default(),
            descriptors: VecDeque::new(),
            outbox: Vec::new(),
        })
    }

    /// Queues a message and sends what can be sent.
    ///
    /// # Errors
    /// The other end is gone.
    pub fn send(&mut self, event: &DeviceEvent) -> Result<(), Gone> {
        match to_line(event) {
            Ok(line) if self.outbox.len().saturating_add(line.len()) <= MAX_LINE => {
                self.outbox.extend(line.into_bytes());
            }
            Ok(_) => warn!("The status channel is not read; a message is dropped"),
            Err(error) => warn!(%error, "A status message can't be written as JSON"),
        }
        self.flush()
    }

    /// Sends what could not be sent before.
    ///
    /// # Errors
    /// The other end is gone.
    pub fn flush(&mut self) -> Result<(), Gone> {
        while !self.outbox.is_empty() {
            match write(&self.socket, &self.outbox) {
                Ok(sent) => drop(self.outbox.drain(..sent.min(self.outbox.len()))),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => {
                    debug!(%error, "The status channel is closed");
                    return Err(Gone);
                }
            }
        }
        Ok(())
    }

    /// The requests that have arrived.
    ///
    /// # Errors
    /// The other end is gone, or sends something that is no line.
    pub fn receive(&mut self) -> Result<Vec<DeviceRequest>, Gone> {
        let mut part = [0_u8; 4096];
        let mut requests = Vec::new();
        loop {
            match self.read(&mut part) {
                Ok(0) => {
                    return if requests.is_empty() {
                        Err(Gone)
                    } else {
                        Ok(requests)
                    };
                }
                Ok(got) => self.inbox.push(part.get(..got).unwrap_or_default()),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Ok(requests),
                Err(_) => return Err(Gone),
            }
            self.take_requests(&mut requests)?;
        }
    }

    /// The oldest descriptor that came with a message and was not taken yet.
    pub fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptors.pop_front()
    }

    fn read(&mut self, part: &mut [u8]) -> Result<usize, Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let mut parts = [IoSliceMut::new(part)];
        let received = recvmsg(&self.socket, &mut parts, &mut control, flags)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        while self.descriptors.len() > MAX_DESCRIPTORS {
            self.descriptors.pop_front();
        }
        Ok(received.bytes)
    }

    fn take_requests(&mut self, requests: &mut Vec<DeviceRequest>) -> Result<(), Gone> {
        loop {
            match self.inbox.next_message() {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => return Ok(()),
                Err(LineError::Malformed(error)) => {
                    warn!(%error, "The status channel brings an unknown request");
                }
                Err(error) => {
                    warn!(%error, "The status channel brings something that is no line");
                    return Err(Gone);
                }
            }
        }
    }
}

impl AsFd for StatusChannel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Write},
        os::unix::net::UnixStream,
    };

    use protocols::ipc::DeviceStats;

    use super::*;

    fn pair() -> (StatusChannel, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (StatusChannel::new(ours.into()).unwrap(), theirs)
    }

    #[test]
    fn every_message_is_one_line() {
        let (mut channel, theirs) = pair();
        channel.send(&DeviceEvent::Listening).unwrap();
        let stats = DeviceEvent::Stats(DeviceStats::default());
        channel.send(&stats).unwrap();
        let mut lines = BufReader::new(theirs).lines().map(|line| line.unwrap());
        assert_eq!(lines.next().unwrap(), r#""listening""#);
        assert_eq!(
            serde_json::from_str::<DeviceEvent>(&lines.next().unwrap()).unwrap(),
            stats
        );
    }

    #[test]
    fn requests_arrive_in_any_pieces() {
        let (mut channel, mut theirs) = pair();
        assert_eq!(channel.receive(), Ok(vec![]));
        theirs.write_all(b"\"sta").unwrap();
        assert_eq!(channel.receive(), Ok(vec![]));
        theirs
            .write_all(b"ts\"\n\"make coffee\"\n\"quit\"\n")
            .unwrap();
        assert_eq!(
            channel.receive(),
            Ok(vec![DeviceRequest::Stats, DeviceRequest::Quit])
        );
    }

    #[test]
    fn a_supervisor_that_is_gone_is_noticed() {
        let (mut channel, theirs) = pair();
        drop(theirs);
        assert_eq!(channel.receive(), Err(Gone));
        assert_eq!(channel.send(&DeviceEvent::Listening), Err(Gone));
    }

    #[test]
    fn a_supervisor_that_does_not_read_costs_bounded_memory() {
        let (mut channel, _theirs) = pair();
        let event = DeviceEvent::Connected {
            dialect: "x".repeat(100_000),
        };
        for _ in 0..100 {
            channel.send(&event).unwrap();
        }
        assert!(channel.outbox.len() <= MAX_LINE);
    }

    #[test]
    fn a_line_without_an_end_ends_the_channel() {
        let (mut channel, mut theirs) = pair();
        let writer = std::thread::spawn(move || {
            let _ = theirs.write_all(&vec![b'a'; 2 * MAX_LINE]);
        });
        while channel.receive().is_ok() {
            std::thread::yield_now();
        }
        drop(channel);
        writer.join().unwrap();
    }
}
