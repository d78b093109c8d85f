//! The way of frames: order of requests, waiting, and what is reported when.

use std::time::Duration;

use super::*;

#[test]
fn first_frame_opens_a_window_and_waits_for_it() {
    let mut scene = Scene::new();
    scene.import_shm(A);
    scene.present(A);
    assert_eq!(
        scene.log(),
        [
            "pool 0: 8192 bytes",
            "buffer 0: 64x32 at 0 stride 256 Xrgb8888 of pool 0",
            "window 0: app id lucarne",
            "window 0: title guest",
            "window 0: tag scanout-0",
            "window 0: decoration ServerSide",
            "window 0: commit",
        ]
    );
    scene.configure((0, 0), &[]);
    assert_eq!(
        scene.log(),
        [
            "window 0: ack 1",
            "window 0: attach buffer 0",
            "window 0: source all",
            "window 0: unscaled",
            "window 0: geometry 64x32",
            "window 0: opaque 0,0 64x32",
            "window 0: damage 0,0 64x32",
            "window 0: callback",
            "window 0: feedback",
            "window 0: commit",
        ]
    );
    assert_eq!(scene.events(), []);
}

#[test]
fn later_frames_send_only_their_damage() {
    let mut scene = Scene::running();
    scene.import_shm(B);
    scene.log();
    scene.present(B);
    assert_eq!(
        scene.log(),
        [
            "window 0: attach buffer 1",
            "window 0: damage 1,2 3x4",
            "window 0: callback",
            "window 0: feedback",
            "window 0: commit",
        ]
    );
}

#[test]
fn newest_frame_wins_while_the_window_is_not_there() {
    let mut scene = Scene::new();
    scene.import_shm(A);
    scene.import_shm(B);
    let first = scene.present(A);
    let second = scene.present(B);
    scene.present(A);
    assert_eq!(
        scene.events(),
        [
            discarded(first),
            released(A),
            discarded(second),
            released(B)
        ]
    );
    scene.configure((0, 0), &[]);
    assert!(
        scene
            .log()
            .contains(&"window 0: attach buffer 0".to_owned())
    );
    assert_eq!(scene.events(), []);
}

#[test]
fn ready_and_presented_come_from_the_compositor() {
    let mut scene = Scene::running();
    let frame = scene.present(A);
    assert_eq!(scene.events(), []);
    scene.host.frame_done(0);
    assert_eq!(scene.events(), [READY]);
    scene.host.presented(0, 7, Kind::Vsync | Kind::ZeroCopy);
    assert_eq!(
        scene.events(),
        [DisplayEvent::Presented {
            scanout: SCREEN,
            frame,
            at: Some(Duration::from_secs(7)),
            refresh: Duration::from_nanos(16_666_667),
            zero_copy: true,
        }]
    );
}

#[test]
fn drawn_frames_are_not_zero_copy() {
    let mut scene = Scene::running();
    scene.present(A);
    scene.pump();
    scene.host.presented(0, 7, Kind::Vsync);
    let events = scene.events();
    assert!(
        matches!(
            events[..],
            [DisplayEvent::Presented {
                zero_copy: false,
                ..
            }]
        ),
        "{events:?}"
    );
}

#[test]
fn a_commit_without_a_new_picture_does_not_cost_the_frame_its_presentation() {
    let mut scene = Scene::running();
    let frame = scene.present(A);
    scene.pump();
    scene.log();
    scene.configure((80, 40), &[]);
    assert!(scene.log().contains(&"window 0: feedback".to_owned()));
    scene.events();
    // As sway and weston do with the feedback of what they have not shown yet.
    scene.host.discarded(0);
    assert_eq!(scene.events(), []);
    scene.host.presented(0, 7, Kind::Vsync);
    let events = scene.events();
    assert!(
        matches!(events[..], [DisplayEvent::Presented { frame: shown, .. }] if shown == frame),
        "{events:?}"
    );
}

#[test]
fn a_frame_is_discarded_when_the_last_commit_that_it_was_part_of_is() {
    let mut scene = Scene::running();
    let frame = scene.present(A);
    scene.configure((80, 40), &[]);
    scene.events();
    scene.host.discarded(0);
    assert_eq!(scene.events(), []);
    scene.host.discarded(0);
    assert_eq!(scene.events(), [discarded(frame)]);
}

#[test]
fn a_frame_that_was_shown_is_not_asked_for_again() {
    let mut scene = Scene::running();
    scene.present(A);
    scene.pump();
    scene.host.presented(0, 7, Kind::Vsync);
    scene.events();
    scene.log();
    scene.configure((80, 40), &[]);
    let log = scene.log();
    assert!(log.contains(&"window 0: commit".to_owned()), "{log:?}");
    assert!(!log.contains(&"window 0: feedback".to_owned()), "{log:?}");
}

#[test]
fn times_of_another_clock_are_left_out() {
    let mut scene = Scene::with(Offer {
        clock: 0,
        ..Offer::default()
    });
    scene.import_shm(A);
    scene.present(A);
    scene.configure((0, 0), &[]);
    scene.host.presented(0, 7, Kind::Vsync);
    let events = scene.events();
    assert!(
        matches!(events[..], [DisplayEvent::Presented { at: None, .. }]),
        "{events:?}"
    );
}

#[test]
fn replaced_frames_are_discarded_and_only_the_last_one_makes_ready() {
    let mut scene = Scene::running();
    let first = scene.present(A);
    scene.present(A);
    scene.pump();
    scene.host.discarded(0);
    assert_eq!(scene.events(), [discarded(first)]);
    scene.host.frame_done(0);
    assert_eq!(scene.events(), [READY]);
}

#[test]
fn frame_callbacks_stand_in_where_nobody_tells_the_time() {
    let mut scene = Scene::with(Offer {
        presentation: false,
        ..Offer::default()
    });
    scene.import_shm(A);
    let frame = scene.present(A);
    scene.configure((0, 0), &[]);
    assert!(!scene.log().contains(&"window 0: feedback".to_owned()));
    scene.host.frame_done(0);
    let presented = DisplayEvent::Presented {
        scanout: SCREEN,
        frame,
        at: None,
        refresh: Duration::ZERO,
        zero_copy: false,
    };
    assert_eq!(scene.events(), [presented, READY]);
}

#[test]
fn hidden_window_reports_nothing() {
    let mut scene = Scene::running();
    scene.present(A);
    scene.pump();
    assert_eq!(scene.events(), []);
}

#[test]
fn part_of_a_buffer_is_shown_through_the_viewport() {
    let mut scene = Scene::running();
    scene
        .display
        .import(B, layout(128, 64), shm(128, 64))
        .unwrap();
    scene.log();
    scene.present_part(SCREEN, B, rect(64, 0, WIDTH, HEIGHT), rect(70, 1, 2, 3));
    assert_eq!(
        scene.log_of("window 0"),
        [
            "attach buffer 1",
            "source 64,0 64x32",
            "unscaled",
            "geometry 64x32",
            "opaque 0,0 64x32",
            // Another part: everything is new.
            "damage 64,0 64x32",
            "callback",
            "feedback",
            "commit",
        ]
    );
    scene.present_part(SCREEN, B, rect(64, 0, WIDTH, HEIGHT), rect(70, 1, 2, 3));
    assert!(
        scene
            .log_of("window 0")
            .contains(&"damage 70,1 2x3".to_owned())
    );
    scene.present(A);
    assert!(scene.log_of("window 0").contains(&"source all".to_owned()));
}

#[test]
fn part_of_a_buffer_is_a_buffer_where_there_is_no_viewport() {
    let mut scene = Scene::with(Offer {
        viewporter: false,
        ..Offer::default()
    });
    scene
        .display
        .import(B, layout(128, 64), shm(128, 64))
        .unwrap();
    scene.present_part(SCREEN, B, rect(32, 16, WIDTH, HEIGHT), rect(40, 20, 1, 2));
    scene.configure((0, 0), &[]);
    let part = "buffer 1: 64x32 at 8320 stride 512 Xrgb8888 of pool 0".to_owned();
    assert!(scene.log().contains(&part));
    // A second frame from the same part, while the compositor holds the first: damage is counted
    // from the part's corner.
    scene.present_part(SCREEN, B, rect(32, 16, WIDTH, HEIGHT), rect(40, 20, 1, 2));
    assert!(scene.log().contains(&"window 0: damage 8,4 1x2".to_owned()));
}

#[test]
fn part_at_the_very_end_of_memory_loses_a_row_rather_than_the_connection() {
    let mut scene = Scene::with(Offer {
        viewporter: false,
        ..Offer::default()
    });
    scene
        .display
        .import(B, layout(128, 64), shm(128, 64))
        .unwrap();
    scene.present_part(SCREEN, B, rect(64, 32, WIDTH, HEIGHT), rect(64, 32, 1, 1));
    scene.configure((0, 0), &[]);
    let part = "buffer 1: 64x31 at 16640 stride 512 Xrgb8888 of pool 0".to_owned();
    assert!(scene.log().contains(&part));
}

#[test]
fn frame_that_reaches_beyond_its_buffer_is_discarded() {
    let mut scene = Scene::running();
    for source in [
        rect(1, 0, WIDTH, HEIGHT),
        rect(0, 0, 0, 0),
        rect(u32::MAX, 0, 1, 1),
    ] {
        let frame = scene.present_part(SCREEN, A, source, source);
        assert_eq!(scene.events(), [discarded(frame), released(A), READY]);
    }
    assert_eq!(scene.log(), Vec::<String>::new());
}

#[test]
fn disabled_scanout_loses_its_window_and_nothing_stays_open() {
    let mut scene = Scene::running();
    scene.import_shm(B);
    let frame = scene.present(B);
    scene.log();
    scene.display.disable(SCREEN);
    // One frame of A was on the screen, one of B on its way.
    assert_eq!(scene.events(), [discarded(frame), released(A), released(B)]);
    assert_eq!(
        scene.log(),
        [
            "window 0: destroy decoration",
            "window 0: destroy viewport",
            "window 0: destroy toplevel",
            "window 0: destroy role",
            "window 0: destroy",
            "buffer 0: destroy",
            "buffer 1: destroy",
        ]
    );
    // Answers that were on their way are for nobody.
    scene.host.frame_done(0);
    scene.host.presented(0, 7, Kind::Vsync);
    assert_eq!(scene.events(), []);
}

#[test]
fn scanout_that_is_switched_on_again_gets_a_new_window() {
    let mut scene = Scene::running();
    scene.display.disable(SCREEN);
    scene.display.disable(OTHER_SCREEN);
    scene.forget_past();
    scene.present(A);
    scene.pump();
    scene.host.configure(1, (0, 0), &[]);
    let log = scene.log();
    assert!(
        log.contains(&"window 1: attach buffer 1".to_owned()),
        "{log:?}"
    );
    assert!(
        log.contains(&"window 1: damage 0,0 64x32".to_owned()),
        "{log:?}"
    );
    scene.host.frame_done(1);
    assert_eq!(scene.events(), [READY]);
}

#[test]
fn disabling_discards_a_frame_that_waits() {
    let mut scene = Scene::new();
    scene.import_shm(A);
    let frame = scene.present(A);
    scene.display.disable(SCREEN);
    assert_eq!(scene.events(), [discarded(frame), released(A)]);
}
