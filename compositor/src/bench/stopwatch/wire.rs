//! When requests came: what lies in clients' sockets is looked at before it is taken out.
//!
//! Taking requests out and finding out what they mean takes the server as long as a process takes to wake
//! up, and is no part of the device's way. So the moment of a request is the one at which it was seen in the
//! socket. Of what is not seen there, because it came while others were being served, it is the moment at
//! which it is served: a time is never too early.

use std::{collections::HashMap, os::unix::net::UnixStream, time::Duration};

use rustix::net::{RecvFlags, recv};

use crate::backend::now;

/// Bytes in front of a Wayland message: an object's number, then the length with the request's number.
const HEADER: usize = 8;

/// More than a device sends at once.
const ROOM: usize = 4096;

/// A request by its number among those of its interface.
pub(super) type Opcode = u16;

/// One client's socket, and which requests of which objects are awaited there.
#[derive(Debug)]
pub(super) struct Wire {
    socket: UnixStream,
    awaited: HashMap<u32, Opcode>,
    /// How many awaited requests were seen and not served yet.
    seen: usize,
    at: Duration,
    /// Whether what lies in the socket begins with a whole message.
    is_whole: bool,
}

impl Wire {
    /// `socket` is a second descriptor of the client's connection.
    pub(super) fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            awaited: HashMap::new(),
            seen: 0,
            at: Duration::ZERO,
            is_whole: true,
        }
    }

    /// The moments of an object's requests of this kind are of interest from now on.
    pub(super) fn await_from(&mut self, object: u32, opcode: Opcode) {
        self.awaited.insert(object, opcode);
    }

    /// The object is gone; its number can be another's.
    pub(super) fn forget(&mut self, object: u32) {
        self.awaited.remove(&object);
    }

    /// Looks at what lies in the socket, just before it is served.
    pub(super) fn look(&mut self) {
        self.seen = 0;
        if !self.is_whole {
            return;
        }
        let mut bytes = [0; ROOM];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        // One that is gone or has said nothing is found out by serving it.
        let Ok((_, length)) = recv(&self.socket, &mut bytes, flags) else {
            return;
        };
        self.at = now();
        let mut left = bytes.get(..length).unwrap_or_default();
        while let Some((object, opcode, size)) = header(left) {
            let Some(rest) = left.get(size..) else {
                break;
            };
            left = rest;
            self.seen += usize::from(self.awaited.get(&object) == Some(&opcode));
        }
        // The rest of a message that came in two pieces looks like anything.
        self.is_whole = left.is_empty();
    }

    /// When the awaited request came that is being served.
    pub(super) fn take(&mut self) -> Duration {
        match self.seen.checked_sub(1) {
            Some(left) => {
                self.seen = left;
                self.at
            }
            None => now(),
        }
    }
}

/// Object, request and size of the first message; `None` where there is no whole header.
fn header(bytes: &[u8]) -> Option<(u32, Opcode, usize)> {
    let word = |at: usize| {
        let word = bytes.get(at..at + 4)?;
        Some(u32::from_ne_bytes(word.try_into().ok()?))
    };
    let (object, second) = (word(0)?, word(4)?);
    let size = usize::try_from(second >> 16).ok()?;
    let opcode = Opcode::try_from(second & 0xffff).ok()?;
    (size >= HEADER).then_some((object, opcode, size))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    const COMMIT: Opcode = 6;

    fn message(object: u32, opcode: Opcode, payload: usize) -> Vec<u8> {
        let size = u32::try_from(HEADER + payload).unwrap();
        let words = [object, size << 16 | u32::from(opcode)];
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        bytes.resize(HEADER + payload, 0);
        bytes
    }

    fn pair() -> (Wire, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut wire = Wire::new(ours);
        wire.await_from(3, COMMIT);
        (wire, theirs)
    }

    #[test]
    fn a_request_came_when_it_was_seen_and_others_when_they_are_served() {
        let (mut wire, mut client) = pair();
        for (object, opcode) in [(3, 1), (4, COMMIT), (3, COMMIT), (3, COMMIT)] {
            client.write_all(&message(object, opcode, 12)).unwrap();
        }
        wire.look();
        let after = now();
        assert!(wire.take() <= after);
        assert!(wire.take() <= after);
        assert!(wire.take() >= after);
        wire.forget(3);
        wire.look();
        assert!(wire.take() >= after);
    }

    #[test]
    fn nothing_is_taken_out_of_the_socket() {
        let (mut wire, mut client) = pair();
        let sent = message(3, COMMIT, 0);
        client.write_all(&sent).unwrap();
        wire.look();
        let mut read = vec![0; sent.len()];
        wire.socket.read_exact(&mut read).unwrap();
        assert_eq!(read, sent);
    }

    #[test]
    fn after_half_a_message_nothing_is_believed() {
        let (mut wire, mut client) = pair();
        let whole = message(3, COMMIT, 0);
        client.write_all(&whole).unwrap();
        client.write_all(&whole[..5]).unwrap();
        wire.look();
        let after = now();
        assert!(wire.take() <= after);
        client.write_all(&whole[5..]).unwrap();
        wire.look();
        assert!(wire.take() >= after);
    }

    #[test]
    fn a_client_that_says_nothing_or_nonsense_is_left_alone() {
        let (mut wire, mut client) = pair();
        wire.look();
        let before = now();
        // A size of nothing would be looked at for ever.
        client.write_all(&[0; 16]).unwrap();
        wire.look();
        assert!(wire.take() >= before);
        drop(client);
        wire.look();
    }
}
