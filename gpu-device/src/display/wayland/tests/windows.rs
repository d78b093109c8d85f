//! Windows: names, sizes, monitors.

use super::*;

const MAXIMIZED: u32 = 1;
const RESIZING: u32 = 3;
const ACTIVATED: u32 = 4;

fn resized(width: u32, height: u32) -> DisplayEvent {
    DisplayEvent::Resized {
        scanout: SCREEN,
        width,
        height,
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
fn compositors_size_scales_the_picture_at_once_and_asks_the_guest() {
    let mut scene = Scene::running();
    scene.configure((128, 96), &[MAXIMIZED, ACTIVATED]);
    assert_eq!(
        scene.log(),
        [
            "window 0: ack 2",
            "window 0: source all",
            "window 0: scaled to 128x96",
            "window 0: geometry 128x96",
            "window 0: opaque 0,0 128x96",
            "window 0: commit",
        ]
    );
    assert_eq!(scene.events(), [resized(128, 96)]);

    // The guest follows: no scaling any more.
    scene
        .display
        .import(B, layout(128, 96), shm(128, 96))
        .unwrap();
    scene.present_part(SCREEN, B, Rect::from_size(128, 96), rect(0, 0, 1, 1));
    let log = scene.log_of("window 0");
    assert!(log.contains(&"unscaled".to_owned()), "{log:?}");
    assert!(log.contains(&"geometry 128x96".to_owned()), "{log:?}");
    scene.configure((128, 96), &[MAXIMIZED]);
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
        scene.configure((width, 32), &[RESIZING]);
    }
    assert!(
        scene
            .log()
            .contains(&"window 0: scaled to 90x32".to_owned())
    );
    assert_eq!(scene.events(), []);
    scene.configure((90, 32), &[]);
    assert_eq!(scene.events(), [resized(90, 32)]);
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
