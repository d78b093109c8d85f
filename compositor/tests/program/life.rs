//! Running, being asked, ending.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
};

use protocols::ipc::{Answer, GuestState};
use rustix::process::Signal;

use super::{Headless, Place, Ran, names};

/// A configuration with the software guest, on two monitors.
pub(super) fn config(place: &Place) {
    let text = format!(
        "[guest.soft]\n\
         scanouts = [\"320x200\", \"640x480\"]\n\
         vmm = {{ kind = \"custom\", program = \"{}\", arguments = \
         [\"software-guest\", \"--socket\", \"{{socket}}\", \"--name\", \"{{name}}\"] }}\n\
         [[output]]\nmode = \"320x200\"\n[[output]]\nmode = \"800x600\"\n",
        env!("CARGO_BIN_EXE_lucarne")
    );
    place.file("soft.toml", &text);
}

impl Headless {
    pub(super) fn msg(&self, place: &Place, arguments: &[&str]) -> Ran {
        let mut command = place.lucarne(&["msg"]);
        Ran::of(command.args(arguments).env("LUCARNE_SOCKET", &self.socket))
    }

    fn ask(&self, place: &Place, arguments: &[&str]) -> Answer {
        let mut all = vec!["--json"];
        all.extend(arguments);
        serde_json::from_str(&self.msg(place, &all).ok()).unwrap()
    }

    pub(super) fn guest(&self, place: &Place) -> protocols::ipc::Guest {
        match self.ask(place, &["guests"]) {
            Answer::Guests(mut guests) => guests.remove(0),
            other => panic!("it is {other:?}"),
        }
    }

    /// Asks until every monitor of the guest has shown a frame.
    pub(super) fn wait_for_frames(&self, place: &Place) {
        for _ in 0..500 {
            if let Answer::Stats(stats) = self.ask(place, &["stats"])
                && let Some(guest) = stats.first()
                && guest
                    .device
                    .scanouts
                    .iter()
                    .all(|scanout| scanout.frames_presented > 0)
            {
                return;
            }
        }
        panic!("no frame was shown: {:?}", self.guest(place));
    }
}

fn exists(pid: Option<u32>) -> bool {
    Path::new("/proc").join(pid.unwrap().to_string()).exists()
}

#[test]
fn a_log_that_can_t_be_written_ends_no_program() {
    let place = Place::new();
    let full = std::fs::File::options().write(true).open("/dev/full");
    let mut command = place.lucarne(&["headless", "--renderer", "pixman"]);
    let headless = Headless::start(command.env("LUCARNE_LOG", "info").stderr(full.unwrap()));
    headless.signal(Signal::TERM);
    assert_eq!(headless.wait(), Some(0));
}

#[test]
fn a_guest_is_shown_asked_about_and_ended() {
    let place = Place::new();
    config(&place);
    let headless = place.headless(&["--config", "soft.toml"]);
    headless.wait_for_frames(&place);

    assert_eq!(headless.guest(&place).state, GuestState::Running);
    let outputs = headless.msg(&place, &["outputs"]).ok();
    assert!(outputs.contains("HEADLESS-2  800x600@60"), "{outputs}");
    let shoot = ["screenshot", "--guest", "soft", "--scanout", "1", "s.png"];
    assert!(
        headless
            .msg(&place, &shoot)
            .ok()
            .ends_with("s.png: 640x480\n")
    );
    headless.msg(&place, &["screenshot", "o.png"]).ok();
    assert_eq!(size_of_png(&place.path("o.png")), (320, 200));

    // The only lucarne of this user is found without a name.
    assert!(place.run(&["msg", "guests"]).ok().contains("soft"));
    headless.msg(&place, &["quit"]).ok();
    assert_eq!(headless.wait(), Some(0));
    assert_eq!(names(&place.runtime_dir()), Vec::<String>::new());
}

fn size_of_png(path: &Path) -> (u32, u32) {
    let file = BufReader::new(std::fs::File::open(path).unwrap());
    let reader = png::Decoder::new(file).read_info().unwrap();
    (reader.info().width, reader.info().height)
}

#[test]
fn ctrl_c_takes_everything_along() {
    let place = Place::new();
    config(&place);
    let headless = place.headless(&["--config", "soft.toml"]);
    headless.wait_for_frames(&place);
    let guest = headless.guest(&place);

    headless.signal(Signal::INT);

    assert_eq!(headless.wait(), Some(0));
    assert!(!exists(guest.device_pid) && !exists(guest.vmm_pid));
    assert_eq!(names(&place.runtime_dir()), Vec::<String>::new());
}

#[test]
fn being_killed_leaves_no_process_behind_and_the_next_start_tidies_up() {
    let place = Place::new();
    config(&place);
    let headless = place.headless(&["--config", "soft.toml"]);
    headless.wait_for_frames(&place);
    let guest = headless.guest(&place);

    headless.signal(Signal::KILL);
    assert_eq!(headless.wait(), None);

    // The kernel kills them, but nobody here can wait for them.
    while exists(guest.device_pid) || exists(guest.vmm_pid) {
        std::thread::yield_now();
    }
    assert!(!names(&place.runtime_dir()).is_empty());
    let next = place.headless(&[]);
    next.msg(&place, &["quit"]).ok();
    next.wait();
    let left = names(&place.runtime_dir());
    assert!(
        !left.iter().any(|name| name.starts_with("lucarne-")),
        "{left:?}"
    );
}

#[test]
fn restarting_a_guest_brings_it_back() {
    let place = Place::new();
    config(&place);
    let headless = place.headless(&["--config", "soft.toml"]);
    headless.wait_for_frames(&place);
    let before = headless.guest(&place);

    headless.msg(&place, &["restart", "soft"]).ok();
    while headless.guest(&place).vmm_pid == before.vmm_pid {}
    headless.wait_for_frames(&place);

    let after = headless.guest(&place);
    assert_ne!(after.device_pid, before.device_pid);
    assert_eq!(after.state, GuestState::Running);
}

#[test]
fn the_demo_saves_its_picture() {
    let place = Place::new();
    let arguments = [
        "demo",
        "--seconds",
        "1",
        "--renderer",
        "pixman",
        "--mode",
        "400x300",
    ];
    let out = place
        .run(&[&arguments[..], &["--screenshot", "card.png"]].concat())
        .ok();

    assert!(out.contains("second 1: "), "{out}");
    let card = place.path("card.png").canonicalize().unwrap();
    assert!(
        out.ends_with(&format!("(400x300) is in {}\n", card.display())),
        "{out}"
    );
    assert_eq!(size_of_png(&card), (400, 300));
    assert_eq!(names(&place.runtime_dir()), Vec::<String>::new());
}

#[test]
fn the_demo_is_a_window_where_there_is_a_session() {
    let place = Place::new();
    let headless = place.headless(&[]);
    let mut command = place.lucarne(&["demo", "--seconds", "1"]);
    let out = Ran::of(command.env("WAYLAND_DISPLAY", &headless.display)).ok();
    assert!(out.contains("A window shows the demo"), "{out}");
    assert!(out.contains("demo/0"), "{out}");
}

#[test]
fn a_run_ends_with_its_guest() {
    let place = Place::new();
    let headless = place.headless(&[]);
    // Its kernel is a program that draws three frames and shuts down.
    let guest = format!(
        "for word; do case $word in virtio_uml.device=*:16) socket=${{word#*=}};; esac; done\n\
         exec {} software-guest --socket ${{socket%:16}} --dialect uml --frames 3",
        env!("CARGO_BIN_EXE_lucarne")
    );
    let kernel = place.script("linux", &guest);
    let mut command = place.lucarne(&["run", "--uml", "--kernel", kernel.to_str().unwrap()]);
    Ran::of(command.env("WAYLAND_DISPLAY", &headless.display)).ok();
}

#[test]
fn completions_and_manual_pages_are_made() {
    let place = Place::new();
    assert!(
        place
            .run(&["completions", "bash"])
            .ok()
            .contains("_lucarne()")
    );
    place.run(&["man", "pages"]).ok();
    let pages = names(&place.path("pages"));
    assert!(pages.contains(&"lucarne.1".to_owned()), "{pages:?}");
    assert!(pages.contains(&"lucarne-run.1".to_owned()), "{pages:?}");
}

#[test]
fn doctor_always_answers() {
    let place = Place::new();
    let text = place.run(&["doctor"]).ok();
    assert!(text.contains("memfd"), "{text}");
    let checks: serde_json::Value =
        serde_json::from_str(&place.run(&["doctor", "--json"]).ok()).unwrap();
    for check in checks.as_array().unwrap() {
        let is_fine = check["verdict"] == "ok";
        assert_eq!(check["mend"].is_null(), is_fine, "{check}");
    }
}

#[test]
fn help_goes_to_standard_output() {
    let place = Place::new();
    let mut command = place.lucarne(&["--help"]);
    let output = command.stderr(Stdio::null()).output().unwrap();
    assert!(output.stdout.lines().count() > 10);
}
