//! Placement and focus.

use proptest::prelude::*;

use super::*;

fn scanout(name: &str, scanout: u8) -> Owner {
    Owner::Guest {
        name: name.to_owned(),
        scanout: Some(scanout),
    }
}

fn untold(name: &str) -> Owner {
    Owner::Guest {
        name: name.to_owned(),
        scanout: None,
    }
}

fn order(desktop: &Desktop) -> Vec<WindowId> {
    desktop.windows().iter().map(Window::id).collect()
}

#[test]
fn scanouts_go_to_the_outputs_in_turn() {
    let mut desktop = Desktop::new(vec![(1920, 1080), (800, 600)]);
    let places: Vec<_> = (0..4)
        .map(|number| {
            let id = desktop.add(scanout("a", number));
            desktop.get(id).unwrap().place()
        })
        .collect();
    assert_eq!(
        places,
        [0, 1, 0, 1].map(|output| Place { output, x: 0, y: 0 })
    );
    desktop.verify_invariants();
}

#[test]
fn later_guests_cover_earlier_ones_whoever_is_shown_first() {
    let mut desktop = Desktop::new(vec![(1920, 1080)]);
    desktop.guest_connected("first");
    desktop.guest_connected("second");
    let second = desktop.add(scanout("second", 0));
    let first = desktop.add(scanout("first", 0));
    assert_eq!(order(&desktop), [first, second]);
    assert_eq!(desktop.focus(), Some(first));
}

#[test]
fn a_restarted_guest_comes_back_to_where_it_was() {
    let mut desktop = Desktop::new(vec![(1920, 1080)]);
    let below = desktop.add(scanout("below", 0));
    let above = desktop.add(scanout("above", 0));
    desktop.remove(below);
    desktop.guest_connected("below");
    let again = desktop.add(scanout("below", 0));
    assert_eq!(order(&desktop), [again, above]);
}

#[test]
fn clients_lie_above_guests_in_a_cascade() {
    let mut desktop = Desktop::new(vec![(640, 480), (640, 480)]);
    let one = desktop.add(Owner::Client);
    let two = desktop.add(Owner::Client);
    let guest = desktop.add(scanout("a", 0));
    assert_eq!(order(&desktop), [guest, one, two]);
    assert_eq!(
        desktop.get(two).unwrap().place(),
        Place {
            output: 0,
            x: 32,
            y: 32
        }
    );
    desktop.remove(one);
    let three = desktop.add(Owner::Client);
    assert_eq!(desktop.get(three).unwrap().place().x, 0);
    assert_eq!(order(&desktop), [guest, two, three]);
}

#[test]
fn a_guests_window_moves_when_its_device_says_which_scanout_it_is() {
    let mut desktop = Desktop::new(vec![(640, 480), (640, 480)]);
    let client = desktop.add(Owner::Client);
    let id = desktop.add(untold("a"));
    assert_eq!(desktop.scanout("a", 1), None);
    desktop.set_scanout(id, 1);
    assert_eq!(desktop.scanout("a", 1), Some(id));
    assert_eq!(desktop.get(id).unwrap().place().output, 1);
    assert_eq!(order(&desktop), [id, client]);
    desktop.set_scanout(client, 1);
    assert_eq!(desktop.get(client).unwrap().owner(), &Owner::Client);
    desktop.verify_invariants();
}

#[test]
fn the_keyboard_goes_to_the_newest_window_and_back() {
    let mut desktop = Desktop::new(vec![(640, 480)]);
    let guest = desktop.add(scanout("a", 0));
    let client = desktop.add(Owner::Client);
    assert_eq!(desktop.focus(), Some(client));
    desktop.remove(client);
    assert_eq!(desktop.focus(), Some(guest));
    desktop.remove(guest);
    assert_eq!(desktop.focus(), None);
}

#[test]
fn a_desktop_without_outputs_places_windows_somewhere() {
    let mut desktop = Desktop::new(Vec::new());
    desktop.add(Owner::Client);
    desktop.add(scanout("a", 5));
    desktop.verify_invariants();
}

#[derive(Debug, Clone)]
enum Op {
    Connect(u8),
    AddGuest(u8, Option<u8>),
    AddClient,
    /// Of the nth window, counted around.
    Remove(usize),
    SetScanout(usize, u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..4u8).prop_map(Op::Connect),
        (0..4u8, prop::option::of(0..20u8))
            .prop_map(|(guest, scanout)| Op::AddGuest(guest, scanout)),
        Just(Op::AddClient),
        any::<usize>().prop_map(Op::Remove),
        (any::<usize>(), 0..20u8).prop_map(|(window, scanout)| Op::SetScanout(window, scanout)),
    ]
}

proptest! {
    #[test]
    fn invariants_hold_after_every_operation(
        outputs in prop::collection::vec((0..4000i32, 0..4000i32), 0..4),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let mut desktop = Desktop::new(outputs);
        for op in ops {
            let nth = |desktop: &Desktop, n: usize| {
                let count = desktop.windows().len();
                (count > 0).then(|| desktop.windows()[n % count].id())
            };
            match op {
                Op::Connect(guest) => desktop.guest_connected(&guest.to_string()),
                Op::AddGuest(guest, scanout) => {
                    desktop.add(Owner::Guest { name: guest.to_string(), scanout });
                }
                Op::AddClient => {
                    desktop.add(Owner::Client);
                }
                Op::Remove(n) => {
                    if let Some(id) = nth(&desktop, n) {
                        desktop.remove(id);
                    }
                }
                Op::SetScanout(n, scanout) => {
                    if let Some(id) = nth(&desktop, n) {
                        desktop.set_scanout(id, scanout);
                    }
                }
            }
            desktop.verify_invariants();
        }
    }
}
