//! Guests whose page flips end at ticks of a timer of their own, on a host with planes.

use std::time::{Duration, Instant};

use protocols::{ipc::PresentPath, virtio_gpu::Rect};

use super::fixture::*;
use crate::display::{BufferId, DisplayEvent, Frame};

const SIZE: (u32, u32) = (64, 32);
const WHOLE: Rect = Rect {
    x: 0,
    y: 0,
    width: 64,
    height: 32,
};
const BYTES: u32 = 64 * 32 * 4;

/// The host asks for a flip this long before its vblank.
const LEAD: Duration = Duration::from_millis(3);

/// Ticks late in the host's refresh: too late for its next frame.
const LATE: Duration = Duration::from_millis(15);
const EARLY: Duration = Duration::from_millis(5);

/// A guest with two blobs that it flips between, and the host's screen.
struct Desk {
    f: Fixture,
    /// When in a refresh the guest's timer ticks.
    tick: Duration,
    /// The guest's last flip is answered.
    answered: bool,
    flips: u32,
    /// The frame that the host has, since when.
    handed: Option<(Frame, Instant)>,
    on_screen: Option<BufferId>,
}

impl Desk {
    fn new(mut f: Fixture, tick: Duration) -> Self {
        for id in 1..=2 {
            f.create_blob(id, u64::from(id * BYTES), BYTES);
        }
        Self {
            f,
            tick,
            answered: true,
            flips: 0,
            handed: None,
            on_screen: None,
        }
    }

    /// Runs for some refreshes. Returns at how many of them there was a new frame.
    fn run(&mut self, refreshes: u32) -> u32 {
        (0..refreshes).map(|_| u32::from(self.refresh())).sum()
    }

    fn refresh(&mut self) -> bool {
        let fresh = self.vblank();
        self.f.wait(self.tick);
        self.answered |= !self.f.answered().is_empty();
        if self.answered {
            self.answered = false;
            self.flips += 1;
            let id = self.flips % 2 + 1;
            self.f.ok(set_blob(0, id, SIZE, WHOLE));
            self.f.flush_later(id, WHOLE);
            self.take_frame();
        }
        self.f.wait(REFRESH - self.tick);
        fresh
    }

    fn vblank(&mut self) -> bool {
        let now = self.f.now;
        let Some((frame, _)) = self.handed.take_if(|(_, since)| *since + LEAD <= now) else {
            return false;
        };
        let before = self.on_screen.replace(frame.buffer);
        if let Some(before) = before.filter(|before| *before != frame.buffer) {
            self.f.event(DisplayEvent::Released(before));
        }
        self.f.presented(frame.id, true);
        self.f.event(DisplayEvent::Ready(SCREEN));
        self.take_frame();
        true
    }

    fn take_frame(&mut self) {
        if let Some(frame) = self.f.frames().pop() {
            assert!(self.handed.is_none(), "one frame a refresh");
            self.handed = Some((frame, self.f.now));
        }
    }
}

#[test]
fn a_guest_that_ticks_in_time_is_never_copied() {
    let mut desk = Desk::new(Fixture::with_dma_bufs().0, EARLY);
    desk.run(3);
    assert_eq!(desk.run(1000), 1000);
    assert_eq!(desk.f.stats().bytes_copied, 0);
}

#[test]
fn a_guest_that_ticks_too_late_misses_every_second_refresh_until_it_is_copied() {
    let mut desk = Desk::new(Fixture::with_dma_bufs().0, LATE);
    desk.run(3);
    let in_place = desk.run(30);
    assert!((14..=16).contains(&in_place), "{in_place}");
    desk.run(20);
    assert_eq!(desk.run(60), 60);
    let stats = desk.f.stats();
    assert_eq!(stats.path, PresentPath::Copy);
    assert_eq!(
        stats.reason.map(|reason| reason.code).as_deref(),
        Some("out_of_step")
    );
}

#[test]
fn a_guest_that_ticks_in_time_by_now_is_shown_in_place_again() {
    let mut desk = Desk::new(Fixture::with_dma_bufs().0, LATE);
    desk.run(300);
    assert_eq!(desk.f.stats().path, PresentPath::Copy);
    desk.tick = EARLY;
    desk.run(1000);
    let copied = desk.f.stats().bytes_copied;
    assert_eq!(desk.run(600), 600);
    let stats = desk.f.stats();
    assert_eq!(
        (stats.path, stats.bytes_copied),
        (PresentPath::DmabufPlane, copied)
    );
    assert_eq!(stats.reason, None);
}

#[test]
fn without_memory_for_copies_it_goes_on_as_before() {
    let f = Fixture::with(|options| {
        options.dma_bufs = Some(Box::new(FakeUdmabuf::default()));
        options.limits.bytes = 1;
    });
    let mut desk = Desk::new(f, LATE);
    let shown = desk.run(600);
    assert!((290..=310).contains(&shown), "{shown}");
    assert_eq!(desk.f.stats().bytes_copied, 0);
}
