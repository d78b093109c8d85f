//! In which order a guest with 3D hears of what is done.

use protocols::virtio_gpu::ErrorCode::*;

use super::*;
use crate::{
    display::DisplayEvent,
    renderer::{Done, Fence, Timeline},
};

#[test]
fn fences_and_rings_reach_the_renderer() {
    let mut f = with_context();
    f.execute(header(Some(7), None), submit());
    f.execute(header(Some(8), Some(63)), submit());
    f.execute(header(None, Some(3)), submit());
    let fences: Vec<_> = f.renderer.sent.iter().map(|sent| sent.fence).collect();
    let ring = Timeline::Ring {
        context: 1,
        ring: 63,
    };
    let expected = [
        Some(Fence {
            id: 7,
            timeline: Timeline::Device,
        }),
        Some(Fence {
            id: 8,
            timeline: ring,
        }),
        None,
    ];
    assert_eq!(fences, expected);
    let refused = f.execute(header(Some(9), Some(64)), submit());
    assert_eq!(refused, Reply::Now(Response::Err(InvalidParameter)));
}

#[test]
fn what_is_done_at_once_does_not_overtake_what_is_drawn() {
    let mut f = with_context();
    f.create(2, 64, 64, 0);
    let drawn = fenced(&mut f, 1, submit());
    let copied = fenced(&mut f, 2, transfer(2, rect(0, 0, 64, 64), 0));
    let refused = fenced(&mut f, 3, unref(99));
    assert_eq!(f.answers(), []);
    // Without a fence nothing is said about older ones.
    f.ok(transfer(2, rect(0, 0, 64, 64), 0));
    f.renderer_does(Ok(Done::Nothing));
    let expected = [
        (drawn, Response::OkNodata),
        (copied, Response::OkNodata),
        (refused, Response::Err(InvalidResourceId)),
    ];
    assert_eq!(f.answers(), expected);
}

#[test]
fn a_refusal_does_not_overtake_what_is_drawn() {
    let mut f = with_context();
    let drawn = fenced(&mut f, 1, submit());
    let wrong = fenced(&mut f, 2, submit());
    f.renderer.answer(1, Err(InvalidParameter), 0);
    f.hear_renderer();
    assert_eq!(f.answers(), []);
    f.renderer_does(Ok(Done::Nothing));
    let expected = [
        (drawn, Response::OkNodata),
        (wrong, Response::Err(InvalidParameter)),
    ];
    assert_eq!(f.answers(), expected);
}

#[test]
fn rings_do_not_wait_for_each_other() {
    let mut f = with_context();
    f.execute(header(Some(1), Some(0)), submit());
    let Reply::Later(second) = f.execute(header(Some(2), Some(1)), submit()) else {
        panic!("answered at once");
    };
    f.renderer.answer(1, Ok(Done::Nothing), 0);
    f.hear_renderer();
    assert_eq!(f.answered(), [second]);
}

#[test]
fn a_flush_that_waits_for_the_screen_does_not_hold_up_what_is_drawn() {
    let mut f = with_context();
    f.create(2, 64, 64, 0);
    f.ok(set_scanout(0, 2, rect(0, 0, 64, 64)));
    let flushed = f.flush_later(2, rect(0, 0, 64, 64));
    let frame = f.frame().id;
    let drawn = fenced(&mut f, 2, submit());
    f.renderer_does(Ok(Done::Nothing));
    assert_eq!(f.answered(), [drawn]);
    // But it does not overtake what is drawn.
    let drawn = fenced(&mut f, 3, submit());
    f.presented(frame, false);
    f.event(DisplayEvent::Ready(SCREEN));
    assert_eq!(f.answered(), [flushed], "older than what is drawn now");
    let flushed = f.flush_later(2, rect(0, 0, 64, 64));
    let frame = f.frame().id;
    f.presented(frame, false);
    assert_eq!(f.answered(), []);
    f.renderer_does(Ok(Done::Nothing));
    assert_eq!(f.answered(), [drawn, flushed]);
}
