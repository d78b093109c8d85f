//! Why QEMU can't run a guest.

use std::{io, path::PathBuf};

use thiserror::Error;

use super::{TCG_SINCE, Version, WINDOW_SINCE};

/// Why QEMU can't run a guest.
#[derive(Debug, Error)]
pub enum Error {
    /// There is none.
    #[error(
        "Could not find {0:?} in $PATH. Install QEMU (Debian and Ubuntu: apt install qemu-system), \
         or name another one with vmm.program or --vmm"
    )]
    Missing(PathBuf),
    /// It does not answer.
    #[error("Could not ask {} for its version: {problem}. Check that it is a QEMU that runs here",
        program.display())]
    Silent {
        /// The program.
        program: PathBuf,
        /// What happened.
        problem: String,
    },
    /// It is too old for the wanted device.
    #[error(
        "Could not use the device {device} with QEMU {version} ({}): it needs QEMU {needed} or \
         newer. Update QEMU, or choose another device with --device",
        program.display()
    )]
    TooOld {
        /// The wanted device.
        device: &'static str,
        /// The version that is there.
        version: Version,
        /// The version that is needed.
        needed: Version,
        /// The program.
        program: PathBuf,
    },
    /// It was built without the wanted device.
    #[error(
        "Could not use the device {device} with QEMU {version} ({}): it has no such device. \
         Install QEMU's package of display modules (Debian and Ubuntu: qemu-system-modules-opengl \
         or qemu-system-gui), or choose another device with --device",
        program.display()
    )]
    NoDevice {
        /// The wanted device.
        device: &'static str,
        /// The version that is there.
        version: Version,
        /// The program.
        program: PathBuf,
    },
    /// It does not show guests the host's memory, where Vulkan's is.
    #[error(
        "Could not give the guest Vulkan (gpu = \"venus\") on the device {device} of QEMU {version} \
         ({}): only the generic device of QEMU {WINDOW_SINCE} or newer shows guests the host's \
         memory. Update QEMU and leave `device` out, or choose gpu = \"virgl\"",
        program.display()
    )]
    NoVulkan {
        /// The device that the guest would get.
        device: &'static str,
        /// The version that is there.
        version: Version,
        /// The program.
        program: PathBuf,
    },
    /// It can't emulate a guest with a device that is another process.
    #[error(
        "Could not emulate a guest with QEMU {version} ({}): before version {TCG_SINCE} its \
         devices in other processes need KVM. Update QEMU (Debian 12: from bookworm-backports), or \
         make KVM work: `lucarne doctor` tells how",
        program.display()
    )]
    NeedsKvm {
        /// The version that is there.
        version: Version,
        /// The program.
        program: PathBuf,
    },
    /// No machine type is known for a program.
    #[error(
        "Could not choose a machine for {}: its name does not end with a known architecture. \
         Use qemu-system-x86_64, -aarch64, -riscv64 or -loongarch64",
        .0.display()
    )]
    UnknownMachine(PathBuf),
    /// There is no UEFI firmware.
    #[error(
        "Could not find UEFI firmware for {0}. Install it (Debian and Ubuntu: apt install ovmf \
         qemu-efi-aarch64), or name a file with firmware"
    )]
    NoFirmware(&'static str),
    /// A file of the guest can't be used.
    #[error("Could not {attempt} {}: {source}. Check the path and its permissions", path.display())]
    File {
        /// What was attempted.
        attempt: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A way of playing sound was asked for that is not there.
    #[error("Could not play the guest's sound through {system}: {problem}")]
    NoSound {
        /// PipeWire or PulseAudio.
        system: &'static str,
        /// What is missing, and what to do.
        problem: String,
    },
}
