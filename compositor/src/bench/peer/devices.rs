//! A device process for each guest: what all peers have in common that are such processes.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use anyhow::{Context as _, bail};
use guest::{
    driver::{Driver, DriverOptions},
    frontend::{Dialect, Frontend},
};

use super::{child::Child, display_socket::Display, monitor::Monitor};
use crate::bench::{
    stopwatch::{Arrival, Stopwatch},
    subject::{Counters, InputDevice, Process, Role, Subject, Wanted},
};

/// How long a process may take to start: much longer than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a device's frames go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frames {
    /// Nowhere.
    Nowhere,
    /// To the VMM, which is QEMU's `vhost-user-gpu-pci`, through its display socket.
    Vmm,
}

/// Running devices.
#[derive(Debug)]
pub(super) struct Devices {
    devices: Vec<Device>,
    arrivals: Option<(Sender<Arrival>, Receiver<Arrival>)>,
    monitor: Monitor,
}

#[derive(Debug)]
struct Device {
    child: Child,
    socket: PathBuf,
    /// Where its frames arrive, once a guest is connected.
    display: Option<Display>,
}

impl Devices {
    /// Starts a device for each guest by the command that `command` makes for a socket, and waits until
    /// VMMs can connect.
    ///
    /// # Errors
    /// One does not start.
    pub(super) fn start(
        name: &str,
        frames: Frames,
        wanted: &Wanted,
        folder: &Path,
        command: impl Fn(&Path) -> Command,
    ) -> anyhow::Result<Self> {
        let device = |guest| {
            let name = format!("{name}-{guest}");
            let socket = folder.join(format!("{name}.sock"));
            let mut child = Child::start(&name, command(&socket), folder)?;
            // Without connecting: QEMU's device takes one VMM in its life.
            child.wait_until("its socket", PATIENCE, |_| socket.exists().then_some(()))?;
            Ok(Device {
                child,
                socket,
                display: None,
            })
        };
        let devices = (0..wanted.guests).map(device);
        Ok(Self {
            devices: devices.collect::<anyhow::Result<_>>()?,
            arrivals: (frames == Frames::Vmm).then(channel),
            monitor: Monitor::of(wanted),
        })
    }

    /// Ends the devices, and returns what the first one's guest has shown last: width, height and
    /// pixels, as [`Display::finish`] does.
    ///
    /// # Errors
    /// A device has ended by itself.
    pub(super) fn finish(mut self) -> anyhow::Result<Option<(u32, u32, Vec<u8>)>> {
        if let Some(died) = self.died() {
            bail!("{died}");
        }
        let first = self.devices.into_iter().next();
        Ok(first.and_then(|device| {
            drop(device.child);
            device.display?.finish()
        }))
    }
}

impl Subject for Devices {
    fn connect(&mut self, guest: usize, options: &DriverOptions) -> anyhow::Result<Driver> {
        let device = self.devices.get_mut(guest);
        let device = device.context("There is no such guest")?;
        let Some((sender, _)) = &self.arrivals else {
            return Ok(Driver::connect(&device.socket, options)?);
        };
        let options = DriverOptions {
            dialect: Dialect::QemuGpu,
            ..*options
        };
        let mut frontend = Frontend::connect(&device.socket, options.dialect, options.timeout)?;
        let display = Display::start(guest, self.monitor, sender.clone())?;
        frontend.set_display(display.sockets());
        device.display = Some(display);
        Ok(Driver::start(frontend, &options)?)
    }

    fn input_socket(&self, _guest: usize, _device: InputDevice) -> Option<&Path> {
        None
    }

    fn processes(&self) -> Vec<Process> {
        let devices = self.devices.iter().map(|device| Process {
            role: Role::Device,
            pid: device.child.pid(),
        });
        devices.collect()
    }

    fn counters(&mut self, _guest: usize) -> anyhow::Result<Option<Counters>> {
        Ok(None)
    }

    fn control_socket(&self) -> Option<&Path> {
        None
    }

    fn arrivals(&mut self) -> Option<&Receiver<Arrival>> {
        self.arrivals.as_ref().map(|(_, receiver)| receiver)
    }

    fn stopwatch(&mut self) -> Option<&Stopwatch> {
        None
    }

    fn died(&mut self) -> Option<String> {
        let mut devices = self.devices.iter_mut();
        devices.find_map(|device| device.child.died())
    }
}
