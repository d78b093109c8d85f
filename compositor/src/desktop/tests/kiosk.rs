//! Guests on monitors, one at a time, and switching between them.

use super::*;

const M: (i32, i32) = (640, 480);

fn kiosk(monitors: usize) -> Desktop {
    desktop(Policy::Kiosk, &vec![M; monitors])
}

fn pinned(outputs: &[&str]) -> Placement {
    Placement {
        outputs: outputs.iter().map(|name| (*name).to_owned()).collect(),
        ..Placement::default()
    }
}

fn in_picture(x: i32, y: i32) -> Placement {
    Placement {
        position: Some((x, y)),
        ..Placement::default()
    }
}

fn guests(desktop: &mut Desktop, names: &[&str]) -> Vec<WindowId> {
    for name in names {
        desktop.guest_connected(name);
    }
    let windows = names.iter().map(|name| desktop.add(scanout(name, 0), M));
    windows.collect()
}

#[test]
fn each_guest_has_a_monitor_of_its_own_while_there_are_enough() {
    let mut desktop = kiosk(3);
    let windows = guests(&mut desktop, &["a", "b"]);
    assert_eq!(output(&desktop, windows[0]), Some(out(0)));
    assert_eq!(output(&desktop, windows[1]), Some(out(1)));
    assert_eq!(desktop.occupant(out(2)), None);
    assert_eq!(desktop.vacant(out(2)), None);
}

#[test]
fn scanouts_of_a_guest_go_to_the_monitors_in_turn_and_the_rest_have_no_place() {
    let mut desktop = kiosk(2);
    let windows = [0, 1, 2].map(|number| desktop.add(scanout("a", number), M));
    let places = windows.map(|id| output(&desktop, id));
    assert_eq!(places, [Some(out(0)), Some(out(1)), None]);
    assert_eq!(desktop.output_of_scanout("a", 1), Some(out(1)));
    assert_eq!(desktop.output_of_scanout("a", 2), None);
}

#[test]
fn a_guest_that_comes_later_begins_where_no_other_guest_is() {
    let mut desktop = kiosk(3);
    let first = desktop.add(scanout("a", 0), M);
    let second = desktop.add(scanout("a", 1), M);
    let later = desktop.add(scanout("b", 0), M);
    assert_eq!(output(&desktop, later), Some(out(2)));
    let wraps = desktop.add(scanout("b", 1), M);
    assert_eq!(desktop.output_of_scanout("b", 1), Some(out(0)));
    assert_eq!(
        output(&desktop, wraps),
        None,
        "the monitor is the first guest's"
    );
    assert_eq!(output(&desktop, first), Some(out(0)));
    assert_eq!(output(&desktop, second), Some(out(1)));
}

#[test]
fn a_third_guest_is_switched_in_and_out_again() {
    let mut desktop = kiosk(2);
    let windows = guests(&mut desktop, &["a", "b", "c"]);
    assert_eq!(desktop.output_of_scanout("c", 0), Some(out(0)));
    assert_eq!(output(&desktop, windows[2]), None);
    assert_eq!(desktop.focus(), Some(windows[0]));

    desktop.focus_guest("c").unwrap();
    assert_eq!(output(&desktop, windows[0]), None);
    assert_eq!(
        output(&desktop, windows[1]),
        Some(out(1)),
        "not its monitor"
    );
    assert_eq!(output(&desktop, windows[2]), Some(out(0)));
    assert_eq!(desktop.focus(), Some(windows[2]));
    assert_eq!(desktop.focused_guest(), Some("c"));

    assert_eq!(desktop.next_guest(), Some("a"));
    assert_eq!(output(&desktop, windows[0]), Some(out(0)));
    assert_eq!(desktop.next_guest(), Some("b"));
    assert_eq!(desktop.focus(), Some(windows[1]));
    assert_eq!(
        output(&desktop, windows[0]),
        Some(out(0)),
        "stays on its own"
    );
    assert_eq!(desktop.previous_guest(), Some("a"));
    assert_eq!(desktop.previous_guest(), Some("c"));
    assert_eq!(desktop.focus(), Some(windows[2]));
}

#[test]
fn a_guest_that_is_switched_in_takes_all_of_its_monitors() {
    let mut desktop = kiosk(2);
    desktop.guest_connected("a");
    desktop.guest_connected("b");
    let wide = [0, 1].map(|number| desktop.add(scanout("a", number), M));
    let other = desktop.add(scanout("b", 0), M);
    assert_eq!(output(&desktop, other), Some(out(1)), "its first monitor");
    assert_eq!(output(&desktop, wide[1]), None);
    desktop.focus_guest("a").unwrap();
    assert_eq!(
        wide.map(|id| output(&desktop, id)),
        [Some(out(0)), Some(out(1))]
    );
    assert_eq!(output(&desktop, other), None);
}

#[test]
fn unknown_guests_are_not_switched_to() {
    let mut desktop = kiosk(1);
    let error = desktop.focus_guest("x").unwrap_err().to_string();
    assert!(error.contains("none here"), "{error}");
    assert_eq!(desktop.next_guest(), None);
    guests(&mut desktop, &["a", "b"]);
    let error = desktop.focus_guest("x").unwrap_err().to_string();
    assert!(error.contains("a, b"), "{error}");
    desktop.verify_invariants();
}

#[test]
fn guests_are_where_their_configuration_puts_them() {
    let mut desktop = kiosk(2);
    let mut named = screen("M2", 640, 480);
    named.model = "ACME Wall 7".to_owned();
    desktop.add_output(out(2), named);
    desktop.place_guest("a", pinned(&["ACME Wall 7", "M0"]));
    desktop.place_guest("b", pinned(&["M9"]));
    let a = [0, 1, 2].map(|number| desktop.add(scanout("a", number), M));
    let b = desktop.add(scanout("b", 0), M);
    assert_eq!(
        a.map(|id| output(&desktop, id)),
        [Some(out(2)), Some(out(0)), None]
    );
    assert_eq!(output(&desktop, b), None, "there is no such monitor");
    // What can't be seen is not switched to.
    assert_eq!(desktop.next_guest(), Some("a"));
}

#[test]
fn a_guest_without_a_wish_gives_way_to_one_with_a_wish() {
    let mut desktop = kiosk(2);
    let first = guests(&mut desktop, &["a"])[0];
    assert_eq!(output(&desktop, first), Some(out(0)));
    desktop.place_guest("b", pinned(&["M0"]));
    let second = desktop.add(scanout("b", 0), M);
    assert_eq!(output(&desktop, first), Some(out(1)));
    assert_eq!(output(&desktop, second), Some(out(0)));
}

#[test]
fn like_monitors_can_be_named_twice() {
    let mut desktop = Desktop::new(Policy::Kiosk);
    for number in 0..2 {
        let mut screen = screen(&format!("M{number}"), 640, 480);
        screen.model = "ACME".to_owned();
        desktop.add_output(out(number), screen);
    }
    desktop.place_guest("a", pinned(&["ACME", "ACME"]));
    let windows = [0, 1].map(|number| desktop.add(scanout("a", number), M));
    assert_eq!(
        windows.map(|id| output(&desktop, id)),
        [Some(out(0)), Some(out(1))]
    );
}

#[test]
fn a_picture_is_fitted_as_configured_when_its_size_is_not_the_monitors() {
    let mut desktop = kiosk(1);
    let id = desktop.add(scanout("a", 0), M);
    assert_eq!(at(&desktop, id), (0, 0, (1.0, 1.0)));
    desktop.set_size(id, (320, 200));
    assert_eq!(at(&desktop, id), (0, 40, (2.0, 2.0)));
    let fit = Fit::None;
    desktop.place_guest(
        "a",
        Placement {
            fit,
            ..Placement::default()
        },
    );
    assert_eq!(at(&desktop, id), (160, 140, (1.0, 1.0)));
    desktop.change_output(out(0), screen("M0", 320, 100));
    assert_eq!(at(&desktop, id), (0, -50, (1.0, 1.0)));
}

#[test]
fn a_picture_in_picture_lies_above_whoever_fills_the_monitor() {
    let mut desktop = kiosk(1);
    desktop.place_guest("small", in_picture(20, 30));
    let windows = guests(&mut desktop, &["a", "b"]);
    let small = desktop.add(scanout("small", 0), (64, 48));
    let client = desktop.add(Owner::Client, (10, 10));
    assert_eq!(at(&desktop, small), (20, 30, (1.0, 1.0)));
    assert_eq!(order(&desktop), [windows[0], windows[1], small, client]);
    assert!(!desktop.fills_monitors("small"));
    assert!(desktop.fills_monitors("a"));

    desktop.focus_guest("b").unwrap();
    assert_eq!(output(&desktop, small), Some(out(0)));
    assert_eq!(output(&desktop, windows[1]), Some(out(0)));
    desktop.focus_guest("small").unwrap();
    assert_eq!(desktop.focus(), Some(small));
    assert_eq!(output(&desktop, windows[1]), Some(out(0)));
}

#[test]
fn a_guest_that_shows_nothing_is_named_on_its_monitor() {
    let mut desktop = kiosk(2);
    desktop.guest_connected("a");
    desktop.guest_connected("b");
    assert_eq!(desktop.vacant(out(0)), Some("a"));
    assert_eq!(desktop.vacant(out(1)), Some("b"));
    let window = desktop.add(scanout("a", 0), M);
    assert_eq!(desktop.vacant(out(0)), None);
    let before = desktop.changes();
    desktop.remove(window);
    assert_eq!(desktop.vacant(out(0)), Some("a"));
    assert!(desktop.changes() > before);
    desktop.verify_invariants();
}

#[test]
fn a_guest_that_does_not_run_gives_way_until_it_runs_and_draws() {
    let mut desktop = kiosk(2);
    let windows = [0, 1].map(|number| desktop.add(scanout("a", number), M));
    let before = desktop.changes();
    desktop.set_running("a", false);
    assert!(desktop.changes() > before);
    for (window, monitor) in windows.into_iter().zip([out(0), out(1)]) {
        assert_eq!(output(&desktop, window), None);
        assert_eq!(desktop.vacant(monitor), Some("a"));
    }
    // Its device puts the last picture into safety.
    desktop.drew(windows[0]);
    assert_eq!(output(&desktop, windows[0]), None);

    desktop.set_running("a", true);
    assert_eq!(output(&desktop, windows[0]), None, "that is another VMM's");
    desktop.drew(windows[1]);
    assert_eq!(output(&desktop, windows[1]), Some(out(1)));
    assert_eq!(desktop.vacant(out(0)), Some("a"));
    desktop.drew(windows[0]);
    assert_eq!(output(&desktop, windows[0]), Some(out(0)));
    assert_eq!(desktop.vacant(out(0)), None);
}

#[test]
fn a_window_that_is_new_is_not_from_before() {
    let mut desktop = kiosk(1);
    desktop.set_running("a", false);
    let window = desktop.add(scanout("a", 0), M);
    assert_eq!(output(&desktop, window), None);
    assert_eq!(desktop.vacant(out(0)), Some("a"));
    // Whether its VMM runs and what it draws are heard of in either order.
    desktop.set_running("a", true);
    assert_eq!(output(&desktop, window), Some(out(0)));
}

#[test]
fn a_guest_that_stops_keeps_the_keyboard_from_others() {
    let mut desktop = kiosk(2);
    let windows = guests(&mut desktop, &["a", "b", "c"]);
    desktop.focus_guest("c").unwrap();
    desktop.set_running("c", false);
    assert_eq!(desktop.focus(), None);
    assert_eq!(desktop.focused_guest(), Some("c"));
    assert_eq!(desktop.occupant(out(0)), Some("c"));
    desktop.verify_invariants();
    // Only who switches on types at somebody else.
    desktop.focus_window(windows[2]);
    assert_eq!(desktop.focus(), None);
    desktop.focus_guest("a").unwrap();
    assert_eq!(desktop.focus(), Some(windows[0]));
    desktop.focus_guest("c").unwrap();
    assert_eq!(desktop.focus(), None);
    desktop.set_running("c", true);
    desktop.drew(windows[2]);
    assert_eq!(desktop.focus(), Some(windows[2]));
}

#[test]
fn a_picture_in_picture_that_starts_again_keeps_the_keyboard_from_the_guest_below() {
    let mut desktop = kiosk(1);
    desktop.place_guest("small", in_picture(20, 30));
    guests(&mut desktop, &["a"]);
    let small = desktop.add(scanout("small", 0), (64, 48));
    desktop.focus_guest("small").unwrap();
    desktop.set_running("small", false);
    assert_eq!(output(&desktop, small), None);
    assert_eq!(desktop.focus(), None);
    desktop.set_running("small", true);
    desktop.drew(small);
    assert_eq!(desktop.focus(), Some(small));
}

#[test]
fn what_is_typed_at_a_guest_that_restarts_reaches_nobody_else() {
    let mut desktop = kiosk(2);
    let windows = guests(&mut desktop, &["a", "b"]);
    desktop.focus_guest("a").unwrap();
    desktop.remove(windows[0]);
    assert_eq!(desktop.focus(), None);
    let again = desktop.add(scanout("a", 0), M);
    assert_eq!(desktop.focus(), Some(again));
}

#[test]
fn the_keyboard_follows_clicks_new_clients_and_switching() {
    let mut desktop = kiosk(2);
    let windows = guests(&mut desktop, &["a", "b"]);
    assert_eq!(
        desktop.focus(),
        Some(windows[0]),
        "nobody takes it from the first"
    );
    desktop.focus_window(windows[1]);
    assert_eq!(desktop.focus(), Some(windows[1]));

    let client = desktop.add(Owner::Client, (10, 10));
    assert_eq!(desktop.focus(), Some(client));
    assert_eq!(
        output(&desktop, client),
        Some(out(1)),
        "where the keyboard was"
    );
    let newer = desktop.add(Owner::Client, (10, 10));
    desktop.focus_window(client);
    assert_eq!(order(&desktop).last(), Some(&client), "it comes to the top");
    desktop.remove(client);
    assert_eq!(desktop.focus(), Some(newer));
    desktop.remove(newer);
    assert_eq!(desktop.focus(), Some(windows[1]));
    assert_eq!(desktop.next_guest(), Some("a"));
    assert_eq!(desktop.focus(), Some(windows[0]));
}

#[test]
fn a_guest_on_several_monitors_has_the_keyboard_where_the_user_is() {
    let mut desktop = kiosk(2);
    let wide = [0, 1].map(|number| desktop.add(scanout("wide", number), M));
    let other = desktop.add(scanout("other", 0), M);
    assert_eq!(desktop.output_of_scanout("other", 0), Some(out(1)));
    desktop.focus_guest("other").unwrap();
    assert_eq!(desktop.focus(), Some(other));
    desktop.next_guest();
    assert_eq!(desktop.focus(), Some(wide[1]));
    desktop.focus_window(wide[0]);
    assert_eq!(desktop.focus(), Some(wide[0]));
}

#[test]
fn devices_that_say_no_scanout_show_their_first_one() {
    let mut desktop = kiosk(2);
    let old = desktop.add(untold("a"), M);
    assert_eq!(output(&desktop, old), Some(out(0)));
    let new = desktop.add(scanout("a", 0), M);
    assert_eq!(output(&desktop, old), None, "one window for each scanout");
    assert_eq!(output(&desktop, new), Some(out(0)));
}

#[test]
fn a_clients_fullscreen_window_covers_its_monitor() {
    let mut desktop = kiosk(2);
    let windows = guests(&mut desktop, &["a", "b"]);
    desktop.focus_window(windows[1]);
    let one = desktop.add(Owner::Client, (10, 10));
    let two = desktop.add(Owner::Client, (10, 10));
    assert_eq!(at(&desktop, two).0, 32);
    desktop.set_fullscreen(two, true);
    assert_eq!(at(&desktop, two), (0, 0, (1.0, 1.0)));
    assert_eq!(output(&desktop, two), Some(out(1)));
    desktop.set_fullscreen(two, false);
    assert_eq!(at(&desktop, two).0, 32);
    assert_eq!(order(&desktop).last(), Some(&two));
    // Guests' windows have their size from elsewhere.
    desktop.set_fullscreen(windows[0], true);
    assert!(!desktop.get(windows[0]).unwrap().is_fullscreen());
    assert!(!desktop.get(one).unwrap().is_fullscreen());
}
