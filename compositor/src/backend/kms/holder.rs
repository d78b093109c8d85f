//! Who holds a card, as far as this user may know.

use std::{
    fs,
    path::{Path, PathBuf},
};

use smithay::reexports::drm::Device;

/// Whether this descriptor may set modes. There is no question for it in the kernel: it answers
/// whoever may let others in, which nobody but the master may.
pub fn is_master(card: &impl Device) -> bool {
    if card.acquire_master_lock().is_ok() {
        return true;
    }
    #[expect(
        deprecated,
        reason = "not used to authenticate anybody, and the only question that tells"
    )]
    let token = card.generate_auth_token();
    token.is_ok_and(|token| card.authenticate_auth_token(token).is_ok())
}

/// Who opens devices for others, us among them; systemd keeps logind's for it over a restart.
const SEAT_MANAGERS: [&str; 3] = ["seatd", "systemd-logind", "systemd"];

/// The programs that have a device open, without this one and its seat manager, for people:
/// `Xorg (process 812)`. Those of other users are seen by root alone.
#[must_use]
pub fn holders(device: &Path) -> Vec<String> {
    holders_below(Path::new("/proc"), device)
}

fn holders_below(proc: &Path, device: &Path) -> Vec<String> {
    let own = std::process::id();
    let mut found: Vec<(u32, String)> = entries(proc)
        .filter_map(|path| {
            let process: u32 = path.file_name()?.to_str()?.parse().ok()?;
            let holds = entries(&path.join("fd"))
                .any(|fd| fs::read_link(fd).is_ok_and(|target| target == device));
            // libseat can be its own seat manager: then that is a child of this process.
            if process == own || !holds || parent(&path) == Some(own) {
                return None;
            }
            let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
            let name = name.trim().to_owned();
            (!SEAT_MANAGERS.contains(&name.as_str())).then_some((process, name))
        })
        .collect();
    found.sort();
    found
        .into_iter()
        .map(|(process, name)| format!("{name} (process {process})"))
        .collect()
}

fn parent(process: &Path) -> Option<u32> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    // The name in brackets before it can hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn programs_that_have_the_device_open_are_named() {
        let proc = tempfile::tempdir().unwrap();
        let own = std::process::id();
        for (process, name, target, parent) in [
            (30_000_001, "Xorg", "/dev/dri/card0", 1),
            (30_000_002, "bash", "/dev/tty1", 1),
            (30_000_003, "seatd", "/dev/dri/card0", 1),
            (30_000_004, "lucarne", "/dev/dri/card0", own),
        ] {
            let folder = proc.path().join(process.to_string());
            fs::create_dir_all(folder.join("fd")).unwrap();
            fs::write(folder.join("comm"), format!("{name}\n")).unwrap();
            let stat = format!("{process} (a) b) S {parent} 1 1");
            fs::write(folder.join("stat"), stat).unwrap();
            symlink(target, folder.join("fd/7")).unwrap();
        }
        fs::create_dir(proc.path().join("sys")).unwrap();
        let holders = |device| holders_below(proc.path(), Path::new(device));
        assert_eq!(holders("/dev/dri/card0"), ["Xorg (process 30000001)"]);
        assert!(holders("/dev/dri/card1").is_empty());
    }
}
