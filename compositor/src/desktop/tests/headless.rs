//! Everything at once, for looking at from outside.

use super::*;

const SIZE: (i32, i32) = (50, 40);

fn headless(sizes: &[(i32, i32)]) -> Desktop {
    desktop(Policy::Headless, sizes)
}

#[test]
fn scanouts_go_to_the_outputs_in_turn() {
    let mut desktop = headless(&[(1920, 1080), (800, 600)]);
    for number in 0..4 {
        let id = desktop.add(scanout("a", number), SIZE);
        assert_eq!(output(&desktop, id), Some(out(u64::from(number) % 2)));
        assert_eq!(at(&desktop, id), (0, 0, (1.0, 1.0)));
    }
}

#[test]
fn a_guest_goes_to_the_outputs_that_were_named_for_it() {
    let mut desktop = headless(&[(1920, 1080), (800, 600)]);
    let placement = |names: &[&str]| Placement {
        outputs: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Placement::default()
    };
    desktop.place_guest("a", placement(&["M1"]));
    desktop.place_guest("b", placement(&["not there"]));
    let ids = [("a", 0), ("a", 1), ("b", 0)].map(|(guest, number)| {
        let id = desktop.add(scanout(guest, number), SIZE);
        output(&desktop, id)
    });
    assert_eq!(ids, [Some(out(1)), Some(out(1)), Some(out(0))]);
}

#[test]
fn later_guests_cover_earlier_ones_whoever_is_shown_first() {
    let mut desktop = headless(&[(1920, 1080)]);
    desktop.guest_connected("first");
    desktop.guest_connected("second");
    let second = desktop.add(scanout("second", 0), SIZE);
    let first = desktop.add(scanout("first", 0), SIZE);
    assert_eq!(order(&desktop), [first, second]);
    assert_eq!(desktop.focus(), Some(first));
}

#[test]
fn a_restarted_guest_comes_back_to_where_it_was() {
    let mut desktop = headless(&[(1920, 1080)]);
    let below = desktop.add(scanout("below", 0), SIZE);
    let above = desktop.add(scanout("above", 0), SIZE);
    desktop.remove(below);
    desktop.guest_connected("below");
    let again = desktop.add(scanout("below", 0), SIZE);
    assert_eq!(order(&desktop), [again, above]);
}

#[test]
fn clients_lie_above_guests_in_a_cascade() {
    let mut desktop = headless(&[(640, 480), (640, 480)]);
    let one = desktop.add(Owner::Client, SIZE);
    let two = desktop.add(Owner::Client, SIZE);
    let guest = desktop.add(scanout("a", 0), SIZE);
    assert_eq!(order(&desktop), [guest, one, two]);
    assert_eq!(output(&desktop, two), Some(out(0)));
    assert_eq!(at(&desktop, two), (32, 32, (1.0, 1.0)));
    desktop.remove(one);
    let three = desktop.add(Owner::Client, SIZE);
    assert_eq!(at(&desktop, three).0, 0);
    assert_eq!(order(&desktop), [guest, two, three]);
}

#[test]
fn a_guests_window_moves_when_its_device_says_which_scanout_it_is() {
    let mut desktop = headless(&[(640, 480), (640, 480)]);
    let client = desktop.add(Owner::Client, SIZE);
    let id = desktop.add(untold("a"), SIZE);
    assert_eq!(desktop.scanout("a", 1), None);
    desktop.set_scanout(id, 1);
    assert_eq!(desktop.scanout("a", 1), Some(id));
    assert_eq!(output(&desktop, id), Some(out(1)));
    assert_eq!(order(&desktop), [id, client]);
    desktop.set_scanout(client, 1);
    assert_eq!(desktop.get(client).unwrap().owner(), &Owner::Client);
    desktop.verify_invariants();
}

#[test]
fn the_keyboard_goes_to_the_newest_window_and_back() {
    let mut desktop = headless(&[(640, 480)]);
    let guest = desktop.add(scanout("a", 0), SIZE);
    let client = desktop.add(Owner::Client, SIZE);
    assert_eq!(desktop.focus(), Some(client));
    desktop.remove(client);
    assert_eq!(desktop.focus(), Some(guest));
    desktop.remove(guest);
    assert_eq!(desktop.focus(), None);
}

#[test]
fn switching_moves_the_keyboard_and_nothing_else() {
    let mut desktop = headless(&[(640, 480)]);
    let a = desktop.add(scanout("a", 0), SIZE);
    let b = desktop.add(scanout("b", 0), SIZE);
    let before = order(&desktop);
    desktop.focus_guest("a").unwrap();
    assert_eq!(desktop.focus(), Some(a));
    assert_eq!(desktop.next_guest(), Some("b"));
    assert_eq!(desktop.focus(), Some(b));
    assert_eq!(order(&desktop), before);
    assert_eq!(desktop.vacant(out(0)), None);
}

#[test]
fn windows_have_no_place_without_outputs_and_come_back() {
    let mut desktop = headless(&[]);
    let client = desktop.add(Owner::Client, SIZE);
    let guest = desktop.add(scanout("a", 5), SIZE);
    assert_eq!(output(&desktop, client), None);
    assert_eq!(output(&desktop, guest), None);
    assert_eq!(desktop.focus(), None);
    desktop.add_output(out(7), screen("M", 640, 480));
    assert_eq!(output(&desktop, client), Some(out(7)));
    assert_eq!(output(&desktop, guest), Some(out(7)));
    assert_eq!(desktop.focus(), Some(guest));
}

#[test]
fn the_windows_of_a_guest_that_does_not_run_stay() {
    let mut desktop = desktop(Policy::Headless, &[(640, 480)]);
    let window = desktop.add(scanout("a", 0), (640, 480));
    let before = desktop.changes();
    desktop.set_running("a", false);
    desktop.set_running("unknown", false);
    assert_eq!(output(&desktop, window), Some(out(0)));
    assert_eq!(desktop.focus(), Some(window));
    assert_eq!(desktop.changes(), before);
    assert_eq!(desktop.guests().collect::<Vec<_>>(), ["a"]);
}
