//! Where things are: several monitors, scaled ones, touch screens and tablets.

use smithay::backend::input::InputEvent;
use wayland_client::protocol::wl_seat::WlSeat;

use super::{Listener, two_monitors};
use crate::{
    fixture::Fixture,
    hands::{Deed, Hands, TABLET, TOUCH_SCREEN, WithHands as _, keys},
};

#[test]
fn the_pointer_goes_from_monitor_to_monitor_and_counts_in_each_ones_pixels() {
    let mut fixture = two_monitors();
    let left = Listener::guest(&mut fixture, "one", 0, (256, 192));
    let right = Listener::guest(&mut fixture, "two", 1, (400, 300));
    left.hears(&mut fixture);
    // Both monitors together are 456 logical pixels wide and 192 high.
    fixture.state().move_to(255.0 / 456.0, 10.0 / 192.0);
    assert_eq!(left.hears(&mut fixture), ["enter 255 10", "frame"]);
    fixture.state().move_by(11.0, 5.0);
    assert_eq!(left.hears_of(&mut fixture, "leave"), ["leave"]);
    // 10 and 15 logical pixels are 20 and 30 of a guest's, which is not scaled.
    assert_eq!(right.hears(&mut fixture), ["enter 20 30", "frame"]);
    fixture.state().move_by(1.5, 0.0);
    assert_eq!(right.hears_of(&mut fixture, "motion"), ["motion 23 30"]);
}

#[test]
fn what_is_dragged_in_a_scaled_picture_keeps_its_scale() {
    let mut fixture = two_monitors();
    let right = Listener::guest(&mut fixture, "two", 1, (400, 300));
    fixture.state().move_to(266.0 / 456.0, 10.0 / 192.0);
    fixture.state().button(keys::BTN_LEFT, true);
    right.hears(&mut fixture);
    fixture.state().move_by(10.0, 10.0);
    assert_eq!(right.hears_of(&mut fixture, "motion"), ["motion 40 40"]);
    // Out of the monitor, over to the other one.
    fixture.state().move_by(-30.0, 0.0);
    assert_eq!(right.hears_of(&mut fixture, "motion"), ["motion -20 40"]);
}

fn finger(slot: u32, x: f64, y: f64) -> Deed {
    Deed {
        slot,
        at: (x, y),
        ..Deed::of(TOUCH_SCREEN)
    }
}

fn touches(fixture: &mut Fixture, events: Vec<InputEvent<Hands>>) {
    for event in events {
        fixture.state().does(event);
    }
    let event = Deed::of(TOUCH_SCREEN);
    fixture.state().does(InputEvent::TouchFrame { event });
}

fn touched(fixture: &mut Fixture, size: (u32, u32)) -> Listener {
    fixture.state().plug(TOUCH_SCREEN);
    let window = Listener::new(fixture, size);
    let client = fixture.client(window.id);
    client.bind::<WlSeat>().get_touch(&client.handle(), ());
    window.hears(fixture);
    window
}

#[test]
fn fingers_are_told_apart_and_stay_with_the_window_that_was_touched_first() {
    let mut fixture = Fixture::new();
    let window = touched(&mut fixture, (128, 96));
    touches(
        &mut fixture,
        vec![InputEvent::TouchDown {
            event: finger(0, 0.25, 0.25),
        }],
    );
    assert_eq!(
        window.hears(&mut fixture),
        ["touch 0 down 64 48", "touch frame"]
    );
    touches(
        &mut fixture,
        vec![
            InputEvent::TouchMotion {
                event: finger(0, 0.75, 0.25),
            },
            InputEvent::TouchDown {
                event: finger(1, 0.75, 0.75),
            },
        ],
    );
    assert_eq!(
        window.hears_of(&mut fixture, "touch "),
        [
            "touch 0 motion 192 48",
            "touch 1 down 192 144",
            "touch frame"
        ]
    );
    touches(
        &mut fixture,
        vec![
            InputEvent::TouchUp {
                event: finger(0, 0.0, 0.0),
            },
            InputEvent::TouchUp {
                event: finger(1, 0.0, 0.0),
            },
        ],
    );
    let heard = window.hears(&mut fixture);
    assert_eq!(heard[..2], ["touch 0 up", "touch 1 up"]);
}

#[test]
fn touches_are_cancelled_when_the_seat_goes_away() {
    let mut fixture = Fixture::new();
    let window = touched(&mut fixture, (128, 96));
    touches(
        &mut fixture,
        vec![InputEvent::TouchDown {
            event: finger(3, 0.25, 0.25),
        }],
    );
    window.hears(&mut fixture);
    fixture.state().pause_input();
    assert_eq!(
        window.hears_of(&mut fixture, "touch cancel"),
        ["touch cancel"]
    );
    touches(
        &mut fixture,
        vec![InputEvent::TouchUp {
            event: finger(3, 0.25, 0.25),
        }],
    );
    assert!(window.hears(&mut fixture).is_empty());
}

#[test]
fn a_touch_screen_belongs_to_the_first_monitor_or_to_the_one_that_is_named() {
    let mut fixture = two_monitors();
    fixture.state().plug(TOUCH_SCREEN);
    let right = Listener::guest(&mut fixture, "two", 1, (400, 300));
    let client = fixture.client(right.id);
    client.bind::<WlSeat>().get_touch(&client.handle(), ());
    fixture.round_trip(right.id);
    let touch = || InputEvent::TouchDown {
        event: finger(0, 0.5, 0.5),
    };
    let lift = || InputEvent::TouchUp {
        event: finger(0, 0.5, 0.5),
    };
    touches(&mut fixture, vec![touch(), lift()]);
    assert!(right.hears_of(&mut fixture, "touch").is_empty());
    let mut settings = config::input::Input::default();
    settings.touch.map_to_output = Some("HEADLESS-2".to_owned());
    fixture.state().set_input(settings);
    touches(&mut fixture, vec![touch(), lift()]);
    let heard = right.hears_of(&mut fixture, "touch 0");
    assert_eq!(heard, ["touch 0 down 200 150", "touch 0 up"]);
}

fn pen(x: f64, y: f64) -> Deed {
    Deed {
        at: (x, y),
        ..Deed::of(TABLET)
    }
}

#[test]
fn a_pen_is_told_where_it_is_how_it_is_held_and_what_it_does() {
    let mut fixture = Fixture::new();
    fixture.state().plug(TABLET);
    let window = Listener::new(&mut fixture, (200, 150));
    let state = fixture.state();
    state.does(InputEvent::TabletToolProximity {
        event: Deed {
            tilt: Some((10.0, -20.0)),
            ..pen(0.25, 0.25)
        },
    });
    let heard = window.hears(&mut fixture);
    assert_eq!(heard[..2], ["tool", "tool is 0x140"]);
    assert_eq!(
        heard[2..],
        [
            "tool near",
            "tool motion 64 48",
            "tool frame",
            "tool motion 64 48",
            "tool tilt 10 -20",
            "tool frame"
        ]
    );
    let state = fixture.state();
    state.does(InputEvent::TabletToolTip {
        event: Deed {
            pressed: true,
            pressure: Some(0.5),
            ..pen(0.25, 0.5)
        },
    });
    assert_eq!(
        window.hears(&mut fixture),
        [
            "tool motion 64 96",
            "tool pressure 32768",
            "tool frame",
            "tool down",
            "tool frame"
        ]
    );
    // A stroke ends where it began.
    let state = fixture.state();
    state.does(InputEvent::TabletToolAxis {
        event: pen(1.0, 0.5),
    });
    let heard = window.hears_of(&mut fixture, "tool motion");
    assert_eq!(heard, ["tool motion 255.99609375 96"]);
    let state = fixture.state();
    for pressed in [true, false] {
        state.does(InputEvent::TabletToolButton {
            event: Deed {
                pressed,
                code: keys::BTN_STYLUS,
                ..pen(1.0, 0.5)
            },
        });
    }
    let heard = window.hears_of(&mut fixture, "tool button");
    assert_eq!(heard, ["tool button 0x14b down", "tool button 0x14b up"]);
    let state = fixture.state();
    state.does(InputEvent::TabletToolTip {
        event: pen(1.0, 0.5),
    });
    state.does(InputEvent::TabletToolAxis {
        event: pen(0.99, 0.5),
    });
    let heard = window.hears(&mut fixture);
    assert!(heard.contains(&"tool up".to_owned()), "{heard:?}");
    assert!(heard.contains(&"tool away".to_owned()), "{heard:?}");
}

#[test]
fn a_pen_is_away_when_the_seat_is() {
    let mut fixture = Fixture::new();
    fixture.state().plug(TABLET);
    let window = Listener::new(&mut fixture, (200, 150));
    let state = fixture.state();
    state.does(InputEvent::TabletToolProximity {
        event: pen(0.25, 0.25),
    });
    state.does(InputEvent::TabletToolButton {
        event: Deed {
            pressed: true,
            code: keys::BTN_STYLUS,
            ..pen(0.25, 0.25)
        },
    });
    window.hears(&mut fixture);
    fixture.state().pause_input();
    assert_eq!(
        window.hears(&mut fixture),
        [
            "tool button 0x14b up",
            "tool frame",
            "tool away",
            "tool frame"
        ]
    );
}
