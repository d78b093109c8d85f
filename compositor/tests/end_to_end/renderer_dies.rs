//! A guest's renderer that is killed, crashes or hangs in the middle of a frame: its contexts are gone,
//! and nothing else is.

use std::time::Instant;

use compositor::screenshot::Image;
use guest::{
    driver::{Driver, DriverError, Ticket},
    kms::{BufferKind, Screen},
    spin::Spin,
};
use protocols::ipc::GuestState;
use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process},
};

use super::{
    guest_side::{is_frame, screen, show},
    rig::{PATIENCE, Rig, Setup, scanout},
    three_d::{SIZE, SIZE_32, driver, is_triangle, renderer, shown},
};

/// The size of the screens that the guests draw themselves.
const FLAT: (u32, u32) = (160, 120);

/// How often each signal is sent.
const TIMES: u32 = 50;

/// So many triangles take the CPU's OpenGL several milliseconds: time enough to die in the middle.
const LONG: u32 = 300;

/// A guest with a screen that the host draws and one that it draws itself, and another guest with both.
struct Scene<'a> {
    rig: &'a Rig,
    victim: Driver,
    flat: Screen,
    other: Driver,
    other_flat: Screen,
    other_spin: Spin,
    frame: u32,
}

fn rig() -> Rig {
    setup().start()
}

fn setup() -> Setup {
    Setup::new(&["640x480", "640x480", "640x480", "640x480"])
        .guest_3d("victim", &["320x240", "160x120"])
        .guest_3d("other", &["320x240", "160x120"])
}

impl<'a> Scene<'a> {
    fn new(rig: &'a Rig) -> Self {
        let mut victim = driver(rig, "victim");
        let flat = screen(&mut victim, 1, FLAT, BufferKind::Dumb2d);
        let mut other = driver(rig, "other");
        let other_flat = screen(&mut other, 1, FLAT, BufferKind::Dumb2d);
        let other_spin = Spin::new(&mut other, 0, SIZE).unwrap();
        Self {
            rig,
            victim,
            flat,
            other,
            other_flat,
            other_spin,
            frame: 0,
        }
    }

    /// Everybody but the victim's contexts goes on as if nothing had been.
    #[track_caller]
    fn others_go_on(&mut self) {
        self.frame += 1;
        let ticket = self.other_spin.frame(&mut self.other).unwrap();
        show(&mut self.other, &mut self.other_flat, self.frame);
        show(&mut self.victim, &mut self.flat, self.frame);
        shown(&mut self.other, ticket);
        for guest in ["victim", "other"] {
            self.rig
                .wait_for_picture(&scanout(guest, 1), is_frame(FLAT, self.frame));
        }
    }

    /// A new context, one frame of which is shown.
    #[track_caller]
    fn spin(&mut self) -> (Spin, Image) {
        let mut spin = Spin::new(&mut self.victim, 0, SIZE).unwrap();
        let ticket = spin.frame(&mut self.victim).unwrap();
        shown(&mut self.victim, ticket);
        let picture = self
            .rig
            .wait_for_picture(&scanout("victim", 0), is_triangle(SIZE_32));
        (spin, picture)
    }

    /// Sends frames that take long, and returns once the renderer is at the first of them.
    #[track_caller]
    fn begin_frame(&mut self, spin: &Spin) -> Vec<Ticket> {
        let before = spin.draw(&mut self.victim, 1).unwrap();
        let tickets = (0..3)
            .map(|_| spin.draw(&mut self.victim, LONG).unwrap())
            .collect();
        self.victim.wait(before, PATIENCE).unwrap().done().unwrap();
        tickets
    }

    /// Every command that was under way is answered, well or not; returns how many were refused.
    #[track_caller]
    fn answers(&mut self, tickets: Vec<Ticket>) -> usize {
        let refused = tickets.into_iter().filter(|&ticket| {
            let answer = self.victim.wait(ticket, PATIENCE).unwrap();
            match answer.done() {
                Ok(()) => false,
                Err(DriverError::Refused { .. }) => true,
                Err(error) => panic!("{error}"),
            }
        });
        let refused = refused.count();
        assert_eq!(self.victim.requests_under_way(), 0, "fences are left");
        refused
    }
}

/// Goes through it [`TIMES`] times.
fn dies_by(signal: Signal) {
    // Only who hangs is waited for; on a busy machine all others may take their time.
    let rig = match signal {
        Signal::STOP => setup().renderer_patience("2000").start(),
        _ => rig(),
    };
    let mut scene = Scene::new(&rig);
    let devices = ["victim", "other"].map(|guest| rig.guest(guest).device_pid);
    let others_renderer = renderer(&rig, "other").unwrap();
    let mut refused = 0;
    for _ in 0..TIMES {
        let (spin, picture) = scene.spin();
        let victim = renderer(&rig, "victim").unwrap();
        let tickets = scene.begin_frame(&spin);

        kill(victim, signal);

        scene.others_go_on();
        refused += scene.answers(tickets);
        // The last frame stays, and the context is gone.
        let still = rig.shot(&scanout("victim", 0));
        assert_eq!(still.rgba, picture.rgba, "the screen was lost");
        let lost = spin.draw(&mut scene.victim, 1).unwrap();
        assert_eq!(
            scene.answers(vec![lost]),
            1,
            "a context outlived its renderer"
        );
        rig.wait_for("the renderer to go", |rig| {
            (renderer(rig, "victim") != Some(victim)).then_some(())
        });
        spin.destroy(&mut scene.victim).unwrap();
        scene.victim.take_failures();
    }
    // A frame takes longer than killing does, or this proves nothing.
    assert!(refused > 0, "it never died in the middle of a frame");
    scene.spin();
    scene.others_go_on();
    assert_eq!(renderer(&rig, "other"), Some(others_renderer));
    for (guest, device) in ["victim", "other"].into_iter().zip(devices) {
        let guest = rig.guest(guest);
        assert_eq!(
            (guest.device_pid, guest.state),
            (device, GuestState::Running)
        );
    }
}

fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    match kill_process(pid, signal) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_renderer_that_is_killed_takes_no_screen_with_it() {
    dies_by(Signal::KILL);
}

#[test]
fn a_renderer_that_crashes_takes_no_screen_with_it() {
    dies_by(Signal::SEGV);
}

#[test]
fn a_renderer_that_hangs_is_ended_and_takes_no_screen_with_it() {
    dies_by(Signal::STOP);
}

#[test]
fn a_renderer_ends_with_its_device() {
    let rig = rig();
    let mut victim = driver(&rig, "victim");
    let spin = Spin::new(&mut victim, 0, SIZE).unwrap();
    spin.draw(&mut victim, LONG).unwrap();
    let orphan = renderer(&rig, "victim").unwrap();
    kill(rig.guest("victim").device_pid.unwrap(), Signal::KILL);
    rig.wait_for("the renderer to end", |_| {
        let status = std::fs::read_to_string(format!("/proc/{orphan}/status"));
        let alive = status.is_ok_and(|status| !status.contains("State:\tZ"));
        (!alive).then_some(())
    });
}

#[test]
fn a_guest_that_only_draws_itself_does_not_notice_a_renderer_at_all() {
    let rig = rig();
    let mut victim = driver(&rig, "victim");
    let mut flat = screen(&mut victim, 1, FLAT, BufferKind::Dumb2d);
    show(&mut victim, &mut flat, 1);
    if let Some(idle) = renderer(&rig, "victim") {
        kill(idle, Signal::KILL);
    }
    let started = Instant::now();
    for frame in 2..10 {
        show(&mut victim, &mut flat, frame);
    }
    assert!(started.elapsed() < PATIENCE);
    rig.wait_for_picture(&scanout("victim", 1), is_frame(FLAT, 9));
}
