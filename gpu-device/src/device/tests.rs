//! The whole process but for Wayland: a VMM on one side of the socket, a display that notes
//! everything down on the other.

mod attach;
mod fixture;
mod input;
mod managed;
mod vmm;

use std::time::{Duration, Instant};

use protocols::{
    ipc::device::{DeviceEvent, DeviceRequest},
    virtio_gpu::{
        Command, DisplayMode, EVENT_DISPLAY, ErrorCode, Format, Header, MemEntry, Rect, Response,
    },
};

use self::{fixture::Device, vmm::Vmm};
use crate::{
    display::{DisplayEvent, Frame, Monitor, ScanoutId, recording::Call},
    vhost_user::testing::{NEXT, WRITE},
};

/// The guest's framebuffer: resource 1 with pages of its own.
const WIDTH: u32 = 64;
const HEIGHT: u32 = 32;
const PIXELS: u64 = 0x8_0000;

const WHOLE: Rect = Rect {
    x: 0,
    y: 0,
    width: WIDTH,
    height: HEIGHT,
};
const SCREEN: ScanoutId = ScanoutId(0);

const HIDE_POINTER: Command = Command::UpdateCursor {
    scanout_id: 0,
    x: 0,
    y: 0,
    resource_id: 0,
    hot_x: 0,
    hot_y: 0,
};

fn fenced(fence: u64) -> Header {
    Header {
        fence: Some(fence),
        ..Header::default()
    }
}

/// What a driver sends once to show resource 1.
fn show(vmm: &mut Vmm) {
    let entries = vec![MemEntry {
        addr: vmm.ram.start + PIXELS,
        length: WIDTH * HEIGHT * 4,
    }];
    for command in [
        Command::ResourceCreate2d {
            resource_id: 1,
            format: Format::Bgrx8888.into(),
            width: WIDTH,
            height: HEIGHT,
        },
        Command::ResourceAttachBacking {
            resource_id: 1,
            entries,
        },
        Command::SetScanout {
            rect: WHOLE,
            scanout_id: 0,
            resource_id: 1,
        },
        Command::TransferToHost2d {
            rect: WHOLE,
            offset: 0,
            resource_id: 1,
        },
    ] {
        assert_eq!(
            vmm.command(Header::default(), &command),
            Response::OkNodata,
            "{command:?}"
        );
    }
}

/// Flushes resource 1 with a fence and waits until the frame is with the display.
fn flush(device: &Device, vmm: &mut Vmm, fence: u64) -> Frame {
    vmm.submit(
        fenced(fence),
        &Command::ResourceFlush {
            rect: WHOLE,
            resource_id: 1,
        },
    );
    device.frame()
}

fn presented(frame: &Frame) -> DisplayEvent {
    DisplayEvent::Presented {
        scanout: SCREEN,
        frame: frame.id,
        at: Some(Duration::from_secs(1)),
        refresh: Duration::from_millis(16),
        zero_copy: false,
    }
}

fn enabled_modes(response: Response) -> Vec<DisplayMode> {
    match response {
        Response::OkDisplayInfo(modes) => modes.into_iter().filter(|mode| mode.enabled).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_frame_is_answered_when_it_was_presented() {
    let device = Device::start();
    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    show(&mut vmm);
    let frame = flush(&device, &mut vmm, 7);
    assert!(vmm.answer_is_due().is_none());
    device.report(DisplayEvent::Ready(SCREEN));
    device.report(presented(&frame));
    let (header, response) = vmm.wait_for_answer();
    assert_eq!((header.fence, response), (Some(7), Response::OkNodata));
}

#[test]
fn an_unpresented_frame_is_answered_in_time() {
    let device = Device::start();
    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    show(&mut vmm);
    flush(&device, &mut vmm, 7);
    // Nothing is reported: only the deadline can answer.
    assert_eq!(vmm.wait_for_answer().0.fence, Some(7));
}

#[test]
fn deadlines_are_kept_for_a_guest_that_never_rests() {
    let device = Device::start();
    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    show(&mut vmm);
    flush(&device, &mut vmm, 7);
    let give_up = Instant::now() + fixture::PATIENCE;
    // Whenever the device wakes up there is a kick, which is served first.
    let (header, _) = loop {
        assert!(Instant::now() < give_up, "the flush was never answered");
        vmm.cursor_command(&HIDE_POINTER);
        if let Some(answer) = vmm.answer_is_due() {
            break answer;
        }
    };
    assert_eq!(header.fence, Some(7));
}

#[test]
fn qemus_gpu_device_starts_pauses_and_goes_on() {
    let mut device = Device::start();
    let mut vmm = Vmm::connect(&device);
    vmm.start_qemu_gpu([0, 0]);
    assert_eq!(device.dialect(), "qemu-vhost-user-gpu");
    let modes = enabled_modes(vmm.command(Header::default(), &Command::GetDisplayInfo));
    assert_eq!(modes.len(), 1);
    show(&mut vmm);
    let frame = flush(&device, &mut vmm, 1);

    // The guest is paused while its flush is held: the answer comes before the ring stops.
    let base = vmm.pause();
    assert_eq!(vmm.wait_for_answer().0.fence, Some(1));
    device.report(presented(&frame));
    device.report(DisplayEvent::Ready(SCREEN));

    // Its resources are still there when it goes on.
    vmm.go_on_qemu_gpu([base, 0]);
    flush(&device, &mut vmm, 2);
    assert_eq!(vmm.wait_for_answer().0.fence, Some(2));

    // Reset, and the next driver starts from nothing.
    vmm.pause();
    vmm.start_qemu_gpu([0, 0]);
    let gone = vmm.command(
        Header::default(),
        &Command::ResourceFlush {
            rect: WHOLE,
            resource_id: 1,
        },
    );
    assert_eq!(gone, Response::Err(ErrorCode::InvalidResourceId));
    show(&mut vmm);
}

/// What a driver sends once to show its own pages as resource 1.
fn show_blob(vmm: &mut Vmm) {
    let size = WIDTH * HEIGHT * 4;
    for command in [
        Command::ResourceCreateBlob {
            resource_id: 1,
            blob_mem: 1,
            blob_flags: 2,
            blob_id: 0,
            size: size.into(),
            entries: vec![MemEntry {
                addr: vmm.ram.start + PIXELS,
                length: size,
            }],
        },
        Command::SetScanoutBlob {
            rect: WHOLE,
            scanout_id: 0,
            resource_id: 1,
            width: WIDTH,
            height: HEIGHT,
            format: Format::Bgrx8888.into(),
            strides: [WIDTH * 4, 0, 0, 0],
            offsets: [0; 4],
        },
    ] {
        let answer = vmm.command(Header::default(), &command);
        assert_eq!(answer, Response::OkNodata, "{command:?}");
    }
}

#[test]
fn a_guest_s_own_pages_are_not_shown_any_more_once_it_is_stopped() {
    let mut device = Device::start_with_dma_bufs();
    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    show_blob(&mut vmm);
    let frame = flush(&device, &mut vmm, 1);
    device.report(presented(&frame));
    device.report(DisplayEvent::Ready(SCREEN));
    assert_eq!(vmm.wait_for_answer().0.fence, Some(1));

    // Perhaps it is only paused, perhaps another driver comes: its memory may become anything.
    vmm.pause();
    let copy = device.frame();
    assert_ne!(copy.buffer, frame.buffer);
    assert_eq!(copy.damage, [WHOLE]);

    vmm.start_generic();
    show_blob(&mut vmm);
    let frame = flush(&device, &mut vmm, 2);
    device.report(presented(&frame));
    device.report(DisplayEvent::Ready(SCREEN));
    assert_eq!(vmm.wait_for_answer().0.fence, Some(2));

    // A VMM that vanishes leaves nothing of it on the screen, either.
    drop(vmm);
    device.wait_for_disconnect();
    assert_ne!(device.frame().buffer, frame.buffer);
}

#[test]
fn user_mode_linux_is_recognised_and_may_probe_again() {
    let mut device = Device::start();
    let mut vmm = Vmm::connect_at(&device, 0x6000_0000, 0x6000_0000);
    vmm.start_uml();
    assert_eq!(device.dialect(), "user-mode-linux");
    show(&mut vmm);
    flush(&device, &mut vmm, 1);
    assert_eq!(vmm.wait_for_answer().0.fence, Some(1));

    vmm.probe_again_uml();
    show(&mut vmm);
    device.report(DisplayEvent::Ready(SCREEN));
    flush(&device, &mut vmm, 2);
    assert_eq!(vmm.wait_for_answer().0.fence, Some(2));
}

#[test]
fn a_vmm_may_vanish_in_the_middle_of_a_frame() {
    let mut device = Device::start();
    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    show(&mut vmm);
    let frame = flush(&device, &mut vmm, 1);
    drop(vmm);
    device.wait_for_disconnect();
    device.report(presented(&frame));
    let calls = device.with(|process| process.display().unwrap().recording.take_calls());
    assert!(
        !calls.contains(&Call::Disable(SCREEN)),
        "the window and its picture stay: {calls:?}"
    );

    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    show(&mut vmm);
    device.report(DisplayEvent::Ready(SCREEN));
    flush(&device, &mut vmm, 1);
    assert_eq!(vmm.wait_for_answer().0.fence, Some(1));
}

#[test]
fn a_second_vmm_waits_for_the_first_to_go() {
    let mut device = Device::start();
    let mut first = Vmm::connect(&device);
    first.start_generic();
    let second = std::thread::spawn({
        let mut second = Vmm::connect(&device);
        move || {
            second.start_generic();
            second.command(Header::default(), &Command::GetDisplayInfo)
        }
    });
    enabled_modes(first.command(Header::default(), &Command::GetDisplayInfo));
    assert!(!second.is_finished());
    drop(first);
    device.wait_for_disconnect();
    enabled_modes(second.join().unwrap());
}

#[test]
fn another_window_size_reaches_the_guest() {
    let device = Device::start();
    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    show(&mut vmm);
    device.report(DisplayEvent::Resized {
        scanout: SCREEN,
        width: 1600,
        height: 900,
        dpi: 96,
    });
    assert_eq!(vmm.channel_message(), [2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(vmm.config(0), EVENT_DISPLAY);
    let modes = enabled_modes(vmm.command(Header::default(), &Command::GetDisplayInfo));
    assert_eq!((modes[0].rect.width, modes[0].rect.height), (1600, 900));
    vmm.set_config(4, EVENT_DISPLAY);
    assert_eq!(vmm.config(0), 0);
}

#[test]
fn a_monitor_is_unplugged_and_plugged_in_for_the_guest() {
    let device = Device::start();
    device.report(DisplayEvent::Unplugged(SCREEN));
    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    let ask = |vmm: &mut Vmm| {
        enabled_modes(vmm.command(Header::default(), &Command::GetDisplayInfo)).len()
    };
    assert_eq!(ask(&mut vmm), 0, "there was none from the start");
    for plugged in [true, false, true] {
        device.report(match plugged {
            true => DisplayEvent::Monitor {
                scanout: SCREEN,
                monitor: Monitor::default(),
            },
            false => DisplayEvent::Unplugged(SCREEN),
        });
        assert_eq!(vmm.channel_message(), [2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(vmm.config(0), EVENT_DISPLAY);
        assert_eq!(ask(&mut vmm), usize::from(plugged));
        vmm.set_config(4, EVENT_DISPLAY);
        assert_eq!(vmm.config(0), 0);
    }
}

#[test]
fn qemus_gpu_device_is_not_told_that_its_monitor_is_unplugged() {
    let device = Device::start();
    device.report(DisplayEvent::Unplugged(SCREEN));
    let mut vmm = Vmm::connect(&device);
    vmm.start_qemu_gpu([0, 0]);
    let modes = enabled_modes(vmm.command(Header::default(), &Command::GetDisplayInfo));
    assert_eq!(modes.len(), 1, "it could not be told that it is back");
}

/// How many monitors the guest finds.
fn monitors(vmm: &mut Vmm) -> usize {
    let response = vmm.command(Header::default(), &Command::GetDisplayInfo);
    enabled_modes(response).len()
}

#[test]
fn what_closing_the_last_window_means_is_left_to_the_supervisor() {
    let mut device = Device::start();
    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    show(&mut vmm);
    flush(&device, &mut vmm, 1);
    device.report(DisplayEvent::CloseRequested(SCREEN));
    while device.next_status() != DeviceEvent::CloseRequested {}
    assert_eq!(monitors(&mut vmm), 1);
}

#[test]
fn monitor_comes_by_request_and_goes_with_its_window() {
    let mut device = Device::start();
    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    show(&mut vmm);
    flush(&device, &mut vmm, 1);
    assert_eq!(monitors(&mut vmm), 1);

    let size = Some((800, 600));
    device.ask(&DeviceRequest::Scanout { scanout: 1, size });
    assert_eq!(vmm.channel_message(), [2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(monitors(&mut vmm), 2);
    let other = Command::SetScanout {
        rect: WHOLE,
        scanout_id: 1,
        resource_id: 1,
    };
    assert_eq!(vmm.command(Header::default(), &other), Response::OkNodata);
    flush(&device, &mut vmm, 2);

    device.report(DisplayEvent::CloseRequested(ScanoutId(1)));
    assert_eq!(vmm.channel_message(), [2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(monitors(&mut vmm), 1);
    assert!(device.asked().contains(&Call::Disable(ScanoutId(1))));
}

#[test]
fn memory_may_change_while_a_flush_is_held() {
    let device = Device::start();
    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    show(&mut vmm);
    let frame = flush(&device, &mut vmm, 1);
    vmm.share_memory();
    device.report(presented(&frame));
    assert_eq!(vmm.wait_for_answer().0.fence, Some(1));
    device.report(DisplayEvent::Ready(SCREEN));
    let again = Command::TransferToHost2d {
        rect: WHOLE,
        offset: 0,
        resource_id: 1,
    };
    assert_eq!(vmm.command(Header::default(), &again), Response::OkNodata);
}

#[test]
fn half_a_message_of_the_vmm_does_not_stop_the_guest() {
    let device = Device::start();
    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    vmm.say(&[1, 0, 0, 0, 1, 0]);
    enabled_modes(vmm.command(Header::default(), &Command::GetDisplayInfo));
    vmm.say(&[0, 0, 0, 0, 0, 0]);
    assert_eq!(vmm.hear(20)[..4], [1, 0, 0, 0]);
}

#[test]
fn the_cursor_ring_needs_no_room_for_answers() {
    let device = Device::start();
    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    assert_eq!(vmm.cursor_command(&HIDE_POINTER), 0);
}

#[test]
fn a_hostile_ring_breaks_only_itself() {
    type Break = fn(&mut Vmm);
    let hostile: [(&str, Break); 4] = [
        ("circle", |vmm| {
            let ring = &mut vmm.rings[1];
            ring.descriptor(0, (0x8000, 4, NEXT), 1);
            ring.descriptor(1, (0x8000, 4, NEXT), 0);
            ring.offer(0);
        }),
        ("index", |vmm| vmm.rings[1].set_avail_index(20_000)),
        ("head", |vmm| vmm.rings[1].offer(60_000)),
        ("length", |vmm| {
            let head = vmm.rings[1].chain(&[(0, u32::MAX, 0), (0, u32::MAX, WRITE)]);
            vmm.rings[1].offer(head);
        }),
    ];
    for (what, attack) in hostile {
        let device = Device::start();
        let mut vmm = Vmm::connect(&device);
        vmm.start_generic();
        attack(&mut vmm);
        vmm.kick(1);
        enabled_modes(vmm.command(Header::default(), &Command::GetDisplayInfo));
        assert!(vmm.rings[1].take_used().is_none(), "{what}");
        // The front-end can still stop it, and the next driver starts it again.
        vmm.pause();
        vmm.start_generic();
        enabled_modes(vmm.command(Header::default(), &Command::GetDisplayInfo));
    }
}

#[test]
fn hostile_requests_are_answered_with_errors() {
    let device = Device::start();
    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    let answer = vmm.ram.start + 0x7_0000;
    let outside = vmm.ram.start + vmm.ram.len;
    let room = (answer, 24, WRITE);
    for parts in [
        vec![room],
        vec![(outside, 24, 0), room],
        vec![
            (vmm.ram.start, 1 << 19, 0),
            (vmm.ram.start, 1 << 19, 0),
            (answer, 1, 0),
            room,
        ],
        vec![(answer, 23, 0), room],
        vec![(answer, 0, 0), (answer, 0, WRITE), room],
    ] {
        vmm.ram.write(answer, &[0xee; 24]);
        let head = vmm.rings[0].chain(&parts);
        vmm.rings[0].offer(head);
        vmm.kick(0);
        assert_eq!(vmm.wait_for_used(0), (u32::from(head), 24), "{parts:?}");
        let response = Response::decode(&vmm.ram.read(answer, 24)).unwrap().1;
        assert_eq!(response, Response::Err(ErrorCode::Unspec), "{parts:?}");
    }
    // Nowhere to write to.
    let head = vmm.rings[0].chain(&[(answer, 24, 0), (outside, 24, WRITE)]);
    vmm.rings[0].offer(head);
    vmm.kick(0);
    assert_eq!(vmm.wait_for_used(0), (u32::from(head), 0));
}

#[test]
fn the_supervisor_gets_counters_and_ends_the_process() {
    let mut device = Device::start();
    assert_eq!(device.stats().dialect, None);
    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    show(&mut vmm);
    flush(&device, &mut vmm, 1);
    let stats = device.stats();
    assert_eq!(stats.dialect.as_deref(), Some("generic"));
    assert_eq!(stats.scanouts[0].frames_flushed, 1);
    let lacking: Vec<_> = stats.lacking.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(lacking, ["no_tablets"]);
    device.ask_to_quit();
    assert!(device.join().is_ok());
}

#[test]
fn the_loss_of_a_host_that_can_not_be_called_again_ends_the_process() {
    let device = Device::start();
    device.report(DisplayEvent::Lost);
    assert!(device.join().is_err());
}
