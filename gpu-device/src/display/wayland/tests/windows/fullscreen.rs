//! Full screen, and what the host is told of it.

use super::*;
use crate::input::HostInput;

fn hinted() -> Offer {
    Offer {
        windows: WindowOffer {
            hints: true,
            ..WindowOffer::default()
        },
        ..Offer::default()
    }
}

fn fullscreen(on: bool) -> DisplayEvent {
    DisplayEvent::Input(HostInput::Fullscreen {
        scanout: SCREEN,
        on,
    })
}

impl Scene {
    /// The guest shows so many frames in a row.
    fn film(&mut self, frames: u32) {
        for _ in 0..frames {
            self.present(A);
            self.pump();
            self.host.frame_done(0);
            let last = self.host.desk.buffers.len() - 1;
            (0..=last).for_each(|buffer| self.host.release(buffer));
            self.pump();
        }
    }
}

#[test]
fn window_goes_to_full_screen_on_its_monitor_and_back() {
    let mut scene = Scene::running();
    scene.host.plug_output();
    scene.host.plug_output();
    scene.pump();
    scene.host.enter(0, 1);
    scene.log();
    scene.display.toggle_fullscreen(SCREEN);
    assert_eq!(scene.log(), ["window 0: full screen on Some(Some(1))"]);
    assert_eq!(scene.events(), [], "the host has not agreed yet");

    scene.configure((128, 64), &[FULLSCREEN, ACTIVATED]);
    assert_eq!(scene.events(), [fullscreen(true), resized(128, 64)]);
    scene.configure((128, 64), &[FULLSCREEN]);
    assert_eq!(scene.events(), []);

    scene.log();
    scene.display.toggle_fullscreen(SCREEN);
    assert_eq!(scene.log(), ["window 0: no full screen"]);
    scene.configure((0, 0), &[]);
    assert_eq!(scene.events(), [fullscreen(false), resized(64, 32)]);
}

#[test]
fn full_screen_by_the_host_s_own_control_is_reported_likewise() {
    let mut scene = Scene::running();
    scene.configure((64, 32), &[FULLSCREEN]);
    assert_eq!(scene.events(), [fullscreen(true)]);
    // A scanout without a window has nothing to change.
    scene.display.toggle_fullscreen(OTHER_SCREEN);
    assert_eq!(scene.log_of("window 1"), Vec::<String>::new());
}

#[test]
fn full_screen_picture_of_the_monitor_s_size_is_shown_as_it_is() {
    let mut scene = Scene::running_with(Offer {
        windows: WindowOffer {
            bare: true,
            ..WindowOffer::default()
        },
        ..Offer::default()
    });
    scene.configure((64, 32), &[FULLSCREEN]);
    let log = scene.log_of("window 0");
    assert!(log.contains(&"geometry 64x32".to_owned()), "{log:?}");
    assert!(
        !log.iter().any(|line| line.starts_with("scaled")),
        "{log:?}"
    );
    assert_eq!(scene.host.around(0), [], "nothing is around it");
}

#[test]
fn screen_stays_awake_while_a_film_plays_in_full_screen() {
    let mut scene = Scene::running_with(hinted());
    scene.film(20);
    assert!(!scene.log().iter().any(|line| line.contains("awake")));
    scene.configure((64, 32), &[FULLSCREEN]);
    let log = scene.log_of("window 0");
    assert!(log.contains(&"stays awake".to_owned()), "{log:?}");
    assert!(log.contains(&"shows Video".to_owned()), "{log:?}");
    assert!(scene.display.next_deadline().is_some());

    scene.configure((64, 32), &[]);
    let log = scene.log_of("window 0");
    assert!(log.contains(&"may sleep".to_owned()), "{log:?}");
    assert!(log.contains(&"shows None".to_owned()), "{log:?}");
}

#[test]
fn still_picture_lets_the_screen_go_dark() {
    let mut scene = Scene::running_with(hinted());
    scene.configure((64, 32), &[FULLSCREEN]);
    scene.film(3);
    assert!(!scene.log().iter().any(|line| line.contains("awake")));
    assert_eq!(scene.display.next_deadline(), None);
}

#[test]
fn film_with_the_user_s_hands_in_it_is_a_game() {
    let mut scene = Scene::running_with(hinted());
    scene.configure((64, 32), &[FULLSCREEN]);
    scene.film(20);
    scene.log();
    scene.display.state.show_grab(Some(SCREEN));
    let log = scene.log_of("window 0");
    assert!(log.contains(&"shows Game".to_owned()), "{log:?}");
}

#[test]
fn frames_are_torn_only_in_full_screen_and_if_the_user_does_not_mind() {
    for (tearing, said) in [(true, true), (false, false)] {
        let mut scene = Scene::running_with(hinted());
        scene.display.set_preferences(Preferences {
            tearing,
            ..Preferences::default()
        });
        assert!(!scene.log().iter().any(|line| line.contains("frames")));
        scene.configure((64, 32), &[FULLSCREEN]);
        let log = scene.log_of("window 0");
        assert_eq!(log.contains(&"frames Async".to_owned()), said, "{log:?}");
        scene.configure((64, 32), &[]);
        let log = scene.log_of("window 0");
        assert_eq!(log.contains(&"frames whole".to_owned()), said, "{log:?}");
    }
}
