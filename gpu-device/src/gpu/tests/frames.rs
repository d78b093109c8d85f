//! The two clocks: when flushes are answered, and when frames go out.

use std::time::Duration;

use protocols::{
    ipc::PresentPath,
    virtio_gpu::{Format, Rect},
};

use super::fixture::*;
use crate::{
    display::{DisplayEvent, ScanoutId},
    gpu::{Mode, flushes::HIDDEN_ANSWER},
};

const WHOLE: Rect = Rect {
    x: 0,
    y: 0,
    width: 64,
    height: 32,
};
const BYTES: u64 = 64 * 32 * 4;

/// A device that shows a 2D resource; the host has shown its first frame.
fn showing() -> Fixture {
    let mut f = Fixture::new();
    f.create(1, 64, 32, 0);
    f.ok(set_scanout(0, 1, WHOLE));
    f.ok(transfer(1, WHOLE, 0));
    f.ok(flush(1, WHOLE));
    let frame = f.frame();
    f.shown(frame.id);
    f.event(DisplayEvent::Released(frame.buffer));
    f
}

/// Draws a rectangle of one colour.
fn draw(f: &mut Fixture, area: Rect, value: u8) {
    f.write(0, &[value; BYTES as usize]);
    f.ok(transfer(1, area, u64::from(area.y * 64 + area.x) * 4));
}

#[test]
fn an_unfenced_flush_is_answered_at_once() {
    let mut f = showing();
    f.ok(flush(1, WHOLE));
    f.ok(flush(1, WHOLE));
    assert_eq!(f.frames().len(), 1);
}

#[test]
fn a_fenced_flush_is_answered_when_its_frame_is_on_the_screen() {
    let mut f = showing();
    let first = f.flush_later(1, WHOLE);
    let frame = f.frame();
    f.event(DisplayEvent::Ready(SCREEN));
    f.event(DisplayEvent::Released(frame.buffer));
    assert!(f.answered().is_empty(), "taken and released is not shown");
    f.presented(frame.id, false);
    assert_eq!(f.answered(), [first]);
}

#[test]
fn a_frame_that_the_host_has_taken_is_flipped_a_quarter_of_a_refresh_after_its_flush() {
    let mut f = showing();
    let taken = f.flush_later(1, WHOLE);
    f.wait(REFRESH / 4 - Duration::from_micros(1));
    assert!(f.answered().is_empty());
    f.wait(Duration::from_micros(1));
    assert_eq!(f.answered(), [taken]);
    // The host takes one frame a refresh.
    let next = f.flush_later(1, WHOLE);
    f.wait(REFRESH / 2);
    assert!(f.answered().is_empty());
    f.event(DisplayEvent::Ready(SCREEN));
    f.wait(Duration::ZERO);
    assert_eq!(f.answered(), [next]);
}

#[test]
fn a_blob_is_flipped_when_the_host_reads_the_one_before_it_no_more() {
    let (mut f, _) = Fixture::with_dma_bufs();
    for id in [1, 2] {
        f.create_blob(id, u64::from(id) * BYTES, 64 * 32 * 4);
    }
    f.ok(set_blob(0, 1, (64, 32), WHOLE));
    f.flush_later(1, WHOLE);
    let before = f.frame();
    f.shown(before.id);
    assert_eq!(f.answered().len(), 1);

    f.ok(set_blob(0, 2, (64, 32), WHOLE));
    let flip = f.flush_later(2, WHOLE);
    f.wait(REFRESH / 2);
    assert!(
        f.answered().is_empty(),
        "on the screen until the next vblank"
    );
    f.event(DisplayEvent::Released(before.buffer));
    f.wait(Duration::ZERO);
    assert_eq!(f.answered(), [flip]);
}

/// Sixty refreshes, 16 ms each, of a host that puts the guest's own buffers on a plane: it composes
/// 4 ms before the vblank, which shows the new buffer and releases the one before, in either order.
/// The guest draws `draw` milliseconds for each frame and begins the next when its flush is
/// answered. Returns how many flushes were answered and how many frames were shown.
fn a_second_on_a_plane(buffers: u32, draw: u32, released_first: bool) -> (usize, u64) {
    let (mut f, _) = Fixture::with_dma_bufs();
    for id in 1..=buffers {
        f.create_blob(id, u64::from(id) * BYTES, 64 * 32 * 4);
    }
    let (mut committed, mut composed, mut on_plane) = (None, None, None);
    let (mut drawn_at, mut waits_for, mut frames) = (draw, None, 0);
    let mut answered = 0;
    for now in 1..=60 * 16 {
        f.wait(Duration::from_millis(1));
        match now % 16 {
            12 => {
                composed = committed.take();
                f.event(DisplayEvent::Ready(SCREEN));
            }
            0 => {
                if let Some((frame, buffer)) = composed.take() {
                    let before = on_plane.replace(buffer).map(DisplayEvent::Released);
                    let (first, last) = match released_first {
                        true => (before, None),
                        false => (None, before),
                    };
                    first.into_iter().for_each(|event| f.event(event));
                    f.presented(frame, true);
                    last.into_iter().for_each(|event| f.event(event));
                }
            }
            _ => {}
        }
        for id in f.answered() {
            assert_eq!(waits_for.take(), Some(id));
            assert_eq!(
                now % 16,
                0,
                "answered while the old picture is on the screen"
            );
            answered += 1;
            drawn_at = now + draw;
        }
        if waits_for.is_none() && now == drawn_at {
            let id = 1 + frames % buffers;
            frames += 1;
            f.ok(set_blob(0, id, (64, 32), WHOLE));
            waits_for = Some(f.flush_later(id, WHOLE));
        }
        committed = f
            .frames()
            .pop()
            .map(|frame| (frame.id, frame.buffer))
            .or(committed);
    }
    (answered, f.stats().frames_zero_copy)
}

#[test]
fn a_guest_with_two_buffers_on_a_plane_is_shown_at_every_refresh() {
    for released_first in [false, true] {
        assert_eq!(a_second_on_a_plane(2, 5, released_first), (60, 60));
        assert_eq!(a_second_on_a_plane(2, 11, released_first), (60, 60));
    }
}

#[test]
fn a_guest_that_could_draw_1000_frames_is_told_the_hosts_rate() {
    for buffers in [2, 3] {
        assert_eq!(a_second_on_a_plane(buffers, 1, false), (60, 60));
    }
}

#[test]
fn a_later_frame_answers_for_those_before_it() {
    let mut f = showing();
    let first = f.flush_later(1, rect(0, 0, 1, 1));
    let frame = f.frame();
    let second = f.flush_later(1, rect(4, 0, 1, 1));
    let third = f.flush_later(1, rect(8, 0, 1, 1));
    assert!(f.frames().is_empty());
    f.event(DisplayEvent::Ready(SCREEN));
    let newest = f.frame();
    f.presented(newest.id, false);
    assert_eq!(f.answered(), [first, second, third]);
    // The host's late word on the first is no news.
    f.presented(frame.id, false);
    assert_eq!(f.stats().frames_presented, 2);
}

#[test]
fn a_discarded_frame_answers_too() {
    let mut f = showing();
    let id = f.flush_later(1, WHOLE);
    let frame = f.frame().id;
    f.event(DisplayEvent::Discarded {
        scanout: SCREEN,
        frame,
    });
    assert_eq!(f.answered(), [id]);
    let stats = f.stats();
    assert_eq!((stats.frames_presented, stats.frames_missed), (1, 1));
}

#[test]
fn a_hidden_window_answers_after_45_ms() {
    let mut f = showing();
    f.flush_later(1, WHOLE);
    f.wait(REFRESH / 4);
    assert_eq!(f.answered().len(), 1, "the host takes one more");
    let id = f.flush_later(1, WHOLE);
    assert_eq!(f.gpu.next_deadline(), Some(f.now + HIDDEN_ANSWER));
    f.wait(HIDDEN_ANSWER - Duration::from_millis(1));
    assert!(f.answered().is_empty());
    f.wait(Duration::from_millis(1));
    assert_eq!(f.answered(), [id]);
    assert_eq!(f.gpu.next_deadline(), None);
    assert!(HIDDEN_ANSWER < Duration::from_millis(50), "Linux gives up");
}

#[test]
fn a_hidden_window_draws_its_newest_picture_when_it_is_seen_again() {
    let mut f = showing();
    f.flush_later(1, WHOLE);
    f.frames();
    for round in 0..5 {
        draw(&mut f, rect(round, 0, 1, 1), 9);
        f.flush_later(1, rect(round, 0, 1, 1));
        f.wait(HIDDEN_ANSWER);
    }
    assert!(f.frames().is_empty());
    f.event(DisplayEvent::Ready(SCREEN));
    let frame = f.frame();
    assert_eq!(frame.damage, [rect(0, 0, 5, 1)]);
    assert_eq!(f.seen(frame.buffer, rect(0, 0, 6, 1)), [9, 9, 9, 9, 9, 0]);
    assert_eq!(f.stats().frames_missed, 4);
}

#[test]
fn a_mirror_that_nobody_sees_slows_nobody_down() {
    let mode = Mode {
        width: 64,
        height: 32,
        millihertz: 60_000,
    };
    let mut f = Fixture::with(|options| options.scanouts = vec![mode; 2]);
    f.create(1, 64, 32, 0);
    f.ok(set_scanout(0, 1, WHOLE));
    f.ok(set_scanout(1, 1, WHOLE));
    // At first nobody knows that the second is hidden.
    let id = f.flush_later(1, WHOLE);
    let shown = f.display.take_frames()[0].1.id;
    f.shown(shown);
    assert!(f.answered().is_empty());
    f.wait(HIDDEN_ANSWER);
    assert_eq!(f.answered(), [id]);

    let id = f.flush_later(1, WHOLE);
    let shown = f.frame().id;
    f.shown(shown);
    assert_eq!(f.answered(), [id]);
    // Once it is seen again, it counts.
    f.event(DisplayEvent::Ready(ScanoutId(1)));
    let (scanout, frame) = f.display.take_frames().remove(0);
    let refresh = REFRESH;
    f.event(DisplayEvent::Presented {
        scanout,
        frame: frame.id,
        at: None,
        refresh,
        zero_copy: true,
    });
    let id = f.flush_later(1, WHOLE);
    let shown = f.display.take_frames()[0].1.id;
    f.shown(shown);
    assert!(!f.answered().contains(&id));
}

#[test]
fn one_frame_for_each_refresh() {
    let mut f = showing();
    f.ok(flush(1, rect(0, 0, 4, 4)));
    f.ok(flush(1, rect(4, 0, 4, 4)));
    f.ok(flush(1, rect(32, 16, 4, 4)));
    assert_eq!(f.frame().damage, [rect(0, 0, 4, 4)]);
    f.event(DisplayEvent::Ready(SCREEN));
    assert_eq!(f.frame().damage, [rect(4, 0, 4, 4), rect(32, 16, 4, 4)]);
    f.event(DisplayEvent::Ready(SCREEN));
    assert!(f.frames().is_empty());
    let stats = f.stats();
    assert_eq!((stats.frames_flushed, stats.frames_missed), (4, 1));
}

#[test]
fn damage_is_clipped_and_merged() {
    let mut f = Fixture::new();
    f.create(1, 64, 32, 0);
    f.ok(set_scanout(0, 1, rect(8, 8, 32, 16)));
    f.ok(flush(1, WHOLE));
    f.frames();
    for x in 0..64 {
        f.ok(flush(1, rect(x, 0, 1, 32)));
    }
    f.event(DisplayEvent::Ready(SCREEN));
    assert_eq!(f.frame().damage, [rect(8, 8, 32, 16)]);
}

#[test]
fn a_flip_goes_out_with_the_flush_not_before() {
    let mut f = showing();
    f.create(2, 64, 32, BYTES);
    f.write(BYTES, &[5; BYTES as usize]);
    f.ok(transfer(2, WHOLE, 0));
    f.ok(set_scanout(0, 2, WHOLE));
    f.event(DisplayEvent::Ready(SCREEN));
    assert!(f.frames().is_empty());
    f.flush_later(2, rect(0, 0, 1, 1));
    let frame = f.frame();
    assert_eq!(frame.damage, [WHOLE], "another resource is new as a whole");
    assert!(f.seen(frame.buffer, WHOLE).iter().all(|pixel| *pixel == 5));
}

#[test]
fn what_the_host_holds_is_never_written() {
    let mut f = showing();
    draw(&mut f, WHOLE, 1);
    f.ok(flush(1, WHOLE));
    let first = f.frame();
    draw(&mut f, rect(0, 0, 8, 8), 2);
    assert!(f.seen(first.buffer, WHOLE).iter().all(|pixel| *pixel == 1));

    f.ok(flush(1, rect(0, 0, 8, 8)));
    f.event(DisplayEvent::Ready(SCREEN));
    let second = f.frame();
    assert_ne!(second.buffer, first.buffer);
    let seen = f.seen(second.buffer, WHOLE);
    assert_eq!((seen[7], seen[8], seen[8 * 64]), (2, 1, 1));
}

#[test]
fn a_host_that_releases_nothing_gets_three_frames_and_the_guest_goes_on_drawing() {
    let mut f = showing();
    let mut held = Vec::new();
    for value in 1..=10 {
        draw(&mut f, WHOLE, value);
        f.ok(flush(1, WHOLE));
        f.event(DisplayEvent::Ready(SCREEN));
        held.extend(f.frames().into_iter().map(|frame| (frame.buffer, value)));
    }
    assert_eq!(held.len(), 3);
    for (buffer, value) in &held {
        assert!(f.seen(*buffer, WHOLE).iter().all(|pixel| pixel == value));
    }
    // A release lets the newest picture out, without a Ready.
    f.event(DisplayEvent::Released(held[0].0));
    let frame = f.frame();
    assert!(f.seen(frame.buffer, WHOLE).iter().all(|pixel| *pixel == 10));
}

#[test]
fn copies_are_counted() {
    let mut f = showing();
    let before = f.stats().bytes_copied;
    assert_eq!(before, BYTES);
    f.ok(transfer(1, WHOLE, 0));
    f.ok(transfer(1, rect(0, 0, 8, 8), 0));
    f.ok(flush(1, WHOLE));
    f.frames();
    assert_eq!(f.stats().bytes_copied - before, BYTES + 8 * 8 * 4);
    // The host holds that slot now: what the other lacks is carried over.
    f.event(DisplayEvent::Ready(SCREEN));
    f.ok(transfer(1, rect(0, 0, 8, 8), 0));
    f.ok(flush(1, rect(0, 0, 8, 8)));
    assert_eq!(f.stats().bytes_copied - before, 2 * BYTES + 8 * 8 * 4);
}

#[test]
fn statistics_say_what_happened() {
    let mut f = showing();
    f.flush_later(1, WHOLE);
    let frame = f.frame().id;
    f.wait(Duration::from_millis(10));
    f.presented(frame, false);
    let stats = f.stats();
    assert_eq!(
        (
            stats.frames_flushed,
            stats.frames_presented,
            stats.frames_missed
        ),
        (2, 2, 0)
    );
    assert_eq!(
        (stats.width, stats.height, stats.millihertz),
        (64, 32, 59_999)
    );
    assert_eq!(stats.path, PresentPath::SharedMemory);
    assert_eq!(stats.reason.unwrap().code, "no_udmabuf");
    let p99 = stats.flush_to_present_p99_us.unwrap();
    assert!((10_000..10_400).contains(&p99), "{p99}");
    assert_eq!(stats.flush_to_present_p50_us, Some(0));
}

#[test]
fn every_format_looks_right() {
    for format in Format::ALL {
        let mut f = Fixture::new();
        let mut pixel = [0; 4];
        format
            .bgra_bytes()
            .into_iter()
            .zip([11, 22, 33, 44])
            .for_each(|(at, v)| pixel[at] = v);
        f.write(0, &pixel.repeat(16 * 16));
        f.ok(create_2d(1, format, 16, 16));
        f.ok(attach(1, 0, 16 * 16 * 4));
        f.ok(transfer(1, rect(0, 0, 16, 16), 0));
        f.ok(set_scanout(0, 1, rect(0, 0, 16, 16)));
        f.ok(flush(1, rect(0, 0, 16, 16)));
        let frame = f.frame();
        let (layout, _) = f.display.buffers[&frame.buffer];
        assert_eq!(layout.format, Format::Bgrx8888);
        assert!(
            f.seen(frame.buffer, rect(0, 0, 16, 16))
                .iter()
                .all(|blue| *blue == 11)
        );
    }
}
