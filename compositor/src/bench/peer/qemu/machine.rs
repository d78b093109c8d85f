//! QEMU with a real guest that flips by itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, ensure};

use super::qmp::Monitor;
use crate::{
    bench::{
        peer::{child::Child, program},
        plan::RealMachine,
        subject::Lack,
    },
    doctor::kvm,
    guests::vmm::qemu::{Dialect, Installed},
};

/// Memory of the guest.
const MEMORY: &str = "512M";

/// How long a guest may take to its first flip: some seconds without KVM, on an idle machine.
const BOOT: Duration = Duration::from_secs(40);

/// What QEMU calls the threads that run the guest.
const PROCESSORS: &str = "CPU ";

/// How lines on the guest's console begin that tell how often it has flipped, after the first.
const FLIPS: &str = "flips ";

/// A QEMU that is installed here.
#[derive(Debug, Clone)]
pub(in crate::bench) struct Installation(Installed);

/// Who shows the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum Screen<'a> {
    /// QEMU's own virtio-gpu, and its VNC server at this socket.
    Vnc(&'a Path),
    /// QEMU's own virtio-gpu, and viewers that it tells through D-Bus.
    Bus,
    /// A vhost-user device at this socket.
    Device(&'a Path),
}

/// A running virtual machine. Dropping it ends it.
#[derive(Debug)]
pub(in crate::bench) struct Machine {
    qemu: Child,
    console: PathBuf,
    monitor: PathBuf,
}

impl Installation {
    /// Looks for QEMU.
    ///
    /// # Errors
    /// There is none that starts.
    pub(in crate::bench) fn find() -> Result<Self, Lack> {
        let name = Installed::default_program();
        let file = program::find(&name.to_string_lossy(), "Install QEMU")?;
        let installed = Installed::find(&file).map_err(|error| Lack(error.to_string()))?;
        Ok(Self(installed))
    }

    /// Its version, and what runs its guests.
    pub(in crate::bench) fn describe(&self) -> String {
        let engine = if kvm::is_promising() { "KVM" } else { "TCG" };
        format!("QEMU {} with {engine}", self.0.version)
    }

    /// Whether it can tell viewers through D-Bus.
    pub(super) fn has_bus(&self) -> bool {
        let displays = program::says(&self.0.program, &["-display", "help"]);
        displays.lines().any(|line| line.trim() == "dbus")
    }

    /// Starts a machine with a screen of a size, and waits for the guest's first flip.
    ///
    /// # Errors
    /// QEMU does not start, or the guest does not flip.
    pub(in crate::bench) fn start(
        &self,
        guest: &RealMachine,
        screen: Screen<'_>,
        size: (u32, u32),
        folder: &Path,
    ) -> anyhow::Result<Machine> {
        fs::create_dir_all(folder)
            .with_context(|| format!("Could not make {}. Check that folder", folder.display()))?;
        let (console, monitor) = (folder.join("console"), folder.join("qmp"));
        let mut command = self.command(guest);
        command.arg("-serial").arg(joined("file:", &console));
        let mut socket = joined("unix:", &monitor);
        socket.push_str(",server=on,wait=off");
        command.arg("-qmp").arg(socket);
        self.add_screen(&mut command, screen, size);
        let qemu = Child::start("qemu", command, folder)?;
        let mut machine = Machine {
            qemu,
            console,
            monitor,
        };
        machine.wait_for_flips()?;
        Ok(machine)
    }

    fn command(&self, guest: &RealMachine) -> Command {
        let mut command = Command::new(&self.0.program);
        command
            .args(["-no-user-config", "-nodefaults"])
            // The guest's threads are told from the others by their names.
            .args(["-name", "bench,debug-threads=on"])
            .args(["-machine", "q35,memory-backend=ram", "-m", MEMORY])
            .arg("-object")
            .arg(format!(
                "memory-backend-memfd,id=ram,size={MEMORY},share=on,seal=on"
            ));
        match kvm::is_promising() {
            true => command.args(["-accel", "kvm", "-cpu", "host"]),
            false => command.args(["-accel", "tcg,thread=multi", "-cpu", "max"]),
        };
        command
            .args(["-smp", "1", "-vga", "none"])
            .arg("-kernel")
            .arg(&guest.kernel)
            .arg("-initrd")
            .arg(&guest.initrd)
            .args(["-append", "console=ttyS0 quiet"]);
        command
    }

    fn add_screen(&self, command: &mut Command, screen: Screen<'_>, (width, height): (u32, u32)) {
        let own = format!("virtio-gpu-pci,xres={width},yres={height}");
        match screen {
            Screen::Vnc(socket) => {
                command.args(["-device", &own]);
                command.args(["-display", "none", "-vnc"]);
                command.arg(joined("unix:", socket));
            }
            Screen::Bus => {
                command.args(["-device", &own, "-display", "dbus,p2p=yes"]);
            }
            Screen::Device(socket) => {
                let dialect = match Dialect::Generic.is_in(&self.0) {
                    true => Dialect::Generic,
                    false => Dialect::Gpu,
                };
                command
                    .args(["-display", "none", "-chardev"])
                    .arg(joined("socket,id=gpu,path=", socket))
                    .args(["-device", &dialect.option("gpu", 1)]);
            }
        }
    }
}

impl Machine {
    /// The number of QEMU's process.
    pub(in crate::bench) fn pid(&self) -> u32 {
        self.qemu.pid()
    }

    /// Processor time of all of QEMU's threads but those that run the guest.
    ///
    /// # Errors
    /// QEMU has ended, or its threads have no names to tell them by.
    pub(in crate::bench) fn cpu(&self) -> anyhow::Result<Duration> {
        let tasks = format!("/proc/{}/task", self.pid());
        let mut used = Duration::ZERO;
        let mut processors = 0;
        for task in fs::read_dir(&tasks).context("Could not look at QEMU: it has ended")? {
            let task = task?.path();
            // A thread that has just ended is no longer there.
            let Ok(name) = fs::read_to_string(task.join("comm")) else {
                continue;
            };
            if name.starts_with(PROCESSORS) {
                processors += 1;
                continue;
            }
            let Ok(ran) = fs::read_to_string(task.join("schedstat")) else {
                continue;
            };
            let ran = ran.split_whitespace().next().and_then(|ns| ns.parse().ok());
            used += Duration::from_nanos(ran.unwrap_or(0));
        }
        ensure!(
            processors > 0,
            "Could not tell QEMU's threads apart: none is called {PROCESSORS:?}"
        );
        Ok(used)
    }

    /// QEMU's monitor.
    ///
    /// # Errors
    /// It does not answer.
    pub(super) fn monitor(&self) -> anyhow::Result<Monitor> {
        Monitor::connect(&self.monitor)
    }

    fn wait_for_flips(&mut self) -> anyhow::Result<()> {
        let console = self.console.clone();
        let flips = |_: &Child| {
            let text = fs::read(&console).ok()?;
            has_flipped(&String::from_utf8_lossy(&text)).then_some(())
        };
        let waited = self.qemu.wait_until("the guest's first flip", BOOT, flips);
        waited.with_context(|| {
            let said = fs::read(&self.console).unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            let last: Vec<&str> = said.lines().rev().take(3).collect();
            format!("The guest said last {last:?}")
        })
    }
}

/// Whether a guest's console says that it has flipped.
fn has_flipped(console: &str) -> bool {
    let number = |line: &str| line.strip_prefix(FLIPS)?.trim().parse::<u64>().ok();
    console.lines().any(|line| number(line).is_some())
}

/// A path as part of one of QEMU's options, in which a comma is written twice.
fn joined(before: &str, path: &Path) -> String {
    let path = path.display().to_string().replace(',', ",,");
    format!("{before}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_flips_once_it_gives_a_number() {
        assert!(!has_flipped("flips on connector 31\n"));
        assert!(has_flipped(
            "starting\r\nflips on connector 31\r\nflips 60\r\n"
        ));
    }

    #[test]
    fn a_comma_in_a_path_ends_no_option() {
        assert_eq!(joined("unix:", Path::new("/a,b/c")), "unix:/a,,b/c");
    }
}
