//! The order of Linux's commands, as device-side traces of it show them.

use protocols::{edid, virtio_gpu::Response};

use super::*;
use crate::{
    driver::DriverOptions,
    frontend::Dialect,
    ram::RamOptions,
    testing::{Reaction, TestDevice, usual_answer},
};

fn connect(device: &TestDevice) -> Driver {
    let ram = RamOptions {
        size: 16 << 20,
        ..RamOptions::default()
    };
    let options = DriverOptions {
        ram,
        dialect: Dialect::QemuGeneric,
        ..DriverOptions::default()
    };
    Driver::connect(&device.socket, &options).unwrap()
}

/// The device's commands so far as short words; forgets them.
fn trace(device: &TestDevice, driver: &mut Driver) -> String {
    while driver.requests_under_way() > 0 {
        driver.poll(Duration::from_secs(10)).unwrap();
    }
    assert!(driver.take_failures().is_empty());
    let commands = std::mem::take(&mut device.seen().commands);
    let words: Vec<String> = commands
        .iter()
        .map(|(header, command)| {
            let fenced = if header.fence.is_some() { "!" } else { "" };
            format!("{}{fenced}", word(command))
        })
        .collect();
    words.join(" ")
}

fn word(command: &Command) -> String {
    match command {
        Command::GetEdid { scanout } => format!("edid{scanout}"),
        Command::GetDisplayInfo => "info".to_owned(),
        Command::ResourceCreate2d { resource_id, .. } => format!("create{resource_id}"),
        Command::ResourceCreateBlob { resource_id, .. } => format!("blob{resource_id}"),
        Command::ResourceAttachBacking { resource_id, .. } => format!("attach{resource_id}"),
        Command::ResourceUnref { resource_id } => format!("unref{resource_id}"),
        Command::TransferToHost2d { resource_id, .. } => format!("transfer{resource_id}"),
        Command::SetScanout { resource_id, .. } => format!("scanout{resource_id}"),
        Command::SetScanoutBlob { resource_id, .. } => format!("scanoutblob{resource_id}"),
        Command::ResourceFlush { resource_id, .. } => format!("flush{resource_id}"),
        Command::UpdateCursor { resource_id, .. } => format!("cursor{resource_id}"),
        Command::MoveCursor { resource_id, .. } => format!("move{resource_id}"),
        other => format!("{other:?}"),
    }
}

const SIZE: (u32, u32) = (64, 32);

fn picture() -> Vec<u8> {
    crate::pattern::image(Format::Bgrx8888, SIZE.0, SIZE.1, 1)
}

#[test]
fn a_2d_screen_flips_without_fences_and_sets_the_scanout_only_when_it_changes() {
    let device = TestDevice::new();
    let mut driver = connect(&device);
    let mut screen = Screen::new(&mut driver, 0, SIZE, ScreenOptions::default()).unwrap();
    assert_eq!(
        trace(&device, &mut driver),
        "create1 attach1 create2 attach2 scanout0"
    );

    for _ in 0..2 {
        assert_eq!(screen.flip(&mut driver, &picture()).unwrap(), None);
    }
    screen
        .update(
            &mut driver,
            &picture(),
            Rect {
                x: 8,
                y: 8,
                width: 8,
                height: 8,
            },
        )
        .unwrap();
    assert_eq!(
        trace(&device, &mut driver),
        "transfer1 scanout1 flush1 transfer2 scanout2 flush2 transfer2 flush2"
    );
    screen.resize(&mut driver, (32, 32)).unwrap();
    assert_eq!(
        trace(&device, &mut driver),
        "create3 attach3 create4 attach4 scanout0 unref1 unref2"
    );
    screen.destroy(&mut driver).unwrap();
    assert_eq!(trace(&device, &mut driver), "scanout0 unref3 unref4");
}

#[test]
fn a_blob_screen_flips_with_a_fence() {
    let device = TestDevice::new();
    let mut driver = connect(&device);
    let options = ScreenOptions {
        kind: BufferKind::Blob,
        ..ScreenOptions::default()
    };
    let mut screen = Screen::new(&mut driver, 0, SIZE, options).unwrap();
    let ticket = screen.flip(&mut driver, &picture()).unwrap();
    assert!(ticket.is_some());
    assert!(screen.wait(&mut driver, ticket).unwrap().is_some());
    assert_eq!(
        trace(&device, &mut driver),
        "blob1 blob2 scanout0 transfer1 scanoutblob1 flush1!"
    );
}

#[test]
fn a_flush_that_is_not_answered_is_waited_for_50_ms_and_not_longer() {
    let device = TestDevice::with(|command| match command {
        Command::ResourceFlush { .. } => Reaction::Hold,
        other => Reaction::Answer(usual_answer(other)),
    });
    let mut driver = connect(&device);
    let options = ScreenOptions {
        fencing: Fencing::Always,
        ..ScreenOptions::default()
    };
    let mut screen = Screen::new(&mut driver, 0, SIZE, options).unwrap();
    let ticket = screen.flip(&mut driver, &picture()).unwrap();
    let before = std::time::Instant::now();
    assert_eq!(screen.wait(&mut driver, ticket).unwrap(), None);
    assert!(before.elapsed() >= FLUSH_PATIENCE);

    device.release();
    assert!(
        trace(&device, &mut driver).ends_with("flush1!"),
        "the late answer is taken, too"
    );
}

#[test]
fn the_back_buffer_is_drawn_and_the_front_buffer_is_left_alone() {
    let device = TestDevice::new();
    let mut driver = connect(&device);
    let mut screen = Screen::new(&mut driver, 0, SIZE, ScreenOptions::default()).unwrap();
    let read = |driver: &Driver, buffer: &Framebuffer| {
        let mut bytes = vec![0; picture().len()];
        driver
            .ram()
            .read_backing(buffer.backing(), 0, &mut bytes)
            .unwrap();
        bytes
    };
    screen.flip(&mut driver, &picture()).unwrap();
    assert!(read(&driver, screen.front().unwrap()) == picture());
    assert!(
        read(&driver, screen.back().unwrap())
            .iter()
            .all(|&byte| byte == 0)
    );

    let white = vec![255; picture().len()];
    let damage = Rect {
        x: 3,
        y: 2,
        width: 5,
        height: 1,
    };
    screen.update(&mut driver, &white, damage).unwrap();
    let mut wanted = picture();
    wanted[4 * (2 * 64 + 3)..4 * (2 * 64 + 8)].fill(255);
    assert!(read(&driver, screen.front().unwrap()) == wanted);
}

#[test]
fn a_new_pointer_image_is_uploaded_behind_a_fence_before_it_is_shown() {
    let device = TestDevice::new();
    let mut driver = connect(&device);
    let pointer = Pointer::new(&mut driver, 0, BufferKind::Dumb2d, (1, 2)).unwrap();
    pointer
        .show(&mut driver, &[255; 64 * 64 * 4], (10, 20))
        .unwrap();
    pointer.move_to(&mut driver, (-3, 20)).unwrap();
    pointer.hide(&mut driver).unwrap();
    assert_eq!(
        trace(&device, &mut driver),
        "create1 attach1 transfer1! cursor1 move1 cursor0"
    );
}

#[test]
fn monitors_are_asked_for_edid_first() {
    let preferred = edid::Mode {
        width: 640,
        height: 480,
        millihertz: 60_000,
    };
    let edid = edid::Edid {
        manufacturer: *b"LUC",
        product: 1,
        serial: 1,
        serial_text: String::new(),
        name: "test".to_owned(),
        size: edid::PhysicalSize::default(),
        preferred,
    };
    let edid = edid.encode().unwrap();
    let answer = edid.clone();
    let device = TestDevice::with(move |command| {
        Reaction::Answer(match command {
            Command::GetEdid { .. } => Response::OkEdid(answer.clone()),
            other => usual_answer(other),
        })
    });
    let mut driver = connect(&device);
    let connectors = probe(&mut driver).unwrap();
    assert_eq!(trace(&device, &mut driver), "edid0 info");
    let wanted = Connector {
        scanout: 0,
        enabled: true,
        size: (640, 480),
        edid: Some(edid),
    };
    assert_eq!(connectors, [wanted]);
    let mode = connectors[0].preferred_mode().unwrap();
    assert_eq!((mode.width, mode.height), (640, 480));
    assert!(connectors[0].edid_mode_is_valid());
    let larger = Connector {
        size: (656, 480),
        ..connectors[0].clone()
    };
    assert!(!larger.edid_mode_is_valid(), "Linux would delete this mode");
}

#[test]
fn an_event_that_is_none_is_cleared_without_asking_again() {
    let device = TestDevice::new();
    let mut driver = connect(&device);
    assert_eq!(reprobe(&mut driver).unwrap(), None);
    assert_eq!(trace(&device, &mut driver), "");
}

#[test]
fn an_event_is_answered_by_asking_again_and_then_cleared() {
    let device = TestDevice::new();
    let mut driver = connect(&device);
    device.seen().events = 1;
    let connectors = reprobe(&mut driver).unwrap().unwrap();
    assert_eq!(connectors[0].size, (640, 480));
    assert_eq!(trace(&device, &mut driver), "edid0 info");
    // The write is not acknowledged, but what comes after it is.
    driver.config().unwrap();
    let written = std::mem::take(&mut device.seen().config);
    let [(0, bytes)] = written.as_slice() else {
        panic!("{written:?}")
    };
    assert_eq!(bytes[4..8], [1, 0, 0, 0]);
}
