//! Whether `/dev/kvm` really runs guests.
//!
//! That it is there says little: in virtual machines there are paravirtual ones that run a few
//! instructions of anything and die of a stock kernel. They have no processor support behind
//! them, which is what is looked for first. The rest is found out by booting QEMU's firmware.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Check;
use crate::guests::{process::Process, vmm::qemu::Installed};

const NAME: &str = "KVM";
const DEVICE: &str = "/dev/kvm";

/// The firmware takes half a second where KVM works.
const BOOT_LIMIT: Duration = Duration::from_secs(10);

/// Whether KVM is worth a try. Quick.
#[must_use]
pub fn is_promising() -> bool {
    open().is_ok() && has_processor_support()
}

fn open() -> io::Result<File> {
    File::options().read(true).write(true).open(DEVICE)
}

/// Whether the processor, as seen from here, has the instructions that KVM is made of.
fn has_processor_support() -> bool {
    if !matches!(std::env::consts::ARCH, "x86_64" | "x86") {
        // Elsewhere the kernel makes the device only where it can be used.
        return true;
    }
    fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| lists_virtualisation(&text))
}

fn lists_virtualisation(cpuinfo: &str) -> bool {
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags"));
    flags.is_some_and(|line| {
        line.split_whitespace()
            .any(|flag| matches!(flag, "vmx" | "svm"))
    })
}

pub(super) fn check(qemu: Option<&Installed>) -> Check {
    match open() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Check::missing(
            NAME,
            format!("{DEVICE} is there, but not for this user"),
            "sudo usermod -aG kvm $USER, then log in again",
        ),
        Err(error) => Check::missing(
            NAME,
            format!("{DEVICE}: {error}; guests are emulated, some ten times slower"),
            "Turn virtualisation (VT-x, AMD-V) on in the machine's firmware, then \
             sudo modprobe kvm_intel or kvm_amd; in a virtual machine, allow nested virtualisation",
        ),
        Ok(_) if !has_processor_support() => Check::degraded(
            NAME,
            format!(
                "{DEVICE} is there, but the processor shows no virtualisation: guests are emulated"
            ),
            "Allow nested virtualisation for this virtual machine; --accel kvm tries it all the same",
        ),
        Ok(_) => booted(qemu),
    }
}

fn booted(qemu: Option<&Installed>) -> Check {
    let Some(qemu) = qemu.filter(|_| std::env::consts::ARCH == "x86_64") else {
        return Check::ok(
            NAME,
            format!("{DEVICE} can be opened; not tried without QEMU"),
        );
    };
    match boot(&qemu.program) {
        Ok(took) => {
            let milliseconds = took.as_millis();
            Check::ok(
                NAME,
                format!("a guest's firmware boots in {milliseconds} ms"),
            )
        }
        Err(problem) => Check::degraded(
            NAME,
            format!("{DEVICE} is there, but a guest does not boot: {problem}"),
            "Look into the kernel's log (sudo dmesg); --accel tcg works without KVM",
        ),
    }
}

/// Boots QEMU's firmware, which passes through real mode, protected mode and the devices, and
/// says on its debug port when it finds nothing to boot.
fn boot(program: &Path) -> Result<Duration, String> {
    const DONE: &str = "No bootable device";
    let mut command = Command::new(program);
    command
        .args([
            "-nodefaults",
            "-machine",
            "q35",
            "-accel",
            "kvm",
            "-cpu",
            "host",
            "-m",
            "64",
        ])
        .args([
            "-display",
            "none",
            "-vga",
            "none",
            "-chardev",
            "stdio,id=log,signal=off",
        ])
        .args(["-device", "isa-debugcon,iobase=0x402,chardev=log"]);
    let start = Instant::now();
    let mut started = Process::start(command, &[]).map_err(|error| error.to_string())?;
    let mut text = String::new();
    loop {
        if text.contains(DONE) {
            return Ok(start.elapsed());
        }
        let Some(left) = BOOT_LIMIT.checked_sub(start.elapsed()) else {
            return Err(format!(
                "nothing happened within {} seconds",
                BOOT_LIMIT.as_secs()
            ));
        };
        let limit = Timespec::try_from(left).unwrap_or_default();
        let mut fds = [PollFd::new(&started.output, PollFlags::IN)];
        poll(&mut fds, Some(&limit)).map_err(|error| error.to_string())?;
        let mut bytes = [0; 4096];
        match started.output.read(&mut bytes) {
            Ok(0) => {
                return Err(text
                    .lines()
                    .last()
                    .unwrap_or("QEMU ended")
                    .trim()
                    .to_owned());
            }
            Ok(count) => text.push_str(&String::from_utf8_lossy(&bytes[..count])),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtualisation_is_a_flag_of_its_own() {
        assert!(lists_virtualisation(
            "processor : 0\nflags\t\t: fpu vmx sse\n"
        ));
        assert!(lists_virtualisation("flags : svm\n"));
        assert!(!lists_virtualisation(
            "flags\t\t: fpu svm_lock vmxnet\nbugs : svm\n"
        ));
    }
}
