//! Holding pointer and keyboard.

use super::*;

const LOCKED: HostInput = HostInput::PointerLocked(true);
const UNLOCKED: HostInput = HostInput::PointerLocked(false);

/// A pointer over a window, and the keyboard in it.
fn seated(hands: HandOffer) -> Scene {
    let mut scene = Scene::seated_with(hands, 10);
    scene.host.focus(0, &[]);
    scene.host.point(1, 0, 1.0, 1.0);
    scene.forget_past();
    scene
}

impl Scene {
    /// What was asked of locks and inhibitors since the last time.
    fn holds(&mut self) -> Vec<String> {
        let mut log = self.log();
        log.retain(|line| line.contains("lock") || line.contains("inhibit"));
        log
    }
}

fn locked() -> Scene {
    let mut scene = seated(HandOffer::ALL);
    scene.grab(true, false);
    scene.pump();
    scene.host.lock().locked();
    scene.forget_past();
    scene
}

#[test]
fn a_locked_pointer_tells_how_far_it_was_moved_without_acceleration() {
    let mut scene = seated(HandOffer::ALL);
    scene.grab(true, false);
    assert_eq!(scene.log_of("window 0"), ["lock"]);
    let moved = |scene: &Scene| {
        scene
            .host
            .relative()
            .relative_motion(0, 0, 9.0, 9.0, 1.5, -2.25);
        scene.host.pointer().motion(0, 7.0, 7.0);
        scene.host.pointer().frame();
    };
    moved(&scene);
    assert_eq!(
        scene.hands(),
        [
            HostInput::PointerMotion(at(7.0, 7.0)),
            HostInput::PointerFrame
        ],
        "the host has not agreed yet"
    );
    scene.host.lock().locked();
    moved(&scene);
    let relative = HostInput::RelativeMotion { dx: 1.5, dy: -2.25 };
    assert_eq!(scene.hands(), [LOCKED, relative, HostInput::PointerFrame]);
}

#[test]
fn pointers_without_frames_move_relatively_too() {
    let mut scene = Scene::seated_with(HandOffer::ALL, 3);
    scene.host.point(1, 0, 1.0, 1.0);
    scene.grab(true, false);
    scene.pump();
    scene.host.lock().locked();
    scene.hands();
    scene
        .host
        .relative()
        .relative_motion(0, 0, 0.0, 0.0, 1.0, 1.0);
    let relative = HostInput::RelativeMotion { dx: 1.0, dy: 1.0 };
    assert_eq!(scene.hands(), [relative, HostInput::PointerFrame]);
}

#[test]
fn buttons_and_wheels_work_while_the_pointer_is_locked() {
    let mut scene = locked();
    let pointer = scene.host.pointer();
    pointer.button(2, 0, BTN_LEFT, ButtonState::Pressed);
    pointer.axis_value120(Axis::VerticalScroll, 120);
    pointer.frame();
    let scroll = HostInput::Scroll {
        horizontal: 0,
        vertical: 120,
    };
    assert_eq!(
        scene.hands(),
        [button(BTN_LEFT, true), scroll, HostInput::PointerFrame]
    );
}

#[test]
fn to_let_go_at_the_guests_wish_is_not_reported() {
    let mut scene = locked();
    scene.grab(false, false);
    assert_eq!(
        scene.log()[..4],
        [
            "lock: come out at 0,0",
            "window 0: commit",
            "relative pointer: destroy",
            "lock: destroy",
        ]
    );
    assert_eq!(scene.hands(), []);
    // And what the host said before it heard of it does not count.
    scene.host.lock().unlocked();
    assert_eq!(scene.hands(), []);
}

#[test]
fn the_hosts_pointer_comes_out_where_the_guest_has_its_own() {
    let mut scene = locked();
    scene.configure((128, 64), &[]);
    let image = CursorImage {
        width: 8,
        height: 8,
        hot_x: 2,
        hot_y: 3,
        pixels: vec![0; 256],
    };
    let show = CursorUpdate::Image { image, x: 10, y: 5 };
    scene.display.cursor(SCREEN, show);
    scene.forget_past();
    scene.grab(false, false);
    assert!(scene.log().contains(&"lock: come out at 24,16".to_owned()));
}

#[test]
fn the_host_can_take_the_pointer_back_and_give_it_again() {
    let mut scene = locked();
    scene.host.lock().unlocked();
    scene.host.lock().unlocked();
    assert_eq!(scene.hands(), [UNLOCKED]);
    scene
        .host
        .relative()
        .relative_motion(0, 0, 1.0, 1.0, 1.0, 1.0);
    assert_eq!(scene.hands(), []);
    scene.host.lock().locked();
    assert_eq!(scene.hands(), [LOCKED]);
    assert_eq!(scene.holds(), [""; 0], "it is the same lock");
}

#[test]
fn a_lock_waits_for_the_pointer_to_come() {
    let mut scene = Scene::seated();
    scene.grab(true, false);
    assert_eq!(scene.log(), [""; 0]);
    scene.host.point(1, 0, 1.0, 1.0);
    assert!(scene.log().contains(&"window 0: lock".to_owned()));
    // It stays while the pointer is away: the host locks it again.
    scene.host.pointer().leave(2, scene.host.wl_surface(0));
    scene.host.point(3, 0, 1.0, 1.0);
    assert_eq!(scene.holds(), [""; 0]);
}

#[test]
fn a_lock_goes_with_the_pointer_to_another_window() {
    let mut scene = locked();
    scene.open_other();
    scene.host.lock().unlocked();
    scene.host.pointer().leave(2, scene.host.wl_surface(0));
    scene.host.point(3, 1, 1.0, 1.0);
    assert_eq!(scene.holds(), ["lock: destroy", "window 1: lock"]);
}

#[test]
fn a_lock_ends_with_its_window() {
    let mut scene = locked();
    scene.display.disable(SCREEN);
    let log = scene.log();
    let place = |wanted: &str| log.iter().position(|line| line == wanted).unwrap();
    assert!(
        place("lock: destroy") < place("window 0: destroy"),
        "{log:?}"
    );
    assert!(scene.hands().contains(&UNLOCKED));
}

#[test]
fn a_lock_ends_with_the_pointer() {
    let mut scene = locked();
    scene.host.has(0, Capability::Keyboard);
    let log = scene.log();
    let place = |wanted: &str| log.iter().position(|line| line == wanted).unwrap();
    assert!(
        place("lock: destroy") < place("pointer released"),
        "{log:?}"
    );
    assert_eq!(
        scene.hands(),
        [HostInput::PointerLeave, HostInput::PointerFrame, UNLOCKED]
    );
}

#[test]
fn a_host_that_can_not_lock_says_so_each_time() {
    for hands in [
        HandOffer {
            constraints: false,
            ..HandOffer::ALL
        },
        HandOffer {
            relative: false,
            ..HandOffer::ALL
        },
    ] {
        let mut scene = seated(hands);
        for _ in 0..2 {
            scene.grab(true, false);
            assert_eq!(scene.hands(), [UNLOCKED]);
        }
        scene.grab(false, false);
        assert_eq!(scene.hands(), []);
        assert_eq!(scene.log(), [""; 0]);
    }
}

#[test]
fn shortcuts_are_the_guests_in_each_window_that_gets_the_keyboard() {
    let mut scene = seated(HandOffer::ALL);
    scene.open_other();
    scene.grab(false, true);
    assert_eq!(scene.holds(), ["window 0: inhibit"]);
    scene.host.keyboard().leave(2, scene.host.wl_surface(0));
    scene.host.focus(1, &[]);
    assert_eq!(scene.holds(), ["window 1: inhibit"]);
    scene.host.keyboard().leave(2, scene.host.wl_surface(1));
    scene.host.focus(0, &[]);
    assert_eq!(scene.holds(), [""; 0], "hosts may ask the user");
    scene.display.disable(OTHER_SCREEN);
    assert_eq!(scene.holds(), ["window 1: inhibit no more"]);
    scene.grab(false, false);
    assert_eq!(scene.holds(), ["window 0: inhibit no more"]);
}

#[test]
fn a_host_without_inhibitors_keeps_its_shortcuts() {
    let mut scene = seated(HandOffer {
        inhibit: false,
        ..HandOffer::ALL
    });
    scene.grab(false, true);
    assert_eq!(scene.log(), [""; 0]);
    assert_eq!(scene.hands(), []);
}
