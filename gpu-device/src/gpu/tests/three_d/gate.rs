//! Guests that draw into what the host still shows.

use std::time::Duration;

use super::{screen::show, *};
use crate::display::DisplayEvent;

/// A guest with two buffers has shown both; the host still has the first.
fn with_two_buffers() -> (Fixture, crate::display::BufferId) {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 32);
    make_texture(&mut f, 4, 64, 32);
    let first = show(&mut f, 3);
    f.shown(first.id);
    let second = show(&mut f, 4);
    f.presented(second.id, true);
    f.answered();
    (f, first.buffer)
}

#[test]
fn it_waits_for_the_release_and_all_behind_it_do() {
    let (mut f, first) = with_two_buffers();
    let drawn = f.later(submit());
    let behind = f.later(create_3d(9, texture(1, 1)));
    assert_eq!(f.renderer.take_log(), []);
    // The pointer does not wait.
    f.ok(Command::UpdateCursor {
        scanout_id: 0,
        x: 0,
        y: 0,
        resource_id: 0,
        hot_x: 0,
        hot_y: 0,
    });
    f.event(DisplayEvent::Released(first));
    let log = f.renderer.take_log();
    assert!(matches!(
        log[..],
        [Asked::Submit { .. }, Asked::CreateTexture { .. }]
    ));
    f.renderer_does_all();
    assert_eq!(f.answered(), [drawn, behind]);
    f.later(submit());
    assert_eq!(f.renderer.take_log().len(), 1);
}

#[test]
fn a_guest_that_is_ahead_of_the_host_waits() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 32);
    make_texture(&mut f, 4, 64, 32);
    let first = show(&mut f, 3);
    let whole = rect(0, 0, 64, 32);
    f.ok(set_scanout(0, 4, whole));
    f.later(flush(4, whole));
    // What comes next goes into the texture that the host is about to show.
    f.later(submit());
    assert_eq!(f.renderer.take_log(), [Asked::Export(4), Asked::Nothing]);
    f.renderer_does(Ok(exported(64, 32)));
    f.renderer_does_all();
    f.event(DisplayEvent::Ready(SCREEN));
    f.frame();
    assert_eq!(f.renderer.take_log(), []);
    f.event(DisplayEvent::Released(first.buffer));
    assert_eq!(f.renderer.take_log().len(), 1);
}

#[test]
fn a_host_that_keeps_it_is_not_waited_for_long() {
    let (mut f, _) = with_two_buffers();
    f.later(submit());
    let deadline = f.gpu.next_deadline().unwrap();
    f.wait(Duration::from_millis(44));
    assert_eq!(f.renderer.take_log(), []);
    f.wait(Duration::from_millis(1));
    assert!(deadline <= f.now);
    assert_eq!(f.renderer.take_log().len(), 1);
    // Nor is it waited for again.
    f.later(submit());
    assert_eq!(f.renderer.take_log().len(), 1);
    assert_eq!(f.gpu.next_deadline(), None);
}

#[test]
fn contexts_that_do_not_use_it_draw_on() {
    let (mut f, _) = with_two_buffers();
    let header = Header {
        ctx_id: 2,
        ..Header::default()
    };
    f.execute(header, create_context());
    f.execute(header, submit());
    assert_eq!(f.renderer.take_log().len(), 2);
}

#[test]
fn a_guest_with_one_buffer_draws_into_it() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 32);
    show(&mut f, 3);
    f.later(submit());
    assert_eq!(f.renderer.take_log().len(), 1);
}

#[test]
fn too_much_that_waits_waits_no_longer() {
    let (mut f, _) = with_two_buffers();
    let commands = vec![0; 1 << 20];
    for _ in 0..17 {
        f.later(Command::Submit3d {
            commands: commands.clone(),
        });
    }
    f.wait(Duration::ZERO);
    assert_eq!(f.renderer.take_log().len(), 17);
}

#[test]
fn what_waits_is_fenced_as_it_came() {
    let (mut f, first) = with_two_buffers();
    f.create(2, 16, 16, 0);
    let drawn = fenced(&mut f, 1, submit());
    let wrong = fenced(&mut f, 2, unref(99));
    let copied = fenced(&mut f, 3, transfer(2, rect(0, 0, 16, 16), 0));
    f.event(DisplayEvent::Released(first));
    assert_eq!(f.answers(), []);
    f.renderer_does_all();
    let answered: Vec<_> = f.answers().into_iter().map(|(ticket, _)| ticket).collect();
    assert_eq!(answered, [drawn, wrong, copied]);
}
