//! Hosts that go and come while the guest runs.

use std::time::Duration;

use protocols::virtio_gpu::Rect;

use super::fixture::{
    Fixture, SCREEN, create_2d, flush, rect, set_blob, set_scanout, switch_off, transfer, unref,
};
use crate::{
    display::{CursorUpdate, DisplayEvent, Refused, recording::Call},
    gpu::flushes::HIDDEN_ANSWER,
};
use protocols::{
    ipc::PresentPath,
    virtio_gpu::{Command, Format},
};

const WHOLE: Rect = Rect {
    x: 0,
    y: 0,
    width: 64,
    height: 32,
};

const BLOB: u32 = 64 * 32 * 4;

/// A guest that shows resource 1, a picture of its own.
fn with_picture(f: &mut Fixture) {
    f.create(1, 64, 32, 0x1000);
    f.ok(set_scanout(0, 1, WHOLE));
    f.ok(transfer(1, WHOLE, 0));
    f.ok(flush(1, WHOLE));
    let frame = f.frame().id;
    f.shown(frame);
}

/// A guest that shows blob 1 in place.
fn with_blob(f: &mut Fixture) {
    f.create_blob(1, 0x1000, BLOB);
    f.ok(set_blob(0, 1, (64, 32), WHOLE));
    f.ok(flush(1, WHOLE));
    let frame = f.frame().id;
    f.shown(frame);
}

#[test]
fn flushes_that_nobody_sees_are_answered_at_the_rate_of_hidden_scanouts() {
    let mut f = Fixture::new();
    with_picture(&mut f);
    f.lose_host();
    for _ in 0..3 {
        let id = f.flush_later(1, WHOLE);
        f.wait(HIDDEN_ANSWER - Duration::from_millis(1));
        assert_eq!(f.answered(), []);
        f.wait(Duration::from_millis(1));
        assert_eq!(f.answered(), [id]);
    }
    assert_eq!(f.display.calls, [], "there is nobody to tell");
    assert_eq!(f.stats().path, PresentPath::Nothing);
    // Of one that does not wait for the screen, the guest wants the answer at once.
    f.ok(flush(1, WHOLE));
}

#[test]
fn a_flush_that_the_lost_host_had_is_answered_in_time() {
    let mut f = Fixture::new();
    with_picture(&mut f);
    let id = f.flush_later(1, WHOLE);
    f.lose_host();
    f.wait(HIDDEN_ANSWER);
    assert_eq!(f.answered(), [id]);
}

#[test]
fn the_next_host_is_shown_the_picture_at_once_and_under_another_name() {
    let mut f = Fixture::new();
    with_picture(&mut f);
    let old = f.display.buffers.keys().copied().max();
    f.lose_host();
    f.write(0x1000, &[7; 64 * 32 * 4]);
    f.ok(transfer(1, WHOLE, 0));
    let held = f.flush_later(1, rect(1, 1, 2, 2));

    f.find_host();

    let frame = f.frame();
    assert!(Some(frame.buffer) > old, "names are never used twice");
    assert_eq!((frame.source, frame.damage), (WHOLE, vec![WHOLE]));
    assert_eq!(f.seen(frame.buffer, rect(0, 0, 1, 1)), [7]);

    // From then on everything is as ever.
    f.shown(frame.id);
    assert_eq!(f.answered(), [held]);
    let id = f.flush_later(1, WHOLE);
    let frame = f.frame().id;
    f.shown(frame);
    assert_eq!(f.answered(), [id]);
}

#[test]
fn a_picture_that_was_drawn_before_the_host_went_is_shown_without_waiting_for_the_guest() {
    let mut f = Fixture::new();
    with_picture(&mut f);
    let before = f.stats();
    f.lose_host();
    f.wait(Duration::from_secs(60));
    f.find_host();
    let frame = f.frame().id;
    f.shown(frame);
    let after = f.stats();
    assert_eq!(after.path, PresentPath::SharedMemory);
    assert_eq!(
        after.flush_to_present_p99_us, before.flush_to_present_p99_us,
        "the minute without a host is no delay of a frame"
    );
}

#[test]
fn a_blob_is_imported_anew_and_its_pages_are_not_touched_meanwhile() {
    let (mut f, made) = Fixture::with_dma_bufs();
    with_blob(&mut f);
    f.lose_host();
    f.flush_later(1, WHOLE);
    assert_eq!(f.stats().bytes_copied, 0);

    f.find_host();
    assert_eq!(f.imports().len(), 1);
    assert!(f.imports()[0].1, "as a dma-buf");
    assert_eq!(f.frame().damage, [WHOLE]);
    assert_eq!(made.borrow().len(), 1, "the dma-buf itself is the old one");
}

#[test]
fn what_one_host_refused_the_next_one_is_asked_again() {
    let (mut f, _) = Fixture::with_dma_bufs();
    f.display.refuse_dma_bufs = Some(Refused::NoLinuxDmabuf);
    with_blob(&mut f);
    assert_eq!(f.stats().path, PresentPath::Copy);
    f.lose_host();
    f.find_host();
    let frame = f.frame();
    f.presented(frame.id, true);
    assert_eq!(f.stats().path, PresentPath::DmabufPlane);
    assert_eq!(f.stats().reason, None);
}

#[test]
fn the_pointer_is_told_to_the_next_host_only_if_there_is_one_to_see() {
    let mut f = Fixture::new();
    f.ok(create_2d(9, Format::Bgra8888, 64, 64));
    let update = |resource_id| Command::UpdateCursor {
        scanout_id: 0,
        x: 3,
        y: 4,
        resource_id,
        hot_x: 1,
        hot_y: 2,
    };
    f.ok(update(9));
    f.lose_host();
    f.ok(Command::MoveCursor {
        scanout_id: 0,
        x: 5,
        y: 6,
        resource_id: 9,
        hot_x: 0,
        hot_y: 0,
    });
    f.display.calls.clear();
    f.find_host();
    let [Call::Cursor(SCREEN, CursorUpdate::Image { image, x: 5, y: 6 })] = &f.display.calls[..]
    else {
        panic!("{:?}", f.display.calls);
    };
    assert_eq!((image.hot_x, image.hot_y), (1, 2));

    f.ok(update(0));
    f.lose_host();
    f.find_host();
    assert_eq!(f.display.calls, []);
}

#[test]
fn a_guest_that_shows_nothing_gets_no_window_from_the_next_host() {
    let mut f = Fixture::new();
    with_picture(&mut f);
    f.ok(switch_off(0));
    f.lose_host();
    assert_eq!(f.gpu.next_deadline(), None, "no window has to be closed");
    f.find_host();
    assert_eq!(f.display.calls, []);

    // One that was set up, but not drawn into, is not shown either.
    f.create(2, 64, 32, 0x8000);
    f.ok(set_scanout(0, 2, WHOLE));
    f.lose_host();
    f.find_host();
    assert_eq!(f.frames(), []);
    f.ok(flush(2, WHOLE));
    f.frame();
}

#[test]
fn memory_of_pictures_that_only_the_host_kept_is_given_back() {
    let (mut f, _) = Fixture::with_dma_bufs();
    with_blob(&mut f);
    f.ok(unref(1));
    assert_ne!(f.gpu.imports.kept_bytes(), 0);
    f.lose_host();
    assert_eq!(f.gpu.imports.kept_bytes(), 0);
    f.find_host();
    assert_eq!(f.frames(), []);
}

#[test]
fn a_monitor_that_the_lost_host_had_none_for_is_back_with_the_next() {
    let mut f = Fixture::new();
    f.event(DisplayEvent::Unplugged(SCREEN));
    assert!(f.gpu.display_changed());
    f.lose_host();
    assert!(!f.gpu.display_changed());
    f.find_host();
    assert!(f.gpu.display_changed());
}
