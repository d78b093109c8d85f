//! The User Mode Linux kernel, from the distribution's kernel source.

use std::{fs, process::Command, thread};

use anyhow::{Context as _, Result};

use super::{Work, apt::Apt};
use crate::report;

/// The kernel's configuration: virtio_uml, virtio_gpu and virtio_input for a guest; vkms, vgem,
/// udmabuf and uinput for a host.
pub const CONFIG: &str = include_str!("../../lab/kernel.config");

/// What stock sources lack; the reasons are at its head.
pub const PATCH: &str = include_str!("../../lab/kernel.patch");

/// Changes when the same inputs are to be built in another way.
pub const VERSION: &str = "1";

pub fn build(work: &Work) -> Result<()> {
    let apt = Apt::new(&work.scratch.join("apt"), &work.log)?;
    // The package "linux-source" is empty and depends on the current one, like linux-source-7.2.
    let package = apt
        .dependencies("linux-source")?
        .into_iter()
        .find(|name| name.starts_with("linux-source-"))
        .context("Looking for the kernel's source package")?;
    let unpacked = work.scratch.join("package");
    apt.unpack(&package, &unpacked)?;
    run(
        work,
        Command::new("tar")
            .arg("-xJf")
            .arg(unpacked.join(format!("usr/src/{package}.tar.xz")))
            .arg("-C")
            .arg(&work.scratch),
    )?;
    let source = work.scratch.join(&package);
    let patch = work.scratch.join("lab.patch");
    fs::write(&patch, PATCH)?;
    run(
        work,
        Command::new("patch")
            .args(["--strip=1", "--forward", "--input"])
            .arg(&patch)
            .current_dir(&source),
    )?;
    fs::write(source.join("arch/um/configs/lucarne_defconfig"), CONFIG)?;
    let jobs = thread::available_parallelism().map_or(2, usize::from);
    for goal in ["lucarne_defconfig", "linux"] {
        run(
            work,
            Command::new("nice")
                .args(["-n", "10", "make", "ARCH=um", goal])
                .arg(format!("-j{jobs}"))
                .current_dir(&source),
        )?;
    }
    run(
        work,
        Command::new("strip")
            .arg("-o")
            .arg(work.out.join("linux"))
            .arg(source.join("linux")),
    )
}

fn run(work: &Work, command: &mut Command) -> Result<()> {
    report::run_logged(command, &work.log)
}
