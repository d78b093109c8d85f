//! What the user's own arguments for QEMU bring along, so that the same is not given twice.

use std::collections::BTreeSet;

/// A part of the machine that the user's arguments may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Accelerator,
    Cpu,
    Cpus,
    Memory,
    MemoryBackend,
    Console,
    Firmware,
    Network,
    Sound,
    Random,
    Balloon,
}

/// The parts that the user's arguments name. Those of our options that would do the same are left
/// out: where QEMU takes the first of two (`-accel`), or both (a network card), or refuses them.
#[derive(Debug, Default)]
pub(super) struct Own {
    parts: BTreeSet<Part>,
    /// The size that `-m` gives.
    memory: Option<String>,
}

impl Own {
    pub(super) fn of(arguments: &[String]) -> Self {
        let mut own = Self::default();
        for (at, word) in arguments.iter().enumerate() {
            // QEMU takes one hyphen or two.
            let Some(flag) = word.strip_prefix('-') else {
                continue;
            };
            let flag = flag.strip_prefix('-').unwrap_or(flag);
            let value = arguments.get(at + 1).map_or("", String::as_str);
            own.parts.extend(part_of(flag, value));
            if flag == "m" {
                own.memory = Some(size(value));
            }
        }
        own
    }

    pub(super) fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// The RAM of their `-m`, for a memory backend.
    pub(super) fn memory(&self) -> Option<&str> {
        self.memory.as_deref()
    }
}

fn part_of(flag: &str, value: &str) -> Option<Part> {
    if value == "stdio" || value.starts_with("mon:stdio") {
        // There is one standard output.
        return Some(Part::Console);
    }
    match flag {
        "accel" | "enable-kvm" => Some(Part::Accelerator),
        "cpu" => Some(Part::Cpu),
        "smp" => Some(Part::Cpus),
        "m" => Some(Part::Memory),
        "nographic" | "serial" => Some(Part::Console),
        "bios" | "pflash" => Some(Part::Firmware),
        "nic" | "netdev" | "net" => Some(Part::Network),
        "audio" | "audiodev" => Some(Part::Sound),
        "chardev" => value.starts_with("stdio").then_some(Part::Console),
        "drive" => value.contains("if=pflash").then_some(Part::Firmware),
        "object" => value
            .split(',')
            .any(|word| word == "id=ram")
            .then_some(Part::MemoryBackend),
        "M" | "machine" => of_machine(value),
        "device" => of_device(value),
        _ => None,
    }
}

fn of_machine(value: &str) -> Option<Part> {
    let sets = |key: &str| value.split(',').any(|word| word.starts_with(key));
    if sets("memory-backend=") {
        Some(Part::MemoryBackend)
    } else if sets("accel=") {
        Some(Part::Accelerator)
    } else if sets("pflash0=") || sets("firmware=") {
        Some(Part::Firmware)
    } else {
        None
    }
}

fn of_device(value: &str) -> Option<Part> {
    const KNOWN: [(&str, Part); 8] = [
        ("virtio-rng", Part::Random),
        ("virtio-balloon", Part::Balloon),
        ("virtio-sound", Part::Sound),
        ("intel-hda", Part::Sound),
        ("AC97", Part::Sound),
        ("ES1370", Part::Sound),
        ("sb16", Part::Sound),
        ("usb-audio", Part::Sound),
    ];
    // As `NAME,key=value`, or as JSON with the name anywhere.
    let driver = match value.starts_with('{') {
        true => value,
        false => value.split(',').next().unwrap_or_default(),
    };
    let known = KNOWN.into_iter().find(|(name, _)| driver.contains(name));
    known.map(|(_, part)| part)
}

/// `4G`, `4096`, `size=4G,slots=2,maxmem=8G`: the size, with its unit.
fn size(value: &str) -> String {
    let first = value.split(',').next().unwrap_or_default();
    let size = first.strip_prefix("size=").unwrap_or(first);
    if size.chars().all(|c| c.is_ascii_digit()) {
        format!("{size}M")
    } else {
        size.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(arguments: &str) -> Own {
        let words: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        Own::of(&words)
    }

    #[test]
    fn what_the_user_s_arguments_name_is_known() {
        for (arguments, part) in [
            ("-accel tcg", Part::Accelerator),
            ("--enable-kvm", Part::Accelerator),
            ("-M q35,accel=tcg", Part::Accelerator),
            ("-cpu Skylake-Client", Part::Cpu),
            ("-smp cores=4", Part::Cpus),
            ("-m 4G", Part::Memory),
            ("-machine memory-backend=mine", Part::MemoryBackend),
            (
                "-object memory-backend-memfd,id=ram,size=1G,share=on",
                Part::MemoryBackend,
            ),
            ("-nographic", Part::Console),
            ("-serial null", Part::Console),
            ("-monitor stdio", Part::Console),
            ("-chardev stdio,id=x", Part::Console),
            ("-bios x.fd", Part::Firmware),
            ("-drive if=pflash,file=x.fd", Part::Firmware),
            ("-nic none", Part::Network),
            ("-netdev user,id=x -device e1000,netdev=x", Part::Network),
            ("-audiodev alsa,id=x", Part::Sound),
            ("-device ich9-intel-hda", Part::Sound),
            ("-device {\"driver\":\"virtio-rng-pci\"}", Part::Random),
            ("-device virtio-balloon-pci,addr=5", Part::Balloon),
        ] {
            let own = own(arguments);
            assert_eq!(own.parts, BTreeSet::from([part]), "{arguments}");
        }
    }

    #[test]
    fn what_is_only_added_leaves_everything_in() {
        for arguments in [
            "-snapshot -cdrom install.iso -boot d",
            "-device qemu-xhci -device usb-host,vendorid=1",
            "-M q35,smm=on -object iothread,id=io",
            "-virtfs local,path=/srv,mount_tag=x,security_model=none",
            "-chardev socket,id=x,path=/run/stdio",
            "-drive file=data.raw,format=raw,if=virtio",
        ] {
            assert!(own(arguments).parts.is_empty(), "{arguments}");
        }
    }

    #[test]
    fn the_size_of_memory_is_read() {
        let memory = |arguments| own(arguments).memory().map(str::to_owned);
        assert_eq!(memory("-m 4G").as_deref(), Some("4G"));
        assert_eq!(memory("-m 4096").as_deref(), Some("4096M"));
        assert_eq!(
            memory("-m size=512M,slots=2,maxmem=1G").as_deref(),
            Some("512M")
        );
        assert_eq!(memory("-smp 2"), None);
    }
}
