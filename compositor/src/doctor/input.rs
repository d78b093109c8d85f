//! Keyboards, pointers and touch screens of a bare console.

use std::{
    fs::{self, File},
    path::Path,
};

use super::Check;

const NAME: &str = "input";

pub(super) fn check() -> Check {
    judge(Path::new("/dev/input"))
}

fn judge(folder: &Path) -> Check {
    let devices: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("event"))
        .map(|entry| entry.path())
        .collect();
    if devices.is_empty() {
        return Check::degraded(
            NAME,
            "no keyboard, pointer or touch screen; only `lucarne kiosk` uses them",
            "Plug one in; in a container, hand /dev/input through",
        );
    }
    let ours = devices
        .iter()
        .filter(|path| File::open(path).is_ok())
        .count();
    let count = match devices.len() {
        1 => "1 device".to_owned(),
        count => format!("{count} devices"),
    };
    let how = match ours {
        0 => "opened by the seat",
        ours if ours == devices.len() => "all of them open to this user",
        _ => "some of them open to this user, the others by the seat",
    };
    Check::ok(NAME, format!("{count}, {how}"))
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn devices_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(judge(folder.path()).verdict, Verdict::Degraded);
        assert_eq!(judge(&folder.path().join("no")).verdict, Verdict::Degraded);
        for name in ["event0", "event12", "mice"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let check = judge(folder.path());
        assert_eq!(check.verdict, Verdict::Ok);
        assert!(check.finding.starts_with("2 devices"), "{}", check.finding);
    }
}
