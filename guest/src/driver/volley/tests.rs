//! Volleys against rust-vmm's back-end.

use protocols::virtio_gpu::{ErrorCode, Rect, Response};

use super::*;
use crate::{
    driver::{ChainShape, DriverOptions},
    frontend::Dialect,
    ram::RamOptions,
    testing::{Reaction, TestDevice, usual_answer},
};

const LONG: Duration = Duration::from_secs(10);

fn driver(device: &TestDevice, dialect: Dialect, shape: ChainShape) -> Driver {
    let options = DriverOptions {
        dialect,
        shape,
        ram: RamOptions {
            size: 16 << 20,
            ..RamOptions::default()
        },
        queue_sizes: Some([16, 8]),
        ..DriverOptions::default()
    };
    Driver::connect(&device.socket, &options).unwrap()
}

fn transfers(count: u32) -> Vec<Command> {
    let transfer = |resource_id| Command::TransferToHost2d {
        rect: Rect::from_size(1, 1),
        offset: 0,
        resource_id,
    };
    (0..count).map(transfer).collect()
}

#[test]
fn every_volley_reaches_the_device_whole_and_in_order() {
    for (dialect, shape, capacity) in [
        (Dialect::QemuGeneric, ChainShape::LINUX, 16),
        (Dialect::QemuGeneric, ChainShape::EDK2, 8),
        (Dialect::Crosvm, ChainShape::LINUX, 8),
        (Dialect::Uml, ChainShape::LINUX, 16),
    ] {
        let device = TestDevice::new();
        let driver = driver(&device, dialect, shape);
        let wanted = transfers(capacity);
        assert_eq!(
            Volley::capacity(&driver, &wanted[0]),
            usize::try_from(capacity).unwrap()
        );
        let mut volley = Volley::new(driver, &wanted, false).unwrap();
        for _ in 0..5 {
            volley.fire(LONG).unwrap();
        }
        volley.fire_and_check(LONG).unwrap();
        let seen = device.commands();
        assert_eq!(seen.len(), 6 * wanted.len());
        for commands in seen.chunks(wanted.len()) {
            assert_eq!(commands, wanted, "{dialect:?}");
        }
        drop(volley);
        device.join();
    }
}

#[test]
fn commands_without_an_answer_take_an_entry_each() {
    let device = TestDevice::new();
    let driver = driver(&device, Dialect::QemuGeneric, ChainShape::EDK2);
    let command = Command::MoveCursor {
        scanout_id: 0,
        x: 1,
        y: 2,
        resource_id: 3,
        hot_x: 0,
        hot_y: 0,
    };
    assert_eq!(Volley::capacity(&driver, &command), 8);
    let mut volley = Volley::new(driver, &vec![command; 8], false).unwrap();
    volley.fire(LONG).unwrap();
    volley.fire_and_check(LONG).unwrap();
    assert_eq!(device.commands().len(), 16);
}

#[test]
fn fences_differ_within_a_volley_and_are_looked_for() {
    let device = TestDevice::new();
    let driver = driver(&device, Dialect::QemuGeneric, ChainShape::LINUX);
    let mut volley = Volley::new(driver, &transfers(3), true).unwrap();
    volley.fire_and_check(LONG).unwrap();
    let seen = device.seen();
    let mut fences: Vec<_> = seen
        .commands
        .iter()
        .map(|(header, _)| header.fence)
        .collect();
    fences.dedup();
    assert_eq!(fences.len(), 3);
    assert!(fences.iter().all(Option::is_some));
}

#[test]
fn a_refused_command_is_named() {
    let device = TestDevice::with(|command| {
        Reaction::Answer(match command {
            Command::TransferToHost2d { resource_id: 2, .. } => {
                Response::Err(ErrorCode::InvalidResourceId)
            }
            other => usual_answer(other),
        })
    });
    let driver = driver(&device, Dialect::QemuGeneric, ChainShape::LINUX);
    let mut volley = Volley::new(driver, &transfers(4), false).unwrap();
    volley.fire(LONG).unwrap();
    let error = volley.fire_and_check(LONG).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::InvalidResourceId));
}

#[test]
fn a_device_that_answers_not_all_is_given_up_on() {
    let device = TestDevice::with(|command| match command {
        Command::TransferToHost2d { resource_id: 1, .. } => Reaction::Hold,
        other => Reaction::Answer(usual_answer(other)),
    });
    let driver = driver(&device, Dialect::QemuGeneric, ChainShape::LINUX);
    let mut volley = Volley::new(driver, &transfers(2), false).unwrap();
    let error = volley.fire(Duration::from_millis(20)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("2 times TransferToHost2d"), "{text}");
}

#[test]
fn more_commands_than_the_queue_takes_are_refused() {
    let device = TestDevice::new();
    let driver = driver(&device, Dialect::QemuGeneric, ChainShape::LINUX);
    let error = Volley::new(driver, &transfers(17), false).unwrap_err();
    assert!(matches!(
        error,
        DriverError::Queue(QueueError::Full { wanted: 17, .. })
    ));
}
