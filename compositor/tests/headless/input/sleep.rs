//! Nobody there: dark screens, and what wakes them.

use std::time::Duration;

use smithay::backend::input::InputEvent;
use wayland_protocols::{
    ext::idle_notify::v1::client::ext_idle_notifier_v1::ExtIdleNotifierV1,
    wp::idle_inhibit::zv1::client::zwp_idle_inhibit_manager_v1::ZwpIdleInhibitManagerV1,
};

use super::Listener;
use crate::{
    fixture::Fixture,
    hands::{Deed, MOUSE, WithHands as _, keys},
};

const SOON: Duration = Duration::from_millis(20);

fn goes_dark(fixture: &mut Fixture) {
    fixture.wait_until("the screens are dark", |fixture| fixture.state().is_dark());
}

#[test]
fn the_key_that_wakes_the_screens_does_nothing_else() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (200, 150));
    fixture.state().set_blank_after(Some(SOON));
    goes_dark(&mut fixture);
    fixture
        .state()
        .set_blank_after(Some(Duration::from_secs(3600)));
    assert!(!fixture.state().is_dark(), "a new time is a new start");
    fixture.state().set_blank_after(Some(SOON));
    goes_dark(&mut fixture);
    fixture.state().key(keys::A, true);
    assert!(!fixture.state().is_dark());
    fixture.state().key(keys::A, false);
    assert!(window.hears(&mut fixture).is_empty());
}

#[test]
fn a_modifier_that_woke_the_screens_still_counts_for_the_next_key() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (200, 150));
    fixture.state().set_blank_after(Some(SOON));
    goes_dark(&mut fixture);
    fixture.state().set_blank_after(None);
    fixture.state().set_blank_after(Some(SOON));
    goes_dark(&mut fixture);
    let state = fixture.state();
    state.chord(&[keys::LEFT_SHIFT, keys::A]);
    assert_eq!(
        window.hears(&mut fixture),
        [
            "modifiers 1 0 0",
            "key 30 down",
            "key 30 up",
            "modifiers 0 0 0"
        ]
    );
}

#[test]
fn a_click_in_the_dark_hits_nothing() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (200, 150));
    fixture.state().move_to(0.1, 0.1);
    window.hears(&mut fixture);
    for wake in 0..2 {
        fixture.state().set_blank_after(Some(SOON));
        goes_dark(&mut fixture);
        let state = fixture.state();
        if wake == 0 {
            state.click(keys::BTN_LEFT);
        } else {
            state.move_by(5.0, 5.0);
        }
        assert!(!state.is_dark());
        assert!(window.hears(&mut fixture).is_empty());
    }
    fixture.state().set_blank_after(None);
    fixture.state().click(keys::BTN_LEFT);
    assert_eq!(window.hears_of(&mut fixture, "button").len(), 2);
}

#[test]
fn letting_go_of_a_key_wakes_nobody_and_is_told() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (200, 150));
    fixture.state().key(keys::A, true);
    window.hears(&mut fixture);
    fixture.state().set_blank_after(Some(SOON));
    goes_dark(&mut fixture);
    fixture.state().key(keys::A, false);
    assert!(fixture.state().is_dark());
    assert_eq!(window.hears(&mut fixture), ["key 30 up"]);
}

#[test]
fn without_a_time_screens_stay_lit() {
    let mut fixture = Fixture::new();
    fixture.state().set_blank_after(Some(SOON));
    fixture.state().set_blank_after(None);
    fixture.run_for(3 * SOON);
    assert!(!fixture.state().is_dark());
}

#[test]
fn a_window_that_is_seen_keeps_the_screens_lit() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (200, 150));
    let client = fixture.client(window.id);
    let inhibitor = client.bind::<ZwpIdleInhibitManagerV1>().create_inhibitor(
        &window.window.surface,
        &client.handle(),
        (),
    );
    fixture.round_trip(window.id);
    fixture.state().set_blank_after(Some(SOON));
    fixture.run_for(5 * SOON);
    assert!(!fixture.state().is_dark());
    inhibitor.destroy();
    goes_dark(&mut fixture);
}

#[test]
fn a_window_that_is_not_seen_keeps_nothing_lit() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (200, 150));
    let client = fixture.client(window.id);
    client.bind::<ZwpIdleInhibitManagerV1>().create_inhibitor(
        &window.window.surface,
        &client.handle(),
        (),
    );
    window.window.surface.attach(None, 0, 0);
    window.window.surface.commit();
    fixture.round_trip(window.id);
    fixture.state().set_blank_after(Some(SOON));
    goes_dark(&mut fixture);
}

#[test]
fn the_window_of_a_client_that_died_keeps_nothing_lit() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (200, 150));
    let client = fixture.client(window.id);
    client.bind::<ZwpIdleInhibitManagerV1>().create_inhibitor(
        &window.window.surface,
        &client.handle(),
        (),
    );
    fixture.round_trip(window.id);
    fixture.kill(window.id);
    fixture.state().set_blank_after(Some(SOON));
    goes_dark(&mut fixture);
}

#[test]
fn clients_are_told_when_nobody_is_there_and_when_somebody_comes() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (200, 150));
    let client = fixture.client(window.id);
    let notification = client.bind::<ExtIdleNotifierV1>().get_idle_notification(
        20,
        &window.ears.seat,
        &client.handle(),
        (),
    );
    let id = window.id;
    fixture.wait_until("the client is told", |fixture| {
        !fixture.client(id).seen.heard.is_empty()
    });
    assert_eq!(window.hears(&mut fixture), ["idled"]);
    fixture.state().does(InputEvent::PointerMotion {
        event: Deed::of(MOUSE),
    });
    assert_eq!(window.hears_of(&mut fixture, "resumed"), ["resumed"]);
    notification.destroy();
    fixture.round_trip(id);
    fixture.run_for(3 * SOON);
    assert!(window.hears_of(&mut fixture, "idled").is_empty());
}

#[test]
fn who_asks_for_hands_only_is_not_held_off_by_windows() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (200, 150));
    let client = fixture.client(window.id);
    client.bind::<ZwpIdleInhibitManagerV1>().create_inhibitor(
        &window.window.surface,
        &client.handle(),
        (),
    );
    let notifier = client.bind::<ExtIdleNotifierV1>();
    notifier.get_input_idle_notification(20, &window.ears.seat, &client.handle(), ());
    let id = window.id;
    fixture.wait_until("the client is told", |fixture| {
        !fixture.client(id).seen.heard.is_empty()
    });
    assert_eq!(window.hears(&mut fixture), ["idled"]);
}
