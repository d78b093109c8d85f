//! Buffers that cover their output are shown as they are, as a display's plane would.

use std::time::Duration;

use compositor::{
    backend::{Headless, Monitor, OutputOptions, now},
    desktop::Policy,
    render::RendererChoice,
};
use smithay::output::Mode;
use wayland_client::WEnum;
use wayland_protocols::wp::presentation_time::client::wp_presentation_feedback::Kind;

use crate::{
    client::{Bgrx, Shown, Window, pattern, rgba},
    fixture::{ClientId, Fixture},
};

const SIZE: (u32, u32) = (256, 192);
const RED: Bgrx = [0, 0, 255, 0];
const GREY: Bgrx = [80, 80, 80, 0];
const PERIOD: Duration = Duration::from_nanos(16_666_666);

fn fixture() -> (Fixture, ClientId, Window) {
    let output = OutputOptions::new("HEADLESS-1", SIZE.0, SIZE.1);
    let mut fixture = Fixture::with(RendererChoice::Pixman, vec![output]);
    let guest = fixture.add_guest("a");
    let window = fixture.client(guest).scanout(0);
    fixture.round_trip(guest);
    (fixture, guest, window)
}

/// Shows a frame, and returns how the client was told that it was.
fn show(fixture: &mut Fixture, guest: ClientId, window: &Window, size: (u32, u32)) -> WEnum<Kind> {
    let client = fixture.client(guest);
    let buffer = client.buffer(size, pattern);
    let frame = client.present(&window.surface, &buffer);
    fixture.wait_until("a frame is shown", |fixture| {
        fixture.client(guest).seen.shown.contains_key(&frame)
    });
    match fixture.client(guest).seen.shown[&frame] {
        Shown::Presented { flags, .. } => flags,
        Shown::Discarded => panic!("the frame was never shown"),
    }
}

/// Frames that were drawn, and frames that were not.
fn counted(fixture: &mut Fixture) -> (u64, u64) {
    let counters = fixture.state().counters("HEADLESS-1").unwrap();
    (counters.composited, counters.direct)
}

#[test]
fn a_buffer_that_covers_its_output_is_not_drawn_before_somebody_looks() {
    let (mut fixture, guest, window) = fixture();
    let (drawn, direct) = counted(&mut fixture);
    let flags = show(&mut fixture, guest, &window, SIZE);
    assert_eq!(flags, WEnum::Value(Kind::Vsync | Kind::ZeroCopy));
    assert_eq!(counted(&mut fixture), (drawn, direct + 1));

    let picture = fixture.screenshot("HEADLESS-1");
    for (x, y) in [(0, 0), (255, 0), (100, 191)] {
        assert_eq!(picture.pixel(x, y), Some(rgba(pattern(x, y))));
    }
}

#[test]
fn what_does_not_cover_its_output_is_drawn() {
    let (mut fixture, guest, window) = fixture();
    let flags = show(&mut fixture, guest, &window, (SIZE.0, SIZE.1 - 1));
    assert_eq!(flags, WEnum::Value(Kind::Vsync));
    assert_eq!(counted(&mut fixture).1, 0);
}

#[test]
fn what_something_lies_above_is_drawn_and_what_is_uncovered_is_not() {
    let (mut fixture, guest, window) = fixture();
    show(&mut fixture, guest, &window, SIZE);
    let client = fixture.add_client();
    let small = fixture.client(client).window();
    small.surface.commit();
    fixture.round_trip(client);
    let flags = show(&mut fixture, client, &small, (16, 16));
    assert_eq!(flags, WEnum::Value(Kind::Vsync));
    let flags = show(&mut fixture, guest, &window, SIZE);
    assert_eq!(flags, WEnum::Value(Kind::Vsync));

    fixture.kill(client);
    let before = counted(&mut fixture);
    fixture.wait_until("the guest is alone", |fixture| {
        counted(fixture).1 > before.1
    });
    let flags = show(&mut fixture, guest, &window, SIZE);
    assert_eq!(flags, WEnum::Value(Kind::Vsync | Kind::ZeroCopy));
}

#[test]
fn what_was_below_a_buffer_that_goes_away_is_to_be_seen() {
    let (mut fixture, guest, window) = fixture();
    show(&mut fixture, guest, &window, SIZE);
    let before = counted(&mut fixture);
    fixture.kill(guest);
    // What is drawn now was never drawn over, and still is new to whoever looks.
    fixture.wait_until("the window is gone", |fixture| {
        counted(fixture).0 > before.0
    });
    drop(window);
    assert_eq!(
        fixture.screenshot("HEADLESS-1").pixel(10, 10),
        Some([0, 0, 0, 255])
    );
}

#[test]
fn the_same_buffer_again_is_no_new_frame() {
    let (mut fixture, guest, window) = fixture();
    show(&mut fixture, guest, &window, SIZE);
    let before = counted(&mut fixture);
    let client = fixture.client(guest);
    let frame = client.present_nothing_new(&window.surface);
    fixture.wait_until("the client is called back", |fixture| {
        fixture.client(guest).seen.callbacks.contains(&frame)
    });
    assert_eq!(counted(&mut fixture), before);
}

#[test]
fn a_buffer_is_given_back_when_the_next_one_is_to_be_seen_and_not_before() {
    let mut fixture = Fixture::assemble(
        Headless::flipping(),
        RendererChoice::Pixman,
        Policy::Headless,
    );
    let size = (SIZE.0.cast_signed(), SIZE.1.cast_signed());
    let mode = Mode {
        size: size.into(),
        refresh: 60_000,
    };
    fixture.plug(Monitor::new("screen", mode));
    let guest = fixture.add_guest("a");
    let window = fixture.client(guest).scanout(0);
    fixture.round_trip(guest);
    let [first, second] = [RED, GREY].map(|colour| {
        let client = fixture.client(guest);
        client.plain_buffer(SIZE, colour)
    });
    let screen = fixture.monitor("screen");
    let present = |fixture: &mut Fixture, buffer, frames| {
        fixture.client(guest).present(&window.surface, buffer);
        fixture.wait_until("it is composed", |fixture| {
            fixture.state().counters("screen").unwrap().direct == frames
        });
    };
    present(&mut fixture, &first, 1);
    fixture.state().flipped(screen, now(), 1);
    present(&mut fixture, &second, 2);
    fixture.run_for(PERIOD * 2);
    assert!(fixture.client(guest).seen.released.is_empty());
    fixture.state().flipped(screen, now(), 2);
    fixture.round_trip(guest);
    assert_eq!(fixture.client(guest).seen.released, [first]);
}
