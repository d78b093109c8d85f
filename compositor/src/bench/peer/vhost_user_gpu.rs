//! QEMU's own vhost-user device, the program `vhost-user-gpu`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    devices::{Devices, Frames},
    lacks, program, proof,
};
use crate::bench::subject::{Lack, Peer, Subject, Wanted};

/// QEMU's device without 3D.
#[derive(Debug, Clone, Copy)]
pub(super) struct VhostUserGpu;

impl VhostUserGpu {
    fn program() -> Result<PathBuf, Lack> {
        program::find(
            "vhost-user-gpu",
            "Install it (Debian: qemu-system-gui; Fedora: qemu-device-display-vhost-user-gpu; Arch: \
             qemu-vhost-user-gpu)",
        )
    }

    fn command(program: &Path, socket: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("--socket-path").arg(socket);
        command
    }
}

impl Peer for VhostUserGpu {
    fn name(&self) -> &'static str {
        "vhost-user-gpu"
    }

    fn measures(&self) -> &'static str {
        "QEMU's device process of each guest, up to the moment when it has handed the pixels to QEMU \
         through the display socket. The benchmark takes them there as QEMU would, and what that \
         costs, and all that QEMU does to show them, is not included. It has no blobs: where they are \
         asked for it shows the same frames as 2D resources"
    }

    fn find(&self) -> Result<String, Lack> {
        let program = Self::program()?;
        let proof = proof::of(self.name(), |socket| Self::command(&program, socket))?;
        // It tells no version of its own.
        let version = program::version_of_qemu(&program);
        let version = version.unwrap_or_else(|| "its version is not known".to_owned());
        Ok(format!("{version}{}", proof.words()))
    }

    fn suits(&self, wanted: &Wanted) -> Result<(), Lack> {
        lacks(wanted, "input devices", |needs| needs.hands)?;
        lacks(wanted, "3D without a graphics card", |needs| needs.three_d)
    }

    fn start(&self, wanted: &Wanted, folder: &Path) -> anyhow::Result<Box<dyn Subject>> {
        let program = Self::program()?;
        let command = |socket: &Path| Self::command(&program, socket);
        let devices = Devices::start(self.name(), Frames::Vmm, wanted, folder, command)?;
        Ok(Box::new(devices))
    }
}
