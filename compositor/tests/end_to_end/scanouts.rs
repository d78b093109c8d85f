//! Resources that go while they are shown, and scanouts that are switched off and on.

use std::time::{Duration, Instant};

use guest::kms::BufferKind;

use super::{
    guest_side::{is_frame, is_picture, no_failures, screen, show},
    rig::{Rig, Setup, output, scanout},
};

const SIZE: (u32, u32) = (320, 240);

/// A window stays for half a second after its scanout was switched off. What a test sees later
/// than this may be either.
const STAYS: Duration = Duration::from_millis(400);

fn rig() -> Rig {
    Setup::new(&["640x480"]).guest("g", &["320x240"]).start()
}

/// That a window still shows a frame, unless so much time has passed since `off` that it need not.
#[track_caller]
fn assert_still_shown(rig: &Rig, off: Instant, frame: u32) {
    match rig.try_shot(&scanout("g", 0)) {
        Some(image) => is_frame(SIZE, frame)(&image).unwrap(),
        None => assert!(off.elapsed() > STAYS, "the window went at once"),
    }
}

#[test]
fn a_resource_that_is_destroyed_while_shown_leaves_its_picture_to_the_next_one() {
    let rig = rig();
    let mut driver = rig.driver("g");
    for (frame, kind) in [(1, BufferKind::Dumb2d), (2, BufferKind::Blob)]
        .repeat(3)
        .into_iter()
    {
        let mut old = screen(&mut driver, 0, SIZE, kind);
        show(&mut driver, &mut old, frame);
        rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, frame));

        let off = Instant::now();
        driver.unref(old.front().unwrap().resource_id()).unwrap();
        assert_still_shown(&rig, off, frame);
        let stats = rig.stats("g", 0);
        assert_eq!(
            (stats.width, stats.height),
            (0, 0),
            "it shows nothing any more"
        );
        // Pages that a guest got back become anything.
        let pages = old.front().unwrap().backing();
        let rubbish = vec![0x55; usize::try_from(pages.size()).unwrap()];
        driver.ram().write_backing(pages, 0, &rubbish).unwrap();
        assert_still_shown(&rig, off, frame);
        driver.unref(old.back().unwrap().resource_id()).unwrap();
        old.abandon(&mut driver);
    }
    rig.wait_for_nothing(&scanout("g", 0));
    let mut last = screen(&mut driver, 0, SIZE, BufferKind::Blob);
    show(&mut driver, &mut last, 7);
    rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, 7));
}

#[test]
fn a_scanout_that_stays_off_has_no_window_and_comes_back() {
    let rig = rig();
    let mut driver = rig.driver("g");
    for kind in [BufferKind::Dumb2d, BufferKind::Blob] {
        let mut screen = screen(&mut driver, 0, SIZE, kind);
        for frame in 1..3 {
            show(&mut driver, &mut screen, frame);
            rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, frame));

            let off = Instant::now();
            screen.disable(&mut driver).unwrap();
            assert_still_shown(&rig, off, frame);
            rig.wait_for_nothing(&scanout("g", 0));
            assert!(off.elapsed() > STAYS, "the window went too early");
            let black = is_picture((640, 480), |_, _| [0; 3]);
            rig.wait_for_picture(&output(1), black);
        }
        show(&mut driver, &mut screen, 5);
        rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, 5));
        screen.destroy(&mut driver).unwrap();
    }
}

#[test]
fn a_window_outlives_mode_sets() {
    let rig = rig();
    let mut driver = rig.driver("g");
    let mut screen = screen(&mut driver, 0, SIZE, BufferKind::Dumb2d);
    show(&mut driver, &mut screen, 0);
    rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, 0));
    for frame in 1..20 {
        let size = (320 + 8 * (frame % 3), 240 - 6 * (frame % 2));
        let off = Instant::now();
        // The scanout is off, then on in the new mode, then the old buffers go.
        screen.resize(&mut driver, size).unwrap();
        show(&mut driver, &mut screen, frame);
        let shown = rig.try_shot(&scanout("g", 0)).is_some();
        assert!(shown || off.elapsed() > STAYS, "the window went");
        rig.wait_for_picture(&scanout("g", 0), is_frame(size, frame));
    }
    no_failures(&mut driver);
}
