use super::*;
use crate::vhost_user::testing::{DriverRing, INDIRECT, NEXT, Part, Ram, WRITE, write_descriptor};

const RAM: u64 = 1 << 20;
const LIMIT: usize = 4096;

struct Fixture {
    ram: Ram,
    driver: DriverRing,
    queue: SplitQueue,
    request: Vec<u8>,
}

impl Fixture {
    fn new(features: u64) -> Self {
        let ram = Ram::new(0, RAM);
        let driver = DriverRing::new(&ram, 0x1000, 8);
        let mut queue = SplitQueue::new().unwrap();
        queue.set_features(Acked::new(features).unwrap());
        queue.set_size(8).unwrap();
        queue
            .set_addresses(
                driver.table_address(),
                driver.avail_address(),
                driver.used_address(),
            )
            .unwrap();
        queue.set_ready(true);
        assert!(queue.is_mapped(&ram.map));
        Self {
            ram,
            driver,
            queue,
            request: Vec::new(),
        }
    }

    fn offer(&mut self, parts: &[Part]) {
        let head = self.driver.chain(parts);
        self.driver.offer(head);
    }

    fn pop(&mut self) -> Result<Option<Chain>, Broken> {
        self.queue.open(&self.ram.map).pop(&mut self.request, LIMIT)
    }

    fn open(&mut self) -> OpenQueue<'_, '_> {
        self.queue.open(&self.ram.map)
    }

    fn wants_call(&mut self) -> bool {
        self.open().wants_call().unwrap()
    }

    fn complete(&mut self, chain: &Chain, answer: &[u8]) {
        self.open().complete(chain, answer).unwrap();
    }
}

#[test]
fn a_request_in_pieces_is_read_whole_and_answered_exactly() {
    let mut fixture = Fixture::new(0);
    fixture.ram.write(0x8000, b"head");
    fixture.ram.write(0x9000, b"tail");
    fixture.offer(&[
        (0x8000, 4, 0),
        (0x9000, 4, 0),
        (0xa000, 2, WRITE),
        (0xb000, 30, WRITE),
    ]);

    let chain = fixture.pop().unwrap().unwrap();
    assert_eq!(fixture.request, b"headtail");
    assert!(chain.readable);
    assert_eq!(chain.room.size(), 32);
    fixture.complete(&chain, b"answer");

    assert_eq!(fixture.driver.take_used(), Some((0, 6)));
    assert_eq!(fixture.ram.read(0xa000, 2), b"an");
    assert_eq!(fixture.ram.read(0xb000, 5), b"swer\0");
    assert!(fixture.pop().unwrap().is_none());
}

#[test]
fn an_answer_without_room_is_cut_and_its_length_is_true() {
    let mut fixture = Fixture::new(0);
    fixture.offer(&[(0x8000, 4, 0), (0xa000, 3, WRITE)]);
    fixture.offer(&[(0x8000, 4, 0)]);
    let (small, none) = (
        fixture.pop().unwrap().unwrap(),
        fixture.pop().unwrap().unwrap(),
    );
    fixture.complete(&none, b"answer");
    fixture.complete(&small, b"answer");
    assert_eq!(fixture.driver.take_used(), Some((2, 0)));
    assert_eq!(fixture.driver.take_used(), Some((0, 3)));
}

#[test]
fn indirect_chains_may_be_longer_than_the_ring() {
    let mut fixture = Fixture::new(0);
    for index in 0..20_u16 {
        fixture
            .ram
            .write(0x8000 + u64::from(index), &[u8::try_from(index).unwrap()]);
        let part = (0x8000 + u64::from(index), 1, NEXT);
        write_descriptor(&fixture.ram.map, 0x4000, index, part, index + 1);
    }
    write_descriptor(&fixture.ram.map, 0x4000, 20, (0xa000, 24, WRITE), 0);
    fixture.offer(&[(0x4000, 21 * 16, INDIRECT)]);

    let chain = fixture.pop().unwrap().unwrap();
    assert_eq!(fixture.request, (0..20).collect::<Vec<u8>>());
    assert_eq!(chain.room.size(), 24);
}

#[test]
fn what_is_longer_than_the_limit_is_cut_there() {
    let mut fixture = Fixture::new(0);
    fixture.offer(&[
        (0x8000, 5000, 0),
        (0x8000, u32::MAX - 10_000, 0),
        (0xa000, 24, WRITE),
    ]);
    let chain = fixture.pop().unwrap().unwrap();
    assert_eq!(fixture.request.len(), LIMIT);
    assert_eq!(chain.room.size(), 24);
}

#[test]
fn a_readable_part_outside_of_memory_is_left_out() {
    let mut fixture = Fixture::new(0);
    fixture.ram.write(0x8000, b"head");
    fixture.offer(&[
        (0x8000, 4, 0),
        (RAM - 2, 4, 0),
        (0x8000, 4, 0),
        (0xa000, 24, WRITE),
    ]);
    let chain = fixture.pop().unwrap().unwrap();
    assert_eq!(fixture.request, b"head");
    assert!(!chain.readable);
}

#[test]
fn room_outside_of_memory_takes_nothing() {
    let mut fixture = Fixture::new(0);
    fixture.offer(&[(0x8000, 4, 0), (RAM, 24, WRITE)]);
    let chain = fixture.pop().unwrap().unwrap();
    fixture.complete(&chain, &[1; 24]);
    assert_eq!(fixture.driver.take_used(), Some((0, 0)));
}

#[test]
fn chains_that_can_not_be_right_break_the_ring() {
    type Build = fn(&mut Fixture);
    let wrong: [(&str, Build); 8] = [
        ("circle", |fixture| {
            fixture.driver.descriptor(0, (0x8000, 4, NEXT), 1);
            fixture.driver.descriptor(1, (0x8000, 4, NEXT), 0);
            fixture.driver.offer(0);
        }),
        ("successor outside of the table", |fixture| {
            fixture.driver.descriptor(0, (0x8000, 4, NEXT), 8);
            fixture.driver.offer(0);
        }),
        ("head outside of the table", |fixture| {
            fixture.driver.offer(8);
        }),
        ("more than 4 GiB", |fixture| {
            fixture.driver.descriptor(0, (0x8000, u32::MAX, NEXT), 1);
            fixture.driver.descriptor(1, (0x8000, u32::MAX, 0), 0);
            fixture.driver.offer(0);
        }),
        ("nested indirect tables", |fixture| {
            write_descriptor(&fixture.ram.map, 0x4000, 0, (0x4000, 16, INDIRECT), 0);
            fixture.offer(&[(0x4000, 16, INDIRECT)]);
        }),
        ("indirect table of odd size", |fixture| {
            fixture.offer(&[(0x4000, 17, INDIRECT)]);
        }),
        ("empty indirect table", |fixture| {
            fixture.offer(&[(0x4000, 0, INDIRECT)]);
        }),
        ("indirect table outside of memory", |fixture| {
            fixture.offer(&[(RAM, 16, INDIRECT)]);
        }),
    ];
    for (what, build) in wrong {
        let mut fixture = Fixture::new(0);
        build(&mut fixture);
        assert!(matches!(fixture.pop(), Err(Broken::Chain)), "{what}");
    }
}

#[test]
fn empty_descriptors_are_harmless() {
    let mut fixture = Fixture::new(0);
    fixture.offer(&[
        (0, 0, 0),
        (u64::MAX, 0, 0),
        (0, 0, WRITE),
        (u64::MAX, 0, WRITE),
    ]);
    let chain = fixture.pop().unwrap().unwrap();
    assert!(fixture.request.is_empty());
    assert!(chain.readable);
    assert_eq!(chain.room.size(), 0);
}

#[test]
fn thousands_of_tiny_descriptors_cost_bounded_memory() {
    let mut fixture = Fixture::new(0);
    let count = 40_000_u16;
    for index in 0..count {
        let flags = if index + 1 < count {
            NEXT | WRITE
        } else {
            WRITE
        };
        write_descriptor(
            &fixture.ram.map,
            0x1_0000,
            index,
            (0xa000, 1, flags),
            index + 1,
        );
    }
    fixture.offer(&[(0x1_0000, u32::from(count) * 16, INDIRECT)]);
    let chain = fixture.pop().unwrap().unwrap();
    assert_eq!(chain.room.size(), MAX_ROOM);
    assert_eq!(chain.room.others.len() + 1, MAX_ROOM as usize);
}

#[test]
fn an_impossible_available_index_breaks_the_ring() {
    let mut fixture = Fixture::new(0);
    fixture.driver.set_avail_index(9);
    assert!(matches!(fixture.pop(), Err(Broken::Ring(_))));
}

#[test]
fn chains_offered_twice_break_the_ring_before_they_pile_up() {
    let mut fixture = Fixture::new(0);
    let head = fixture.driver.chain(&[(0x8000, 4, 0)]);
    for _ in 0..8 {
        fixture.driver.offer(head);
        assert!(fixture.pop().unwrap().is_some());
    }
    fixture.driver.offer(head);
    assert!(matches!(fixture.pop(), Err(Broken::InFlight)));
}

#[test]
fn a_chain_that_arrives_before_kicks_are_resumed_is_not_forgotten() {
    for features in [0, 1 << 29] {
        let mut fixture = Fixture::new(features);
        fixture.open().pause_kicks().unwrap();
        assert!(fixture.pop().unwrap().is_none());
        fixture.offer(&[(0x8000, 4, 0)]);
        assert!(fixture.open().resume_kicks().unwrap());
        fixture.open().pause_kicks().unwrap();
        assert!(fixture.pop().unwrap().is_some());
        assert!(!fixture.open().resume_kicks().unwrap());
    }
}

#[test]
fn the_driver_is_asked_not_to_kick_while_its_chains_are_taken() {
    let mut fixture = Fixture::new(0);
    let flags = |fixture: &Fixture| fixture.ram.read(fixture.driver.used_address(), 1)[0];
    fixture.open().pause_kicks().unwrap();
    assert_eq!(flags(&fixture), 1);
    fixture.open().resume_kicks().unwrap();
    assert_eq!(flags(&fixture), 0);
}

#[test]
fn with_event_index_the_driver_is_called_once_it_is_reached() {
    let mut fixture = Fixture::new(1 << 29);
    for _ in 0..3 {
        fixture.offer(&[(0x8000, 4, 0)]);
    }
    let chains: Vec<Chain> = std::iter::from_fn(|| fixture.pop().unwrap()).collect();
    // Wants to be called for the second answer.
    fixture
        .ram
        .write(fixture.driver.used_event_address(), &1_u16.to_le_bytes());
    assert!(!fixture.wants_call());
    fixture.complete(&chains[2], &[]);
    assert!(!fixture.wants_call());
    fixture.complete(&chains[0], &[]);
    assert!(fixture.wants_call());
    fixture.complete(&chains[1], &[]);
    assert!(!fixture.wants_call());
}

#[test]
fn without_event_index_the_drivers_flag_is_honoured() {
    let mut fixture = Fixture::new(0);
    let answer_one = |flag: u16, fixture: &mut Fixture| {
        fixture
            .ram
            .write(fixture.driver.avail_address(), &flag.to_le_bytes());
        fixture.offer(&[(0x8000, 4, 0)]);
        let chain = fixture.pop().unwrap().unwrap();
        fixture.complete(&chain, &[]);
        fixture.wants_call()
    };
    assert!(answer_one(0, &mut fixture));
    assert!(!answer_one(1, &mut fixture));
    assert!(!fixture.wants_call());
}

#[test]
fn an_emptied_ring_is_announced_where_that_was_negotiated() {
    let mut fixture = Fixture::new(1 << 24);
    fixture
        .ram
        .write(fixture.driver.avail_address(), &1_u16.to_le_bytes());
    fixture.offer(&[(0x8000, 4, 0)]);
    fixture.offer(&[(0x8000, 4, 0)]);
    let (first, second) = (
        fixture.pop().unwrap().unwrap(),
        fixture.pop().unwrap().unwrap(),
    );
    fixture.complete(&first, &[]);
    assert!(!fixture.wants_call());
    fixture.complete(&second, &[]);
    assert!(fixture.wants_call());
}

#[test]
fn a_resumed_ring_goes_on_where_it_was() {
    let mut fixture = Fixture::new(0);
    for _ in 0..3 {
        fixture.offer(&[(0x8000, 4, 0)]);
        let chain = fixture.pop().unwrap().unwrap();
        fixture.complete(&chain, &[]);
        fixture.driver.take_used().unwrap();
    }
    let base = fixture.queue.base();
    assert_eq!(base, 3);

    let driver = &fixture.driver;
    let mut resumed = SplitQueue::new().unwrap();
    resumed.set_size(8).unwrap();
    resumed.set_base(base);
    resumed
        .set_addresses(
            driver.table_address(),
            driver.avail_address(),
            driver.used_address(),
        )
        .unwrap();
    resumed.resume_used(&fixture.ram.map).unwrap();
    resumed.set_ready(true);
    fixture.queue = resumed;
    fixture.offer(&[(0x8000, 4, 0)]);
    let chain = fixture.pop().unwrap().unwrap();
    fixture.complete(&chain, &[]);
    assert_eq!(fixture.driver.take_used(), Some((3, 0)));
}
