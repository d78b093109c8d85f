//! Places, buttons and wheels.

use wayland_server::protocol::wl_pointer::AxisRelativeDirection;

use super::*;

const SCROLL: fn(i32, i32) -> HostInput = |horizontal, vertical| HostInput::Scroll {
    horizontal,
    vertical,
};

#[test]
fn places_are_the_guests_pixels_whatever_the_size_of_the_window() {
    let mut scene = Scene::seated();
    // Twice the picture's.
    scene.configure((128, 64), &[]);
    scene.forget_past();
    scene.host.point(1, 0, 64.0, 32.0);
    scene.host.pointer().motion(0, 127.5, -3.0);
    scene.host.pointer().frame();
    assert_eq!(
        scene.hands(),
        [
            HostInput::PointerEnter(at(32.0, 16.0)),
            HostInput::PointerFrame,
            HostInput::PointerMotion(at(63.75, -1.5)),
            HostInput::PointerFrame,
        ]
    );
}

#[test]
fn places_are_those_of_the_part_of_the_buffer_that_is_shown() {
    let mut scene = Scene::seated();
    let part = rect(8, 8, 32, 16);
    scene.present_part(SCREEN, A, part, part);
    scene.forget_past();
    scene.host.point(1, 0, 4.0, 6.0);
    let entered = HostInput::PointerEnter(at(4.0, 6.0));
    assert_eq!(scene.hands(), [entered, HostInput::PointerFrame]);
}

#[test]
fn pointers_without_frames_have_one_for_each_event() {
    let mut scene = Scene::seated_with(HandOffer::default(), 4);
    scene.host.point(1, 0, 1.0, 1.0);
    let pointer = scene.host.pointer();
    pointer.motion(0, 2.0, 2.0);
    pointer.button(2, 0, BTN_LEFT, ButtonState::Pressed);
    pointer.axis(0, Axis::VerticalScroll, 10.0);
    pointer.leave(3, scene.host.wl_surface(0));
    assert_eq!(
        scene.hands(),
        [
            HostInput::PointerEnter(at(1.0, 1.0)),
            HostInput::PointerFrame,
            HostInput::PointerMotion(at(2.0, 2.0)),
            HostInput::PointerFrame,
            button(BTN_LEFT, true),
            HostInput::PointerFrame,
            SCROLL(0, 120),
            HostInput::PointerFrame,
            button(BTN_LEFT, false),
            HostInput::PointerLeave,
            HostInput::PointerFrame,
        ]
    );
}

#[test]
fn what_happens_at_once_is_one_frame() {
    let mut scene = Scene::seated();
    scene.host.point(1, 0, 1.0, 1.0);
    scene.hands();
    let pointer = scene.host.pointer();
    pointer.motion(0, 2.0, 2.0);
    pointer.button(2, 0, BTN_LEFT, ButtonState::Pressed);
    pointer.axis_source(AxisSource::Wheel);
    pointer.axis(0, Axis::VerticalScroll, -15.0);
    pointer.axis_value120(Axis::VerticalScroll, -120);
    pointer.axis(0, Axis::HorizontalScroll, 7.5);
    pointer.axis_value120(Axis::HorizontalScroll, 60);
    pointer.frame();
    // Nothing happened in this one.
    pointer.frame();
    assert_eq!(
        scene.hands(),
        [
            HostInput::PointerMotion(at(2.0, 2.0)),
            button(BTN_LEFT, true),
            SCROLL(60, -120),
            HostInput::PointerFrame,
        ]
    );
}

#[test]
fn a_wheel_is_heard_in_every_version() {
    for (version, expected) in [(4, 180), (5, 240), (7, 240), (8, 30), (9, 30), (10, 30)] {
        let mut scene = Scene::seated_with(HandOffer::default(), version);
        scene.host.point(1, 0, 1.0, 1.0);
        scene.hands();
        let pointer = scene.host.pointer();
        if version >= 5 {
            pointer.axis_source(AxisSource::Wheel);
        }
        if version >= 9 {
            let inverted = AxisRelativeDirection::Inverted;
            pointer.axis_relative_direction(Axis::VerticalScroll, inverted);
        }
        match version {
            ..5 => {}
            5..8 => pointer.axis_discrete(Axis::VerticalScroll, 2),
            8.. => pointer.axis_value120(Axis::VerticalScroll, 30),
        }
        pointer.axis(0, Axis::VerticalScroll, 15.0);
        if version >= 5 {
            pointer.frame();
        }
        let hands = scene.hands();
        assert_eq!(
            hands,
            [SCROLL(0, expected), HostInput::PointerFrame],
            "version {version}"
        );
    }
}

#[test]
fn fingers_scroll_smoothly() {
    let mut scene = Scene::seated();
    scene.host.point(1, 0, 1.0, 1.0);
    scene.hands();
    let pointer = scene.host.pointer();
    for _ in 0..3 {
        pointer.axis_source(AxisSource::Finger);
        pointer.axis(0, Axis::VerticalScroll, 2.5);
        pointer.frame();
    }
    pointer.axis_source(AxisSource::Finger);
    pointer.axis_stop(0, Axis::VerticalScroll);
    pointer.frame();
    let scrolled = [SCROLL(0, 20), HostInput::PointerFrame];
    assert_eq!(scene.hands(), [scrolled, scrolled, scrolled].concat());
}

#[test]
fn buttons_of_two_mice_are_not_released_twice() {
    let mut scene = Scene::seated();
    scene.plug_seat(8, Capability::Pointer);
    let surface = scene.host.wl_surface(0);
    let pointers = scene.host.desk.hands.pointers.clone();
    for pointer in &pointers {
        pointer.enter(1, surface, 1.0, 1.0);
        pointer.button(2, 0, BTN_LEFT, ButtonState::Pressed);
        pointer.frame();
    }
    scene.hands();
    pointers[0].button(3, 0, BTN_LEFT, ButtonState::Released);
    pointers[0].frame();
    assert_eq!(scene.hands(), []);
    pointers[1].leave(4, scene.host.wl_surface(0));
    pointers[1].frame();
    assert_eq!(
        scene.hands(),
        [button(BTN_LEFT, false), HostInput::PointerFrame],
        "the other one is still over the window"
    );
}

#[test]
fn the_pointer_goes_from_one_window_to_another() {
    let mut scene = Scene::seated();
    scene.open_other();
    scene.host.point(1, 0, 1.0, 1.0);
    scene.hands();
    scene.host.pointer().leave(2, scene.host.wl_surface(0));
    scene.host.point(3, 1, 5.0, 6.0);
    assert_eq!(
        scene.hands(),
        [
            HostInput::PointerLeave,
            HostInput::PointerEnter(on(OTHER_SCREEN, 5.0, 6.0)),
            HostInput::PointerFrame,
        ]
    );
}
