//! VMMs and device processes that are killed: what is theirs comes back, what is others' stays.

use std::path::Path;

use guest::{
    driver::Driver,
    kms::{BufferKind, Screen},
};
use protocols::ipc::{GuestState, ScanoutStats};
use rustix::process::{Pid, Signal, kill_process};

use super::{
    guest_side::{is_frame, screen, show},
    rig::{Rig, Setup, scanout},
};

const SIZE: (u32, u32) = (320, 240);

/// One guest with a VMM process, and one that must not notice what happens to it.
fn rig() -> Rig {
    Setup::new(&["640x480", "640x480"])
        .animated_guest("victim", "160x120")
        .guest("other", &["320x240"])
        .start()
}

fn kill(pid: Option<u32>) {
    let pid = Pid::from_raw(pid.unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

/// A guest that shows one frame after the other, and is asked whether it was disturbed.
struct Bystander<'a> {
    rig: &'a Rig,
    driver: Driver,
    screen: Screen,
    frame: u32,
    before: ScanoutStats,
    device: Option<u32>,
}

impl<'a> Bystander<'a> {
    fn new(rig: &'a Rig) -> Self {
        let mut driver = rig.driver("other");
        let mut screen = screen(&mut driver, 0, SIZE, BufferKind::Dumb2d);
        show(&mut driver, &mut screen, 0);
        rig.wait_for_picture(&scanout("other", 0), is_frame(SIZE, 0));
        let before = rig.wait_for_stats("other", 0, |stats| stats.frames_presented == 1);
        Self {
            device: rig.guest("other").device_pid,
            rig,
            driver,
            screen,
            frame: 0,
            before,
        }
    }

    /// Its last picture is there, and it can show the next.
    #[track_caller]
    fn check(&mut self) {
        let last = self.rig.shot(&scanout("other", 0));
        is_frame(SIZE, self.frame)(&last).unwrap();
        self.frame += 1;
        show(&mut self.driver, &mut self.screen, self.frame);
        self.rig
            .wait_for_picture(&scanout("other", 0), is_frame(SIZE, self.frame));
    }

    /// All its frames were presented by the same device, and no others.
    #[track_caller]
    fn check_counters(self) {
        let flushed = self.before.frames_flushed + u64::from(self.frame);
        let stats = self.rig.wait_for_stats("other", 0, |stats| {
            stats.frames_presented + stats.frames_missed == flushed
        });
        assert_eq!(stats.frames_flushed, flushed);
        assert_eq!(stats.frames_missed, 0);
        let guest = self.rig.guest("other");
        assert_eq!(
            (guest.device_pid, guest.state),
            (self.device, GuestState::Running)
        );
    }
}

/// How many frames of the victim's were presented.
fn presented(rig: &Rig) -> u64 {
    rig.wait_for_stats("victim", 0, |stats| stats.frames_presented > 0)
        .frames_presented
}

#[test]
fn a_vmm_that_is_killed_is_started_again_and_its_window_never_goes() {
    let rig = rig();
    presented(&rig);
    let mut bystander = Bystander::new(&rig);
    let before = rig.guest("victim");

    kill(before.vmm_pid);

    let mut pictures = 0;
    let after = rig.wait_for("the VMM to come back", |rig| {
        bystander.check();
        let picture = rig
            .try_shot(&scanout("victim", 0))
            .expect("the window stays");
        assert_eq!((picture.width, picture.height), (160, 120));
        pictures += 1;
        let guest = rig.guest("victim");
        (guest.state == GuestState::Running && guest.vmm_pid != before.vmm_pid).then_some(guest)
    });
    assert!(pictures > 1);
    assert_eq!(after.device_pid, before.device_pid);
    let first = presented(&rig);
    rig.wait_for_stats("victim", 0, |stats| stats.frames_presented > first + 5);
    bystander.check();
    bystander.check_counters();
}

#[test]
fn a_device_that_is_killed_comes_back_with_its_vmm_and_its_window() {
    let rig = rig();
    presented(&rig);
    let mut bystander = Bystander::new(&rig);
    let before = rig.guest("victim");

    kill(before.device_pid);

    rig.wait_for_nothing(&scanout("victim", 0));
    bystander.check();
    let after = rig.wait_for("both to come back", |rig| {
        bystander.check();
        let guest = rig.guest("victim");
        let is_new = guest.device_pid != before.device_pid && guest.vmm_pid != before.vmm_pid;
        (guest.state == GuestState::Running && is_new).then_some(guest)
    });
    assert!(after.device_pid.is_some() && after.vmm_pid.is_some());
    assert!(presented(&rig) > 0);
    rig.shot(&scanout("victim", 0));
    let old = Path::new("/proc").join(before.vmm_pid.unwrap().to_string());
    assert!(!old.exists(), "the VMM without a device went on");
    bystander.check();
    bystander.check_counters();
}

#[test]
fn a_device_whose_vmm_is_somebody_elses_can_be_connected_to_again() {
    let rig = rig();
    let mut driver = rig.driver("other");
    let mut first = screen(&mut driver, 0, SIZE, BufferKind::Blob);
    show(&mut driver, &mut first, 1);
    rig.wait_for_picture(&scanout("other", 0), is_frame(SIZE, 1));
    let before = rig.guest("other");

    kill(before.device_pid);

    let gone = rig.wait_for("the driver to notice", |_| {
        driver.poll(super::rig::PATIENCE).err()
    });
    assert!(gone.is_gone(), "{gone}");
    rig.wait_for_nothing(&scanout("other", 0));
    rig.wait_for("the device", |rig| {
        let guest = rig.guest("other");
        (guest.state == GuestState::Waiting && guest.device_pid != before.device_pid).then_some(())
    });
    let mut driver = rig.driver("other");
    let mut second = screen(&mut driver, 0, SIZE, BufferKind::Blob);
    show(&mut driver, &mut second, 2);
    rig.wait_for_picture(&scanout("other", 0), is_frame(SIZE, 2));
}
