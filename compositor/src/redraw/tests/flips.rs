//! Displays that flip and tell when.

use super::*;

/// The display's own vblanks are counted from here, and lie beside the grid that is assumed first.
const FIRST: u64 = 5_000;

fn at(vblank: u64) -> Duration {
    let nanos = (vblank - FIRST) * 1_000_000_000 / 60;
    START + ms(7) + Duration::from_nanos(nanos)
}

/// A machine that waits for a flip, which was asked for at this time.
fn flipping(redraw: &mut Redraw, now: Duration) {
    redraw.queue(now);
    let started = redraw.deadline().unwrap();
    assert_eq!(redraw.due(started), Some(Due::Compose));
    redraw.composed(&composition(started, ms(1), Shown::Flip));
}

/// A machine that knows the display's vblanks.
fn synchronised() -> Redraw {
    let mut redraw = Redraw::new(clock(60_000));
    for (changed, flip) in [(START, FIRST + 1), (at(FIRST + 1) + ms(1), FIRST + 2)] {
        flipping(&mut redraw, changed);
        redraw.flipped(at(flip), at(flip), flip);
    }
    redraw
}

#[test]
fn a_flip_is_waited_for_whatever_the_clock_says() {
    let mut redraw = Redraw::new(clock(60_000));
    flipping(&mut redraw, START);
    redraw.queue(START + ms(100));
    assert_eq!(redraw.due(START + ms(500)), None);
    let vblank = redraw.flipped(START + ms(501), at(FIRST + 29), FIRST + 29);
    assert_eq!(
        vblank,
        Some(Vblank {
            sequence: FIRST + 29,
            at: at(FIRST + 29),
            source: Source::Display,
        })
    );
    assert!(matches!(redraw.state(), RedrawState::Queued { .. }));
}

#[test]
fn vblanks_are_where_the_display_has_them() {
    let mut redraw = synchronised();
    let now = at(FIRST + 10) + ms(5);
    redraw.queue(now);
    assert_eq!(
        redraw.state(),
        RedrawState::Queued {
            compose_at: redraw.clock().vblank(FIRST + 11) - ms(1) - MARGIN,
            at_latest: redraw.clock().vblank(FIRST + 11) - ms(1) - MARGIN,
            sequence: FIRST + 11,
        }
    );
    let off = redraw.clock().vblank(FIRST + 11).abs_diff(at(FIRST + 11));
    assert!(off < Duration::from_micros(1));
}

#[test]
fn what_has_nothing_to_flip_to_is_shown_at_the_displays_next_vblank() {
    let mut redraw = synchronised();
    redraw.queue(at(FIRST + 4) + ms(1));
    let started = redraw.deadline().unwrap();
    redraw.composed(&composition(started, ms(1), Shown::AtVblank));
    let vblank = redraw.deadline().unwrap();
    assert_eq!(redraw.due(vblank), Some(timed(FIRST + 5, vblank)));
}

#[test]
fn a_driver_without_a_clock_is_taken_by_its_word() {
    for odd in [Duration::ZERO, START * 1000] {
        let mut redraw = synchronised();
        flipping(&mut redraw, at(FIRST + 4) + ms(1));
        let now = at(FIRST + 5) + ms(1);
        let vblank = redraw.flipped(now, odd, 0).unwrap();
        assert_eq!(vblank.at, now);
        assert_eq!(vblank.source, Source::DisplayWithoutClock);
        redraw.queue(now);
        let compose_at = redraw.deadline().unwrap();
        assert!(compose_at > now && compose_at < now + ms(17));
    }
}

/// Vblanks begin some lines before the first line that they are named after.
#[test]
fn a_time_a_little_in_the_future_is_no_vblank_to_come() {
    let mut redraw = synchronised();
    flipping(&mut redraw, at(FIRST + 4) + ms(1));
    let now = at(FIRST + 5) - Duration::from_micros(400);
    redraw.queue(now);
    let vblank = redraw.flipped(now, at(FIRST + 5), FIRST + 5).unwrap();
    assert_eq!(vblank.source, Source::Display);
    assert!(
        matches!(redraw.state(), RedrawState::Queued { sequence, compose_at, .. }
            if sequence == FIRST + 6 && compose_at > at(FIRST + 5))
    );
}

#[test]
fn a_flip_that_never_happens_is_given_up_and_composed_again() {
    let mut redraw = synchronised();
    flipping(&mut redraw, at(FIRST + 4) + ms(1));
    let give_up = redraw.deadline().unwrap();
    assert!(give_up > at(FIRST + 60));
    assert_eq!(redraw.due(give_up), Some(Due::Lost));
    assert!(matches!(redraw.state(), RedrawState::Queued { .. }));
    assert!(redraw.missed() > 55);
    // It comes after all, when nobody waits for it.
    assert_eq!(redraw.flipped(give_up, give_up, FIRST + 66), None);
    assert!(matches!(redraw.state(), RedrawState::Queued { .. }));
}

#[test]
fn a_flip_at_a_later_vblank_than_it_was_made_for_counts_as_missed() {
    let mut redraw = synchronised();
    for (flip, missed) in [(FIRST + 5, 0), (FIRST + 10, 2)] {
        flipping(&mut redraw, at(flip - missed - 1) + ms(3));
        redraw.flipped(at(flip), at(flip), flip).unwrap();
        assert_eq!(redraw.missed(), missed);
    }
}

#[test]
fn after_a_long_rest_nobody_says_which_vblank_was_meant() {
    let mut redraw = synchronised();
    // The display is a little slower than its mode says.
    let flip = FIRST + 100_000;
    flipping(&mut redraw, at(flip) + ms(3));
    redraw
        .flipped(at(flip) + ms(40), at(flip) + ms(40), flip)
        .unwrap();
    assert_eq!(redraw.missed(), 0);
}

#[test]
fn a_renderer_that_works_on_alone_gets_more_time_when_it_was_late() {
    let mut redraw = synchronised();
    let mut flip = FIRST + 4;
    let mut lead = |redraw: &mut Redraw, late: u64| {
        redraw.queue(at(flip) + ms(2));
        let started = redraw.deadline().unwrap();
        let lead = redraw.clock().vblank(flip + 1) - started;
        redraw.composed(&Composition {
            complete: false,
            ..composition(started, ms(1), Shown::Flip)
        });
        flip += 1 + late;
        redraw.flipped(at(flip), at(flip), flip).unwrap();
        lead
    };
    let usual = lead(&mut redraw, 1);
    let more = lead(&mut redraw, 0);
    assert!(more > usual + ms(1), "{more:?} after {usual:?}");
    for _ in 0..300 {
        let kept = lead(&mut redraw, 0);
        assert!(kept <= more && kept > usual + ms(1), "{kept:?}");
    }
}

/// Makes one frame that takes 6 ms, and some that take 1 as those before.
fn with_a_slow_frame_behind(redraw: &mut Redraw) {
    for flip in FIRST + 3..FIRST + 10 {
        let took = if flip == FIRST + 3 { 6 } else { 1 };
        redraw.queue(at(flip - 1) + ms(3));
        let started = redraw.deadline().unwrap();
        redraw.composed(&composition(started, ms(took), Shown::Flip));
        redraw.flipped(at(flip), at(flip), flip).unwrap();
    }
}

#[test]
fn clients_that_were_told_of_a_vblank_are_waited_for_as_long_as_most_frames_allow() {
    let mut redraw = synchronised();
    with_a_slow_frame_behind(&mut redraw);
    redraw.wait_for_clients();
    redraw.queue(at(FIRST + 9) + ms(3));
    let waiting = redraw.deadline().unwrap();
    redraw.all_here(at(FIRST + 9) + ms(4));
    let complete = redraw.deadline().unwrap();
    assert!(waiting > complete + ms(1) / 2, "{:?}", waiting - complete);
    let vblank = redraw.clock().vblank(FIRST + 10);
    assert_eq!(waiting, vblank - ms(1) - MARGIN, "most frames still fit");
    assert!(complete > at(FIRST + 9) + ms(4), "and none is early");
}

#[test]
fn the_last_client_that_is_waited_for_has_the_output_composed_at_once() {
    let mut redraw = synchronised();
    with_a_slow_frame_behind(&mut redraw);
    redraw.wait_for_clients();
    redraw.queue(at(FIRST + 9) + ms(3));
    let last = redraw.deadline().unwrap() - Duration::from_micros(300);
    assert_eq!(redraw.due(last), None);
    redraw.all_here(last);
    assert_eq!(redraw.due(last), Some(Due::Compose));
}

#[test]
fn who_did_not_come_is_not_waited_for_after_composing() {
    let mut redraw = synchronised();
    redraw.wait_for_clients();
    flipping(&mut redraw, at(FIRST + 4) + ms(1));
    redraw.flipped(at(FIRST + 5), at(FIRST + 5), FIRST + 5);
    redraw.queue(at(FIRST + 5) + ms(1));
    assert!(
        matches!(redraw.state(), RedrawState::Queued { compose_at, .. }
            if redraw.deadline() == Some(compose_at))
    );
}

/// A driver that was busy when it should have flipped is given more time where that costs nobody a
/// refresh, and less again by and by.
#[test]
fn a_missed_vblank_makes_composing_earlier_only_when_nobody_is_waited_for() {
    let mut redraw = synchronised();
    let mut flip = FIRST + 4;
    let mut leads = |redraw: &mut Redraw, late: u64| {
        redraw.queue(at(flip) + ms(2));
        redraw.wait_for_clients();
        let vblank = redraw.clock().vblank(flip + 1);
        let waiting = vblank - redraw.deadline().unwrap();
        redraw.all_here(at(flip) + ms(2));
        let started = redraw.deadline().unwrap();
        redraw.composed(&composition(started, ms(1), Shown::Flip));
        flip += 1 + late;
        redraw.flipped(at(flip), at(flip), flip).unwrap();
        (waiting, vblank - started)
    };
    let usual = leads(&mut redraw, 1);
    let careful = leads(&mut redraw, 0);
    assert_eq!(careful.0, usual.0, "whoever is waited for has as much time");
    assert!(careful.1 > usual.1 + ms(2), "{careful:?} after {usual:?}");
    let later = (0..1000).map(|_| leads(&mut redraw, 0)).last().unwrap();
    assert!(later.1 < usual.1 + ms(1), "{later:?} after {usual:?}");
}

#[test]
fn while_it_is_paused_nothing_is_due() {
    let mut redraw = synchronised();
    flipping(&mut redraw, at(FIRST + 4) + ms(1));
    redraw.pause();
    redraw.queue(at(FIRST + 5));
    assert_eq!(redraw.deadline(), None);
    assert_eq!(redraw.due(at(FIRST + 500)), None);
    assert_eq!(
        redraw.flipped(at(FIRST + 5), at(FIRST + 5), FIRST + 5),
        None
    );
    let now = at(FIRST + 500) + ms(1);
    redraw.resume(now);
    assert_eq!(redraw.due(now), Some(Due::Compose));
    // A second time changes nothing.
    redraw.composed(&composition(now, ms(1), Shown::Flip));
    redraw.resume(now + ms(2));
    assert!(matches!(redraw.state(), RedrawState::WaitingForFlip { .. }));
}

#[test]
fn the_first_flip_sets_the_mode_and_says_nothing_about_the_next() {
    let mut redraw = Redraw::new(clock(60_000));
    redraw.queue(START);
    let started = redraw.deadline().unwrap();
    redraw.composed(&composition(started, ms(400), Shown::Flip));
    let flip = FIRST + 30;
    redraw.flipped(at(flip), at(flip), flip);
    assert_eq!(redraw.missed(), 0);
    redraw.queue(at(flip) + ms(1));
    assert_eq!(
        redraw.deadline(),
        Some(redraw.clock().vblank(flip + 1) - MARGIN)
    );
}

#[test]
fn another_rate_counts_from_the_last_vblank_on() {
    let mut redraw = synchronised();
    let now = at(FIRST + 4) + ms(1);
    redraw.queue(now);
    redraw.set_rate(NonZeroU32::new(30_000).unwrap(), now);
    let RedrawState::Queued {
        sequence,
        compose_at,
        ..
    } = redraw.state()
    else {
        panic!("{:?}", redraw.state());
    };
    assert_eq!(sequence, FIRST + 5);
    assert!(compose_at > at(FIRST + 5), "a vblank is later now");
    let vblank = redraw.clock().vblank(FIRST + 5);
    assert!(vblank.abs_diff(at(FIRST + 6)) < Duration::from_micros(1));
}

#[test]
fn a_display_that_waits_is_not_made_to_wait_longer_than_its_fastest_rate() {
    let mut redraw = synchronised();
    redraw.set_vrr(true);
    // Between two refreshes at the fastest rate: as late as if the rate were fixed.
    redraw.queue(at(FIRST + 2) + ms(5));
    assert_eq!(
        redraw.deadline(),
        Some(redraw.clock().vblank(FIRST + 3) - ms(1) - MARGIN)
    );
    let started = redraw.deadline().unwrap();
    redraw.composed(&composition(started, ms(1), Shown::Flip));
    redraw.flipped(at(FIRST + 3), at(FIRST + 3), FIRST + 3);
    // The display has waited long enough: at once, not at the end of a period.
    let now = at(FIRST + 40) + ms(1);
    redraw.queue(now);
    assert_eq!(redraw.deadline(), Some(now));
    redraw.composed(&composition(now, ms(1), Shown::Flip));
    let flip = now + ms(2);
    redraw.flipped(flip, flip, FIRST + 4);
    assert_eq!(redraw.missed(), 0);
    // Guests still get their rest after it.
    redraw.queue(flip);
    assert!(redraw.deadline().unwrap() >= flip + ms(2));
}
