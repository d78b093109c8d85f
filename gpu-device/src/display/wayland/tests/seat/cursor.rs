//! The guest's pointer and the host's: one of them is to be seen.

use super::*;

fn image(side: u32, hot: (u32, u32)) -> CursorImage {
    CursorImage {
        width: side,
        height: side,
        hot_x: hot.0,
        hot_y: hot.1,
        pixels: vec![0xff; usize::try_from(side * side * 4).unwrap()],
    }
}

fn show(x: i32, y: i32) -> CursorUpdate {
    CursorUpdate::Image {
        image: image(16, (3, 4)),
        x,
        y,
    }
}

/// A guest that shows its pointer, which follows the host's.
fn following() -> Scene {
    following_with(HandOffer::ALL)
}

fn following_with(hands: HandOffer) -> Scene {
    let mut scene = Scene::seated_with(hands, 10);
    scene.display.set_pointer_follows(true);
    scene.display.cursor(SCREEN, show(0, 0));
    scene.forget_past();
    scene
}

/// The host's pointer is over the window.
fn pointed() -> Scene {
    let mut scene = following();
    scene.host.point(7, 0, 30.0, 10.0);
    scene.forget_past();
    scene
}

fn pointer_lines(log: &[String]) -> Vec<&str> {
    let lines = log.iter().map(String::as_str);
    lines
        .filter(|line| line.starts_with("host's") || line.contains("attach"))
        .collect()
}

#[test]
fn the_hosts_pointer_over_the_window_looks_like_the_guests() {
    let mut scene = following();
    scene.host.point(7, 0, 30.0, 10.0);
    assert_eq!(
        scene.log(),
        [
            "pointer 1: attach nothing",
            "pointer 1: commit",
            "pool 2: 32768 bytes",
            "buffer 2: 16x16 at 0 stride 64 Argb8888 of pool 2",
            "surface 2: attach buffer 2",
            "surface 2: damage 0,0 16x16",
            "surface 2: unscaled",
            "surface 2: commit",
            "host's pointer 7: surface 2 at 3,4",
        ]
    );
    // The guest's answers come all the time, and nothing has to be sent for them.
    scene
        .display
        .cursor(SCREEN, CursorUpdate::Move { x: 27, y: 6 });
    assert_eq!(scene.log(), [""; 0]);
}

#[test]
fn a_new_image_and_a_new_coming_are_told_to_the_host() {
    let mut scene = pointed();
    let update = CursorUpdate::Image {
        image: image(8, (1, 1)),
        x: 0,
        y: 0,
    };
    scene.display.cursor(SCREEN, update);
    let log = scene.log();
    assert!(log.contains(&"host's pointer 7: surface 2 at 1,1".to_owned()));
    scene.host.release(2);
    scene.host.pointer().leave(8, scene.host.wl_surface(0));
    scene.host.point(9, 0, 1.0, 1.0);
    let log = scene.log();
    assert!(
        log.contains(&"host's pointer 9: surface 2 at 1,1".to_owned()),
        "{log:?}"
    );
}

#[test]
fn the_hosts_pointer_is_scaled_with_the_picture() {
    let mut scene = pointed();
    scene.configure((128, 64), &[]);
    let log = scene.log();
    assert!(
        log.contains(&"cursor 2: scaled to 32x32".to_owned()),
        "{log:?}"
    );
    assert!(
        log.contains(&"host's pointer 7: surface 2 at 6,8".to_owned()),
        "{log:?}"
    );
}

#[test]
fn a_guest_that_hides_its_pointer_hides_the_hosts() {
    let mut scene = pointed();
    scene.display.cursor(SCREEN, CursorUpdate::Hide);
    assert_eq!(scene.log(), ["host's pointer 7: hidden"]);
    scene.display.cursor(SCREEN, show(0, 0));
    let log = scene.log();
    let lines = pointer_lines(&log);
    let shown = "host's pointer 7: surface 2 at 3,4";
    assert_eq!(lines, ["cursor 2: attach buffer 3", shown]);
}

#[test]
fn a_guest_that_shows_no_pointer_has_none() {
    let mut scene = Scene::seated();
    scene.display.set_pointer_follows(true);
    scene.host.point(7, 0, 1.0, 1.0);
    assert_eq!(scene.log(), ["host's pointer 7: hidden"]);
}

#[test]
fn a_locked_pointer_is_the_guests_own() {
    let mut scene = pointed();
    scene.grab(true, false);
    scene.pump();
    scene.forget_past();
    scene.host.lock().locked();
    let log = scene.log();
    let lines = pointer_lines(&log);
    assert_eq!(
        lines,
        ["pointer 1: attach buffer 3", "host's pointer 7: hidden"]
    );
    scene
        .display
        .cursor(SCREEN, CursorUpdate::Move { x: 9, y: 9 });
    assert!(scene.log().contains(&"pointer 1: position 9,9".to_owned()));

    scene.host.lock().unlocked();
    let log = scene.log();
    let lines = pointer_lines(&log);
    assert_eq!(lines.first(), Some(&"pointer 1: attach nothing"));
    assert_eq!(lines.last(), Some(&"host's pointer 7: surface 2 at 3,4"));
}

#[test]
fn a_pointer_that_was_left_comes_back_when_the_guest_moves_it_by_itself() {
    let mut scene = pointed();
    scene.host.pointer().leave(8, scene.host.wl_surface(0));
    assert_eq!(scene.log(), [""; 0], "the user has another one");
    let mut guest_moves = |x, y| {
        scene.display.cursor(SCREEN, CursorUpdate::Move { x, y });
        scene.log()
    };
    // The guest comes after: its pointer points at 30,10 in the end.
    assert_eq!(guest_moves(20, 3), [""; 0]);
    assert_eq!(guest_moves(27, 6), [""; 0]);
    let log = guest_moves(40, 20);
    assert!(
        log.contains(&"pointer 1: position 40,20".to_owned()),
        "{log:?}"
    );
    assert!(
        log.contains(&"pointer 1: attach buffer 3".to_owned()),
        "{log:?}"
    );
}

#[test]
fn a_pointer_that_goes_its_own_way_is_seen_beside_the_hosts_arrow() {
    let mut scene = Scene::seated();
    scene.display.cursor(SCREEN, show(0, 0));
    scene.forget_past();
    scene.host.point(7, 0, 30.0, 10.0);
    assert_eq!(scene.log(), ["host's pointer 7: Default"]);
    scene
        .display
        .cursor(SCREEN, CursorUpdate::Move { x: 5, y: 5 });
    assert!(scene.log().contains(&"pointer 1: position 5,5".to_owned()));

    let no_shapes = HandOffer {
        shapes: false,
        ..HandOffer::ALL
    };
    let mut scene = Scene::seated_with(no_shapes, 10);
    scene.host.point(7, 0, 30.0, 10.0);
    assert_eq!(scene.log(), ["host's pointer 7: hidden"]);
}

#[test]
fn a_pen_moves_the_guests_own_pointer() {
    use wayland_protocols::wp::tablet::zv2::server::zwp_tablet_tool_v2::Type;
    let mut scene = pointed();
    let pen = scene.host.plug_pen(Type::Pen);
    scene.forget_past();
    let surface = scene.host.wl_surface(0);
    pen.tool.proximity_in(9, &pen.tablet, surface);
    pen.tool.motion(1.0, 1.0);
    pen.tool.frame(0);
    let log = scene.log();
    let lines = pointer_lines(&log);
    assert_eq!(
        lines,
        ["pointer 1: attach buffer 3", "host's pointer 7: hidden"]
    );
}

#[test]
fn the_host_can_not_read_an_image_that_is_written_over() {
    let mut scene = pointed();
    for _ in 0..2 {
        scene.display.cursor(SCREEN, show(0, 0));
        scene.log();
    }
    scene.display.cursor(SCREEN, show(0, 0));
    assert_eq!(scene.log(), [""; 0], "it reads both");
    scene.host.release(2);
    let log = scene.log();
    assert_eq!(
        pointer_lines(&log).last(),
        Some(&"host's pointer 7: surface 2 at 3,4")
    );
}

#[test]
fn our_own_compositor_is_told_who_moves_the_pointer() {
    let ours = Offer {
        guests: true,
        ..with_hands(HandOffer::ALL)
    };
    let mut scene = Scene::running_with(ours);
    scene.plug_seat(9, EVERYTHING);
    scene.display.cursor(SCREEN, show(0, 0));
    scene.forget_past();
    scene.host.point(7, 0, 30.0, 10.0);
    scene.display.set_pointer_follows(true);
    assert_eq!(scene.log(), ["pointer 1: mode Absolute"]);
    scene.grab(true, false);
    scene.pump();
    scene.host.lock().locked();
    let log = scene.log();
    assert!(
        log.contains(&"pointer 1: mode Relative".to_owned()),
        "{log:?}"
    );
    scene.grab(false, false);
    let log = scene.log();
    assert!(
        log.contains(&"pointer 1: mode Absolute".to_owned()),
        "{log:?}"
    );
    scene.display.set_pointer_follows(false);
    assert_eq!(scene.log(), ["pointer 1: mode Relative"]);
}
