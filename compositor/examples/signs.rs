//! Writes what a kiosk shows while its guests show nothing, and what lies over guests, as PNG files
//! into a folder, to be looked at: `cargo run --example signs -- FOLDER`.

use std::{fs::File, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use calloop::EventLoop;
use compositor::{
    backend::{Backend, Headless, HostOutput, Monitor, now},
    desktop::{Placement, Policy},
    render::{Renderer, RendererChoice},
    screenshot::ScreenshotTarget,
    signs::GuestStatus,
    state::{Parts, State},
};
use protocols::ipc::GuestState;
use smithay::output::Mode;

const SIZES: [(i32, i32); 3] = [(640, 480), (1920, 1080), (3840, 2160)];

const NAME: &str = "debian";

/// As long as a guest's name can be.
const LONG_NAME: &str = "a-name-that-is-as-long-as-can-be";

const REASON: &str = "its VMM ended (exit status 1) before it used its graphics device";

const LONG_REASON: &str = "its graphics device can't be started: could not start \
    /opt/a/folder/with/a/rather/long/name/and/another/one/below/it/lucarne: No such file or directory \
    (os error 2), which was looked for because the configuration names it as the program that is to \
    be started for each of the guests";

const CONSOLE: [&str; 6] = [
    "[    0.412345] Run /sbin/init as init process",
    "qemu-system-x86_64: -drive file=/srv/images/debian.qcow2: Could not open \
     '/srv/images/debian.qcow2': Permission denied",
    "├── Grüße from a console ──┤",
    "[    0.501212] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
    "[    0.501999] CPU: 0 UID: 0 PID: 1 Comm: init Not tainted 7.2.13 #1 PREEMPT(voluntary)",
    "[    0.502345] ---[ end Kernel panic - not syncing: Attempted to kill init! ]---",
];

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("Name a folder")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    for size in SIZES {
        for (picture, guest, status) in statuses() {
            let mut kiosk = kiosk(size)?;
            kiosk.state.place_guest(guest, Placement::default());
            kiosk.state.set_guest_status(guest, &status);
            kiosk.save(folder, picture)?;
        }
        overlays(folder, size)?;
    }
    Ok(())
}

/// Each state, and failures with much to say: a picture's name, a guest's, and how it is.
fn statuses() -> Vec<(&'static str, &'static str, GuestStatus)> {
    use GuestState::{Failed, Restarting, Running, Starting, Stopped, Waiting};
    let plain = |state| GuestStatus {
        state,
        ..GuestStatus::default()
    };
    let trouble = |state, reason: &str, last_output: Vec<String>| GuestStatus {
        state,
        reason: Some(reason.to_owned()),
        last_output,
    };
    let console = || CONSOLE.map(str::to_owned).to_vec();
    let many = (0..40).map(|number| format!("line {number} of many"));
    vec![
        ("starting", NAME, plain(Starting)),
        ("waiting", NAME, plain(Waiting)),
        ("running", NAME, plain(Running)),
        ("restarting", NAME, plain(Restarting)),
        (
            "died",
            NAME,
            trouble(Restarting, "its VMM ended (signal 9)", console()),
        ),
        ("off", NAME, plain(Stopped)),
        ("off-long", LONG_NAME, plain(Stopped)),
        ("failed", NAME, trouble(Failed, REASON, console())),
        ("failed-silent", NAME, trouble(Failed, REASON, Vec::new())),
        (
            "failed-long",
            LONG_NAME,
            trouble(Failed, LONG_REASON, many.collect()),
        ),
    ]
}

fn overlays(folder: &Path, size: (i32, i32)) -> Result<()> {
    let mut kiosk = kiosk(size)?;
    let guests = ["arch", NAME, "fedora-42", "windows", LONG_NAME].map(str::to_owned);
    kiosk.state.show_switcher(&guests, 1);
    for text in [
        "Keyboard is grabbed. Ctrl+Alt releases it.",
        "DP-1 has no mode 1920x1200@60; its mode is 1920x1080@60 now, which is the nearest one.",
    ] {
        kiosk.state.notice(text, Duration::from_secs(60));
    }
    kiosk.save(folder, "over")
}

/// One whose monitor exists in memory only.
struct Kiosk {
    state: State,
    height: i32,
    /// Has the state's sources.
    _event_loop: EventLoop<'static, State>,
}

fn kiosk((width, height): (i32, i32)) -> Result<Kiosk> {
    let event_loop = EventLoop::try_new()?;
    let parts = Parts {
        backend: Backend::Headless(Headless::default()),
        renderer: Renderer::open(RendererChoice::Pixman)?,
        policy: Policy::Kiosk,
    };
    let mut state = State::assemble::<State>(parts, &event_loop.handle())?;
    let mode = Mode {
        size: (width, height).into(),
        refresh: 60_000,
    };
    state.add_output(HostOutput::new(Monitor::new("M", mode), now()));
    Ok(Kiosk {
        state,
        height,
        _event_loop: event_loop,
    })
}

impl Kiosk {
    fn save(&mut self, folder: &Path, name: &str) -> Result<()> {
        let target = ScreenshotTarget::Output {
            name: "M".to_owned(),
        };
        let image = self.state.screenshot(&target)?;
        let path = folder.join(format!("{name}-{}.png", self.height));
        let file = File::create(&path).with_context(|| format!("Writing {}", path.display()))?;
        image.encode(file)?;
        Ok(())
    }
}
