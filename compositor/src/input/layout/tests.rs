use proptest::prelude::*;

use super::*;

fn layout(areas: &[(i32, i32, i32, i32)]) -> Layout {
    Layout::new(areas.iter().zip(0..).map(|((x, y, w, h), number)| {
        (
            OutputId::new(number),
            Rectangle::new((*x, *y).into(), (*w, *h).into()),
        )
    }))
}

fn point(x: f64, y: f64) -> Point<f64, Logical> {
    (x, y).into()
}

#[test]
fn a_pointer_stays_on_its_monitor_and_reaches_its_last_pixel() {
    let one = layout(&[(0, 0, 100, 50)]);
    let corner = one.moved(point(50.0, 25.0), point(1e9, 1e9));
    assert_eq!((corner.x.floor(), corner.y.floor()), (99.0, 49.0));
    let back = one.moved(corner, point(-5.0, 10.0));
    assert_eq!(back, point(0.0, 10.0));
}

#[test]
fn it_crosses_to_the_neighbour() {
    let two = layout(&[(0, 0, 100, 50), (100, 0, 100, 50)]);
    assert_eq!(
        two.moved(point(99.0, 20.0), point(103.0, 21.0)),
        point(103.0, 21.0)
    );
}

#[test]
fn it_slides_along_an_edge_over_to_the_neighbour() {
    let two = layout(&[(0, 0, 100, 50), (100, 0, 100, 50)]);
    assert_eq!(
        two.moved(point(99.0, 1.0), point(103.0, -4.0)),
        point(103.0, 0.0)
    );
}

#[test]
fn a_taller_neighbour_does_not_let_it_fall_off() {
    let two = layout(&[(0, 0, 100, 100), (100, 0, 100, 50)]);
    let stopped = two.moved(point(99.0, 80.0), point(120.0, 80.0));
    assert_eq!((stopped.x.floor(), stopped.y), (99.0, 80.0));
}

#[test]
fn a_gap_between_monitors_is_jumped_over() {
    let two = layout(&[(0, 0, 100, 50), (300, 0, 100, 50)]);
    assert_eq!(
        two.moved(point(99.0, 20.0), point(101.0, 20.0)),
        point(300.0, 20.0)
    );
    let back = two.moved(point(300.0, 20.0), point(298.0, 20.0));
    assert_eq!((back.x.floor(), back.y), (99.0, 20.0));
    let stacked = layout(&[(0, 0, 100, 50), (0, 70, 100, 50)]);
    assert_eq!(
        stacked.moved(point(10.0, 49.0), point(10.0, 52.0)),
        point(10.0, 70.0)
    );
}

#[test]
fn without_monitors_nothing_moves_and_one_that_went_gives_the_pointer_back() {
    let none = layout(&[]);
    assert_eq!(
        none.moved(point(5.0, 5.0), point(9.0, 9.0)),
        point(5.0, 5.0)
    );
    let left = layout(&[(0, 0, 100, 50)]);
    let found = left.moved(point(150.0, 20.0), point(151.0, 20.0));
    assert!(left.monitor_at(found).is_some());
}

#[test]
fn numbers_that_are_none_move_nothing() {
    let one = layout(&[(0, 0, 100, 50)]);
    let from = point(5.0, 5.0);
    assert_eq!(one.moved(from, point(f64::NAN, 5.0)), from);
    assert_eq!(one.moved(from, point(f64::INFINITY, 5.0)), from);
}

#[test]
fn parts_of_a_monitor_are_on_it() {
    let one = layout(&[(10, 20, 100, 50)]);
    let monitor = one.first().unwrap();
    assert_eq!(monitor.at(point(0.5, 0.5)), point(60.0, 45.0));
    assert!(monitor.contains(monitor.at(point(1.0, 1.0))));
    assert!(monitor.contains(monitor.at(point(-1.0, 7.0))));
}

proptest! {
    /// Whatever happens, a pointer is on a monitor, and where it was sent if there is one.
    #[test]
    fn a_pointer_is_always_on_a_monitor(
        areas in prop::collection::vec((-500i32..500, -500i32..500, 1i32..400, 1i32..400), 1..5),
        moves in prop::collection::vec((-900.0f64..900.0, -900.0f64..900.0), 1..40),
    ) {
        let layout = layout(&areas);
        let mut at = layout.first().unwrap().area.loc;
        for (x, y) in moves {
            let to = at + point(x, y);
            let meant = layout.monitor_at(to).is_some();
            at = layout.moved(at, to);
            prop_assert!(layout.monitor_at(at).is_some());
            prop_assert!(!meant || at == to);
        }
    }
}
