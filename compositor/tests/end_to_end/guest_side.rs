//! What guests do in these tests, and what their pictures should look like.

use compositor::screenshot::Image;
use guest::{
    driver::Driver,
    kms::{BufferKind, Fencing, Screen, ScreenOptions},
    pattern,
};
use protocols::virtio_gpu::Format;

/// A screen of XRGB8888 whose flushes are fenced, like those of Linux with blobs.
#[track_caller]
pub fn screen(driver: &mut Driver, scanout: u32, size: (u32, u32), kind: BufferKind) -> Screen {
    let options = ScreenOptions {
        kind,
        fencing: Fencing::Always,
        ..ScreenOptions::default()
    };
    Screen::new(driver, scanout, size, options).unwrap()
}

/// Shows the picture of a frame, and waits as Linux does.
#[track_caller]
pub fn show(driver: &mut Driver, screen: &mut Screen, frame: u32) {
    let (width, height) = screen.size();
    let image = pattern::image(Format::Bgrx8888, width, height, frame);
    let ticket = screen.flip(driver, &image).unwrap();
    screen.wait(driver, ticket).unwrap();
    no_failures(driver);
}

/// Nothing that was sent without waiting was refused.
#[track_caller]
pub fn no_failures(driver: &mut Driver) {
    let failures = driver.take_failures();
    assert!(failures.is_empty(), "{failures:?}");
}

/// That a picture is that of a frame, in a size.
pub fn is_frame((width, height): (u32, u32), frame: u32) -> impl Fn(&Image) -> Result<(), String> {
    is_picture((width, height), move |x, y| pattern::pixel(x, y, frame))
}

/// That a picture has a size and these pixels.
pub fn is_picture(
    (width, height): (u32, u32),
    wanted: impl Fn(u32, u32) -> [u8; 3],
) -> impl Fn(&Image) -> Result<(), String> {
    move |image| {
        if (image.width, image.height) != (width, height) {
            return Err(format!("it is {}x{}", image.width, image.height));
        }
        pattern::compare(&image.rgba, width, height, &wanted).map_err(|error| error.to_string())
    }
}

/// Waits until the device has looked at everything that was sent before: it reads the VMM's
/// messages one turn after the other, and serves the rings in each.
#[track_caller]
pub fn settle(driver: &mut Driver) {
    for _ in 0..3 {
        driver.config().unwrap();
    }
}
