//! A VMM that stops its guest for a while, as for a snapshot or in a debugger.

use guest::{
    frontend::Dialect,
    kms::{BufferKind, Pointer},
};

use super::{
    guest_side::{is_frame, no_failures, screen, show},
    rig::{Setup, scanout},
};

const SIZE: (u32, u32) = (320, 240);

#[test]
fn a_paused_guest_keeps_its_picture_and_goes_on_where_it_was() {
    let rig = Setup::new(&["640x480"]).guest("g", &["320x240"]).start();
    // User Mode Linux never pauses.
    for dialect in [Dialect::QemuGeneric, Dialect::QemuGpu, Dialect::Crosvm] {
        let mut driver = rig.driver_as("g", dialect);
        let kind = BufferKind::of_linux(&driver);
        let mut screen = screen(&mut driver, 0, SIZE, kind);
        let pointer = Pointer::new(&mut driver, 0, kind, (0, 0)).unwrap();
        pointer
            .show(&mut driver, &[0; 64 * 64 * 4], (3, 4))
            .unwrap();
        for frame in 1..6 {
            show(&mut driver, &mut screen, frame);
            rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, frame));
            let before = rig.wait_for_stats("g", 0, |stats| {
                stats.frames_presented + stats.frames_missed == stats.frames_flushed
            });

            driver.pause().unwrap();
            is_frame(SIZE, frame)(&rig.shot(&scanout("g", 0))).unwrap();
            let paused = rig.stats("g", 0);
            assert_eq!(
                paused, before,
                "{dialect:?}: something happened without the guest"
            );
            driver.resume().unwrap();

            // Resources and scanouts are still there: only a flush is needed.
            is_frame(SIZE, frame)(&rig.shot(&scanout("g", 0))).unwrap();
            let buffer = screen.front().unwrap();
            driver.flush(buffer.resource_id(), buffer.whole()).unwrap();
            assert_eq!(rig.stats("g", 0).frames_flushed, before.frames_flushed + 1);
            pointer.move_to(&mut driver, (3, 4)).unwrap();
        }
        no_failures(&mut driver);
    }
}

#[test]
fn a_flush_that_is_held_when_the_vmm_pauses_is_answered() {
    let rig = Setup::new(&["640x480@4"]).guest("g", &["320x240"]).start();
    for dialect in [Dialect::QemuGeneric, Dialect::QemuGpu, Dialect::Crosvm] {
        let mut driver = rig.driver_as("g", dialect);
        let mut screen = screen(&mut driver, 0, SIZE, BufferKind::Blob);
        for frame in 1..4 {
            let image = guest::pattern::image(
                protocols::virtio_gpu::Format::Bgrx8888,
                SIZE.0,
                SIZE.1,
                frame,
            );
            let ticket = screen.flip(&mut driver, &image).unwrap().unwrap();
            driver.pause().unwrap();
            driver.resume().unwrap();
            let timeout = driver.options().timeout;
            driver.wait(ticket, timeout).unwrap().done().unwrap();
            rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, frame));
        }
        no_failures(&mut driver);
    }
}
