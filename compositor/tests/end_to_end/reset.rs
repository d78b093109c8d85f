//! Guests that reboot, and VMMs that go, in the middle of a frame.

use guest::{driver::Driver, frontend::Dialect, kms::BufferKind, pattern, ram::Backing};
use protocols::virtio_gpu::Format;

use super::{
    guest_side::{is_frame, no_failures, screen, show},
    rig::{Rig, Setup, scanout},
};

const SIZE: (u32, u32) = (320, 240);

/// The output refreshes so seldom that a flush is held until the device gives up waiting for it:
/// whatever comes right after the flush comes in mid-frame.
fn rig() -> Rig {
    Setup::new(&["640x480@4"]).guest("g", &["320x240"]).start()
}

/// Flushes a frame with a fence and does not wait. The device's answer finds nobody: the pages are
/// the guest's again.
#[track_caller]
fn leave_in_mid_frame(driver: &mut Driver, kind: BufferKind, frame: u32) -> Vec<Backing> {
    let mut screen = screen(driver, 0, SIZE, kind);
    let image = pattern::image(Format::Bgrx8888, SIZE.0, SIZE.1, frame);
    for _ in 0..2 {
        assert!(screen.flip(driver, &image).unwrap().is_some());
    }
    assert!(driver.requests_under_way() > 0, "the flush is held");
    let pages = [screen.front(), screen.back()].map(|buffer| buffer.unwrap().backing().clone());
    screen.abandon(driver);
    pages.into()
}

#[test]
fn a_guest_that_resets_in_mid_frame_keeps_its_window_and_its_next_driver_shows_pictures() {
    let rig = rig();
    let device = rig.guest("g").device_pid;
    for dialect in Dialect::ALL {
        let mut driver = rig.driver_as("g", dialect);
        for (frame, kind) in [(10, BufferKind::Dumb2d), (20, BufferKind::Blob)] {
            let mut first = screen(&mut driver, 0, SIZE, kind);
            show(&mut driver, &mut first, frame);
            rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, frame));
            first.destroy(&mut driver).unwrap();

            let pages = leave_in_mid_frame(&mut driver, kind, frame + 1);
            driver.reset().unwrap();
            assert_eq!(driver.requests_under_way(), 0);
            // What boots next uses the memory for something else.
            for pages in pages {
                let rubbish = vec![0x55; usize::try_from(pages.size()).unwrap()];
                driver.ram().write_backing(&pages, 0, &rubbish).unwrap();
            }
            rig.wait_for_picture(&scanout("g", 0), |shown| {
                is_frame(SIZE, frame)(shown).or_else(|_| is_frame(SIZE, frame + 1)(shown))
            });

            // Ids begin anew: nothing is left of the old driver's resources.
            driver.reboot().unwrap();
            let mut second = screen(&mut driver, 0, SIZE, kind);
            show(&mut driver, &mut second, frame + 2);
            rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, frame + 2));
            second.destroy(&mut driver).unwrap();
        }
    }
    assert_eq!(rig.guest("g").device_pid, device);
}

#[test]
fn many_reboots_in_a_row_leave_nothing_behind() {
    let rig = rig();
    for dialect in Dialect::ALL {
        let mut driver = rig.driver_as("g", dialect);
        let free = driver.ram().available();
        for reboot in 0..20 {
            let kind = [BufferKind::Dumb2d, BufferKind::Blob][reboot % 2];
            leave_in_mid_frame(&mut driver, kind, 1);
            driver.reboot().unwrap();
            assert_eq!(driver.ram().available(), free, "reboot {reboot}");
        }
        let mut last = screen(&mut driver, 0, SIZE, BufferKind::Blob);
        show(&mut driver, &mut last, 30);
        rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, 30));
        no_failures(&mut driver);
    }
}

#[test]
fn the_next_vmm_is_served_when_one_has_gone_in_mid_frame() {
    let rig = rig();
    for (frame, dialect) in (1..).zip([Dialect::ALL, Dialect::ALL].concat()) {
        let mut driver = rig.driver_as("g", dialect);
        let mut first = screen(&mut driver, 0, SIZE, BufferKind::Blob);
        show(&mut driver, &mut first, frame);
        rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, frame));
        leave_in_mid_frame(&mut driver, BufferKind::Blob, frame);
        drop(driver);
        is_frame(SIZE, frame)(&rig.shot(&scanout("g", 0))).unwrap();
    }
    rig.wait_for("the device to notice", |rig| {
        (rig.guest("g").state == protocols::ipc::GuestState::Waiting).then_some(())
    });
}
