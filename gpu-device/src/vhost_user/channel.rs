//! The back-end's own channel to the front-end, for the one thing this device says there:
//! the configuration has changed.
//!
//! The crate `vhost` keeps the channel's descriptor to itself and has no such message, so
//! [`super::session`] duplicates the descriptor while the message that carries it is still in
//! the socket.

use std::os::fd::OwnedFd;

use rustix::{
    io::Errno,
    net::{SendFlags, send},
};
use tracing::debug;

/// `VHOST_USER_BACKEND_CONFIG_CHANGE_MSG`, version 1, no reply wanted, no payload.
const CONFIG_CHANGE: [u32; 3] = [2, 1, 0];

/// The sending half of the back-end channel.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
}

impl Channel {
    /// Takes over the descriptor that the front-end passed.
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// Tells the front-end that the configuration space has changed. Returns whether it took the
    /// message; a front-end that doesn't read must not stop the device.
    pub fn config_changed(&self) -> bool {
        let message: Vec<u8> = CONFIG_CHANGE
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect();
        match send(
            &self.socket,
            &message,
            SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
        ) {
            Ok(sent) => sent == message.len(),
            Err(Errno::AGAIN | Errno::INTR) => false,
            Err(error) => {
                debug!(%error, "The front-end's channel for back-end requests is closed");
                // Nothing is gained by trying again.
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, os::unix::net::UnixStream};

    use super::*;

    #[test]
    fn a_configuration_change_is_twelve_bytes() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let channel = Channel::new(ours.into());
        assert!(channel.config_changed());
        drop(channel);
        let mut seen = Vec::new();
        theirs.read_to_end(&mut seen).unwrap();
        let words: Vec<u32> = seen
            .chunks(4)
            .map(|word| u32::from_ne_bytes(word.try_into().unwrap()))
            .collect();
        assert_eq!(words, [2, 1, 0]);
    }

    #[test]
    fn a_front_end_that_does_not_read_does_not_block_the_device() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let channel = Channel::new(ours.into());
        let taken = (0..100_000)
            .take_while(|_| channel.config_changed())
            .count();
        assert!(taken > 0 && taken < 100_000);
    }

    #[test]
    fn a_closed_channel_is_not_tried_again() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(Channel::new(ours.into()).config_changed());
    }
}
