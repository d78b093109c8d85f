//! Guests whose device and VMM are shell scripts.

mod machine;

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use calloop::EventLoop;
use config::guest::{OnClose, Restart, VmmKind};
use protocols::ipc::{
    GuestState, Output, ScreenshotTarget,
    device::{Asked, DeviceEvent},
};
use rustix::process::Signal;

use super::*;
use crate::{
    app::{App, Lasts},
    host::{Connection, Host},
    screenshot::Image,
    wait::{Beside, Woken},
};

/// A host whose connections lead nowhere; it counts them.
#[derive(Debug, Default)]
struct Nowhere {
    connections: usize,
    /// What it was told, the oldest first.
    told: Vec<GuestStatus>,
}

impl Host for Nowhere {
    fn connect_guest(&mut self, _guest: &str) -> io::Result<Connection> {
        self.connections += 1;
        Ok(Connection::Socket(File::open("/dev/null")?.into()))
    }

    fn guest_changed(&mut self, _guest: &str, status: &GuestStatus) {
        self.told.push(status.clone());
    }

    fn outputs(&self) -> Result<Vec<Output>, ipc::Error> {
        Ok(Vec::new())
    }

    fn screenshot(&mut self, _: &ScreenshotTarget) -> Result<Image, ipc::Error> {
        Err(ipc::Error {
            code: ipc::ErrorCode::Unsupported,
            text: String::new(),
        })
    }

    fn resize(&mut self, _: &str, _: u8, _: u32, _: u32) -> Result<(), ipc::Error> {
        Ok(())
    }

    fn focus(&mut self, _: &str) -> Result<(), ipc::Error> {
        Ok(())
    }

    fn leave_loop(&mut self) {}

    fn beside(&self) -> Option<Beside<'_>> {
        None
    }

    fn serve(&mut self, _: Woken) {}
}

struct Fixture {
    app: App<Nowhere>,
    event_loop: EventLoop<'static, App<Nowhere>>,
    folder: tempfile::TempDir,
}

/// A device that listens, is connected to at once, and waits for its end.
const GOOD_DEVICE: &str =
    "tell '\"listening\"'; tell '{\"connected\":{\"dialect\":\"sh\"}}'; wait_for_end";

const FOREVER: &str = "while :; do sleep 1000 & wait; done";

impl Fixture {
    /// `device` is a script that may use `tell JSON` and `wait_for_end`.
    fn new(device: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("device.sh");
        // dash knows file descriptors up to 9 only.
        let script = format!(
            "#!/bin/bash\nwhile [ \"$1\" != --status-fd ]; do shift; done\n\
             tell() {{ echo \"$1\" >&$fd; }}\nfd=$2\n\
             wait_for_end() {{ {FOREVER}; }}\n{device}\n"
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let options = DeviceOptions {
            program: Some(program),
            ..DeviceOptions::default()
        };
        let event_loop = EventLoop::try_new().unwrap();
        let guests = Guests::new(RuntimeDir::new(folder.path()).unwrap(), options);
        let app = App::new(Nowhere::default(), guests, &event_loop, Lasts::UntilQuit).unwrap();
        Self {
            app,
            event_loop,
            folder,
        }
    }

    /// Adds and starts a guest `g` whose VMM is a script.
    fn start(&mut self, vmm: &str, restart: Restart) {
        let config = config::Guest {
            vmm: config::guest::Vmm {
                kind: VmmKind::Custom,
                program: Some("/bin/sh".into()),
                arguments: vec!["-c".to_owned(), vmm.to_owned()],
            },
            restart,
            ..config::Guest::default()
        };
        self.app.guests.add("g", config).unwrap();
        self.app.start_guest("g");
    }

    fn guest(&self) -> ipc::Guest {
        self.app.guests.describe().remove(0)
    }

    /// Lets events happen until the guest is as wanted.
    fn until(&mut self, what: &str, wanted: impl Fn(&ipc::Guest) -> bool) -> ipc::Guest {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !wanted(&self.guest()) {
            assert!(
                Instant::now() < deadline,
                "not {what}, but {:?}",
                self.guest()
            );
            let limit = Some(Duration::from_secs(1));
            self.event_loop.dispatch(limit, &mut self.app).unwrap();
        }
        self.guest()
    }

    fn until_state(&mut self, state: GuestState) -> ipc::Guest {
        self.until(&format!("{state:?}"), |guest| guest.state == state)
    }
}

fn exists(pid: Option<u32>) -> bool {
    pid.is_some_and(|pid| Path::new("/proc").join(pid.to_string()).exists())
}

fn kill(pid: Option<u32>) {
    send(pid, Signal::KILL);
}

fn send(pid: Option<u32>, signal: Signal) {
    let pid = i32::try_from(pid.unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn a_guest_runs_and_shuts_down() {
    let mut fixture = Fixture::new(GOOD_DEVICE);
    fixture.start("read x < /dev/null; exit 0", Restart::OnFailure);

    let guest = fixture.until("off", |guest| {
        guest.device_pid.is_none() && guest.state == GuestState::Stopped
    });

    assert_eq!((guest.device_pid, guest.vmm_pid), (None, None));
    assert!(fixture.app.guests.all_off());
    assert_eq!(fixture.app.guests.failures(), Vec::<String>::new());
}

#[test]
fn a_vmm_that_exits_at_once_fails_with_its_last_lines() {
    let mut fixture = Fixture::new("tell '\"listening\"'; wait_for_end");
    fixture.start(
        "echo one; echo 'no such option' >&2; exit 7",
        Restart::OnFailure,
    );

    fixture.until_state(GuestState::Failed);
    fixture.until("gone", |guest| guest.device_pid.is_none());

    assert_eq!(
        fixture.app.guests.failures(),
        [
            "Could not run the guest g: its VMM ended (exit status 7) before it used its graphics \
          device. The last lines that the VMM wrote:\n    one\n    no such option"
        ]
    );
}

#[test]
fn a_vmm_that_is_killed_is_started_again_and_the_device_stays() {
    let mut fixture = Fixture::new(GOOD_DEVICE);
    fixture.start(FOREVER, Restart::OnFailure);
    let before = fixture.until("running", |guest| {
        guest.state == GuestState::Running && guest.vmm_pid.is_some()
    });

    kill(before.vmm_pid);
    fixture.until_state(GuestState::Restarting);
    let after = fixture.until("running again", |guest| guest.vmm_pid.is_some());

    assert_eq!(after.device_pid, before.device_pid);
    assert_ne!(after.vmm_pid, before.vmm_pid);
    assert_eq!(fixture.app.host.connections, 1);
}

#[test]
fn a_device_that_is_killed_takes_its_vmm_along_and_both_come_back() {
    let mut fixture = Fixture::new(GOOD_DEVICE);
    fixture.start(FOREVER, Restart::OnFailure);
    let before = fixture.until_state(GuestState::Running);

    kill(before.device_pid);
    fixture.until("gone", |guest| {
        guest.vmm_pid.is_none() && guest.device_pid.is_none()
    });
    assert!(!exists(before.vmm_pid));
    let after = fixture.until_state(GuestState::Running);

    assert_ne!(after.device_pid, before.device_pid);
    assert_ne!(after.vmm_pid, before.vmm_pid);
    assert_eq!(fixture.app.host.connections, 2);
}

#[test]
fn a_vmm_that_ends_well_together_with_its_device_has_not_shut_down() {
    let mut fixture = Fixture::new(GOOD_DEVICE);
    let vmm = format!("trap 'exit 0' TERM; echo ready; {FOREVER}");
    fixture.start(&vmm, Restart::OnFailure);
    let before = fixture.until("ready", |guest| {
        guest.state == GuestState::Running && guest.last_output == ["ready"]
    });

    // The loop hears of the VMM's end first.
    for (pid, signal) in [
        (before.vmm_pid, Signal::TERM),
        (before.device_pid, Signal::KILL),
    ] {
        send(pid, signal);
        let status = Path::new("/proc").join(pid.unwrap().to_string());
        while !fs::read_to_string(status.join("stat"))
            .unwrap()
            .contains(") Z ")
        {}
    }
    fixture.until_state(GuestState::Restarting);
    fixture.until_state(GuestState::Running);
}

#[test]
fn a_device_that_can_not_begin_fails_with_its_last_lines() {
    let mut fixture = Fixture::new("echo 'Could not listen on x' >&2; exit 1");
    fixture.start(FOREVER, Restart::OnFailure);

    let guest = fixture.until_state(GuestState::Failed);

    assert_eq!(guest.vmm_pid, None);
    let failure = fixture.app.guests.failures().remove(0);
    assert!(
        failure.ends_with("device wrote:\n    Could not listen on x"),
        "{failure}"
    );
}

#[test]
fn the_host_hears_why_a_guest_failed_and_what_was_written_last() {
    let mut fixture = Fixture::new("tell '\"listening\"'; wait_for_end");
    fixture.start("echo one; echo 'no such disk' >&2; exit 7", Restart::Never);

    fixture.until("gone", |guest| {
        guest.state == GuestState::Failed && guest.device_pid.is_none()
    });

    let told = &fixture.app.host.told;
    assert_eq!(told[0].state, GuestState::Starting);
    let last = &told[told.len() - 1];
    assert_eq!(last.state, GuestState::Failed);
    let reason = last.reason.as_deref().unwrap_or_default();
    assert!(
        reason.starts_with("its VMM ended (exit status 7)"),
        "{reason}"
    );
    assert_eq!(last.last_output, ["one", "no such disk"]);
}

#[test]
fn the_host_hears_what_of_a_guest_is_started_again_and_only_then() {
    let device = format!("echo 'device here' >&2; {GOOD_DEVICE}");
    let mut fixture = Fixture::new(&device);
    let vmm = format!("trap 'exit 3' TERM; echo 'vmm here'; {FOREVER}");
    fixture.start(&vmm, Restart::OnFailure);
    let before = fixture.until("running", |guest| {
        guest.state == GuestState::Running && guest.last_output == ["vmm here"]
    });

    kill(before.device_pid);
    fixture.until_state(GuestState::Restarting);
    let told = fixture.app.host.told.last().unwrap();
    let reason = told.reason.as_deref().unwrap_or_default();
    assert!(reason.starts_with("its graphics device ended"), "{reason}");
    assert_eq!(told.last_output, ["device here"]);

    // That the VMM then ends with an error, too, is our doing.
    fixture.until_state(GuestState::Running);
    fixture.app.restart_guest("g");
    fixture.until_state(GuestState::Restarting);
    fixture.until_state(GuestState::Running);
    let told = &fixture.app.host.told;
    let reasons = told.iter().filter(|status| status.reason.is_some()).count();
    assert_eq!(reasons, 1, "{told:?}");
}

#[test]
fn a_vmm_that_does_not_exist_is_found_out_when_the_guest_is_added() {
    let mut fixture = Fixture::new(GOOD_DEVICE);
    let config = config::Guest {
        vmm: config::guest::Vmm {
            kind: VmmKind::Custom,
            program: Some("/nowhere/vmm".into()),
            ..config::guest::Vmm::default()
        },
        ..config::Guest::default()
    };
    let error = fixture.app.guests.add("g", config).unwrap_err().to_string();
    assert!(
        error.starts_with("Could not find the program \"/nowhere/vmm\""),
        "{error}"
    );
}

#[test]
fn names_are_checked_and_used_once() {
    let mut fixture = Fixture::new(GOOD_DEVICE);
    fixture.start("exit 0", Restart::Never);
    let again = fixture
        .app
        .guests
        .add("g", fixture.app.guests.list["g"].config.clone());
    assert!(matches!(again, Err(AddError::Exists(_))));
    let bad = fixture
        .app
        .guests
        .add("../g", fixture.app.guests.list["g"].config.clone());
    assert!(matches!(bad, Err(AddError::Name { .. })));
}

#[test]
fn quitting_stops_the_vmm_and_then_the_device() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let note = |what: &str| {
        format!(
            "trap 'echo {what} >> {}; exit 0' TERM; {FOREVER}",
            log.path().display()
        )
    };
    let mut fixture = Fixture::new(&format!("tell '\"listening\"'; {}", note("device")));
    fixture.start(
        &note("vmm").replace("while", "echo ready; while"),
        Restart::Always,
    );
    let guest = fixture.until("ready", |guest| guest.last_output == ["ready"]);

    fixture.app.quit();
    fixture.app.run(&mut fixture.event_loop).unwrap();

    assert_eq!(fs::read_to_string(log.path()).unwrap(), "vmm\ndevice\n");
    assert!(!exists(guest.vmm_pid) && !exists(guest.device_pid));
}

#[test]
fn restarting_brings_a_guest_back_that_was_off() {
    let mut fixture = Fixture::new(GOOD_DEVICE);
    fixture.start("exit 0", Restart::OnFailure);
    fixture.until("off", |_| true);
    while !fixture.app.guests.all_off() {
        fixture.event_loop.dispatch(None, &mut fixture.app).unwrap();
    }

    fixture.app.restart_guest("g");

    let guest = fixture.until("started", |guest| guest.vmm_pid.is_some());
    assert!(guest.device_pid.is_some());
}

#[test]
fn a_guest_s_counters_come_through_its_device() {
    let mut fixture = Fixture::new(
        "tell '\"listening\"'; read line <&$fd; echo \"$line\" > \"$0.asked\"; \
         tell '{\"stats\":{\"dialect\":null,\"scanouts\":[]}}'; wait_for_end",
    );
    fixture.start(FOREVER, Restart::OnFailure);
    fixture.until("started", |guest| guest.vmm_pid.is_some());

    assert!(fixture.app.guests.ask_for_stats("g"));
    let asked = fixture.folder.path().join("device.sh.asked");
    fixture.until("asked", |_| {
        fs::read_to_string(&asked).is_ok_and(|text| text.ends_with('\n'))
    });

    assert_eq!(fs::read_to_string(asked).unwrap(), "\"stats\"\n");
    assert!(!fixture.app.guests.ask_for_stats("nobody"));
}

#[test]
fn a_guest_goes_on_without_kvm_where_kvm_fails() {
    let mut fixture = Fixture::new(GOOD_DEVICE);
    fixture.start("exit 0", Restart::Never);
    while !fixture.app.guests.all_off() {
        fixture.event_loop.dispatch(None, &mut fixture.app).unwrap();
    }
    // Like QEMU, which stops the machine and stays.
    let program = fixture.folder.path().join("qemu.sh");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *'accel kvm'*) echo 'KVM internal error. Suberror: 1' >&2;; \
         *) echo running;; esac\n{FOREVER}\n"
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    fixture.app.guests.list.get_mut("g").unwrap().vmm = Vmm::Qemu(vmm::qemu::Qemu {
        installed: vmm::qemu::Installed {
            program,
            version: vmm::qemu::Version {
                major: 11,
                minor: 1,
            },
            devices: std::collections::BTreeSet::new(),
            audio_drivers: std::collections::BTreeSet::new(),
            has_user_network: false,
        },
        dialect: vmm::qemu::Dialect::Gpu,
        engine: Engine::Kvm,
        engine_is_a_guess: true,
        player: None,
    });

    fixture.app.start_guest("g");

    fixture.until("running", |guest| guest.last_output == ["running"]);
}

#[test]
fn everything_is_gone_with_its_owner() {
    let mut fixture = Fixture::new(GOOD_DEVICE);
    fixture.start(&format!("trap '' TERM; {FOREVER}"), Restart::Always);
    let guest = fixture.until_state(GuestState::Running);
    let folder = fixture.app.guests.folder().to_owned();

    drop(fixture);

    assert!(!exists(guest.vmm_pid) && !exists(guest.device_pid));
    assert!(!folder.exists());
}

/// A device that notes down what it is asked for, and answers nothing.
const NOTING_DEVICE: &str = "tell '\"listening\"'; tell '{\"connected\":{\"dialect\":\"sh\"}}'; \
     while read -r line <&$fd; do echo \"$line\" >> \"$0.asked\"; done";

impl Fixture {
    /// Starts a guest `g` that runs, whose last windows are closed as told.
    fn closing(on_close: OnClose) -> Self {
        let mut fixture = Self::new(NOTING_DEVICE);
        fixture.start(FOREVER, Restart::OnFailure);
        fixture
            .app
            .guests
            .list
            .get_mut("g")
            .unwrap()
            .config
            .on_close = on_close;
        fixture.until_state(GuestState::Running);
        fixture
    }

    /// Waits until the device was asked for something.
    fn until_asked(&mut self, request: &str) {
        let asked = self.folder.path().join("device.sh.asked");
        self.until(request, |_| {
            fs::read_to_string(&asked).is_ok_and(|text| text.lines().any(|line| line == request))
        });
    }
}

#[test]
fn closing_the_last_window_of_a_guest_without_a_power_button_ends_it() {
    for on_close in [OnClose::Shutdown, OnClose::Kill] {
        let mut fixture = Fixture::closing(on_close);
        fixture.app.device_event("g", DeviceEvent::CloseRequested);
        let guest = fixture.until("off", |guest| guest.device_pid.is_none());
        assert_eq!((guest.state, guest.vmm_pid), (GuestState::Stopped, None));
        assert_eq!(fixture.app.guests.failures(), Vec::<String>::new());
    }
}

#[test]
fn a_guest_runs_on_where_closing_its_last_window_detaches_it() {
    let mut fixture = Fixture::closing(OnClose::Detach);
    let before = fixture.guest();
    assert!(!before.detached);

    fixture.app.device_event("g", DeviceEvent::CloseRequested);
    fixture.until_asked("\"detach\"");
    fixture.app.device_event("g", DeviceEvent::Detached);

    let after = fixture.guest();
    assert!(after.detached);
    assert_eq!(after.vmm_pid, before.vmm_pid);
    assert!(!fixture.app.guests.all_off());
}

#[test]
fn a_guest_that_nobody_saw_comes_back_unseen_after_its_device_has_crashed() {
    let mut fixture = Fixture::new(&format!("echo \"$*\" >> \"$0.starts\"; {GOOD_DEVICE}"));
    let starts = fixture.folder.path().join("device.sh.starts");
    fixture.start(FOREVER, Restart::OnFailure);
    let before = fixture.until_state(GuestState::Running);
    fixture.app.device_event("g", DeviceEvent::Detached);
    assert_eq!(fixture.app.host.connections, 1);

    kill(before.device_pid);
    fixture.until_state(GuestState::Restarting);
    fixture.until_state(GuestState::Running);

    let starts = fs::read_to_string(starts).unwrap();
    let detached: Vec<bool> = starts
        .lines()
        .map(|line| line.ends_with("--detached"))
        .collect();
    assert_eq!(detached, [false, true]);
    assert_eq!(fixture.app.host.connections, 1, "it has none to anybody");
}

#[test]
fn a_detached_guest_is_let_in_here_through_a_connection_of_its_own() {
    let mut fixture = Fixture::closing(OnClose::Detach);
    assert_eq!(fixture.app.show_guest("g", None), Ok(false), "it is here");
    fixture.app.device_event("g", DeviceEvent::Detached);

    assert_eq!(fixture.app.show_guest("g", None), Ok(true));
    fixture.until_asked("{\"attach\":{\"display\":null}}");
    assert_eq!(fixture.app.host.connections, 2);

    // Elsewhere it needs none of ours, and can come back from there.
    let elsewhere = Some(Path::new("/run/wayland-1"));
    assert_eq!(fixture.app.show_guest("g", elsewhere), Ok(true));
    fixture.until_asked("{\"attach\":{\"display\":\"/run/wayland-1\"}}");
    for event in [
        DeviceEvent::Attached,
        DeviceEvent::Answer {
            to: Asked::Attach,
            error: None,
        },
    ] {
        fixture.app.device_event("g", event);
    }
    assert_eq!(fixture.app.host.connections, 2);
    assert_eq!(fixture.app.show_guest("g", None), Ok(true));
    assert_eq!(fixture.app.host.connections, 3);
}
