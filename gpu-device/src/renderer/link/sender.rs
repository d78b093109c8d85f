//! Sending in order, whatever there is room for.

use std::{
    collections::VecDeque,
    io::IoSlice,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::io::Errno;

use super::{LinkError, packets};
use crate::memory::Producer;

/// Where messages go out.
#[derive(Debug)]
pub(crate) struct Sender {
    ring: Producer,
    socket: OwnedFd,
    /// What found no room, the oldest first. As long as there is something, all else goes behind it.
    waiting: VecDeque<Waiting>,
    /// Whether something was sent since [`Self::is_to_be_rung`] was asked. Without that the other end, which rings
    /// back as soon as it wakes, and this one would wake each other for ever.
    unheard: bool,
}

#[derive(Debug)]
struct Waiting {
    message: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

impl Sender {
    pub(super) fn new(ring: Producer, socket: OwnedFd) -> Self {
        Self {
            ring,
            socket,
            waiting: VecDeque::new(),
            unheard: false,
        }
    }

    /// The longest message in bytes.
    pub(crate) fn max_message(&self) -> usize {
        self.ring.max_message()
    }

    /// Sends a message of two parts, or has it wait for room.
    ///
    /// # Errors
    /// The other end is broken or gone, or the message is too long.
    pub(crate) fn send(
        &mut self,
        first: &[u8],
        second: &[u8],
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), LinkError> {
        self.send_waiting()?;
        if self.waiting.is_empty() && self.send_now(first, second, &descriptors)? {
            return Ok(());
        }
        let length = first.len().saturating_add(second.len());
        if length > self.max_message() {
            return Err(LinkError::Broken);
        }
        self.waiting.push_back(Waiting {
            message: [first, second].concat(),
            descriptors,
        });
        Ok(())
    }

    /// Sends of what waits as much as there is room for.
    ///
    /// # Errors
    /// The other end is broken or gone.
    pub(crate) fn send_waiting(&mut self) -> Result<(), LinkError> {
        while let Some(next) = self.waiting.pop_front() {
            if !self.send_now(&next.message, &[], &next.descriptors)? {
                self.waiting.push_front(next);
                break;
            }
        }
        Ok(())
    }

    /// Whether something was sent that the other end has not consumed, or waits to be.
    ///
    /// # Errors
    /// The other end is broken.
    pub(crate) fn is_pending(&self) -> Result<bool, LinkError> {
        Ok(!self.waiting.is_empty() || self.ring.used()? > 0)
    }

    /// How far the other end has come: changes with every message that it is done with.
    ///
    /// # Errors
    /// None in practice.
    pub(crate) fn consumed(&self) -> Result<u32, LinkError> {
        Ok(self.ring.consumed()?)
    }

    /// Whether the other end sleeps and has to be woken for what was sent.
    ///
    /// # Errors
    /// None in practice.
    pub(super) fn is_to_be_rung(&mut self) -> Result<bool, LinkError> {
        Ok(std::mem::take(&mut self.unheard) && self.ring.consumer_sleeps()?)
    }

    /// `false` where there is no room for it now. Then the other end rings once there is.
    fn send_now(
        &mut self,
        first: &[u8],
        second: &[u8],
        descriptors: &[OwnedFd],
    ) -> Result<bool, LinkError> {
        if descriptors.is_empty() {
            let sent = self.ring.push(first, second)?;
            self.unheard |= sent;
            return Ok(sent);
        }
        // Descriptors must not go before it is clear that the message can go, too.
        let length = first.len().saturating_add(second.len());
        if !self.ring.has_room(length)? || !self.send_descriptors(descriptors)? {
            return Ok(false);
        }
        match self.ring.push(first, second)? {
            true => {
                self.unheard = true;
                Ok(true)
            }
            // There was room a moment ago, and only this end takes any.
            false => Err(LinkError::Broken),
        }
    }

    fn send_descriptors(&self, descriptors: &[OwnedFd]) -> Result<bool, LinkError> {
        let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        let send = || packets::send(&self.socket, &[IoSlice::new(&[0])], &borrowed);
        let sent = send().or_else(|error| {
            // A packet that is still in the socket has a message that is still in the ring, so the
            // other end will have made room when it is done with that one.
            self.ring.want_room().map_err(|_| error)?;
            send()
        });
        match sent {
            Ok(()) => Ok(true),
            Err(Errno::AGAIN | Errno::TOOMANYREFS | Errno::NOBUFS) => Ok(false),
            Err(Errno::PIPE | Errno::CONNRESET) => Err(LinkError::Closed),
            Err(error) => Err(error.into()),
        }
    }
}
