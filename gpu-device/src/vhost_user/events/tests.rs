use std::{collections::VecDeque, fs::File};

use proptest::prelude::*;
use rustix::{
    event::{EventfdFlags, eventfd},
    io::read,
};

use super::*;
use crate::vhost_user::testing::{DriverRing, INDIRECT, NEXT, Part, Ram, WRITE};

const BUFFERS: u64 = 0x8000;
const NOWHERE: u64 = 0x4000_0000;

/// Events that wait, and how many were taken.
#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    taken: Vec<Event>,
}

impl Events for Waiting {
    fn next(&self) -> Option<Event> {
        self.events.front().copied()
    }

    fn delivered(&mut self) {
        self.taken.extend(self.events.pop_front());
    }
}

/// A ring with its driver.
struct Fixture {
    ram: Ram,
    driver: DriverRing,
    ring: EventRing,
    call: File,
    waiting: Waiting,
}

impl Fixture {
    fn with_size(size: u16) -> Self {
        let ram = Ram::new(0, 1 << 20);
        let driver = DriverRing::new(&ram, 0x1000, size);
        let eventfd = || File::from(eventfd(0, EventfdFlags::NONBLOCK).unwrap());
        let call = eventfd();
        let mut ring = EventRing::new("event").unwrap();
        ring.set_size(size.into()).unwrap();
        ring.set_base(0);
        let addresses = [
            driver.table_address(),
            driver.avail_address(),
            driver.used_address(),
        ];
        ring.set_addresses(&ram.map, addresses).unwrap();
        ring.set_kick(Some(eventfd()));
        ring.set_call(Some(call.try_clone().unwrap()));
        ring.set_enabled(true);
        assert!(ring.runs());
        Self {
            ram,
            driver,
            ring,
            call,
            waiting: Waiting::default(),
        }
    }

    fn wait(&mut self, count: i32) {
        let event = |value| Event {
            kind: 3,
            code: 0,
            value,
        };
        let events = (0..count).map(event);
        self.waiting.events.extend(events);
    }

    fn deliver(&mut self) {
        self.ring.deliver(&self.ram.map, &mut self.waiting);
        self.ring.announce(&self.ram.map);
    }

    fn offer(&mut self, parts: &[Part]) -> u16 {
        let head = self.driver.chain(parts);
        self.driver.offer(head);
        head
    }

    /// Offers a buffer as Linux does, one for each descriptor.
    fn offer_buffer(&mut self) {
        let place = BUFFERS + 8 * u64::from(self.driver.next_head());
        self.offer(&[(place, 8, WRITE)]);
    }

    /// The next event that the guest finds.
    fn take(&mut self) -> Option<Event> {
        let (head, len) = self.driver.take_used()?;
        assert_eq!(len, 8);
        Event::decode(&self.ram.read(BUFFERS + 8 * u64::from(head), 8))
    }

    fn is_called(&self) -> bool {
        read(&self.call, &mut [0_u8; 8]).is_ok()
    }

    fn heard(&mut self) -> Vec<Event> {
        let mut heard = Vec::new();
        self.ring.look_at_it();
        self.ring
            .hear(&self.ram.map, &mut |event| heard.push(event));
        self.ring.announce(&self.ram.map);
        heard
    }
}

#[test]
fn an_event_fills_a_buffer_and_calls_the_guest() {
    let mut fixture = Fixture::with_size(64);
    fixture.offer_buffer();
    fixture.deliver();
    assert!(!fixture.is_called());
    fixture.wait(1);
    fixture.deliver();
    assert!(fixture.is_called());
    assert_eq!(fixture.take().map(|event| event.value), Some(0));
    assert!(fixture.waiting.events.is_empty());
}

#[test]
fn what_is_longer_than_the_ring_goes_in_pieces() {
    for size in [1, 2, 4] {
        let mut fixture = Fixture::with_size(size);
        fixture.wait(23);
        let mut values = Vec::new();
        for _ in 0..size {
            fixture.offer_buffer();
        }
        for _ in 0..30 {
            fixture.deliver();
            while let Some(event) = fixture.take() {
                values.push(event.value);
                fixture.offer_buffer();
            }
        }
        assert_eq!(values, (0..23).collect::<Vec<_>>());
    }
}

#[test]
fn buffers_that_are_late_are_kicked_for() {
    let mut fixture = Fixture::with_size(4);
    let quiet = |fixture: &Fixture| {
        let flags = fixture.ram.read(fixture.driver.used_address(), 2);
        flags == [1, 0]
    };
    fixture.deliver();
    assert!(quiet(&fixture), "a buffer without an event wakes nobody");
    fixture.wait(1);
    fixture.deliver();
    assert!(
        !quiet(&fixture),
        "an event without a buffer waits for a kick"
    );
    assert!(!fixture.ring.is_kicked());
    fixture.offer_buffer();
    fixture.ring.look_at_it();
    fixture.deliver();
    assert!(fixture.take().is_some());
}

#[test]
fn chains_without_room_cost_no_event() {
    let mut fixture = Fixture::with_size(16);
    fixture.wait(1);
    let useless: [&[Part]; 5] = [
        &[(BUFFERS, 8, 0)],
        &[(BUFFERS, 0, WRITE)],
        &[(BUFFERS, 7, WRITE)],
        &[(NOWHERE, 8, WRITE)],
        &[(BUFFERS, 4, WRITE), (NOWHERE, 4, WRITE)],
    ];
    for parts in useless {
        fixture.offer(parts);
    }
    fixture.offer(&[(BUFFERS + 64, 4, WRITE), (BUFFERS + 68, 4, WRITE)]);
    fixture.deliver();
    let mut used = Vec::new();
    while let Some((_, len)) = fixture.driver.take_used() {
        used.push(len);
    }
    assert_eq!(used, [0, 0, 7, 0, 4, 8]);
    assert_eq!(fixture.waiting.taken.len(), 1);
    let told = Event::decode(&fixture.ram.read(BUFFERS + 64, 8));
    assert_eq!(told, fixture.waiting.taken.first().copied());
}

#[test]
fn a_chain_in_a_circle_breaks_the_ring_and_loses_no_event() {
    let mut fixture = Fixture::with_size(4);
    fixture.wait(2);
    fixture.driver.descriptor(0, (BUFFERS, 8, WRITE | NEXT), 1);
    fixture.driver.descriptor(1, (BUFFERS, 8, WRITE | NEXT), 0);
    fixture.driver.offer(0);
    fixture.deliver();
    assert!(!fixture.ring.runs());
    assert_eq!(fixture.waiting.events.len(), 2);
    fixture.deliver();
    assert!(fixture.heard().is_empty());
}

#[test]
fn a_driver_that_never_stops_offering_does_not_hold_the_loop() {
    let mut fixture = Fixture::with_size(1024);
    fixture.wait(1000);
    for _ in 0..1000 {
        fixture.offer(&[(BUFFERS, 8, WRITE)]);
    }
    fixture.deliver();
    assert_eq!(fixture.waiting.taken.len(), CHAINS_PER_TURN);
    assert!(
        fixture.ring.is_kicked(),
        "the rest comes with the next turn"
    );
}

#[test]
fn lights_are_heard_and_given_back() {
    let mut fixture = Fixture::with_size(4);
    let light = Event {
        kind: 0x11,
        code: 1,
        value: 1,
    };
    fixture.ram.write(BUFFERS, &light.encode());
    fixture.offer(&[(BUFFERS, 8, 0)]);
    assert_eq!(fixture.heard(), [light]);
    assert_eq!(fixture.driver.take_used(), Some((0, 0)));
    assert!(fixture.is_called());
    // In two parts, and with more than there is to hear.
    fixture.offer(&[(BUFFERS, 3, 0), (BUFFERS + 3, 0xffff, 0)]);
    assert_eq!(fixture.heard(), [light]);
}

#[test]
fn nonsense_of_a_guest_is_given_back_unheard() {
    let mut fixture = Fixture::with_size(8);
    fixture.offer(&[(BUFFERS, 7, 0)]);
    fixture.offer(&[(BUFFERS, 8, WRITE)]);
    fixture.offer(&[(NOWHERE, 8, 0)]);
    fixture.offer(&[(BUFFERS, 0, 0)]);
    assert_eq!(fixture.heard(), []);
    for _ in 0..4 {
        assert_eq!(fixture.driver.take_used().map(|(_, len)| len), Some(0));
    }
}

proptest! {
    /// Whatever a driver writes into its ring, the device survives it, and no event is lost or told
    /// twice.
    #[test]
    fn a_hostile_driver_breaks_its_own_ring_only(
        size in prop::sample::select(vec![1_u16, 2, 4, 16]),
        table in prop::collection::vec((0..0x20_0000_u64, any::<u32>(), 0..8_u16, any::<u16>()), 16),
        heads in prop::collection::vec(any::<u16>(), 0..24),
        index in any::<u16>(),
    ) {
        let mut fixture = Fixture::with_size(size);
        fixture.wait(40);
        for (slot, (address, len, flags, next)) in (0..size).zip(&table) {
            let flags = flags & (NEXT | WRITE | INDIRECT);
            // The tables of indirect chains lie anywhere but in the ring itself.
            fixture.driver.descriptor(slot, (0x8000 + address, *len, flags), *next);
        }
        for (slot, head) in (0_u64..size.into()).zip(&heads) {
            fixture.ram.write(fixture.driver.avail_address() + 4 + 2 * slot, &head.to_le_bytes());
        }
        fixture.driver.set_avail_index(index);
        for _ in 0..4 {
            fixture.deliver();
            fixture.heard();
        }
        let told = fixture.waiting.taken.iter().chain(&fixture.waiting.events);
        let values: Vec<i32> = told.map(|event| event.value).collect();
        prop_assert_eq!(values, (0..40).collect::<Vec<_>>());
    }
}
