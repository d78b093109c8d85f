//! Monitors that come, go and change while clients are connected.

use std::{fs, time::Duration};

use compositor::{
    backend::{Change, Headless, Monitor},
    desktop::Policy,
    render::RendererChoice,
};
use smithay::{output::Mode, utils::Transform};
use wayland_client::protocol::wl_output;

use crate::{
    client::{Bgrx, Shown, Window, rgba},
    fixture::{ClientId, Fixture},
};

const RED: Bgrx = [0, 0, 255, 0];

fn mode(width: i32, height: i32) -> Mode {
    Mode {
        size: (width, height).into(),
        refresh: 240_000,
    }
}

fn fixture(monitors: &[&str]) -> Fixture {
    let backend = Headless::default();
    let mut fixture = Fixture::assemble(backend, RendererChoice::Pixman, Policy::Headless);
    for name in monitors {
        fixture.plug(Monitor::new(*name, mode(200, 150)));
    }
    fixture
}

/// A client that listens to all monitors there are.
fn listener(fixture: &mut Fixture) -> ClientId {
    let id = fixture.add_client();
    fixture.client(id).bind_monitors();
    fixture.round_trip(id);
    id
}

fn guest(fixture: &mut Fixture) -> (ClientId, Window) {
    let id = fixture.add_guest("a");
    let window = fixture.client(id).scanout(0);
    fixture.client(id).bind_monitors();
    fixture.round_trip(id);
    (id, window)
}

fn present(fixture: &mut Fixture, id: ClientId, window: &Window) -> u32 {
    let client = fixture.client(id);
    let buffer = client.plain_buffer((64, 48), RED);
    client.present(&window.surface, &buffer)
}

fn shown(fixture: &mut Fixture, id: ClientId, frame: u32) -> Shown {
    fixture.wait_until("a frame is shown", |fixture| {
        fixture.client(id).seen.shown.contains_key(&frame)
    });
    fixture.client(id).seen.shown[&frame]
}

#[track_caller]
fn present_and_wait(fixture: &mut Fixture, id: ClientId, window: &Window) {
    let frame = present(fixture, id, window);
    let shown = shown(fixture, id, frame);
    assert!(matches!(shown, Shown::Presented { .. }), "{shown:?}");
}

#[test]
fn a_monitor_that_is_plugged_in_is_announced_with_all_it_says() {
    let mut fixture = fixture(&["left"]);
    let id = listener(&mut fixture);
    fixture.plug(Monitor {
        model: "Model".to_owned(),
        millimetres: (300, 200),
        scale: 2.0,
        transform: Transform::_90,
        ..Monitor::new("right", mode(400, 300))
    });
    fixture.round_trip(id);
    let client = fixture.client(id);
    assert_eq!(client.seen.monitors.globals.len(), 2);
    client.monitor(client.seen.monitors.globals[1]);
    fixture.round_trip(id);
    let told = fixture.client(id).seen.monitors.told("right");
    assert_eq!(told.position, (200, 0));
    assert_eq!(told.millimetres, (300, 200));
    assert_eq!(told.model, "Model");
    assert_eq!(told.mode, (400, 300, 240_000));
    assert_eq!(told.scale, 2);
    assert_eq!(told.transform, Some(wl_output::Transform::_90));
    let output = fixture.state().outputs().remove(1);
    assert_eq!((output.width, output.height), (300, 400), "turned");
}

#[test]
fn a_monitor_that_is_unplugged_is_withdrawn_and_the_others_move_up() {
    let mut fixture = fixture(&["left", "right"]);
    let id = listener(&mut fixture);
    assert_eq!(
        fixture.client(id).seen.monitors.told("right").position.0,
        200
    );
    let before = fixture.client(id).seen.monitors.globals.clone();
    fixture.unplug("left");
    fixture.round_trip(id);
    let monitors = &fixture.client(id).seen.monitors;
    assert_eq!(monitors.globals, before[1..]);
    assert_eq!(monitors.told("right").position.0, 0);
    assert_eq!(fixture.state().outputs().len(), 1);
}

#[test]
fn a_client_that_has_not_heard_yet_may_still_bind_what_was_unplugged() {
    let mut fixture = fixture(&["left", "right"]);
    let slow = fixture.add_client();
    let global = fixture.client(slow).seen.monitors.globals[0];
    fixture.unplug("left");
    fixture.client(slow).monitor(global);
    fixture.round_trip(slow);
    assert!(fixture.client(slow).protocol_error().is_none());
}

/// The client's object outlives the output by far.
#[test]
fn what_a_client_still_holds_of_an_unplugged_monitor_does_no_harm() {
    let mut fixture = fixture(&["left", "right"]);
    let id = listener(&mut fixture);
    let global = fixture.client(id).seen.monitors.globals[0];
    let held = fixture.client(id).monitor(global);
    fixture.unplug("left");
    // Somebody else tries to bind it until it is really gone.
    fixture.wait_until("the global is gone", |fixture| {
        let probe = fixture.add_client();
        fixture.client(probe).monitor(global);
        fixture.run_for(Duration::from_millis(200));
        // libwayland knows an error of the registry as one of its socket.
        let client = fixture.client(probe);
        let gone = client.protocol_error().is_some() || client.hung_up;
        fixture.kill(probe);
        gone
    });
    fixture.client(id).xdg_output(&held);
    fixture.round_trip(id);
    held.release();
    fixture.round_trip(id);
    assert!(fixture.client(id).protocol_error().is_none());
}

#[test]
fn a_change_is_told_and_drawn() {
    let mut fixture = fixture(&["left", "right"]);
    let id = listener(&mut fixture);
    let (guest, window) = guest(&mut fixture);
    present_and_wait(&mut fixture, guest, &window);
    let left = fixture.monitor("left");
    let change = Change {
        mode: Some(Mode {
            size: (320, 240).into(),
            refresh: 120_000,
        }),
        scale: Some(2.0),
        ..Change::default()
    };
    fixture.state().change_output(left, &change);
    fixture.round_trip(id);
    let monitors = &fixture.client(id).seen.monitors;
    assert_eq!(monitors.told("left").mode, (320, 240, 120_000));
    assert_eq!(monitors.told("left").scale, 2);
    assert_eq!(monitors.told("right").position.0, 160, "in logical pixels");

    let frame = present(&mut fixture, guest, &window);
    let Shown::Presented { refresh, .. } = shown(&mut fixture, guest, frame) else {
        panic!("the frame was never shown");
    };
    assert_eq!(refresh, Duration::from_nanos(8_333_333));
    let image = fixture.screenshot("left");
    assert_eq!((image.width, image.height), (320, 240));
    assert_eq!(image.pixel(63, 47), Some(rgba(RED)));
}

#[test]
fn a_change_of_nothing_is_not_told() {
    let mut fixture = fixture(&["left"]);
    let id = listener(&mut fixture);
    let done = fixture.client(id).seen.monitors.told("left").done;
    let left = fixture.monitor("left");
    fixture.state().change_output(left, &Change::default());
    fixture.round_trip(id);
    assert_eq!(fixture.client(id).seen.monitors.told("left").done, done);
}

#[test]
fn windows_are_told_which_monitors_they_are_on() {
    let mut fixture = fixture(&["left", "right"]);
    let (id, window) = guest(&mut fixture);
    present_and_wait(&mut fixture, id, &window);
    fixture.round_trip(id);
    let on = |fixture: &mut Fixture| -> Vec<String> {
        fixture.round_trip(id);
        let monitors = &fixture.client(id).seen.monitors;
        let on = monitors.of(&window.surface).into_iter();
        on.map(str::to_owned).collect()
    };
    assert_eq!(on(&mut fixture), ["left"]);
    fixture.unplug("left");
    fixture.wait_until("the window has moved", |fixture| on(fixture) == ["right"]);
    fixture.unplug("right");
    assert!(on(&mut fixture).is_empty());
}

#[test]
fn windows_are_told_the_scale_of_the_monitor_that_they_are_on() {
    let mut fixture = fixture(&["left"]);
    let id = fixture.add_client();
    let window = fixture.client(id).window();
    fixture.client(id).fractional_scale(&window.surface);
    fixture.round_trip(id);
    present_and_wait(&mut fixture, id, &window);
    assert_eq!(fixture.client(id).seen.monitors.scales, [120]);

    let scale = |scale| Change {
        scale: Some(scale),
        ..Change::default()
    };
    let left = fixture.monitor("left");
    fixture.state().change_output(left, &scale(1.5));
    present_and_wait(&mut fixture, id, &window);
    fixture.round_trip(id);
    assert_eq!(fixture.client(id).seen.monitors.scales, [120, 180]);

    fixture.plug(Monitor {
        scale: 2.0,
        ..Monitor::new("right", mode(100, 80))
    });
    fixture.unplug("left");
    present_and_wait(&mut fixture, id, &window);
    fixture.round_trip(id);
    assert_eq!(fixture.client(id).seen.monitors.scales, [120, 180, 240]);
}

#[test]
fn clients_live_on_without_any_monitor_and_are_shown_on_the_next() {
    let mut fixture = fixture(&["left"]);
    let (id, window) = guest(&mut fixture);
    let client = fixture.add_client();
    let ordinary = fixture.client(client).window();
    fixture.round_trip(client);
    present_and_wait(&mut fixture, id, &window);
    // Small, so that it does not cover the guest.
    let buffer = fixture.client(client).plain_buffer((32, 24), RED);
    let waits = fixture.client(client).present(&ordinary.surface, &buffer);
    fixture.unplug("left");

    // Nothing shows them, and their clients still are told to go on now and then.
    let guests = present(&mut fixture, id, &window);
    fixture.wait_until("the frame callback comes", |fixture| {
        fixture.client(id).seen.callbacks.contains(&guests)
    });
    assert!(!fixture.client(id).seen.shown.contains_key(&guests));
    assert_eq!(fixture.state().windows().len(), 2);
    assert_eq!(
        fixture.guest_screenshot("a", 0).pixel(0, 0),
        Some(rgba(RED))
    );

    fixture.plug(Monitor::new("new", mode(100, 80)));
    for (id, frame) in [(id, guests), (client, waits)] {
        shown(&mut fixture, id, frame);
    }
    assert_eq!(fixture.screenshot("new").pixel(63, 47), Some(rgba(RED)));
}

#[test]
fn monitors_that_come_and_go_leave_nothing_behind() {
    let mut fixture = fixture(&["left"]);
    let (id, window) = guest(&mut fixture);
    let buffer = fixture.client(id).plain_buffer((64, 48), RED);
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    let round = |fixture: &mut Fixture| {
        fixture.plug(Monitor::new("right", mode(100, 80)));
        fixture.round_trip(id);
        fixture.unplug("left");
        fixture.round_trip(id);
        fixture.plug(Monitor::new("left", mode(200, 150)));
        let frame = fixture.client(id).present(&window.surface, &buffer);
        shown(fixture, id, frame);
        fixture.unplug("right");
        fixture.round_trip(id);
    };
    round(&mut fixture);
    let before = open();
    for _ in 0..50 {
        round(&mut fixture);
    }
    assert_eq!(open(), before);
    assert_eq!(fixture.client(id).seen.monitors.globals.len(), 1);
}
