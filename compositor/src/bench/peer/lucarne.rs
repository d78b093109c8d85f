//! Lucarne itself: `lucarne headless` with a guest for each that is wanted, or `lucarne device`
//! processes whose frames the benchmark's own Wayland server takes.
//!
//! Its processes are those of a user: the same program, started anew, with nothing of them in this
//! one. Counters and process numbers come through the control socket, as `lucarne msg` would ask.

mod alone;
mod headless;

pub(in crate::bench) use self::headless::guests;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Context as _;

use crate::bench::{
    measure::children,
    subject::{InputDevice, Lack, Peer, Process, Role, Shown, Subject, Wanted},
};

/// How long its processes may take to start: much longer than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// This program, also where its file was replaced since.
const PROGRAM: &str = "/proc/self/exe";

/// Lucarne.
#[derive(Debug, Clone, Copy)]
pub struct Lucarne;

impl Peer for Lucarne {
    fn name(&self) -> &'static str {
        "lucarne"
    }

    fn measures(&self) -> &'static str {
        "the device process of each guest, and our compositor without a screen that shows their \
         frames: a guest that fills its output is shown as on a display's plane, which draws nothing, \
         while all else is drawn; where the benchmark's own Wayland server shows them, the device \
         processes alone"
    }

    fn find(&self) -> Result<String, Lack> {
        Ok(format!("lucarne {}", env!("CARGO_PKG_VERSION")))
    }

    fn suits(&self, wanted: &Wanted) -> Result<(), Lack> {
        match wanted.guests {
            0 => Err(Lack("There are no guests to show.".to_owned())),
            _ => Ok(()),
        }
    }

    fn start(&self, wanted: &Wanted, folder: &Path) -> anyhow::Result<Box<dyn Subject>> {
        Ok(match wanted.shown_by {
            Shown::Compositor => Box::new(headless::Headless::start(wanted, folder)?),
            Shown::Stopwatch(_) => Box::new(alone::Alone::start(wanted, folder)?),
        })
    }
}

/// The name of a guest, in the order of [`Subject::connect`].
fn guest_name(guest: usize) -> String {
    format!("g{guest}")
}

/// The name of an input device, in configuration files and of sockets.
fn kind(device: InputDevice) -> &'static str {
    match device {
        InputDevice::Keyboard => "keyboard",
        InputDevice::Pointer => "pointer",
    }
}

/// Where the VMM of a guest connects to its graphics device.
pub(in crate::bench) fn gpu_socket(folder: &Path, guest: usize) -> PathBuf {
    folder.join(format!("{}.gpu", guest_name(guest)))
}

/// Where it connects to an input device.
fn hand_socket(folder: &Path, guest: usize, device: InputDevice) -> PathBuf {
    folder.join(format!("{}.{}", guest_name(guest), kind(device)))
}

/// The processes of devices, with those that draw for them if they have 3D.
fn processes(devices: &[u32], wanted: &Wanted) -> Vec<Process> {
    let device = |&pid| Process {
        role: Role::Device,
        pid,
    };
    let mut all: Vec<Process> = devices.iter().map(device).collect();
    if wanted.needs.three_d {
        let drawing = devices.iter().flat_map(|device| children(*device));
        all.extend(drawing.map(|pid| Process {
            role: Role::Renderer,
            pid,
        }));
    }
    all
}

/// This program, in a folder where it finds nothing of the user's.
///
/// # Errors
/// The folder can't be written to.
pub(in crate::bench) fn program(folder: &Path) -> anyhow::Result<Command> {
    let runtime = folder.join("run");
    fs::create_dir_all(&runtime)
        .with_context(|| format!("Could not make {}. Check that folder", runtime.display()))?;
    let mut command = Command::new(PROGRAM);
    command
        .current_dir(folder)
        .env("XDG_RUNTIME_DIR", &runtime)
        .env("XDG_CONFIG_HOME", folder);
    for name in ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "LUCARNE_SOCKET"] {
        command.env_remove(name);
    }
    Ok(command)
}
