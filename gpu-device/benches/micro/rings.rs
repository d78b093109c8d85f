//! Chains out of a ring and answers into it, with a driver that writes the ring's memory directly.

use std::{fs::File, hint::black_box, sync::Arc};

use gpu_device::{
    gpu::Reply,
    vhost_user::{
        commands::{CommandRing, Scratch},
        features::Acked,
        queue::SplitQueue,
    },
};
use protocols::virtio_gpu::{Command, Header, Rect, Response};
use rustix::event::{EventfdFlags, eventfd};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::{device, harness::Operation};

/// Entries of the ring.
const ENTRIES: u16 = 256;

/// Where the ring's parts are, and the memory of requests and answers.
const TABLE: u64 = 0x1000;
const AVAILABLE: u64 = 0x3000;
const USED: u64 = 0x4000;
const REQUESTS: u64 = 0x10000;
const ANSWERS: u64 = 0x20000;

/// Bytes between two requests, and between two answers.
const STEP: u64 = 128;

/// The length of an answer.
const ANSWER: u32 = 24;

/// Descriptor flags: another one follows; the device writes.
const NEXT: u16 = 1;
const WRITE: u16 = 2;

pub const OPERATIONS: &[Operation] = &[
    Operation::new("ring/chain_in_and_out", || {
        let mut driver = Driver::new();
        let mut queue = SplitQueue::new().expect("a queue");
        queue.set_features(Acked::new(0).expect("no features"));
        queue.set_size(ENTRIES.into()).expect("a size");
        queue
            .set_addresses(TABLE, AVAILABLE, USED)
            .expect("addresses");
        queue.set_ready(true);
        let mut request = Vec::new();
        let answer = [0; ANSWER as usize];
        Ok(Box::new(move || {
            driver.offer(1);
            let mut queue = queue.open(&driver.map);
            let chain = queue.pop(&mut request, 4096);
            let chain = chain.expect("a ring").expect("a chain");
            let written = queue.complete(&chain, &answer);
            assert_eq!(black_box(written).expect("a ring"), ANSWER);
        }))
    }),
    Operation::new("ring/64_flushes_served", || {
        let mut driver = Driver::new();
        let mut ring = CommandRing::new("control").expect("a ring");
        ring.set_size(ENTRIES.into()).expect("a size");
        ring.set_addresses(&driver.map, [TABLE, AVAILABLE, USED])
            .expect("addresses");
        let kick = eventfd(0, EventfdFlags::CLOEXEC).expect("an eventfd");
        ring.set_kick(Some(File::from(kick)));
        ring.set_enabled(true);
        let mut scratch = Scratch::default();
        Ok(Box::new(move || {
            driver.offer(64);
            ring.look_at_it();
            let mut served = 0;
            ring.serve(&driver.map, &mut scratch, &mut |_, _| {
                served += 1;
                Reply::Now(Response::OkNodata)
            });
            assert_eq!(served, 64);
        }))
    }),
];

/// Offers the same chains again and again: a flush of 48 bytes, and room for its answer.
struct Driver {
    map: Arc<GuestMemoryMmap>,
    available: u16,
}

impl Driver {
    fn new() -> Self {
        let map = device::ram(1 << 20);
        let flush = Command::ResourceFlush {
            rect: Rect::from_size(64, 64),
            resource_id: 1,
        };
        let mut request = Vec::new();
        flush.encode(&Header::default(), &mut request);
        let len = u32::try_from(request.len()).expect("a short request");
        for chain in 0..ENTRIES / 2 {
            let (place, head) = (u64::from(chain) * STEP, chain * 2);
            map.write_slice(&request, GuestAddress(REQUESTS + place))
                .expect("memory");
            descriptor(&map, head, REQUESTS + place, len, (NEXT, head + 1));
            descriptor(&map, head + 1, ANSWERS + place, ANSWER, (WRITE, 0));
            for round in [chain, chain + ENTRIES / 2] {
                let place = AVAILABLE + 4 + 2 * u64::from(round);
                map.write_obj(head, GuestAddress(place)).expect("memory");
            }
        }
        Self { map, available: 0 }
    }

    /// Makes the next chains available.
    fn offer(&mut self, chains: u16) {
        self.available = self.available.wrapping_add(chains);
        self.map
            .write_obj(self.available, GuestAddress(AVAILABLE + 2))
            .expect("memory");
    }
}

fn descriptor(
    map: &GuestMemoryMmap,
    index: u16,
    address: u64,
    len: u32,
    (flags, next): (u16, u16),
) {
    let place = TABLE + 16 * u64::from(index);
    map.write_obj(address, GuestAddress(place)).expect("memory");
    map.write_obj(len, GuestAddress(place + 8)).expect("memory");
    map.write_obj([flags, next], GuestAddress(place + 12))
        .expect("memory");
}
