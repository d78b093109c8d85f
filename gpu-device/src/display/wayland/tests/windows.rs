//! Windows: names, sizes, monitors.

mod borders;
mod fullscreen;
mod scale;

use super::{requests::windows::WindowOffer, *};
use crate::display::wayland::{Fit, Preferences, Scale};

const MAXIMIZED: u32 = 1;
const FULLSCREEN: u32 = 2;
const RESIZING: u32 = 3;
const ACTIVATED: u32 = 4;
const TILED_LEFT: u32 = 5;

fn resized(width: u32, height: u32) -> DisplayEvent {
    DisplayEvent::Resized {
        scanout: SCREEN,
        width,
        height,
        dpi: 96,
    }
}

#[test]
fn screens_are_numbered_where_there_are_several() {
    let (host, socket) = Host::new(Offer::default());
    let source = WaylandSource::Socket(socket);
    let connect = || WaylandDisplay::connect(source, "web\0server\n", 2).unwrap();
    let (host, display) = host.serve_while(connect);
    let mut scene = Scene {
        host,
        display,
        frames: 0,
    };
    scene.import_shm(A);
    scene.present_on(OTHER_SCREEN, A);
    let log = scene.log_of("window 0");
    assert!(
        log.contains(&"title webserver (screen 2)".to_owned()),
        "{log:?}"
    );
    assert!(log.contains(&"tag scanout-1".to_owned()), "{log:?}");
}

#[test]
fn titles_say_that_the_machine_is_paused_until_it_goes_on() {
    let mut scene = Scene::running();
    scene.display.set_machine(Some("paused"));
    assert_eq!(scene.log(), ["window 0: title guest \u{2013} paused"]);
    scene.display.set_machine(None);
    assert_eq!(scene.log(), ["window 0: title guest"]);
}

#[test]
fn compositors_size_scales_the_picture_at_once_and_asks_the_guest() {
    let mut scene = Scene::running();
    scene.configure((128, 64), &[MAXIMIZED, ACTIVATED]);
    assert_eq!(
        scene.log(),
        [
            "window 0: ack 2",
            "window 0: source all",
            "window 0: scaled to 128x64",
            "window 0: geometry 128x64",
            "window 0: opaque 0,0 128x64",
            "window 0: commit",
        ]
    );
    assert_eq!(scene.events(), [resized(128, 64)]);

    // The guest follows: no scaling any more.
    scene
        .display
        .import(B, layout(128, 64), shm(128, 64))
        .unwrap();
    scene.present_part(SCREEN, B, Rect::from_size(128, 64), rect(0, 0, 1, 1));
    let log = scene.log_of("window 0");
    assert!(log.contains(&"unscaled".to_owned()), "{log:?}");
    assert!(log.contains(&"geometry 128x64".to_owned()), "{log:?}");
    scene.configure((128, 64), &[MAXIMIZED]);
    assert_eq!(scene.events(), []);
}

#[test]
fn configure_without_news_is_only_acknowledged() {
    let mut scene = Scene::running();
    scene.configure((0, 0), &[ACTIVATED]);
    assert_eq!(scene.log(), ["window 0: ack 2", "window 0: commit"]);
    assert_eq!(scene.events(), []);
}

#[test]
fn drag_of_a_border_ends_in_one_request_to_the_guest() {
    let mut scene = Scene::running();
    for width in [70, 80, 90] {
        scene.configure((width, 45), &[RESIZING]);
    }
    assert!(
        scene
            .log()
            .contains(&"window 0: scaled to 90x45".to_owned())
    );
    assert_eq!(scene.events(), []);
    scene.configure((90, 45), &[]);
    assert_eq!(scene.events(), [resized(90, 45)]);
}

#[test]
fn window_that_can_not_scale_keeps_the_pictures_size() {
    let mut scene = Scene::with(Offer {
        viewporter: false,
        ..Offer::default()
    });
    scene.import_shm(A);
    scene.present(A);
    scene.configure((128, 96), &[]);
    assert!(scene.log().contains(&"window 0: geometry 64x32".to_owned()));
    assert_eq!(scene.events(), [resized(128, 96)]);
}

#[test]
fn window_follows_the_guests_mode() {
    let mut scene = Scene::running();
    scene
        .display
        .import(B, layout(128, 96), shm(128, 96))
        .unwrap();
    scene.present_part(SCREEN, B, Rect::from_size(128, 96), rect(0, 0, 1, 1));
    let log = scene.log_of("window 0");
    assert!(log.contains(&"geometry 128x96".to_owned()), "{log:?}");
    assert!(log.contains(&"damage 0,0 128x96".to_owned()), "{log:?}");
    assert_eq!(scene.events(), []);
}

#[test]
fn picture_in_another_shape_than_its_window_has_bars() {
    let mut scene = Scene::running();
    scene.configure((128, 96), &[MAXIMIZED]);
    let log = scene.log_of("window 0");
    assert!(log.contains(&"scaled to 128x64".to_owned()), "{log:?}");
    assert!(
        log.contains(&"geometry 128x96 at 0,-16".to_owned()),
        "{log:?}"
    );
    let bars = scene.host.around(0);
    let places: Vec<_> = bars
        .iter()
        .map(|(_, place, size)| (*place, *size))
        .collect();
    assert_eq!(places, [((0, -16), (128, 16)), ((0, 64), (128, 16))]);

    scene.configure((200, 64), &[MAXIMIZED]);
    scene.log();
    let bars = scene.host.around(0);
    let places: Vec<_> = bars
        .iter()
        .map(|(_, place, size)| (*place, *size))
        .collect();
    assert_eq!(places, [((-36, 0), (36, 64)), ((128, 0), (36, 64))]);

    // The guest follows: nothing is left of them.
    scene
        .display
        .import(B, layout(200, 64), shm(200, 64))
        .unwrap();
    scene.present_part(SCREEN, B, Rect::from_size(200, 64), rect(0, 0, 1, 1));
    scene.log();
    assert_eq!(scene.host.around(0), []);
}

#[test]
fn picture_is_laid_into_its_window_as_the_user_likes() {
    for (fit, shown) in [
        (Fit::Stretch, "scaled to 150x100"),
        (Fit::Letterbox, "scaled to 150x75"),
        (Fit::Integer, "scaled to 128x64"),
        (Fit::None, "unscaled"),
    ] {
        let mut scene = Scene::with(Offer::default());
        scene.display.set_preferences(Preferences {
            fit,
            ..Preferences::default()
        });
        scene.import_shm(A);
        scene.present(A);
        scene.configure((150, 100), &[MAXIMIZED]);
        let log = scene.log_of("window 0");
        assert!(log.contains(&shown.to_owned()), "{fit:?}: {log:?}");
    }
}

#[test]
fn picture_that_is_too_large_is_cut_where_the_user_wants_it_left_as_it_is() {
    let mut scene = Scene::with(Offer::default());
    scene.display.set_preferences(Preferences {
        fit: Fit::None,
        ..Preferences::default()
    });
    scene
        .display
        .import(A, layout(128, 96), shm(128, 96))
        .unwrap();
    // And only a part of the buffer is the picture.
    scene.present_part(SCREEN, A, rect(8, 4, 100, 80), rect(8, 4, 1, 1));
    scene.configure((60, 200), &[MAXIMIZED]);
    let log = scene.log_of("window 0");
    assert!(log.contains(&"source 28,4 60x80".to_owned()), "{log:?}");
    assert!(log.contains(&"unscaled".to_owned()), "{log:?}");
}

#[test]
fn storm_of_sizes_moves_the_window_each_time_and_asks_for_each_once() {
    let mut scene = Scene::running();
    let sizes: Vec<(i32, i32)> = (1..=50).map(|step| (64 + step, 32 + step)).collect();
    for size in &sizes {
        scene.configure(*size, &[]);
        scene.configure(*size, &[ACTIVATED]);
    }
    let wishes: Vec<_> = sizes
        .iter()
        .map(|(width, height)| resized(width.unsigned_abs(), height.unsigned_abs()))
        .collect();
    assert_eq!(scene.events(), wishes);
    let log = scene.log_of("window 0");
    let geometries = log.iter().filter(|line| line.starts_with("geometry"));
    assert_eq!(geometries.count(), 50);
}

#[test]
fn window_is_told_which_sizes_a_guest_can_have() {
    let scene = Scene::running();
    let limits = scene.host.desk.surfaces[0].extras.limits;
    assert_eq!(limits, [(32, 32), (8192, 8192)]);
}

#[test]
fn windows_are_renamed_when_another_screen_is_plugged_in() {
    let mut scene = Scene::running();
    scene.import_shm(B);
    scene.present_on(OTHER_SCREEN, B);
    let log = scene.log();
    assert!(
        log.contains(&"window 0: title guest (screen 1)".to_owned()),
        "{log:?}"
    );
    assert!(
        log.contains(&"window 1: title guest (screen 2)".to_owned()),
        "{log:?}"
    );
}

#[test]
fn window_has_the_icon_of_the_program() {
    let mut scene = Scene::with(Offer {
        windows: WindowOffer {
            icons: true,
            ..WindowOffer::default()
        },
        ..Offer::default()
    });
    scene.import_shm(A);
    scene.present(A);
    let log = scene.log_of("window 0");
    assert!(log.contains(&"icon lucarne".to_owned()), "{log:?}");
}

#[test]
fn impossible_sizes_and_states_are_ignored() {
    let mut scene = Scene::running();
    scene.configure((-5, i32::MIN), &[0, 999, u32::MAX]);
    assert_eq!(scene.log(), ["window 0: ack 2", "window 0: commit"]);
    assert_eq!(scene.events(), []);
}

#[test]
fn close_button_is_reported_and_closes_nothing() {
    let mut scene = Scene::running();
    scene.host.close(0);
    assert_eq!(scene.events(), [DisplayEvent::CloseRequested(SCREEN)]);
    assert_eq!(scene.log(), Vec::<String>::new());
}

#[test]
fn refresh_rate_is_that_of_the_output_that_the_window_reached_last() {
    let rate = |millihertz| DisplayEvent::RefreshChanged {
        scanout: SCREEN,
        millihertz,
    };
    let mut scene = Scene::running();
    scene.host.plug_output();
    scene.host.plug_output();
    scene.pump();
    scene.host.output_mode(0, 60_000);
    scene.host.output_mode(1, 75_000);
    assert_eq!(scene.events(), []);

    scene.host.enter(0, 0);
    assert_eq!(scene.events(), [rate(60_000)]);
    scene.host.enter(0, 1);
    assert_eq!(scene.events(), [rate(75_000)]);
    scene.host.output_mode(1, 120_000);
    assert_eq!(scene.events(), [rate(120_000)]);
    scene.host.leave(0, 1);
    assert_eq!(scene.events(), [rate(60_000)]);

    scene.host.unplug_output(0);
    assert_eq!(scene.log(), ["output released"]);
    assert_eq!(scene.events(), []);
}
