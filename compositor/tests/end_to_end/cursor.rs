//! The guest's pointer: on the screen, and in `stats`.

use compositor::screenshot::Image;
use guest::{
    driver::Driver,
    habit::Habit,
    kms::{BufferKind, Pointer},
    pattern,
};
use protocols::{ipc::CursorState, virtio_gpu::Format};

use super::{
    guest_side::{is_picture, no_failures, screen, show},
    rig::{Rig, Setup, output},
};

const SIZE: (u32, u32) = (320, 240);
const HOT: (u32, u32) = (5, 9);

fn rig() -> Rig {
    Setup::new(&["320x240"]).guest("g", &["320x240"]).start()
}

/// Whether a pixel of the pointer image is opaque; the others let the screen through. No two
/// edges are alike.
fn opaque(x: u32, y: u32) -> bool {
    x + y / 2 < 48 && !(10..20).contains(&x)
}

/// The colour of an opaque pixel.
fn colour(x: u32, y: u32, shade: u8) -> [u8; 3] {
    let byte = |number: u32| u8::try_from(number).unwrap();
    [shade, byte(3 * x), byte(4 * y)]
}

/// The image as the guest draws it: bytes B, G, R, A.
fn image(shade: u8) -> Vec<u8> {
    let places = (0..64).flat_map(|y| (0..64).map(move |x| (x, y)));
    let pixel = |(x, y)| {
        let [r, g, b] = colour(x, y, shade);
        if opaque(x, y) { [b, g, r, 255] } else { [0; 4] }
    };
    places.flat_map(pixel).collect()
}

/// The screen of frame 1 with the pointer at a position, or without one.
fn with_pointer(pointer: Option<((i32, i32), u8)>) -> impl Fn(&Image) -> Result<(), String> {
    is_picture(SIZE, move |x, y| {
        let on_image = pointer.and_then(|((left, top), shade)| {
            let place =
                |at: u32, corner: i32| u32::try_from(i64::from(at) - i64::from(corner)).ok();
            let (x, y) = (place(x, left)?, place(y, top)?);
            (x < 64 && y < 64 && opaque(x, y)).then(|| colour(x, y, shade))
        });
        on_image.unwrap_or_else(|| pattern::pixel(x, y, 1))
    })
}

fn state(position: (i32, i32), visible: bool) -> CursorState {
    CursorState {
        x: position.0,
        y: position.1,
        visible,
        width: 64,
        height: 64,
        hot_x: HOT.0,
        hot_y: HOT.1,
    }
}

#[track_caller]
fn expect(rig: &Rig, position: (i32, i32), shade: u8) {
    rig.wait_for_picture(&output(1), with_pointer(Some((position, shade))));
    rig.wait_for_stats("g", 0, |stats| stats.cursor == Some(state(position, true)));
}

/// A screen that shows frame 1, and is left alone from then on.
fn still_screen(rig: &Rig) -> Driver {
    let mut driver = rig.driver("g");
    let mut screen = screen(&mut driver, 0, SIZE, BufferKind::Dumb2d);
    show(&mut driver, &mut screen, 1);
    rig.wait_for_picture(&output(1), with_pointer(None));
    driver
}

#[test]
fn the_pointer_is_where_the_guest_wants_it_though_the_screen_stands_still() {
    let rig = rig();
    let mut driver = still_screen(&rig);
    assert_eq!(rig.stats("g", 0).cursor, None);
    let presented = rig.stats("g", 0).frames_presented;
    for (shade, kind) in [(200, BufferKind::Dumb2d), (100, BufferKind::Blob)] {
        let pointer = Pointer::new(&mut driver, 0, kind, HOT).unwrap();
        pointer.show(&mut driver, &image(shade), (40, 30)).unwrap();
        expect(&rig, (40, 30), shade);
        // Anywhere, beyond every edge, and back.
        for position in [
            (41, 30),
            (200, 111),
            (-20, 50),
            (60, -33),
            (300, 215),
            (-10, -10),
            (0, 0),
        ] {
            pointer.move_to(&mut driver, position).unwrap();
            expect(&rig, position, shade);
        }
        // Wholly outside is not hidden.
        pointer.move_to(&mut driver, (-64, 500)).unwrap();
        rig.wait_for_picture(&output(1), with_pointer(None));
        rig.wait_for_stats("g", 0, |stats| {
            stats.cursor == Some(state((-64, 500), true))
        });
        // Another image at another place.
        pointer
            .show(&mut driver, &image(shade + 50), (120, 77))
            .unwrap();
        expect(&rig, (120, 77), shade + 50);

        pointer.hide(&mut driver).unwrap();
        rig.wait_for_picture(&output(1), with_pointer(None));
        rig.wait_for_stats("g", 0, |stats| {
            stats.cursor.is_some_and(|cursor| !cursor.visible)
        });
        pointer.show(&mut driver, &image(shade), (7, 8)).unwrap();
        expect(&rig, (7, 8), shade);
        // Its pixels stay when the resource goes, as everything stays that a scanout shows.
        pointer.destroy(&mut driver).unwrap();
        expect(&rig, (7, 8), shade);
        driver.hide_cursor(0).unwrap();
        rig.wait_for_picture(&output(1), with_pointer(None));
    }
    no_failures(&mut driver);
    let stats = rig.stats("g", 0);
    assert_eq!(
        stats.frames_presented, presented,
        "the pointer's changes are no frames"
    );
}

#[test]
fn a_pointer_moves_with_a_screen_that_moves() {
    let rig = rig();
    let mut driver = rig.driver("g");
    let mut screen = screen(&mut driver, 0, SIZE, BufferKind::Dumb2d);
    let pointer = Pointer::new(&mut driver, 0, BufferKind::Dumb2d, HOT).unwrap();
    pointer.show(&mut driver, &image(1), (0, 0)).unwrap();
    for step in 0..60 {
        pointer.move_to(&mut driver, (3 * step, 2 * step)).unwrap();
        show(&mut driver, &mut screen, 1);
    }
    expect(&rig, (177, 118), 1);
    no_failures(&mut driver);
}

#[test]
fn the_pointer_of_windows_is_shown() {
    let rig = rig();
    let habit = Habit::Windows;
    let mut driver = rig.driver_with("g", &habit.options(&Rig::options()));
    let mut desktop = habit.boot(&mut driver, 0, None).unwrap();
    let picture = pattern::image(Format::Bgrx8888, SIZE.0, SIZE.1, 1);
    desktop.show(&mut driver, &picture).unwrap();
    let pointer = desktop
        .pointer(&mut driver, &image(90), HOT, (30, 40))
        .unwrap()
        .unwrap();
    expect(&rig, (30, 40), 90);
    pointer.move_to(&mut driver, (33, 44)).unwrap();
    expect(&rig, (33, 44), 90);
    no_failures(&mut driver);
}

#[test]
fn a_reset_takes_the_pointer_away() {
    let rig = rig();
    let mut driver = still_screen(&rig);
    let pointer = Pointer::new(&mut driver, 0, BufferKind::Dumb2d, HOT).unwrap();
    pointer.show(&mut driver, &image(3), (50, 50)).unwrap();
    expect(&rig, (50, 50), 3);
    driver.reboot().unwrap();
    rig.wait_for_picture(&output(1), with_pointer(None));
    assert_eq!(rig.stats("g", 0).cursor, None);
}
