//! The pointer: motion, buttons, scrolling, gestures, and windows that hold it.

use smithay::backend::input::{AxisSource, InputEvent};
use wayland_protocols::wp::pointer_constraints::zv1::client::zwp_pointer_constraints_v1::{
    Lifetime, ZwpPointerConstraintsV1,
};

use super::Listener;
use crate::{
    client::is,
    fixture::Fixture,
    hands::{Deed, Hands, MOUSE, TOUCHPAD, WithHands as _, keys},
};

#[test]
fn motion_is_told_as_a_position_and_as_a_step() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (200, 150));
    fixture.state().move_to(0.5, 0.5);
    assert_eq!(window.hears(&mut fixture), ["enter 128 96", "frame"]);
    fixture.state().move_by(10.0, -6.5);
    assert_eq!(
        window.hears(&mut fixture),
        ["relative 10 -6.5 (5 -3.25)", "motion 138 89.5", "frame"]
    );
    // Beyond the window, then beyond the monitor.
    fixture.state().move_by(100.0, 0.0);
    let heard = window.hears(&mut fixture);
    assert_eq!(heard, ["relative 100 0 (50 0)", "leave", "frame"]);
    fixture.state().move_by(1000.0, 1000.0);
    fixture.state().move_by(-200.0, -100.0);
    let heard = window.hears(&mut fixture);
    assert_eq!(heard, ["enter 55.99609375 91.99609375", "frame"]);
}

#[test]
fn a_click_is_heard_by_the_window_that_is_clicked_and_gives_it_the_keyboard() {
    let mut fixture = Fixture::new();
    let below = Listener::new(&mut fixture, (200, 150));
    let above = Listener::new(&mut fixture, (200, 150));
    below.hears(&mut fixture);
    fixture.state().move_to(4.0 / 256.0, 4.0 / 192.0);
    fixture.state().click(keys::BTN_LEFT);
    assert_eq!(
        below.hears(&mut fixture),
        [
            "enter 4 4",
            "frame",
            "button 0x110 down",
            "frame",
            "keyboard enter []",
            "modifiers 0 0 0",
            "button 0x110 up",
            "frame",
        ]
    );
    assert_eq!(above.hears(&mut fixture), ["keyboard leave"]);
}

#[test]
fn a_pressed_button_holds_the_pointer_in_its_window() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (100, 100));
    let state = fixture.state();
    state.move_to(50.0 / 256.0, 50.0 / 192.0);
    state.button(keys::BTN_LEFT, true);
    state.button(keys::BTN_RIGHT, true);
    window.hears(&mut fixture);
    fixture.state().move_by(100.0, 20.0);
    assert_eq!(window.hears_of(&mut fixture, "motion"), ["motion 150 70"]);
    fixture.state().button(keys::BTN_LEFT, false);
    fixture.state().move_by(1.0, 0.0);
    assert_eq!(window.hears_of(&mut fixture, "motion"), ["motion 151 70"]);
    fixture.state().button(keys::BTN_RIGHT, false);
    let heard = window.hears(&mut fixture);
    assert_eq!(heard, ["button 0x111 up", "frame", "leave", "frame"]);
}

#[test]
fn no_button_stays_pressed_when_the_seat_goes_away() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (100, 100));
    fixture.state().move_to(0.1, 0.1);
    fixture.state().button(keys::BTN_LEFT, true);
    window.hears(&mut fixture);
    fixture.state().pause_input();
    assert_eq!(window.hears_of(&mut fixture, "button"), ["button 0x110 up"]);
    fixture.state().button(keys::BTN_LEFT, false);
    assert!(window.hears(&mut fixture).is_empty());
}

fn scrolls(fixture: &mut Fixture, deed: Deed) {
    fixture
        .state()
        .does(InputEvent::PointerAxis { event: deed });
}

#[test]
fn a_wheel_scrolls_in_parts_of_its_steps() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (200, 150));
    fixture.state().move_to(0.1, 0.1);
    window.hears(&mut fixture);
    let turn = Deed {
        units: [None, Some(30.0)],
        ..Deed::of(MOUSE)
    };
    scrolls(&mut fixture, turn);
    assert_eq!(
        window.hears(&mut fixture),
        [
            "axis source 0",
            "axis 120 0 30",
            "axis direction 0 0",
            "axis 0 3.75",
            "frame"
        ]
    );
    let tilt = Deed {
        scroll: [Some(-15.0), None],
        units: [Some(-120.0), None],
        inverted: true,
        ..Deed::of(MOUSE)
    };
    scrolls(&mut fixture, tilt);
    assert_eq!(
        window.hears(&mut fixture),
        [
            "axis source 0",
            "axis 120 1 -120",
            "axis direction 1 1",
            "axis 1 -15",
            "frame"
        ]
    );
}

#[test]
fn fingers_scroll_smoothly_and_say_when_they_are_gone() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (200, 150));
    fixture.state().move_to(0.1, 0.1);
    window.hears(&mut fixture);
    let scroll = |across, down| Deed {
        scroll: [Some(across), Some(down)],
        source: AxisSource::Finger,
        ..Deed::of(TOUCHPAD)
    };
    scrolls(&mut fixture, scroll(1.5, 2.25));
    assert_eq!(
        window.hears(&mut fixture),
        [
            "axis source 1",
            "axis direction 1 0",
            "axis 1 1.5",
            "axis direction 0 0",
            "axis 0 2.25",
            "frame"
        ]
    );
    scrolls(&mut fixture, scroll(0.0, 0.0));
    assert_eq!(
        window.hears(&mut fixture),
        ["axis source 1", "axis stop 1", "axis stop 0", "frame"]
    );
}

#[test]
fn gestures_reach_the_window_under_the_pointer() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (200, 150));
    fixture.state().move_to(0.1, 0.1);
    window.hears(&mut fixture);
    let deed = Deed {
        fingers: 3,
        delta: (4.0, -5.0),
        scale: 1.5,
        rotation: 10.0,
        ..Deed::of(TOUCHPAD)
    };
    let end = Deed {
        cancelled: true,
        ..deed.clone()
    };
    let events: [InputEvent<Hands>; 8] = [
        InputEvent::GestureSwipeBegin {
            event: deed.clone(),
        },
        InputEvent::GestureSwipeUpdate {
            event: deed.clone(),
        },
        InputEvent::GestureSwipeEnd { event: end.clone() },
        InputEvent::GesturePinchBegin {
            event: deed.clone(),
        },
        InputEvent::GesturePinchUpdate {
            event: deed.clone(),
        },
        InputEvent::GesturePinchEnd {
            event: deed.clone(),
        },
        InputEvent::GestureHoldBegin { event: deed },
        InputEvent::GestureHoldEnd { event: end },
    ];
    for event in events {
        fixture.state().does(event);
    }
    assert_eq!(
        window.hears(&mut fixture),
        [
            "swipe begin 3",
            "swipe 4 -5",
            "swipe end 1",
            "pinch begin 3",
            "pinch 4 -5 1.5 10",
            "pinch end 0",
            "hold begin 3",
            "hold end 1"
        ]
    );
}

#[test]
fn a_window_that_comes_under_the_pointer_is_entered_without_a_hand() {
    let mut fixture = Fixture::new();
    let below = Listener::new(&mut fixture, (200, 150));
    fixture.state().move_to(100.0 / 256.0, 100.0 / 192.0);
    assert_eq!(below.hears(&mut fixture), ["enter 100 100", "frame"]);
    let above = Listener::new(&mut fixture, (200, 150));
    fixture.round_trip(above.id);
    let heard = below.hears_of(&mut fixture, "leave");
    assert_eq!(heard, ["leave"]);
    let focus = fixture.client(above.id).seen.pointer_focus.clone();
    assert!(is(focus.as_ref(), &above.window.surface));
    fixture.kill(above.id);
    fixture.wait_until("the window is gone", |fixture| {
        fixture.state().windows().len() == 1
    });
    assert_eq!(below.hears_of(&mut fixture, "enter"), ["enter 100 100"]);
}

#[test]
fn a_locked_pointer_stays_and_steps_are_told() {
    let mut fixture = Fixture::new();
    fixture.state().use_shortcuts(true);
    let window = Listener::new(&mut fixture, (200, 150));
    fixture.state().move_to(0.1, 0.1);
    window.hears(&mut fixture);
    let client = fixture.client(window.id);
    client.bind::<ZwpPointerConstraintsV1>().lock_pointer(
        &window.window.surface,
        &window.ears.pointer,
        None,
        Lifetime::Persistent,
        &client.handle(),
        (),
    );
    assert_eq!(window.hears(&mut fixture), ["locked"]);
    fixture.state().move_by(3.0, 4.0);
    let heard = window.hears(&mut fixture);
    assert_eq!(heard, ["relative 3 4 (1.5 2)", "frame"]);
    // A device that has positions moves in steps, too, of which the first is none.
    fixture.state().move_to(0.5, 0.5);
    window.hears(&mut fixture);
    fixture.state().move_to(0.5 + 2.0 / 256.0, 0.5);
    let heard = window.hears(&mut fixture);
    assert_eq!(heard, ["relative 2 0 (2 0)", "frame"]);
    // The way out.
    fixture.state().chord(&[keys::LEFT_META, keys::ESC]);
    assert_eq!(window.hears_of(&mut fixture, "unlocked"), ["unlocked"]);
    fixture.state().move_by(3.0, 4.0);
    assert_eq!(window.hears_of(&mut fixture, "motion").len(), 1);
}

#[test]
fn a_window_that_unlocks_the_pointer_may_have_drawn_it_elsewhere() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (200, 150));
    fixture.state().move_to(0.1, 0.1);
    let client = fixture.client(window.id);
    let lock = client.bind::<ZwpPointerConstraintsV1>().lock_pointer(
        &window.window.surface,
        &window.ears.pointer,
        None,
        Lifetime::Oneshot,
        &client.handle(),
        (),
    );
    lock.set_cursor_position_hint(150.0, 100.0);
    window.window.surface.commit();
    window.hears(&mut fixture);
    lock.destroy();
    window.hears(&mut fixture);
    fixture.state().move_by(1.0, 1.0);
    assert_eq!(window.hears_of(&mut fixture, "motion"), ["motion 151 101"]);
}

#[test]
fn where_a_window_drew_the_pointer_counts_also_if_it_says_so_at_the_last_moment() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (200, 150));
    fixture.state().move_to(0.1, 0.1);
    let client = fixture.client(window.id);
    let constraints = client.bind::<ZwpPointerConstraintsV1>();
    let locked = constraints.lock_pointer(
        &window.window.surface,
        &window.ears.pointer,
        None,
        Lifetime::Persistent,
        &client.handle(),
        (),
    );
    assert_eq!(window.hears_of(&mut fixture, "locked"), ["locked"]);
    locked.set_cursor_position_hint(150.0, 100.0);
    window.window.surface.commit();
    locked.destroy();
    window.hears(&mut fixture);
    fixture.state().move_by(1.0, 1.0);
    assert_eq!(window.hears_of(&mut fixture, "motion"), ["motion 151 101"]);
}

#[test]
fn a_confined_pointer_stays_in_its_window() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (100, 100));
    fixture.state().move_to(50.0 / 256.0, 50.0 / 192.0);
    let client = fixture.client(window.id);
    let constraints = client.bind::<ZwpPointerConstraintsV1>();
    let confined = constraints.confine_pointer(
        &window.window.surface,
        &window.ears.pointer,
        None,
        Lifetime::Persistent,
        &client.handle(),
        (),
    );
    assert_eq!(window.hears_of(&mut fixture, "confined"), ["confined"]);
    fixture.state().move_by(500.0, 7.0);
    let heard = window.hears_of(&mut fixture, "motion");
    assert_eq!(heard, ["motion 99.99609375 57"]);
    confined.destroy();
    window.hears(&mut fixture);
    fixture.state().move_by(5.0, 0.0);
    assert_eq!(window.hears_of(&mut fixture, "leave"), ["leave"]);
}

#[test]
fn a_window_without_the_keyboard_can_not_hold_the_pointer() {
    let mut fixture = Fixture::new();
    let below = Listener::new(&mut fixture, (200, 150));
    Listener::new(&mut fixture, (30, 30));
    fixture.state().move_to(100.0 / 256.0, 100.0 / 192.0);
    below.hears(&mut fixture);
    let client = fixture.client(below.id);
    client.bind::<ZwpPointerConstraintsV1>().lock_pointer(
        &below.window.surface,
        &below.ears.pointer,
        None,
        Lifetime::Persistent,
        &client.handle(),
        (),
    );
    assert!(below.hears(&mut fixture).is_empty());
    fixture.state().click(keys::BTN_LEFT);
    assert_eq!(below.hears_of(&mut fixture, "locked"), ["locked"]);
}

#[test]
fn a_window_that_loses_the_keyboard_lets_the_pointer_go() {
    let mut fixture = Fixture::new();
    let holding = Listener::new(&mut fixture, (200, 150));
    fixture.state().move_to(100.0 / 256.0, 100.0 / 192.0);
    let client = fixture.client(holding.id);
    client.bind::<ZwpPointerConstraintsV1>().lock_pointer(
        &holding.window.surface,
        &holding.ears.pointer,
        None,
        Lifetime::Persistent,
        &client.handle(),
        (),
    );
    assert_eq!(holding.hears_of(&mut fixture, "locked"), ["locked"]);
    Listener::new(&mut fixture, (30, 30));
    assert_eq!(holding.hears_of(&mut fixture, "unlocked"), ["unlocked"]);
}
