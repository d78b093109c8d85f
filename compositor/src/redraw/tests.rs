//! The state machine against a clock of its own: no smithay, no real time.

use std::{num::NonZeroU32, time::Duration};

use proptest::prelude::*;

use super::{plan::MARGIN, *};

const START: Duration = Duration::from_secs(100);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn composition(started: Duration, took: Duration, shown: Shown) -> Composition {
    Composition {
        started,
        finished: started + took,
        shown,
        fresh: true,
        complete: true,
    }
}

fn clock(millihertz: u32) -> FrameClock {
    FrameClock::new(START, NonZeroU32::new(millihertz).unwrap())
}

fn timed(sequence: u64, at: Duration) -> Due {
    Due::Vblank(Vblank {
        sequence,
        at,
        source: Source::Timer,
    })
}

/// A machine whose last frames took `took`.
fn used_machine(millihertz: u32, took: Duration) -> Redraw {
    let mut redraw = Redraw::new(clock(millihertz));
    redraw.queue(START);
    let started = redraw.deadline().unwrap();
    redraw.composed(&composition(started, took, Shown::AtVblank));
    let vblank = redraw.deadline().unwrap();
    assert!(matches!(redraw.due(vblank), Some(Due::Vblank(_))));
    redraw
}

#[test]
fn vblanks_do_not_drift() {
    let clock = clock(59_940);
    // A million frames of 1000/59.94 ms.
    assert_eq!(
        clock.vblank(1_000_000) - START,
        Duration::from_nanos(16_683_350_016_683)
    );
}

#[test]
fn the_next_vblank_is_strictly_later() {
    let clock = clock(60_000);
    assert_eq!(clock.next_after(START - ms(1)), 0);
    assert_eq!(clock.next_after(START), 1);
    assert_eq!(clock.next_after(clock.vblank(7)), 8);
    assert_eq!(
        clock.next_after(clock.vblank(7) - Duration::from_nanos(1)),
        7
    );
}

#[test]
fn an_idle_output_has_no_deadline() {
    let redraw = used_machine(60_000, ms(1));
    assert_eq!(redraw.state(), RedrawState::Idle);
    assert_eq!(redraw.deadline(), None);
}

#[test]
fn composing_is_put_off_until_just_before_the_vblank() {
    let mut redraw = used_machine(60_000, ms(3));
    let now = redraw.clock().vblank(10) + ms(1);
    redraw.queue(now);
    let compose_at = redraw.deadline().unwrap();
    let vblank = redraw.clock().vblank(11);
    assert_eq!(compose_at, vblank - ms(3) - MARGIN);
}

#[test]
fn late_wake_ups_make_composing_earlier_by_and_by() {
    let mut redraw = used_machine(10_000, ms(3));
    // Half of the frames before the first two had no delay at all.
    for (delay, expected) in [(4, 2), (60, 2), (4, 4)] {
        let now = redraw.deadline().unwrap_or(redraw.clock().vblank(10));
        redraw.queue(now);
        let started = redraw.deadline().unwrap() + ms(delay);
        redraw.composed(&composition(started, ms(3), Shown::AtVblank));
        let vblank = redraw.deadline().unwrap();
        redraw.due(vblank).unwrap();

        redraw.queue(vblank);
        let next = redraw.clock().vblank(redraw.clock().next_after(vblank));
        let before = ms(3) + ms(expected) + MARGIN;
        assert_eq!(redraw.deadline(), Some(next - before));
    }
}

#[test]
fn a_change_shortly_before_the_vblank_is_composed_at_once_if_that_still_fits() {
    let mut redraw = used_machine(60_000, ms(3));
    let now = redraw.clock().vblank(11) - ms(4);
    redraw.queue(now);
    assert_eq!(redraw.deadline(), Some(now));
}

/// The last frames took 3 ms, but the one before 12.
#[test]
fn a_change_that_usually_still_fits_is_composed_at_once() {
    let mut redraw = used_machine(60_000, ms(12));
    for _ in 0..10 {
        redraw.queue(
            redraw
                .clock()
                .vblank(redraw.clock().next_after(START + ms(500))),
        );
        let started = redraw.deadline().unwrap();
        redraw.composed(&composition(started, ms(3), Shown::AtVblank));
        redraw.due(redraw.deadline().unwrap()).unwrap();
    }
    let now = redraw.clock().vblank(100) - ms(7);
    redraw.queue(now);
    assert_eq!(redraw.deadline(), Some(now));
}

#[test]
fn a_change_too_late_for_a_vblank_is_composed_for_the_one_after() {
    let mut redraw = used_machine(60_000, ms(3));
    let now = redraw.clock().vblank(11) - ms(2);
    redraw.queue(now);
    let vblank = redraw.clock().vblank(12);
    assert_eq!(redraw.deadline(), Some(vblank - ms(3) - MARGIN));
}

#[test]
fn slow_composing_still_leaves_guests_time_for_their_flip_after_the_vblank() {
    let mut redraw = used_machine(60_000, ms(15));
    let vblank = redraw.clock().vblank(10);
    redraw.queue(vblank);
    assert!(redraw.deadline().unwrap() >= vblank + ms(2));
}

#[test]
fn composing_past_the_vblank_shows_at_the_next() {
    let mut redraw = Redraw::new(clock(60_000));
    redraw.queue(START);
    let started = redraw.deadline().unwrap();
    assert_eq!(redraw.due(started), Some(Due::Compose));
    let took = redraw.clock().vblank(1) + ms(1) - started;
    redraw.composed(&composition(started, took, Shown::AtVblank));
    assert_eq!(redraw.missed(), 1);
    assert_eq!(
        redraw.state(),
        RedrawState::WaitingForVblank {
            sequence: 2,
            redraw_needed: false
        }
    );
}

/// A machine whose last picture was somebody's buffer, and needed no time.
fn instant_machine() -> Redraw {
    let mut redraw = Redraw::new(clock(60_000));
    redraw.queue(START);
    let started = redraw.deadline().unwrap();
    redraw.composed(&composition(started, ms(0), Shown::AtOnce));
    let vblank = redraw.clock().vblank(1);
    assert_eq!(redraw.due(vblank), Some(timed(1, vblank)));
    redraw.queue(vblank + ms(3));
    redraw
}

#[test]
fn what_need_not_be_drawn_is_composed_at_the_vblank_that_shows_it() {
    for late in [0, 1, 5] {
        let mut redraw = instant_machine();
        let vblank = redraw.clock().vblank(2);
        assert_eq!(redraw.deadline(), Some(vblank));
        let started = vblank + ms(late);
        assert_eq!(redraw.due(started), Some(Due::Compose));
        redraw.composed(&composition(started, ms(0), Shown::AtOnce));
        assert_eq!(
            redraw.due(started),
            Some(timed(2, vblank)),
            "without another wake-up"
        );
        assert_eq!(redraw.missed(), 0);
    }
}

#[test]
fn a_wake_up_that_is_late_by_most_of_a_refresh_costs_it() {
    let mut redraw = instant_machine();
    let started = redraw.clock().vblank(2) + ms(12);
    redraw.composed(&composition(started, ms(0), Shown::AtOnce));
    assert_eq!(redraw.missed(), 1);
    let vblank = redraw.clock().vblank(3);
    assert_eq!(redraw.deadline(), Some(vblank));
}

#[test]
fn what_has_to_be_drawn_after_all_shows_at_the_next_vblank_and_those_after_it_in_time() {
    let mut redraw = instant_machine();
    let vblank = redraw.clock().vblank(2);
    redraw.composed(&composition(vblank, ms(2), Shown::AtVblank));
    let vblank = redraw.clock().vblank(3);
    assert_eq!(redraw.due(vblank), Some(timed(3, vblank)));
    redraw.queue(vblank + ms(3));
    assert!(redraw.deadline().unwrap() < redraw.clock().vblank(4));
}

#[test]
fn a_change_after_composing_waits_for_the_frame_after() {
    let mut redraw = Redraw::new(clock(60_000));
    redraw.queue(START);
    let started = redraw.deadline().unwrap();
    redraw.composed(&composition(started, ms(1), Shown::AtVblank));
    redraw.queue(started + ms(1));
    let vblank = redraw.clock().vblank(1);
    assert_eq!(redraw.due(vblank), Some(timed(1, vblank)));
    assert!(
        matches!(redraw.state(), RedrawState::Queued { compose_at, .. } if compose_at > vblank)
    );
}

#[test]
fn a_late_wake_up_reports_the_time_of_the_grid() {
    let mut redraw = Redraw::new(clock(60_000));
    redraw.queue(START);
    redraw.composed(&composition(START, ms(1), Shown::AtVblank));
    let late = redraw.clock().vblank(1) + ms(40);
    assert_eq!(redraw.due(late), Some(timed(1, redraw.clock().vblank(1))));
}

#[test]
fn a_picture_that_the_gpu_has_not_finished_shows_at_a_later_vblank() {
    let mut redraw = Redraw::new(clock(60_000));
    redraw.queue(START);
    redraw.composed(&composition(START, ms(1), Shown::AtVblank));
    redraw.queue(START + ms(2));
    let vblank = redraw.clock().vblank(1);
    redraw.due(vblank).unwrap();
    redraw.missed_vblank(vblank);
    assert_eq!(
        redraw.state(),
        RedrawState::WaitingForVblank {
            sequence: 2,
            redraw_needed: true
        }
    );
}

#[test]
fn times_grow_soon_and_are_forgotten_slowly() {
    let mut time = Timing::default();
    time.record(ms(8), ms(16));
    assert_eq!(time.worst(), ms(8));
    time.record(ms(1), ms(16));
    assert!(time.worst() > ms(7));
    for _ in 0..200 {
        time.record(ms(1), ms(16));
    }
    assert!(time.worst() < ms(2));
    for _ in 0..10 {
        time.record(ms(12), ms(16));
    }
    assert_eq!(time.worst(), ms(12));
}

#[test]
fn most_frames_are_shorter_than_the_one_that_was_slow_some_time_ago() {
    let mut time = Timing::default();
    for millis in [1, 2, 1, 2, 1, 2, 1, 2, 8, 1, 2, 1, 2, 1, 2, 1, 2] {
        time.record(ms(millis), ms(16));
    }
    assert!(time.likely() >= ms(2), "{time:?}");
    assert!(time.likely() < time.worst(), "{time:?}");
    for _ in 0..200 {
        time.record(ms(1), ms(16));
    }
    assert!(time.likely() < ms(1) + ms(1) / 8, "{time:?}");
}

#[test]
fn nobody_prepares_for_an_interruption() {
    let mut time = Timing::default();
    for _ in 0..200 {
        time.record(ms(1), ms(16));
    }
    time.record(Duration::from_secs(1), ms(16));
    assert!(time.worst() <= ms(4), "{:?}", time.worst());
}

mod flips;
mod properties;
