use std::{
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use calloop::EventLoop;
use gpu_device::{display::Refused, memory::Piece};
use protocols::ipc::GuestState;
use smithay::{
    backend::{
        allocator::{Buffer as _, Fourcc, Modifier, dmabuf::Dmabuf},
        renderer::{
            Bind as _, Color32F, ExportMem as _, ImportDma as _, Offscreen as _,
            damage::OutputDamageTracker,
            element::{Element as _, Kind, RenderElement as _, UnderlyingStorage},
            pixman::PixmanRenderer,
            utils::Buffer,
        },
    },
    reexports::{pixman, wayland_server::Resource as _},
    utils::Transform,
    wayland::dmabuf::get_dmabuf,
};

use super::*;
use crate::{backend::OutputOptions, render::RendererChoice, state::Options};

const OUTPUT: OutputId = OutputId::new(0);

fn vga() -> Size<i32, Physical> {
    (640, 480).into()
}

/// Calls a memfd a dma-buf.
#[derive(Debug)]
struct Memfds;

impl DmaBufMaker for Memfds {
    fn make(&self, pieces: &[Piece<'_>]) -> Result<OwnedFd, Refused> {
        Ok(pieces[0].fd.try_clone_to_owned().unwrap())
    }
}

/// A kernel with limits.
#[derive(Debug)]
struct Limited;

impl DmaBufMaker for Limited {
    fn make(&self, _: &[Piece<'_>]) -> Result<OwnedFd, Refused> {
        Err(Refused::UdmabufLimit)
    }
}

struct Fixture {
    event_loop: EventLoop<'static, State>,
    state: State,
}

impl Fixture {
    fn new() -> Self {
        let event_loop = EventLoop::try_new().unwrap();
        let options = Options {
            outputs: vec![OutputOptions::new("HEADLESS-1", 640, 480)],
            renderer: RendererChoice::Pixman,
        };
        let state = State::new::<State>(&options, &event_loop.handle()).unwrap();
        Self { event_loop, state }
    }

    fn with_planes(maker: impl DmaBufMaker + 'static) -> Self {
        let mut fixture = Self::new();
        let display = fixture.state.clients.display().clone();
        let handle = fixture.event_loop.handle();
        let signs = &mut fixture.state.signs;
        signs.use_planes_with::<State>(&display, &handle, Box::new(maker));
        fixture
    }

    fn signs(&mut self) -> &mut Signs {
        &mut self.state.signs
    }

    fn until(&mut self, what: &str, holds: impl Fn(&State) -> bool) {
        let give_up = Instant::now() + Duration::from_secs(20);
        while !holds(&self.state) {
            assert!(Instant::now() < give_up, "waited too long until {what}");
            self.state.settle();
            let limit = Some(Duration::from_millis(5));
            self.event_loop.dispatch(limit, &mut self.state).unwrap();
        }
    }

    fn status(&mut self) -> Sign {
        let placed = self.signs().under_windows(OUTPUT, vga(), Some("debian"));
        placed.unwrap().sign
    }
}

fn starting() -> GuestStatus {
    GuestStatus {
        state: GuestState::Starting,
        ..GuestStatus::default()
    }
}

fn buffers_in_use(state: &State) -> usize {
    state.signs.planes.as_ref().map_or(0, Planes::in_use)
}

/// What a renderer makes of a sign: bytes as in a [`Picture`].
fn drawn(renderer: &mut PixmanRenderer, sign: &Sign) -> Vec<u8> {
    let size = sign.size();
    let area = size.to_logical(1).to_buffer(1, Transform::Normal);
    let mut target: pixman::Image<'static, 'static> =
        renderer.create_buffer(Fourcc::Argb8888, area).unwrap();
    let element = SignElement::new(renderer, sign, (0, 0).into(), Kind::Unspecified).unwrap();
    let mut framebuffer = renderer.bind(&mut target).unwrap();
    OutputDamageTracker::new(size, 1.0, Transform::Normal)
        .render_output(
            renderer,
            &mut framebuffer,
            0,
            &[element],
            Color32F::TRANSPARENT,
        )
        .unwrap();
    let mapping = renderer
        .copy_framebuffer(&framebuffer, Rectangle::from_size(area), Fourcc::Argb8888)
        .unwrap();
    renderer.map_texture(&mapping).unwrap().to_vec()
}

fn buffer_of(sign: &Sign) -> Buffer {
    match sign.storage() {
        UnderlyingStorage::Wayland(buffer) => buffer.clone(),
        UnderlyingStorage::Memory(_) => panic!("it is in ordinary memory"),
    }
}

#[test]
fn a_status_is_drawn_again_only_when_it_looks_different() {
    let mut fixture = Fixture::new();
    let first = fixture.status();
    fixture.signs().set_status("fedora", &starting());
    fixture.signs().show_switcher(&["debian".to_owned()], 0);
    assert_eq!(fixture.status().commit(), first.commit());

    assert!(fixture.signs().set_status("debian", &starting()));
    assert!(!fixture.signs().set_status("debian", &starting()));
    let second = fixture.status();
    assert_ne!(second.commit(), first.commit());
    assert_eq!(second.id(), first.id(), "it is the same sign");

    let larger = Size::from((800, 600));
    let third = fixture
        .signs()
        .under_windows(OUTPUT, larger, Some("debian"));
    assert_eq!(third.unwrap().sign.size(), larger);
    assert!(
        fixture
            .signs()
            .under_windows(OUTPUT, larger, None)
            .is_none()
    );
}

#[test]
fn signs_over_windows_never_lie_over_each_other() {
    let mut fixture = Fixture::new();
    let names = ["debian", "fedora", "a-guest-with-a-long-name"].map(str::to_owned);
    let signs = fixture.signs();
    signs.show_switcher(&names, 1);
    for text in [
        "Keyboard is grabbed.",
        "A notice that is so long that it takes two lines or more.",
    ] {
        signs.notice(text, Duration::from_secs(1000));
    }
    for size in [
        (1, 1),
        (40, 30),
        (200, 100),
        (320, 200),
        (640, 480),
        (1080, 1920),
        (3840, 1080),
    ] {
        let size = Size::from(size);
        let placed = signs.over_windows(OUTPUT, size);
        let output = Rectangle::from_size(size);
        for (number, one) in placed.iter().enumerate() {
            assert!(output.contains_rect(one.area()), "{size:?}: {one:?}");
            assert!(one.sign.is_opaque());
            for other in &placed[..number] {
                assert!(!one.area().overlaps(other.area()), "{size:?}");
            }
        }
        let enough_room = size.h >= 400;
        assert_eq!(placed.len(), if enough_room { 2 } else { 1 }, "{size:?}");
    }
    signs.hide_switcher();
    assert_eq!(signs.over_windows(OUTPUT, vga()).len(), 1);
}

#[test]
fn a_notice_goes_by_itself() {
    let mut fixture = Fixture::new();
    fixture.state.notice("long", Duration::from_secs(1000));
    fixture.state.notice("short", Duration::from_millis(20));
    fixture.until("a notice is gone", |state| {
        state.signs.notices.texts() == ["long"]
    });
    assert!(
        fixture.signs().deadline() > Some(now()),
        "the other one has its time"
    );
}

#[test]
fn a_sign_on_a_plane_is_a_buffer_with_a_dmabuf() {
    let mut fixture = Fixture::with_planes(Memfds);
    let sign = fixture.status();
    assert!(sign.is_dmabuf() && sign.is_opaque());
    let buffer = buffer_of(&sign);
    let dmabuf = get_dmabuf(&buffer).unwrap();
    assert_eq!(dmabuf.format().code, Fourcc::Xrgb8888);
    assert_eq!(dmabuf.format().modifier, Modifier::Linear);
    assert_eq!((dmabuf.width(), dmabuf.height()), (640, 480));
    let mut renderer = PixmanRenderer::new().unwrap();
    let at = (7, 9).into();
    let element = SignElement::new(&mut renderer, &sign, at, Kind::Unspecified).unwrap();
    assert_eq!(
        element.geometry(1.5.into()),
        Rectangle::new(at, vga()),
        "pixel for pixel on any output"
    );
    let storage = element.underlying_storage(&mut renderer);
    assert!(
        matches!(storage, Some(UnderlyingStorage::Wayland(shown)) if shown.id() == buffer.id())
    );

    let pointer = fixture.signs().pointer(CursorIcon::Default, vga());
    let buffer = buffer_of(&pointer.sign);
    let dmabuf: &Dmabuf = get_dmabuf(&buffer).unwrap();
    assert_eq!(dmabuf.format().code, Fourcc::Argb8888);
    assert_eq!(dmabuf.strides().next(), Some(256), "rows are aligned");
}

#[test]
fn a_buffer_lives_as_long_as_anybody_shows_it() {
    let mut fixture = Fixture::with_planes(Memfds);
    let sign = fixture.status();
    let shown = buffer_of(&sign);
    assert_eq!(buffers_in_use(&fixture.state), 1);

    // The guest is there, but the display controller still reads the picture.
    fixture.signs().under_windows(OUTPUT, vga(), None);
    drop(sign);
    fixture.state.settle();
    fixture
        .event_loop
        .dispatch(Some(Duration::ZERO), &mut fixture.state)
        .unwrap();
    assert!(shown.is_alive());

    let resource = (*shown).clone();
    drop(shown);
    fixture.until("the buffer is gone", |state| buffers_in_use(state) == 0);
    assert!(!resource.is_alive());
}

#[test]
fn memory_of_monitors_pictures_is_used_again_and_little_of_it_kept() {
    let mut fixture = Fixture::with_planes(Memfds);
    let spare = |state: &State| state.signs.planes.as_ref().unwrap().spare();
    let show = |fixture: &mut Fixture, guest: &str| {
        let signs = fixture.signs().under_windows(OUTPUT, vga(), Some(guest));
        signs.unwrap().sign
    };
    let first = show(&mut fixture, "debian");
    let second = show(&mut fixture, "fedora");
    assert!(spare(&fixture.state).is_empty(), "both are in use");
    let bytes = 640 * 480 * 4;
    drop(first);
    fixture.until("the first is spare", |state| spare(state) == [bytes]);

    // What was there before is gone from it.
    let third = show(&mut fixture, "arch");
    assert!(spare(&fixture.state).is_empty());
    let mut renderer = PixmanRenderer::new().unwrap();
    let wanted = status_picture::draw(Screen::new(vga()), "arch", &GuestStatus::default());
    assert!(drawn(&mut renderer, &third) == wanted.bytes());

    let others: Vec<Sign> = (0..9)
        .map(|number| show(&mut fixture, &number.to_string()))
        .collect();
    drop((second, third, others));
    fixture.signs().under_windows(OUTPUT, vga(), None);
    fixture.until("all are done with", |state| buffers_in_use(state) == 0);
    assert_eq!(spare(&fixture.state), [bytes; 2]);
}

#[test]
fn a_thousand_signs_leave_nothing_behind() {
    let mut fixture = Fixture::with_planes(Memfds);
    for round in 0..1000 {
        fixture.signs().show_switcher(&["debian".to_owned()], round);
        fixture.signs().over_windows(OUTPUT, vga());
        fixture.state.settle();
        fixture
            .event_loop
            .dispatch(Some(Duration::ZERO), &mut fixture.state)
            .unwrap();
    }
    fixture.signs().hide_switcher();
    fixture.signs().over_windows(OUTPUT, vga());
    fixture.until("all buffers are gone", |state| buffers_in_use(state) == 0);
}

#[test]
fn signs_are_drawn_as_they_are_wherever_they_are() {
    let mut renderer = PixmanRenderer::new().unwrap();
    let mut pictures = Vec::new();
    // A memfd is no dma-buf for Pixman: it gets a copy.
    for mut fixture in [
        Fixture::new(),
        Fixture::with_planes(Memfds),
        Fixture::with_planes(Limited),
    ] {
        let sign = fixture.status();
        pictures.push(drawn(&mut renderer, &sign));
        pictures.push(drawn(&mut renderer, &sign.clone()));
    }
    let wanted = status_picture::draw(Screen::new(vga()), "debian", &GuestStatus::default());
    for picture in pictures {
        assert!(picture == wanted.bytes());
    }
}

/// With the kernel's own dma-bufs, where there are any.
#[test]
fn a_real_dmabuf_is_drawn_in_place() {
    let udmabuf = match Udmabuf::open() {
        Ok(udmabuf) => udmabuf,
        Err(error) => {
            eprintln!("Not tested: /dev/udmabuf: {error}");
            return;
        }
    };
    let mut fixture = Fixture::with_planes(udmabuf);
    let sign = fixture.status();
    assert!(sign.is_dmabuf());
    let mut renderer = PixmanRenderer::new().unwrap();
    let buffer = buffer_of(&sign);
    renderer
        .import_dmabuf(get_dmabuf(&buffer).unwrap(), None)
        .unwrap();
    let wanted = status_picture::draw(Screen::new(vga()), "debian", &GuestStatus::default());
    assert!(drawn(&mut renderer, &sign) == wanted.bytes());

    fixture.signs().under_windows(OUTPUT, vga(), None);
    drop((sign, buffer));
    fixture.until("the buffer is gone", |state| buffers_in_use(state) == 0);
}

#[test]
fn without_dmabufs_signs_are_in_ordinary_memory() {
    let mut fixture = Fixture::with_planes(Limited);
    assert!(!fixture.status().is_dmabuf());
    assert!(!Fixture::new().status().is_dmabuf());
}

#[test]
fn a_pointer_is_made_once_for_each_size() {
    let mut fixture = Fixture::new();
    let signs = fixture.signs();
    let arrow = signs.pointer(CursorIcon::Default, vga());
    assert_eq!(
        signs.pointer(CursorIcon::Wait, vga()).sign.id(),
        arrow.sign.id()
    );
    assert_ne!(
        signs.pointer(CursorIcon::Text, vga()).sign.id(),
        arrow.sign.id()
    );
    let large = signs.pointer(CursorIcon::Default, Size::from((3840, 2160)));
    assert!(large.sign.size().w > arrow.sign.size().w);
    assert!(!arrow.sign.is_opaque());
}
