//! All pixel formats, and parts of buffers: strides, offsets, rectangles.

use guest::{
    driver::{BlobImage, Driver},
    kms::{BufferKind, Framebuffer},
    pattern,
    ram::Backing,
};
use protocols::virtio_gpu::{Format, Rect};

use super::{
    guest_side::{is_frame, is_picture, no_failures},
    rig::{Rig, Setup, scanout},
};

const SIZE: (u32, u32) = (320, 240);

fn rig() -> Rig {
    Setup::new(&["640x480", "640x480"])
        .guest("g", &["320x240", "320x240"])
        .start()
}

/// Flushes a rectangle, fenced, and waits for the answer.
#[track_caller]
fn flush(driver: &mut Driver, resource_id: u32, rect: Rect) {
    let ticket = driver.flush_fenced(resource_id, rect).unwrap();
    let timeout = driver.options().timeout;
    driver.wait(ticket, timeout).unwrap().done().unwrap();
    no_failures(driver);
}

#[test]
fn all_formats_of_2d_resources_have_their_colours() {
    let rig = rig();
    let mut driver = rig.driver("g");
    for (frame, format) in (1..).zip(Format::ALL) {
        let buffer = Framebuffer::new(&mut driver, BufferKind::Dumb2d, format, SIZE).unwrap();
        let (id, whole) = (buffer.resource_id(), buffer.whole());
        let image = pattern::image(format, SIZE.0, SIZE.1, frame);
        buffer.write(&driver, whole, &image).unwrap();
        driver.transfer(id, whole, 0).unwrap();
        driver.set_scanout(0, id, whole).unwrap();
        flush(&mut driver, id, whole);
        rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, frame));
        buffer.destroy(&mut driver).unwrap();
    }
}

/// A blob with an image somewhere inside.
struct Placed {
    id: u32,
    image: BlobImage,
    _backing: Backing,
}

impl Placed {
    fn new(driver: &mut Driver, image: BlobImage, frame: u32) -> Self {
        let rows = u64::from(image.stride) * u64::from(image.height - 1);
        let size = u64::from(image.offset) + rows + u64::from(image.width) * 4;
        let backing = driver.ram_mut().allocate_backing(size).unwrap();
        let id = driver.new_resource_id();
        driver.create_blob(id, size, &backing).unwrap();
        // Rubbish around the image, which must not show.
        let rubbish = vec![0xee; usize::try_from(size).unwrap()];
        driver.ram().write_backing(&backing, 0, &rubbish).unwrap();
        let picture = pattern::image(image.format, image.width, image.height, frame);
        let row = usize::try_from(image.width * 4).unwrap();
        for (y, pixels) in (0..).zip(picture.chunks_exact(row)) {
            let at = u64::from(image.offset) + y * u64::from(image.stride);
            driver.ram().write_backing(&backing, at, pixels).unwrap();
        }
        Self {
            id,
            image,
            _backing: backing,
        }
    }

    #[track_caller]
    fn show(&self, driver: &mut Driver, rect: Rect) {
        driver
            .set_scanout_blob(0, self.id, rect, self.image)
            .unwrap();
        flush(driver, self.id, rect);
    }
}

#[test]
fn blobs_of_all_formats_strides_and_offsets_are_shown() {
    let rig = rig();
    let mut driver = rig.driver("g");
    let places = [(1280, 0), (1536, 8192), (1284, 52), (4096, 4096 + 64)];
    for (number, format) in (0..).zip(Format::ALL) {
        for (place, (stride, offset)) in (0..).zip(places) {
            let frame = 4 * number + place;
            let image = BlobImage {
                stride,
                offset,
                ..BlobImage::dense(SIZE.0, SIZE.1, format)
            };
            let blob = Placed::new(&mut driver, image, frame);
            blob.show(&mut driver, Rect::from_size(SIZE.0, SIZE.1));
            rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, frame));
            driver.unref(blob.id).unwrap();
        }
    }
}

/// A part of a buffer that no edge of it touches.
const PART: Rect = Rect {
    x: 33,
    y: 21,
    width: 200,
    height: 150,
};

fn part_of_frame(frame: u32) -> impl Fn(&compositor::screenshot::Image) -> Result<(), String> {
    is_picture((PART.width, PART.height), move |x, y| {
        pattern::pixel(PART.x + x, PART.y + y, frame)
    })
}

#[test]
fn a_scanout_can_be_a_part_of_a_2d_resource() {
    let rig = rig();
    let mut driver = rig.driver("g");
    let format = Format::Bgrx8888;
    let buffer = Framebuffer::new(&mut driver, BufferKind::Dumb2d, format, SIZE).unwrap();
    let (id, whole) = (buffer.resource_id(), buffer.whole());
    driver.set_scanout(0, id, PART).unwrap();
    for frame in 1..5 {
        let image = pattern::image(format, SIZE.0, SIZE.1, frame);
        buffer.write(&driver, whole, &image).unwrap();
        driver.transfer(id, whole, 0).unwrap();
        flush(&mut driver, id, whole);
        rig.wait_for_picture(&scanout("g", 0), part_of_frame(frame));
    }
    let stats = rig.stats("g", 0);
    assert_eq!((stats.width, stats.height), (PART.width, PART.height));

    // Pixels around it are none of the scanout's business.
    let before = rig.stats("g", 0).frames_flushed;
    flush(&mut driver, id, Rect::from_size(SIZE.0, PART.y));
    assert_eq!(rig.stats("g", 0).frames_flushed, before);
}

#[test]
fn a_scanout_can_be_a_part_of_a_blob() {
    let rig = rig();
    let mut driver = rig.driver("g");
    for (frame, format) in (1..).zip(Format::ALL) {
        let image = BlobImage {
            stride: 1408,
            offset: 12288,
            ..BlobImage::dense(SIZE.0, SIZE.1, format)
        };
        let blob = Placed::new(&mut driver, image, frame);
        blob.show(&mut driver, PART);
        rig.wait_for_picture(&scanout("g", 0), part_of_frame(frame));
        driver.unref(blob.id).unwrap();
    }
}

#[test]
fn two_scanouts_can_share_a_resource_and_both_follow_a_flush() {
    let rig = rig();
    let mut driver = rig.driver("g");
    let format = Format::Bgrx8888;
    let buffer = Framebuffer::new(&mut driver, BufferKind::Dumb2d, format, SIZE).unwrap();
    let (id, whole) = (buffer.resource_id(), buffer.whole());
    driver.set_scanout(0, id, whole).unwrap();
    driver.set_scanout(1, id, PART).unwrap();
    for frame in 1..5 {
        let image = pattern::image(format, SIZE.0, SIZE.1, frame);
        buffer.write(&driver, whole, &image).unwrap();
        driver.transfer(id, whole, 0).unwrap();
        flush(&mut driver, id, whole);
        rig.wait_for_picture(&scanout("g", 0), is_frame(SIZE, frame));
        rig.wait_for_picture(&scanout("g", 1), part_of_frame(frame));
    }
    // One goes, the other stays.
    driver.disable_scanout(0).unwrap();
    rig.wait_for_nothing(&scanout("g", 0));
    let image = pattern::image(format, SIZE.0, SIZE.1, 9);
    buffer.write(&driver, whole, &image).unwrap();
    driver.transfer(id, whole, 0).unwrap();
    flush(&mut driver, id, whole);
    rig.wait_for_picture(&scanout("g", 1), part_of_frame(9));
}
