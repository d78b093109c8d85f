//! A Debian testing file system: Mesa, QEMU and the test programs in versions that this machine's
//! distribution need not have. Root of the User Mode Linux machines.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{Work, apt};
use crate::report;

/// What is installed, beside what these need.
pub const PACKAGES: &[&str] = &[
    // Init and the small tools of the guests.
    "busybox-static",
    // What the program `lucarne` is linked with.
    "libgbm1",
    "libpixman-1-0",
    "libxkbcommon0",
    "xkb-data",
    // A seat, and its devices as they come and go.
    "libinput10",
    "libseat1",
    "libudev1",
    "seatd",
    "udev",
    // OpenGL on the CPU.
    "libegl1",
    "libegl-mesa0",
    "libgl1",
    "libgl1-mesa-dri",
    "libgles2",
    "libglx-mesa0",
    // Guests' programs and clients of the compositor.
    "foot",
    "fonts-dejavu-core",
    "kmscube",
    "libdrm-tests",
    "weston",
    // What reaches a guest's hands.
    "evtest",
    "libinput-tools",
    // Other people's sessions, their screenshots, and their managers of virtual machines.
    "grim",
    "libvirt-clients",
    "libvirt-daemon",
    "libvirt-daemon-driver-qemu",
    "sway",
    "xvfb",
    "libxkbcommon-x11-0",
    "xdotool",
    // Guests of its own, and the libraries of QEMU's own device.
    "libepoxy0",
    "libvirglrenderer1",
    "qemu-system-x86",
    // Three dimensions: what draws for guests, what says which OpenGL and Vulkan there is, and what draws in guests.
    "virgl-server",
    "mesa-vulkan-drivers",
    "mesa-utils-bin",
    "vulkan-tools",
    "glmark2-es2-drm",
    "glmark2-es2-wayland",
    "ioquake3",
    // For the test suite of [`super::programs`].
    "libwaffle-1-0",
    "libxcb-dri2-0",
];

/// First process of a User Mode Linux machine.
pub const INIT: &str = include_str!("../../lab/uml-init");

/// Starts the tree's QEMU on the machine that holds the tree.
pub const QEMU: &str = include_str!("../../lab/qemu-system-x86_64");

/// Starts QEMU's own vhost-user-gpu device there.
pub const PEER: &str = include_str!("../../lab/vhost-user-gpu");

/// Changes when the same inputs are to be built in another way.
pub const VERSION: &str = "1";

pub fn build(work: &Work) -> Result<()> {
    let archive = work.scratch.join("tree.tar");
    let root = work.out.join("root");
    // Through an archive, so that without root rights too every file belongs to the user.
    report::run_logged(
        Command::new("nice")
            .args(["-n", "10", "mmdebstrap", "--variant=minbase"])
            .args(["--architectures=amd64", "--format=tar"])
            .arg(r#"--aptopt=Acquire::Check-Valid-Until "false""#)
            .arg(r#"--aptopt=Acquire::Languages "none""#)
            .arg(r#"--aptopt=APT::Install-Recommends "false""#)
            .args(
                ["man", "doc", "locale", "info"]
                    .map(|folder| format!("--dpkgopt=path-exclude=/usr/share/{folder}/*")),
            )
            .arg("--dpkgopt=force-unsafe-io")
            .arg(format!("--include={}", PACKAGES.join(",")))
            .arg(apt::SUITE)
            .arg(&archive)
            .arg(apt::source_line()?),
        &work.log,
    )
    .with_context(|| {
        "Making a file system with mmdebstrap. Without root rights it needs the package uidmap and \
         unprivileged user namespaces; as root neither"
    })?;
    fs::create_dir(&root)?;
    report::run_logged(
        Command::new("tar")
            .args([
                "--extract",
                "--no-same-owner",
                "--exclude=./dev/*",
                "--file",
            ])
            .arg(&archive)
            .arg("-C")
            .arg(&root),
        &work.log,
    )?;
    for mount_point in ["host", "lab"] {
        fs::create_dir(root.join(mount_point))?;
    }
    program(&root.join("uml-init"), INIT)?;
    unpack_peer(work, &root)?;
    fs::create_dir(work.out.join("bin"))?;
    program(&work.out.join("bin/qemu-system-x86_64"), QEMU)?;
    program(&work.out.join("bin/vhost-user-gpu"), PEER)
}

/// QEMU's own device comes with its graphical user interface; only the device is taken.
fn unpack_peer(work: &Work, root: &Path) -> Result<()> {
    const PROGRAM: &str = "usr/lib/qemu/vhost-user-gpu";
    let apt = apt::Apt::new(&work.scratch.join("apt"), &work.log)?;
    let package = work.scratch.join("package");
    apt.unpack("qemu-system-gui", &package)?;
    fs::create_dir_all(root.join("usr/lib/qemu"))?;
    fs::copy(package.join(PROGRAM), root.join(PROGRAM))
        .context("Taking vhost-user-gpu out of its package")?;
    Ok(())
}

/// Writes a script that can be run.
pub fn program(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content)?;
    fs::set_permissions(path, Permissions::from_mode(0o755))?;
    Ok(())
}
