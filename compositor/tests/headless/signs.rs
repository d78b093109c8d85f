//! What is on a monitor while its guest shows nothing, and what lies over guests.

use std::time::Duration;

use compositor::{
    backend::Monitor, desktop::Placement, render::RendererChoice, screenshot::Image,
    signs::GuestStatus,
};
use protocols::ipc::GuestState;
use smithay::output::Mode;

use crate::{
    client::{Bgrx, Window, rgba},
    fixture::{ClientId, Fixture, renderers},
};

const RED: Bgrx = [0, 0, 255, 0];
const GREEN: Bgrx = [0, 255, 0, 0];
const SIZE: (u32, u32) = (400, 300);

/// A kiosk with one monitor, on which a guest belongs that has not connected yet.
fn kiosk(renderer: RendererChoice) -> Fixture {
    let mode = Mode {
        size: (400, 300).into(),
        refresh: 240_000,
    };
    let mut fixture = Fixture::kiosk(renderer, vec![Monitor::new("M", mode)]);
    fixture.state().place_guest("debian", Placement::default());
    fixture
}

fn status(state: GuestState, last_output: &[&str]) -> GuestStatus {
    GuestStatus {
        state,
        reason: None,
        last_output: last_output.iter().map(|line| (*line).to_owned()).collect(),
    }
}

/// How many pixels of some rows are unlike the first one.
fn ink(image: &Image, rows: std::ops::Range<u32>) -> usize {
    let background = image.pixel(0, 0);
    rows.flat_map(|y| (0..image.width).map(move |x| image.pixel(x, y)))
        .filter(|pixel| *pixel != background)
        .count()
}

fn is_all(image: &Image, colour: Bgrx) -> bool {
    image
        .rgba
        .chunks_exact(4)
        .all(|pixel| pixel == rgba(colour))
}

/// The guest comes up and fills its monitor with red.
fn show_guest(fixture: &mut Fixture) -> (ClientId, Window) {
    let guest = fixture.add_guest("debian");
    let window = fixture.client(guest).scanout(0);
    fixture.round_trip(guest);
    fill(fixture, guest, &window, RED);
    (guest, window)
}

fn fill(fixture: &mut Fixture, guest: ClientId, window: &Window, colour: Bgrx) {
    let client = fixture.client(guest);
    let buffer = client.plain_buffer(SIZE, colour);
    client.present(&window.surface, &buffer);
    fixture.round_trip(guest);
}

#[test]
fn a_guest_that_shows_nothing_has_a_picture_in_its_place_until_it_does() {
    for renderer in renderers() {
        let mut fixture = kiosk(renderer);
        let unknown = fixture.screenshot("M");
        assert!(unknown.rgba[2] > 16, "the monitor is not black");
        assert!(ink(&unknown, 50..250) > 200, "something is written on it");

        let starting = status(GuestState::Starting, &[]);
        fixture.state().set_guest_status("debian", &starting);
        let boots = fixture.screenshot("M");
        assert!(boots != unknown);

        // What its device does may be heard of before what is said of its VMM.
        show_guest(&mut fixture);
        assert!(fixture.screenshot("M") == boots);
        let running = status(GuestState::Running, &[]);
        fixture.state().set_guest_status("debian", &running);
        assert!(is_all(&fixture.screenshot("M"), RED));
    }
}

#[test]
fn a_guest_whose_vmm_died_gives_way_until_the_next_one_draws() {
    for renderer in renderers() {
        let mut fixture = kiosk(renderer);
        let now = |fixture: &mut Fixture, state| {
            let status = status(state, &[]);
            fixture.state().set_guest_status("debian", &status);
        };
        let (guest, window) = show_guest(&mut fixture);
        fixture.client(guest).keyboard();
        now(&mut fixture, GuestState::Running);
        assert!(is_all(&fixture.screenshot("M"), RED));
        let has_keyboard =
            |fixture: &mut Fixture| fixture.client(guest).seen.keyboard_focus.is_some();
        fixture.wait_until("it has the keyboard", has_keyboard);

        now(&mut fixture, GuestState::Restarting);
        let died = fixture.screenshot("M");
        assert!(ink(&died, 50..250) > 200);
        fixture.wait_until("it is not typed at any more", |fixture| {
            !has_keyboard(fixture)
        });
        // Its device keeps the picture, in other memory.
        fill(&mut fixture, guest, &window, RED);
        assert!(fixture.screenshot("M") == died);

        now(&mut fixture, GuestState::Starting);
        now(&mut fixture, GuestState::Running);
        let boots = fixture.screenshot("M");
        assert!(boots != died && ink(&boots, 50..250) > 200);
        // A commit that shows nothing new.
        window.surface.commit();
        fixture.round_trip(guest);
        assert!(fixture.screenshot("M") == boots);

        fill(&mut fixture, guest, &window, GREEN);
        assert!(is_all(&fixture.screenshot("M"), GREEN));
        fixture.wait_until("it has the keyboard again", has_keyboard);
    }
}

#[test]
fn a_guest_that_starts_anew_in_its_vmm_stays_to_be_seen() {
    let mut fixture = kiosk(RendererChoice::Pixman);
    let (guest, window) = show_guest(&mut fixture);
    let running = status(GuestState::Running, &[]);
    fixture.state().set_guest_status("debian", &running);
    // Its driver is gone; what it has shown stays.
    fill(&mut fixture, guest, &window, RED);
    assert!(is_all(&fixture.screenshot("M"), RED));
    fixture.state().set_guest_status("debian", &running);
    assert!(is_all(&fixture.screenshot("M"), RED));
}

#[test]
fn a_guest_that_died_leaves_its_last_words() {
    for renderer in renderers() {
        let mut fixture = kiosk(renderer);
        let silent = status(GuestState::Failed, &[]);
        fixture.state().set_guest_status("debian", &silent);
        assert_eq!(ink(&fixture.screenshot("M"), 250..290), 0);

        let lines = [
            "one", "two", "three", "four", "five", "six", "seven", "eight",
        ];
        let talkative = status(GuestState::Failed, &lines);
        fixture.state().set_guest_status("debian", &talkative);
        assert!(ink(&fixture.screenshot("M"), 200..290) > 200);
    }
}

#[test]
fn a_device_that_dies_makes_room_for_the_picture() {
    let mut fixture = kiosk(RendererChoice::Pixman);
    let before = fixture.screenshot("M");
    let (guest, _) = show_guest(&mut fixture);
    assert!(is_all(&fixture.screenshot("M"), RED));

    fixture.kill(guest);
    fixture.wait_until("the window is gone", |fixture| {
        fixture.state().windows().is_empty()
    });
    assert!(fixture.screenshot("M") == before);
}

#[test]
fn notices_and_the_switcher_lie_over_guests_for_a_while() {
    for renderer in renderers() {
        let mut fixture = kiosk(renderer);
        show_guest(&mut fixture);
        assert!(is_all(&fixture.screenshot("M"), RED));

        let names = ["debian".to_owned(), "fedora".to_owned()];
        fixture.state().show_switcher(&names, 0);
        let first = fixture.screenshot("M");
        assert!(ink(&first, 100..200) > 200);
        assert_eq!(ink(&first, 0..50), 0);
        fixture.state().show_switcher(&names, 1);
        assert!(fixture.screenshot("M") != first);
        fixture.state().hide_switcher();
        assert!(is_all(&fixture.screenshot("M"), RED));

        let time = Duration::from_millis(300);
        fixture.state().notice("Keyboard is grabbed.", time);
        let image = fixture.screenshot("M");
        assert!(ink(&image, 200..300) > 200);
        assert_eq!(ink(&image, 0..200), 0);
        fixture.wait_until("the notice is gone", |fixture| {
            is_all(&fixture.screenshot("M"), RED)
        });
    }
}

#[test]
fn a_monitor_with_a_sign_is_drawn_once() {
    let mut fixture = kiosk(RendererChoice::Pixman);
    let drawn = |fixture: &mut Fixture| fixture.state().counters("M").unwrap();
    fixture.run_for(Duration::from_millis(100));
    let before = drawn(&mut fixture);
    fixture.run_for(Duration::from_millis(100));
    assert_eq!(drawn(&mut fixture), before);

    let starting = status(GuestState::Starting, &[]);
    fixture.state().set_guest_status("debian", &starting);
    fixture.wait_until("the new state is drawn", |fixture| drawn(fixture) != before);
}

#[test]
fn without_a_kiosk_nothing_takes_a_guest_s_place() {
    let mut fixture = Fixture::new();
    fixture.guest_connection("debian");
    let failed = status(GuestState::Failed, &["one"]);
    fixture.state().set_guest_status("debian", &failed);
    let image = fixture.screenshot("HEADLESS-1");
    assert!(is_all(&image, [0; 4]));

    show_guest(&mut fixture);
    assert!(is_all(&fixture.screenshot("HEADLESS-1"), RED));
    let starts = status(GuestState::Starting, &[]);
    fixture.state().set_guest_status("debian", &starts);
    assert!(is_all(&fixture.screenshot("HEADLESS-1"), RED));
}
