//! Guests that outlive what shows them.

use std::{
    path::PathBuf,
    process::{Child, Stdio},
};

use protocols::ipc::{Answer, GuestState, GuestStats};
use rustix::process::Signal;

use super::{Place, Ran, life};

/// A `lucarne run` in the background. Killed if a test fails.
struct Run {
    child: Child,
    socket: PathBuf,
}

impl Run {
    /// Runs the software guest in a session, or in none.
    fn start(place: &Place, display: Option<&str>, arguments: &[&str]) -> Self {
        let mut command = place.lucarne(&["run", "--config", "soft.toml", "soft"]);
        command.args(arguments).stderr(Stdio::piped());
        command.envs(display.map(|display| ("WAYLAND_DISPLAY", display)));
        let child = command.spawn().unwrap();
        let socket = format!("lucarne-{}.sock", child.id());
        Self {
            socket: place.runtime_dir().join(socket),
            child,
        }
    }

    fn msg(&self, place: &Place, arguments: &[&str]) -> Ran {
        let mut command = place.lucarne(&["msg"]);
        Ran::of(command.args(arguments).env("LUCARNE_SOCKET", &self.socket))
    }

    fn ask(&self, place: &Place, what: &str) -> Option<Answer> {
        let ran = self.msg(place, &["--json", what]);
        (ran.status == Some(0)).then(|| serde_json::from_str(&ran.out).unwrap())
    }

    fn guest(&self, place: &Place) -> Option<protocols::ipc::Guest> {
        match self.ask(place, "guests")? {
            Answer::Guests(mut guests) => guests.pop(),
            other => panic!("it is {other:?}"),
        }
    }

    fn stats(&self, place: &Place) -> Option<GuestStats> {
        match self.ask(place, "stats")? {
            Answer::Stats(mut stats) => stats.pop(),
            other => panic!("it is {other:?}"),
        }
    }

    /// Asks until the guest runs, shown or not.
    fn wait_until(&self, place: &Place, detached: bool) -> protocols::ipc::Guest {
        for _ in 0..1000 {
            if let Some(guest) = self.guest(place)
                && guest.state == GuestState::Running
                && guest.detached == detached
            {
                return guest;
            }
        }
        panic!("it is {:?}", self.guest(place));
    }

    /// Asks until the first monitor has flushed and shown more frames than these.
    fn wait_for_frames(&self, place: &Place, (flushed, shown): (u64, u64)) -> (u64, u64) {
        for _ in 0..1000 {
            if let Some(stats) = self.stats(place)
                && let Some(scanout) = stats.device.scanouts.first()
                && scanout.frames_flushed > flushed
                && scanout.frames_presented > shown
            {
                return (scanout.frames_flushed, scanout.frames_presented);
            }
        }
        panic!("it is {:?}", self.stats(place));
    }

    fn quit(mut self, place: &Place) {
        self.msg(place, &["quit"]).ok();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

const DISPLAY: [&str; 2] = ["--wayland-display", "wayland-7"];

#[test]
fn windows_come_back_with_their_compositor_and_the_guest_never_notices() {
    let place = Place::new();
    life::config(&place);
    let host = place.headless(&DISPLAY);
    let run = Run::start(&place, Some("wayland-7"), &[]);
    let before = run.wait_until(&place, false);
    let frames = run.wait_for_frames(&place, (0, 0));

    host.signal(Signal::KILL);
    assert_eq!(host.wait(), None);
    let alone = run.wait_until(&place, true);
    assert_eq!(
        (alone.vmm_pid, alone.device_pid),
        (before.vmm_pid, before.device_pid)
    );
    // It draws on.
    let flushed = run.wait_for_frames(&place, (frames.0, 0)).0;
    let (flushed, shown) = run.wait_for_frames(&place, (flushed, 0));

    let host = place.headless(&DISPLAY);
    let after = run.wait_until(&place, false);
    assert_eq!(after.vmm_pid, before.vmm_pid);
    run.wait_for_frames(&place, (flushed, shown));
    run.quit(&place);
    drop(host);
}

#[test]
fn a_guest_starts_without_a_session_and_is_shown_where_it_is_asked_to() {
    let place = Place::new();
    life::config(&place);
    let run = Run::start(&place, None, &["--detached"]);
    run.wait_until(&place, true);
    let nowhere = place.run(&["attach", "soft", "--display", "wayland-7"]);
    let text = nowhere.failure();
    assert!(text.contains("wayland-7\" failed"), "{text}");
    assert!(run.wait_until(&place, true).detached);

    let host = place.headless(&DISPLAY);
    let told = place.run(&["attach", "--display", "wayland-7"]).ok();
    assert!(told.starts_with("The guest soft is shown on /"), "{told}");
    run.wait_until(&place, false);
    let frames = run.wait_for_frames(&place, (0, 0));

    run.msg(&place, &["detach", "soft"]).ok();
    run.wait_until(&place, true);
    let listed = run.msg(&place, &["guests"]).ok();
    assert!(listed.contains("running, detached"), "{listed}");

    // Running it again shows what runs already.
    let mut again = place.lucarne(&["run", "--config", "soft.toml", "soft"]);
    let told = Ran::of(again.env("WAYLAND_DISPLAY", "wayland-7")).ok();
    assert!(told.starts_with("The guest soft runs already. "), "{told}");
    run.wait_until(&place, false);
    run.wait_for_frames(&place, frames);
    run.quit(&place);
    drop(host);
}

#[test]
fn a_guest_of_a_compositor_of_ours_comes_back_home() {
    let place = Place::new();
    life::config(&place);
    let headless = place.headless(&["--config", "soft.toml"]);
    headless.wait_for_frames(&place);
    let shoot = ["screenshot", "--guest", "soft", "s.png"];
    headless.msg(&place, &shoot).ok();

    headless.msg(&place, &["detach", "soft"]).ok();
    assert!(headless.guest(&place).detached);
    // Its windows are gone as soon as the compositor has seen that its connection is.
    while headless.msg(&place, &shoot).status == Some(0) {}

    let told = place.run(&["attach", "soft"]).ok();
    assert_eq!(told, "The guest soft is shown where it belongs\n");
    assert!(!headless.guest(&place).detached);
    while headless.msg(&place, &shoot).status != Some(0) {}
}

#[test]
fn there_must_be_something_to_attach() {
    let place = Place::new();
    let text = place.run(&["attach"]).failure();
    assert!(text.contains("Could not find a running lucarne"), "{text}");
    let _headless = place.headless(&[]);
    let text = place.run(&["attach"]).failure();
    assert!(text.contains("Could not find a guest that runs"), "{text}");
    let text = place.run(&["attach", "x"]).failure();
    assert!(text.contains("Could not find a guest x"), "{text}");
}
