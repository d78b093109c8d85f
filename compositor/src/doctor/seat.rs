//! Who would give this program a screen and keyboard on a bare console: what libseat asks in turn,
//! and whether this process could be answered.

use std::{
    env, fs,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use super::{
    Check,
    mend::{Package, install},
};

const NAME: &str = "seat";
const SEATD_SOCKET: &str = "/run/seatd.sock";

const SEATD: Package = Package {
    apt: "seatd",
    dnf: "seatd",
    pacman: "seatd",
};

/// What there is of seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    /// seatd's socket is there, and lets us in or not.
    seatd: Option<bool>,
    /// logind runs.
    logind: bool,
    /// This process is a part of a session on logind's seat.
    on_logind_s_seat: bool,
    root: bool,
}

pub(super) fn check() -> Check {
    let socket = env::var_os("SEATD_SOCK").map_or_else(|| SEATD_SOCKET.into(), PathBuf::from);
    judge(Found {
        seatd: match UnixStream::connect(&socket) {
            Ok(_) => Some(true),
            Err(_) => socket.exists().then_some(false),
        },
        logind: Path::new("/run/systemd/seats/seat0").exists(),
        on_logind_s_seat: session().is_some_and(|session| has_seat(&session)),
        root: rustix::process::geteuid().is_root(),
    })
}

/// What logind notes down of the session that this process is in.
fn session() -> Option<String> {
    let id = env::var("XDG_SESSION_ID").ok()?;
    // A name, not a path.
    let id = Some(id).filter(|id| id.chars().all(|c| c.is_ascii_alphanumeric()))?;
    fs::read_to_string(Path::new("/run/systemd/sessions").join(id)).ok()
}

fn has_seat(session: &str) -> bool {
    session.lines().any(|line| {
        line.strip_prefix("SEAT=")
            .is_some_and(|seat| !seat.is_empty())
    })
}

fn judge(found: Found) -> Check {
    match found {
        Found {
            seatd: Some(true), ..
        } => Check::ok(NAME, "seatd answers"),
        Found {
            on_logind_s_seat: true,
            ..
        } => Check::ok(NAME, "logind has a seat, and this session is on it"),
        Found { root: true, .. } => Check::ok(NAME, "root is its own seat manager"),
        Found {
            seatd: Some(false), ..
        } => Check::degraded(
            NAME,
            "seatd is there, but not for this user",
            "sudo usermod -aG seat $USER (on Debian: video), then log in again",
        ),
        Found { logind: true, .. } => Check::degraded(
            NAME,
            "logind has a seat, but this session is not on it (is it over ssh?)",
            "Log in on a text console (Ctrl+Alt+F3) for `lucarne kiosk`, or start it as a service",
        ),
        _ => Check::missing(
            NAME,
            "neither logind nor seatd has a seat; windows and headless need none",
            format!("{} && sudo systemctl enable --now seatd", install(&SEATD)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    const NOTHING: Found = Found {
        seatd: None,
        logind: false,
        on_logind_s_seat: false,
        root: false,
    };

    #[test]
    fn a_seat_comes_from_whoever_gives_one_to_this_process() {
        let verdict = |found| judge(found).verdict;
        let logind = Found {
            logind: true,
            ..NOTHING
        };
        assert_eq!(verdict(NOTHING), Verdict::Missing);
        assert_eq!(verdict(logind), Verdict::Degraded);
        let on_it = Found {
            on_logind_s_seat: true,
            ..logind
        };
        assert_eq!(verdict(on_it), Verdict::Ok);
        let refused = Found {
            seatd: Some(false),
            ..NOTHING
        };
        assert_eq!(verdict(refused), Verdict::Degraded);
        let root = Found {
            root: true,
            ..refused
        };
        assert_eq!(verdict(root), Verdict::Ok);
    }

    #[test]
    fn a_session_over_ssh_has_no_seat() {
        assert!(has_seat("UID=1000\nSEAT=seat0\nTTY=tty3\n"));
        assert!(!has_seat("UID=1000\nREMOTE=1\nTTY=pts/0\n"));
        assert!(!has_seat("SEAT=\n"));
    }
}
