//! What is around a picture where the host draws no borders: title bar, edges, and what the user
//! does with them.

use wayland_server::protocol::{wl_pointer::ButtonState, wl_seat::Capability};

use super::*;
use crate::display::wayland::tests::requests::seat::HandOffer;

/// Codes of evdev.
const BTN_LEFT: u32 = 0x110;
const BTN_RIGHT: u32 = 0x111;

/// The size of pictures here: room for buttons.
const WIDE: u32 = 320;
const HIGH: u32 = 200;

/// The height of a title bar.
const TITLE: i32 = 34;

fn bare() -> Offer {
    Offer {
        windows: WindowOffer {
            bare: true,
            ..WindowOffer::default()
        },
        hands: HandOffer {
            shapes: true,
            ..HandOffer::default()
        },
        ..Offer::default()
    }
}

/// A window with borders of ours, and a pointer.
fn bordered_with(offer: Offer) -> Scene {
    let mut scene = Scene::with(offer);
    scene
        .display
        .import(A, layout(WIDE, HIGH), shm(WIDE, HIGH))
        .unwrap();
    scene.present_part(SCREEN, A, Rect::from_size(WIDE, HIGH), rect(0, 0, 1, 1));
    scene.configure((0, 0), &[]);
    scene.host.plug_seat(10);
    scene.pump();
    scene.host.has(0, Capability::Pointer);
    scene.forget_past();
    scene
}

fn bordered() -> Scene {
    bordered_with(bare())
}

impl Scene {
    /// The number of the surface at a place around the window, from the picture's corner.
    fn part_at(&self, at: (i32, i32)) -> Option<usize> {
        let around = self.host.around(0);
        let found = around.iter().find(|(_, (x, y), (width, height))| {
            (*x..x + width).contains(&at.0) && (*y..y + height).contains(&at.1)
        });
        found.map(|(number, ..)| *number)
    }

    /// Points at a place around the window, from the picture's corner.
    fn point_at(&mut self, at: (i32, i32)) {
        let part = self.part_at(at).expect("there is something");
        let (x, y) = self.host.desk.surfaces[part].extras.position;
        let (x, y) = (f64::from(at.0 - x), f64::from(at.1 - y));
        self.host.point(70, part, x, y);
        self.host.pointer().frame();
        self.pump();
    }

    fn button(&mut self, serial: u32, time: u32, code: u32, pressed: bool) {
        let state = match pressed {
            true => ButtonState::Pressed,
            false => ButtonState::Released,
        };
        self.host.pointer().button(serial, time, code, state);
        self.host.pointer().frame();
        self.pump();
    }

    fn click(&mut self, serial: u32, time: u32) {
        self.button(serial, time, BTN_LEFT, true);
        self.button(serial + 1, time + 1, BTN_LEFT, false);
    }
}

#[test]
fn window_without_borders_of_the_host_has_a_title_bar_and_edges_around_it() {
    let mut scene = bordered();
    let around = scene.host.around(0);
    let (width, height) = (i32::try_from(WIDE).unwrap(), i32::try_from(HIGH).unwrap());
    assert!(
        around
            .iter()
            .any(|(_, place, size)| (*place, *size) == ((0, -TITLE), (width, TITLE))),
        "{around:?}"
    );
    assert_eq!(around.len(), 9, "a title, four sides and four corners");
    for beside in [
        (-1, -TITLE - 1),
        (5, -TITLE - 1),
        (width, -TITLE - 1),
        (-1, 5),
        (width, 5),
        (-1, height),
        (5, height),
        (width, height),
    ] {
        assert!(scene.part_at(beside).is_some(), "{beside:?}");
    }
    assert_eq!(scene.part_at((5, 5)), None, "the picture is the guest's");
    let limits = scene.host.desk.surfaces[0].extras.limits;
    assert_eq!(limits[0], (32, 32 + TITLE));
    scene.configure((400, 300), &[]);
    assert_eq!(scene.events(), [resized(400, 300 - 34)]);
    let log = scene.log_of("window 0");
    assert!(
        log.iter().any(|line| line == "geometry 400x300 at 0,-42"),
        "a bar of 8 is above the picture: {log:?}"
    );
}

#[test]
fn host_that_never_heard_of_borders_gets_windows_with_some() {
    let scene = bordered_with(Offer {
        decorations: false,
        ..bare()
    });
    assert_eq!(scene.host.around(0).len(), 9);
}

#[test]
fn host_that_draws_borders_gets_none() {
    let scene = Scene::running();
    assert_eq!(scene.host.around(0), []);
}

#[test]
fn our_own_compositor_frames_guests_itself() {
    let mut scene = Scene::with(Offer {
        guests: true,
        decorations: false,
        ..bare()
    });
    scene.import_shm(A);
    scene.present(A);
    scene.configure((128, 96), &[]);
    scene.pump();
    assert_eq!(scene.host.around(0), []);
}

#[test]
fn host_without_viewports_gets_a_title_bar_only() {
    let scene = bordered_with(Offer {
        viewporter: false,
        ..bare()
    });
    let around = scene.host.around(0);
    assert_eq!(around.len(), 1, "{around:?}");
    assert_eq!(around[0].1, (0, -TITLE));
}

#[test]
fn maximized_and_tiled_windows_have_no_edges_and_full_screen_has_nothing() {
    let mut scene = bordered();
    scene.configure((320, 200 + TITLE), &[MAXIMIZED]);
    scene.pump();
    assert_eq!(scene.host.around(0).len(), 1);
    scene.configure((320, 200 + TITLE), &[TILED_LEFT]);
    scene.pump();
    assert_eq!(scene.host.around(0).len(), 1);
    scene.configure((320, 200), &[FULLSCREEN]);
    scene.pump();
    assert_eq!(scene.host.around(0), []);
    scene.configure((0, 0), &[]);
    scene.pump();
    assert_eq!(scene.host.around(0).len(), 9);
}

#[test]
fn host_may_take_borders_over_at_any_time() {
    let mut scene = bordered();
    scene.host.decorate(0, true);
    scene.configure((0, 0), &[]);
    scene.pump();
    assert_eq!(scene.host.around(0), []);
    scene.host.decorate(0, false);
    scene.configure((0, 0), &[]);
    scene.pump();
    assert_eq!(scene.host.around(0).len(), 9);
}

#[test]
fn title_bar_moves_the_window_and_its_buttons_do_what_they_say() {
    let mut scene = bordered();
    scene.point_at((20, -10));
    scene.button(81, 1000, BTN_LEFT, true);
    let log = scene.log_of("window 0");
    assert!(log.contains(&"move 81".to_owned()), "{log:?}");
    scene.button(82, 1200, BTN_LEFT, true);
    let log = scene.log_of("window 0");
    assert!(log.contains(&"maximize".to_owned()), "{log:?}");

    scene.point_at((20, -10));
    scene.button(83, 3000, BTN_RIGHT, true);
    let log = scene.log_of("window 0");
    assert!(log.contains(&"menu at 20,-10 83".to_owned()), "{log:?}");

    let width = i32::try_from(WIDE).unwrap();
    scene.point_at((width - 20, -15));
    scene.click(84, 5000);
    assert_eq!(scene.events(), [DisplayEvent::CloseRequested(SCREEN)]);
    for (from_right, said) in [(52, "maximize"), (84, "minimize")] {
        scene.point_at((width - from_right, -15));
        scene.click(90, 9000);
        let log = scene.log_of("window 0");
        assert!(log.contains(&said.to_owned()), "{log:?}");
    }
}

#[test]
fn edges_resize_the_window_and_the_pointer_shows_it() {
    let (width, height) = (i32::try_from(WIDE).unwrap(), i32::try_from(HIGH).unwrap());
    for (at, edge, shape) in [
        ((width, 100), "Right", "EResize"),
        ((160, height), "Bottom", "SResize"),
        ((-1, -TITLE - 1), "TopLeft", "NwResize"),
        ((width, height), "BottomRight", "SeResize"),
        ((3, height), "BottomLeft", "SwResize"),
    ] {
        let mut scene = bordered();
        scene.point_at(at);
        let log = scene.log();
        assert!(log.iter().any(|line| line.contains(shape)), "{log:?}");
        scene.button(81, 0, BTN_LEFT, true);
        let log = scene.log_of("window 0");
        assert!(log.contains(&format!("resize {edge} 81")), "{log:?}");
    }
}

#[test]
fn nothing_that_happens_on_borders_reaches_the_guest() {
    let mut scene = bordered();
    let height = i32::try_from(HIGH).unwrap();
    for at in [(20, -10), (160, height)] {
        scene.point_at(at);
        scene.button(81, 0, BTN_LEFT, true);
        scene.button(82, 900, BTN_LEFT, false);
        let inputs = scene.events().into_iter().filter(|event| {
            !matches!(
                event,
                DisplayEvent::Input(crate::input::HostInput::PointerFrame)
            )
        });
        assert_eq!(inputs.count(), 0);
    }
}

#[test]
fn buttons_that_the_host_has_no_use_for_are_left_out() {
    let mut scene = bordered();
    // Full screen alone.
    scene.host.capabilities(0, &[3]);
    scene.configure((0, 0), &[ACTIVATED]);
    let width = i32::try_from(WIDE).unwrap();
    scene.log();
    scene.point_at((width - 52, -15));
    scene.button(81, 0, BTN_LEFT, true);
    let log = scene.log_of("window 0");
    assert!(log.contains(&"move 81".to_owned()), "{log:?}");
}

#[test]
fn title_bar_is_drawn_anew_only_where_it_changed() {
    let mut scene = bordered();
    let drawn = |log: &[String]| {
        let new = log.iter().filter(|line| line.contains("Argb8888"));
        new.count()
    };
    scene.configure((0, 0), &[]);
    assert_eq!(drawn(&scene.log()), 0);
    scene.configure((0, 0), &[ACTIVATED]);
    assert_eq!(drawn(&scene.log()), 1);
    scene.display.state.show_grab(Some(SCREEN));
    assert_eq!(
        drawn(&scene.log()),
        0,
        "nobody said how hands are given back"
    );
    scene.display.set_preferences(Preferences {
        release: "Ctrl+Alt".to_owned(),
        ..Preferences::default()
    });
    scene.display.state.show_grab(None);
    scene.display.state.show_grab(Some(SCREEN));
    let log = scene.log();
    assert!(
        log.contains(&"window 0: title guest \u{2013} Ctrl+Alt releases".to_owned()),
        "{log:?}"
    );
}

#[test]
fn host_that_releases_no_drawing_costs_bounded_memory() {
    let mut scene = bordered();
    for round in 0..40 {
        let states = match round % 2 {
            0 => vec![ACTIVATED],
            _ => vec![],
        };
        scene.configure((0, 0), &states);
    }
    let log = scene.log();
    let (made, gone) = (
        log.iter().filter(|line| line.contains("Argb8888")).count(),
        log.iter()
            .filter(|line| line.starts_with("buffer") && line.contains("destroy"))
            .count(),
    );
    assert_eq!(made, 40);
    assert!(made - gone <= 4, "{made} drawn, {gone} gone");
}

#[test]
fn borders_go_with_their_window() {
    let mut scene = bordered();
    scene.display.disable(SCREEN);
    scene.log();
    assert_eq!(scene.host.around(0), []);
    scene.present_part(SCREEN, A, Rect::from_size(WIDE, HIGH), rect(0, 0, 1, 1));
    scene.pump();
}
