//! Hosts that say what makes no sense.

use wayland_protocols::wp::tablet::zv2::server::zwp_tablet_tool_v2::Type;

use super::*;

#[test]
fn surfaces_that_are_no_windows_have_no_hands() {
    let mut scene = Scene::seated();
    let image = CursorImage {
        width: 8,
        height: 8,
        hot_x: 0,
        hot_y: 0,
        pixels: vec![0; 256],
    };
    let show = CursorUpdate::Image { image, x: 0, y: 0 };
    scene.display.cursor(SCREEN, show);
    let pen = scene.host.plug_pen(Type::Pen);
    scene.forget_past();
    // The pointer's image.
    let surface = scene.host.wl_surface(1).clone();
    scene.host.focus(1, &[KEY_A]);
    scene.host.keyboard().key(2, 0, KEY_A, KeyState::Pressed);
    scene.host.keyboard().modifiers(2, 0, 0, 2, 0);
    scene.host.keyboard().leave(3, &surface);
    scene.host.point(4, 1, 1.0, 1.0);
    scene.host.pointer().motion(0, 1.0, 1.0);
    scene
        .host
        .pointer()
        .button(5, 0, BTN_LEFT, ButtonState::Pressed);
    scene.host.pointer().axis(0, Axis::VerticalScroll, 10.0);
    scene.host.pointer().frame();
    scene.host.touch().down(6, 0, &surface, 0, 1.0, 1.0);
    scene.host.touch().motion(0, 0, 2.0, 2.0);
    scene.host.touch().up(7, 0, 0);
    scene.host.touch().frame();
    pen.tool.proximity_in(8, &pen.tablet, &surface);
    pen.tool.motion(1.0, 1.0);
    pen.tool.down(9);
    pen.tool.frame(0);
    assert_eq!(scene.events(), []);
    assert_eq!(scene.log(), [""; 0]);
}

#[test]
fn keys_and_buttons_that_do_not_exist_are_not_pressed() {
    let mut scene = Scene::seated();
    let absurd = [0, 0x300, 0x1_0000 + KEY_A, u32::MAX];
    scene.host.focus(0, &absurd);
    scene.host.point(1, 0, 1.0, 1.0);
    scene.hands();
    for code in absurd {
        for pressed in [KeyState::Pressed, KeyState::Released] {
            scene.host.keyboard().key(2, 0, code, pressed);
        }
        for pressed in [ButtonState::Pressed, ButtonState::Released] {
            scene.host.pointer().button(2, 0, code, pressed);
            scene.host.pointer().frame();
        }
    }
    assert_eq!(scene.events(), []);
}

#[test]
fn a_keyboard_full_of_keys_is_not_believed() {
    let mut scene = Scene::seated();
    let keys: Vec<u32> = (1..0x300).collect();
    scene.host.focus(0, &keys);
    assert_eq!(scene.hands().len(), 1 + 64);
    scene.host.keyboard().leave(2, scene.host.wl_surface(0));
    assert_eq!(scene.hands(), [HostInput::KeyboardLeave]);
}

#[test]
fn who_comes_twice_lets_go_first() {
    let mut scene = Scene::seated();
    scene.host.focus(0, &[KEY_A]);
    scene.host.point(1, 0, 1.0, 1.0);
    scene
        .host
        .pointer()
        .button(2, 0, BTN_LEFT, ButtonState::Pressed);
    scene.host.pointer().frame();
    scene.hands();
    scene.host.focus(0, &[KEY_LEFTCTRL]);
    scene.host.point(3, 0, 2.0, 2.0);
    assert_eq!(
        scene.hands(),
        [
            key(KEY_A, false),
            HostInput::KeyboardEnter(SCREEN),
            key(KEY_LEFTCTRL, true),
            button(BTN_LEFT, false),
            HostInput::PointerLeave,
            HostInput::PointerEnter(at(2.0, 2.0)),
            HostInput::PointerFrame,
        ]
    );
}

#[test]
fn what_was_never_pressed_is_not_released_and_what_never_came_does_not_go() {
    let mut scene = Scene::seated();
    let surface = scene.host.wl_surface(0);
    scene.host.keyboard().leave(1, surface);
    scene.host.pointer().leave(1, surface);
    scene.host.pointer().frame();
    scene.host.touch().up(1, 0, 3);
    scene.host.touch().cancel();
    scene.host.touch().frame();
    assert_eq!(scene.events(), []);
    scene.host.focus(0, &[]);
    scene.host.point(1, 0, 1.0, 1.0);
    scene.hands();
    scene.host.keyboard().key(2, 0, KEY_A, KeyState::Released);
    scene
        .host
        .pointer()
        .button(2, 0, BTN_LEFT, ButtonState::Released);
    scene.host.pointer().frame();
    assert_eq!(scene.events(), []);
}

#[test]
fn absurd_places_and_distances_are_survived() {
    let mut scene = Scene::seated();
    scene.display.set_pointer_follows(true);
    let absurd = [f64::from(i32::MAX) / 256.0, f64::from(i32::MIN) / 256.0];
    for place in absurd {
        scene.host.point(1, 0, place, place);
        scene.host.pointer().motion(0, -place, place);
        scene.host.pointer().axis(0, Axis::VerticalScroll, place);
        let units = if place > 0.0 { i32::MAX } else { i32::MIN };
        let axis = Axis::HorizontalScroll;
        scene.host.pointer().axis_value120(axis, units);
        scene.host.pointer().axis_value120(axis, units);
        scene.host.pointer().frame();
        scene.host.pointer().leave(2, scene.host.wl_surface(0));
        scene.host.pointer().frame();
        let hands = scene.hands();
        let scrolled = hands.iter().any(|input| {
            matches!(
                input,
                HostInput::Scroll { horizontal, vertical }
                    if horizontal.unsigned_abs() == 12_000 && vertical.unsigned_abs() == 12_000
            )
        });
        assert!(scrolled, "{hands:?}");
    }
}

#[test]
fn a_hundred_hands_full_of_fingers_are_not_seen() {
    let mut scene = Scene::seated();
    let mut seen = 0;
    for id in 0..2000 {
        let surface = scene.host.wl_surface(0);
        scene.host.touch().down(1, 0, surface, id, 1.0, 1.0);
        scene.host.touch().frame();
        if id % 100 == 0 {
            seen += fingers(&scene.hands());
        }
    }
    seen += fingers(&scene.hands());
    assert_eq!(seen, 20);
    // One of those that were not seen.
    scene.host.touch().motion(0, 1000, 2.0, 2.0);
    scene.host.touch().up(2, 0, 1000);
    scene.host.touch().frame();
    assert_eq!(scene.hands(), []);
    scene.host.touch().cancel();
    assert_eq!(
        scene.hands(),
        [HostInput::TouchCancel, HostInput::TouchFrame]
    );
}

fn fingers(hands: &[HostInput]) -> usize {
    let is_down = |input: &&HostInput| matches!(input, HostInput::TouchDown { .. });
    hands.iter().filter(is_down).count()
}

#[test]
fn no_more_seats_and_pens_are_heard_than_there_can_be() {
    let mut scene = Scene::running_with(with_hands(HandOffer::ALL));
    for _ in 0..20 {
        scene.host.plug_seat(7);
    }
    scene.pump();
    assert_eq!(scene.host.desk.hands.seats.len(), 8);
    scene.forget_past();
    for _ in 0..40 {
        scene.host.plug_pen(Type::Pen);
        scene.pump();
    }
    let log = scene.log();
    assert_eq!(log.len(), 2 * 8, "those are given back at once: {log:?}");
}

#[test]
fn locks_that_flutter_are_reported_as_they_do() {
    let mut scene = Scene::seated();
    scene.host.point(1, 0, 1.0, 1.0);
    scene.grab(true, true);
    scene.pump();
    scene.hands();
    for _ in 0..3 {
        scene.host.lock().locked();
        scene.host.lock().locked();
        scene.host.lock().unlocked();
        assert_eq!(
            scene.hands(),
            [
                HostInput::PointerLocked(true),
                HostInput::PointerLocked(false)
            ]
        );
    }
    scene
        .host
        .relative()
        .relative_motion(0, 0, 5.0, 5.0, 5.0, 5.0);
    assert_eq!(scene.hands(), []);
}

#[test]
fn a_pointer_that_is_no_longer_the_seats_is_not_heard() {
    // Of version 2: it can't be released.
    let mut scene = Scene::seated_with(HandOffer::ALL, 2);
    scene.host.has(0, Capability::Keyboard);
    scene.pump();
    let old = scene.host.pointer().clone();
    scene.host.has(0, EVERYTHING);
    scene.pump();
    old.enter(1, scene.host.wl_surface(0), 1.0, 1.0);
    old.motion(0, 2.0, 2.0);
    assert_eq!(scene.events(), []);
    scene.host.point(2, 0, 3.0, 3.0);
    assert_eq!(
        scene.hands(),
        [
            HostInput::PointerEnter(at(3.0, 3.0)),
            HostInput::PointerFrame
        ]
    );
}
