//! What wakes the other end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::{
    io::Errno,
    net::{RecvFlags, SendFlags, recv, send},
};

use super::LinkError;

/// One end of a bell. Readable when the other end has rung it, or has gone.
#[derive(Debug)]
pub(crate) struct Bell {
    socket: OwnedFd,
}

impl Bell {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// Rings it at the other end. A bell that rings is not heard better for ringing it again, and that
    /// the other end has gone is found out by hearing.
    pub(crate) fn ring(&self) {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let _ = send(&self.socket, &[0], flags);
    }

    /// Takes note of all that was rung so far. Whether it was rung at all.
    ///
    /// # Errors
    /// The other end has gone.
    pub(crate) fn hear(&self) -> Result<bool, LinkError> {
        let mut rung = [0; 64];
        match recv(&self.socket, &mut rung[..], RecvFlags::DONTWAIT) {
            Ok((_, 0)) | Err(Errno::CONNRESET) => Err(LinkError::Closed),
            // What is left wakes this end again.
            Ok(_) => Ok(true),
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
