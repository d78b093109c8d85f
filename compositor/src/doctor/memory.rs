//! Memory that can be shown without a copy: sealed memfds and `/dev/udmabuf`.

use std::{fs, io};

use gpu_device::memory::{DmaBufMaker as _, SharedMemory, Udmabuf};

use super::Check;

/// What the module allows where nobody changed it.
const DEFAULT_MEBIBYTES: u64 = 64;
const DEFAULT_ENTRIES: u64 = 1024;

/// The udev rule that comes with this program.
const RULES: &str = include_str!("../../../config/session/70-lucarne.rules");

/// A page, or a multiple of one where pages are larger.
const TRIAL_BYTES: u64 = 64 * 1024;

pub(super) fn memfd() -> Check {
    const NAME: &str = "memfd";
    match SharedMemory::new(TRIAL_BYTES) {
        Ok(_) => Check::ok(NAME, "shared memory can be sealed"),
        Err(error) => Check::missing(
            NAME,
            format!("shared memory can't be made or sealed: {error}"),
            "Update the kernel: memfd_create with seals is part of Linux since 3.17",
        ),
    }
}

pub(super) fn udmabuf() -> Check {
    const NAME: &str = "udmabuf";
    const SHORT: &str = "guests' frames reach the compositor as shared memory";
    let device = match Udmabuf::open() {
        Ok(device) => device,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Check::degraded(
                NAME,
                format!("/dev/udmabuf is not for this user: {SHORT}"),
                udev_rule(),
            );
        }
        Err(error) => {
            return Check::degraded(
                NAME,
                format!("/dev/udmabuf: {error}: {SHORT}"),
                "sudo modprobe udmabuf; for every boot: \
                 echo udmabuf | sudo tee /etc/modules-load.d/udmabuf.conf",
            );
        }
    };
    let made = SharedMemory::new(TRIAL_BYTES).and_then(|memory| {
        let piece = memory.piece()?;
        device.make(&[piece]).map_err(io::Error::other)
    });
    if let Err(error) = made {
        return Check::degraded(
            NAME,
            format!("/dev/udmabuf makes no dma-buf ({error}): {SHORT}"),
            "Look into the kernel's log: sudo dmesg",
        );
    }
    limits(NAME, parameter("size_limit_mb"), parameter("list_limit"))
}

/// The command that lets whoever sits at this machine, and the group `kvm`, open the device.
fn udev_rule() -> String {
    let lines = RULES.lines();
    let rule = lines.filter(|line| line.contains("udmabuf") && !line.starts_with('#'));
    let rule = rule.collect::<Vec<_>>().join("\n");
    format!(
        "echo '{rule}' | sudo tee /etc/udev/rules.d/70-lucarne.rules && \
         sudo udevadm control --reload && sudo udevadm trigger /dev/udmabuf; \
         over ssh also: sudo usermod -aG kvm $USER, then log in again"
    )
}

fn limits(name: &'static str, mebibytes: Option<u64>, entries: Option<u64>) -> Check {
    let shown =
        |value: Option<u64>| value.map_or_else(|| "?".to_owned(), |value| value.to_string());
    let finding = format!(
        "dma-bufs of up to {} MiB in {} pieces",
        shown(mebibytes),
        shown(entries)
    );
    let too_small = [
        ("size_limit_mb", mebibytes, DEFAULT_MEBIBYTES),
        ("list_limit", entries, DEFAULT_ENTRIES),
    ]
    .into_iter()
    .find(|(_, value, default)| value.is_some_and(|value| value < *default));
    match too_small {
        None => Check::ok(name, finding),
        Some((parameter, _, default)) => Check::degraded(
            name,
            finding,
            format!("echo {default} | sudo tee /sys/module/udmabuf/parameters/{parameter}"),
        ),
    }
}

fn parameter(name: &str) -> Option<u64> {
    let path = format!("/sys/module/udmabuf/parameters/{name}");
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn the_rule_is_one_line_that_a_shell_takes() {
        let command = udev_rule();
        assert!(
            command.starts_with("echo 'KERNEL==\"udmabuf\","),
            "{command}"
        );
        assert_eq!(command.lines().count(), 1);
        assert_eq!(command.matches('\'').count(), 2);
    }

    #[test]
    fn small_limits_are_worth_a_remark() {
        assert_eq!(limits("u", Some(64), Some(1024)).verdict, Verdict::Ok);
        assert_eq!(limits("u", None, None).verdict, Verdict::Ok);
        let check = limits("u", Some(16), Some(1024));
        assert_eq!(check.verdict, Verdict::Degraded);
        assert_eq!(
            check.mend.unwrap(),
            "echo 64 | sudo tee /sys/module/udmabuf/parameters/size_limit_mb"
        );
    }
}
