//! What guests' devices and the compositor say to each other in `lucarne-guest-v1`.

use std::time::Duration;

use compositor::{
    backend::{Change, Monitor},
    desktop::Placement,
    render::RendererChoice,
    wayland::protocols::guest::{CursorMode, GuestCursor},
};
use protocols::wayland::client::{
    lucarne_guest_cursor_v1::{LucarneGuestCursorV1, Mode as Moved},
    lucarne_guest_manager_v1::{Leds, LucarneGuestManagerV1},
    lucarne_guest_scanout_v1::LucarneGuestScanoutV1,
};
use smithay::{input::keyboard::LedState, output::Mode, utils::Transform};
use wayland_client::protocol::wl_surface::WlSurface;

use crate::{
    client::{Announced, Bgrx, Window, rgba},
    fixture::{ClientId, Fixture, output, renderers},
};

const INTERFACE: &str = "lucarne_guest_manager_v1";

const RED: Bgrx = [0, 0, 255, 0];
const GREEN: Bgrx = [0, 255, 0, 0];
const BLUE: Bgrx = [255, 0, 0, 0];
const WHITE: Bgrx = [255, 255, 255, 0];

/// Some refreshes.
const REST: Duration = Duration::from_millis(30);

fn mode(width: i32, height: i32) -> Mode {
    Mode {
        size: (width, height).into(),
        refresh: 240_000,
    }
}

fn wall() -> Monitor {
    Monitor {
        make: "DEL".to_owned(),
        model: "Wall".to_owned(),
        serial: "ABC".to_owned(),
        millimetres: (500, 300),
        ..Monitor::new("left", mode(200, 150))
    }
}

fn kiosk() -> Fixture {
    let right = Monitor::new("right", mode(100, 80));
    Fixture::kiosk(RendererChoice::Pixman, vec![wall(), right])
}

/// What a device hears of the wall.
fn of_wall() -> Announced {
    Announced {
        scanout: 0,
        make: "DEL".to_owned(),
        model: "Wall".to_owned(),
        serial: "ABC".to_owned(),
        millimetres: (500, 300),
        pixels: (200, 150),
        millihertz: 240_000,
        whole: true,
        unplugged: false,
    }
}

/// What a device hears of a scanout without a monitor.
fn unplugged(scanout: u32) -> Announced {
    Announced {
        scanout,
        unplugged: true,
        ..Announced::default()
    }
}

/// What a device was told since the last time.
fn told(fixture: &mut Fixture, id: ClientId) -> Vec<Announced> {
    fixture.round_trip(id);
    std::mem::take(&mut fixture.client(id).seen.announcements.all)
}

fn show(fixture: &mut Fixture, id: ClientId, surface: &WlSurface, size: (u32, u32), colour: Bgrx) {
    fixture.round_trip(id);
    let client = fixture.client(id);
    let buffer = client.plain_buffer(size, colour);
    client.present(surface, &buffer);
    fixture.round_trip(id);
}

/// A guest's device whose window shows a scanout of this size in red.
fn guest(fixture: &mut Fixture, size: (u32, u32)) -> (ClientId, LucarneGuestScanoutV1, Window) {
    let id = fixture.add_guest("a");
    let client = fixture.client(id);
    let scanout = client.guest_scanout(0);
    let window = client.window();
    scanout.set_window(&window.surface);
    show(fixture, id, &window.surface, size, RED);
    (id, scanout, window)
}

/// A pointer that is shown: four pixels a side, green.
fn pointer(
    fixture: &mut Fixture,
    id: ClientId,
    scanout: &LucarneGuestScanoutV1,
) -> (WlSurface, LucarneGuestCursorV1) {
    let (surface, cursor) = fixture.client(id).guest_cursor(scanout);
    cursor.show();
    show(fixture, id, &surface, (4, 4), GREEN);
    (surface, cursor)
}

fn cursor(fixture: &mut Fixture) -> Option<GuestCursor> {
    fixture.state().guest_cursor("a", 0)
}

fn frames(fixture: &mut Fixture) -> u64 {
    fixture.state().counters("left").unwrap().frames()
}

/// Whether a pixel of the output `left` is of the pointer.
fn is_pointer(fixture: &mut Fixture, x: u32, y: u32) -> bool {
    fixture.screenshot("left").pixel(x, y) == Some(rgba(GREEN))
}

#[test]
fn only_guests_devices_see_the_protocol() {
    let mut fixture = Fixture::new();
    let ordinary = fixture.add_client();
    assert!(!fixture.client(ordinary).has_global(INTERFACE));
    let device = fixture.add_guest("a");
    assert_eq!(fixture.client(device).version(INTERFACE), 1);
}

#[test]
fn a_device_knows_its_monitors_before_it_shows_anything() {
    let mut fixture = kiosk();
    let id = fixture.add_guest("a");
    let client = fixture.client(id);
    client.guest_scanout(0);
    client.guest_scanout(1);
    client.guest_scanout(2);
    let told = told(&mut fixture, id);
    assert_eq!(told[0], of_wall());
    let second = Announced {
        scanout: 1,
        pixels: (100, 80),
        millihertz: 240_000,
        whole: true,
        ..Announced::default()
    };
    assert_eq!(told[1..], [second, unplugged(2)]);
}

#[test]
fn a_headless_guest_has_a_part_of_its_monitor() {
    let outputs = vec![output("HEADLESS-1", 256, 192)];
    let mut fixture = Fixture::with(RendererChoice::Pixman, outputs);
    let (id, ..) = guest(&mut fixture, (64, 48));
    let told = told(&mut fixture, id);
    let [told] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((told.pixels, told.millihertz), ((256, 192), 240_000));
    assert!(!told.whole);
}

#[test]
fn a_device_is_told_once_when_its_monitor_changes() {
    let mut fixture = kiosk();
    let (id, ..) = guest(&mut fixture, (200, 150));
    assert_eq!(told(&mut fixture, id), [of_wall()]);

    let left = fixture.monitor("left");
    let change = Change {
        mode: Some(mode(160, 120)),
        ..Change::default()
    };
    fixture.state().change_output(left, &change);
    let smaller = Announced {
        pixels: (160, 120),
        ..of_wall()
    };
    assert_eq!(told(&mut fixture, id), std::slice::from_ref(&smaller));
    fixture.state().change_output(left, &change);
    assert_eq!(told(&mut fixture, id), []);

    let change = Change {
        transform: Some(Transform::_90),
        ..Change::default()
    };
    fixture.state().change_output(left, &change);
    let turned = Announced {
        pixels: (120, 160),
        millimetres: (300, 500),
        ..smaller
    };
    assert_eq!(told(&mut fixture, id), [turned]);
}

/// A window that is resized: as many pixels more as there are millimetres.
#[test]
fn a_device_is_told_how_large_its_monitor_has_become() {
    let mut fixture = kiosk();
    let (id, ..) = guest(&mut fixture, (200, 150));
    told(&mut fixture, id);
    let left = fixture.monitor("left");
    let change = Change {
        mode: Some(mode(160, 120)),
        millimetres: Some((42, 32)),
        ..Change::default()
    };
    fixture.state().change_output(left, &change);
    let resized = Announced {
        pixels: (160, 120),
        millimetres: (42, 32),
        ..of_wall()
    };
    assert_eq!(told(&mut fixture, id), [resized]);
}

#[test]
fn a_device_is_told_when_its_window_goes_to_another_monitor() {
    let mut fixture = kiosk();
    let (id, ..) = guest(&mut fixture, (200, 150));
    told(&mut fixture, id);
    fixture.unplug("left");
    let moved = told(&mut fixture, id);
    assert_eq!(moved.len(), 1, "{moved:?}");
    assert_eq!((moved[0].pixels, &*moved[0].model), ((100, 80), ""));
    fixture.unplug("right");
    assert_eq!(told(&mut fixture, id), [unplugged(0)]);
    fixture.plug(wall());
    assert_eq!(told(&mut fixture, id), [of_wall()]);
}

#[test]
fn a_device_is_told_which_of_its_monitors_is_unplugged() {
    let mut fixture = kiosk();
    let (id, ..) = guest(&mut fixture, (200, 150));
    fixture.client(id).guest_scanout(1);
    told(&mut fixture, id);
    fixture.unplug("right");
    assert_eq!(told(&mut fixture, id), [unplugged(1)]);
    fixture.plug(Monitor::new("right", mode(100, 80)));
    let back = told(&mut fixture, id);
    assert_eq!(back.len(), 1, "{back:?}");
    assert_eq!((back[0].scanout, back[0].pixels), (1, (100, 80)));

    // The first one moves to the monitor that is left, and leaves none for the second.
    fixture.unplug("left");
    let mut moved = told(&mut fixture, id);
    moved.sort_by_key(|told| told.scanout);
    assert_eq!(moved.len(), 2, "{moved:?}");
    assert_eq!(moved[0].pixels, (100, 80));
    assert_eq!(moved[1], unplugged(1));
}

#[test]
fn a_guest_that_another_one_hides_keeps_its_monitor() {
    let mut fixture = Fixture::kiosk(RendererChoice::Pixman, vec![wall()]);
    let (id, ..) = guest(&mut fixture, (200, 150));
    fixture.add_guest("b");
    told(&mut fixture, id);
    for name in ["b", "a"] {
        fixture.state().focus_guest(name).unwrap();
        assert_eq!(told(&mut fixture, id), [], "{name} is shown");
    }
}

#[test]
fn a_device_that_starts_without_any_monitor_hears_of_the_first() {
    let mut fixture = Fixture::kiosk(RendererChoice::Pixman, Vec::new());
    let id = fixture.add_guest("a");
    fixture.client(id).guest_scanout(0);
    assert_eq!(told(&mut fixture, id), [unplugged(0)]);
    fixture.plug(wall());
    assert_eq!(told(&mut fixture, id), [of_wall()]);
}

#[test]
fn a_picture_in_picture_has_a_size_of_its_own() {
    let mut fixture = kiosk();
    let placement = Placement {
        position: Some((10, 10)),
        ..Placement::default()
    };
    fixture.state().place_guest("a", placement);
    let id = fixture.add_guest("a");
    fixture.client(id).guest_scanout(0);
    let part = Announced {
        whole: false,
        ..of_wall()
    };
    assert_eq!(told(&mut fixture, id), [part]);
}

#[test]
fn a_window_shows_the_scanout_that_its_device_says() {
    let mut fixture = kiosk();
    let id = fixture.add_guest("a");
    let client = fixture.client(id);
    let scanout = client.guest_scanout(1);
    let window = client.window();
    scanout.set_window(&window.surface);
    show(&mut fixture, id, &window.surface, (100, 80), BLUE);
    let windows = fixture.state().windows();
    assert_eq!(windows[0].scanout, Some(1));
    assert_eq!(windows[0].output, "right");
    assert_eq!(fixture.state().guest_cursor("a", 1), None);
}

#[test]
fn a_pointer_is_where_its_hotspot_and_its_guest_say() {
    for renderer in renderers() {
        let mut fixture = Fixture::kiosk(renderer, vec![wall()]);
        let (id, scanout, _window) = guest(&mut fixture, (200, 150));
        let (surface, pointer) = pointer(&mut fixture, id, &scanout);
        pointer.move_to(50, 40);
        fixture.round_trip(id);
        assert!(is_pointer(&mut fixture, 50, 40));
        assert!(is_pointer(&mut fixture, 53, 43));
        assert!(!is_pointer(&mut fixture, 49, 40));
        assert!(!is_pointer(&mut fixture, 54, 40));

        // The hotspot comes with the next image.
        pointer.set_hotspot(3, 2);
        fixture.round_trip(id);
        assert!(is_pointer(&mut fixture, 53, 43));
        show(&mut fixture, id, &surface, (4, 4), GREEN);
        assert!(is_pointer(&mut fixture, 47, 38));
        assert!(!is_pointer(&mut fixture, 51, 42));
        let known = cursor(&mut fixture).unwrap();
        assert_eq!(known.hotspot, (3, 2).into());
        assert_eq!(known.position, (50, 40).into());
        assert_eq!(known.corner(), (47, 38).into());
    }
}

#[test]
fn moves_are_drawn_without_a_commit_of_anything() {
    let mut fixture = kiosk();
    let (id, scanout, _window) = guest(&mut fixture, (200, 150));
    let (_surface, pointer) = pointer(&mut fixture, id, &scanout);
    // The pointer's first frame is under way.
    fixture.run_for(REST);
    for x in 1..=20 {
        let before = frames(&mut fixture);
        pointer.move_to(x * 5, 20);
        fixture.round_trip(id);
        fixture.wait_until("the pointer is drawn", |fixture| frames(fixture) > before);
    }
    // It is there already.
    fixture.run_for(REST);
    let before = frames(&mut fixture);
    pointer.move_to(100, 20);
    fixture.round_trip(id);
    fixture.run_for(REST);
    assert_eq!(frames(&mut fixture), before);
}

#[test]
fn a_picture_of_a_guest_has_its_pointer() {
    let mut fixture = kiosk();
    let (id, scanout, _window) = guest(&mut fixture, (64, 48));
    let (_surface, pointer) = pointer(&mut fixture, id, &scanout);
    pointer.move_to(10, 20);
    fixture.round_trip(id);
    let picture = fixture.guest_screenshot("a", 0);
    assert_eq!(picture.pixel(9, 20), Some(rgba(RED)));
    assert_eq!(picture.pixel(10, 20), Some(rgba(GREEN)));
}

#[test]
fn a_pointer_is_scaled_as_its_guests_picture_is() {
    let mut fixture = kiosk();
    let (id, scanout, _window) = guest(&mut fixture, (100, 75));
    let (_surface, pointer) = pointer(&mut fixture, id, &scanout);
    pointer.move_to(10, 20);
    fixture.round_trip(id);
    assert!(is_pointer(&mut fixture, 20, 40));
    assert!(is_pointer(&mut fixture, 27, 47));
    assert!(!is_pointer(&mut fixture, 29, 47));
}

#[test]
fn a_pointer_of_a_window_that_its_device_scales_is_in_the_guests_pixels() {
    let mut fixture = kiosk();
    let id = fixture.add_guest("a");
    let client = fixture.client(id);
    let scanout = client.guest_scanout(0);
    let window = client.window();
    scanout.set_window(&window.surface);
    client.viewport(&window.surface).set_destination(200, 150);
    show(&mut fixture, id, &window.surface, (100, 75), RED);
    let (_surface, pointer) = pointer(&mut fixture, id, &scanout);
    pointer.move_to(10, 20);
    fixture.round_trip(id);
    assert!(is_pointer(&mut fixture, 20, 40));
    assert!(is_pointer(&mut fixture, 27, 47));
    assert!(!is_pointer(&mut fixture, 29, 47));
}

#[test]
fn a_pointer_is_seen_only_while_its_guest_shows_it_and_has_an_image() {
    let mut fixture = kiosk();
    let (id, scanout, _window) = guest(&mut fixture, (200, 150));
    let (surface, pointer) = fixture.client(id).guest_cursor(&scanout);
    show(&mut fixture, id, &surface, (4, 4), GREEN);
    let visible = |fixture: &mut Fixture| {
        fixture.round_trip(id);
        let visible = cursor(fixture).unwrap().visible;
        assert_eq!(is_pointer(fixture, 1, 1), visible);
        visible
    };
    assert!(!visible(&mut fixture), "hidden at first");
    pointer.show();
    assert!(visible(&mut fixture));
    pointer.hide();
    assert!(!visible(&mut fixture));
    pointer.show();
    surface.attach(None, 0, 0);
    surface.commit();
    assert!(!visible(&mut fixture));
}

#[test]
fn a_pointer_far_away_does_no_harm() {
    for renderer in renderers() {
        let mut fixture = Fixture::kiosk(renderer, vec![wall()]);
        let (id, scanout, _window) = guest(&mut fixture, (100, 75));
        let (surface, pointer) = pointer(&mut fixture, id, &scanout);
        for (x, y) in [
            (i32::MAX, i32::MAX),
            (i32::MIN, i32::MIN),
            (i32::MAX - 2, 0),
            (0, i32::MIN + 2),
            (-2, -2),
        ] {
            for hotspot in [0, i32::MAX, i32::MIN] {
                pointer.move_to(x, y);
                pointer.set_hotspot(hotspot, 0);
                show(&mut fixture, id, &surface, (4, 4), GREEN);
                fixture.run_for(Duration::from_millis(10));
                assert!(!is_pointer(&mut fixture, 100, 75));
            }
        }
    }
}

#[test]
fn a_pointer_goes_with_its_objects() {
    let mut fixture = kiosk();
    let (id, scanout, _window) = guest(&mut fixture, (200, 150));
    let (surface, first) = pointer(&mut fixture, id, &scanout);
    assert!(is_pointer(&mut fixture, 1, 1));
    first.destroy();
    fixture.round_trip(id);
    assert_eq!(cursor(&mut fixture), None);
    assert!(!is_pointer(&mut fixture, 1, 1));

    // Another one, also on the same surface; its hotspot begins anew.
    let handle = fixture.client(id).handle();
    let second = scanout.get_cursor(&surface, &handle, ());
    second.show();
    show(&mut fixture, id, &surface, (4, 4), GREEN);
    assert!(is_pointer(&mut fixture, 1, 1));
    surface.destroy();
    fixture.round_trip(id);
    assert_eq!(cursor(&mut fixture), None);
    second.destroy();

    pointer(&mut fixture, id, &scanout);
    assert!(is_pointer(&mut fixture, 1, 1));
    scanout.destroy();
    fixture.round_trip(id);
    assert_eq!(cursor(&mut fixture), None);
    assert!(!is_pointer(&mut fixture, 1, 1));
}

#[test]
fn who_moves_a_pointer_is_known() {
    let mut fixture = kiosk();
    let (id, scanout, _window) = guest(&mut fixture, (200, 150));
    let (_surface, pointer) = pointer(&mut fixture, id, &scanout);
    assert_eq!(cursor(&mut fixture).unwrap().mode, CursorMode::Relative);
    pointer.set_mode(Moved::Absolute);
    fixture.round_trip(id);
    assert_eq!(cursor(&mut fixture).unwrap().mode, CursorMode::Absolute);
}

#[test]
fn a_pointer_of_a_guest_that_is_not_seen_is_not_seen() {
    let mut fixture = Fixture::kiosk(RendererChoice::Pixman, vec![wall()]);
    let (id, scanout, _window) = guest(&mut fixture, (200, 150));
    pointer(&mut fixture, id, &scanout);
    let other = fixture.add_guest("b");
    let window = fixture.client(other).scanout(0);
    show(&mut fixture, other, &window.surface, (200, 150), WHITE);
    fixture.state().focus_guest("b").unwrap();
    assert!(!is_pointer(&mut fixture, 1, 1));
    fixture.state().focus_guest("a").unwrap();
    assert!(is_pointer(&mut fixture, 1, 1));
}

#[test]
fn a_guests_lights_are_lit_while_it_has_the_keyboard() {
    let mut fixture = kiosk();
    let (id, ..) = guest(&mut fixture, (200, 150));
    let manager: LucarneGuestManagerV1 = fixture.client(id).bind();
    manager.set_leds(Leds::CapsLock | Leds::ScrollLock);
    fixture.round_trip(id);
    let lit = LedState {
        caps: Some(true),
        num: Some(false),
        scroll: Some(true),
    };
    assert_eq!(fixture.state().leds(), lit);
    manager.destroy();
    fixture.round_trip(id);
    assert_ne!(fixture.state().leds(), lit);
}

/// What a device is disconnected for.
fn error_of(does: impl FnOnce(&mut Fixture, ClientId)) -> (String, u32) {
    let mut fixture = kiosk();
    let id = fixture.add_guest("a");
    does(&mut fixture, id);
    let error = fixture.wait_for_protocol_error(id);
    (error.object_interface, error.code)
}

#[test]
fn mistakes_end_a_devices_connection() {
    let manager = |code| (INTERFACE.to_owned(), code);
    let scanout = |code| ("lucarne_guest_scanout_v1".to_owned(), code);
    for number in [16, u32::MAX] {
        let error = error_of(|fixture, id| drop(fixture.client(id).guest_scanout(number)));
        assert_eq!(error, manager(0), "scanout {number}");
    }
    let error = error_of(|fixture, id| {
        fixture.client(id).guest_scanout(3);
        fixture.client(id).guest_scanout(3);
    });
    assert_eq!(error, manager(1));
    let error = error_of(|fixture, id| {
        let client = fixture.client(id);
        client.guest_scanout(0).set_window(&client.surface());
    });
    assert_eq!(error, scanout(0), "no toplevel");
    let error = error_of(|fixture, id| {
        let client = fixture.client(id);
        let window = client.window();
        let handle = client.handle();
        client
            .guest_scanout(0)
            .get_cursor(&window.surface, &handle, ());
    });
    assert_eq!(error, scanout(0), "a window as a pointer");
    let error = error_of(|fixture, id| {
        let client = fixture.client(id);
        let scanout = client.guest_scanout(0);
        client.guest_cursor(&scanout);
        client.guest_cursor(&scanout);
    });
    assert_eq!(error, scanout(1));
}

#[test]
fn objects_outlive_each_other_in_any_order() {
    let mut fixture = kiosk();
    let (id, scanout, window) = guest(&mut fixture, (200, 150));
    let (surface, pointer) = pointer(&mut fixture, id, &scanout);
    window.toplevel.destroy();
    window.xdg_surface.destroy();
    window.surface.destroy();
    fixture.round_trip(id);
    pointer.move_to(1, 1);
    pointer.set_hotspot(1, 1);
    surface.destroy();
    fixture.round_trip(id);
    pointer.set_hotspot(2, 2);
    pointer.hide();
    scanout.destroy();
    fixture.round_trip(id);
    pointer.move_to(2, 2);
    pointer.show();
    pointer.destroy();
    fixture.round_trip(id);
    // The number is free again.
    fixture.client(id).guest_scanout(0);
    fixture.round_trip(id);
    assert!(fixture.client(id).protocol_error().is_none());
}
