use std::{cell::RefCell, fs::File, os::fd::OwnedFd, sync::Arc};

use proptest::prelude::*;
use protocols::virtio_gpu::Rect;
use rustix::{
    event::{EventfdFlags, eventfd},
    io::{read, write},
};

use super::*;
use crate::vhost_user::{
    rings::{CHAINS_PER_CALL, CHAINS_PER_TURN},
    testing::{DriverRing, NEXT, Part, Ram, WRITE, write_descriptor},
};

const REQUEST: u64 = 0x8000;
const ANSWER: u64 = 0xc000;
const SIZE: u16 = 8;

/// A ring with its driver, and the front-end's ends of the descriptors.
struct Fixture {
    ram: Ram,
    driver: DriverRing,
    ring: CommandRing,
    scratch: Scratch,
    kick: File,
    call: File,
    error: File,
    executed: Vec<Command>,
}

fn event() -> File {
    File::from(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).unwrap())
}

/// How often an event was signalled since the last time.
fn count(event: &File) -> u64 {
    let mut count = [0; 8];
    match read(event, &mut count) {
        Ok(_) => u64::from_ne_bytes(count),
        Err(_) => 0,
    }
}

impl Fixture {
    fn new() -> Self {
        Self::with_size(SIZE)
    }

    fn with_size(size: u16) -> Self {
        let ram = Ram::new(0, 1 << 20);
        let driver = DriverRing::new(&ram, 0x1000, size);
        let mut fixture = Self {
            ram,
            driver,
            ring: Ring::new("test").unwrap(),
            scratch: Scratch::default(),
            kick: event(),
            call: event(),
            error: event(),
            executed: Vec::new(),
        };
        fixture.set_up(0);
        fixture.ring.set_enabled(true);
        assert!(fixture.ring.runs());
        fixture
    }

    /// What a front-end sends to start a ring; returns whether it looked like a new driver.
    fn set_up(&mut self, base: u16) -> bool {
        self.ring.set_size(self.driver.size().into()).unwrap();
        let new_driver = self.ring.set_base(base);
        let addresses = [
            self.driver.table_address(),
            self.driver.avail_address(),
            self.driver.used_address(),
        ];
        self.ring.set_addresses(&self.ram.map, addresses).unwrap();
        self.ring.set_kick(Some(self.kick.try_clone().unwrap()));
        self.ring.set_call(Some(self.call.try_clone().unwrap()));
        self.ring.set_error(Some(self.error.try_clone().unwrap()));
        new_driver
    }

    /// Offers a command with this much room for the answer.
    fn offer(&mut self, header: Header, command: &Command, room: u32) -> u16 {
        let mut bytes = Vec::new();
        command.encode(&header, &mut bytes);
        self.ram.write(REQUEST, &bytes);
        let len = u32::try_from(bytes.len()).unwrap();
        self.offer_parts(&[(REQUEST, len, 0), (ANSWER, room, WRITE)])
    }

    fn offer_parts(&mut self, parts: &[Part]) -> u16 {
        let head = self.driver.chain(parts);
        self.driver.offer(head);
        head
    }

    /// A turn in which every flush of resource n is held as flush n.
    fn turn(&mut self) {
        self.ring.look_at_it();
        self.serve();
        self.ring.give_answers(&self.ram.map, &mut self.scratch);
        self.ring.announce(&self.ram.map);
    }

    fn serve(&mut self) {
        let executed = RefCell::new(&mut self.executed);
        self.ring
            .serve(&self.ram.map, &mut self.scratch, &mut |_, work| {
                let command = match work {
                    Work::Command(command) => command,
                    Work::Submit(commands) => Command::Submit3d {
                        commands: commands.to_vec(),
                    },
                };
                executed.borrow_mut().push(command.clone());
                match command {
                    Command::ResourceFlush { resource_id, .. } => {
                        Reply::Later(Ticket(resource_id.into()))
                    }
                    Command::GetDisplayInfo => {
                        Reply::Now(Response::OkDisplayInfo(Default::default()))
                    }
                    _ => Reply::Now(Response::OkNodata),
                }
            });
    }

    fn answer(&self) -> (Header, Response) {
        Response::decode(&self.ram.read(ANSWER, 1100)).unwrap()
    }
}

fn flush(resource_id: u32) -> Command {
    let rect = Rect {
        x: 0,
        y: 0,
        width: 1,
        height: 1,
    };
    Command::ResourceFlush { rect, resource_id }
}

fn fenced(fence: u64) -> Header {
    Header {
        fence: Some(fence),
        ..Header::default()
    }
}

#[test]
fn commands_are_answered_with_one_call() {
    let mut fixture = Fixture::new();
    for _ in 0..3 {
        fixture.offer(fenced(7), &Command::ResourceUnref { resource_id: 1 }, 24);
    }
    fixture.turn();
    for head in [0, 2, 4] {
        assert_eq!(fixture.driver.take_used(), Some((head, 24)));
    }
    assert_eq!(count(&fixture.call), 1);
    let (header, response) = fixture.answer();
    assert_eq!((header.fence, response), (Some(7), Response::OkNodata));
    fixture.turn();
    assert_eq!(count(&fixture.call), 0);
}

#[test]
fn held_flushes_are_answered_in_any_order() {
    let mut fixture = Fixture::new();
    let first = fixture.offer(fenced(1), &flush(1), 24);
    fixture.turn();
    let second = fixture.offer(fenced(2), &flush(2), 24);
    fixture.turn();
    assert_eq!(fixture.driver.take_used(), None);
    assert_eq!(count(&fixture.call), 0);

    fixture.ring.answer_is_due(Ticket(2), &Response::OkNodata);
    fixture.turn();
    assert_eq!(fixture.driver.take_used(), Some((second.into(), 24)));
    assert_eq!(fixture.answer().0.fence, Some(2));
    assert_eq!(count(&fixture.call), 1);

    fixture.ring.answer_is_due(Ticket(99), &Response::OkNodata);
    fixture.ring.answer_is_due(Ticket(1), &Response::OkNodata);
    fixture.turn();
    assert_eq!(fixture.driver.take_used(), Some((first.into(), 24)));
    assert_eq!(fixture.answer().0.fence, Some(1));
}

#[test]
fn stopping_answers_what_is_held_and_tells_where_it_stopped() {
    let mut fixture = Fixture::new();
    let head = fixture.offer(fenced(1), &flush(1), 24);
    fixture.turn();
    fixture.ring.set_enabled(false);
    assert_eq!(fixture.ring.stop(&fixture.ram.map), 1);
    assert_eq!(fixture.driver.take_used(), Some((head.into(), 24)));
    assert_eq!(count(&fixture.call), 1);
    assert!(!fixture.ring.runs());

    // Paused: nothing is taken out, whatever happens.
    fixture.offer(fenced(2), &flush(2), 24);
    fixture.ring.answer_is_due(Ticket(1), &Response::OkNodata);
    fixture.turn();
    assert_eq!(fixture.executed.len(), 1);

    assert!(!fixture.set_up(1), "resumed where it stopped");
    fixture.ring.set_enabled(true);
    fixture.turn();
    assert_eq!(fixture.executed.len(), 2);
}

#[test]
fn a_disabled_ring_is_not_touched() {
    let mut fixture = Fixture::new();
    fixture.offer(fenced(1), &flush(1), 24);
    fixture.turn();
    fixture.ring.set_enabled(false);
    fixture.ring.answer_is_due(Ticket(1), &Response::OkNodata);
    fixture.turn();
    assert_eq!(fixture.driver.take_used(), None);
}

#[test]
fn a_ring_that_starts_elsewhere_has_a_new_driver() {
    let mut fixture = Fixture::new();
    assert!(!fixture.set_up(0), "nothing was ever taken out");
    fixture.offer(fenced(1), &flush(1), 24);
    fixture.turn();
    assert!(
        fixture.set_up(0),
        "set up again without having been stopped"
    );

    let mut fixture = Fixture::new();
    fixture.offer(fenced(1), &flush(1), 24);
    fixture.turn();
    fixture.ring.stop(&fixture.ram.map);
    assert!(fixture.set_up(0), "stopped at 1");
}

#[test]
fn a_broken_ring_is_left_alone_until_it_is_set_up_again() {
    let mut fixture = Fixture::new();
    fixture.driver.descriptor(0, (REQUEST, 24, NEXT), 0);
    fixture.driver.offer(0);
    fixture.turn();
    assert!(!fixture.ring.runs());
    assert_eq!(count(&fixture.error), 1);
    fixture.driver.descriptor(0, (REQUEST, 24, 0), 0);
    fixture.driver.offer(0);
    fixture.turn();
    assert_eq!((fixture.executed.len(), count(&fixture.error)), (0, 0));

    fixture.driver = DriverRing::new(&fixture.ram, 0x1000, SIZE);
    fixture.set_up(0);
    fixture.offer(fenced(1), &Command::GetDisplayInfo, 408);
    fixture.turn();
    assert_eq!(fixture.driver.take_used(), Some((0, 408)));
}

#[test]
fn what_can_not_be_decoded_is_answered_with_an_error() {
    let mut fixture = Fixture::new();
    let unspec = Response::Err(ErrorCode::Unspec);
    // No readable byte at all.
    fixture.offer_parts(&[(ANSWER, 24, WRITE)]);
    fixture.turn();
    assert_eq!(fixture.driver.take_used(), Some((0, 24)));
    assert_eq!(fixture.answer().1, unspec);
    // A fenced command that is too long.
    let mut bytes = Vec::new();
    Command::GetDisplayInfo.encode(&fenced(5), &mut bytes);
    fixture.ram.write(REQUEST, &bytes);
    let huge = u32::try_from(MAX_REQUEST).unwrap() + 1 - 24;
    fixture.offer_parts(&[(REQUEST, 24, 0), (0, huge, 0), (ANSWER, 24, WRITE)]);
    fixture.turn();
    assert!(fixture.driver.take_used().is_some());
    assert_eq!(
        fixture.answer(),
        (
            Header {
                kind: 0x1200,
                ..fenced(5)
            },
            unspec.clone()
        )
    );
    // A payload outside of the guest's memory.
    fixture.offer_parts(&[(REQUEST, 24, 0), (1 << 40, 16, 0), (ANSWER, 24, WRITE)]);
    fixture.turn();
    assert!(fixture.driver.take_used().is_some());
    assert_eq!(
        fixture.answer(),
        (
            Header {
                kind: 0x1200,
                ..fenced(5)
            },
            unspec
        )
    );
    assert!(fixture.executed.is_empty());
    assert!(fixture.ring.runs());
}

#[test]
fn a_response_that_does_not_fit_becomes_an_error() {
    let mut fixture = Fixture::new();
    fixture.offer(fenced(1), &Command::GetDisplayInfo, 407);
    fixture.turn();
    assert_eq!(fixture.driver.take_used(), Some((0, 24)));
    assert_eq!(fixture.answer().1, Response::Err(ErrorCode::Unspec));

    fixture.offer(fenced(1), &Command::GetDisplayInfo, 10);
    fixture.turn();
    assert_eq!(fixture.driver.take_used(), Some((2, 10)));

    let head = fixture.offer_parts(&[(REQUEST, 24, 0)]);
    fixture.turn();
    assert_eq!(fixture.driver.take_used(), Some((head.into(), 0)));
}

#[test]
fn a_guest_that_never_stops_gets_its_turns_bounded() {
    let mut fixture = Fixture::with_size(1024);
    for _ in 0..CHAINS_PER_TURN + 10 {
        fixture.offer_parts(&[(REQUEST, 24, 0)]);
    }
    fixture.turn();
    assert!(fixture.ring.is_kicked());
    fixture.serve();
    assert!(!fixture.ring.is_kicked());
    let answered = std::iter::from_fn(|| fixture.driver.take_used()).count();
    assert_eq!(answered, CHAINS_PER_TURN + 10);
}

#[test]
fn a_driver_that_waits_is_called_while_a_long_turn_goes_on() {
    let mut fixture = Fixture::with_size(1024);
    let mut serve = |chains| {
        for _ in 0..chains {
            fixture.offer_parts(&[(REQUEST, 24, 0)]);
        }
        fixture.ring.look_at_it();
        fixture.serve();
        let early = count(&fixture.call);
        fixture.ring.announce(&fixture.ram.map);
        (early, count(&fixture.call))
    };
    assert_eq!(serve(CHAINS_PER_CALL - 1), (0, 1));
    assert_eq!(serve(CHAINS_PER_CALL + 1), (1, 1));
}

#[test]
fn a_command_stream_is_handed_on_where_it_lies() {
    let mut fixture = Fixture::new();
    let command = Command::Submit3d {
        commands: vec![1, 2, 3, 4],
    };
    fixture.offer(fenced(1), &command, 24);
    fixture.turn();
    assert_eq!(fixture.executed, [command]);
    assert_eq!(fixture.driver.take_used(), Some((0, 24)));
}

#[test]
fn a_ring_whose_memory_is_away_waits_for_it() {
    let mut fixture = Fixture::new();
    let head = fixture.offer(fenced(1), &flush(1), 24);
    fixture.turn();
    let nothing = GuestMemoryMmap::default();
    fixture.ring.memory_changed(&nothing);
    fixture.ring.answer_is_due(Ticket(1), &Response::OkNodata);
    fixture.ring.give_answers(&nothing, &mut fixture.scratch);
    fixture.ring.announce(&nothing);
    assert!(!fixture.ring.runs());

    fixture.ring.memory_changed(&fixture.ram.map);
    assert!(fixture.ring.is_kicked());
    fixture.turn();
    assert_eq!(fixture.driver.take_used(), Some((head.into(), 24)));
    assert_eq!(count(&fixture.error), 0);
}

#[test]
fn kicks_are_counted_down_and_dead_descriptors_given_up() {
    let mut fixture = Fixture::new();
    fixture.serve();
    assert!(!fixture.ring.is_kicked());
    write(&fixture.kick, &3_u64.to_ne_bytes()).unwrap();
    let fd = Arc::clone(fixture.ring.kick_fd().unwrap());
    assert!(fixture.ring.take_kick(&*fd));
    assert!(fixture.ring.is_kicked());
    assert_eq!(count(&fixture.kick), 0);

    let (reader, writer) = std::io::pipe().unwrap();
    drop(writer);
    assert!(!fixture.ring.take_kick(&reader));
}

#[test]
fn a_full_call_pipe_does_not_block() {
    let mut fixture = Fixture::new();
    let (_reader, writer) = std::io::pipe().unwrap();
    fixture
        .ring
        .set_call(Some(File::from(OwnedFd::from(writer))));
    for _ in 0..10_000 {
        fixture.offer_parts(&[(REQUEST, 24, 0)]);
        fixture.turn();
    }
    assert!(fixture.ring.runs());
}

/// A descriptor as a hostile driver would write it, and its successor: into and around memory, into
/// the ring itself, of any length.
fn hostile_descriptor() -> impl Strategy<Value = (Part, u16)> {
    let address = prop_oneof![
        0x1000..0x1200_u64,
        0x8000..0x8100_u64,
        Just((1 << 20) - 4),
        Just(1 << 20),
        Just(u64::MAX),
        any::<u64>(),
    ];
    let len = prop_oneof![
        Just(0),
        1..64_u32,
        Just(32),
        Just(4096),
        Just(u32::MAX),
        any::<u32>()
    ];
    ((address, len, 0..8_u16), 0..10_u16)
}

proptest! {
    #[test]
    fn whatever_is_in_the_ring_is_survived(
        table in prop::collection::vec(hostile_descriptor(), 8),
        nested in prop::collection::vec(hostile_descriptor(), 16),
        heads in prop::collection::vec(0..10_u16, 0..10),
        request in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut fixture = Fixture::new();
        for (index, (part, next)) in (0..).zip(table) {
            fixture.driver.descriptor(index, part, next);
        }
        for (index, (part, next)) in (0..).zip(nested) {
            write_descriptor(&fixture.ram.map, 0x8000, index, part, next);
        }
        fixture.ram.write(0x8000 + 24, &request);
        for head in &heads {
            fixture.driver.offer(*head);
        }
        for flush in 0..4 {
            fixture.turn();
            fixture.ring.answer_is_due(Ticket(flush), &Response::OkNodata);
        }
        fixture.ring.stop(&fixture.ram.map);
        prop_assert!(fixture.executed.len() <= heads.len());

        // A new driver finds the ring as good as new.
        fixture.ring.reset();
        fixture.executed.clear();
        fixture.driver = DriverRing::new(&fixture.ram, 0x1000, SIZE);
        fixture.set_up(0);
        fixture.offer(fenced(1), &Command::GetDisplayInfo, 408);
        fixture.turn();
        prop_assert_eq!(fixture.driver.take_used(), Some((0, 408)));
    }
}
