//! What the machine must have to build, run and test Lucarne, and its installation.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{paths, report};

/// A distribution's package manager and the names of what Lucarne needs there.
struct System {
    /// The program that installs.
    installer: &'static str,
    /// Its arguments before the packages.
    install: &'static [&'static str],
    /// What is run before, to know the current packages.
    refresh: &'static [&'static str],
    /// Prints the packages among its further arguments that are installed, or fails if one is not.
    query: &'static [&'static str],
    /// To build and run.
    build: &'static [&'static str],
    /// To make the lab, beyond that.
    lab: &'static [&'static str],
    /// To test, beyond that.
    test: &'static [&'static str],
}

const SYSTEMS: &[System] = &[
    System {
        installer: "apt-get",
        install: &["install", "--yes", "--no-install-recommends"],
        refresh: &["update"],
        query: &["dpkg-query", "--show", "--showformat=${db:Status-Status}\n"],
        build: &[
            "build-essential",
            "pkg-config",
            "libgbm-dev",
            "libinput-dev",
            "libpixman-1-dev",
            "libseat-dev",
            "libudev-dev",
            "libxkbcommon-dev",
            "libegl1",
            "libgl1-mesa-dri",
            "libgles2",
            "libwayland-client0",
            "xkb-data",
            // For guests' 3D, which loads it, and what it loads.
            "libgl1",
            "libvirglrenderer1",
            // For `lucarne nested`, which loads them.
            "libwayland-egl1",
            "libx11-6",
            "libx11-xcb1",
            "libxcursor1",
            "libxi6",
            "libxkbcommon-x11-0",
        ],
        lab: &[
            // The User Mode Linux kernel.
            "bc",
            "bison",
            "flex",
            "libelf-dev",
            "patch",
            "xz-utils",
            // A device to compare with, which makes its bindings to a C library.
            "libclang-dev",
            // The Debian tree.
            "debian-archive-keyring",
            "mmdebstrap",
        ],
        // What is made is checked with these.
        test: &[
            "edid-decode",
            "foot",
            // Vulkan for guests.
            "mesa-vulkan-drivers",
            // Counts instructions.
            "valgrind",
            "virgl-server",
            "weston",
        ],
    },
    System {
        installer: "dnf",
        install: &["install", "--assumeyes"],
        refresh: &[],
        query: &["rpm", "--query"],
        build: &[
            "gcc",
            "make",
            "pkgconf-pkg-config",
            "libinput-devel",
            "libseat-devel",
            "libxkbcommon-devel",
            "mesa-libgbm-devel",
            "pixman-devel",
            "systemd-devel",
            "mesa-libEGL",
            "mesa-dri-drivers",
            "libglvnd-gles",
            "libwayland-client",
            "libwayland-egl",
            "libX11",
            "libX11-xcb",
            "libXcursor",
            "libXi",
            "libxkbcommon-x11",
            "libglvnd-glx",
            "virglrenderer",
            "qemu-system-x86-core",
        ],
        lab: &[],
        test: &[
            "edid-decode",
            "foot",
            "mesa-vulkan-drivers",
            "valgrind",
            "weston",
        ],
    },
    System {
        installer: "pacman",
        install: &["--sync", "--noconfirm", "--needed"],
        refresh: &[],
        query: &["pacman", "--query"],
        build: &[
            "base-devel",
            "libglvnd",
            "libinput",
            "libx11",
            "libxcursor",
            "libxi",
            "libxkbcommon",
            "libxkbcommon-x11",
            "mesa",
            "pixman",
            "seatd",
            "systemd-libs",
            "virglrenderer",
            "wayland",
            "qemu-system-x86",
        ],
        lab: &[],
        test: &["edid-decode", "foot", "valgrind", "vulkan-swrast", "weston"],
    },
];

/// Programs that come from crates.io: the package, and the program that it brings.
const CARGO_TOOLS: &[(&str, &str)] = &[
    ("cargo-nextest", "cargo-nextest"),
    ("cargo-deny", "cargo-deny"),
    ("typos-cli", "typos"),
];

/// How much is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// To build Lucarne and the lab.
    Lab,
    /// To run every check.
    Test,
}

/// Installs what is missing, or only says what it would do.
///
/// # Errors
///
/// When the machine has no package manager that is known here, or an installation fails.
pub fn ensure(scope: Scope, only_print: bool) -> Result<()> {
    let system = SYSTEMS
        .iter()
        .find(|system| in_path(system.installer))
        .context(
            "Looking for apt-get, dnf or pacman: install pkg-config and the development files of gbm, \
             libinput, libseat, pixman, udev and xkbcommon with this system's own package manager",
        )?;
    let mut packages = system.build.to_vec();
    packages.extend(system.lab);
    if scope == Scope::Test {
        packages.extend(system.test);
    }
    packages.retain(|package| !installed(system, package));
    let tools: Vec<_> = CARGO_TOOLS
        .iter()
        .filter(|(_, program)| scope == Scope::Test && !in_path(program) && !in_cargo_bin(program))
        .collect();
    if packages.is_empty() && tools.is_empty() {
        return Ok(());
    }
    if !packages.is_empty() {
        report::say(format!(
            "setup    {} will install: {}",
            system.installer,
            packages.join(" ")
        ));
    }
    for (package, _) in &tools {
        report::say(format!("setup    cargo will install: {package}"));
    }
    if only_print {
        return Ok(());
    }
    install_packages(system, &packages)?;
    for (package, _) in tools {
        install_tool(package)?;
    }
    Ok(())
}

fn install_packages(system: &System, packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let log = paths::scratch().join("setup.log");
    std::fs::create_dir_all(paths::scratch())?;
    if !system.refresh.is_empty() {
        run_as_root(system.installer, system.refresh, &log)?;
    }
    let arguments: Vec<&str> = system.install.iter().chain(packages).copied().collect();
    run_as_root(system.installer, &arguments, &log)
}

fn run_as_root(program: &str, arguments: &[&str], log: &Path) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return report::run_logged(
            Command::new(program)
                .args(arguments)
                .env("DEBIAN_FRONTEND", "noninteractive"),
            log,
        );
    }
    if !report::interactive() {
        bail!(
            "Installing packages needs root rights and nobody is there to give sudo a password: run as \
             root `{program} {}`, or `cargo xtask setup` at a terminal",
            arguments.join(" ")
        );
    }
    report::say(format!("setup    sudo {program} {}", arguments.join(" ")));
    let status = Command::new("sudo")
        .arg(program)
        .args(arguments)
        .status()
        .context("Starting sudo")?;
    if !status.success() {
        bail!("sudo {program} failed ({status})");
    }
    Ok(())
}

/// Builds a tool without optimisation: compiling takes most of the time that it will ever use.
fn install_tool(package: &str) -> Result<()> {
    let log = paths::scratch().join("setup.log");
    std::fs::create_dir_all(paths::scratch())?;
    report::run_logged(
        Command::new("cargo")
            .args(["install", "--locked", "--debug", package])
            .args(["--config", "profile.dev.debug=false"])
            .env("CARGO_TARGET_DIR", paths::scratch().join("tools"))
            .current_dir(std::env::temp_dir()),
        &log,
    )
}

fn installed(system: &System, package: &str) -> bool {
    let Some((program, arguments)) = system.query.split_first() else {
        return false;
    };
    Command::new(program)
        .args(arguments)
        .arg(package)
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|output| {
            // dpkg-query also knows packages that are removed but for their configuration.
            let text = String::from_utf8_lossy(&output.stdout);
            output.status.success()
                && !text.contains("not-installed")
                && !text.contains("config-files")
        })
}

fn in_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}

/// Where `cargo install` puts programs; `cargo NAME` finds them there also if `$PATH` lacks it.
fn in_cargo_bin(program: &str) -> bool {
    cargo_bin().is_some_and(|folder| folder.join(program).is_file())
}

/// The folder of cargo's own programs.
pub fn cargo_bin() -> Option<std::path::PathBuf> {
    std::env::var_os("CARGO_HOME")
        .map(std::path::PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")))
        .map(|home| home.join("bin"))
}
