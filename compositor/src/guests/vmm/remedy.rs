//! What a VMM's last words mean, and what helps.
//!
//! The words are those of QEMU 7.2, 10.0 and 11.1. A guest's console is among them, so that a guest
//! can choose what is said here; it can choose among these texts only.

/// A sign of trouble.
struct Sign {
    /// All of these are in one line.
    words: &'static [&'static str],
    cause: &'static str,
    remedy: &'static str,
}

/// The first one that fits is told: what names the cause comes before what only follows from it.
const SIGNS: &[Sign] = &[
    Sign {
        words: &["Failed to get ", " lock"],
        cause: "a disk image is in use by another program",
        remedy: "Stop the guest that uses it, or give each guest an image of its own",
    },
    Sign {
        words: &["KVM", "Permission denied"],
        cause: "it may not use KVM",
        remedy: "Join the group kvm (`sudo usermod -aG kvm $USER`, then log in anew), or choose \
                 --accel tcg",
    },
    Sign {
        words: &["failed to initialize kvm: Permission denied"],
        cause: "it may not use KVM",
        remedy: "Join the group kvm (`sudo usermod -aG kvm $USER`, then log in anew), or choose \
                 --accel tcg",
    },
    Sign {
        words: &["KVM", "No such file or directory"],
        cause: "the host's kernel has no KVM",
        remedy: "Switch virtualisation on in the machine's firmware and load kvm_intel or kvm_amd, \
                 or choose --accel tcg",
    },
    Sign {
        words: &["failed to initialize kvm", "busy"],
        cause: "another program has taken the processor's virtualisation",
        remedy: "Stop VirtualBox or what else uses it, or choose --accel tcg",
    },
    Sign {
        words: &["error: failed to set MSR"],
        cause: "this machine's KVM does not run it",
        remedy: "Choose --accel tcg, or another processor with -cpu",
    },
    Sign {
        words: &["KVM internal error"],
        cause: "this machine's KVM does not run it",
        remedy: "Choose --accel tcg",
    },
    Sign {
        words: &["is not a valid device model name"],
        cause: "this QEMU lacks a device",
        remedy: "Install its modules (Debian and Ubuntu: qemu-system-gui and \
                 qemu-system-modules-opengl), or leave the device out of the arguments",
    },
    Sign {
        words: &["Could not set up host forwarding rule"],
        cause: "a port that it was to forward is taken or may not be used",
        remedy: "Stop the program that listens there, or choose another port above 1023",
    },
    Sign {
        words: &["Address already in use"],
        cause: "an address that it was to listen on is taken",
        remedy: "Stop the program that listens there, or choose another one in the arguments",
    },
    Sign {
        words: &["cannot set up guest memory"],
        cause: "the host has not that much memory",
        remedy: "Give the guest less with --memory",
    },
    Sign {
        words: &["Could not open backing file"],
        cause: "its disk image builds on another image that can't be opened",
        remedy: "Put that image back in its place, or say where it is with `qemu-img rebase -u`",
    },
    Sign {
        words: &["Image is corrupt"],
        cause: "its disk image is damaged",
        remedy: "Make a copy of it and try `qemu-img check -r all`",
    },
    Sign {
        words: &["Could not open '", "Permission denied"],
        cause: "one of its files may not be opened",
        remedy: "Check that you may read and write it",
    },
    Sign {
        words: &["Could not open '", "Read-only file system"],
        cause: "one of its files can't be written to",
        remedy: "Copy it to another place, or give QEMU -snapshot",
    },
    Sign {
        words: &["Could not open '", "No such file or directory"],
        cause: "one of its files is missing",
        remedy: "Check the paths of the guest",
    },
    Sign {
        words: &["invalid kernel header"],
        cause: "its kernel is not one that this QEMU can boot",
        remedy: "Give the bzImage of a kernel for this architecture",
    },
    Sign {
        words: &["failed to find romfile"],
        cause: "a ROM file of QEMU is missing",
        remedy: "Install it (Debian and Ubuntu: ipxe-qemu), or give that device romfile=",
    },
    Sign {
        words: &["could not load", "BIOS"],
        cause: "its firmware is missing",
        remedy: "Install it (Debian and Ubuntu: seabios, ovmf), or name another file with firmware",
    },
    Sign {
        words: &["Could not init `", "audio driver"],
        cause: "its sound has nowhere to go",
        remedy: "Start PipeWire or PulseAudio in this session, or set sound = \"none\"",
    },
    Sign {
        words: &["PipeWire"],
        cause: "its sound has nowhere to go",
        remedy: "Start PipeWire in this session, or set sound = \"pulse\" or \"none\"",
    },
    Sign {
        words: &["PCI: slot ", "not available"],
        cause: "two devices want the same place on its PCI bus",
        remedy: "Leave addr= out of the arguments, or choose a slot below 0x10",
    },
    Sign {
        words: &["bridge helper failed"],
        cause: "it may not use that network bridge",
        remedy: "Write `allow BRIDGE` into /etc/qemu/bridge.conf, or leave the network to lucarne",
    },
    Sign {
        words: &["Duplicate ID '"],
        cause: "an argument uses a name that lucarne uses",
        remedy: "Choose another id= in the arguments; `lucarne run --print` shows the taken ones",
    },
    Sign {
        words: &["Unable to mount root fs"],
        cause: "its kernel did not find its root file system",
        remedy: "Check root= in `append`, and that the kernel has drivers for virtio disks",
    },
    Sign {
        words: &["No space left on device"],
        cause: "a disk of the host is full",
        remedy: "Make room where the guest's images are",
    },
    Sign {
        words: &["invalid option"],
        cause: NOT_UNDERSTOOD,
        remedy: CHECK_ARGUMENTS,
    },
    Sign {
        words: &["does not accept value"],
        cause: NOT_UNDERSTOOD,
        remedy: CHECK_ARGUMENTS,
    },
    Sign {
        words: &["unsupported machine type"],
        cause: NOT_UNDERSTOOD,
        remedy: CHECK_ARGUMENTS,
    },
    Sign {
        words: &["unable to find CPU model"],
        cause: NOT_UNDERSTOOD,
        remedy: CHECK_ARGUMENTS,
    },
    Sign {
        words: &["Invalid SMP CPUs"],
        cause: "its machine has not room for that many processors",
        remedy: "Give it fewer with --cpus",
    },
];

const NOT_UNDERSTOOD: &str = "it does not understand an argument";
const CHECK_ARGUMENTS: &str = "Check those after `--` and in vmm.arguments";

/// What the last lines of a VMM that failed mean: `CAUSE. REMEDY`, for behind a colon.
pub(in crate::guests) fn explain(lines: &[String]) -> Option<String> {
    let fits = |sign: &&Sign| {
        lines
            .iter()
            .any(|line| sign.words.iter().all(|word| line.contains(word)))
    };
    let sign = SIGNS.iter().find(fits)?;
    Some(format!("{}. {}", sign.cause, sign.remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What real programs wrote, and the begin of what is said about it.
    const HEARD: &[(&str, &str)] = &[
        (
            "qemu-system-x86_64: -drive if=none,id=d,format=qcow2,file=/srv/a.qcow2: Failed to get \
             \"write\" lock\nIs another process using the image [/srv/a.qcow2]?",
            "a disk image is in use",
        ),
        (
            "Could not access KVM kernel module: Permission denied\n\
             qemu-system-x86_64: -accel kvm: failed to initialize kvm: Permission denied",
            "it may not use KVM. Join the group kvm",
        ),
        (
            "Could not access KVM kernel module: No such file or directory\n\
             qemu-system-x86_64: -accel kvm: failed to initialize kvm: No such file or directory",
            "the host's kernel has no KVM",
        ),
        (
            "qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69\nqemu-system-x86_64: \
             ../../target/i386/kvm/kvm.c:3183: kvm_buf_set_msrs: Assertion `ret == \
             cpu->kvm_msr_buf->nmsrs' failed.",
            "this machine's KVM does not run it",
        ),
        (
            "qemu-system-x86_64: -device nosuch-pci: 'nosuch-pci' is not a valid device model name",
            "this QEMU lacks a device",
        ),
        (
            "qemu-system-x86_64: -netdev user,id=n,hostfwd=tcp::5555-:22: Could not set up host \
             forwarding rule 'tcp::5555-:22'",
            "a port that it was to forward",
        ),
        (
            "qemu-system-x86_64: -chardev socket,id=x,server=on,wait=off,host=0.0.0.0,port=5555: \
             Failed to find an available port: Address already in use",
            "an address that it was to listen on is taken",
        ),
        (
            "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory",
            "the host has not that much memory",
        ),
        (
            "qemu-system-x86_64: -drive if=none,id=d,format=raw,file=/srv/b: Could not open \
             '/srv/b': Permission denied",
            "one of its files may not be opened",
        ),
        (
            "qemu-system-x86_64: -drive if=pflash,format=raw,file=/nofile.fd: Could not open \
             '/nofile.fd': No such file or directory",
            "one of its files is missing",
        ),
        (
            "qemu: could not load PC BIOS '/nofile'",
            "its firmware is missing",
        ),
        (
            "qemu: invalid kernel header",
            "its kernel is not one that this QEMU can boot",
        ),
        (
            "qemu-system-x86_64: -device virtio-net-pci,netdev=x,romfile=nosuch.rom: failed to find \
             romfile \"nosuch.rom\"",
            "a ROM file of QEMU is missing",
        ),
        (
            "audio: Could not init `pa' audio driver",
            "its sound has nowhere to go",
        ),
        (
            "qemu-system-x86_64: Could not create PipeWire context: No such file or directory",
            "its sound has nowhere to go",
        ),
        (
            "qemu-system-x86_64: -device virtio-rng-pci,addr=0x10: PCI: slot 16 function 0 not \
             available for virtio-rng-pci, in use by virtio-rng-pci,id=(null)",
            "two devices want the same place",
        ),
        (
            "qemu-system-x86_64: -netdev bridge,id=n: bridge helper failed",
            "it may not use that network bridge",
        ),
        (
            "qemu-system-x86_64: -nosuchoption: invalid option",
            "it does not understand an argument. Check",
        ),
        (
            "qemu-system-x86_64: -audiodev nosuch,id=x: Parameter 'driver' does not accept value \
             'nosuch'",
            "it does not understand an argument",
        ),
        (
            "qemu-system-x86_64: unsupported machine type\nUse -machine help to list supported \
             machines",
            "it does not understand an argument",
        ),
        (
            "qemu-system-x86_64: unable to find CPU model 'nosuch'",
            "it does not understand an argument",
        ),
        (
            "qemu-system-x86_64: Invalid SMP CPUs 2000. The max CPUs supported by machine \
             'pc-i440fx-11.1' is 255",
            "its machine has not room",
        ),
    ];

    #[test]
    fn real_messages_are_understood() {
        for (message, expected) in HEARD {
            let lines: Vec<String> = message.lines().map(str::to_owned).collect();
            let explanation = explain(&lines).unwrap_or_default();
            assert!(
                explanation.starts_with(expected),
                "{message}\nis explained as: {explanation}"
            );
        }
    }

    #[test]
    fn an_ordinary_console_is_no_trouble() {
        let lines = [
            "Linux version 6.12.0 (Debian)",
            "virtio_blk virtio1: [vda] 16777216 512-byte logical blocks (8.59 GB/8.00 GiB)",
            "debian login:",
        ];
        assert_eq!(explain(&lines.map(str::to_owned)), None);
    }
}
