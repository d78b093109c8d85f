//! Other people's graphics devices, which `lucarne bench` is compared with: QEMU's vhost-user device, from the
//! [`super::tree`], the tree's QEMU with its D-Bus display, and rust-vmm's device, built for this machine with the tree's
//! virglrenderer.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::{Work, apt::Apt, tree};
use crate::report;

/// The crate of rust-vmm's device.
const CRATE: &str = "vhost-device-gpu";

/// Its version, which names what is compared.
pub const CRATE_VERSION: &str = "0.2.0";

/// Starts it.
pub const PROGRAM: &str = include_str!("../../lab/vhost-device-gpu");

/// Starts QEMU with its D-Bus display.
pub const QEMU: &str = include_str!("../../lab/qemu-with-bus");

/// Where QEMU's modules are in a file system.
const MODULES: &str = "usr/lib/x86_64-linux-gnu/qemu";

/// Changes when the same inputs are to be built in another way.
pub const VERSION: &str = "2";

/// Builds them; `tree` is the cache's entry of the Debian tree, which lies beside this one.
pub fn build(work: &Work, tree: &Path) -> Result<()> {
    let programs = work.out.join("bin");
    fs::create_dir(&programs)?;
    let root = tree.join("root");
    // Not by an absolute path: a cache may be moved.
    let tree = Path::new("..").join(tree.file_name().context("Naming the tree's folder")?);
    symlink(tree.join("root"), work.out.join("tree"))?;
    symlink(
        Path::new("..").join(&tree).join("bin/vhost-user-gpu"),
        programs.join("vhost-user-gpu"),
    )?;
    let apt = Apt::new(&work.scratch.join("apt"), &work.log)?;
    let modules = work.out.join("modules");
    fs::create_dir(&modules)?;
    unpack_modules(work, &apt, &modules, &root)?;
    tree::program(&programs.join("qemu-system-x86_64"), QEMU)?;
    let built = build_crate(work, &apt)?;
    fs::create_dir(work.out.join("lib"))?;
    fs::copy(built, work.out.join("lib").join(CRATE))?;
    tree::program(&programs.join(CRATE), PROGRAM)
}

/// QEMU loads modules from one folder only, so that the tree's are there as well.
fn unpack_modules(work: &Work, apt: &Apt, modules: &Path, tree: &Path) -> Result<()> {
    let package = work.scratch.join("modules");
    apt.unpack("qemu-system-modules-opengl", &package)?;
    for module in fs::read_dir(package.join(MODULES)).context("Looking for QEMU's modules")? {
        let module = module?;
        fs::copy(module.path(), modules.join(module.file_name()))?;
    }
    let others = Path::new("../tree").join(MODULES);
    for module in fs::read_dir(tree.join(MODULES))? {
        let name = module?.file_name();
        symlink(others.join(&name), modules.join(&name))?;
    }
    Ok(())
}

/// With virglrenderer: without, all that is left of it is a mode that moves no pixels.
fn build_crate(work: &Work, apt: &Apt) -> Result<std::path::PathBuf> {
    let files = work.scratch.join("virglrenderer");
    for package in ["libvirglrenderer-dev", "libvirglrenderer1"] {
        apt.unpack(package, &files)?;
    }
    let installed = work.scratch.join("installed");
    report::run_logged(
        Command::new("cargo")
            .args(["install", "--locked", "--version", CRATE_VERSION, CRATE])
            .args(["--no-default-features", "--features", "backend-virgl"])
            .arg("--root")
            .arg(&installed)
            .env("CARGO_TARGET_DIR", work.scratch.join("target"))
            .env("PKG_CONFIG_SYSROOT_DIR", &files)
            .env(
                "PKG_CONFIG_PATH",
                files.join("usr/lib/x86_64-linux-gnu/pkgconfig"),
            )
            .env(
                "BINDGEN_EXTRA_CLANG_ARGS",
                format!("-I{}", files.join("usr/include").display()),
            )
            // What virglrenderer itself needs is in the tree, where the program is run.
            .env("RUSTFLAGS", "-C link-arg=-Wl,--allow-shlib-undefined")
            .current_dir(std::env::temp_dir()),
        &work.log,
    )
    .with_context(|| format!("Building {CRATE} {CRATE_VERSION} of crates.io"))?;
    Ok(installed.join("bin").join(CRATE))
}
