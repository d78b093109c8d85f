//! Both ends of a queue: ours is driven against the device's side of the `virtio-queue` crate.

use std::io::{Read, Write};

use virtio_queue::{Queue, QueueT};
use vm_memory::{GuestAddress, GuestMemoryMmap};

use super::*;
use crate::ram::RamOptions;

/// The device's end of a [`Virtqueue`].
struct Device {
    queue: Queue,
    memory: GuestMemoryMmap,
}

impl Device {
    fn of(queue: &Virtqueue, features: RingFeatures) -> Self {
        let mut device = Queue::new(queue.size()).unwrap();
        device.try_set_size(queue.size()).unwrap();
        device
            .try_set_desc_table_address(GuestAddress(queue.descriptor_table()))
            .unwrap();
        device
            .try_set_avail_ring_address(GuestAddress(queue.available_ring()))
            .unwrap();
        device
            .try_set_used_ring_address(GuestAddress(queue.used_ring()))
            .unwrap();
        device.set_event_idx(features.event_idx);
        device.set_ready(true);
        assert!(device.is_valid(&queue.memory));
        Self {
            queue: device,
            memory: queue.memory.clone(),
        }
    }

    /// Answers the next chain with its own bytes in capitals and returns what it read.
    fn serve(&mut self) -> Option<Vec<u8>> {
        let chain = self.queue.pop_descriptor_chain(&self.memory)?;
        let head = chain.head_index();
        let mut request = Vec::new();
        chain
            .clone()
            .reader(&self.memory)
            .unwrap()
            .read_to_end(&mut request)
            .unwrap();
        let mut writer = chain.writer(&self.memory).unwrap();
        writer.write_all(&request.to_ascii_uppercase()).unwrap();
        let written = u32::try_from(request.len()).unwrap();
        self.queue.add_used(&self.memory, head, written).unwrap();
        Some(request)
    }
}

struct Bench {
    ram: Ram,
    driver: Virtqueue,
    device: Device,
}

fn bench(size: u16, features: RingFeatures) -> Bench {
    let mut ram = Ram::new(&RamOptions {
        size: 1 << 20,
        ..RamOptions::default()
    })
    .unwrap();
    let driver = Virtqueue::new(&mut ram, size, features).unwrap();
    let device = Device::of(&driver, features);
    Bench {
        ram,
        driver,
        device,
    }
}

const EVENT_IDX: RingFeatures = RingFeatures { event_idx: true };

impl Bench {
    /// A chain that carries `text` in pieces of `piece` bytes and has room for the answer.
    fn chain(&mut self, text: &[u8], piece: usize) -> (Vec<Segment>, u64) {
        let block = self.ram.allocate(2 * PAGE).unwrap();
        self.ram.write(block.address, text).unwrap();
        let mut chain = Vec::new();
        for (address, answer) in [(block.address, false), (block.address + PAGE, true)] {
            let mut at = address;
            for part in text.chunks(piece) {
                let length = u32::try_from(part.len()).unwrap();
                chain.push(Segment {
                    address: at,
                    length,
                    writable: answer,
                });
                at += u64::from(length);
            }
        }
        (chain, block.address + PAGE)
    }

    fn answer(&self, address: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.ram.read(address, &mut bytes).unwrap();
        bytes
    }
}

#[test]
fn a_chain_goes_to_the_device_and_its_answer_comes_back() {
    let mut bench = bench(8, RingFeatures::default());
    let (chain, answer) = bench.chain(b"page flip", 4);
    assert_eq!(chain.len(), 6);

    let head = bench.driver.push(&chain, None).unwrap();
    assert_eq!(bench.driver.free_descriptors(), 2);
    assert_eq!(bench.driver.pop_used().unwrap(), None);

    assert_eq!(bench.device.serve().unwrap(), b"page flip");
    assert_eq!(
        bench.driver.pop_used().unwrap(),
        Some(Used { head, length: 9 })
    );
    assert_eq!(bench.answer(answer, 9), b"PAGE FLIP");
    assert_eq!(bench.driver.free_descriptors(), 8);
    assert_eq!(bench.driver.in_flight(), 0);
}

#[test]
fn indices_wrap_around_and_descriptors_are_reused() {
    let mut bench = bench(4, EVENT_IDX);
    let (chain, _) = bench.chain(b"again", 8);
    for _ in 0..70_000 {
        let head = bench.driver.push(&chain, None).unwrap();
        assert_eq!(bench.device.serve().unwrap(), b"again");
        assert_eq!(bench.driver.pop_used().unwrap().unwrap().head, head);
    }
    // 70 000 chains, modulo 65 536.
    assert_eq!(bench.driver.next_available(), 4_464);
}

#[test]
fn an_indirect_chain_longer_than_the_ring_takes_one_descriptor() {
    let mut bench = bench(4, RingFeatures::default());
    let text: Vec<u8> = (b'a'..=b'z').collect();
    let (chain, answer) = bench.chain(&text, 1);
    let table = bench.ram.allocate(DESCRIPTOR_SIZE * 52).unwrap();

    bench.driver.push(&chain, Some(table)).unwrap();
    assert_eq!(bench.driver.free_descriptors(), 3);
    assert_eq!(bench.device.serve().unwrap(), text);
    assert_eq!(bench.driver.pop_used().unwrap().unwrap().length, 26);
    assert_eq!(bench.answer(answer, 26), text.to_ascii_uppercase());
}

#[test]
fn chains_may_come_back_in_any_order() {
    let mut bench = bench(8, RingFeatures::default());
    let (chain, _) = bench.chain(b"x", 8);
    let first = bench.driver.push(&chain, None).unwrap();
    let second = bench.driver.push(&chain, None).unwrap();

    let device = &mut bench.device;
    let heads = [first, second].map(|_| {
        device
            .queue
            .pop_descriptor_chain(&device.memory)
            .unwrap()
            .head_index()
    });
    assert_eq!(heads, [first, second]);
    device.queue.add_used(&device.memory, second, 0).unwrap();
    device.queue.add_used(&device.memory, first, 0).unwrap();

    assert_eq!(bench.driver.pop_used().unwrap().unwrap().head, second);
    assert_eq!(bench.driver.pop_used().unwrap().unwrap().head, first);
}

#[test]
fn the_event_index_saves_kicks_while_the_device_is_busy() {
    let mut bench = bench(8, EVENT_IDX);
    let (chain, _) = bench.chain(b"k", 8);
    bench
        .device
        .queue
        .enable_notification(&bench.device.memory)
        .unwrap();

    bench.driver.push(&chain, None).unwrap();
    assert!(
        bench.driver.needs_kick().unwrap(),
        "the device waits for the first chain"
    );
    bench.driver.push(&chain, None).unwrap();
    assert!(!bench.driver.needs_kick().unwrap(), "it was kicked already");

    while bench.device.serve().is_some() {}
    assert!(
        !bench
            .device
            .queue
            .enable_notification(&bench.device.memory)
            .unwrap()
    );
    bench.driver.push(&chain, None).unwrap();
    assert!(bench.driver.needs_kick().unwrap(), "it waits again");
    assert!(!bench.driver.needs_kick().unwrap(), "nothing new since");
}

#[test]
fn without_the_event_index_the_device_s_flag_saves_kicks() {
    let mut bench = bench(8, RingFeatures::default());
    let (chain, _) = bench.chain(b"k", 8);
    bench
        .device
        .queue
        .disable_notification(&bench.device.memory)
        .unwrap();
    bench.driver.push(&chain, None).unwrap();
    assert!(!bench.driver.needs_kick().unwrap());
    bench
        .device
        .queue
        .enable_notification(&bench.device.memory)
        .unwrap();
    bench.driver.push(&chain, None).unwrap();
    assert!(bench.driver.needs_kick().unwrap());
}

#[test]
fn a_call_is_asked_for_exactly_when_the_driver_waits() {
    let mut bench = bench(8, EVENT_IDX);
    let (chain, _) = bench.chain(b"c", 8);
    bench.driver.push(&chain, None).unwrap();
    assert!(
        !bench.driver.ask_for_call().unwrap(),
        "nothing is finished yet"
    );
    bench.device.serve().unwrap();
    assert!(
        bench
            .device
            .queue
            .needs_notification(&bench.device.memory)
            .unwrap()
    );

    bench.driver.push(&chain, None).unwrap();
    bench.device.serve().unwrap();
    let again = bench
        .device
        .queue
        .needs_notification(&bench.device.memory)
        .unwrap();
    assert!(!again, "the driver has not looked since the first call");
    assert!(
        bench.driver.ask_for_call().unwrap(),
        "finished ones must not be slept over"
    );
}

#[test]
fn a_full_queue_says_so_and_stays_usable() {
    let mut bench = bench(4, RingFeatures::default());
    let (chain, _) = bench.chain(b"abcdef", 3);
    bench.driver.push(&chain, None).unwrap();
    let error = bench.driver.push(&chain, None).unwrap_err();
    assert!(
        matches!(error, QueueError::Full { wanted: 4, free: 0 }),
        "{error}"
    );
    bench.device.serve().unwrap();
    bench.driver.pop_used().unwrap().unwrap();
    bench.driver.push(&chain, None).unwrap();
}

#[test]
fn a_device_that_returns_what_it_was_not_given_is_found_out() {
    let mut bench = bench(8, RingFeatures::default());
    let (chain, _) = bench.chain(b"x", 8);
    let head = bench.driver.push(&chain, None).unwrap();
    bench
        .device
        .queue
        .add_used(&bench.device.memory, head + 1, 0)
        .unwrap();
    let error = bench.driver.pop_used().unwrap_err();
    assert!(matches!(error, QueueError::UnknownHead { .. }), "{error}");

    let used = bench.driver.used_ring();
    bench.ram.write(used + 2, &9u16.to_le_bytes()).unwrap();
    let error = bench.driver.pop_used().unwrap_err();
    assert!(
        matches!(error, QueueError::IndexRanAway { from: 0, to: 9 }),
        "{error}"
    );
}

#[test]
fn the_raw_tables_take_a_chain_that_loops() {
    let mut bench = bench(4, RingFeatures::default());
    let loops = Descriptor {
        address: PAGE,
        length: 16,
        flags: NEXT,
        next: 0,
    };
    bench.driver.raw().set_descriptor(0, loops).unwrap();
    bench.driver.raw().publish(0).unwrap();

    let chain = bench
        .device
        .queue
        .pop_descriptor_chain(&bench.device.memory)
        .unwrap();
    assert_eq!(
        chain.count(),
        4,
        "the device's library stops after the ring's size"
    );
}

#[test]
fn heads_that_are_published_at_once_go_on_at_the_rings_start() {
    let mut bench = bench(4, RingFeatures::default());
    for head in 0..3 {
        let last = Descriptor {
            address: PAGE,
            length: 16,
            flags: 0,
            next: 0,
        };
        bench.driver.raw().set_descriptor(head, last).unwrap();
    }
    for _ in 0..3 {
        bench.driver.raw().publish_all(&[2, 0, 1]).unwrap();
        let Device { queue, memory } = &mut bench.device;
        let heads = std::iter::from_fn(|| queue.pop_descriptor_chain(&*memory));
        let heads: Vec<u16> = heads.map(|chain| chain.head_index()).collect();
        assert_eq!(heads, [2, 0, 1]);
    }
}

#[test]
fn sizes_that_a_ring_cannot_have_are_refused() {
    let mut ram = Ram::new(&RamOptions {
        size: 1 << 20,
        ..RamOptions::default()
    })
    .unwrap();
    for size in [0, 3, 100] {
        let error = Virtqueue::new(&mut ram, size, RingFeatures::default()).unwrap_err();
        assert!(
            matches!(error, QueueError::Size(wrong) if wrong == size),
            "{error}"
        );
    }
}

#[test]
fn clearing_starts_the_ring_over() {
    let mut bench = bench(4, EVENT_IDX);
    let (chain, _) = bench.chain(b"x", 8);
    bench.driver.push(&chain, None).unwrap();
    bench.device.serve().unwrap();
    bench.driver.clear().unwrap();
    assert_eq!(
        (bench.driver.next_available(), bench.driver.in_flight()),
        (0, 0)
    );
    assert_eq!(bench.driver.pop_used().unwrap(), None);

    bench.device = Device::of(&bench.driver, EVENT_IDX);
    bench.driver.push(&chain, None).unwrap();
    assert_eq!(bench.device.serve().unwrap(), b"x");
}
