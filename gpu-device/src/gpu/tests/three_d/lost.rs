//! The renderer dies, or the driver goes.

use protocols::virtio_gpu::ErrorCode::*;

use super::{
    screen::{WHOLE, exported, show},
    *,
};
use crate::{
    display::{DisplayEvent, Refused},
    renderer::Done,
};

#[test]
fn everything_that_waits_is_answered_once() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 32);
    f.create(2, 32, 16, 0);
    f.later(use_resource(2));
    f.renderer_does_all();
    f.answers();
    let drawn = fenced(&mut f, 1, submit());
    let uploaded = f.later(upload(3));
    let copied = f.later(transfer(2, rect(0, 0, 32, 16), 0));
    let detached = f.later(detach(2));
    let made = f.later(create_3d(4, texture(1, 1)));
    let gone = f.later(unref(2));
    f.renderer_dies();
    let mut answers = f.answers();
    answers.sort_by_key(|(ticket, _)| *ticket);
    let failed = Response::Err(Unspec);
    let expected = [
        (drawn, failed.clone()),
        (uploaded, failed.clone()),
        (copied, Response::OkNodata),
        (detached, Response::OkNodata),
        (made, failed),
        (gone, Response::OkNodata),
    ];
    assert_eq!(answers, expected);
    assert_eq!(f.gpu.quota.rendered(), 0);
    f.refuse(unref(4), InvalidResourceId);
}

#[test]
fn its_contexts_and_resources_are_gone_and_new_ones_can_be_made() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 32);
    f.renderer_dies();
    f.renderer.take_log();
    for command in [submit(), use_resource(3), upload(3), Command::CtxDestroy] {
        assert_eq!(now(&mut f, command), Response::Err(InvalidContextId));
    }
    f.later(create_context());
    assert_eq!(
        now(&mut f, use_resource(3)),
        Response::Err(InvalidResourceId)
    );
    assert_eq!(now(&mut f, upload(3)), Response::Err(InvalidResourceId));
    f.ok(attach(3, 0, 4096));
    f.ok(detach(3));
    f.ok(unref(3));
    f.later(create_3d(3, texture(64, 32)));
    f.later(use_resource(3));
    assert_eq!(f.renderer.take_log().len(), 3);
}

#[test]
fn pictures_live_on_and_get_new_twins() {
    let mut f = with_context();
    f.create(2, 32, 16, 0);
    f.later(use_resource(2));
    f.renderer_does_all();
    f.renderer_dies();
    f.ok(transfer(2, rect(0, 0, 32, 16), 0));
    f.ok(set_scanout(0, 2, rect(0, 0, 32, 16)));
    f.flush_later(2, rect(0, 0, 32, 16));
    f.frame();
    f.renderer.take_log();
    f.later(create_context());
    f.later(use_resource(2));
    assert!(matches!(
        f.renderer.take_log()[1],
        Asked::CreateTexture { resource: 2, .. }
    ));
}

#[test]
fn what_is_shown_stays_shown() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 32);
    let frame = show(&mut f, 3);
    let flushed = f.later(flush(3, WHOLE));
    f.renderer_dies();
    assert_eq!(f.answered(), [flushed]);
    assert_eq!(f.display.take_calls(), []);
    assert_eq!(f.stats().reason.unwrap().code, "renderer_lost");
    f.shown(frame.id);
    // What it had shared stays readable, also by another host.
    f.lose_host();
    f.find_host();
    f.frame();
    f.ok(flush(3, WHOLE));
}

#[test]
fn a_copy_that_was_half_written_is_not_shown() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 32);
    f.ok(set_scanout(0, 3, WHOLE));
    f.later(flush(3, WHOLE));
    f.renderer_does(Ok(Done::NotExported(Refused::NotExported)));
    f.renderer_does_all();
    let first = f.frame();
    f.later(flush(3, WHOLE));
    f.renderer_dies();
    f.event(DisplayEvent::Released(first.buffer));
    f.event(DisplayEvent::Ready(SCREEN));
    assert!(f.frames().is_empty());
    assert_eq!(f.answered().len(), 2);
    f.ok(flush(3, WHOLE));
}

#[test]
fn a_closed_gate_opens() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 32);
    make_texture(&mut f, 4, 64, 32);
    let first = show(&mut f, 3);
    f.shown(first.id);
    show(&mut f, 4);
    let drawn = f.later(submit());
    f.renderer_dies();
    assert_eq!(f.answers(), [(drawn, Response::Err(InvalidContextId))]);
}

#[test]
fn a_driver_that_goes_leaves_nothing() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 32);
    f.later(attach(3, 0, 4096));
    f.later(host_blob(4, 4096));
    f.later(map(4, 0));
    f.ok(set_scanout(0, 3, WHOLE));
    fenced(&mut f, 1, flush(3, WHOLE));
    f.renderer_does(Ok(exported(64, 32)));
    f.reset();
    assert_eq!(f.renderer.resets, 1);
    assert!(f.window.unmaps.is_empty(), "its owner empties it");
    assert_eq!(f.answers(), []);
    assert_eq!(f.gpu.quota.used(), (0, 0, 0));
    assert_eq!(f.gpu.quota.rendered(), 0);
    assert_eq!(f.gpu.three_d.len(), 0);
    assert_eq!(f.gpu.fences.len(), 0);
    f.later(create_context());
}
