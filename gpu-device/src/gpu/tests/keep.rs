//! What stays on the screen when the guest takes its memory back.

use protocols::virtio_gpu::Rect;

use super::fixture::*;
use crate::{
    display::{BufferId, DisplayEvent, Frame, recording::Call},
    gpu::Limits,
};

const SIZE: (u32, u32) = (64, 32);
const WHOLE: Rect = Rect::from_size(64, 32);
const BYTES: u32 = 64 * 32 * 4;

/// Shows blob 1, all bytes 3, from the guest's own pages.
fn show_blob(f: &mut Fixture) -> BufferId {
    f.write(0, &[3; BYTES as usize]);
    f.create_blob(1, 0, BYTES);
    f.ok(set_blob(0, 1, SIZE, WHOLE));
    f.ok(flush(1, WHOLE));
    let frame = f.frame();
    f.shown(frame.id);
    f.display.calls.clear();
    frame.buffer
}

/// The guest uses the pages for something else, and a copy of the old picture is seen.
#[track_caller]
fn assert_kept(f: &Fixture, kept: &Frame) {
    f.write(0, &[9; BYTES as usize]);
    assert_eq!((kept.source, &kept.damage[..]), (WHOLE, &[WHOLE][..]));
    assert!(f.seen(kept.buffer, WHOLE).iter().all(|pixel| *pixel == 3));
}

#[test]
fn a_blob_that_is_destroyed_while_shown_leaves_a_copy_until_the_host_is_done_with_it() {
    let (mut f, _) = Fixture::with_dma_bufs();
    let blob = show_blob(&mut f);
    let before = f.stats();

    f.ok(unref(1));

    // In this order, lest the host sees nothing in between.
    let [
        Call::Import { dma_buf: false, .. },
        Call::Present(SCREEN, kept),
        Call::Forget(forgotten),
    ] = &f.display.take_calls()[..]
    else {
        panic!("other calls");
    };
    assert_eq!(*forgotten, blob);
    assert_kept(&f, kept);
    // The host tells of the copy as of any frame.
    f.shown(kept.id);
    let after = f.stats();
    assert_eq!(after.frames_presented, before.frames_presented);
    assert_eq!(after.bytes_copied, before.bytes_copied);

    f.event(DisplayEvent::Released(kept.buffer));
    assert_eq!(f.display.take_calls(), [Call::Forget(kept.buffer)]);
    f.event(DisplayEvent::Released(kept.buffer));
}

#[test]
fn a_stopped_guest_s_blob_is_kept_over_a_reset() {
    let (mut f, _) = Fixture::with_dma_bufs();
    show_blob(&mut f);
    f.stop();
    let kept = f.frame();
    f.stop();
    assert!(f.frames().is_empty(), "once is enough");
    f.reset();
    assert_kept(&f, &kept);

    // The next driver shows its own.
    show_blob(&mut f);
    f.event(DisplayEvent::Released(kept.buffer));
    assert_eq!(f.display.take_calls(), [Call::Forget(kept.buffer)]);
}

#[test]
fn a_guest_that_goes_on_is_shown_from_its_own_pages_again() {
    let (mut f, made) = Fixture::with_dma_bufs();
    let blob = show_blob(&mut f);
    f.stop();
    f.frame();
    f.ok(flush(1, WHOLE));
    assert_eq!(f.frame().buffer, blob);
    assert_eq!(made.borrow().len(), 1, "imported once");
    assert_eq!(f.stats().bytes_copied, 0);
}

#[test]
fn a_part_of_a_blob_is_kept_as_that_part() {
    let (mut f, _) = Fixture::with_dma_bufs();
    for row in 0..32 {
        f.write(row * 256, &[row as u8; 256]);
    }
    f.create_blob(1, 0, BYTES);
    f.ok(set_blob(0, 1, SIZE, rect(20, 10, 40, 16)));
    f.ok(flush(1, WHOLE));
    f.display.calls.clear();
    f.ok(detach(1));
    let kept = f.frame();
    assert_eq!(kept.source, Rect::from_size(40, 16));
    let rows: Vec<u8> = (10..26).flat_map(|row| [row; 40]).collect();
    assert_eq!(f.seen(kept.buffer, kept.source), rows);
}

#[test]
fn what_is_in_memory_of_ours_needs_no_copy() {
    for (mut f, blob) in [
        (Fixture::with_dma_bufs().0, false),
        (Fixture::new(), false),
        (Fixture::new(), true),
    ] {
        if blob {
            show_blob(&mut f);
        } else {
            f.create(1, 64, 32, 0);
            f.ok(set_scanout(0, 1, WHOLE));
            f.ok(flush(1, WHOLE));
        }
        f.display.calls.clear();
        f.stop();
        f.ok(unref(1));
        assert!(f.frames().is_empty());
    }
}

#[test]
fn a_picture_that_is_about_to_be_replaced_needs_no_copy() {
    let (mut f, _) = Fixture::with_dma_bufs();
    show_blob(&mut f);
    f.ok(flush(1, WHOLE));
    // The host is not ready for this one yet.
    f.create_blob(2, BYTES.into(), BYTES);
    f.ok(set_blob(0, 2, SIZE, WHOLE));
    f.ok(flush(2, WHOLE));
    f.display.calls.clear();
    f.ok(unref(1));
    assert!(f.frames().is_empty());
    f.event(DisplayEvent::Ready(SCREEN));
    assert_eq!(f.frames().len(), 1);
    // Another resource under the old id is nothing that is shown.
    f.create_blob(1, 0, BYTES);
    f.ok(unref(1));
    assert!(f.frames().is_empty());
}

#[test]
fn a_guest_that_has_used_up_its_memory_keeps_no_pictures() {
    let mut f = Fixture::with(|options| {
        options.dma_bufs = Some(Box::new(FakeUdmabuf::default()));
        options.limits = Limits {
            bytes: BYTES.into(),
            ..Limits::default()
        };
    });
    show_blob(&mut f);
    f.ok(unref(1));
    let kept = f.frame();
    show_blob(&mut f);
    f.ok(unref(1));
    assert!(f.frames().is_empty(), "the host still has the first copy");
    f.event(DisplayEvent::Released(kept.buffer));
    show_blob(&mut f);
    f.ok(unref(1));
    assert_eq!(f.frames().len(), 1);
}
