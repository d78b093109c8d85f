//! QEMU: which of its devices are used, and its command line.
//!
//! [`Qemu::find`] asks the program what it has; [`Qemu::launch`] writes the machine of a desktop:
//! beside the screen and the hands a disk, a network, sound, randomness, memory that goes back to
//! the host, and a socket to command it. What the user's own arguments name is left to them.

mod dialect;
mod disk;
mod error;
mod firmware;
mod installed;
mod line;
mod own;
mod sound;

use config::guest::{Accel, InputDevice, Network};

pub use self::{
    dialect::{Dialect, WINDOW_SINCE},
    error::Error,
    installed::{Installed, Version},
    sound::Player,
};
use self::{
    line::{Line, Slot, joined},
    own::{Own, Part},
};
use super::{Launch, Seat};

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
    /// Where the guest is heard.
    pub player: Option<Player>,
}

/// The first version whose `backends/vhost-user.c` works without KVM.
pub const TCG_SINCE: Version = Version { major: 8, minor: 0 };

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
        let dialect = Dialect::choose(guest.device, guest.gpu, &installed)?;
        if engine == Engine::Tcg && installed.version < TCG_SINCE {
            return Err(Error::NeedsKvm {
                version: installed.version,
                program: installed.program,
            });
        }
        let player = Player::choose(guest.sound, &installed, Player::is_there)?;
        Ok(Self {
            installed,
            dialect,
            engine,
            engine_is_a_guess,
            player,
        })
    }

    /// The command line.
    ///
    /// # Errors
    /// Files that can't be read, or that are missing.
    pub fn launch(&self, seat: Seat<'_>) -> Result<Launch, Error> {
        let guest = seat.guest;
        let disk = guest.disk.as_deref().map(disk::Disk::open).transpose()?;
        let architecture = self.installed.architecture()?;
        let own = Own::of(&guest.vmm.arguments);
        let mut line = Line::default();
        let mut copies = Vec::new();
        self.base(&mut line, seat, architecture, &own);
        if !own.has(Part::Firmware)
            && let Some(firmware) = firmware::Firmware::find(seat, architecture)?
        {
            firmware.arguments(&mut line, &mut copies);
        }
        kernel(&mut line, guest);
        self.screen_and_hands(&mut line, seat);
        if let Some(disk) = disk {
            disk.arguments(&mut line);
        }
        self.comforts(&mut line, seat, &own);
        Ok(Launch {
            program: self.installed.program.clone(),
            arguments: line.finish(&guest.vmm.arguments),
            copies,
        })
    }

    /// Whether a line of QEMU's output says that KVM can't run this guest. QEMU stops the guest
    /// then but does not end. A paravirtual `/dev/kvm` can run small programs and still die of a
    /// stock kernel, so that only trying tells.
    #[must_use]
    pub fn refutes_kvm(&self, line: &str) -> bool {
        const SIGNS: [&str; 6] = [
            "KVM internal error",
            "error: failed to set MSR",
            "kvm run failed",
            "KVM: entry failed",
            "failed to initialize kvm",
            "Could not access KVM kernel module",
        ];
        self.engine == Engine::Kvm
            && self.engine_is_a_guess
            && SIGNS.iter().any(|sign| line.contains(sign))
    }

    /// Processors, memory, and what is outside of the guest's sight.
    fn base(&self, line: &mut Line, seat: Seat<'_>, architecture: &str, own: &Own) {
        // Neither devices nor files of settings that nobody asked for.
        line.flag("-no-user-config");
        line.flag("-nodefaults");
        line.option("-name", seat.name);
        let machine = if matches!(architecture, "x86_64" | "i386") {
            "q35"
        } else {
            "virt"
        };
        let memory = seat.guest.memory.to_string();
        if own.has(Part::MemoryBackend) {
            line.option("-machine", machine);
        } else {
            line.option("-machine", format!("{machine},memory-backend=ram"));
            // The device maps the guest's memory, and makes dma-bufs of it where it is a sealed
            // memfd.
            let size = own.memory().unwrap_or(&memory);
            let ram = format!("memory-backend-memfd,id=ram,size={size},share=on,seal=on");
            line.option("-object", ram);
        }
        let (accel, cpu) = match self.engine {
            // That of the user may be another one.
            _ if own.has(Part::Accelerator) => (None, "max"),
            Engine::Kvm => (Some("kvm"), "host"),
            Engine::Tcg => (Some("tcg,thread=multi"), "max"),
        };
        if let Some(accel) = accel {
            line.option("-accel", accel);
        }
        if !own.has(Part::Cpu) {
            line.option("-cpu", cpu);
        }
        if !own.has(Part::Cpus) {
            line.option("-smp", seat.guest.cpus.to_string());
        }
        if !own.has(Part::Memory) {
            line.option("-m", memory);
        }
        line.option("-display", "none");
        line.option("-vga", "none");
        if !own.has(Part::Console) {
            line.option("-chardev", "stdio,id=console,signal=off");
            line.option("-serial", "chardev:console");
        }
        // Not `-mon`, which QEMU 11.1 warns of.
        let mut qmp = joined("unix:", &seat.qmp());
        qmp.push(",server=on,wait=off");
        line.option("-qmp", qmp);
    }

    fn screen_and_hands(&self, line: &mut Line, seat: Seat<'_>) {
        let gpu = self.dialect.option("gpu", seat.guest.connectors());
        line.vhost_user("gpu", seat.socket, &gpu, Slot::Gpu);
        for (kind, socket) in seat.inputs {
            let id = kind.word();
            let device = format!("vhost-user-input-pci,chardev={id}");
            line.vhost_user(id, socket, &device, slot(*kind));
        }
    }

    /// What a desktop expects of a machine.
    fn comforts(&self, line: &mut Line, seat: Seat<'_>, own: &Own) {
        let guest = seat.guest;
        let network = guest.network == Network::User && self.installed.has_user_network;
        if network && !own.has(Part::Network) {
            line.option("-netdev", "user,id=network");
            // Without a ROM: nobody boots from here, and not every QEMU has its file.
            line.device("virtio-net-pci,netdev=network,romfile=", Slot::Network);
        }
        if !own.has(Part::Random) {
            line.device("virtio-rng-pci", Slot::Random);
        }
        if !own.has(Part::Balloon) {
            // The guest gives back what it does not use.
            line.device("virtio-balloon-pci,free-page-reporting=on", Slot::Balloon);
        }
        if let Some(player) = self.player
            && !own.has(Part::Sound)
        {
            player.arguments(line, &self.installed, seat.name, guest.microphone);
        }
    }
}

fn kernel(line: &mut Line, guest: &config::Guest) {
    if let Some(kernel) = &guest.kernel {
        line.option("-kernel", kernel);
    }
    if let Some(initrd) = &guest.initrd {
        line.option("-initrd", initrd);
    }
    if let Some(append) = &guest.append {
        line.option("-append", append);
    }
}

fn slot(kind: InputDevice) -> Slot {
    match kind {
        InputDevice::Keyboard => Slot::Keyboard,
        InputDevice::Pointer => Slot::Pointer,
        InputDevice::Mouse => Slot::Mouse,
        InputDevice::Touch => Slot::Touch,
        InputDevice::Pen => Slot::Pen,
    }
}

#[cfg(test)]
mod tests;
