//! Hosts that go and come while a VMM is connected, and what the supervisor asks for.

use std::{io::IoSlice, mem::MaybeUninit, os::fd::AsFd, os::unix::net::UnixStream};

use protocols::ipc::{
    MachineState,
    device::{Asked, DeviceEvent, DeviceRequest},
};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::{fixture::HostIs, *};

fn attach_to(display: &str) -> DeviceRequest {
    DeviceRequest::Attach {
        display: Some(display.into()),
    }
}

fn answer(to: Asked) -> DeviceEvent {
    DeviceEvent::Answer { to, error: None }
}

#[track_caller]
fn refusal(event: DeviceEvent) -> String {
    match event {
        DeviceEvent::Answer {
            to: Asked::Attach,
            error: Some(error),
        } => error,
        other => panic!("it is {other:?}"),
    }
}

#[test]
fn a_guest_outlives_its_host_and_is_shown_whole_by_the_next() {
    let mut device = Device::start_at_home();
    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    show(&mut vmm);
    let before = flush(&device, &mut vmm, 1);
    device.report(presented(&before));
    assert_eq!(vmm.wait_for_answer().0.fence, Some(1));
    device.dialect();

    device.host(HostIs::Gone);
    device.report(DisplayEvent::Lost);
    assert_eq!(device.next_status(), DeviceEvent::Detached);
    // The guest draws on, and is answered though nobody sees it, while its host is looked for.
    let mut fence = 1;
    while device.calls().is_empty() {
        fence += 1;
        vmm.submit(
            fenced(fence),
            &Command::ResourceFlush {
                rect: WHOLE,
                resource_id: 1,
            },
        );
        assert_eq!(vmm.wait_for_answer().0.fence, Some(fence));
    }
    assert!(fence > 2);

    device.host(HostIs::Well);
    assert_eq!(device.next_status(), DeviceEvent::Attached);
    let after = device.frame();
    assert_ne!(after.buffer, before.buffer);
    assert_eq!(after.damage, [WHOLE]);
    assert!(
        device
            .calls()
            .iter()
            .all(|call| call == "Display(\"/home\")")
    );
    device.report(DisplayEvent::Ready(SCREEN));
    flush(&device, &mut vmm, fence + 1);
}

#[test]
fn a_host_that_says_nothing_does_not_stop_the_guest() {
    let mut device = Device::start_at_home();
    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    device.host(HostIs::Silent);
    device.report(DisplayEvent::Lost);
    // Two attempts have been given up by the time it is well again.
    let mut calls = 0;
    while calls < 2 {
        calls += device.calls().len();
        enabled_modes(vmm.command(Header::default(), &Command::GetDisplayInfo));
    }
    device.host(HostIs::Well);
    while device.next_status() != DeviceEvent::Attached {}
}

#[test]
fn a_detached_guest_stays_so_until_somebody_asks() {
    let mut device = Device::start_at_home();
    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    show(&mut vmm);
    flush(&device, &mut vmm, 1);
    device.dialect();

    device.ask(&DeviceRequest::Detach);
    assert_eq!(device.next_status(), DeviceEvent::Detached);
    assert_eq!(device.next_status(), answer(Asked::Detach));
    assert_eq!(vmm.wait_for_answer().0.fence, Some(1));
    assert!(device.with(|process| process.display().is_none()));
    assert_eq!(device.calls(), Vec::<String>::new());

    device.ask(&DeviceRequest::Attach { display: None });
    assert_eq!(device.next_status(), DeviceEvent::Attached);
    assert_eq!(device.next_status(), answer(Asked::Attach));
    assert_eq!(device.calls(), ["Display(\"/home\")"]);
    device.frame();
}

#[test]
fn a_guest_that_starts_unseen_is_shown_when_somebody_asks() {
    let mut device = Device::start_detached();
    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    show(&mut vmm);
    let redraw = Command::ResourceFlush {
        rect: WHOLE,
        resource_id: 1,
    };
    vmm.submit(fenced(1), &redraw);
    assert_eq!(vmm.wait_for_answer().0.fence, Some(1));
    device.dialect();

    device.ask(&DeviceRequest::Attach { display: None });
    assert_eq!(device.next_status(), DeviceEvent::Attached);
    let frame = device.frame();
    assert_eq!(frame.damage, [WHOLE]);
    device.report(DisplayEvent::Ready(SCREEN));
    vmm.submit(fenced(2), &redraw);
    let frame = device.frame();
    device.report(presented(&frame));
    assert_eq!(vmm.wait_for_answer().0.fence, Some(2));
}

#[test]
fn how_the_machine_is_every_host_is_told() {
    let mut device = Device::start_at_home();
    let told = |device: &Device| {
        device.with(|process| process.display().map(|display| display.machine.clone()))
    };
    let machine = |state| DeviceRequest::Machine { state: Some(state) };
    device.ask(&machine(MachineState::Paused));
    device.stats();
    assert_eq!(told(&device), Some(Some("paused".to_owned())));

    device.ask(&attach_to("/other"));
    while device.next_status() != DeviceEvent::Attached {}
    assert_eq!(told(&device), Some(Some("paused".to_owned())));

    while device.next_status() != answer(Asked::Attach) {}

    device.ask(&machine(MachineState::Running));
    device.stats();
    assert_eq!(told(&device), Some(None));
}

#[test]
fn a_guest_moves_to_another_display_and_stays_where_it_is_if_that_fails() {
    let mut device = Device::start_at_home();
    let mut vmm = Vmm::connect(&device);
    vmm.start_generic();
    show(&mut vmm);
    let first = flush(&device, &mut vmm, 1);
    device.dialect();

    device.host(HostIs::Gone);
    device.ask(&attach_to("/other"));
    let text = refusal(device.next_status());
    assert!(text.contains("Wayland display \"it\" failed"), "{text}");
    device.host(HostIs::Silent);
    device.ask(&attach_to("/other"));
    let text = refusal(device.next_status());
    assert!(text.contains("did not answer"), "{text}");
    assert!(device.with(|process| process.display().is_some()));

    device.host(HostIs::Well);
    device.ask(&attach_to("/other"));
    assert_eq!(device.next_status(), DeviceEvent::Attached);
    assert_eq!(device.next_status(), answer(Asked::Attach));
    assert_ne!(device.frame().buffer, first.buffer);

    // It is looked for there from now on.
    device.calls();
    device.report(DisplayEvent::Lost);
    assert_eq!(device.next_status(), DeviceEvent::Detached);
    assert_eq!(device.next_status(), DeviceEvent::Attached);
    assert_eq!(device.calls(), ["Display(\"/other\")"]);
}

#[test]
fn who_asks_last_is_served_and_the_others_are_told() {
    let mut device = Device::start_detached();
    device.host(HostIs::Silent);
    device.ask(&attach_to("/a"));
    device.ask(&attach_to("/b"));
    let text = refusal(device.next_status());
    assert!(text.contains("another display was asked for"), "{text}");
    device.ask(&DeviceRequest::Detach);
    let text = refusal(device.next_status());
    assert!(
        text.contains("did not answer") || text.contains("detached"),
        "{text}"
    );
}

#[test]
fn a_connection_may_come_with_the_request() {
    let mut device = Device::start_detached();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let mut line = serde_json::to_vec(&DeviceRequest::Attach { display: None }).unwrap();
    line.push(b'\n');
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [ours.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    sendmsg(
        device.status(),
        &[IoSlice::new(&line)],
        &mut control,
        SendFlags::empty(),
    )
    .unwrap();

    assert_eq!(device.next_status(), DeviceEvent::Attached);
    assert_eq!(device.next_status(), answer(Asked::Attach));
    assert!(device.calls()[0].starts_with("Socket("));
    // Nobody can call that one again.
    device.report(DisplayEvent::Lost);
    assert!(device.join().is_err());
}
