//! The floor: a device process that answers every command and does nothing.
//!
//! What it costs is the price of rings, kicks and sockets, which every device pays; what others cost
//! beyond it is their own.

pub mod device;

use std::{path::Path, process::Command};

use super::{
    devices::{Devices, Frames},
    lacks,
    monitor::Monitor,
};
use crate::bench::subject::{Lack, Peer, Shown, Subject, Wanted};

/// This program, also where its file was replaced since.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// The device that does nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Null;

impl Peer for Null {
    fn name(&self) -> &'static str {
        "null"
    }

    fn measures(&self) -> &'static str {
        "a device process that answers every command and does nothing: what rings, kicks and sockets \
         cost alone. It shows nothing, and answers fences at once"
    }

    fn find(&self) -> Result<String, Lack> {
        Ok(format!("part of lucarne {}", env!("CARGO_PKG_VERSION")))
    }

    fn suits(&self, wanted: &Wanted) -> Result<(), Lack> {
        lacks(wanted, "input devices", |needs| needs.hands)?;
        lacks(wanted, "3D", |needs| needs.three_d)?;
        if wanted.needs.pixels {
            return Err(Lack(
                "It moves no pixel: a throughput would be what it answers for.".to_owned(),
            ));
        }
        match wanted.shown_by {
            Shown::Compositor => Ok(()),
            Shown::Stopwatch(_) => Err(Lack("Nobody takes its frames.".to_owned())),
        }
    }

    fn start(&self, wanted: &Wanted, folder: &Path) -> anyhow::Result<Box<dyn Subject>> {
        let mode = Monitor::of(wanted).mode;
        let mode = config::Mode {
            width: mode.width,
            height: mode.height,
            millihertz: mode.millihertz,
        };
        let command = |socket: &Path| {
            let mut command = Command::new(THIS_PROGRAM);
            command.arg("bench-null").arg("--socket").arg(socket);
            command.args(["--mode", &mode.to_string()]);
            command
        };
        let devices = Devices::start(self.name(), Frames::Nowhere, wanted, folder, command)?;
        Ok(Box::new(devices))
    }
}
