//! The ladder: which way pixels go, and what happens where a rung is missing.

use protocols::{
    ipc::PresentPath,
    virtio_gpu::{Command, ErrorCode::OutOfMemory, Format, Rect},
};

use super::fixture::*;
use crate::{
    display::{DisplayEvent, Refused, ScanoutId, recording::Call},
    gpu::{Limits, Mode, Prefer, scanouts::DISABLE_SETTLES},
};

const SIZE: (u32, u32) = (64, 32);
const WHOLE: Rect = Rect {
    x: 0,
    y: 0,
    width: 64,
    height: 32,
};
const BYTES: u32 = 64 * 32 * 4;

fn reason(f: &Fixture) -> Option<String> {
    f.stats().reason.map(|reason| reason.code)
}

/// Shows blob 1, all bytes 3; the flush waits.
fn show_blob(f: &mut Fixture) {
    f.write(0, &[3; BYTES as usize]);
    f.create_blob(1, 0, BYTES);
    f.ok(set_blob(0, 1, SIZE, WHOLE));
    f.flush_later(1, WHOLE);
}

#[test]
fn a_blob_is_shown_in_place_and_nothing_is_copied() {
    let (mut f, made) = Fixture::with_dma_bufs();
    show_blob(&mut f);
    let [(buffer, true)] = f.imports()[..] else {
        panic!("{:?}", f.imports())
    };
    let frame = f.frame();
    assert_eq!((frame.buffer, frame.source), (buffer, WHOLE));
    f.presented(frame.id, true);
    assert_eq!(f.answered().len(), 1);
    assert_eq!(*made.borrow(), [[(0, u64::from(BYTES))]]);

    // Later writes are seen by themselves.
    for value in 4..10 {
        f.write(0, &[value; BYTES as usize]);
        f.event(DisplayEvent::Ready(SCREEN));
        f.flush_later(1, rect(0, 0, 8, 8));
        let frame = f.frame();
        assert_eq!(
            (frame.buffer, &frame.damage[..]),
            (buffer, &[rect(0, 0, 8, 8)][..])
        );
        assert_eq!(f.seen(buffer, rect(0, 0, 1, 1)), [value]);
        f.presented(frame.id, true);
    }
    assert!(f.imports().is_empty(), "imported once");
    let stats = f.stats();
    assert_eq!(
        (stats.bytes_copied, stats.path),
        (0, PresentPath::DmabufPlane)
    );
    assert_eq!((stats.frames_zero_copy, stats.reason), (7, None));
}

#[test]
fn a_blob_that_the_host_draws_is_not_on_a_plane() {
    let (mut f, _) = Fixture::with_dma_bufs();
    show_blob(&mut f);
    let frame = f.frame().id;
    f.presented(frame, false);
    assert_eq!(f.stats().path, PresentPath::DmabufSampled);
    assert_eq!(reason(&f).as_deref(), Some("not_on_plane"));
    assert_eq!(f.stats().bytes_copied, 0);
}

#[test]
fn three_blobs_are_imported_once_each() {
    let (mut f, _) = Fixture::with_dma_bufs();
    for id in 1..=3 {
        f.create_blob(id, u64::from(id) * u64::from(BYTES), BYTES);
    }
    let mut imports = 0;
    for round in 0..9 {
        let id = round % 3 + 1;
        f.ok(set_blob(0, id, SIZE, WHOLE));
        f.flush_later(id, WHOLE);
        imports += f.imports().len();
        let frame = f.frame();
        assert_eq!(frame.damage, [WHOLE]);
        f.shown(frame.id);
    }
    assert_eq!((imports, f.answered().len()), (3, 9));
    f.ok(unref(2));
    assert!(matches!(f.display.take_calls()[..], [Call::Forget(_)]));
}

/// Imports of dma-bufs, by where the pixels begin in them.
fn offsets(f: &Fixture) -> Vec<u32> {
    let imports = f.display.calls.iter().filter_map(|call| match call {
        Call::Import {
            layout,
            dma_buf: true,
            ..
        } => Some(layout.offset),
        _ => None,
    });
    imports.collect()
}

#[test]
fn a_picture_that_begins_with_a_page_begins_with_its_dma_buf() {
    let (mut f, made) = Fixture::with_dma_bufs();
    f.create_blob(1, 0x1_0000, 0x8000);
    let show = |f: &mut Fixture, offset| {
        f.ok(Command::SetScanoutBlob {
            rect: WHOLE,
            scanout_id: 0,
            resource_id: 1,
            width: SIZE.0,
            height: SIZE.1,
            format: Format::Bgrx8888.into(),
            strides: [SIZE.0 * 4, 0, 0, 0],
            offsets: [offset, 0, 0, 0],
        });
        f.flush_later(1, WHOLE);
        let calls = offsets(f);
        let frame = f.frame();
        f.shown(frame.id);
        calls
    };
    assert_eq!(show(&mut f, 0), [0]);
    assert_eq!(show(&mut f, 0x2000), [0]);
    assert_eq!(
        show(&mut f, 0x40),
        [0x40],
        "there is no dma-buf of half a page"
    );
    assert_eq!(show(&mut f, 0x2000), [0; 0], "imported once");
    let whole = vec![(0x1_0000, 0x8000)];
    assert_eq!(*made.borrow(), [whole, vec![(0x1_2000, 0x6000)]]);
}

#[test]
fn scattered_pages_become_one_dma_buf() {
    let (mut f, made) = Fixture::with_dma_bufs();
    f.ok(create_blob(
        1,
        BYTES.into(),
        &[(0x4000, 0x1000), (0x1000, 0x1000)],
    ));
    f.ok(set_blob(0, 1, SIZE, WHOLE));
    f.ok(flush(1, WHOLE));
    assert_eq!(*made.borrow(), [[(0x4000, 0x1000), (0x1000, 0x1000)]]);
}

#[test]
fn a_2d_resource_goes_as_a_dma_buf_of_its_slots() {
    let (mut f, _) = Fixture::with_dma_bufs();
    f.create(1, 64, 32, 0);
    f.ok(set_scanout(0, 1, WHOLE));
    f.ok(transfer(1, WHOLE, 0));
    f.flush_later(1, WHOLE);
    assert!(matches!(f.imports()[..], [(_, true)]));
    let frame = f.frame().id;
    f.presented(frame, true);
    assert_eq!(
        (f.stats().path, reason(&f)),
        (PresentPath::DmabufPlane, None)
    );
    assert_eq!(f.stats().bytes_copied, u64::from(BYTES));
}

#[test]
fn without_dma_bufs_a_blobs_damage_is_copied() {
    let mut f = Fixture::new();
    show_blob(&mut f);
    let frame = f.frame();
    assert!(f.seen(frame.buffer, WHOLE).iter().all(|pixel| *pixel == 3));
    f.shown(frame.id);
    f.event(DisplayEvent::Released(frame.buffer));
    assert_eq!(f.stats().bytes_copied, u64::from(BYTES));

    f.write(0, &[4; BYTES as usize]);
    f.ok(flush(1, rect(8, 8, 4, 4)));
    let frame = f.frame();
    let seen = f.seen(frame.buffer, WHOLE);
    assert_eq!(
        (
            seen[8 * 64 + 7],
            seen[8 * 64 + 8],
            seen[11 * 64 + 11],
            seen[12 * 64]
        ),
        (3, 4, 4, 3)
    );
    f.presented(frame.id, false);
    let stats = f.stats();
    assert_eq!(stats.bytes_copied, u64::from(BYTES) + 4 * 4 * 4);
    assert_eq!(
        (stats.path, reason(&f).as_deref()),
        (PresentPath::Copy, Some("no_udmabuf"))
    );
}

#[test]
fn a_copy_has_the_size_of_the_source_and_the_hosts_byte_order() {
    let mut f = Fixture::new();
    f.write(0, &[1, 2, 3, 4].repeat(64 * 32));
    f.create_blob(1, 0, BYTES);
    let source = rect(16, 8, 32, 16);
    f.ok(Command::SetScanoutBlob {
        rect: source,
        scanout_id: 0,
        resource_id: 1,
        width: 64,
        height: 32,
        format: Format::Rgba8888.into(),
        strides: [256, 0, 0, 0],
        offsets: [0; 4],
    });
    f.ok(flush(1, rect(20, 10, 100, 100)));
    let frame = f.frame();
    assert_eq!(
        (frame.source, &frame.damage[..]),
        (rect(0, 0, 32, 16), &[rect(0, 0, 32, 16)][..])
    );
    let (layout, _) = f.display.buffers[&frame.buffer];
    assert_eq!(
        (layout.width, layout.height, layout.format),
        (32, 16, Format::Bgrx8888)
    );
    assert!(
        f.seen(frame.buffer, frame.source)
            .iter()
            .all(|blue| *blue == 3)
    );

    f.event(DisplayEvent::Ready(SCREEN));
    f.ok(flush(1, rect(20, 10, 2, 3)));
    assert_eq!(f.frame().damage, [rect(4, 2, 2, 3)]);
}

#[test]
fn a_copy_is_made_at_the_flush_not_later() {
    let mut f = Fixture::new();
    show_blob(&mut f);
    f.frames();
    f.ok(flush(1, rect(0, 0, 16, 16)));
    // Answered: the guest draws its next picture already.
    f.write(0, &[9; BYTES as usize]);
    f.event(DisplayEvent::Ready(SCREEN));
    let frame = f.frame();
    assert!(f.seen(frame.buffer, WHOLE).iter().all(|pixel| *pixel == 3));
}

#[test]
fn flipping_between_copied_blobs_needs_one_copy() {
    let mut f = Fixture::new();
    for id in 1..=3_u8 {
        f.write(u64::from(id) * u64::from(BYTES), &[id; BYTES as usize]);
        f.create_blob(id.into(), u64::from(id) * u64::from(BYTES), BYTES);
    }
    for round in 0..9_u8 {
        let id = round % 3 + 1;
        f.ok(set_blob(0, id.into(), SIZE, WHOLE));
        f.ok(flush(id.into(), WHOLE));
        let frame = f.frame();
        assert!(f.seen(frame.buffer, WHOLE).iter().all(|pixel| *pixel == id));
        f.shown(frame.id);
        f.event(DisplayEvent::Released(frame.buffer));
    }
    assert!(f.display.buffers.len() <= 2);
    assert_eq!(f.stats().bytes_copied, 9 * u64::from(BYTES));
}

#[test]
fn reasons_are_named() {
    let with_maker = |refuse| {
        Fixture::with(|options| {
            options.dma_bufs = Some(Box::new(FakeUdmabuf {
                refuse,
                ..FakeUdmabuf::default()
            }));
        })
    };
    for refused in [
        Refused::NotSealable,
        Refused::UdmabufLimit,
        Refused::UdmabufFailed,
    ] {
        let mut f = with_maker(Some(refused));
        show_blob(&mut f);
        assert_eq!(reason(&f).as_deref(), Some(refused.code()));
    }
    let mut f = with_maker(None);
    f.ok(create_blob(1, BYTES.into(), &[(16, BYTES)]));
    f.ok(set_blob(0, 1, SIZE, WHOLE));
    f.ok(flush(1, WHOLE));
    assert_eq!(reason(&f).as_deref(), Some("unaligned"));

    let mut f = Fixture::with(|options| {
        options.dma_bufs = Some(Box::new(FakeUdmabuf::default()));
        options.prefer = Prefer::Shm;
    });
    show_blob(&mut f);
    assert_eq!(reason(&f).as_deref(), Some("turned_off"));
    assert!(f.imports().iter().all(|(_, dma_buf)| !dma_buf));
}

#[test]
fn a_host_that_takes_no_dma_bufs_is_asked_once() {
    let (mut f, made) = Fixture::with_dma_bufs();
    f.display.refuse_dma_bufs = Some(Refused::NoLinuxDmabuf);
    show_blob(&mut f);
    assert_eq!(reason(&f).as_deref(), Some("no_linux_dmabuf"));
    assert_eq!(
        f.imports().iter().filter(|(_, dma_buf)| *dma_buf).count(),
        1
    );
    f.create(2, 64, 32, 0);
    f.ok(set_scanout(0, 2, WHOLE));
    f.ok(flush(2, WHOLE));
    f.create_blob(3, 0, BYTES);
    f.ok(set_blob(0, 3, SIZE, WHOLE));
    f.ok(flush(3, WHOLE));
    assert_eq!(
        f.imports().iter().filter(|(_, dma_buf)| *dma_buf).count(),
        1
    );
    assert_eq!(made.borrow().len(), 1);
}

#[test]
fn a_format_that_the_host_does_not_take_is_copied_and_converted() {
    let (mut f, _) = Fixture::with_dma_bufs();
    f.display.refuse_dma_bufs = Some(Refused::FormatNotOffered);
    show_blob(&mut f);
    let frame = f.frame();
    assert!(f.seen(frame.buffer, WHOLE).iter().all(|pixel| *pixel == 3));
    assert_eq!(reason(&f).as_deref(), Some("format_not_offered"));
}

#[test]
fn what_was_refused_is_tried_again_once_the_host_takes_more() {
    let (mut f, _) = Fixture::with_dma_bufs();
    f.display.refuse_dma_bufs = Some(Refused::FormatNotOffered);
    show_blob(&mut f);
    let copied = f.frame();
    f.shown(copied.id);
    f.display.refuse_dma_bufs = None;
    f.ok(flush(1, WHOLE));
    let frame = f.frame();
    f.shown(frame.id);
    assert_eq!(reason(&f).as_deref(), Some("format_not_offered"));

    f.event(DisplayEvent::FormatsChanged);
    f.ok(flush(1, WHOLE));
    let frame = f.frame();
    f.presented(frame.id, true);
    assert_eq!(reason(&f), None);
    assert_eq!(f.stats().path, PresentPath::DmabufPlane);
}

#[test]
fn a_late_refusal_of_a_blob_shows_the_picture_again_as_a_copy() {
    let (mut f, _) = Fixture::with_dma_bufs();
    show_blob(&mut f);
    let refused = f.frame();
    f.event(DisplayEvent::ImportRefused(
        refused.buffer,
        Refused::ImportFailed,
    ));
    let frame = f.frame();
    assert_ne!(frame.buffer, refused.buffer);
    assert_eq!(frame.damage, [WHOLE]);
    assert!(f.seen(frame.buffer, WHOLE).iter().all(|pixel| *pixel == 3));
    assert_eq!(reason(&f).as_deref(), Some("import_failed"));
    // The same flush is answered by it.
    assert!(f.answered().is_empty());
    f.shown(frame.id);
    assert_eq!(f.answered().len(), 1);
    assert_eq!(f.stats().frames_missed, 0);

    // It is remembered, also for the next blob of this kind.
    f.create_blob(2, 0, BYTES);
    f.ok(set_blob(0, 2, SIZE, WHOLE));
    f.ok(flush(2, WHOLE));
    assert!(f.imports().iter().all(|(_, dma_buf)| !dma_buf));
}

#[test]
fn a_late_refusal_of_a_slot_shows_the_picture_again_in_shared_memory() {
    let (mut f, _) = Fixture::with_dma_bufs();
    f.write(0, &[6; BYTES as usize]);
    f.create(1, 64, 32, 0);
    f.ok(set_scanout(0, 1, WHOLE));
    f.ok(transfer(1, WHOLE, 0));
    f.flush_later(1, WHOLE);
    let refused = f.frame();
    let copied = f.stats().bytes_copied;
    f.event(DisplayEvent::ImportRefused(
        refused.buffer,
        Refused::ImportFailed,
    ));
    let frame = f.frame();
    assert!(f.seen(frame.buffer, WHOLE).iter().all(|pixel| *pixel == 6));
    assert_eq!(
        f.stats().bytes_copied,
        copied,
        "the same memory under another name"
    );
    f.presented(frame.id, false);
    assert_eq!(f.stats().path, PresentPath::SharedMemory);
}

#[test]
fn a_refusal_after_the_guest_has_moved_on_shows_nothing_unfinished() {
    let (mut f, _) = Fixture::with_dma_bufs();
    show_blob(&mut f);
    let refused = f.frame();
    f.create(2, 64, 32, 0);
    f.ok(set_scanout(0, 2, WHOLE));
    f.event(DisplayEvent::ImportRefused(
        refused.buffer,
        Refused::ImportFailed,
    ));
    assert!(f.frames().is_empty());
    f.ok(flush(2, WHOLE));
    assert_eq!(f.frames().len(), 1);
}

#[test]
fn copies_count_against_the_guests_quota() {
    let limits = Limits {
        bytes: u64::from(BYTES) * 2 - 1,
        ..Limits::default()
    };
    let mut f = Fixture::with(|options| options.limits = limits);
    f.create_blob(1, 0, BYTES);
    f.ok(set_blob(0, 1, SIZE, WHOLE));
    f.refuse(flush(1, WHOLE), OutOfMemory);
    f.ok(set_blob(0, 1, SIZE, rect(0, 0, 64, 16)));
    f.ok(flush(1, WHOLE));
    // The copy goes with the window.
    f.ok(switch_off(0));
    f.wait(DISABLE_SETTLES);
    assert!(f.display.buffers.is_empty());
}

#[test]
fn the_host_knows_a_bounded_number_of_resources() {
    let mut f = Fixture::new();
    for id in 1..=200_u32 {
        f.create(id, 16, 16, 0);
        f.write(0, &[id as u8; 16 * 16 * 4]);
        f.ok(transfer(id, rect(0, 0, 16, 16), 0));
        f.ok(set_scanout(0, id, rect(0, 0, 16, 16)));
        f.ok(flush(id, rect(0, 0, 16, 16)));
        f.event(DisplayEvent::Ready(SCREEN));
        f.display.take_calls();
    }
    assert!(f.display.buffers.len() <= 64, "{}", f.display.buffers.len());
    // What was put away looks the same when it is shown again.
    f.ok(set_scanout(0, 1, rect(0, 0, 16, 16)));
    f.ok(flush(1, rect(0, 0, 16, 16)));
    let frame = f.frame();
    assert!(
        f.seen(frame.buffer, rect(0, 0, 16, 16))
            .iter()
            .all(|pixel| *pixel == 1)
    );
}

#[test]
fn a_late_refusal_also_reaches_a_scanout_whose_picture_waits() {
    let maker = FakeUdmabuf::default();
    let mode = Mode {
        width: 64,
        height: 32,
        millihertz: 60_000,
    };
    let mut f = Fixture::with(|options| {
        options.dma_bufs = Some(Box::new(maker));
        options.scanouts = vec![mode; 2];
    });
    // The second scanout shows a picture; then both flip to the blob, and the second's waits.
    let second = ScanoutId(1);
    f.create(2, 64, 32, 0x1_0000);
    f.ok(set_scanout(1, 2, WHOLE));
    f.ok(flush(2, WHOLE));
    f.write(0, &[3; BYTES as usize]);
    f.create_blob(1, 0, BYTES);
    f.ok(set_blob(0, 1, SIZE, WHOLE));
    f.ok(set_blob(1, 1, SIZE, WHOLE));
    f.frames();
    f.ok(flush(1, WHOLE));
    let refused = f.frame();
    f.event(DisplayEvent::ImportRefused(
        refused.buffer,
        Refused::ImportFailed,
    ));
    assert_eq!(f.frames().len(), 1);

    f.event(DisplayEvent::Ready(second));
    let frame = f.frame();
    assert!(f.seen(frame.buffer, WHOLE).iter().all(|pixel| *pixel == 3));
}
