//! The guest's memory changes under the device.

use std::sync::Arc;

use protocols::virtio_gpu::{ErrorCode::Unspec, Rect};

use super::fixture::*;
use crate::{
    display::{DisplayEvent, recording::Call},
    memory::{GuestRam, testing},
};

const SIZE: (u32, u32) = (64, 32);
const WHOLE: Rect = Rect {
    x: 0,
    y: 0,
    width: 64,
    height: 32,
};
const BYTES: u32 = 64 * 32 * 4;

/// Shows blob 1, all bytes 3.
fn show_blob(f: &mut Fixture) {
    f.write(0, &[3; BYTES as usize]);
    f.create_blob(1, 0, BYTES);
    f.ok(set_blob(0, 1, SIZE, WHOLE));
    f.ok(flush(1, WHOLE));
    f.event(DisplayEvent::Ready(SCREEN));
    f.display.calls.clear();
}

/// The same memory, mapped again under another descriptor.
fn again(f: &Fixture) -> GuestRam {
    testing::ram(&[(0, RAM, &f.file.try_clone().unwrap(), 0)])
}

#[test]
fn the_same_pages_keep_their_dma_buf() {
    let (mut f, made) = Fixture::with_dma_bufs();
    show_blob(&mut f);
    let ram = again(&f);
    f.change_ram(ram);
    assert!(f.display.calls.is_empty());
    f.ok(flush(1, WHOLE));
    assert_eq!(f.frames().len(), 1);
    assert_eq!(made.borrow().len(), 1);
}

#[test]
fn other_pages_are_shown_anew() {
    let (mut f, made) = Fixture::with_dma_bufs();
    show_blob(&mut f);
    let file = testing::memfd(RAM as u64);
    let map = testing::map(&[(0, RAM, &file, 0)]);
    testing::write(&map, 0, &[8; BYTES as usize]);
    f.change_ram(GuestRam::new(Arc::clone(&map)));

    assert!(matches!(f.display.calls[0], Call::Forget(_)));
    let frame = f.frame();
    assert_eq!(frame.damage, [WHOLE]);
    assert!(f.seen(frame.buffer, WHOLE).iter().all(|pixel| *pixel == 8));
    assert_eq!(made.borrow().len(), 2);
}

#[test]
fn other_pages_are_copied_anew() {
    let mut f = Fixture::new();
    show_blob(&mut f);
    let file = testing::memfd(RAM as u64);
    let map = testing::map(&[(0, RAM, &file, 0)]);
    testing::write(&map, 0, &[8; BYTES as usize]);
    f.change_ram(GuestRam::new(Arc::clone(&map)));

    let frame = f.frame();
    assert_eq!(frame.damage, [WHOLE]);
    assert!(f.seen(frame.buffer, WHOLE).iter().all(|pixel| *pixel == 8));
}

#[test]
fn memory_that_vanishes_leaves_the_last_picture_and_is_never_read() {
    for dma_bufs in [true, false] {
        let mut f = if dma_bufs {
            Fixture::with_dma_bufs().0
        } else {
            Fixture::new()
        };
        show_blob(&mut f);
        f.create(2, 16, 16, 0);
        f.change_ram(GuestRam::default());
        assert!(f.frames().is_empty());
        // Nothing to wait for, nothing to show, nothing to copy.
        f.ok(flush(1, WHOLE));
        assert!(f.frames().is_empty());
        f.refuse(transfer(1, WHOLE, 0), Unspec);
        f.refuse(transfer(2, rect(0, 0, 1, 1), 0), Unspec);

        // It comes back: the VMM has only rearranged its map.
        let ram = again(&f);
        f.change_ram(ram);
        let frame = f.frame();
        assert_eq!(frame.damage, [WHOLE]);
        assert!(f.seen(frame.buffer, WHOLE).iter().all(|pixel| *pixel == 3));
        f.ok(transfer(2, rect(0, 0, 1, 1), 0));
        // What the guest attached before is still attached.
        f.refuse(attach(2, 0, 1024), Unspec);
    }
}

#[test]
fn memory_may_vanish_while_a_picture_waits() {
    let mut f = Fixture::new();
    show_blob(&mut f);
    f.ok(flush(1, WHOLE));
    f.ok(flush(1, WHOLE));
    f.frames();
    f.change_ram(GuestRam::default());
    f.event(DisplayEvent::Ready(SCREEN));
    f.event(DisplayEvent::Ready(SCREEN));
    assert!(f.frames().is_empty());
    let ram = again(&f);
    f.change_ram(ram);
    assert_eq!(f.frame().damage, [WHOLE]);
}

#[test]
fn a_shown_blob_may_be_detached_and_attached_elsewhere() {
    let (mut f, made) = Fixture::with_dma_bufs();
    show_blob(&mut f);
    f.ok(detach(1));
    assert!(matches!(
        f.display.take_calls()[..],
        [Call::Import { .. }, Call::Present(..), Call::Forget(_)]
    ));
    f.ok(flush(1, WHOLE));
    assert!(f.frames().is_empty());

    f.write(0x10_0000, &[5; BYTES as usize]);
    f.ok(attach(1, 0x10_0000, BYTES));
    let frame = f.frame();
    assert_eq!(frame.damage, [WHOLE]);
    assert_eq!(made.borrow()[1], [(0x10_0000, u64::from(BYTES))]);
}

#[test]
fn a_shown_picture_may_lose_its_backing() {
    let mut f = Fixture::new();
    f.write(0, &[6; BYTES as usize]);
    f.create(1, 64, 32, 0);
    f.ok(transfer(1, WHOLE, 0));
    f.ok(set_scanout(0, 1, WHOLE));
    f.ok(detach(1));
    f.ok(flush(1, WHOLE));
    let frame = f.frame();
    assert!(f.seen(frame.buffer, WHOLE).iter().all(|pixel| *pixel == 6));
}
