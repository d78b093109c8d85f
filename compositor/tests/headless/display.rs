//! Displays that flip by themselves and are taken away: the test is the display.

use std::time::Duration;

use compositor::{
    backend::{Change, Headless, Monitor, now},
    desktop::Policy,
    render::RendererChoice,
};
use smithay::output::Mode;
use wayland_client::WEnum;
use wayland_protocols::wp::presentation_time::client::wp_presentation_feedback::Kind;

use crate::{
    client::{Bgrx, Shown, Window},
    fixture::{ClientId, Fixture},
};

const RED: Bgrx = [0, 0, 255, 0];
const PERIOD: Duration = Duration::from_nanos(16_666_666);

struct Display {
    fixture: Fixture,
    guest: ClientId,
    window: Window,
}

impl Display {
    fn new(backend: Headless) -> Self {
        let mut fixture = Fixture::assemble(backend, RendererChoice::Pixman, Policy::Headless);
        let mode = Mode {
            size: (200, 150).into(),
            refresh: 60_000,
        };
        fixture.plug(Monitor::new("screen", mode));
        let guest = fixture.add_guest("a");
        let window = fixture.client(guest).scanout(0);
        fixture.round_trip(guest);
        Self {
            fixture,
            guest,
            window,
        }
    }

    fn present(&mut self) -> u32 {
        let client = self.fixture.client(self.guest);
        let buffer = client.plain_buffer((64, 48), RED);
        let frame = client.present(&self.window.surface, &buffer);
        self.fixture.round_trip(self.guest);
        frame
    }

    fn frames(&mut self) -> u64 {
        self.fixture.state().counters("screen").unwrap().frames()
    }

    /// Until this many frames were composed.
    fn wait_for_frames(&mut self, frames: u64) {
        self.fixture
            .wait_until("the output is composed", |fixture| {
                fixture.state().counters("screen").unwrap().frames() >= frames
            });
    }

    fn flip(&mut self, at: Duration, sequence: u64) {
        let screen = self.fixture.monitor("screen");
        self.fixture.state().flipped(screen, at, sequence);
        self.fixture.round_trip(self.guest);
    }

    fn shown(&mut self, frame: u32) -> Option<Shown> {
        self.fixture.round_trip(self.guest);
        let seen = &self.fixture.client(self.guest).seen;
        seen.shown.get(&frame).copied()
    }

    fn is_called_back(&mut self, frame: u32) -> bool {
        self.fixture.round_trip(self.guest);
        let seen = &self.fixture.client(self.guest).seen;
        seen.callbacks.contains(&frame)
    }

    fn wait_for_callback(&mut self, frame: u32) {
        let guest = self.guest;
        self.fixture
            .wait_until("the frame callback comes", |fixture| {
                fixture.client(guest).seen.callbacks.contains(&frame)
            });
    }
}

#[test]
fn a_frame_is_shown_when_the_display_says_so_and_with_its_time_and_number() {
    let mut display = Display::new(Headless::flipping());
    let frame = display.present();
    display.wait_for_frames(1);
    display.fixture.run_for(PERIOD * 4);
    assert_eq!(display.shown(frame), None);
    assert!(!display.is_called_back(frame));

    let at = now();
    display.flip(at, 77_000_000_000);
    assert_eq!(
        display.shown(frame),
        Some(Shown::Presented {
            at,
            refresh: PERIOD,
            sequence: 77_000_000_000,
            flags: WEnum::Value(Kind::Vsync | Kind::HwClock | Kind::HwCompletion),
        })
    );
    assert!(display.is_called_back(frame));
}

#[test]
fn a_display_without_a_clock_does_not_pretend_to_have_one() {
    let mut display = Display::new(Headless::flipping());
    let frame = display.present();
    display.wait_for_frames(1);
    let before = now();
    display.flip(Duration::ZERO, 0);
    let Some(Shown::Presented { at, flags, .. }) = display.shown(frame) else {
        panic!("the frame was not shown");
    };
    assert!(at >= before);
    assert_eq!(flags, WEnum::Value(Kind::Vsync | Kind::HwCompletion));
}

#[test]
fn a_second_frame_waits_for_the_first_ones_flip() {
    let mut display = Display::new(Headless::flipping());
    display.present();
    display.wait_for_frames(1);
    let second = display.present();
    display.fixture.run_for(PERIOD * 4);
    assert_eq!(display.frames(), 1);
    display.flip(now(), 1);
    display.wait_for_frames(2);
    assert_eq!(display.shown(second), None);
    display.flip(now(), 2);
    assert!(matches!(
        display.shown(second),
        Some(Shown::Presented { sequence: 2, .. })
    ));
}

#[test]
fn a_flip_out_of_turn_is_ignored() {
    let mut display = Display::new(Headless::flipping());
    display.flip(now(), 1);
    let frame = display.present();
    display.flip(now(), 2);
    display.wait_for_frames(1);
    assert_eq!(display.shown(frame), None);
}

#[test]
fn clients_go_on_after_a_flip_that_never_came() {
    let mut display = Display::new(Headless::flipping());
    let lost = display.present();
    display.wait_for_callback(lost);
    assert_eq!(display.shown(lost), Some(Shown::Discarded));
    let frame = display.present();
    display.wait_for_frames(2);
    display.flip(now(), 500);
    assert!(matches!(
        display.shown(frame),
        Some(Shown::Presented { .. })
    ));
}

#[test]
fn a_variable_rate_is_told_as_the_fastest_one() {
    let mut display = Display::new(Headless::flipping());
    let screen = display.fixture.monitor("screen");
    let change = Change {
        vrr: Some(true),
        ..Change::default()
    };
    display.fixture.state().change_output(screen, &change);
    let frame = display.present();
    display.wait_for_frames(1);
    display.flip(now(), 1);
    let Some(Shown::Presented { refresh, .. }) = display.shown(frame) else {
        panic!("the frame was not shown");
    };
    // The test's client knows version 2 of the protocol; older ones are told 0.
    assert!(refresh == PERIOD || refresh.is_zero());
}

#[test]
fn nothing_is_composed_while_the_screens_are_somebody_elses() {
    let mut display = Display::new(Headless::default());
    let first = display.present();
    display.wait_for_callback(first);
    display.fixture.state().pause();
    let frames = display.frames();
    let hidden = display.present();
    display.fixture.run_for(PERIOD * 8);
    assert_eq!(display.frames(), frames);
    assert_eq!(display.shown(hidden), None);

    // Like for covered windows: seldom.
    display.wait_for_callback(hidden);
    let last = display.present();
    assert_eq!(display.shown(hidden), Some(Shown::Discarded), "replaced");

    display.fixture.state().resume();
    display.wait_for_callback(last);
    assert!(matches!(display.shown(last), Some(Shown::Presented { .. })));
}

#[test]
fn a_frame_under_way_when_the_screens_go_is_not_waited_for() {
    let mut display = Display::new(Headless::flipping());
    let frame = display.present();
    display.wait_for_frames(1);
    display.fixture.state().pause();
    assert!(display.is_called_back(frame));
    assert_eq!(display.shown(frame), Some(Shown::Discarded));
    // Its flip comes with the screens, too late.
    display.fixture.state().resume();
    display.flip(now(), 1);

    let next = display.present();
    display.wait_for_frames(2);
    display.flip(now(), 2);
    assert!(matches!(
        display.shown(next),
        Some(Shown::Presented { sequence: 2, .. })
    ));
}

#[test]
fn a_monitor_that_is_plugged_in_meanwhile_is_composed_when_the_screens_are_back() {
    let mut display = Display::new(Headless::default());
    display.fixture.state().pause();
    let mode = Mode {
        size: (100, 80).into(),
        refresh: 60_000,
    };
    display.fixture.plug(Monitor::new("other", mode));
    let window = display.fixture.client(display.guest).scanout(1);
    display.fixture.round_trip(display.guest);
    let client = display.fixture.client(display.guest);
    let buffer = client.plain_buffer((64, 48), RED);
    let frame = client.present(&window.surface, &buffer);
    display.fixture.run_for(PERIOD * 4);
    assert_eq!(display.shown(frame), None);
    display.fixture.state().resume();
    display.wait_for_callback(frame);
    assert!(matches!(
        display.shown(frame),
        Some(Shown::Presented { .. })
    ));
}
