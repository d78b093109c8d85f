//! What the pointer looks like, and when it is seen at all.

use std::time::Duration;

use compositor::{backend::Monitor, render::RendererChoice, screenshot::Image};
use protocols::wayland::client::lucarne_guest_cursor_v1::{LucarneGuestCursorV1, Mode as Moved};
use smithay::{backend::input::InputEvent, output::Mode};
use wayland_protocols::wp::cursor_shape::v1::client::{
    wp_cursor_shape_device_v1::Shape, wp_cursor_shape_manager_v1::WpCursorShapeManagerV1,
};

use super::{Listener, two_monitors};
use crate::{
    client::{Bgrx, rgba},
    fixture::{ClientId, Fixture},
    hands::{Deed, TOUCH_SCREEN, WithHands as _, keys},
};

const GREEN: Bgrx = [0, 255, 0, 0];

fn shot(fixture: &mut Fixture) -> Image {
    fixture.screenshot("HEADLESS-1")
}

/// Makes the pointer a square of 8 pixels whose middle points.
fn draws_its_own(fixture: &mut Fixture, window: &Listener) {
    fixture.round_trip(window.id);
    let client = fixture.client(window.id);
    let serial = client.seen.entered.unwrap();
    let surface = client.surface();
    window.ears.pointer.set_cursor(serial, Some(&surface), 4, 4);
    let buffer = client.plain_buffer((8, 8), GREEN);
    client.present(&surface, &buffer);
    fixture.round_trip(window.id);
}

#[test]
fn a_pointer_is_seen_from_the_first_real_motion_on() {
    let mut fixture = Fixture::new();
    let without = shot(&mut fixture);
    let state = fixture.state();
    state.plug(crate::hands::MOUSE);
    state.click(keys::BTN_LEFT);
    state.move_by(0.0, 0.0);
    assert_eq!(shot(&mut fixture), without);
    fixture.state().move_by(1.0, 0.0);
    assert_ne!(shot(&mut fixture), without);
}

#[test]
fn a_pointer_goes_when_hands_touch_the_screen() {
    let mut fixture = Fixture::new();
    let without = shot(&mut fixture);
    let state = fixture.state();
    state.plug(TOUCH_SCREEN);
    state.move_by(1.0, 0.0);
    state.does(InputEvent::TouchDown {
        event: Deed {
            at: (0.5, 0.5),
            ..Deed::of(TOUCH_SCREEN)
        },
    });
    assert_eq!(shot(&mut fixture), without);
    fixture.state().move_by(1.0, 0.0);
    assert_ne!(shot(&mut fixture), without);
}

#[test]
fn a_window_may_draw_the_pointer_itself_and_hide_it() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (200, 150));
    fixture.state().move_by(1.0, 0.0);
    fixture.state().move_to(100.0 / 256.0, 100.0 / 192.0);
    draws_its_own(&mut fixture, &window);
    let image = shot(&mut fixture);
    for (x, y, is_pointer) in [
        (95, 100, false),
        (96, 96, true),
        (103, 103, true),
        (104, 100, false),
    ] {
        assert_eq!(
            image.pixel(x, y) == Some(rgba(GREEN)),
            is_pointer,
            "{x} {y}"
        );
    }
    fixture.state().move_by(20.0, 0.0);
    let image = shot(&mut fixture);
    assert_eq!(image.pixel(120, 100), Some(rgba(GREEN)));
    assert_ne!(image.pixel(98, 100), Some(rgba(GREEN)));
    let serial = fixture.client(window.id).seen.entered.unwrap();
    window.ears.pointer.set_cursor(serial, None, 0, 0);
    fixture.round_trip(window.id);
    let hidden = shot(&mut fixture);
    fixture.state().move_by(20.0, 0.0);
    assert_eq!(shot(&mut fixture), hidden);
}

#[test]
fn a_pointer_of_a_window_is_not_seen_over_another_one() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (100, 100));
    fixture.state().move_by(1.0, 0.0);
    fixture.state().move_to(50.0 / 256.0, 50.0 / 192.0);
    draws_its_own(&mut fixture, &window);
    fixture.state().move_to(200.0 / 256.0, 150.0 / 192.0);
    let image = shot(&mut fixture);
    assert_ne!(image.pixel(200, 150), Some(rgba(GREEN)));
}

#[test]
fn a_window_may_name_a_pointer() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (200, 150));
    fixture.state().move_by(1.0, 0.0);
    fixture.state().move_to(100.0 / 256.0, 100.0 / 192.0);
    fixture.round_trip(window.id);
    let arrow = shot(&mut fixture);
    let client = fixture.client(window.id);
    let shapes = client.bind::<WpCursorShapeManagerV1>().get_pointer(
        &window.ears.pointer,
        &client.handle(),
        (),
    );
    shapes.set_shape(client.seen.entered.unwrap(), Shape::Text);
    fixture.round_trip(window.id);
    assert_ne!(shot(&mut fixture), arrow);
}

/// The guest's device has not said anything about the pointer, so the guest draws its own.
#[test]
fn no_pointer_of_ours_is_seen_over_a_guest() {
    let mut fixture = Fixture::new();
    Listener::guest(&mut fixture, "one", 0, (256, 192));
    let without = shot(&mut fixture);
    fixture.state().move_by(10.0, 10.0);
    assert_eq!(shot(&mut fixture), without);
}

#[test]
fn a_pointer_between_two_monitors_is_seen_on_both() {
    let mut fixture = two_monitors();
    let right = Listener::new(&mut fixture, (256, 192));
    fixture.state().move_by(1.0, 0.0);
    fixture.state().move_to(254.0 / 456.0, 100.0 / 192.0);
    draws_its_own(&mut fixture, &right);
    let image = fixture.screenshot("HEADLESS-1");
    assert_eq!(image.pixel(255, 100), Some(rgba(GREEN)));
    // Two logical pixels of it are on the right, where each is two pixels wide.
    let image = fixture.screenshot("HEADLESS-2");
    assert_eq!(image.pixel(3, 200), Some(rgba(GREEN)));
    assert_ne!(image.pixel(4, 200), Some(rgba(GREEN)));
}

#[test]
fn a_pointer_that_moves_has_only_its_own_monitor_drawn() {
    let mut fixture = two_monitors();
    fixture.state().move_by(1.0, 0.0);
    fixture.state().move_to(400.0 / 456.0, 100.0 / 192.0);
    fixture.run_for(Duration::from_millis(50));
    let frames = |fixture: &mut Fixture| {
        ["HEADLESS-1", "HEADLESS-2"]
            .map(|output| fixture.state().counters(output).unwrap().frames())
    };
    let [left, right] = frames(&mut fixture);
    for _ in 0..20 {
        fixture.state().move_by(1.0, 0.0);
        fixture.run_for(Duration::from_millis(5));
    }
    let [left_after, right_after] = frames(&mut fixture);
    assert_eq!(left_after, left);
    assert!(right_after > right);
}

/// A guest whose picture is half as large as its monitor, and whose pointer is four of its pixels
/// a side, points with the second of them, and was last told by the guest to be at 80, 60.
fn guest_with_a_pointer(fixture: &mut Fixture) -> (ClientId, LucarneGuestCursorV1) {
    let id = fixture.add_guest("one");
    let client = fixture.client(id);
    let scanout = client.guest_scanout(0);
    let window = client.window();
    scanout.set_window(&window.surface);
    let (surface, cursor) = client.guest_cursor(&scanout);
    cursor.set_hotspot(1, 1);
    cursor.move_to(80, 60);
    cursor.show();
    fixture.round_trip(id);
    let client = fixture.client(id);
    let picture = client.plain_buffer((100, 75), [0, 0, 255, 0]);
    client.present(&window.surface, &picture);
    let image = client.plain_buffer((4, 4), GREEN);
    client.present(&surface, &image);
    fixture.round_trip(id);
    (id, cursor)
}

fn kiosk() -> Fixture {
    let mode = Mode {
        size: (200, 150).into(),
        refresh: 240_000,
    };
    Fixture::kiosk(RendererChoice::Pixman, vec![Monitor::new("left", mode)])
}

/// The top left corner of what is green.
fn green_at(fixture: &mut Fixture) -> Option<(u32, u32)> {
    let image = fixture.screenshot("left");
    (0..150)
        .flat_map(|y| (0..200).map(move |x| (x, y)))
        .find(|(x, y)| image.pixel(*x, *y) == Some(rgba(GREEN)))
}

#[test]
fn a_guests_pointer_that_follows_ours_is_where_ours_is_at_once() {
    let mut fixture = kiosk();
    let (id, cursor) = guest_with_a_pointer(&mut fixture);
    cursor.set_mode(Moved::Absolute);
    fixture.round_trip(id);
    assert_eq!(green_at(&mut fixture), Some((158, 118)));
    fixture.state().move_by(1.0, 0.0);
    fixture.state().move_to(50.0 / 200.0, 40.0 / 150.0);
    // The pixel 25, 20 of the guest's, less one, times two.
    assert_eq!(green_at(&mut fixture), Some((48, 38)));
    cursor.hide();
    fixture.round_trip(id);
    assert_eq!(green_at(&mut fixture), None);
    let hidden = fixture.screenshot("left");
    fixture.state().move_by(10.0, 0.0);
    assert_eq!(fixture.screenshot("left"), hidden, "nor is ours seen");
}

#[test]
fn a_guests_pointer_that_the_guest_moves_is_where_the_guest_says() {
    let mut fixture = kiosk();
    let (id, cursor) = guest_with_a_pointer(&mut fixture);
    fixture.state().move_by(1.0, 0.0);
    fixture.state().move_to(50.0 / 200.0, 40.0 / 150.0);
    assert_eq!(green_at(&mut fixture), Some((158, 118)));
    cursor.move_to(10, 10);
    fixture.round_trip(id);
    assert_eq!(green_at(&mut fixture), Some((18, 18)));
}

#[test]
fn a_guests_pointer_that_follows_ours_has_its_monitor_drawn_when_ours_moves() {
    let mut fixture = kiosk();
    let (id, cursor) = guest_with_a_pointer(&mut fixture);
    cursor.set_mode(Moved::Absolute);
    fixture.state().move_by(1.0, 0.0);
    fixture.round_trip(id);
    fixture.run_for(Duration::from_millis(50));
    let frames = |fixture: &mut Fixture| fixture.state().counters("left").unwrap().frames();
    let before = frames(&mut fixture);
    fixture.state().move_by(10.0, 0.0);
    fixture.wait_until("it is drawn", |fixture| frames(fixture) > before);
}
