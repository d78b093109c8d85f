//! A window gets another size, and the guest follows.

use std::time::{Duration, Instant};

use guest::{
    driver::Driver,
    frontend::Dialect,
    kms::{BufferKind, Connector, Screen, reprobe},
};

use super::{
    guest_side::{is_frame, is_picture, screen, show},
    rig::{PATIENCE, Rig, Setup, scanout},
};

const SIZE: (u32, u32) = (320, 240);

fn rig() -> Rig {
    Setup::new(&["1280x800", "1280x800"])
        .guest("g", &["320x240", "320x240"])
        .start()
}

/// Waits for the interrupt, and asks what there is as Linux does.
#[track_caller]
fn after_event(rig: &Rig, driver: &mut Driver) -> Vec<Connector> {
    rig.wait_for("the event", |_| {
        driver.poll(PATIENCE).unwrap();
        driver.take_display_changed().then_some(())
    });
    reprobe(driver).unwrap().expect("it is about monitors")
}

#[test]
fn a_resized_window_changes_the_guests_mode() {
    for dialect in [Dialect::QemuGeneric, Dialect::Crosvm, Dialect::Uml] {
        let rig = rig();
        let mut driver = rig.driver_as("g", dialect);
        let mut first = screen(&mut driver, 0, SIZE, BufferKind::Dumb2d);
        let mut second = screen(&mut driver, 1, SIZE, BufferKind::Blob);
        show(&mut driver, &mut first, 1);
        show(&mut driver, &mut second, 2);
        rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, 1));
        rig.wait_for_picture(&scanout("g", 1), is_frame(SIZE, 2));

        for (frame, size) in (3..).zip([(640, 480), (333, 247), (1279, 799), (64, 48)]) {
            rig.resize("g", 1, size);
            let connectors = after_event(&rig, &mut driver);
            assert_eq!(connectors[0].size, SIZE);
            assert_eq!(connectors[1].size, size);
            let (plugged, spare) = connectors.split_at(2);
            assert!(spare.iter().all(|connector| !connector.enabled));
            for connector in plugged {
                let mode = connector.preferred_mode().unwrap();
                assert_eq!((mode.width, mode.height), connector.size);
                assert!(connector.enabled && connector.edid_mode_is_valid());
            }
            assert_eq!(
                driver.config().unwrap().events_read,
                0,
                "the event is not cleared"
            );

            second.resize(&mut driver, size).unwrap();
            show(&mut driver, &mut second, frame);
            rig.wait_for_picture(&scanout("g", 1), is_frame(size, frame));
            let stats = rig.stats("g", 1);
            assert_eq!((stats.width, stats.height), size);
            is_frame(SIZE, 1)(&rig.shot(&scanout("g", 0))).unwrap();
        }
        // It does not go back and forth by itself.
        let settled = Instant::now() + Duration::from_millis(300);
        while Instant::now() < settled {
            driver.poll(Duration::from_millis(50)).unwrap();
        }
        assert!(!driver.take_display_changed());
    }
}

/// Shows one colour, which is the same however large the picture is made.
#[track_caller]
fn show_colour(driver: &mut Driver, screen: &mut Screen, [r, g, b]: [u8; 3]) {
    let (width, height) = screen.size();
    let pixels = usize::try_from(width * height).unwrap();
    let ticket = screen.flip(driver, &[b, g, r, 0].repeat(pixels)).unwrap();
    screen.wait(driver, ticket).unwrap();
}

#[test]
fn a_guest_that_does_not_follow_is_scaled() {
    let rig = rig();
    for dialect in Dialect::ALL {
        let mut driver = rig.driver_as("g", dialect);
        let mut screen = screen(&mut driver, 0, SIZE, BufferKind::Dumb2d);
        show(&mut driver, &mut screen, 1);
        rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, 1));
        for (size, colour) in [((500, 400), [250, 3, 9]), ((200, 100), [7, 251, 8])] {
            rig.resize("g", 0, size);
            // Also where no event reaches the guest, it finds the size when it asks.
            rig.wait_for("the mode", |_| {
                let mode = driver.display_info().unwrap()[0];
                ((mode.rect.width, mode.rect.height) == size).then_some(())
            });
            show_colour(&mut driver, &mut screen, colour);
            rig.wait_for_picture(&scanout("g", 0), is_picture(size, |_, _| colour));
        }
        rig.resize("g", 0, SIZE);
        rig.wait_for("the old mode", |_| {
            let mode = driver.display_info().unwrap()[0];
            ((mode.rect.width, mode.rect.height) == SIZE).then_some(())
        });
        show(&mut driver, &mut screen, 2);
        rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, 2));
        assert_eq!(driver.take_display_changed(), dialect.forwards_events());
        assert_eq!(
            driver.frontend().refused_events(),
            0,
            "an event that QEMU refuses"
        );
    }
}
