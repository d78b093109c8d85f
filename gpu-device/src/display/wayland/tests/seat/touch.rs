//! Fingers.

use super::*;

fn down(id: i32, x: f64, y: f64) -> HostInput {
    HostInput::TouchDown { id, at: at(x, y) }
}

#[test]
fn fingers_come_down_move_and_go() {
    let mut scene = Scene::seated();
    let surface = scene.host.wl_surface(0);
    let touch = scene.host.touch();
    touch.down(1, 0, surface, 40, 1.0, 2.0);
    touch.down(2, 0, surface, 50, 3.0, 4.0);
    touch.shape(40, 3.0, 3.0);
    touch.orientation(40, 90.0);
    touch.frame();
    touch.motion(0, 50, 5.0, 6.0);
    touch.frame();
    touch.up(3, 0, 40);
    touch.frame();
    touch.frame();
    assert_eq!(
        scene.hands(),
        [
            down(0, 1.0, 2.0),
            down(1, 3.0, 4.0),
            HostInput::TouchFrame,
            HostInput::TouchMotion {
                id: 1,
                at: at(5.0, 6.0)
            },
            HostInput::TouchFrame,
            HostInput::TouchUp { id: 0 },
            HostInput::TouchFrame,
        ]
    );
}

#[test]
fn a_finger_stays_on_the_window_that_it_came_down_on() {
    let mut scene = Scene::seated();
    scene.open_other();
    let touch = scene.host.touch();
    touch.down(1, 0, scene.host.wl_surface(1), 0, 1.0, 2.0);
    touch.motion(0, 0, -5.0, 200.0);
    touch.frame();
    assert_eq!(
        scene.hands(),
        [
            HostInput::TouchDown {
                id: 0,
                at: on(OTHER_SCREEN, 1.0, 2.0)
            },
            HostInput::TouchMotion {
                id: 0,
                at: on(OTHER_SCREEN, -5.0, 200.0)
            },
            HostInput::TouchFrame,
        ]
    );
}

#[test]
fn fingers_of_two_screens_are_told_apart() {
    let mut scene = Scene::seated();
    scene.plug_seat(6, Capability::Touch);
    let surface = scene.host.wl_surface(0);
    let screens = scene.host.desk.hands.touches.clone();
    screens[0].down(1, 0, surface, 0, 1.0, 1.0);
    screens[0].frame();
    screens[1].down(1, 0, surface, 0, 2.0, 2.0);
    screens[1].frame();
    screens[0].up(2, 0, 0);
    screens[0].frame();
    screens[1].motion(0, 0, 3.0, 3.0);
    screens[1].frame();
    assert_eq!(
        scene.hands(),
        [
            down(0, 1.0, 1.0),
            HostInput::TouchFrame,
            down(1, 2.0, 2.0),
            HostInput::TouchFrame,
            HostInput::TouchUp { id: 0 },
            HostInput::TouchFrame,
            HostInput::TouchMotion {
                id: 1,
                at: at(3.0, 3.0)
            },
            HostInput::TouchFrame,
        ]
    );
}

#[test]
fn what_a_gesture_of_the_hosts_took_does_not_count() {
    let mut scene = Scene::seated();
    let touch = scene.host.touch();
    touch.down(1, 0, scene.host.wl_surface(0), 0, 1.0, 1.0);
    touch.frame();
    scene.hands();
    let touch = scene.host.touch();
    touch.cancel();
    touch.motion(0, 0, 3.0, 3.0);
    touch.up(2, 0, 0);
    touch.frame();
    touch.cancel();
    assert_eq!(
        scene.hands(),
        [HostInput::TouchCancel, HostInput::TouchFrame]
    );
}
