//! Who would give this program a screen and keyboard on a bare console.

use std::{os::unix::net::UnixStream, path::Path};

use super::{
    Check,
    mend::{Package, install},
};

const NAME: &str = "seat";

const SEATD: Package = Package {
    apt: "seatd",
    dnf: "seatd",
    pacman: "seatd",
};

pub(super) fn check() -> Check {
    if UnixStream::connect("/run/seatd.sock").is_ok() {
        return Check::ok(NAME, "seatd answers");
    }
    if Path::new("/run/systemd/seats/seat0").exists() {
        return Check::ok(NAME, "logind has a seat");
    }
    if Path::new("/run/seatd.sock").exists() {
        return Check::degraded(
            NAME,
            "seatd is there, but not for this user",
            "sudo usermod -aG seat $USER (on Debian: video), then log in again",
        );
    }
    Check::missing(
        NAME,
        "neither logind nor seatd has a seat; windows and headless need none",
        format!("{} && sudo systemctl enable --now seatd", install(&SEATD)),
    )
}
