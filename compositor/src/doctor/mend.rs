//! Commands that install something, in the words of this system's package manager.

use std::path::Path;

/// One package in the names of Debian and Ubuntu, Fedora, and Arch.
pub(super) struct Package {
    pub(super) apt: &'static str,
    pub(super) dnf: &'static str,
    pub(super) pacman: &'static str,
}

/// The command that installs a package here.
pub(super) fn install(package: &Package) -> String {
    let Package { apt, dnf, pacman } = package;
    let here = |program: &str| Path::new("/usr/bin").join(program).exists();
    if here("apt") {
        format!("sudo apt install {apt}")
    } else if here("dnf") {
        format!("sudo dnf install {dnf}")
    } else if here("pacman") {
        format!("sudo pacman -S {pacman}")
    } else {
        format!("Install {apt} (Debian's name)")
    }
}
