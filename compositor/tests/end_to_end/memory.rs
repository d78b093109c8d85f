//! The guest's memory is mapped anew, or is another, while a blob in it is shown.

use guest::{
    driver::Driver,
    frontend::Dialect,
    kms::{BufferKind, Framebuffer},
    pattern,
};
use protocols::virtio_gpu::{Format, Rect};

use super::{
    guest_side::{is_frame, is_picture, no_failures, settle},
    rig::{Rig, Setup, scanout},
};

const SIZE: (u32, u32) = (320, 240);
/// Where memory is plugged, and how much.
const PLUGGED: u64 = 1 << 36;
const PLUGGED_SIZE: u64 = 1 << 20;

fn rig() -> Rig {
    Setup::new(&["640x480"]).guest("g", &["320x240"]).start()
}

/// A blob that is shown, in the region that was plugged.
struct Shown {
    buffer: Framebuffer,
}

impl Shown {
    fn new(driver: &mut Driver) -> Self {
        driver.ram_mut().plug(PLUGGED, PLUGGED_SIZE).unwrap();
        driver.update_memory().unwrap();
        let bytes = u64::from(SIZE.0 * SIZE.1 * 4);
        let backing = driver
            .ram_mut()
            .allocate_backing_in(PLUGGED, bytes)
            .unwrap();
        let (kind, format) = (BufferKind::Blob, Format::Bgrx8888);
        let buffer = Framebuffer::with_backing(driver, kind, format, SIZE, backing).unwrap();
        driver
            .order(&buffer.scanout_command(0, buffer.whole()))
            .unwrap();
        Self { buffer }
    }

    #[track_caller]
    fn draw(&self, driver: &Driver, frame: u32) {
        let image = pattern::image(Format::Bgrx8888, SIZE.0, SIZE.1, frame);
        self.buffer
            .write(driver, self.buffer.whole(), &image)
            .unwrap();
    }

    /// Flushes; with a fence, which must come back whatever has happened to the memory.
    #[track_caller]
    fn flush(&self, driver: &mut Driver) {
        let ticket = driver
            .flush_fenced(self.buffer.resource_id(), self.buffer.whole())
            .unwrap();
        let timeout = driver.options().timeout;
        driver.wait(ticket, timeout).unwrap().done().unwrap();
        no_failures(driver);
    }

    #[track_caller]
    fn show(&self, driver: &mut Driver, frame: u32) {
        self.draw(driver, frame);
        self.flush(driver);
    }
}

#[test]
fn the_same_pages_mapped_anew_change_nothing() {
    let rig = rig();
    for dialect in Dialect::ALL {
        let mut driver = rig.driver_as("g", dialect);
        let shown = Shown::new(&mut driver);
        shown.show(&mut driver, 1);
        rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, 1));
        for frame in 2..5 {
            // Another region comes: some VMMs then send all regions again.
            let other = (1 << 37) + u64::from(frame) * PLUGGED_SIZE;
            driver.ram_mut().plug(other, PLUGGED_SIZE).unwrap();
            driver.update_memory().unwrap();
            settle(&mut driver);
            is_frame(SIZE, frame - 1)(&rig.shot(&scanout("g", 0))).unwrap();
            shown.show(&mut driver, frame);
            rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, frame));
            driver.ram_mut().unplug(other).unwrap();
            driver.update_memory().unwrap();
        }
    }
}

#[test]
fn a_blob_whose_pages_went_keeps_its_last_picture_and_shows_the_pages_that_come() {
    let rig = rig();
    for dialect in Dialect::ALL {
        let mut driver = rig.driver_as("g", dialect);
        let shown = Shown::new(&mut driver);
        shown.show(&mut driver, 1);
        rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, 1));

        driver.ram_mut().unplug(PLUGGED).unwrap();
        driver.update_memory().unwrap();
        shown.flush(&mut driver);
        settle(&mut driver);
        is_frame(SIZE, 1)(&rig.shot(&scanout("g", 0))).unwrap();

        // Other pages at the same place, zeroed: what the blob is now, and no old pixels.
        driver.ram_mut().plug(PLUGGED, PLUGGED_SIZE).unwrap();
        driver.update_memory().unwrap();
        shown.flush(&mut driver);
        rig.wait_for_picture(&scanout("g", 0), is_picture(SIZE, |_, _| [0; 3]));
        for frame in 2..4 {
            shown.show(&mut driver, frame);
            rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, frame));
        }
        let id = shown.buffer.resource_id();
        driver.unref(id).unwrap();
    }
}

#[test]
fn memory_that_goes_under_everything_takes_nobody_along() {
    let rig = rig();
    let device = rig.guest("g").device_pid;
    for dialect in Dialect::ALL {
        let mut driver = rig.driver_as("g", dialect);
        let shown = Shown::new(&mut driver);
        shown.show(&mut driver, 1);
        // A 2D resource and a pointer in the same memory.
        let backing = driver
            .ram_mut()
            .allocate_backing_in(PLUGGED, 64 * 64 * 4)
            .unwrap();
        driver.create_2d(77, Format::Bgra8888, 64, 64).unwrap();
        driver.attach_backing(77, &backing.entries).unwrap();
        driver.ram_mut().unplug(PLUGGED).unwrap();
        driver.update_memory().unwrap();

        let part = Rect::from_size(64, 64);
        assert!(driver.transfer(77, part, 0).unwrap_err().code().is_some());
        driver.update_cursor(0, 77, (1, 1), (0, 0)).unwrap();
        driver
            .update_cursor(0, shown.buffer.resource_id(), (1, 1), (0, 0))
            .unwrap();
        shown.flush(&mut driver);
        driver.detach_backing(77).unwrap();
        driver.unref(77).unwrap();
        driver.unref(shown.buffer.resource_id()).unwrap();
    }
    assert_eq!(rig.guest("g").device_pid, device, "the device ended");
}
