//! QEMU: which of its graphics devices is used, and its command line.

mod disk;
mod firmware;
mod installed;

use std::{
    ffi::OsString,
    io,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use config::guest::{Accel, Device};
use thiserror::Error;

pub use self::installed::{Installed, Version};
use super::{Launch, Seat};

/// The devices of QEMU that leave the graphics to another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `vhost-user-test-device-pci`: every feature that our device has reaches the guest, also
    /// blobs and changes of the configuration.
    Generic,
    /// `vhost-user-gpu-pci`.
    Gpu,
    /// `vhost-user-vga`.
    Vga,
}

/// What makes guest instructions run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The processor.
    Kvm,
    /// QEMU's translator.
    Tcg,
}

/// A QEMU of this machine, with what it will be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qemu {
    /// The program.
    pub installed: Installed,
    /// The device that the guest gets.
    pub dialect: Dialect,
    /// What runs the guest.
    pub engine: Engine,
    /// Whether the engine may be changed when it proves useless.
    pub engine_is_a_guess: bool,
}

/// Why QEMU can't run a guest.
#[derive(Debug, Error)]
pub enum Error {
    /// There is none.
    #[error(
        "Could not find {0:?} in $PATH. Install QEMU (Debian and Ubuntu: apt install qemu-system), \
         or name another one with vmm.program or --vmm"
    )]
    Missing(PathBuf),
    /// It does not answer.
    #[error("Could not ask {} for its version: {problem}. Check that it is a QEMU that runs here",
        program.display())]
    Silent {
        /// The program.
        program: PathBuf,
        /// What happened.
        problem: String,
    },
    /// It is too old for the wanted device.
    #[error(
        "Could not use the device {device} with QEMU {version} ({}): it needs QEMU {needed} or \
         newer. Update QEMU, or choose another device with --device",
        program.display()
    )]
    TooOld {
        /// The wanted device.
        device: &'static str,
        /// The version that is there.
        version: Version,
        /// The version that is needed.
        needed: Version,
        /// The program.
        program: PathBuf,
    },
    /// It was built without the wanted device.
    #[error(
        "Could not use the device {device} with QEMU {version} ({}): it has no such device. \
         Install QEMU's package of display modules (Debian and Ubuntu: qemu-system-modules-opengl \
         or qemu-system-gui), or choose another device with --device",
        program.display()
    )]
    NoDevice {
        /// The wanted device.
        device: &'static str,
        /// The version that is there.
        version: Version,
        /// The program.
        program: PathBuf,
    },
    /// It can't emulate a guest with a device that is another process.
    #[error(
        "Could not emulate a guest with QEMU {version} ({}): before version {TCG_SINCE} its \
         devices in other processes need KVM. Update QEMU (Debian 12: from bookworm-backports), or \
         make KVM work: `lucarne doctor` tells how",
        program.display()
    )]
    NeedsKvm {
        /// The version that is there.
        version: Version,
        /// The program.
        program: PathBuf,
    },
    /// No machine type is known for a program.
    #[error(
        "Could not choose a machine for {}: its name does not end with a known architecture. \
         Use qemu-system-x86_64, -aarch64, -riscv64 or -loongarch64",
        .0.display()
    )]
    UnknownMachine(PathBuf),
    /// There is no UEFI firmware.
    #[error(
        "Could not find UEFI firmware for {0}. Install it (Debian and Ubuntu: apt install ovmf \
         qemu-efi-aarch64), or name a file with firmware"
    )]
    NoFirmware(&'static str),
    /// A file of the guest can't be used.
    #[error("Could not {attempt} {}: {source}. Check the path and its permissions", path.display())]
    File {
        /// What was attempted.
        attempt: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The first version whose `backends/vhost-user.c` works without KVM.
pub const TCG_SINCE: Version = Version { major: 8, minor: 0 };

impl Dialect {
    /// The best one first.
    pub const ALL: [Self; 3] = [Self::Generic, Self::Gpu, Self::Vga];

    /// The name of QEMU's device.
    #[must_use]
    pub fn device(self) -> &'static str {
        match self {
            Self::Generic => "vhost-user-test-device-pci",
            Self::Gpu => "vhost-user-gpu-pci",
            Self::Vga => "vhost-user-vga",
        }
    }

    /// The first version that has it in a form that works here. `-machine memory-backend=` came
    /// with 5.0; the generic device could not be created by users before 10.2.
    fn needs(self) -> Version {
        match self {
            Self::Generic => Version {
                major: 10,
                minor: 2,
            },
            Self::Gpu | Self::Vga => Version { major: 5, minor: 0 },
        }
    }

    /// Whether a QEMU has it, in a form that works here.
    #[must_use]
    pub fn is_in(self, installed: &Installed) -> bool {
        installed.version >= self.needs() && installed.has_device(self.device())
    }

    /// The wanted one, or the best that there is.
    fn choose(wanted: Device, installed: &Installed) -> Result<Self, Error> {
        let dialect = match wanted {
            Device::Auto if Self::Generic.is_in(installed) => Self::Generic,
            Device::Auto | Device::Gpu => Self::Gpu,
            Device::Generic => Self::Generic,
            Device::Vga => Self::Vga,
        };
        let (device, version) = (dialect.device(), installed.version);
        let program = installed.program.clone();
        if version < dialect.needs() {
            Err(Error::TooOld {
                device,
                version,
                needed: dialect.needs(),
                program,
            })
        } else if !installed.has_device(device) {
            Err(Error::NoDevice {
                device,
                version,
                program,
            })
        } else {
            Ok(dialect)
        }
    }
}

impl Qemu {
    /// Finds QEMU, asks it what it has, and chooses.
    ///
    /// # Errors
    /// What is missing.
    pub fn find(guest: &config::Guest) -> Result<Self, Error> {
        let program = match &guest.vmm.program {
            Some(program) => program.clone(),
            None => Installed::default_program(),
        };
        let installed = Installed::find(&program)?;
        let (engine, engine_is_a_guess) = match guest.accel {
            Accel::Kvm => (Engine::Kvm, false),
            Accel::Tcg => (Engine::Tcg, false),
            Accel::Auto => {
                let same = installed.architecture()? == std::env::consts::ARCH;
                let kvm = same && crate::doctor::kvm::is_promising();
                (if kvm { Engine::Kvm } else { Engine::Tcg }, kvm)
            }
        };
        let dialect = Dialect::choose(guest.device, &installed)?;
        if engine == Engine::Tcg && installed.version < TCG_SINCE {
            return Err(Error::NeedsKvm {
                version: installed.version,
                program: installed.program,
            });
        }
        Ok(Self {
            installed,
            dialect,
            engine,
            engine_is_a_guess,
        })
    }

    /// The command line.
    ///
    /// # Errors
    /// Files that can't be read or prepared.
    pub fn launch(&self, seat: Seat<'_>) -> Result<Launch, Error> {
        let disk = seat
            .guest
            .disk
            .as_deref()
            .map(disk::Disk::open)
            .transpose()?;
        let architecture = self.installed.architecture()?;
        let firmware = firmware::Firmware::find(seat, architecture)?;
        let mut arguments = self.arguments(seat, architecture);
        if let Some(firmware) = firmware {
            firmware.arguments(&mut arguments);
        }
        if let Some(disk) = disk {
            disk.arguments(&mut arguments);
        }
        arguments.extend(seat.guest.vmm.arguments.iter().map(OsString::from));
        Ok(Launch {
            program: self.installed.program.clone(),
            arguments,
        })
    }

    /// Whether a line of QEMU's output says that KVM can't run this guest. QEMU stops the guest
    /// then but does not end. A paravirtual `/dev/kvm` can run small programs and still die of a
    /// stock kernel, so that only trying tells.
    #[must_use]
    pub fn refutes_kvm(&self, line: &str) -> bool {
        const SIGNS: [&str; 5] = [
            "KVM internal error",
            "kvm run failed",
            "KVM: entry failed",
            "failed to initialize kvm",
            "Could not access KVM kernel module",
        ];
        self.engine == Engine::Kvm
            && self.engine_is_a_guess
            && SIGNS.iter().any(|sign| line.contains(sign))
    }

    /// The machine without its disk.
    fn arguments(&self, seat: Seat<'_>, architecture: &str) -> Vec<OsString> {
        let Seat {
            name,
            guest,
            socket,
            ..
        } = seat;
        let machine = if matches!(architecture, "x86_64" | "i386") {
            "q35"
        } else {
            "virt"
        };
        let (accel, cpu) = match self.engine {
            Engine::Kvm => ("kvm", "host"),
            Engine::Tcg => ("tcg,thread=multi", "max"),
        };
        let memory = guest.memory;
        let mut arguments: Vec<OsString> = Vec::new();
        let mut option = |flag: &str, value: OsString| {
            arguments.push(flag.into());
            arguments.push(value);
        };
        option("-name", name.into());
        option("-machine", format!("{machine},memory-backend=ram").into());
        option("-accel", accel.into());
        option("-cpu", cpu.into());
        option("-smp", guest.cpus.to_string().into());
        option("-m", memory.to_string().into());
        // The device maps the guest's memory, and makes dma-bufs of it where it is a sealed memfd.
        let ram = format!("memory-backend-memfd,id=ram,size={memory},share=on,seal=on");
        option("-object", ram.into());
        option("-display", "none".into());
        option("-vga", "none".into());
        option("-chardev", "stdio,id=console,signal=off".into());
        option("-serial", "chardev:console".into());
        option("-device", "virtio-rng-pci".into());
        if self.installed.has_user_network {
            option("-nic", "user,model=virtio-net-pci".into());
        }
        option("-chardev", joined("socket,id=gpu,path=", socket));
        option("-device", self.gpu(guest.scanouts.len()).into());
        if let Some(kernel) = &guest.kernel {
            option("-kernel", kernel.into());
        }
        if let Some(initrd) = &guest.initrd {
            option("-initrd", initrd.into());
        }
        if let Some(append) = &guest.append {
            option("-append", append.into());
        }
        arguments.insert(0, "-nodefaults".into());
        arguments
    }

    fn gpu(&self, scanouts: usize) -> String {
        let device = self.dialect.device();
        match self.dialect {
            // 16 is virtio-gpu's number, and also the size of its configuration space.
            Dialect::Generic => {
                format!("{device},chardev=gpu,virtio-id=16,num_vqs=2,vq_size=256,config_size=16")
            }
            Dialect::Gpu | Dialect::Vga => format!("{device},chardev=gpu,max_outputs={scanouts}"),
        }
    }
}

/// `key=value` for one of QEMU's option lists, where a comma in a value is written twice.
fn joined(before: &str, path: &Path) -> OsString {
    let mut bytes = before.as_bytes().to_vec();
    for &byte in path.as_os_str().as_bytes() {
        bytes.push(byte);
        if byte == b',' {
            bytes.push(b',');
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests;
