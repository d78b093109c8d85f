//! Guests whose pictures the host draws: on the screen like all others.

use std::fs;

use compositor::screenshot::Image;
use guest::{
    driver::{Driver, LINUX_FEATURES_3D, Piece, Texture, Timeline},
    kms::BufferKind,
    pattern,
    spin::{BACKGROUND, Spin},
    virgl::{
        Stream,
        numbers::{FORMAT_B8G8R8X8, command},
    },
};
use protocols::{
    ipc::PresentPath,
    virtio_gpu::{CAPSET_VIRGL, CAPSET_VIRGL2, F_CONTEXT_INIT, F_VIRGL, Format, Rect},
};

use super::{
    guest_side::{is_frame, is_picture, screen, show},
    rig::{PATIENCE, Rig, Setup, scanout},
};

pub const SIZE: (u16, u16) = (320, 240);

/// [`SIZE`] as screens have it.
pub const SIZE_32: (u32, u32) = (320, 240);

/// The driver of a guest with 3D.
#[track_caller]
pub fn driver(rig: &Rig, guest: &str) -> Driver {
    let options = guest::driver::DriverOptions {
        features: LINUX_FEATURES_3D,
        ..Rig::options()
    };
    let driver = rig.driver_with(guest, &options);
    assert!(
        driver.has(F_VIRGL) && driver.has(F_CONTEXT_INIT),
        "it has no 3D"
    );
    driver
}

/// The process that draws for a guest; `None` while there is none.
pub fn renderer(rig: &Rig, guest: &str) -> Option<u32> {
    let device = rig.guest(guest).device_pid?;
    let processes = fs::read_dir("/proc").unwrap();
    processes
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .find(|&pid: &u32| parent(pid) == Some(device) && is_renderer(pid))
}

/// The parent of a process that is alive.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name in brackets, which may hold anything: the state, then the parent.
    let (_, after) = stat.rsplit_once(") ")?;
    let mut fields = after.split(' ');
    let alive = !matches!(fields.next()?, "Z" | "X");
    let parent = fields.next()?.parse().ok()?;
    alive.then_some(parent)
}

fn is_renderer(pid: u32) -> bool {
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    arguments.split(|byte| *byte == 0).nth(1) == Some(b"render")
}

/// That a picture is a frame of [`Spin`]'s, whichever: its background at the edges, colours in the
/// middle.
pub fn is_triangle((width, height): (u32, u32)) -> impl Fn(&Image) -> Result<(), String> {
    move |image| {
        if (image.width, image.height) != (width, height) {
            return Err(format!("it is {}x{}", image.width, image.height));
        }
        let pixel = |x, y| color_at(image, x, y);
        let background = BACKGROUND.map(as_byte);
        for (x, y) in [
            (0, 0),
            (width - 1, 0),
            (0, height - 1),
            (width - 1, height - 1),
        ] {
            if pixel(x, y)[..] != background[..3] {
                return Err(format!("the corner {x}, {y} is {:?}", pixel(x, y)));
            }
        }
        let middle = pixel(width / 2, height / 2);
        if middle.iter().any(|&value| !(70..=100).contains(&value)) {
            return Err(format!("the middle is {middle:?}"));
        }
        Ok(())
    }
}

/// Red, green and blue of a pixel.
pub fn color_at(image: &Image, x: u32, y: u32) -> [u8; 3] {
    let at = usize::try_from((y * image.width + x) * 4).unwrap();
    [image.rgba[at], image.rgba[at + 1], image.rgba[at + 2]]
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to 1, so from 0 to 255"
)]
fn as_byte(value: f32) -> u8 {
    (value * 255.0).round() as u8
}

/// Waits until a flush was shown.
#[track_caller]
pub fn shown(driver: &mut Driver, ticket: guest::driver::Ticket) {
    driver.wait(ticket, PATIENCE).unwrap().done().unwrap();
}

fn rig() -> Rig {
    Setup::new(&["640x480"])
        .guest_3d("gl", &["320x240"])
        .start()
}

#[test]
fn what_the_host_draws_is_shown_like_what_the_guest_drew() {
    let rig = rig();
    let mut driver = driver(&rig, "gl");
    let mut spin = Spin::new(&mut driver, 0, SIZE).unwrap();
    for _ in 0..10 {
        let ticket = spin.frame(&mut driver).unwrap();
        shown(&mut driver, ticket);
    }
    let first = rig.wait_for_picture(&scanout("gl", 0), is_triangle(SIZE_32));
    let stats = rig.stats("gl", 0);
    assert_eq!(stats.frames_flushed, 10);
    // Ten frames turned it by 54 degrees: the red corner is on the right, half way up.
    let red = color_at(&first, 160 + 90, 120 - 50);
    assert!(red[0] > 150 && red[1] < 90 && red[2] < 90, "{red:?}");

    // The way is the best that this machine has: a dma-buf, or pixels that are read back.
    let code = stats.reason.map(|reason| reason.code);
    match stats.path {
        PresentPath::DmabufSampled => assert_eq!(stats.bytes_copied, 0, "{code:?}"),
        PresentPath::SharedMemory | PresentPath::Copy => {
            assert_eq!(code.as_deref(), Some("not_exported"));
            assert!(stats.bytes_copied > 0);
        }
        other => panic!("{other:?} {code:?}"),
    }
}

#[test]
fn a_flush_of_a_part_shows_that_part() {
    let rig = rig();
    let mut driver = driver(&rig, "gl");
    let context = driver.new_context_id();
    driver
        .create_context(context, CAPSET_VIRGL2, "damage")
        .unwrap();
    let texture = driver.new_resource_id();
    let (width, height) = SIZE_32;
    driver
        .create_3d(texture, Texture::screen(FORMAT_B8G8R8X8, width, height))
        .unwrap();
    driver.attach_resource(context, texture).unwrap();
    let clear = |color| {
        let mut stream = Stream::new();
        stream
            .create_surface(1, texture, FORMAT_B8G8R8X8)
            .set_framebuffer(&[1])
            .clear(color)
            .destroy(guest::virgl::numbers::object::SURFACE, 1);
        stream
    };
    let whole = Rect::from_size(width, height);
    driver
        .run_3d(context, &clear([1.0, 0.0, 0.0, 1.0]))
        .unwrap();
    driver.set_scanout(0, texture, whole).unwrap();
    let ticket = driver.flush_fenced(texture, whole).unwrap();
    shown(&mut driver, ticket);
    rig.wait_for_picture(&scanout("gl", 0), is_picture(SIZE_32, |_, _| [255, 0, 0]));

    driver
        .run_3d(context, &clear([0.0, 0.0, 1.0, 1.0]))
        .unwrap();
    let left = Rect::from_size(width / 2, height);
    let ticket = driver.flush_fenced(texture, left).unwrap();
    shown(&mut driver, ticket);
    // What lies beside it may be new or old: a host that sees the texture itself sees all of it.
    rig.wait_for_picture(&scanout("gl", 0), |image| {
        for y in 0..height {
            for x in 0..width {
                let color = color_at(image, x, y);
                let old = x >= width / 2 && color == [255, 0, 0];
                if !old && color != [0, 0, 255] {
                    return Err(format!("{x}, {y} is {color:?}"));
                }
            }
        }
        Ok(())
    });
}

#[test]
fn a_guest_with_3d_has_its_console_before_and_after() {
    let rig = rig();
    let mut driver = driver(&rig, "gl");
    let mut console = screen(&mut driver, 0, SIZE_32, BufferKind::Dumb2d);
    show(&mut driver, &mut console, 1);
    rig.wait_for_picture(&scanout("gl", 0), is_frame(SIZE_32, 1));

    let mut spin = Spin::new(&mut driver, 0, SIZE).unwrap();
    let ticket = spin.frame(&mut driver).unwrap();
    shown(&mut driver, ticket);
    rig.wait_for_picture(&scanout("gl", 0), is_triangle(SIZE_32));
    spin.destroy(&mut driver).unwrap();

    console.disable(&mut driver).unwrap();
    show(&mut driver, &mut console, 2);
    rig.wait_for_picture(&scanout("gl", 0), is_frame(SIZE_32, 2));
}

#[test]
fn what_was_drawn_can_be_read_by_the_guest() {
    let rig = rig();
    let mut driver = driver(&rig, "gl");
    let spin = Spin::new(&mut driver, 0, SIZE).unwrap();
    let (width, height) = SIZE_32;
    let backing = driver
        .ram_mut()
        .allocate_backing(u64::from(width * height * 4))
        .unwrap();
    driver
        .attach_backing(spin.back(), &backing.entries)
        .unwrap();
    driver.run_3d(spin.context(), &spin.commands(1)).unwrap();
    driver
        .transfer_from_host_3d(spin.context(), spin.back(), Piece::whole(width, height))
        .unwrap();
    let mut corner = [0; 4];
    driver.ram().read_backing(&backing, 0, &mut corner).unwrap();
    assert_eq!(
        corner[..3],
        [102, 0, 0],
        "blue, green, red of the background"
    );
    let at = u64::from((40 * width + width / 2) * 4);
    driver
        .ram()
        .read_backing(&backing, at, &mut corner)
        .unwrap();
    assert!(
        corner[2] > 200,
        "the first corner is red and at the top: {corner:?}"
    );
}

#[test]
fn what_the_guest_drew_itself_the_host_can_draw_with() {
    let rig = rig();
    let mut driver = driver(&rig, "gl");
    let context = driver.new_context_id();
    driver
        .create_context(context, CAPSET_VIRGL2, "mixed")
        .unwrap();
    let (width, height) = SIZE_32;
    let picture = driver.new_resource_id();
    let backing = driver
        .ram_mut()
        .allocate_backing(u64::from(width * height * 4))
        .unwrap();
    driver
        .create_2d(picture, Format::Bgrx8888, width, height)
        .unwrap();
    driver.attach_backing(picture, &backing.entries).unwrap();
    let texture = driver.new_resource_id();
    driver
        .create_3d(texture, Texture::screen(FORMAT_B8G8R8X8, width, height))
        .unwrap();
    for resource in [picture, texture] {
        driver.attach_resource(context, resource).unwrap();
    }
    // All channels of all pixels, from the picture to the texture.
    let place = |resource| [resource, 0, FORMAT_B8G8R8X8, 0, 0, 0, width, height, 1];
    let mut blit = Stream::new();
    let payload = [&[0xf, 0, 0][..], &place(texture), &place(picture)].concat();
    blit.command(command::BLIT, 0, &payload);
    let whole = Rect::from_size(width, height);
    for frame in 1..4 {
        let image = pattern::image(Format::Bgrx8888, width, height, frame);
        driver.ram().write_backing(&backing, 0, &image).unwrap();
        driver.transfer(picture, whole, 0).unwrap();
        driver.run_3d(context, &blit).unwrap();
        driver.set_scanout(0, texture, whole).unwrap();
        let ticket = driver.flush_fenced(texture, whole).unwrap();
        shown(&mut driver, ticket);
        rig.wait_for_picture(&scanout("gl", 0), is_frame(SIZE_32, frame));
    }
}

#[test]
fn fences_of_rings_and_of_the_device_are_all_reached() {
    let rig = rig();
    let mut driver = driver(&rig, "gl");
    let spin = Spin::new(&mut driver, 0, SIZE).unwrap();
    let stream = spin.commands(20);
    let tickets: Vec<_> = (0..60)
        .map(|number| {
            let timeline = match number % 3 {
                0 => Timeline::Device,
                // Virgl has one ring, but the numbers are the guest's.
                _ => Timeline::Ring(0),
            };
            driver.submit_3d(spin.context(), &stream, timeline).unwrap()
        })
        .collect();
    for ticket in tickets {
        shown(&mut driver, ticket);
    }
    assert_eq!(driver.requests_under_way(), 0);
}

#[test]
fn a_guest_s_driver_finds_the_capsets_that_the_device_announces() {
    let rig = rig();
    let mut driver = driver(&rig, "gl");
    let announced = driver.config().unwrap().num_capsets;
    let infos: Vec<_> = (0..announced)
        .map(|index| driver.capset_info(index).unwrap())
        .collect();
    for wanted in [CAPSET_VIRGL, CAPSET_VIRGL2] {
        let info = infos.iter().find(|info| info.id == wanted).unwrap();
        let data = driver.capset(info.id, info.version).unwrap();
        assert_eq!(data.len(), usize::try_from(info.size).unwrap());
        assert!(data.iter().any(|&byte| byte != 0));
    }
}
