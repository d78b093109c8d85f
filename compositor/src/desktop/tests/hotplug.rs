//! Monitors that come and go.

use super::*;

const M: (i32, i32) = (640, 480);

fn two_guests() -> (Desktop, [WindowId; 2]) {
    let mut desktop = desktop(Policy::Kiosk, &[M, M]);
    let windows = ["a", "b"].map(|name| desktop.add(scanout(name, 0), M));
    (desktop, windows)
}

#[test]
fn guests_of_an_unplugged_monitor_share_another_one_and_go_back() {
    let (mut desktop, [a, b]) = two_guests();
    desktop.remove_output(out(0));
    assert_eq!(desktop.output_of_scanout("a", 0), Some(out(1)));
    assert_eq!(
        output(&desktop, a),
        Some(out(1)),
        "it has the keyboard and the lower rank"
    );
    assert_eq!(output(&desktop, b), None);
    desktop.focus_guest("b").unwrap();
    assert_eq!(output(&desktop, b), Some(out(1)));
    assert_eq!(output(&desktop, a), None);

    desktop.add_output(out(5), screen("M0", 640, 480));
    assert_eq!(output(&desktop, a), Some(out(5)));
    assert_eq!(output(&desktop, b), Some(out(1)));
}

#[test]
fn a_guest_goes_back_to_its_monitor_at_another_connector() {
    let mut desktop = Desktop::new(Policy::Kiosk);
    for (number, model) in (0..).zip(["ACME 1", "ACME 2"]) {
        let mut screen = screen(&format!("M{number}"), 640, 480);
        screen.model = model.to_owned();
        desktop.add_output(out(number), screen);
    }
    let windows = ["a", "b"].map(|name| desktop.add(scanout(name, 0), M));
    desktop.remove_output(out(0));
    desktop.remove_output(out(1));
    assert_eq!(windows.map(|id| output(&desktop, id)), [None, None]);
    let mut moved = screen("M0", 640, 480);
    moved.model = "ACME 2".to_owned();
    desktop.add_output(out(2), moved);
    desktop.verify_invariants();
    let mut other = screen("M7", 640, 480);
    other.model = "ACME 1".to_owned();
    desktop.add_output(out(3), other);
    let places = windows.map(|id| output(&desktop, id));
    assert_eq!(places, [Some(out(3)), Some(out(2))]);
}

#[test]
fn everything_comes_back_after_all_monitors_were_unplugged() {
    let (mut desktop, [a, b]) = two_guests();
    let client = desktop.add(Owner::Client, (10, 10));
    desktop.focus_window(b);
    for number in 0..2 {
        desktop.remove_output(out(number));
    }
    assert_eq!([a, b, client].map(|id| output(&desktop, id)), [None; 3]);
    assert_eq!(desktop.focus(), None);
    assert_eq!(desktop.output_of_clients(), None);
    assert_eq!(desktop.next_guest(), None);
    for number in 0..2 {
        desktop.add_output(out(10 + number), screen(&format!("M{number}"), 640, 480));
    }
    let places = [a, b, client].map(|id| output(&desktop, id));
    assert_eq!(places, [Some(out(10)), Some(out(11)), Some(out(10))]);
    assert_eq!(desktop.focus(), Some(b));
}

#[test]
fn a_new_monitor_is_given_to_a_guest_that_had_to_share() {
    let mut desktop = desktop(Policy::Kiosk, &[M]);
    let windows = ["a", "b"].map(|name| desktop.add(scanout(name, 0), M));
    assert_eq!(output(&desktop, windows[1]), None);
    desktop.add_output(out(9), screen("M9", 640, 480));
    assert_eq!(output(&desktop, windows[1]), Some(out(9)));
    // It is its own from now on.
    desktop.remove_output(out(9));
    assert_eq!(output(&desktop, windows[1]), None);
    desktop.add_output(out(10), screen("M9", 640, 480));
    assert_eq!(output(&desktop, windows[1]), Some(out(10)));
}

#[test]
fn guests_that_wait_for_a_monitor_get_the_first_ones() {
    let mut desktop = Desktop::new(Policy::Kiosk);
    desktop.guest_connected("a");
    let window = desktop.add(scanout("a", 0), M);
    assert_eq!(output(&desktop, window), None);
    assert_eq!(desktop.focus(), None);
    desktop.add_output(out(0), screen("M0", 800, 600));
    assert_eq!(output(&desktop, window), Some(out(0)));
    assert_eq!(desktop.focus(), Some(window));
}

#[test]
fn a_clients_window_moves_with_its_monitor() {
    let (mut desktop, [_, b]) = two_guests();
    desktop.focus_window(b);
    let client = desktop.add(Owner::Client, (10, 10));
    assert_eq!(output(&desktop, client), Some(out(1)));
    desktop.remove_output(out(1));
    assert_eq!(output(&desktop, client), Some(out(0)));
    desktop.add_output(out(2), screen("M1", 640, 480));
    assert_eq!(output(&desktop, client), Some(out(2)));
}
