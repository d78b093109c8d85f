//! The text consoles, one of which `lucarne kiosk` takes over and gives back.

use std::{fs, path::Path};

use super::Check;

const NAME: &str = "console";

pub(super) fn check() -> Check {
    // Each of them may be a pipe.
    let terminal = ["/proc/self/fd/0", "/proc/self/fd/2"]
        .into_iter()
        .filter_map(|fd| fs::read_link(fd).ok())
        .find(|path| path.starts_with("/dev"));
    let shown = fs::read_to_string("/sys/class/tty/tty0/active").ok();
    judge(terminal.as_deref(), shown.as_deref().map(str::trim))
}

/// `terminal` is this process' own one; `shown` the console that is on the screen, as
/// `tty1`.
fn judge(terminal: Option<&Path>, shown: Option<&str>) -> Check {
    let Some(shown) = shown.filter(|shown| !shown.is_empty()) else {
        return Check::degraded(
            NAME,
            "this machine has no text consoles: nothing to switch to from `lucarne kiosk`",
            "Nothing to mend where monitors belong to seatd alone",
        );
    };
    match terminal.and_then(console) {
        Some(console) if console == shown => {
            Check::ok(NAME, format!("on {console}, which is shown"))
        }
        Some(console) => Check::degraded(
            NAME,
            format!("on {console}, but {shown} is shown"),
            format!(
                "Switch to it before `lucarne kiosk`: sudo chvt {}",
                &console[3..]
            ),
        ),
        None => Check::ok(
            NAME,
            format!("{shown} is shown; this terminal is none of the consoles"),
        ),
    }
}

/// `tty3` of `/dev/tty3`, and nothing of `/dev/pts/0` or `/dev/ttyS0`.
fn console(terminal: &Path) -> Option<&str> {
    let name = terminal.strip_prefix("/dev").ok()?.to_str()?;
    let number = name.strip_prefix("tty")?;
    number.parse::<u8>().ok().map(|_| name)
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn the_console_has_to_be_the_one_that_is_shown() {
        let check = judge(Some(Path::new("/dev/tty3")), Some("tty3"));
        assert_eq!(check.verdict, Verdict::Ok);
        let check = judge(Some(Path::new("/dev/tty3")), Some("tty1"));
        assert_eq!(check.verdict, Verdict::Degraded);
        assert!(check.mend.unwrap().ends_with("chvt 3"));
    }

    #[test]
    fn other_terminals_and_machines_are_told_apart() {
        for terminal in [None, Some("/dev/pts/0"), Some("/dev/ttyS0")] {
            assert_eq!(
                judge(terminal.map(Path::new), Some("tty1")).verdict,
                Verdict::Ok
            );
        }
        assert_eq!(judge(None, None).verdict, Verdict::Degraded);
        assert_eq!(judge(None, Some("")).verdict, Verdict::Degraded);
    }
}
