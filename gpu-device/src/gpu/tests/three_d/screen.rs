//! Scanouts that show what the renderer draws: in place, or read back.

use std::sync::Arc;

use protocols::{
    ipc::PresentPath,
    virtio_gpu::{BLOB_MEM_HOST3D, ErrorCode::*},
};

use super::*;
use crate::{
    display::{DisplayEvent, Image, ImagePlane, PixelMemory, Refused, recording::Call},
    memory::SharedMemory,
    renderer::Done,
};

/// DRM_FORMAT_XBGR8888.
const XB24: u32 = u32::from_le_bytes(*b"XB24");

/// An image of the renderer's, and memory that stands for it.
pub(in crate::gpu::tests) fn exported(width: u32, height: u32) -> Done {
    let memory = SharedMemory::new(u64::from(width) * u64::from(height) * 4).unwrap();
    Done::Exported(Arc::new(Image {
        width,
        height,
        fourcc: XB24,
        modifier: 7,
        bottom_up: true,
        planes: vec![ImagePlane {
            fd: memory.descriptor().unwrap(),
            offset: 0,
            stride: width * 4,
        }],
    }))
}

pub(super) const WHOLE: Rect = Rect {
    x: 0,
    y: 0,
    width: 64,
    height: 32,
};

/// Context 1 has a texture that scanout 0 is to show, and that the host can be given or not.
fn with_screen(done: Done) -> Fixture {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 32);
    f.ok(set_scanout(0, 3, WHOLE));
    f.later(flush(3, WHOLE));
    assert_eq!(f.renderer.take_log(), [Asked::Export(3), Asked::Nothing]);
    f.renderer_does(Ok(done));
    f
}

/// One flush of a texture that is shown in place, and its frame.
pub(super) fn show(f: &mut Fixture, id: u32) -> crate::display::Frame {
    f.ok(set_scanout(0, id, WHOLE));
    f.later(flush(id, WHOLE));
    while let Some(sent) = f.renderer.sent.front() {
        let done = match sent.asked {
            Asked::Export(_) => exported(64, 32),
            _ => Done::Nothing,
        };
        f.renderer_does(Ok(done));
    }
    f.renderer.take_log();
    f.answered();
    f.frame()
}

#[test]
fn what_is_drawn_is_shown_in_place_once_it_is_finished() {
    let mut f = with_screen(exported(64, 32));
    assert_eq!(f.display.take_calls(), []);
    assert_eq!(f.answers(), []);
    f.renderer_does(Ok(Done::Nothing));
    assert_eq!(f.answered().len(), 1);
    let frame = f.frame();
    let (layout, memory) = &f.display.buffers[&frame.buffer];
    assert_eq!((layout.width, layout.stride), (64, 256));
    assert_eq!(layout.format.drm_fourcc(), XB24);
    assert!(matches!(memory, PixelMemory::Image(image) if image.bottom_up && image.modifier == 7));
    assert_eq!((frame.source, frame.damage), (WHOLE, vec![WHOLE]));
    f.presented(frame.id, true);
    let stats = f.stats();
    assert_eq!(
        (stats.path, stats.bytes_copied),
        (PresentPath::DmabufPlane, 0)
    );
    assert_eq!((stats.frames_flushed, stats.frames_presented), (1, 1));

    // Imported once, exported once.
    f.event(DisplayEvent::Ready(SCREEN));
    f.later(flush(3, rect(8, 8, 8, 8)));
    assert_eq!(f.renderer.take_log(), [Asked::Nothing]);
    f.renderer_does_all();
    let again = f.frame();
    assert_eq!(
        (again.buffer, again.damage),
        (frame.buffer, vec![rect(8, 8, 8, 8)])
    );
}

#[test]
fn a_fenced_flush_waits_for_the_drawing_and_then_for_the_screen() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 32);
    show(&mut f, 3);
    f.event(DisplayEvent::Ready(SCREEN));
    let flushed = fenced(&mut f, 1, flush(3, WHOLE));
    f.renderer_does_all();
    let frame = f.frame().id;
    assert_eq!(f.answers(), []);
    f.presented(frame, false);
    assert_eq!(f.answered(), [flushed]);
}

#[test]
fn two_buffers_are_shown_in_turn_however_late_they_are_finished() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 32);
    make_texture(&mut f, 4, 64, 32);
    let first = show(&mut f, 3);
    f.shown(first.id);
    let second = show(&mut f, 4);
    f.shown(second.id);
    assert_ne!(first.buffer, second.buffer);
    f.event(DisplayEvent::Released(first.buffer));

    // The guest is two frames ahead of the renderer.
    f.ok(set_scanout(0, 3, WHOLE));
    f.later(flush(3, WHOLE));
    f.ok(set_scanout(0, 4, WHOLE));
    f.later(flush(4, WHOLE));
    assert!(f.frames().is_empty());
    f.renderer_does(Ok(Done::Nothing));
    assert_eq!(f.frame().buffer, first.buffer);
    f.event(DisplayEvent::Ready(SCREEN));
    f.renderer_does(Ok(Done::Nothing));
    assert_eq!(f.frame().buffer, second.buffer);
}

#[test]
fn where_the_host_cant_have_it_the_damage_is_read_back() {
    let mut f = with_screen(Done::NotExported(Refused::NotExported));
    f.renderer_does(Ok(Done::Nothing));
    let log = f.renderer.take_log();
    let [
        Asked::ReadBack {
            resource: 3,
            part,
            target,
        },
    ] = &log[..]
    else {
        panic!("{log:?}");
    };
    assert_eq!((*part, target.offset, target.stride), (WHOLE, 0, 256));
    assert!(f.frames().is_empty());
    f.renderer_does(Ok(Done::Nothing));
    assert_eq!(f.answered().len(), 1);
    let frame = f.frame();
    assert_eq!(f.seen(frame.buffer, WHOLE), vec![9; 64 * 32]);
    f.shown(frame.id);
    let stats = f.stats();
    assert_eq!(stats.path, PresentPath::Copy);
    assert_eq!(stats.reason.unwrap().code, "not_exported");
    assert_eq!(stats.bytes_copied, 64 * 32 * 4);

    // Only what changed, and straight away.
    f.later(flush(3, rect(8, 4, 16, 2)));
    let log = f.renderer.take_log();
    let [Asked::ReadBack { part, target, .. }] = &log[..] else {
        panic!("{log:?}");
    };
    assert_eq!((*part, target.offset), (rect(8, 4, 16, 2), 4 * 256 + 8 * 4));
    f.renderer_does(Ok(Done::Nothing));
    let again = f.frame();
    assert_ne!(again.buffer, frame.buffer, "the host holds the first slot");
    assert_eq!(again.damage, [rect(8, 4, 16, 2)]);
    assert_eq!(
        f.seen(again.buffer, WHOLE),
        vec![9; 64 * 32],
        "carried over"
    );
}

#[test]
fn a_part_of_a_texture_is_read_back_to_the_scanouts_own_corner() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 32);
    f.ok(set_scanout(0, 3, rect(32, 16, 32, 16)));
    f.later(flush(3, WHOLE));
    f.renderer_does(Ok(Done::NotExported(Refused::NotExported)));
    f.renderer_does(Ok(Done::Nothing));
    let log = f.renderer.take_log();
    let Some(Asked::ReadBack { part, target, .. }) = log.last() else {
        panic!("{log:?}");
    };
    assert_eq!((*part, target.offset), (rect(32, 16, 32, 16), 0));
    f.renderer_does(Ok(Done::Nothing));
    let frame = f.frame();
    assert_eq!(frame.source, rect(0, 0, 32, 16));
}

#[test]
fn the_next_flush_waits_until_the_picture_is_read_back() {
    let mut f = with_screen(Done::NotExported(Refused::NotExported));
    f.renderer_does_all();
    f.answered();
    f.renderer.take_log();
    let first = f.later(flush(3, WHOLE));
    let drawn = f.later(submit());
    let second = f.later(flush(3, WHOLE));
    let behind = f.later(submit());
    let log = f.renderer.take_log();
    assert!(matches!(
        log[..],
        [Asked::ReadBack { .. }, Asked::Submit { .. }]
    ));
    f.renderer_does(Ok(Done::Nothing));
    let log = f.renderer.take_log();
    assert!(matches!(
        log[..],
        [Asked::ReadBack { .. }, Asked::Submit { .. }]
    ));
    f.renderer_does_all();
    assert_eq!(f.answered(), [first, drawn, second, behind]);
}

#[test]
fn nothing_is_handed_over_while_it_is_read_back() {
    let mut f = with_screen(Done::NotExported(Refused::NotExported));
    f.renderer_does_all();
    let first = f.frame();
    // The host is not done with the first when the second comes, and asks for it while the third is
    // read back.
    f.later(flush(3, WHOLE));
    f.renderer_does_all();
    f.later(flush(3, WHOLE));
    f.event(DisplayEvent::Released(first.buffer));
    f.event(DisplayEvent::Ready(SCREEN));
    assert!(f.frames().is_empty());
    f.renderer_does_all();
    f.frame();
}

#[test]
fn a_host_that_refuses_the_image_gets_copies() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 32);
    f.display.refuse_dma_bufs = Some(Refused::FormatNotOffered);
    f.ok(set_scanout(0, 3, WHOLE));
    f.later(flush(3, WHOLE));
    f.renderer_does(Ok(exported(64, 32)));
    f.renderer_does(Ok(Done::Nothing));
    assert!(matches!(f.renderer.sent[0].asked, Asked::ReadBack { .. }));
    f.renderer_does_all();
    let frame = f.frame();
    f.presented(frame.id, false);
    assert_eq!(f.stats().reason.unwrap().code, "format_not_offered");

    // What it takes later it is given in place again.
    f.display.refuse_dma_bufs = None;
    f.event(DisplayEvent::FormatsChanged);
    f.event(DisplayEvent::Ready(SCREEN));
    f.later(flush(3, WHOLE));
    f.renderer_does_all();
    let frame = f.frame();
    assert!(matches!(
        f.display.buffers[&frame.buffer].1,
        PixelMemory::Image(_)
    ));
}

#[test]
fn a_late_refusal_shows_the_picture_as_a_copy() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 32);
    let frame = show(&mut f, 3);
    f.event(DisplayEvent::ImportRefused(
        frame.buffer,
        Refused::ImportFailed,
    ));
    assert!(f.frames().is_empty());
    assert!(matches!(f.renderer.sent[0].asked, Asked::ReadBack { .. }));
    f.renderer_does_all();
    let frame = f.frame();
    assert_eq!(f.seen(frame.buffer, WHOLE), vec![9; 64 * 32]);
}

#[test]
fn an_image_that_is_not_the_texture_is_not_shown() {
    for done in [
        exported(64, 31),
        Done::Nothing,
        Done::Exported(Arc::new(Image {
            width: 64,
            height: 32,
            fourcc: XB24,
            modifier: 0,
            bottom_up: false,
            planes: Vec::new(),
        })),
    ] {
        let mut f = with_screen(done);
        f.renderer_does(Ok(Done::Nothing));
        assert!(matches!(f.renderer.sent[0].asked, Asked::ReadBack { .. }));
    }
}

#[test]
fn what_scanouts_cant_show_is_refused() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 32);
    f.refuse(set_scanout(0, 3, rect(0, 0, 65, 32)), InvalidParameter);
    f.refuse(set_scanout(0, 3, rect(0, 0, 8, 8)), InvalidParameter);
    f.refuse(set_scanout(1, 3, WHOLE), InvalidScanoutId);
    f.refuse(set_blob(0, 3, (64, 32), WHOLE), InvalidParameter);
    f.refuse(flush(3, rect(0, 0, 65, 1)), InvalidParameter);
    f.later(create_3d(
        4,
        Texture {
            target: 3,
            ..texture(64, 32)
        },
    ));
    f.refuse(set_scanout(0, 4, WHOLE), InvalidParameter);
    f.later(host_blob(5, 64 * 32 * 4));
    f.refuse(set_scanout(0, 5, WHOLE), InvalidParameter);
    f.refuse(set_blob(0, 5, (64, 33), WHOLE), InvalidParameter);
}

#[test]
fn a_host_blob_is_shown_in_the_layout_that_the_guest_says() {
    let mut f = with_context();
    f.later(Command::ResourceCreateBlob {
        resource_id: 5,
        blob_mem: BLOB_MEM_HOST3D,
        blob_flags: 3,
        blob_id: 1,
        size: 64 * 32 * 4,
        entries: Vec::new(),
    });
    f.renderer_does_all();
    f.ok(set_blob(0, 5, (64, 32), WHOLE));
    f.later(flush(5, WHOLE));
    f.renderer_does(Ok(exported(1, 1)));
    f.renderer_does(Ok(Done::Nothing));
    let frame = f.frame();
    let (layout, memory) = &f.display.buffers[&frame.buffer];
    assert_eq!((layout.width, layout.stride, layout.offset), (64, 256, 0));
    assert!(matches!(memory, PixelMemory::Image(image) if image.width == 64 && !image.bottom_up));
}

#[test]
fn what_is_shown_stays_when_its_texture_goes() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 32);
    make_texture(&mut f, 4, 64, 32);
    let frame = show(&mut f, 3);
    f.later(unref(3));
    let calls = f.display.take_calls();
    assert_eq!(calls, [Call::Forget(frame.buffer)]);
    // One that was never finished goes unseen, and its flush is answered.
    f.ok(set_scanout(0, 4, WHOLE));
    let flushed = f.later(flush(4, WHOLE));
    let gone = f.later(unref(4));
    assert!(f.answered().contains(&flushed));
    f.renderer_does_all();
    assert!(f.answered().contains(&gone));
    assert!(f.frames().is_empty());
}

#[test]
fn the_console_comes_back_at_once_and_whole() {
    let mut f = with_screen(Done::NotExported(Refused::NotExported));
    f.renderer_does(Ok(Done::Nothing));
    assert!(matches!(f.renderer.sent[0].asked, Asked::ReadBack { .. }));
    f.create(2, 64, 32, 0);
    f.ok(set_scanout(0, 2, WHOLE));
    assert_eq!(
        f.answered().len(),
        1,
        "the flush that is of no use any more"
    );
    f.flush_later(2, WHOLE);
    let frame = f.frame();
    assert_eq!(f.seen(frame.buffer, WHOLE), vec![0; 64 * 32]);
    // The renderer may still write into the memory that it has; nobody shows that.
    f.renderer_does_all();
    assert_eq!(f.seen(frame.buffer, WHOLE), vec![0; 64 * 32]);
    assert!(f.frames().is_empty());
    assert!(f.renderer.lent.is_empty());
}

#[test]
fn a_copied_console_is_not_copied_into_what_is_read_back() {
    let mut f = with_context();
    f.display.refuse_dma_bufs = Some(Refused::FormatNotOffered);
    make_texture(&mut f, 3, 64, 32);
    f.create_blob(2, 0, 64 * 32 * 4);
    f.ok(set_blob(0, 2, (64, 32), WHOLE));
    f.ok(flush(2, WHOLE));
    let first = f.frame();
    // It waits for the host when the texture comes.
    f.ok(flush(2, WHOLE));
    f.ok(set_scanout(0, 3, WHOLE));
    f.later(flush(3, WHOLE));
    f.renderer_does(Ok(Done::NotExported(Refused::NotExported)));
    f.renderer_does(Ok(Done::Nothing));
    assert!(matches!(f.renderer.sent[0].asked, Asked::ReadBack { .. }));
    f.event(DisplayEvent::Ready(SCREEN));
    f.event(DisplayEvent::Released(first.buffer));
    assert!(f.frames().is_empty());
    f.renderer_does_all();
    let frame = f.frame();
    assert_eq!(f.seen(frame.buffer, WHOLE), vec![9; 64 * 32]);
}

#[test]
fn another_host_is_shown_what_the_first_one_was() {
    for done in [exported(64, 32), Done::NotExported(Refused::NotExported)] {
        let mut f = with_screen(done);
        f.renderer_does_all();
        f.frame();
        f.lose_host();
        // Nothing is asked for while nobody looks.
        f.ok(flush(3, WHOLE));
        assert!(f.renderer.sent.is_empty());
        f.find_host();
        f.renderer_does_all();
        f.frame();
    }
}

#[test]
fn a_host_that_comes_later_is_shown_what_was_flushed_before() {
    for done in [exported(64, 32), Done::NotExported(Refused::NotExported)] {
        let mut f = with_context();
        make_texture(&mut f, 3, 64, 32);
        f.lose_host();
        f.ok(set_scanout(0, 3, WHOLE));
        f.ok(flush(3, WHOLE));
        assert_eq!(f.renderer.take_log(), []);
        f.find_host();
        assert_eq!(f.renderer.take_log(), [Asked::Export(3), Asked::Nothing]);
        f.renderer_does(Ok(done));
        f.renderer_does_all();
        assert_eq!(f.frame().damage, [WHOLE]);
    }
}

#[test]
fn a_blob_that_the_host_cant_have_is_not_shown() {
    let mut f = with_context();
    f.later(host_blob(5, 64 * 32 * 4));
    f.renderer_does_all();
    f.answered();
    f.ok(set_blob(0, 5, (64, 32), WHOLE));
    let flushed = fenced(&mut f, 1, flush(5, WHOLE));
    f.renderer_does(Ok(Done::NotExported(Refused::NotExported)));
    f.renderer_does_all();
    assert_eq!(f.answered(), [flushed], "it does not wait for the screen");
    assert!(f.frames().is_empty());
    assert_eq!(f.stats().reason.unwrap().code, "not_exported");
    f.ok(flush(5, WHOLE));
}

#[test]
fn a_host_that_goes_while_a_picture_is_drawn_is_not_missed() {
    for done in [exported(64, 32), Done::NotExported(Refused::NotExported)] {
        let mut f = with_screen(done);
        f.renderer_does_all();
        f.frame();
        f.later(flush(3, WHOLE));
        f.lose_host();
        f.renderer_does_all();
        assert!(f.frames().is_empty());
        f.find_host();
        f.renderer_does_all();
        f.frame();
        assert_eq!(f.renderer.lent.len(), f.stats().reason.map_or(0, |_| 1));
    }
}
