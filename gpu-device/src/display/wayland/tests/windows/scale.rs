//! In which scale the host shows a window, and what the guest is asked for then.

use super::*;

fn fractional() -> Offer {
    Offer {
        windows: WindowOffer {
            fractional: true,
            ..WindowOffer::default()
        },
        ..Offer::default()
    }
}

fn wished(width: u32, height: u32, dpi: u32) -> DisplayEvent {
    DisplayEvent::Resized {
        scanout: SCREEN,
        width,
        height,
        dpi,
    }
}

impl Scene {
    /// The guest shows a picture of this size.
    fn picture(&mut self, width: u32, height: u32) {
        self.display
            .import(B, layout(width, height), shm(width, height))
            .unwrap();
        let whole = Rect::from_size(width, height);
        self.present_part(SCREEN, B, whole, rect(0, 0, 1, 1));
        self.pump();
    }
}

#[test]
fn guest_is_asked_for_the_monitor_s_pixels_and_the_window_keeps_its_size() {
    let mut scene = Scene::running_with(fractional());
    scene.host.prefer_scale(0, 180);
    assert_eq!(scene.events(), [wished(96, 48, 144)]);
    let log = scene.log_of("window 0");
    let mut geometries = log.iter().filter(|line| line.starts_with("geometry"));
    assert!(geometries.all(|line| line == "geometry 64x32"), "{log:?}");
    scene.picture(96, 48);
    let log = scene.log_of("window 0");
    assert!(log.contains(&"scaled to 64x32".to_owned()), "{log:?}");
    assert_eq!(scene.host.desk.surfaces[0].extras.limits[1], (5461, 5461));

    // A size of the host is in its own units.
    scene.configure((101, 64), &[MAXIMIZED]);
    assert_eq!(scene.events(), [wished(152, 96, 144)]);
}

#[test]
fn scale_that_is_known_before_the_window_is_there_counts() {
    let mut scene = Scene::with(fractional());
    scene.import_shm(A);
    scene.present(A);
    scene.pump();
    scene.host.prefer_scale(0, 240);
    scene.configure((0, 0), &[]);
    assert_eq!(scene.events(), [wished(128, 64, 192)]);
    let log = scene.log_of("window 0");
    assert!(log.contains(&"geometry 64x32".to_owned()), "{log:?}");
}

#[test]
fn scale_of_the_user_wins_over_the_host_s() {
    let mut scene = Scene::with(fractional());
    scene.display.set_preferences(Preferences {
        scale: Some(Scale::ONE),
        ..Preferences::default()
    });
    scene.import_shm(A);
    scene.present(A);
    scene.configure((0, 0), &[]);
    scene.host.prefer_scale(0, 240);
    assert_eq!(scene.events(), []);

    scene.display.set_preferences(Preferences {
        scale: Scale::from_factor(2.0),
        ..Preferences::default()
    });
    scene.host.prefer_scale(0, 120);
    assert_eq!(scene.events(), [wished(128, 64, 192)]);
}

#[test]
fn host_without_fractions_says_whole_scales() {
    let mut scene = Scene::running();
    scene.host.prefer_whole_scale(0, 2);
    assert_eq!(scene.events(), [wished(128, 64, 192)]);
    scene.host.prefer_whole_scale(0, 1);
    assert_eq!(scene.events(), [wished(64, 32, 96)]);
    for impossible in [0, -3] {
        scene.host.prefer_whole_scale(0, impossible);
        assert_eq!(scene.events(), []);
    }
}

#[test]
fn old_host_says_the_scale_by_its_monitors() {
    let mut scene = Scene::running();
    scene.host.plug_output();
    scene.host.plug_output();
    scene.pump();
    scene.host.output_scale(0, 1);
    scene.host.output_scale(1, 2);
    scene.host.enter(0, 0);
    assert_eq!(scene.events(), []);
    // On both, the sharper one counts.
    scene.host.enter(0, 1);
    assert_eq!(scene.events(), [wished(128, 64, 192)]);
    scene.host.leave(0, 1);
    assert_eq!(scene.events(), [wished(64, 32, 96)]);
    scene.host.output_scale(0, 3);
    assert_eq!(scene.events(), [wished(192, 96, 288)]);
    scene.host.unplug_output(0);
    assert_eq!(scene.events(), [wished(64, 32, 96)]);
}

#[test]
fn fractions_win_over_whole_scales() {
    let mut scene = Scene::running_with(fractional());
    scene.host.prefer_scale(0, 150);
    scene.host.prefer_whole_scale(0, 2);
    assert_eq!(scene.events(), [wished(80, 40, 120)]);
}

#[test]
fn window_that_can_not_be_scaled_has_no_scale() {
    let mut scene = Scene::with(Offer {
        viewporter: false,
        ..Offer::default()
    });
    scene.import_shm(A);
    scene.present(A);
    scene.configure((0, 0), &[]);
    scene.host.prefer_whole_scale(0, 2);
    assert!(
        !scene
            .events()
            .iter()
            .any(|event| matches!(event, DisplayEvent::Resized { .. }))
    );
}

#[test]
fn our_own_compositor_counts_in_pixels() {
    let mut scene = Scene::with(Offer {
        guests: true,
        ..fractional()
    });
    scene.import_shm(A);
    scene.present(A);
    scene.configure((0, 0), &[]);
    scene.events();
    assert!(scene.host.desk.surfaces[0].extras.scale.is_none());
    scene.host.prefer_whole_scale(0, 2);
    assert_eq!(scene.events(), []);
}

#[test]
fn places_are_those_of_the_guest_s_pixels() {
    let mut scene = Scene::running_with(fractional());
    scene.host.prefer_scale(0, 240);
    scene.pump();
    scene.picture(128, 64);
    let position = scene.display.state.position(SCREEN, 10.0, 20.5);
    assert_eq!((position.x, position.y), (20.0, 41.0));
}
