use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const CAPACITY: u32 = 1024;

fn ring() -> Ring {
    let memory = SharedMemory::new(Ring::footprint(CAPACITY)).unwrap();
    Ring::new(Arc::new(memory), 0, CAPACITY).unwrap()
}

fn ends() -> (Producer, Consumer) {
    let ring = ring();
    (Producer::new(ring.clone()), Consumer::new(ring))
}

fn take(consumer: &mut Consumer) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    consumer.take(&mut out).unwrap().then_some(out)
}

/// Something that differs from message to message.
fn low(number: u32) -> u8 {
    number.to_le_bytes()[0]
}

/// Writes into the memory as the other end could.
fn tamper(ring: &Ring, at: usize, word: u32) {
    let whole = ring.whole().unwrap();
    whole
        .subslice(at, 4)
        .unwrap()
        .copy_from(&word.to_ne_bytes());
}

#[test]
fn messages_arrive_whole_and_in_order() {
    let (mut producer, mut consumer) = ends();
    assert_eq!(take(&mut consumer), None);
    assert!(producer.push(b"one", b"").unwrap());
    assert!(producer.push(b"tw", b"o!").unwrap());
    assert!(producer.push(b"", b"").unwrap());
    assert_eq!(take(&mut consumer).unwrap(), b"one");
    assert_eq!(take(&mut consumer).unwrap(), b"two!");
    assert_eq!(take(&mut consumer).unwrap(), b"");
    assert_eq!(take(&mut consumer), None);
}

#[test]
fn a_full_ring_takes_no_more_until_half_of_it_is_free() {
    let (mut producer, mut consumer) = ends();
    let message = [7; 56];
    let mut count = 0;
    while producer.push(&message, &[]).unwrap() {
        count += 1;
    }
    assert_eq!(count, CAPACITY / 64);
    let mut wanted = 0;
    for taken in 1..=count {
        take(&mut consumer).unwrap();
        if consumer.room_is_wanted().unwrap() {
            assert_eq!(taken, count / 2);
            wanted += 1;
        }
    }
    assert_eq!(wanted, 1, "said once");
    assert!(producer.push(&message, &[]).unwrap());
    assert!(!consumer.room_is_wanted().unwrap());
}

#[test]
fn the_longest_message_fits_into_an_empty_ring_wherever_it_stands() {
    for before in 0..CAPACITY / 8 {
        let (mut producer, mut consumer) = ends();
        for _ in 0..before {
            assert!(producer.push(&[], &[]).unwrap());
            take(&mut consumer).unwrap();
        }
        let longest = vec![3; producer.max_message()];
        assert!(producer.push(&longest, &[]).unwrap(), "{before}");
        assert_eq!(take(&mut consumer).unwrap(), longest);
    }
    let (mut producer, _) = ends();
    let too_long = vec![0; producer.max_message() + 1];
    assert_eq!(producer.push(&too_long, &[]), Err(Broken));
}

#[test]
fn a_ring_lies_in_its_memory_or_is_none() {
    let memory = Arc::new(SharedMemory::new(4096).unwrap());
    let new = |at, capacity| Ring::new(Arc::clone(&memory), at, capacity).is_ok();
    assert!(new(0, 2048));
    assert!(new(4096 - 256 - 64, 64));
    for (at, capacity) in [
        (0, 4096),
        (8, 64),
        (0, 96),
        (0, 0),
        (4096, 64),
        (u64::MAX - 63, 64),
    ] {
        assert!(!new(at, capacity), "{at} {capacity}");
    }
}

#[test]
fn who_sleeps_is_woken_once() {
    let (mut producer, mut consumer) = ends();
    assert!(!producer.consumer_sleeps().unwrap());
    assert!(consumer.sleeps().unwrap());
    producer.push(b"a", &[]).unwrap();
    assert!(producer.consumer_sleeps().unwrap());
    producer.push(b"b", &[]).unwrap();
    assert!(!producer.consumer_sleeps().unwrap());
    assert!(!consumer.sleeps().unwrap(), "there are messages");
    take(&mut consumer).unwrap();
    take(&mut consumer).unwrap();
    assert!(consumer.sleeps().unwrap());
}

#[test]
fn messages_are_read_where_they_lie() {
    let ring = ring();
    let mut producer = Producer::new(ring.clone());
    let mut consumer = InPlace::trusting(ring);
    assert_eq!(consumer.peek().unwrap(), None);
    producer.push(b"first", b" part").unwrap();
    producer.push(b"second", &[]).unwrap();
    let first = consumer.peek().unwrap().unwrap();
    assert_eq!(first, b"first part");
    assert!(first.as_ptr().addr().is_multiple_of(8));
    assert_eq!(producer.used().unwrap(), 40);
    assert_eq!(consumer.peek().unwrap().unwrap(), b"first part", "the same");
    consumer.advance().unwrap();
    assert_eq!(producer.used().unwrap(), 16);
    assert_eq!(consumer.peek().unwrap().unwrap(), b"second");
    consumer.advance().unwrap();
    consumer.advance().unwrap();
    assert_eq!(consumer.peek().unwrap(), None);
}

#[test]
fn impossible_places_and_lengths_are_found_out() {
    for (head, length) in [
        (16, 9),             // behind the last message
        (16, SKIP),          // nothing is skipped at the beginning
        (CAPACITY, 504 + 1), // longer than any
        (CAPACITY, u32::MAX - 1),
        (CAPACITY + 8, 8), // more than there can be
        (12, 4),           // no whole units
        (u32::MAX - 7, 8), // before the beginning
    ] {
        let ring = ring();
        let mut consumer = Consumer::new(ring.clone());
        tamper(&ring, HEAD, head);
        tamper(&ring, CONTROL as usize, length);
        assert_eq!(
            consumer.take(&mut Vec::new()),
            Err(Broken),
            "{head} {length}"
        );
    }
    for tail in [8, 4, u32::MAX - CAPACITY - 6] {
        let ring = ring();
        let mut producer = Producer::new(ring.clone());
        tamper(&ring, TAIL, tail);
        assert_eq!(producer.push(b"a", &[]), Err(Broken), "{tail}");
    }
}

#[test]
fn nothing_follows_where_all_is_skipped() {
    let ring = ring();
    let mut producer = Producer::new(ring.clone());
    let mut consumer = Consumer::new(ring.clone());
    producer.push(&[0; 56], &[]).unwrap();
    take(&mut consumer).unwrap();
    tamper(&ring, CONTROL as usize + 64, SKIP);
    tamper(&ring, HEAD, CAPACITY);
    assert_eq!(consumer.take(&mut Vec::new()), Err(Broken));
}

#[test]
fn two_threads_lose_nothing() {
    let (mut producer, mut consumer) = ends();
    let sends = std::thread::spawn(move || {
        for number in 0..20_000_u32 {
            let message = vec![low(number); number as usize % 300];
            while !producer.push(&number.to_ne_bytes(), &message).unwrap() {
                std::thread::yield_now();
            }
        }
    });
    for number in 0..20_000_u32 {
        let message = loop {
            match take(&mut consumer) {
                Some(message) => break message,
                None => std::thread::yield_now(),
            }
        };
        assert_eq!(message[..4], number.to_ne_bytes());
        assert_eq!(message.len() - 4, number as usize % 300);
        assert!(message[4..].iter().all(|byte| *byte == low(number)));
    }
    sends.join().unwrap();
}

#[derive(Debug, Clone)]
enum Step {
    Push(usize),
    Take,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0_usize..505).prop_map(Step::Push),
        (0_usize..40).prop_map(Step::Push),
        Just(Step::Take),
        Just(Step::Take)
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn it_is_a_queue_with_a_bound(steps in steps()) {
        let (mut producer, mut consumer) = ends();
        let mut queue = VecDeque::new();
        for (number, step) in (0_u32..).zip(steps) {
            match step {
                Step::Push(len) => {
                    let message = vec![low(number); len];
                    let (first, second) = message.split_at(len / 3);
                    match producer.push(first, second).unwrap() {
                        true => queue.push_back(message),
                        false => prop_assert!(!queue.is_empty(), "an empty ring takes any message"),
                    }
                }
                Step::Take => prop_assert_eq!(take(&mut consumer), queue.pop_front()),
            }
            prop_assert_eq!(producer.used().unwrap() == 0, queue.is_empty());
        }
    }

    /// Whatever is written into the memory: no panic, and never more than a message at a time.
    #[test]
    fn who_lies_harms_nobody_else(
        lies in prop::collection::vec((0_usize..(256 + 1024) / 4, any::<u32>()), 1..60),
        small in any::<bool>(),
    ) {
        let ring = ring();
        let mut producer = Producer::new(ring.clone());
        let mut consumer = Consumer::new(ring.clone());
        let mut out = Vec::new();
        for (at, word) in lies {
            let word = if small { word % 128 * 8 } else { word };
            tamper(&ring, at * 4, word);
            tamper(&ring, if at % 2 == 0 { HEAD } else { TAIL }, word / 2);
            for _ in 0..3 {
                if consumer.take(&mut out).is_ok() {
                    prop_assert!(out.len() <= ring.max_message());
                }
                let _ = producer.push(b"truth", &[]);
                let _ = producer.consumer_sleeps();
                let _ = consumer.room_is_wanted();
                let _ = consumer.sleeps();
            }
        }
    }
}
