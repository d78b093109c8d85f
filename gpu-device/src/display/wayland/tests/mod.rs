//! The display against a compositor that is played by the test: every request is looked at,
//! every event is the test's.

mod buffers;
mod connection;
mod frames;
mod guest;
mod host;
mod pointer;
mod requests;
mod seat;
mod windows;

use std::{os::fd::OwnedFd, sync::Arc};

use protocols::virtio_gpu::{Format, Rect};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use wayland_protocols::wp::presentation_time::server::wp_presentation_feedback::Kind;

use self::host::{Host, Imports, Offer};
use super::{WaylandDisplay, WaylandSource};
use crate::display::{
    BufferId, CursorImage, CursorUpdate, Display, DisplayEvent, Frame, FrameId, PixelLayout,
    PixelMemory, Refused, ScanoutId,
};

const SCREEN: ScanoutId = ScanoutId(0);
const OTHER_SCREEN: ScanoutId = ScanoutId(1);

const A: BufferId = BufferId(1);
const B: BufferId = BufferId(2);

/// The size of pictures, unless a test is about sizes.
const WIDTH: u32 = 64;
const HEIGHT: u32 = 32;

/// A display that is connected to a compositor.
struct Scene {
    host: Host,
    display: WaylandDisplay,
    frames: u64,
}

impl Scene {
    fn new() -> Self {
        Self::with(Offer::default())
    }

    fn with(offer: Offer) -> Self {
        let (host, socket) = Host::new(offer);
        let source = WaylandSource::Socket(socket);
        let (host, display) = host.serve_while(|| WaylandDisplay::connect(source, "guest", 1));
        Self {
            host,
            display: display.unwrap(),
            frames: 0,
        }
    }

    /// A window with a picture in buffer A, of which nothing is
    /// left to report: `wl_buffer` 0 on surface 0.
    fn running() -> Self {
        Self::running_with(Offer::default())
    }

    fn running_with(offer: Offer) -> Self {
        let mut scene = Self::with(offer);
        scene.import_shm(A);
        scene.present(A);
        scene.configure((0, 0), &[]);
        scene.host.frame_done(0);
        scene.host.presented(0, 1, Kind::Vsync);
        scene.pump();
        scene.forget_past();
        scene
    }

    /// Carries everything over that both sides have to say to each other.
    fn pump(&mut self) {
        // A configure leads to an acknowledgement, that to a frame, and that to a callback.
        for _ in 0..4 {
            self.display.flush().unwrap();
            self.host.serve();
            self.display.dispatch().unwrap();
        }
    }

    /// The compositor's notes since the last time.
    fn log(&mut self) -> Vec<String> {
        self.pump();
        self.host.take_log()
    }

    /// The notes about one surface, without its name.
    fn log_of(&mut self, surface: &str) -> Vec<String> {
        let log = self.log();
        let about = log.iter().filter_map(|line| line.strip_prefix(surface));
        about
            .map(|line| line.trim_start_matches(": ").to_owned())
            .collect()
    }

    /// The events since the last time.
    fn events(&mut self) -> Vec<DisplayEvent> {
        self.pump();
        self.display.take_events().collect()
    }

    fn forget_past(&mut self) {
        self.log();
        self.events();
    }

    fn import_shm(&mut self, buffer: BufferId) {
        self.display
            .import(buffer, layout(WIDTH, HEIGHT), shm(WIDTH, HEIGHT))
            .unwrap();
    }

    fn import_dmabuf(&mut self, buffer: BufferId) {
        self.display
            .import(buffer, layout(WIDTH, HEIGHT), dmabuf(WIDTH, HEIGHT))
            .unwrap();
    }

    /// Shows all of a buffer of the usual size; a little of it is new.
    fn present(&mut self, buffer: BufferId) -> FrameId {
        self.present_on(SCREEN, buffer)
    }

    fn present_on(&mut self, scanout: ScanoutId, buffer: BufferId) -> FrameId {
        self.present_part(
            scanout,
            buffer,
            Rect::from_size(WIDTH, HEIGHT),
            rect(1, 2, 3, 4),
        )
    }

    fn present_part(
        &mut self,
        scanout: ScanoutId,
        buffer: BufferId,
        source: Rect,
        damage: Rect,
    ) -> FrameId {
        self.frames += 1;
        let id = FrameId(self.frames);
        self.display.present(
            scanout,
            Frame {
                id,
                buffer,
                source,
                damage: vec![damage],
            },
        );
        id
    }

    /// The compositor tells the first window its size.
    fn configure(&mut self, size: (i32, i32), states: &[u32]) {
        self.pump();
        self.host.configure(0, size, states);
        self.pump();
    }
}

fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
    Rect {
        x,
        y,
        width,
        height,
    }
}

fn layout(width: u32, height: u32) -> PixelLayout {
    PixelLayout {
        width,
        height,
        stride: width * 4,
        offset: 0,
        format: Format::Bgra8888,
    }
}

fn memory(size: u64) -> Arc<OwnedFd> {
    let fd = memfd_create("pixels", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&fd, size).unwrap();
    Arc::new(fd)
}

fn shm(width: u32, height: u32) -> PixelMemory {
    let size = u64::from(width * height * 4);
    PixelMemory::Shm {
        fd: memory(size),
        size,
    }
}

/// To the test compositor any file is a dma-buf.
fn dmabuf(width: u32, height: u32) -> PixelMemory {
    PixelMemory::DmaBuf(memory(u64::from(width * height * 4)))
}

fn released(buffer: BufferId) -> DisplayEvent {
    DisplayEvent::Released(buffer)
}

fn discarded(frame: FrameId) -> DisplayEvent {
    DisplayEvent::Discarded {
        scanout: SCREEN,
        frame,
    }
}

const READY: DisplayEvent = DisplayEvent::Ready(SCREEN);
