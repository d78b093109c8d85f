//! Several guests with several screens on several outputs at once.

use guest::{
    driver::Driver,
    kms::{BufferKind, Screen},
    pattern,
};

use super::{
    guest_side::{is_frame, is_picture, screen, show},
    rig::{Setup, output, scanout},
};

/// Sizes of each guest's scanouts; those of guest `b` cover parts of those of guest `a`.
const A: [(u32, u32); 3] = [(320, 240), (400, 300), (352, 288)];
const B: [(u32, u32); 2] = [(160, 120), (200, 100)];

/// Screens of both kinds, all in the driver's guest.
fn screens(driver: &mut Driver, sizes: &[(u32, u32)]) -> Vec<Screen> {
    let kinds = [BufferKind::Dumb2d, BufferKind::Blob];
    let screens = (0..).zip(sizes).zip(kinds.iter().cycle());
    screens
        .map(|((scanout, &size), &kind)| screen(driver, scanout, size, kind))
        .collect()
}

/// A different picture for each scanout of a guest.
fn frame_of(round: u32, guest: u32, scanout: usize) -> u32 {
    100 * round + 10 * guest + u32::try_from(scanout).unwrap()
}

#[test]
fn two_guests_and_five_scanouts_are_all_right_at_once() {
    let rig = Setup::new(&["480x360", "480x360", "480x360"])
        .guest("a", &["320x240", "400x300", "352x288"])
        .guest("b", &["160x120", "200x100"])
        .start();
    let (mut a, mut b) = (rig.driver("a"), rig.driver("b"));
    let mut screens_a = screens(&mut a, &A);
    let mut screens_b = screens(&mut b, &B);

    for round in 0..5 {
        for (number, screen) in screens_a.iter_mut().enumerate() {
            show(&mut a, screen, frame_of(round, 1, number));
        }
        for (number, screen) in screens_b.iter_mut().enumerate() {
            show(&mut b, screen, frame_of(round, 2, number));
        }
        for number in 0..3_u8 {
            let index = usize::from(number);
            let frame_a = frame_of(round, 1, index);
            rig.wait_for_picture(&scanout("a", number), is_frame(A[index], frame_a));
            let above = B.get(index).copied().unwrap_or_default();
            let frame_b = frame_of(round, 2, index);
            if index < B.len() {
                rig.wait_for_picture(&scanout("b", number), is_frame(above, frame_b));
            }
            // On its output, b's scanout lies on a's, and nothing is around them.
            let inside = |(width, height), x, y| x < width && y < height;
            let wanted = move |x, y| match () {
                () if inside(above, x, y) => pattern::pixel(x, y, frame_b),
                () if inside(A[index], x, y) => pattern::pixel(x, y, frame_a),
                () => [0; 3],
            };
            rig.wait_for_picture(&output(index + 1), is_picture((480, 360), wanted));
        }
    }
    for (guest, sizes) in [("a", &A[..]), ("b", &B[..])] {
        let stats = rig.try_stats(guest).unwrap();
        let shown: Vec<_> = stats
            .iter()
            .map(|stats| (stats.width, stats.height))
            .collect();
        assert_eq!(shown, sizes);
        for stats in stats {
            assert_eq!(stats.frames_flushed, 5, "{stats:?}");
        }
    }
}

#[test]
fn more_scanouts_than_outputs_share_them() {
    let sizes = [(320, 240), (256, 192), (192, 144), (128, 96)];
    let modes = ["320x240", "256x192", "192x144", "128x96"];
    let rig = Setup::new(&["480x360", "480x360"])
        .guest("g", &modes)
        .start();
    let mut driver = rig.driver("g");
    let mut screens = screens(&mut driver, &sizes);
    for (number, screen) in (0..).zip(&mut screens) {
        show(&mut driver, screen, number);
    }
    for (number, size) in (0..).zip(sizes) {
        let target = scanout("g", number);
        rig.wait_for_picture(&target, is_frame(size, number.into()));
    }
    // The later one of two that share an output lies above.
    for (number, below, above) in [(1, 0, 2), (2, 1, 3)] {
        let inside = |index: u32, x, y| {
            let (width, height) = sizes[usize::try_from(index).unwrap()];
            x < width && y < height
        };
        let wanted = move |x, y| match () {
            () if inside(above, x, y) => pattern::pixel(x, y, above),
            () if inside(below, x, y) => pattern::pixel(x, y, below),
            () => [0; 3],
        };
        rig.wait_for_picture(&output(number), is_picture((480, 360), wanted));
    }
}
