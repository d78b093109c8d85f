//! The driver against rust-vmm's back-end, in every dialect.

use std::sync::Arc;

use protocols::virtio_gpu::{Command, ErrorCode, Format, Rect, Response};

use super::*;
use crate::testing::{OFFERED, Reaction, TestDevice, usual_answer};

fn options(dialect: Dialect) -> DriverOptions {
    let ram = RamOptions {
        size: 16 << 20,
        ..RamOptions::default()
    };
    DriverOptions {
        dialect,
        ram,
        ..DriverOptions::default()
    }
}

fn connect(device: &TestDevice, dialect: Dialect) -> Driver {
    Driver::connect(&device.socket, &options(dialect)).unwrap()
}

const LONG: Duration = Duration::from_secs(10);

#[test]
fn every_dialect_gets_a_command_through_and_the_answer_back() {
    for dialect in Dialect::ALL {
        let device = TestDevice::new();
        let mut driver = connect(&device, dialect);
        let modes = driver.display_info().unwrap();
        assert_eq!(modes[0].rect, Rect::from_size(640, 480), "{dialect:?}");
        assert_eq!(driver.assign_uuid(3).unwrap(), [3; 16], "{dialect:?}");
        driver.move_cursor(0, 1, (-5, 7)).unwrap();
        while driver.requests_under_way() > 0 {
            driver.poll(LONG).unwrap();
        }
        assert!(driver.take_failures().is_empty());
        assert_eq!(driver.config().unwrap().num_scanouts, 1, "{dialect:?}");
        drop(driver);
        assert_eq!(device.commands().len(), 3);
        device.join();
    }
}

#[test]
fn features_are_those_of_device_vmm_and_driver_together() {
    let taken = |dialect| {
        let device = TestDevice::new();
        let driver = connect(&device, dialect);
        assert_eq!(
            device.seen().features & !(1 << 30),
            driver.features(),
            "{dialect:?}"
        );
        assert_eq!(driver.frontend().offered_features() & 1 << 30, 0);
        driver.features()
    };
    let all = OFFERED & LINUX_FEATURES;
    assert_eq!(taken(Dialect::QemuGeneric), all);
    assert_eq!(taken(Dialect::Uml), all);
    assert_eq!(taken(Dialect::QemuGpu), all & !(1 << F_RESOURCE_BLOB));
    assert_eq!(taken(Dialect::Crosvm), all & !INDIRECT_DESC);
}

#[test]
fn a_fenced_flush_is_answered_when_the_device_says_so_and_others_overtake_it() {
    let device = TestDevice::with(|command| match command {
        Command::ResourceFlush { .. } => Reaction::Hold,
        other => Reaction::Answer(usual_answer(other)),
    });
    let mut driver = connect(&device, Dialect::QemuGeneric);
    let first = driver.flush_fenced(1, Rect::from_size(1, 1)).unwrap();
    let second = driver.flush_fenced(1, Rect::from_size(2, 2)).unwrap();
    driver.create_2d(2, Format::Bgrx8888, 16, 16).unwrap();

    assert!(driver.try_take(first).unwrap().is_none());
    let error = driver.wait(first, Duration::ZERO).unwrap_err();
    assert!(matches!(error, DriverError::Timeout { .. }), "{error}");

    assert_eq!(device.release(), 2);
    driver.wait(first, LONG).unwrap().done().unwrap();
    let answer = driver.wait(second, LONG).unwrap();
    answer.done().unwrap();
    assert_eq!(answer.header().unwrap().fence, Some(2));
    assert!(matches!(
        driver.wait(second, LONG),
        Err(DriverError::Dropped)
    ));
}

#[test]
fn a_long_list_of_entries_arrives_whole_in_every_shape() {
    let shapes = [
        (ChainShape::LINUX, 3),
        (ChainShape::LINUX_VMALLOC, 6),
        (ChainShape::WINDOWS, 6),
        (ChainShape::EDK2, 2),
        (ChainShape::torn(64), 194),
    ];
    for (shape, buffers) in shapes {
        let device = TestDevice::new();
        let mut driver = connect(&device, Dialect::QemuGeneric);
        driver.set_shape(shape);
        let entries: Vec<_> = (0..768u64)
            .map(|n| protocols::virtio_gpu::MemEntry {
                addr: n << 12,
                length: 4096,
            })
            .collect();
        driver.attach_backing(1, &entries).unwrap();
        assert_eq!(
            device.commands(),
            [Command::ResourceAttachBacking {
                resource_id: 1,
                entries
            }]
        );
        assert_eq!(device.seen().longest_chain, buffers, "{shape:?}");
    }
}

#[test]
fn more_commands_than_the_queue_holds_wait_for_room() {
    let device = TestDevice::new();
    let mut small = options(Dialect::QemuGeneric);
    small.queue_sizes = Some([4, 4]);
    small.shape = ChainShape::WINDOWS;
    let mut driver = Driver::connect(&device.socket, &small).unwrap();
    for resource_id in 1..=1000 {
        driver
            .tell(&Command::ResourceUnref { resource_id })
            .unwrap();
    }
    while driver.requests_under_way() > 0 {
        driver.poll(LONG).unwrap();
    }
    assert_eq!(device.commands().len(), 1000);
}

#[test]
fn requests_give_their_memory_back() {
    let device = TestDevice::new();
    let mut driver = connect(&device, Dialect::QemuGeneric);
    let before = driver.ram().available();
    driver.display_info().unwrap();
    driver.unref(1).unwrap();
    assert_eq!(driver.ram().available(), before);
}

#[test]
fn refusals_are_errors_where_one_waits_and_failures_where_not() {
    let device =
        TestDevice::with(|_| Reaction::Answer(Response::Err(ErrorCode::InvalidResourceId)));
    let mut driver = connect(&device, Dialect::QemuGeneric);
    assert_eq!(
        driver.unref(1).unwrap_err().code(),
        Some(ErrorCode::InvalidResourceId)
    );
    let unref = Command::ResourceUnref { resource_id: 1 };
    assert_eq!(
        driver.call(&unref).unwrap(),
        Response::Err(ErrorCode::InvalidResourceId)
    );

    driver.tell(&unref).unwrap();
    while driver.requests_under_way() > 0 {
        driver.poll(LONG).unwrap();
    }
    let failures = driver.take_failures();
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].code(), Some(ErrorCode::InvalidResourceId));
}

#[test]
fn the_machine_can_be_paused_with_a_flush_under_way() {
    // User Mode Linux has no pause.
    for dialect in [Dialect::QemuGpu, Dialect::QemuGeneric, Dialect::Crosvm] {
        let device = TestDevice::new();
        let mut driver = connect(&device, dialect);
        driver.unref(1).unwrap();
        driver.pause().unwrap();
        let ticket = driver
            .submit(&Command::ResourceUnref { resource_id: 2 }, true)
            .unwrap();
        driver.resume().unwrap();
        driver.wait(ticket, LONG).unwrap().done().unwrap();
        driver.unref(3).unwrap();
        assert_eq!(device.commands().len(), 3, "{dialect:?}");
        let sockets = if dialect == Dialect::QemuGpu { 2 } else { 0 };
        assert_eq!(device.seen().display_sockets, sockets);
    }
}

#[test]
fn a_reboot_starts_the_queues_over_and_drops_what_was_under_way() {
    for dialect in Dialect::ALL {
        let device = TestDevice::with(|command| match command {
            Command::ResourceFlush { .. } => Reaction::Hold,
            other => Reaction::Answer(usual_answer(other)),
        });
        let mut driver = connect(&device, dialect);
        driver.unref(1).unwrap();
        let held = driver.flush_fenced(1, Rect::from_size(1, 1)).unwrap();
        driver.unref(2).unwrap();
        driver.reboot().unwrap();
        assert!(
            matches!(driver.wait(held, LONG), Err(DriverError::Dropped)),
            "{dialect:?}"
        );
        assert_eq!(driver.new_resource_id(), 1);
        driver.display_info().unwrap();
        assert_eq!(
            device.seen().resets > 0,
            dialect == Dialect::QemuGpu,
            "{dialect:?}"
        );
    }
}

#[test]
fn memory_comes_and_goes_while_the_device_runs() {
    for dialect in Dialect::ALL {
        let device = TestDevice::new();
        let mut driver = connect(&device, dialect);
        let start = 8 << 30;
        driver.ram_mut().plug(start, 1 << 20).unwrap();
        driver.update_memory().unwrap();
        assert_eq!(
            device.seen().regions.last(),
            Some(&(start, 1 << 20)),
            "{dialect:?}"
        );
        driver.ram_mut().unplug(start).unwrap();
        driver.update_memory().unwrap();
        assert_eq!(device.seen().regions, [(0, 16 << 20)], "{dialect:?}");
        driver.unref(1).unwrap();
    }
}

#[test]
fn clearing_events_reaches_the_device_as_the_vmm_writes_it() {
    let written = |dialect| {
        let device = TestDevice::new();
        connect(&device, dialect).clear_events(1).unwrap();
        // The write is not acknowledged everywhere; the end of the connection comes after it.
        let seen = Arc::clone(&device.seen);
        device.join();
        std::mem::take(&mut seen.lock().unwrap().config)
    };
    let whole = vec![0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(written(Dialect::QemuGeneric), [(0, whole)]);
    assert_eq!(written(Dialect::Uml), [(4, vec![1, 0, 0, 0])]);
}

#[test]
fn a_device_that_dies_is_noticed_by_whoever_waits() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    drop(theirs);
    let error = Frontend::from_stream(ours, Dialect::QemuGeneric, LONG).unwrap_err();
    assert!(DriverError::from(error).is_gone());
}

#[test]
fn nobody_listening_is_one_clear_message() {
    let mut options = options(Dialect::QemuGeneric);
    options.timeout = Duration::from_millis(50);
    let error = Driver::connect(Path::new("/nonexistent/gpu.sock"), &options).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("Could not connect to the device at /nonexistent/gpu.sock"),
        "{text}"
    );
    assert!(text.contains("lucarne device"), "{text}");
}

#[test]
fn commands_of_3d_carry_their_context_and_their_timeline() {
    let device = TestDevice::with(|command| {
        Reaction::Answer(match command {
            Command::GetCapsetInfo { .. } => Response::OkCapsetInfo {
                capset_id: 2,
                max_version: 1,
                max_size: 4,
            },
            Command::GetCapset { .. } => Response::OkCapset(vec![1, 2, 3, 4]),
            Command::MapBlob { .. } => Response::OkMapInfo { map_info: 1 },
            other => usual_answer(other),
        })
    });
    let mut driver = connect(&device, Dialect::QemuGeneric);
    let info = driver.capset_info(0).unwrap();
    assert_eq!((info.id, info.version, info.size), (2, 1, 4));
    assert_eq!(driver.capset(2, 1).unwrap(), [1, 2, 3, 4]);

    let context = driver.new_context_id();
    driver.create_context(context, 2, "a name").unwrap();
    let mut stream = crate::virgl::Stream::new();
    stream.clear([0.0; 4]);
    driver.run_3d(context, &stream).unwrap();
    let ticket = driver
        .submit_3d(context, &stream, Timeline::Ring(3))
        .unwrap();
    driver.wait(ticket, LONG).unwrap().done().unwrap();
    driver.create_host_blob(context, 7, 99, 4096).unwrap();
    assert_eq!(driver.map_blob(7, 4096).unwrap(), 1);
    driver.unmap_blob(7).unwrap();
    driver.destroy_context(context).unwrap();

    let seen = device.seen();
    let headers: Vec<_> = seen
        .commands
        .iter()
        .skip(2)
        .map(|(header, _)| (header.ctx_id, header.fence, header.ring_idx))
        .collect();
    assert_eq!(
        headers,
        [
            (1, None, None),
            (1, Some(1), None),
            (1, Some(2), Some(3)),
            (1, None, None),
            (0, None, None),
            (0, None, None),
            (1, None, None)
        ]
    );
    let Command::CtxCreate {
        context_init,
        name_length,
        debug_name,
    } = &seen.commands[2].1
    else {
        panic!("{:?}", seen.commands[2]);
    };
    assert_eq!((*context_init, *name_length), (2, 6));
    assert!(debug_name.starts_with(b"a name\0"));
    let Command::Submit3d { commands } = &seen.commands[3].1 else {
        panic!("{:?}", seen.commands[3]);
    };
    assert_eq!(*commands, stream.to_bytes());
}
