//! A device's own half of the conversation: what `gpu-device` makes of what the compositor says,
//! and what the compositor shows of what it asks for.

use std::{
    os::fd::OwnedFd,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use compositor::{
    backend::{Change, Monitor},
    render::RendererChoice,
};
use gpu_device::{
    Limits, Mode as GuestMode, Prefer, WaylandSource,
    display::{
        BufferId, CursorImage, CursorUpdate, Display as _, DisplayEvent, Frame, FrameId,
        PixelLayout, PixelMemory, Refused, ScanoutId, wayland::WaylandDisplay,
    },
    gpu::{Context, Gpu, Options, Reply},
    memory::{DmaBufMaker, GuestRam, Piece, Udmabuf},
    renderer::NoRenderer,
    vhost_user::window::Window,
};
use protocols::{
    edid::Edid,
    virtio_gpu::{Command, Format, Header, Rect, Response},
};
use smithay::output::Mode;

use crate::{client::sealed_memfd, fixture::Fixture};

const SCREEN: ScanoutId = ScanoutId(0);
const SIZE: (u32, u32) = (200, 150);
const WHITE: [u8; 4] = [255; 4];
const BLACK: [u8; 4] = [0, 0, 0, 255];

fn mode(width: i32, height: i32) -> Mode {
    Mode {
        size: (width, height).into(),
        refresh: 75_000,
    }
}

fn wall() -> Monitor {
    Monitor {
        make: "DEL".to_owned(),
        model: "Wall".to_owned(),
        serial: "ABC".to_owned(),
        millimetres: (500, 300),
        ..Monitor::new("left", mode(200, 150))
    }
}

/// A device with one scanout, beside its compositor.
struct Desk {
    fixture: Fixture,
    display: WaylandDisplay,
    gpu: Gpu,
    /// The frames of its window that were shown.
    presented: usize,
    /// How often the guest was told that its monitor is another one.
    told: usize,
}

impl Desk {
    fn new(mut fixture: Fixture) -> Self {
        let source = WaylandSource::Socket(fixture.guest_connection("a"));
        let connecting = thread::spawn(|| WaylandDisplay::connect(source, "a", 1));
        fixture.wait_until("the device is connected", |_| connecting.is_finished());
        let mode = GuestMode {
            width: 64,
            height: 48,
            millihertz: 60_000,
        };
        let mut desk = Self {
            fixture,
            display: connecting.join().unwrap().unwrap(),
            gpu: Gpu::new(Options {
                name: "a".to_owned(),
                scanouts: vec![mode],
                connectors: 1,
                limits: Limits::default(),
                prefer: Prefer::Auto,
                dma_bufs: None,
            }),
            presented: 0,
            told: 0,
        };
        desk.hear();
        desk
    }

    fn kiosk() -> Self {
        Self::new(Fixture::kiosk(RendererChoice::Pixman, vec![wall()]))
    }

    /// Takes in what the compositor has said.
    fn hear(&mut self) {
        self.display.flush().unwrap();
        self.display.dispatch().unwrap();
        for event in self.display.take_events() {
            self.presented += usize::from(matches!(event, DisplayEvent::Presented { .. }));
            let mut context = Context {
                ram: &GuestRam::default(),
                display: &mut self.display,
                renderer: &mut NoRenderer::default(),
                window: &mut Window::new(0),
                now: Instant::now(),
            };
            self.gpu.handle_display(event, &mut context);
        }
        self.told += usize::from(self.gpu.display_changed());
        self.display.flush().unwrap();
    }

    fn run_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.hear();
            self.fixture.run_for(Duration::from_millis(2));
        }
    }

    fn wait_until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let give_up = Instant::now() + Duration::from_secs(20);
        while !holds(self) {
            assert!(Instant::now() < give_up, "waited too long until {what}");
            self.run_for(Duration::from_millis(2));
        }
    }

    /// What the guest reads.
    fn edid(&mut self) -> Edid {
        let mut context = Context {
            ram: &GuestRam::default(),
            display: &mut self.display,
            renderer: &mut NoRenderer::default(),
            window: &mut Window::new(0),
            now: Instant::now(),
        };
        let command = Command::GetEdid { scanout: 0 };
        match self.gpu.execute(&Header::default(), command, &mut context) {
            Reply::Now(Response::OkEdid(edid)) => Edid::decode(&edid).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Shows a black picture, and waits until it is to be seen.
    fn show(&mut self) {
        let (width, height) = SIZE;
        let size = width * height * 4;
        let layout = PixelLayout {
            width,
            height,
            stride: width * 4,
            offset: 0,
            format: Format::Bgrx8888,
        };
        let memory = PixelMemory::Shm {
            fd: Arc::new(sealed_memfd(size as usize).into()),
            size: size.into(),
        };
        self.display.import(BufferId(1), layout, memory).unwrap();
        let frame = Frame {
            id: FrameId(1),
            buffer: BufferId(1),
            source: Rect::from_size(width, height),
            damage: vec![Rect::from_size(width, height)],
        };
        self.display.present(SCREEN, frame);
        self.wait_until("the picture is shown", |desk| desk.presented > 0);
    }

    /// White, four pixels a side.
    fn point(&mut self, (x, y): (i32, i32), hot: u32) {
        let image = CursorImage {
            width: 4,
            height: 4,
            hot_x: hot,
            hot_y: hot,
            pixels: vec![255; 64],
        };
        self.display
            .cursor(SCREEN, CursorUpdate::Image { image, x, y });
    }

    fn pixel(&mut self, x: u32, y: u32) -> [u8; 4] {
        self.fixture.screenshot("left").pixel(x, y).unwrap()
    }
}

#[test]
fn a_guest_finds_the_monitor_of_the_kiosk_when_it_boots() {
    let mut desk = Desk::kiosk();
    let edid = desk.edid();
    assert_eq!((&edid.manufacturer, &*edid.name), (b"DEL", "Wall"));
    assert_eq!(edid.serial_text, "ABC");
    assert_eq!((edid.size.width_mm, edid.size.height_mm), (500, 300));
    assert_eq!((edid.preferred.width, edid.preferred.height), SIZE);
    assert!(edid.preferred.millihertz.abs_diff(75_000) < 100);
}

#[test]
fn a_headless_guest_is_a_monitor_of_its_own() {
    let mut desk = Desk::new(Fixture::new());
    let edid = desk.edid();
    assert_eq!((&edid.manufacturer, &*edid.name), (b"LUC", "a"));
    assert_eq!((edid.preferred.width, edid.preferred.height), (64, 48));
}

#[test]
fn a_guest_is_told_once_when_its_monitor_changes() {
    let mut desk = Desk::kiosk();
    desk.show();
    desk.run_for(Duration::from_millis(200));
    assert_eq!(desk.told, 1, "of the first one");
    let left = desk.fixture.monitor("left");
    let change = Change {
        mode: Some(mode(160, 120)),
        ..Change::default()
    };
    desk.fixture.state().change_output(left, &change);
    desk.wait_until("the guest is told", |desk| desk.told > 1);
    // Its window's new size has arrived, too, and has had the time to settle.
    desk.run_for(Duration::from_millis(200));
    assert_eq!(desk.told, 2);
    let mode = desk.gpu.mode(SCREEN).unwrap();
    assert_eq!((mode.width, mode.height), (160, 120));
}

#[test]
fn a_pointer_moves_500_times_without_a_frame_of_the_window() {
    let mut desk = Desk::kiosk();
    desk.show();
    desk.point((10, 10), 1);
    desk.wait_until("the pointer is shown", |desk| desk.pixel(10, 10) == WHITE);
    assert_eq!(desk.pixel(14, 14), BLACK);
    let before = desk.presented;
    for step in 0..500 {
        let (x, y) = (step % 190, step % 140);
        desk.display.cursor(SCREEN, CursorUpdate::Move { x, y });
        desk.hear();
        desk.fixture.run_for(Duration::from_micros(500));
    }
    desk.wait_until("the pointer is where it was moved to", |desk| {
        desk.pixel(499 % 190, 499 % 140) == WHITE
    });
    assert_eq!(desk.pixel(10, 10), BLACK);
    assert_eq!(desk.presented, before, "the window was shown anew");
    desk.display.cursor(SCREEN, CursorUpdate::Hide);
    desk.wait_until("the pointer is hidden", |desk| {
        desk.pixel(499 % 190, 499 % 140) == BLACK
    });
}

#[test]
fn a_guest_is_told_that_its_monitor_is_unplugged_and_plugged_in() {
    let mut desk = Desk::kiosk();
    desk.show();
    let enabled = |desk: &mut Desk| {
        let mut context = Context {
            ram: &GuestRam::default(),
            display: &mut desk.display,
            renderer: &mut NoRenderer::default(),
            window: &mut Window::new(0),
            now: Instant::now(),
        };
        let command = Command::GetDisplayInfo;
        match desk.gpu.execute(&Header::default(), command, &mut context) {
            Reply::Now(Response::OkDisplayInfo(info)) => info[0].enabled,
            other => panic!("{other:?}"),
        }
    };
    desk.fixture.unplug("left");
    desk.wait_until("the guest is told", |desk| !enabled(desk));
    desk.fixture.plug(wall());
    desk.wait_until("the guest is told", enabled);
    assert_eq!(desk.told, 3, "of the first one, that it went and came back");
    assert_eq!(&*desk.edid().name, "Wall");
}

/// Shows a pointer, and another image of it.
fn point_with(maker: Box<dyn DmaBufMaker + Send>) {
    let mut desk = Desk::kiosk();
    desk.display.use_dma_bufs(maker);
    desk.show();
    for at in [10, 30, 50, 70] {
        desk.point((at, 10), 1);
        desk.wait_until("the pointer is shown", |desk| {
            let corners = [(at, 10), (at + 3, 13)];
            corners.map(|(x, y)| desk.pixel(x.unsigned_abs(), y)) == [WHITE; 2]
        });
        assert_eq!(desk.pixel(at.unsigned_abs() + 4, 10), BLACK, "nothing else");
    }
}

#[test]
fn a_pointers_image_may_be_a_dma_buf() {
    match Udmabuf::open() {
        Ok(udmabuf) => point_with(Box::new(udmabuf)),
        Err(error) => eprintln!("Not tested: /dev/udmabuf: {error}"),
    }
}

#[test]
fn a_pointer_whose_dma_buf_is_refused_is_shown_all_the_same() {
    /// Makes what is no dma-buf.
    #[derive(Debug)]
    struct Impostor;

    impl DmaBufMaker for Impostor {
        fn make(&self, pieces: &[Piece<'_>]) -> Result<OwnedFd, Refused> {
            Ok(pieces[0].fd.try_clone_to_owned().unwrap())
        }
    }

    point_with(Box::new(Impostor));
}
