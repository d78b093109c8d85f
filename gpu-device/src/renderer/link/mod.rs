//! The way between the device and the process that draws: memory, a bell and a socket.
//!
//! Owns how messages and descriptors travel; must not know what they say. Both ends are here, since
//! they are two halves of one thing.
//!
//! - Two rings in one memfd that nobody can shrink: orders, and reports.
//! - A **bell**, rung when the other end may sleep. It is a pair of sockets, not an eventfd: whether
//!   reading an eventfd waits is a flag that both ends share, so a renderer that a guest has taken over
//!   could have the device wait for ever. A socket is told not to wait each time.
//! - A **socket** for descriptors. What has some sends them first, in one packet, and then the message
//!   that announces them: who reads the message finds the packet there.
//!
//! What finds no room waits in a queue of the sender's, and keeps its place.

mod bell;
mod packets;
mod sender;

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use thiserror::Error;

pub(super) use self::{bell::Bell, packets::Packets, sender::Sender};
use crate::memory::{Broken, Consumer, InPlace, Producer, Ring, SharedMemory};

/// Bytes of orders: four times the longest command stream that a guest may send.
const ORDERS: u32 = 4 << 20;

/// Bytes of reports.
const REPORTS: u32 = 128 << 10;

/// The other end has gone or broken the rules: this one must be given up.
#[derive(Debug, Error)]
pub(super) enum LinkError {
    /// It has closed its end.
    #[error("it has closed its end")]
    Closed,
    /// It has sent what nobody may send.
    #[error("it has broken the rules")]
    Broken,
    /// The system's.
    #[error("the system failed: {0}")]
    System(#[from] io::Error),
}

impl From<Broken> for LinkError {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

impl From<rustix::io::Errno> for LinkError {
    fn from(error: rustix::io::Errno) -> Self {
        Self::System(error.into())
    }
}

/// The device's end.
#[derive(Debug)]
pub(super) struct DeviceEnd {
    pub(super) orders: Sender,
    pub(super) reports: Consumer,
    pub(super) packets: Packets,
    pub(super) bell: Bell,
}

/// The renderer's end.
#[derive(Debug)]
pub(super) struct RendererEnd {
    pub(super) orders: Orders,
    pub(super) reports: Reports,
}

/// What the renderer takes.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) ring: InPlace,
    pub(super) packets: Packets,
    pub(super) bell: Arc<Bell>,
}

/// What the renderer says. It may do so in another thread than it takes its orders in.
#[derive(Debug)]
pub(super) struct Reports {
    sender: Sender,
    bell: Arc<Bell>,
}

/// Lays the way. The socket is what the other process makes its end of, with [`RendererEnd::open`].
///
/// # Errors
/// Out of memory or of file descriptors.
pub(super) fn lay() -> io::Result<(DeviceEnd, OwnedFd)> {
    let size = Ring::footprint(ORDERS).saturating_add(Ring::footprint(REPORTS));
    let memory = Arc::new(SharedMemory::new(size)?);
    let (ours, theirs) = pair(SocketType::SEQPACKET)?;
    let (bell, their_bell) = pair(SocketType::STREAM)?;
    let descriptor = memory.descriptor()?;
    let size = memory.size().to_ne_bytes();
    // The first packet: there is room in a new socket.
    let welcome = [descriptor.as_fd(), their_bell.as_fd()];
    packets::send(&ours, &[IoSlice::new(&size)], &welcome)?;

    let (orders, reports) = rings(memory)?;
    let end = DeviceEnd {
        orders: Sender::new(Producer::new(orders), ours.try_clone()?),
        reports: Consumer::new(reports),
        packets: Packets::new(ours),
        bell: Bell::new(bell),
    };
    // Nothing can have been said yet, and the first message is to ring.
    end.reports.sleeps().map_err(io::Error::other)?;
    Ok((end, theirs))
}

impl RendererEnd {
    /// Takes the end that [`lay`] has left in the socket.
    ///
    /// # Errors
    /// There is none: the process was not started by a device.
    pub(super) fn open(socket: OwnedFd) -> Result<Self, LinkError> {
        let mut size = [0; 8];
        let welcome = packets::receive(&socket, &mut size, 2)?;
        let [memory, bell] = <[OwnedFd; 2]>::try_from(welcome).map_err(|_| LinkError::Broken)?;
        let memory = SharedMemory::open(memory, u64::from_ne_bytes(size))?;
        let (orders, reports) = rings(Arc::new(memory))?;
        let bell = Arc::new(Bell::new(bell));
        Ok(Self {
            reports: Reports {
                sender: Sender::new(Producer::new(reports), socket.try_clone()?),
                bell: Arc::clone(&bell),
            },
            orders: Orders {
                ring: InPlace::trusting(orders),
                packets: Packets::new(socket),
                bell,
            },
        })
    }
}

impl DeviceEnd {
    /// Wakes the renderer if it sleeps and something was sent.
    pub(super) fn ring(&mut self) -> Result<(), LinkError> {
        if self.orders.is_to_be_rung()? {
            self.bell.ring();
        }
        Ok(())
    }
}

impl Reports {
    /// Sends a message, or has it wait for room.
    ///
    /// # Errors
    /// The device is broken or gone, or the message is too long.
    pub(super) fn send(
        &mut self,
        message: &[u8],
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), LinkError> {
        self.sender.send(message, &[], descriptors)
    }

    /// Sends of what waits as much as there is room for.
    ///
    /// # Errors
    /// The device is broken or gone.
    pub(super) fn send_waiting(&mut self) -> Result<(), LinkError> {
        self.sender.send_waiting()
    }

    /// Wakes the device if it sleeps and something was sent.
    ///
    /// # Errors
    /// None in practice.
    pub(super) fn ring(&mut self) -> Result<(), LinkError> {
        if self.sender.is_to_be_rung()? {
            self.bell.ring();
        }
        Ok(())
    }
}

fn rings(memory: Arc<SharedMemory>) -> io::Result<(Ring, Ring)> {
    let orders = Ring::new(Arc::clone(&memory), 0, ORDERS)?;
    let reports = Ring::new(memory, Ring::footprint(ORDERS), REPORTS)?;
    Ok((orders, reports))
}

fn pair(kind: SocketType) -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::UNIX,
        kind,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

impl AsFd for DeviceEnd {
    /// Readable when the renderer has rung.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    /// Whether a bell was rung and not heard yet.
    fn rings(bell: &Bell) -> bool {
        let mut watched = [PollFd::from_borrowed_fd(bell.as_fd(), PollFlags::IN)];
        poll(&mut watched, Some(&Timespec::default())).unwrap() == 1
    }

    #[test]
    fn who_wakes_without_anything_to_say_does_not_wake_the_other() {
        let (mut device, socket) = lay().unwrap();
        let mut renderer = RendererEnd::open(socket).unwrap();
        let mut report = Vec::new();

        assert!(renderer.orders.ring.sleeps().unwrap());
        device.orders.send(b"order", &[], Vec::new()).unwrap();
        device.ring().unwrap();
        assert!(rings(&renderer.orders.bell));
        assert!(renderer.orders.bell.hear().unwrap());
        assert!(!renderer.orders.bell.hear().unwrap(), "heard before");
        assert!(renderer.orders.ring.peek().unwrap().is_some());
        renderer.orders.ring.advance().unwrap();
        renderer.reports.ring().unwrap();
        assert!(!rings(&device.bell), "nothing is answered yet");

        assert!(renderer.orders.ring.sleeps().unwrap());
        renderer.reports.send(b"one", Vec::new()).unwrap();
        renderer.reports.send(b"two", Vec::new()).unwrap();
        renderer.reports.ring().unwrap();
        assert!(rings(&device.bell));
        assert!(device.bell.hear().unwrap());
        while device.reports.take(&mut report).unwrap() {}
        assert!(device.reports.sleeps().unwrap());
        device.ring().unwrap();
        assert!(!rings(&renderer.orders.bell), "nothing more is ordered");
        renderer.reports.ring().unwrap();
        assert!(!rings(&device.bell), "nothing more is answered");
    }
}
