//! Keys.

use wayland_client::protocol::wl_seat::WlSeat;
use wayland_protocols::wp::keyboard_shortcuts_inhibit::zv1::client::zwp_keyboard_shortcuts_inhibit_manager_v1::ZwpKeyboardShortcutsInhibitManagerV1;

use super::Listener;
use crate::{
    fixture::Fixture,
    hands::{Deed, KEYBOARD, WithHands as _, keys},
};

#[test]
fn keys_reach_the_window_with_the_keyboard() {
    let mut fixture = Fixture::new();
    let other = Listener::new(&mut fixture, (40, 30));
    let focused = Listener::new(&mut fixture, (40, 30));
    other.hears(&mut fixture);
    fixture.state().chord(&[keys::A]);
    assert_eq!(focused.hears(&mut fixture), ["key 30 down", "key 30 up"]);
    assert!(other.hears(&mut fixture).is_empty());
}

#[test]
fn modifiers_are_told_after_the_key_that_changes_them() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (40, 30));
    fixture.state().chord(&[keys::LEFT_SHIFT, keys::A]);
    assert_eq!(
        window.hears(&mut fixture),
        [
            "key 42 down",
            "modifiers 1 0 0",
            "key 30 down",
            "key 30 up",
            "key 42 up",
            "modifiers 0 0 0"
        ]
    );
}

#[test]
fn a_key_that_is_held_on_two_keyboards_is_one_key() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (40, 30));
    let state = fixture.state();
    for (pressed, count) in [(true, 1), (true, 2), (false, 1), (false, 0)] {
        let event = Deed {
            code: keys::A,
            pressed,
            count,
            ..Deed::of(KEYBOARD)
        };
        state.does(smithay::backend::input::InputEvent::Keyboard { event });
    }
    assert_eq!(window.hears(&mut fixture), ["key 30 down", "key 30 up"]);
}

#[test]
fn a_layout_and_its_repeat_are_as_configured() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (40, 30));
    let mut settings = config::input::Input::default();
    settings.keyboard.layout = "de".to_owned();
    settings.keyboard.repeat_rate = 7;
    settings.keyboard.repeat_delay = 333;
    settings.keyboard.numlock = true;
    fixture.state().set_input(settings);
    fixture.round_trip(window.id);
    assert_eq!(fixture.client(window.id).seen.repeat, Some((7, 333)));
    assert_eq!(fixture.state().leds().num, Some(true));
    fixture.state().chord(&[keys::A]);
    let heard = window.hears_of(&mut fixture, "key");
    assert_eq!(heard, ["key 30 down", "key 30 up"]);
}

#[test]
fn a_layout_that_does_not_exist_leaves_a_keyboard_that_works() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (40, 30));
    let mut settings = config::input::Input::default();
    settings.keyboard.layout = "of another world".to_owned();
    fixture.state().set_input(settings);
    fixture.state().chord(&[keys::A]);
    assert_eq!(window.hears(&mut fixture), ["key 30 down", "key 30 up"]);
}

#[test]
fn no_key_stays_pressed_when_the_compositor_s_own_window_loses_the_keyboard() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (40, 30));
    let state = fixture.state();
    state.key(keys::LEFT_META, true);
    state.key(keys::A, true);
    window.hears(&mut fixture);
    fixture.state().let_go();
    assert_eq!(
        window.hears(&mut fixture),
        ["key 30 up", "key 125 up", "modifiers 0 0 0"]
    );
    // Whoever has the keyboard now is told of the releases.
    fixture.state().key(keys::A, false);
    assert!(window.hears(&mut fixture).is_empty());
    fixture.state().chord(&[keys::A]);
    assert_eq!(window.hears(&mut fixture), ["key 30 down", "key 30 up"]);
}

#[test]
fn no_key_stays_pressed_when_the_seat_goes_away() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (40, 30));
    let state = fixture.state();
    state.key(keys::LEFT_CTRL, true);
    state.key(keys::A, true);
    window.hears(&mut fixture);
    fixture.state().pause_input();
    assert_eq!(
        window.hears(&mut fixture),
        ["key 29 up", "modifiers 0 0 0", "key 30 up"]
    );
    // The hands let go while somebody else has the seat; nobody is told twice.
    let state = fixture.state();
    state.resume_input();
    state.key(keys::A, false);
    assert!(window.hears(&mut fixture).is_empty());
    fixture.state().chord(&[keys::A]);
    assert_eq!(window.hears(&mut fixture), ["key 30 down", "key 30 up"]);
}

#[test]
fn a_window_that_gets_the_keyboard_learns_what_is_held() {
    let mut fixture = Fixture::new();
    let first = Listener::new(&mut fixture, (40, 30));
    fixture.state().key(keys::LEFT_SHIFT, true);
    first.hears(&mut fixture);
    let id = fixture.add_client();
    let window = fixture.client(id).window();
    fixture.client(id).listen();
    fixture.round_trip(id);
    let client = fixture.client(id);
    let buffer = client.plain_buffer((40, 30), super::RED);
    client.present(&window.surface, &buffer);
    fixture.round_trip(id);
    assert_eq!(first.hears(&mut fixture), ["keyboard leave"]);
    fixture.state().key(keys::LEFT_SHIFT, false);
    fixture.round_trip(id);
    assert_eq!(
        fixture.client(id).heard(),
        [
            "keyboard enter [42]",
            "modifiers 1 0 0",
            "key 42 up",
            "modifiers 0 0 0"
        ]
    );
}

#[test]
fn the_kiosks_own_keys_reach_no_window() {
    let mut fixture = Fixture::new();
    fixture.state().use_shortcuts(true);
    let window = Listener::new(&mut fixture, (40, 30));
    let state = fixture.state();
    state.chord(&[keys::LEFT_CTRL, keys::LEFT_ALT, keys::F2]);
    let heard = window.hears_of(&mut fixture, "key");
    let expected = ["key 29 down", "key 56 down", "key 56 up", "key 29 up"];
    assert_eq!(heard, expected);
    fixture.state().chord(&[keys::LEFT_META, keys::ESC]);
    let heard = window.hears_of(&mut fixture, "key");
    assert_eq!(heard, ["key 125 down", "key 125 up"]);
}

#[test]
fn without_a_kiosk_they_are_ordinary_keys() {
    let mut fixture = Fixture::new();
    let window = Listener::new(&mut fixture, (40, 30));
    fixture.state().chord(&[keys::LEFT_META, keys::TAB]);
    let heard = window.hears_of(&mut fixture, "key");
    let expected = ["key 125 down", "key 15 down", "key 15 up", "key 125 up"];
    assert_eq!(heard, expected);
}

#[test]
fn a_window_that_asks_for_all_keys_gets_all_but_the_way_out() {
    let mut fixture = Fixture::new();
    fixture.state().use_shortcuts(true);
    Listener::guest(&mut fixture, "one", 0, (40, 30));
    let window = Listener::guest(&mut fixture, "two", 0, (40, 30));
    fixture.state().focus_guest("two").unwrap();
    let client = fixture.client(window.id);
    client
        .bind::<ZwpKeyboardShortcutsInhibitManagerV1>()
        .inhibit_shortcuts(
            &window.window.surface,
            &window.ears.seat,
            &client.handle(),
            (),
        );
    assert_eq!(window.hears_of(&mut fixture, "all"), ["all keys"]);
    let chord = [keys::LEFT_META, keys::TAB];
    fixture.state().chord(&chord);
    let heard = window.hears_of(&mut fixture, "key 15");
    assert_eq!(heard, ["key 15 down", "key 15 up"]);
    fixture.state().chord(&[keys::LEFT_META, keys::ESC]);
    assert_eq!(window.hears_of(&mut fixture, "not"), ["not all keys"]);
    fixture.state().chord(&chord);
    assert!(window.hears_of(&mut fixture, "key 15").is_empty());
}

#[test]
fn super_tab_switches_guests_and_shows_the_switcher_while_it_is_held() {
    let mut fixture = Fixture::new();
    fixture.state().use_shortcuts(true);
    let one = Listener::guest(&mut fixture, "one", 0, (40, 30));
    let two = Listener::guest(&mut fixture, "two", 0, (40, 30));
    fixture.state().focus_guest("one").unwrap();
    fixture.round_trip(one.id);
    two.hears(&mut fixture);
    let before = fixture.screenshot("HEADLESS-1");
    let state = fixture.state();
    state.key(keys::LEFT_META, true);
    state.chord(&[keys::TAB]);
    assert_eq!(
        two.hears_of(&mut fixture, "keyboard"),
        ["keyboard enter [125]"]
    );
    assert_ne!(fixture.screenshot("HEADLESS-1"), before);
    fixture.state().key(keys::LEFT_META, false);
    assert_eq!(fixture.screenshot("HEADLESS-1"), before);
}

#[test]
fn lights_follow_the_layout_or_the_guest_that_has_the_keyboard() {
    let mut fixture = Fixture::new();
    let guest = Listener::guest(&mut fixture, "one", 0, (40, 30));
    fixture.state().chord(&[keys::CAPS_LOCK]);
    assert_eq!(fixture.state().leds().caps, Some(true));
    let wanted = smithay::input::keyboard::LedState {
        num: Some(true),
        caps: Some(false),
        scroll: None,
    };
    fixture.state().set_guest_leds("one", Some(wanted));
    assert_eq!(fixture.state().leds(), wanted);
    fixture.state().set_guest_leds("another", None);
    assert_eq!(fixture.state().leds(), wanted);
    fixture.kill(guest.id);
    fixture.wait_until("the window is gone", |fixture| {
        fixture.state().windows().is_empty()
    });
    assert_eq!(fixture.state().leds().caps, Some(true));
}

#[test]
fn a_seat_has_what_is_plugged_in_and_always_a_keyboard_and_a_pointer() {
    use wayland_client::protocol::wl_seat::Capability;
    let mut fixture = Fixture::new();
    let id = fixture.add_client();
    fixture.client(id).bind::<WlSeat>();
    let always = Capability::Keyboard | Capability::Pointer;
    let capabilities = |fixture: &mut Fixture| {
        fixture.round_trip(id);
        fixture.client(id).seen.capabilities
    };
    assert_eq!(capabilities(&mut fixture), Some(always));
    fixture.state().plug(crate::hands::TOUCH_SCREEN);
    let all = always | Capability::Touch;
    assert_eq!(capabilities(&mut fixture), Some(all));
    // Another one has the seat for a while: its devices go and come, for no window to see.
    fixture.state().pause_input();
    fixture.state().unplug(crate::hands::TOUCH_SCREEN);
    assert_eq!(capabilities(&mut fixture), Some(all));
    fixture.state().resume_input();
    fixture.state().plug(crate::hands::TOUCH_SCREEN);
    fixture.state().unplug(crate::hands::TOUCH_SCREEN);
    assert_eq!(capabilities(&mut fixture), Some(always));
}
