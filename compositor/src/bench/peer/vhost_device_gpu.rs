//! rust-vmm's device, the program `vhost-device-gpu`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    devices::{Devices, Frames},
    lacks, program, proof,
};
use crate::bench::subject::{Lack, Peer, Subject, Wanted};

/// What it can be told to draw with, best first. Its mode `null` moves no pixel.
const MODES: [&str; 2] = ["virglrenderer", "gfxstream"];

/// rust-vmm's device.
#[derive(Debug, Clone, Copy)]
pub(super) struct VhostDeviceGpu;

impl VhostDeviceGpu {
    fn program() -> Result<PathBuf, Lack> {
        program::find(
            "vhost-device-gpu",
            "Install it (`cargo install --locked vhost-device-gpu --no-default-features --features \
             backend-virgl`, with the development files of virglrenderer 1.1 or newer)",
        )
    }

    fn command(program: &Path, mode: &str, socket: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .args(["--gpu-mode", mode])
            .arg("--socket-path")
            .arg(socket)
            // What it says of commands that it refuses.
            .env("RUST_LOG", "warn");
        command
    }

    /// The mode that it is run in.
    fn mode(program: &Path) -> Result<&'static str, Lack> {
        let help = program::says(program, &["--help"]);
        let has = |mode: &&&str| help.contains(**mode);
        MODES.iter().find(has).copied().ok_or_else(|| {
            Lack(
                "It was built without anything to draw with: what is left of it, the mode null, moves no \
                 pixels. Build it with the feature backend-virgl"
                    .to_owned(),
            )
        })
    }
}

impl Peer for VhostDeviceGpu {
    fn name(&self) -> &'static str {
        "vhost-device-gpu"
    }

    fn measures(&self) -> &'static str {
        "rust-vmm's device process of each guest, up to the moment when it has handed the picture to \
         QEMU through the display socket. The benchmark takes it there as QEMU would, and what that \
         costs, and all that QEMU does to show it, is not included. It has no blobs (it offers them, and \
         panics): where they are asked for it shows the same frames as 2D resources"
    }

    fn find(&self) -> Result<String, Lack> {
        let program = Self::program()?;
        let mode = Self::mode(&program)?;
        let version = program::says(&program, &["--version"]);
        let proof = proof::of(self.name(), |socket| Self::command(&program, mode, socket))?;
        Ok(format!("{}, mode {mode}{}", version.trim(), proof.words()))
    }

    fn suits(&self, wanted: &Wanted) -> Result<(), Lack> {
        lacks(wanted, "input devices", |needs| needs.hands)
    }

    fn start(&self, wanted: &Wanted, folder: &Path) -> anyhow::Result<Box<dyn Subject>> {
        let program = Self::program()?;
        let mode = Self::mode(&program)?;
        let command = |socket: &Path| Self::command(&program, mode, socket);
        let devices = Devices::start(self.name(), Frames::Vmm, wanted, folder, command)?;
        Ok(Box::new(devices))
    }
}
