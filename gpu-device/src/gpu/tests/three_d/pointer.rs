//! Pointer images that the renderer holds.

use protocols::virtio_gpu::ErrorCode::*;

use super::*;
use crate::{
    display::{CursorUpdate, recording::Call},
    renderer::Done,
};

fn update(resource_id: u32, x: i32) -> Command {
    Command::UpdateCursor {
        scanout_id: 0,
        x,
        y: 5,
        resource_id,
        hot_x: 100,
        hot_y: 3,
    }
}

fn move_to(x: i32) -> Command {
    Command::MoveCursor {
        scanout_id: 0,
        x,
        y: 5,
        resource_id: 3,
        hot_x: 0,
        hot_y: 0,
    }
}

fn cursors(f: &mut Fixture) -> Vec<CursorUpdate> {
    let calls = f.display.take_calls().into_iter();
    calls
        .filter_map(|call| match call {
            Call::Cursor(_, update) => Some(update),
            _ => None,
        })
        .collect()
}

#[test]
fn it_is_shown_where_the_pointer_is_once_it_is_read_back() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 64);
    f.ok(update(3, 1));
    assert_eq!(cursors(&mut f), []);
    f.ok(move_to(2));
    f.renderer_does_all();
    let [CursorUpdate::Image { image, x: 2, y: 5 }] = &cursors(&mut f)[..] else {
        panic!("no image");
    };
    assert_eq!(
        (image.width, image.height, image.hot_x, image.hot_y),
        (64, 64, 63, 3)
    );
    assert_eq!(image.pixels, vec![9; 64 * 64 * 4]);
    f.ok(move_to(4));
    assert_eq!(cursors(&mut f), [CursorUpdate::Move { x: 4, y: 5 }]);
}

#[test]
fn only_the_newest_of_several_is_shown() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 64);
    make_texture(&mut f, 4, 32, 32);
    f.ok(update(3, 1));
    f.ok(update(3, 2));
    f.ok(update(4, 3));
    assert_eq!(f.renderer.sent.len(), 1);
    f.renderer_does_all();
    let shown = cursors(&mut f);
    assert!(matches!(&shown[..], [CursorUpdate::Image { image, x: 3, .. }] if image.width == 32));
    assert_eq!(f.renderer.lent.len(), 1);
}

#[test]
fn a_hidden_pointer_stays_hidden() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 64);
    f.ok(update(3, 1));
    f.ok(update(0, 1));
    f.renderer_does_all();
    assert_eq!(cursors(&mut f), []);
    f.ok(update(3, 1));
    f.renderer_does(Err(Unspec));
    assert_eq!(cursors(&mut f), []);
    f.ok(update(3, 1));
    f.renderer_does(Ok(Done::Nothing));
    assert_eq!(cursors(&mut f).len(), 1);
}

#[test]
fn impossible_images_are_refused() {
    let mut f = with_context();
    make_texture(&mut f, 3, 65, 64);
    f.refuse(update(3, 1), InvalidParameter);
    f.later(host_blob(4, 16384));
    f.refuse(update(4, 1), InvalidParameter);
    f.refuse(update(9, 1), InvalidResourceId);
    make_texture(&mut f, 5, 64, 64);
    f.renderer_dies();
    f.refuse(update(5, 1), InvalidResourceId);
}

#[test]
fn a_renderer_that_dies_or_is_reset_keeps_no_memory() {
    let mut f = with_context();
    make_texture(&mut f, 3, 64, 64);
    f.ok(update(3, 1));
    f.renderer_dies();
    assert_eq!(cursors(&mut f), []);
    f.later(create_context());
    make_texture(&mut f, 4, 64, 64);
    f.ok(update(4, 1));
    f.renderer_does_all();
    assert_eq!(cursors(&mut f).len(), 1);
    f.reset();
    assert!(f.renderer.lent.is_empty());
}
