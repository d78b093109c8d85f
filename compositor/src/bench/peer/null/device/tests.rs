use std::{path::PathBuf, thread};

use guest::{
    driver::{Driver, DriverOptions},
    frontend::Dialect,
    kms::{BufferKind, Fencing, Screen, ScreenOptions, probe},
};
use protocols::edid::Mode;

use super::*;

/// A device on a thread of its own, which ends with the test's process.
fn start() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("gpu");
    let path = socket.clone();
    let monitor = Monitor {
        mode: Mode {
            width: 1280,
            height: 800,
            millihertz: 60_000,
        },
    };
    thread::spawn(move || run(&path, monitor).unwrap());
    (folder, socket)
}

#[test]
fn every_vmm_finds_a_device_that_does_all_that_is_asked_of_it() {
    let (_folder, socket) = start();
    for dialect in Dialect::ALL {
        let options = DriverOptions {
            dialect,
            ..DriverOptions::default()
        };
        let mut driver = Driver::connect(&socket, &options).unwrap();
        let connectors = probe(&mut driver).unwrap();
        let mode = connectors[0].preferred_mode().unwrap();
        assert_eq!((mode.width, mode.height), (1280, 800), "{dialect:?}");
        assert!(connectors[0].edid_mode_is_valid());

        let kind = BufferKind::of_linux(&driver);
        assert_eq!(kind == BufferKind::Blob, dialect != Dialect::QemuGpu);
        let options = ScreenOptions {
            kind,
            fencing: Fencing::Always,
            ..ScreenOptions::default()
        };
        let mut screen = Screen::new(&mut driver, 0, (64, 64), options).unwrap();
        for _ in 0..10 {
            let ticket = screen.flip_drawn(&mut driver).unwrap();
            assert!(screen.wait(&mut driver, ticket).unwrap().is_some());
        }
        driver.hide_cursor(0).unwrap();
        screen.destroy(&mut driver).unwrap();
        driver.reboot().unwrap();
        driver.display_info().unwrap();
        assert!(driver.take_failures().is_empty());
    }
}
