//! When outputs are composed, and what clients are told about it.

use std::time::Duration;

use wayland_client::{WEnum, protocol::wl_surface::WlSurface};
use wayland_protocols::wp::presentation_time::client::wp_presentation_feedback::Kind;

use compositor::{
    backend::{OutputOptions, now},
    render::RendererChoice,
};

use crate::{
    client::{Bgrx, Shown, Window},
    fixture::{ClientId, Fixture},
};

const GREY: Bgrx = [80, 80, 80, 0];
/// Slow enough that a busy machine keeps up.
const SLOW: u32 = 10_000;
const SLOW_PERIOD: Duration = Duration::from_millis(100);

fn fixture(millihertz: u32) -> Fixture {
    let output = OutputOptions {
        millihertz,
        ..OutputOptions::new("HEADLESS-1", 256, 192)
    };
    Fixture::with(RendererChoice::Pixman, vec![output])
}

fn add_scanout(fixture: &mut Fixture, name: &str) -> (ClientId, Window) {
    let guest = fixture.add_guest(name);
    let window = fixture.client(guest).scanout(0);
    fixture.round_trip(guest);
    (guest, window)
}

fn present(fixture: &mut Fixture, id: ClientId, surface: &WlSurface) -> u32 {
    let client = fixture.client(id);
    let buffer = client.plain_buffer((64, 48), GREY);
    client.present(surface, &buffer)
}

/// So large that other windows leave some of it to be seen.
fn present_large(fixture: &mut Fixture, id: ClientId, surface: &WlSurface) -> u32 {
    let client = fixture.client(id);
    let buffer = client.plain_buffer((256, 192), GREY);
    client.present(surface, &buffer)
}

fn wait_until_shown(fixture: &mut Fixture, id: ClientId, frame: u32) -> Shown {
    fixture.wait_until("a frame is shown", |fixture| {
        fixture.client(id).seen.shown.contains_key(&frame)
    });
    fixture.client(id).seen.shown[&frame]
}

#[track_caller]
fn vblank(shown: Shown) -> (u64, Duration) {
    match shown {
        Shown::Presented { at, sequence, .. } => (sequence, at),
        Shown::Discarded => panic!("the frame was never shown"),
    }
}

#[test]
fn presentation_times_lie_on_the_outputs_grid() {
    let mut fixture = fixture(59_940);
    let (guest, window) = add_scanout(&mut fixture, "a");
    let mut vblanks = Vec::new();
    for _ in 0..12 {
        let frame = present(&mut fixture, guest, &window.surface);
        let shown = wait_until_shown(&mut fixture, guest, frame);
        let Shown::Presented { refresh, flags, .. } = shown else {
            panic!("the frame was never shown");
        };
        assert_eq!(refresh, Duration::from_nanos(16_683_350));
        assert_eq!(flags, WEnum::Value(Kind::Vsync));
        vblanks.push(vblank(shown));
    }
    let (first_sequence, first_at) = vblanks[0];
    for pair in vblanks.windows(2) {
        assert!(pair[0].0 < pair[1].0, "two frames in one refresh");
    }
    for (sequence, at) in vblanks {
        let periods = u128::from(sequence - first_sequence);
        let wanted = periods * 1_000_000_000_000 / 59_940;
        let found = (at - first_at).as_nanos();
        assert!(
            found.abs_diff(wanted) <= 1,
            "{found} ns are not {periods} periods"
        );
    }
}

#[test]
fn frames_are_shown_after_they_were_committed() {
    let mut fixture = fixture(240_000);
    let (guest, window) = add_scanout(&mut fixture, "a");
    for _ in 0..5 {
        let before = now();
        let frame = present(&mut fixture, guest, &window.surface);
        let shown = wait_until_shown(&mut fixture, guest, frame);
        assert!(vblank(shown).1 > before);
    }
}

#[test]
fn a_client_that_draws_on_each_frame_callback_gets_every_refresh() {
    let mut fixture = fixture(SLOW);
    let (guest, window) = add_scanout(&mut fixture, "a");
    let mut sequences = Vec::new();
    for _ in 0..8 {
        let frame = present(&mut fixture, guest, &window.surface);
        fixture.wait_until("the frame callback comes", |fixture| {
            fixture.client(guest).seen.callbacks.contains(&frame)
        });
        let shown = wait_until_shown(&mut fixture, guest, frame);
        sequences.push(vblank(shown).0);
    }
    assert_few_gaps(&sequences);
}

/// A busy machine may miss a refresh now and then; half the rate it may not be.
#[track_caller]
fn assert_few_gaps(sequences: &[u64]) {
    let gaps = sequences.windows(2).filter(|pair| pair[1] - pair[0] > 1);
    assert!(gaps.count() < sequences.len() / 2, "{sequences:?}");
}

#[test]
fn a_guest_keeps_its_rate_while_something_else_changes_all_the_time() {
    let mut fixture = fixture(SLOW);
    let (guest, window) = add_scanout(&mut fixture, "a");
    let busy = fixture.add_client();
    let other = fixture.client(busy).window();
    fixture.round_trip(busy);
    let pixels = fixture.client(busy).plain_buffer((64, 48), GREY);
    let change = |fixture: &mut Fixture| {
        fixture.client(busy).present(&other.surface, &pixels);
    };
    let mut sequences = Vec::new();
    let mut frame = present_large(&mut fixture, guest, &window.surface);
    for _ in 0..8 {
        fixture.wait_until("a frame is shown", |fixture| {
            change(fixture);
            fixture.client(guest).seen.shown.contains_key(&frame)
        });
        sequences.push(vblank(fixture.client(guest).seen.shown[&frame]).0);
        // The guest's kernel and programs take a while to draw after they learn of the vblank.
        let ready = now() + Duration::from_millis(8);
        fixture.wait_until("the guest has drawn", |fixture| {
            change(fixture);
            now() >= ready
        });
        frame = present_large(&mut fixture, guest, &window.surface);
    }
    assert_few_gaps(&sequences);
}

#[test]
fn an_idle_output_draws_nothing_and_sends_nothing() {
    let mut fixture = fixture(240_000);
    let (guest, window) = add_scanout(&mut fixture, "a");
    let frame = present(&mut fixture, guest, &window.surface);
    wait_until_shown(&mut fixture, guest, frame);
    let drawn = fixture
        .state()
        .counters("HEADLESS-1")
        .map(|counters| counters.composited);
    assert!(drawn.is_some_and(|drawn| drawn > 0));
    fixture.run_for(Duration::from_millis(100));
    assert_eq!(
        fixture
            .state()
            .counters("HEADLESS-1")
            .map(|counters| counters.composited),
        drawn
    );
    assert_eq!(fixture.client(guest).seen.shown.len(), 1);
}

#[test]
fn a_commit_without_a_change_is_answered_and_not_drawn() {
    let mut fixture = fixture(240_000);
    let (guest, window) = add_scanout(&mut fixture, "a");
    let frame = present(&mut fixture, guest, &window.surface);
    wait_until_shown(&mut fixture, guest, frame);
    let drawn = fixture
        .state()
        .counters("HEADLESS-1")
        .map(|counters| counters.composited);

    let frame = fixture.client(guest).present_nothing_new(&window.surface);
    vblank(wait_until_shown(&mut fixture, guest, frame));
    assert!(fixture.client(guest).seen.callbacks.contains(&frame));
    assert_eq!(
        fixture
            .state()
            .counters("HEADLESS-1")
            .map(|counters| counters.composited),
        drawn
    );
}

#[test]
fn a_frame_that_is_replaced_before_it_is_composed_is_discarded() {
    let mut fixture = fixture(SLOW);
    let (guest, window) = add_scanout(&mut fixture, "a");
    let first = present(&mut fixture, guest, &window.surface);
    let second = present(&mut fixture, guest, &window.surface);
    vblank(wait_until_shown(&mut fixture, guest, second));
    assert_eq!(fixture.client(guest).seen.shown[&first], Shown::Discarded);
}

/// The frame callback of a commit that comes between composing and the vblank must not be answered
/// at that vblank: the client would draw a third frame, and the second would never be seen.
#[test]
fn every_frame_is_shown_to_a_client_that_waits_for_frame_callbacks() {
    let mut fixture = fixture(SLOW);
    let (guest, window) = add_scanout(&mut fixture, "a");
    let mut frames = vec![present(&mut fixture, guest, &window.surface)];
    // Commits at all phases of the refresh.
    for phase in 1..8 {
        let last = frames[frames.len() - 1];
        fixture.wait_until("the frame callback comes", |fixture| {
            fixture.client(guest).seen.callbacks.contains(&last)
        });
        let start = now() + SLOW_PERIOD * phase / 8;
        fixture.wait_until("some time has passed", |_| now() >= start);
        frames.push(present(&mut fixture, guest, &window.surface));
    }
    for frame in frames {
        vblank(wait_until_shown(&mut fixture, guest, frame));
    }
}

#[test]
fn a_covered_window_is_shown_when_it_can_be_seen() {
    let mut fixture = fixture(240_000);
    let (below, covered) = add_scanout(&mut fixture, "below");
    let (above, covering) = add_scanout(&mut fixture, "above");
    let frame = present(&mut fixture, above, &covering.surface);
    wait_until_shown(&mut fixture, above, frame);

    let hidden = present(&mut fixture, below, &covered.surface);
    let frame = present(&mut fixture, above, &covering.surface);
    wait_until_shown(&mut fixture, above, frame);
    fixture.run_for(Duration::from_millis(50));
    assert!(fixture.client(below).seen.shown.is_empty());
    assert!(fixture.client(below).seen.callbacks.is_empty());

    fixture.kill(above);
    vblank(wait_until_shown(&mut fixture, below, hidden));
    assert!(fixture.client(below).seen.callbacks.contains(&hidden));
}

/// So that a picture of a covered guest is not one of long ago.
#[test]
fn a_covered_window_may_draw_now_and_then() {
    let mut fixture = fixture(240_000);
    let (below, covered) = add_scanout(&mut fixture, "below");
    let (above, covering) = add_scanout(&mut fixture, "above");
    present(&mut fixture, above, &covering.surface);
    let start = now();
    for _ in 0..2 {
        let hidden = present(&mut fixture, below, &covered.surface);
        fixture.wait_until("the frame callback comes", |fixture| {
            fixture.client(below).seen.callbacks.contains(&hidden)
        });
    }
    assert!(now() - start > Duration::from_millis(1900));
    let presented = |shown: &Shown| matches!(shown, Shown::Presented { .. });
    assert!(!fixture.client(below).seen.shown.values().any(presented));
}

#[test]
fn a_buffer_is_released_when_the_next_one_replaces_it() {
    let mut fixture = fixture(240_000);
    let (guest, window) = add_scanout(&mut fixture, "a");
    let client = fixture.client(guest);
    let first = client.plain_buffer((64, 48), GREY);
    let frame = client.present(&window.surface, &first);
    wait_until_shown(&mut fixture, guest, frame);
    fixture.run_for(Duration::from_millis(20));
    assert!(fixture.client(guest).seen.released.is_empty());

    let frame = present(&mut fixture, guest, &window.surface);
    wait_until_shown(&mut fixture, guest, frame);
    assert_eq!(fixture.client(guest).seen.released, [first]);
}

#[test]
fn a_screenshot_shows_what_was_committed_although_it_is_not_due_yet() {
    let output = OutputOptions {
        millihertz: 1_000,
        ..OutputOptions::new("HEADLESS-1", 64, 48)
    };
    let mut fixture = Fixture::with(RendererChoice::Pixman, vec![output]);
    let (guest, window) = add_scanout(&mut fixture, "a");
    let frame = present(&mut fixture, guest, &window.surface);
    fixture.round_trip(guest);
    let image = fixture.screenshot("HEADLESS-1");
    assert_eq!(image.pixel(63, 47), Some([80, 80, 80, 255]));
    // The frame is still answered at its own time.
    vblank(wait_until_shown(&mut fixture, guest, frame));
}
