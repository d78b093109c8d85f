//! Pointers.

use protocols::virtio_gpu::{Command, ErrorCode::*, Format};

use super::fixture::*;
use crate::display::{CursorUpdate, recording::Call};

fn update(resource_id: u32, x: i32, y: i32, hot: (u32, u32)) -> Command {
    Command::UpdateCursor {
        scanout_id: 0,
        x,
        y,
        resource_id,
        hot_x: hot.0,
        hot_y: hot.1,
    }
}

fn move_to(resource_id: u32, x: i32, y: i32) -> Command {
    Command::MoveCursor {
        scanout_id: 0,
        x,
        y,
        resource_id,
        hot_x: 0,
        hot_y: 0,
    }
}

fn updates(f: &mut Fixture) -> Vec<CursorUpdate> {
    let updates = f
        .display
        .take_calls()
        .into_iter()
        .filter_map(|call| match call {
            Call::Cursor(SCREEN, update) => Some(update),
            _ => None,
        });
    updates.collect()
}

/// A device with a pointer image of 64x64 in resource 1, all bytes 7.
fn with_image() -> Fixture {
    let mut f = Fixture::new();
    f.write(0, &[7; 64 * 64 * 4]);
    f.ok(create_2d(1, Format::Bgra8888, 64, 64));
    f.ok(attach(1, 0, 64 * 64 * 4));
    f.ok(transfer(1, rect(0, 0, 64, 64), 0));
    f
}

#[test]
fn an_image_is_shown_moved_and_hidden() {
    let mut f = with_image();
    f.ok(update(1, 10, 20, (3, 4)));
    let [
        CursorUpdate::Image {
            image,
            x: 10,
            y: 20,
        },
    ] = &updates(&mut f)[..]
    else {
        panic!("no image")
    };
    assert_eq!(
        (image.width, image.height, image.hot_x, image.hot_y),
        (64, 64, 3, 4)
    );
    assert_eq!(image.pixels, vec![7; 64 * 64 * 4]);

    f.ok(move_to(1, 11, 21));
    assert_eq!(updates(&mut f), [CursorUpdate::Move { x: 11, y: 21 }]);
    f.ok(update(0, 12, 22, (0, 0)));
    assert_eq!(updates(&mut f), [CursorUpdate::Hide]);
    let cursor = f.stats().cursor.unwrap();
    assert_eq!(
        (cursor.x, cursor.y, cursor.visible, cursor.width),
        (12, 22, false, 64)
    );
}

#[test]
fn positions_may_be_negative() {
    let mut f = with_image();
    f.ok(update(1, -5, -7, (0, 0)));
    assert!(matches!(
        updates(&mut f)[..],
        [CursorUpdate::Image { x: -5, y: -7, .. }]
    ));
    f.ok(move_to(1, i32::MIN, i32::MAX));
    assert_eq!(
        updates(&mut f),
        [CursorUpdate::Move {
            x: i32::MIN,
            y: i32::MAX
        }]
    );
}

#[test]
fn a_move_with_resource_zero_hides_and_another_one_shows_again() {
    let mut f = with_image();
    f.ok(update(1, 1, 1, (0, 0)));
    updates(&mut f);
    f.ok(move_to(0, 2, 2));
    f.ok(move_to(0, 3, 3));
    assert_eq!(updates(&mut f), [CursorUpdate::Hide]);
    // Windows parks the pointer with a resource that it does not name elsewhere.
    f.ok(move_to(99, 0, 0));
    assert!(matches!(
        updates(&mut f)[..],
        [CursorUpdate::Image { x: 0, y: 0, .. }]
    ));
}

#[test]
fn a_move_before_any_image_shows_nothing() {
    let mut f = Fixture::new();
    f.ok(move_to(1, 5, 5));
    f.ok(update(0, 5, 5, (0, 0)));
    assert!(updates(&mut f).is_empty());
    assert_eq!(f.stats().cursor, None);
}

#[test]
fn moves_to_the_same_place_are_not_told() {
    let mut f = with_image();
    f.ok(update(1, 1, 1, (0, 0)));
    updates(&mut f);
    f.ok(move_to(1, 1, 1));
    assert!(updates(&mut f).is_empty());
}

#[test]
fn the_image_survives_its_resource() {
    let mut f = with_image();
    f.ok(update(1, 1, 1, (0, 0)));
    f.ok(unref(1));
    f.ok(move_to(0, 1, 1));
    updates(&mut f);
    f.ok(move_to(1, 2, 2));
    let shown = updates(&mut f);
    assert!(matches!(&shown[..], [CursorUpdate::Image { image, .. }] if image.pixels[0] == 7));
}

#[test]
fn a_hotspot_outside_of_the_image_is_pulled_in() {
    let mut f = with_image();
    f.ok(update(1, 0, 0, (64, u32::MAX)));
    let shown = updates(&mut f);
    assert!(
        matches!(&shown[..], [CursorUpdate::Image { image, .. }] if image.hot_x == 63 && image.hot_y == 63)
    );
}

#[test]
fn other_byte_orders_are_converted() {
    let mut f = Fixture::new();
    f.write(0, &[1, 2, 3, 4].repeat(32 * 16));
    f.ok(create_2d(1, Format::Rgba8888, 32, 16));
    f.ok(attach(1, 0, 32 * 16 * 4));
    f.ok(transfer(1, rect(0, 0, 32, 16), 0));
    f.ok(update(1, 0, 0, (0, 0)));
    let shown = updates(&mut f);
    let [CursorUpdate::Image { image, .. }] = &shown[..] else {
        panic!("{shown:?}")
    };
    assert_eq!((image.width, image.height), (32, 16));
    assert_eq!(image.pixels, [3, 2, 1, 4].repeat(32 * 16));
}

#[test]
fn a_blob_is_an_image_of_64_by_64() {
    let mut f = Fixture::new();
    f.write(0, &[9; 64 * 64 * 4]);
    f.create_blob(1, 0, 64 * 64 * 4);
    f.create_blob(2, 0, 64 * 64 * 4 - 1);
    f.ok(create_blob(3, 64 * 64 * 4, &[]));
    f.ok(update(1, 0, 0, (0, 0)));
    let shown = updates(&mut f);
    assert!(
        matches!(&shown[..], [CursorUpdate::Image { image, .. }] if image.pixels == vec![9; 64 * 64 * 4])
    );
    f.refuse(update(2, 0, 0, (0, 0)), InvalidParameter);
    f.refuse(update(3, 0, 0, (0, 0)), Unspec);
    assert!(updates(&mut f).is_empty());
}

#[test]
fn wrong_commands_change_nothing() {
    let mut f = with_image();
    f.ok(create_2d(2, Format::Bgra8888, 65, 64));
    f.ok(update(1, 1, 1, (0, 0)));
    updates(&mut f);
    f.refuse(update(2, 9, 9, (0, 0)), InvalidParameter);
    f.refuse(update(77, 9, 9, (0, 0)), InvalidResourceId);
    for scanout_id in [1, 16, 31, 1 << 31, u32::MAX] {
        let (x, y, hot_x, hot_y) = (9, 9, 0, 0);
        let update = Command::UpdateCursor {
            scanout_id,
            x,
            y,
            resource_id: 1,
            hot_x,
            hot_y,
        };
        f.refuse(update, InvalidScanoutId);
        let hide = Command::UpdateCursor {
            scanout_id,
            x,
            y,
            resource_id: 0,
            hot_x,
            hot_y,
        };
        f.refuse(hide, InvalidScanoutId);
        let moved = Command::MoveCursor {
            scanout_id,
            x,
            y,
            resource_id: 1,
            hot_x,
            hot_y,
        };
        f.refuse(moved, InvalidScanoutId);
    }
    assert!(updates(&mut f).is_empty());
    assert_eq!(
        f.stats().cursor.map(|cursor| (cursor.x, cursor.visible)),
        Some((1, true))
    );
}

#[test]
fn a_reset_hides_the_pointer() {
    let mut f = with_image();
    f.ok(update(1, 1, 1, (0, 0)));
    updates(&mut f);
    f.reset();
    assert_eq!(updates(&mut f), [CursorUpdate::Hide]);
    assert_eq!(f.stats().cursor, None);
}
