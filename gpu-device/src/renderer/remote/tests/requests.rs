//! What is asked and answered.

use std::os::fd::OwnedFd;

use protocols::virtio_gpu::{ErrorCode, MAX_REQUEST, MemEntry, Rect};

use super::{super::*, fixture::*};
use crate::{
    memory::{GuestRam, SharedMemory, testing},
    renderer::{Done, Target, Timeline},
};

const RING: Timeline = Timeline::Ring {
    context: 1,
    ring: 5,
};

#[test]
fn the_first_process_says_what_it_offers() {
    let fixture = Fixture::new();
    let [capset] = Renderer::capsets(&fixture.remote) else {
        panic!("one capset");
    };
    assert_eq!((capset.id, capset.version, capset.data.len()), (2, 2, 4));
    assert_eq!(fixture.remote.versions().library, "fake");
}

#[test]
fn answers_come_in_the_order_of_requests() {
    let mut fixture = Fixture::new();
    let sent: Vec<_> = (0..1000)
        .map(|resource| fixture.send(Request::Unref(resource)))
        .collect();
    assert_eq!(fixture.tickets(1000), sent);
}

#[test]
fn a_request_that_fails_says_why() {
    let mut fixture = Fixture::new();
    let failed = fixture.ask(Request::Submit {
        context: 1,
        commands: b"fail",
    });
    assert!(matches!(failed, Err(ErrorCode::InvalidParameter)));
    assert!(matches!(fixture.ask(Request::Nothing), Ok(Done::Nothing)));
}

#[test]
fn a_fence_holds_up_its_own_timeline_only() {
    let mut fixture = Fixture::new();
    fixture.say(b"hold");
    let device = fixture.send_fenced(fence(1, Timeline::Device), Request::Nothing);
    let ring = fixture.send_fenced(fence(1, RING), Request::Nothing);
    let plain = fixture.send(Request::Nothing);
    assert_eq!(fixture.tickets(2)[1], plain);

    let free = fixture.say(b"free");
    let mut seen = fixture.tickets(3);
    seen.sort_unstable();
    assert_eq!(seen, [device, ring, free]);
}

#[test]
fn fences_that_no_descriptor_tells_of_are_reached_nevertheless() {
    let mut fixture = Fixture::new();
    fixture.say(b"late");
    fixture.tickets(1);
    let sent: Vec<_> = (1..20)
        .map(|id| fixture.send_fenced(fence(id, Timeline::Device), Request::Nothing))
        .collect();
    assert_eq!(fixture.tickets(sent.len()), sent);
}

#[test]
fn a_guest_may_number_its_fences_as_it_likes() {
    let mut fixture = Fixture::new();
    fixture.say(b"late");
    fixture.tickets(1);
    let ids = [7, 7, 3, 0, u64::MAX, 1];
    let sent: Vec<_> = ids
        .map(|id| fixture.send_fenced(fence(id, Timeline::Device), Request::Nothing))
        .to_vec();
    assert_eq!(fixture.tickets(sent.len()), sent);
}

#[test]
fn a_context_that_is_destroyed_does_not_hold_its_answers() {
    let mut fixture = Fixture::new();
    fixture.say(b"hold");
    fixture.tickets(1);
    let held = fixture.send_fenced(fence(1, RING), Request::Nothing);
    let destroyed = fixture.send(Request::DestroyContext(1));
    assert_eq!(fixture.tickets(2), [held, destroyed]);
}

#[test]
fn what_finds_no_room_waits_and_keeps_its_place() {
    let mut fixture = Fixture::new();
    let commands = vec![7; MAX_REQUEST];
    // Several times what fits into the ring, while the process is busy.
    let mut sent = vec![fixture.say(b"slow")];
    for resource in 0..20 {
        sent.push(fixture.send(Request::Submit {
            context: 1,
            commands: &commands,
        }));
        sent.push(fixture.send(Request::Unref(resource)));
    }
    assert_eq!(fixture.tickets(sent.len()), sent);
}

#[test]
fn what_is_too_long_is_refused_and_harms_nothing() {
    let mut fixture = Fixture::new();
    let refused = fixture.ask(Request::Submit {
        context: 1,
        commands: &vec![0; MAX_REQUEST + 1],
    });
    assert!(matches!(refused, Err(ErrorCode::Unspec)));
    assert!(fixture.ask(Request::Nothing).is_ok());
}

#[test]
fn backings_are_the_guests_memory_of_the_time() {
    let mut fixture = Fixture::new();
    let (first, second) = (testing::memfd(0x4000), testing::memfd(0x2000));
    let map = testing::map(&[
        (0x1000, 0x2000, &first, 0x2000),
        (0x8000, 0x2000, &second, 0),
    ]);
    let ram = GuestRam::new(map.clone());
    testing::write(&map, 0x2ffe, b"ab");
    testing::write(&map, 0x8000, b"cd");
    let entry = |addr, length| MemEntry { addr, length };
    let entries = [entry(0x2ffe, 2), entry(0x8000, 2)];

    let attach = |resource| Request::AttachBacking {
        resource,
        entries: &entries,
    };
    assert!(
        matches!(fixture.ask(attach(1)), Err(ErrorCode::InvalidParameter)),
        "before there is any"
    );
    fixture.remote.ram_changed(&ram);
    assert!(fixture.ask(attach(1)).is_ok());
    assert_eq!(fixture.mapped(1), b"abcd");
    testing::write(&map, 0x8000, b"xy");
    assert_eq!(fixture.mapped(1), b"abxy", "not a copy");

    // The VMM takes it away: what was attached keeps its pages, nothing new is found there.
    fixture
        .remote
        .ram_changed(&testing::ram(&[(0x8000, 0x2000, &first, 0)]));
    assert_eq!(fixture.mapped(1), b"abxy");
    assert!(matches!(
        fixture.ask(attach(2)),
        Err(ErrorCode::InvalidParameter)
    ));
    fixture.remote.ram_changed(&GuestRam::default());
    assert!(matches!(
        fixture.ask(Request::AttachBacking {
            resource: 2,
            entries: &entries[1..]
        }),
        Err(ErrorCode::InvalidParameter)
    ));
}

#[test]
fn pixels_are_read_back_into_memory_that_is_lent() {
    let mut fixture = Fixture::new();
    let memory = SharedMemory::new(8192).unwrap();
    let lent = fixture.remote.lend(&memory).unwrap();
    let other = fixture
        .remote
        .lend(&SharedMemory::new(4096).unwrap())
        .unwrap();
    assert_ne!(lent, other);
    let read_back = |offset| Request::ReadBack {
        resource: 0x0403_0201,
        part: Rect::from_size(1, 1),
        target: Target {
            memory: lent,
            offset,
            stride: 4,
        },
    };
    assert!(fixture.ask(read_back(4096)).is_ok());
    let mut pixel = [0_u8; 4];
    memory.slice(4096, 4).unwrap().copy_to(&mut pixel);
    assert_eq!(pixel, [1, 2, 3, 4]);

    fixture.remote.take_back(lent);
    assert!(matches!(fixture.ask(read_back(0)), Err(ErrorCode::Unspec)));
}

#[test]
fn a_picture_of_other_memory_than_dma_bufs_is_no_picture() {
    let mut fixture = Fixture::new();
    let before = descriptors();
    for _ in 0..10 {
        let exported = fixture.ask(Request::Export(1));
        assert!(matches!(exported, Ok(Done::NotExported(_))));
    }
    assert_eq!(descriptors(), before);
}

#[test]
fn a_driver_that_starts_anew_hears_nothing_of_the_old_one() {
    let mut fixture = Fixture::new();
    let memory = SharedMemory::new(4096).unwrap();
    let lent = fixture.remote.lend(&memory).unwrap();
    fixture.say(b"hold");
    for id in 1..10 {
        fixture.send_fenced(fence(id, Timeline::Device), Request::Nothing);
    }
    fixture.say(b"slow");
    fixture.remote.reset();
    let first = fixture.create_context();
    assert_eq!(fixture.tickets(1), [first]);
    let read_back = Request::ReadBack {
        resource: 1,
        part: Rect::from_size(1, 1),
        target: Target {
            memory: lent,
            offset: 0,
            stride: 4,
        },
    };
    assert!(fixture.ask(read_back).is_ok(), "memory stays lent");
    assert_eq!(fixture.remote.losses(), 0);
}

#[test]
fn the_process_has_what_it_needs_and_nothing_else() {
    // A descriptor that another part of the program has left open, as all of them: closed on exec.
    let _other: (OwnedFd, OwnedFd) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let mut spawn = spawn("children::fake");
    spawn.environment = vec![
        ("WAYLAND_DISPLAY".into(), "wayland-7".into()),
        ("MESA_DEBUG".into(), "1".into()),
    ];
    let mut fixture = Fixture::with(spawn);
    let about = fixture.about();

    // What this program was itself started with is not of our making; it has the same number here.
    let is_inherited = |link: &(&str, &str)| {
        let ours = std::fs::read_link(format!("/proc/self/fd/{}", link.0));
        ours.is_ok_and(|ours| ours.as_os_str() == link.1)
    };
    let links = about.lines().filter_map(|line| line.strip_prefix("fd "));
    let links: Vec<_> = links
        .filter_map(|link| link.split_once(' '))
        .filter(|link| !link.1.starts_with("/proc/") && !is_inherited(link))
        .map(|link| link.1)
        .collect();
    let of = |kind: &str| links.iter().filter(|link| link.starts_with(kind)).count();
    // Its standard input is the socket for descriptors, of which it has two more; the bell.
    assert_eq!(of("socket:"), 4, "{links:?}");
    assert_eq!(of("/dev/null"), 1, "{links:?}");
    assert_eq!(of("/memfd:"), 1, "{links:?}");
    assert_eq!(links.len(), 6, "{links:?}");

    let has = |line: &str| about.lines().any(|other| other == line);
    assert!(!has("variable WAYLAND_DISPLAY"));
    assert!(has("variable MESA_DEBUG"));
    assert!(has("core Some(0)"), "{about}");
}
