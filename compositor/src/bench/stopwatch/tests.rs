//! With the device's own display for a client.

use std::sync::Arc;

use gpu_device::{
    WaylandSource,
    display::{
        BufferId, CursorImage, CursorUpdate, Display as _, DisplayEvent, Frame, FrameId,
        PixelLayout, PixelMemory, ScanoutId, wayland::WaylandDisplay,
    },
    input::HostInput,
};
use protocols::virtio_gpu::{Format, Rect};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create},
};

use super::*;

const SCREEN: ScanoutId = ScanoutId(0);
const BUFFER: BufferId = BufferId(1);
const SIZE: (u32, u32) = (320, 200);

/// A stopwatch, and a device's display on it whose frames show a buffer.
struct Rig {
    display: WaylandDisplay,
    stopwatch: Stopwatch,
    frames: u64,
    events: Vec<DisplayEvent>,
    _folder: tempfile::TempDir,
}

impl Rig {
    fn new(presents: Presents, knows_guests: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let wanted = Wanted {
            shown_by: Shown::Stopwatch(Manner {
                presents,
                knows_guests,
            }),
            ..Wanted::one(SIZE)
        };
        let stopwatch = Stopwatch::start(folder.path(), &wanted).unwrap();
        let source = WaylandSource::Display(stopwatch.display().to_owned());
        let mut display = WaylandDisplay::connect(source, "g", 1).unwrap();
        let stride = 4 * SIZE.0;
        let size = u64::from(stride) * u64::from(SIZE.1);
        let fd = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&fd, size).unwrap();
        fcntl_add_seals(&fd, SealFlags::SHRINK).unwrap();
        let layout = PixelLayout {
            width: SIZE.0,
            height: SIZE.1,
            stride,
            offset: 0,
            format: Format::Bgrx8888,
        };
        let fd = Arc::new(fd);
        display
            .import(BUFFER, layout, PixelMemory::Shm { fd, size })
            .unwrap();
        Self {
            display,
            stopwatch,
            frames: 0,
            events: Vec::new(),
            _folder: folder,
        }
    }

    fn present(&mut self, damage: Rect) {
        self.frames += 1;
        let frame = Frame {
            id: FrameId(self.frames),
            buffer: BUFFER,
            source: Rect::from_size(SIZE.0, SIZE.1),
            damage: vec![damage],
        };
        self.display.present(SCREEN, frame);
    }

    /// Serves the display until it reports something that is wanted.
    fn wait_for<T>(&mut self, wanted: impl Fn(&DisplayEvent) -> Option<T>) -> T {
        loop {
            self.display.flush().unwrap();
            if let Some(place) = self.events.iter().position(|event| wanted(event).is_some()) {
                return wanted(&self.events.remove(place)).unwrap();
            }
            let mut fds = [PollFd::new(&self.display, PollFlags::IN)];
            let ready = poll(&mut fds, Some(&PATIENCE.try_into().unwrap())).unwrap();
            assert!(ready > 0, "the stopwatch says nothing more");
            self.display.dispatch().unwrap();
            self.events.extend(self.display.take_events());
        }
    }

    /// Shows all of the buffer, and waits until that is done.
    fn show(&mut self) -> Duration {
        self.present(Rect::from_size(SIZE.0, SIZE.1));
        let frame = FrameId(self.frames);
        self.wait_for(move |event| match event {
            DisplayEvent::Presented { frame: it, at, .. } if *it == frame => *at,
            _ => None,
        })
    }

    fn next(&self) -> Arrival {
        self.stopwatch.arrivals().recv_timeout(PATIENCE).unwrap()
    }

    /// The next one with a buffer or without a commit.
    fn next_change(&self) -> Arrival {
        loop {
            let arrival = self.next();
            if arrival.buffer.is_some() || arrival.what == What::PointerMove {
                return arrival;
            }
        }
    }
}

#[test]
fn a_commit_is_reported_with_its_time_its_buffer_and_its_damage() {
    for presents in [Presents::AtOnce, Presents::AtRefresh] {
        let mut rig = Rig::new(presents, false);
        rig.show();
        let first = rig.next_change();
        assert_eq!((first.what, first.buffer), (What::Window, Some(SIZE)));
        assert_eq!(first.damage, 320 * 200);
        let before = crate::backend::now();
        rig.present(Rect::from_size(10, 7));
        rig.display.flush().unwrap();
        let second = rig.next_change();
        assert_eq!((second.guest, second.damage), (0, 70));
        assert!((before..=crate::backend::now()).contains(&second.at));
    }
}

#[test]
fn frames_are_shown_at_refreshes_of_the_wanted_rate() {
    let mut rig = Rig::new(Presents::AtRefresh, false);
    let period = Duration::from_secs(1) / 60;
    let first = rig.show();
    for _ in 0..5 {
        let shown = rig.show();
        let told = rig.stopwatch.presented().recv_timeout(PATIENCE).unwrap();
        assert!(told.at <= shown);
        let off = (shown - first).as_nanos() % period.as_nanos();
        assert!(off.min(period.as_nanos() - off) < 1_000, "{off} ns off");
    }
}

#[test]
fn frames_are_shown_when_they_come_and_each_buffer_is_given_back() {
    let mut rig = Rig::new(Presents::AtOnce, true);
    for _ in 0..5 {
        let shown = rig.show();
        let arrived = rig.next_change();
        assert!(arrived.at <= shown);
    }
    // Each frame but the last was replaced.
    for _ in 0..4 {
        rig.wait_for(|event| (*event == DisplayEvent::Released(BUFFER)).then_some(()));
    }
}

#[test]
fn a_pointer_moves_without_a_commit_where_guests_are_known() {
    for (knows_guests, wanted) in [(true, What::PointerMove), (false, What::Window)] {
        let mut rig = Rig::new(Presents::AtOnce, knows_guests);
        rig.show();
        let image = CursorImage {
            width: 64,
            height: 64,
            hot_x: 0,
            hot_y: 0,
            pixels: vec![0; 4 * 64 * 64],
        };
        let update = CursorUpdate::Image { image, x: 1, y: 1 };
        rig.display.cursor(SCREEN, update);
        rig.display.flush().unwrap();
        while rig.next_change().what != What::Pointer {}
        rig.show();
        while rig.stopwatch.arrivals().try_recv().is_ok() {}
        rig.display
            .cursor(SCREEN, CursorUpdate::Move { x: 5, y: 6 });
        rig.display.flush().unwrap();
        loop {
            let arrival = rig.next();
            if arrival.what == wanted {
                break;
            }
            assert_eq!((arrival.what, knows_guests), (What::Pointer, false));
        }
    }
}

#[test]
fn keys_and_places_go_to_the_first_window() {
    let mut rig = Rig::new(Presents::AtRefresh, false);
    rig.show();
    let before = crate::backend::now();
    rig.stopwatch.key(30, true).unwrap();
    assert!(rig.stopwatch.sent().unwrap() >= before);
    rig.wait_for(|event| {
        let is_key = matches!(event, DisplayEvent::Input(HostInput::Key { code: 30, .. }));
        is_key.then_some(())
    });
    rig.stopwatch.point(17.0, 4.0).unwrap();
    rig.stopwatch.sent().unwrap();
    rig.wait_for(|event| match event {
        DisplayEvent::Input(HostInput::PointerMotion(place)) => {
            (place.x == 17.0 && place.y == 4.0).then_some(())
        }
        _ => None,
    });
}

#[test]
fn what_is_told_without_a_window_is_not_said_to_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let stopwatch = Stopwatch::start(folder.path(), &Wanted::one(SIZE)).unwrap();
    stopwatch.key(30, true).unwrap();
    assert!(stopwatch.sent.try_recv().is_err());
}
