//! Packets of descriptors.

use std::{
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{BorrowedFd, OwnedFd},
};

use protocols::render::MAX_DESCRIPTORS;
use rustix::{
    io::{Errno, retry_on_intr},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};

use super::LinkError;

/// Where packets come in.
#[derive(Debug)]
pub(crate) struct Packets {
    socket: OwnedFd,
}

impl Packets {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// The `count` descriptors that a message has announced.
    ///
    /// # Errors
    /// There are not exactly that many.
    pub(crate) fn take(&self, count: usize) -> Result<Vec<OwnedFd>, LinkError> {
        match count {
            0 => Ok(Vec::new()),
            _ => receive(&self.socket, &mut [0], count),
        }
    }
}

/// Sends one packet, if that is possible without waiting.
pub(super) fn send(
    socket: &OwnedFd,
    bytes: &[IoSlice<'_>],
    descriptors: &[BorrowedFd<'_>],
) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::MSGSIZE);
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    retry_on_intr(|| sendmsg(socket, bytes, &mut control, flags)).map(drop)
}

/// Receives one packet with as many bytes as there is room for, and `count` descriptors, without
/// waiting: it was sent before it was announced.
pub(super) fn receive(
    socket: &OwnedFd,
    bytes: &mut [u8],
    count: usize,
) -> Result<Vec<OwnedFd>, LinkError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let expected = bytes.len();
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received =
        match retry_on_intr(|| recvmsg(socket, &mut [IoSliceMut::new(bytes)], &mut control, flags))
        {
            Ok(received) => received,
            Err(Errno::AGAIN) => return Err(LinkError::Broken),
            Err(Errno::CONNRESET) => return Err(LinkError::Closed),
            Err(error) => return Err(error.into()),
        };
    let descriptors: Vec<_> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    let whole = !received
        .flags
        .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC);
    if received.bytes == 0 && descriptors.is_empty() {
        return Err(LinkError::Closed);
    }
    match whole && received.bytes == expected && descriptors.len() == count {
        true => Ok(descriptors),
        false => Err(LinkError::Broken),
    }
}
