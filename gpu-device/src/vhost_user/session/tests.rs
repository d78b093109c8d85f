use std::{
    io::{Read, Write},
    time::Duration,
};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, sendmsg};

use super::*;
use crate::vhost_user::config_space::ConfigSpace;

/// A session and the front-end's end of its socket.
struct Fixture {
    session: Session<ConfigSpace>,
    peer: UnixStream,
}

impl Fixture {
    fn new() -> Self {
        let (ours, peer) = UnixStream::pair().unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Self {
            session: Session::new(ours, ConfigSpace::new(1)).unwrap(),
            peer,
        }
    }

    /// One that has negotiated REPLY_ACK and BACKEND_REQ.
    fn negotiated() -> Self {
        let mut fixture = Self::new();
        fixture.ask(1, 0, &[]);
        fixture.ask(15, 0, &[]);
        let features = VhostUserProtocolFeatures::REPLY_ACK
            | VhostUserProtocolFeatures::BACKEND_REQ
            | VhostUserProtocolFeatures::CONFIG;
        fixture.send(16, 0, &features.bits().to_ne_bytes());
        fixture.handled();
        fixture
    }

    fn send(&mut self, code: u32, flags: u32, payload: &[u8]) {
        self.peer.write_all(&message(code, flags, payload)).unwrap();
    }

    fn handled(&mut self) {
        let step = self.session.step().unwrap();
        assert!(matches!(step, Step::Handled), "{step:?}");
    }

    fn waits(&mut self) -> bool {
        matches!(self.session.step().unwrap(), Step::Waiting)
    }

    /// Sends a request and returns the payload of the answer.
    fn ask(&mut self, code: u32, flags: u32, payload: &[u8]) -> Vec<u8> {
        self.send(code, flags, payload);
        self.handled();
        self.answer(code)
    }

    fn answer(&mut self, code: u32) -> Vec<u8> {
        let mut header = [0; HEADER];
        self.peer.read_exact(&mut header).unwrap();
        assert_eq!(header[..4], code.to_ne_bytes());
        let mut payload = vec![0; usize::from(header[8]) + 256 * usize::from(header[9])];
        self.peer.read_exact(&mut payload).unwrap();
        payload
    }
}

fn message(code: u32, flags: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap();
    let words = [code, flags | 1, size];
    words
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .chain(payload.iter().copied())
        .collect()
}

/// Sends bytes with a descriptor attached.
fn send_with(socket: &UnixStream, bytes: &[u8], fd: BorrowedFd<'_>) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [fd];
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    sendmsg(
        socket,
        &[io::IoSlice::new(bytes)],
        &mut control,
        SendFlags::empty(),
    )
    .unwrap();
}

#[test]
fn half_a_message_never_blocks() {
    let mut fixture = Fixture::negotiated();
    let whole = message(18, NEED_REPLY, &[0; 8]);
    for byte in &whole[..whole.len() - 1] {
        assert!(fixture.waits());
        fixture.peer.write_all(&[*byte]).unwrap();
    }
    assert!(fixture.waits());
    fixture.peer.write_all(&whole[whole.len() - 1..]).unwrap();
    fixture.handled();
    assert!(fixture.waits());
}

#[test]
fn a_header_with_descriptors_may_come_before_its_payload() {
    let mut fixture = Fixture::negotiated();
    let whole = message(12, NEED_REPLY, &0_u64.to_ne_bytes());
    let (kick, _writer) = io::pipe().unwrap();
    send_with(&fixture.peer, &whole[..HEADER], kick.as_fd());
    assert!(fixture.waits());
    fixture.peer.write_all(&whole[HEADER..]).unwrap();
    fixture.handled();
    assert_eq!(fixture.answer(12), 0_u64.to_ne_bytes());
    assert!(fixture.session.handler().rings[0].kick_fd().is_some());
}

#[test]
fn a_front_end_that_does_not_read_its_answers_does_not_block_the_device() {
    let mut fixture = Fixture::new();
    let request = message(1, 0, &[]);
    fixture.peer.set_nonblocking(true).unwrap();
    let mut waiting = 0;
    while waiting < 3 {
        let _ = fixture.peer.write(&request);
        waiting += usize::from(fixture.waits());
    }
    // Reading makes room again.
    let mut answers = vec![0; 1 << 20];
    assert!(fixture.peer.read(&mut answers).unwrap() > 0);
    fixture.handled();
}

#[test]
fn the_end_of_the_connection_is_seen() {
    let mut fixture = Fixture::new();
    assert!(fixture.waits());
    drop(fixture.peer);
    assert!(matches!(fixture.session.step().unwrap(), Step::Closed));
}

#[test]
fn the_end_of_the_connection_is_seen_behind_a_torn_message() {
    let whole = message(15, 0, &[0; 8]);
    for torn in [2, HEADER, HEADER + 3] {
        let mut fixture = Fixture::new();
        fixture.peer.write_all(&whole[..torn]).unwrap();
        assert!(fixture.waits());
        drop(fixture.peer);
        assert!(matches!(fixture.session.step().unwrap(), Step::Closed));
    }
}

#[test]
fn requests_that_nobody_knows_are_refused_and_skipped() {
    let mut fixture = Fixture::negotiated();
    // GET_STATUS, IOTLB_MSG and one from the future, with a descriptor.
    for code in [39, 22, 4711] {
        let (pipe, _writer) = io::pipe().unwrap();
        send_with(
            &fixture.peer,
            &message(code, NEED_REPLY, &[1; 100]),
            pipe.as_fd(),
        );
        fixture.handled();
        assert_eq!(fixture.answer(code), 1_u64.to_ne_bytes());
        fixture.send(code, 0, &[]);
        fixture.handled();
    }
    assert_eq!(fixture.ask(1, 0, &[]).len(), 8);
}

#[test]
fn requests_that_were_not_negotiated_are_refused() {
    let mut fixture = Fixture::negotiated();
    // RESET_DEVICE, a feature that was offered and not taken.
    assert_eq!(fixture.ask(34, NEED_REPLY, &[]), 1_u64.to_ne_bytes());
    assert_eq!(fixture.ask(1, 0, &[]).len(), 8);
}

#[test]
fn refusals_of_the_handler_are_answered_once() {
    let mut fixture = Fixture::negotiated();
    let ring_seven = [7_u32.to_ne_bytes(), 16_u32.to_ne_bytes()].concat();
    assert_eq!(fixture.ask(8, NEED_REPLY, &ring_seven), 1_u64.to_ne_bytes());
    fixture.send(8, 0, &ring_seven);
    fixture.handled();
    assert_eq!(fixture.ask(1, 0, &[]).len(), 8);
}

#[test]
fn what_is_not_vhost_user_ends_the_connection() {
    let mut fixture = Fixture::new();
    fixture.send(1, 0, &[0; 16]);
    assert!(matches!(
        fixture.session.step(),
        Err(SessionError::Malformed { code: 1, .. })
    ));

    let mut fixture = Fixture::new();
    fixture
        .peer
        .write_all(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
        .unwrap();
    assert!(matches!(
        fixture.session.step(),
        Err(SessionError::TooLong { .. })
    ));
}

#[test]
fn the_back_ends_channel_is_duplicated_in_passing() {
    let mut fixture = Fixture::negotiated();
    let (theirs, mut listening) = UnixStream::pair().unwrap();
    listening
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    send_with(&fixture.peer, &message(21, NEED_REPLY, &[]), theirs.as_fd());
    drop(theirs);
    fixture.handled();
    assert_eq!(fixture.answer(21), 0_u64.to_ne_bytes());
    let handler = fixture.session.handler();
    assert!(handler.evidence.channel);
    assert!(handler.channel.as_ref().unwrap().config_changed());
    let mut seen = [0; 12];
    listening.read_exact(&mut seen).unwrap();
    assert_eq!(seen, [2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_closed_connection_closes_what_it_was_given() {
    let mut fixture = Fixture::negotiated();
    let (mut reader, writer) = io::pipe().unwrap();
    send_with(
        &fixture.peer,
        &message(13, 0, &0_u64.to_ne_bytes()),
        writer.as_fd(),
    );
    drop(writer);
    fixture.handled();
    drop(fixture);
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_front_end_of_a_draft_is_told_which_bit_it_is() {
    // It asks although nothing was agreed, which it would wait for without end.
    let mut fixture = Fixture::negotiated();
    fixture.send(44, 0, &[]);
    let error = fixture.session.step().unwrap_err();
    assert!(matches!(error, SessionError::DraftOfShmem), "{error}");
    assert!(error.to_string().contains("it is 22"), "{error}");

    // It acknowledges what nobody offered.
    for bit in [20, 21] {
        let mut fixture = Fixture::new();
        let features = VhostUserProtocolFeatures::CONFIG.bits() | 1 << bit;
        fixture.ask(1, 0, &[]);
        fixture.ask(15, 0, &[]);
        fixture.send(16, 0, &features.to_ne_bytes());
        let error = fixture.session.step().unwrap_err();
        assert!(matches!(error, SessionError::DraftOfShmem), "{error}");
    }
}

#[test]
fn regions_of_shared_memory_are_told_in_full() {
    let mut fixture = Fixture::new();
    fixture.session = Session::new(
        fixture.session.socket.try_clone().unwrap(),
        ConfigSpace::new(1).with_window(1 << 32),
    )
    .unwrap();
    fixture.ask(1, 0, &[]);
    let offered = fixture.ask(15, 0, &[]);
    fixture.send(16, 0, &offered);
    fixture.handled();
    let regions = fixture.ask(44, 0, &[]);
    assert_eq!(regions.len(), 8 + 256 * 8);
    assert_eq!(regions[..8], [1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(regions[16..24], (1_u64 << 32).to_ne_bytes());
    assert_eq!(regions.iter().filter(|byte| **byte != 0).count(), 2);
}
