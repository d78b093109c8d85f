//! `lucarne device` processes, shown by the benchmark's own Wayland server.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::mpsc::Receiver,
};

use guest::driver::{Driver, DriverOptions};

use super::{PATIENCE, gpu_socket, guest_name, hand_socket, kind, processes, program};
use crate::bench::{
    peer::child::Child,
    stopwatch::{Arrival, Stopwatch},
    subject::{Counters, InputDevice, Process, Subject, Wanted},
};

/// The devices, and the server that takes the time of their frames.
#[derive(Debug)]
pub(super) struct Alone {
    /// In the order of the guests. Before the server, which is to outlive them: they would end by
    /// themselves without one.
    devices: Vec<Device>,
    stopwatch: Stopwatch,
    wanted: Wanted,
}

#[derive(Debug)]
struct Device {
    child: Child,
    gpu: PathBuf,
    keyboard: PathBuf,
    pointer: PathBuf,
}

impl Alone {
    /// Starts the server, then the devices, and waits until all of them can be connected to.
    pub(super) fn start(wanted: &Wanted, folder: &Path) -> anyhow::Result<Self> {
        let stopwatch = Stopwatch::start(folder, wanted)?;
        // One after the other: the server numbers them as they come.
        let start = |guest| Device::start(guest, wanted, folder, stopwatch.display());
        let devices = (0..wanted.guests)
            .map(start)
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            devices,
            stopwatch,
            wanted: wanted.clone(),
        })
    }
}

impl Device {
    fn start(guest: usize, wanted: &Wanted, folder: &Path, display: &Path) -> anyhow::Result<Self> {
        let name = guest_name(guest);
        let Wanted {
            size: (width, height),
            hertz,
            ..
        } = wanted;
        let gpu = gpu_socket(folder, guest);
        let [keyboard, pointer] = [InputDevice::Keyboard, InputDevice::Pointer]
            .map(|device| hand_socket(folder, guest, device));
        let mut command = program(folder)?;
        command
            .env("WAYLAND_DISPLAY", display)
            .args(["device", "--name", &name, "--gpu-socket"])
            .arg(&gpu)
            .args(["--mode", &format!("{width}x{height}@{hertz}")]);
        for (device, path) in [
            (InputDevice::Keyboard, &keyboard),
            (InputDevice::Pointer, &pointer),
        ] {
            let mut input = OsString::from(format!("{}=", kind(device)));
            input.push(path);
            command.arg("--input").arg(input);
        }
        if wanted.needs.three_d {
            command.args(["--gpu", "virgl"]);
        }
        let mut child = Child::start(&name, command, folder)?;
        child.wait_until("lucarne device", PATIENCE, |_| gpu.exists().then_some(()))?;
        Ok(Self {
            child,
            gpu,
            keyboard,
            pointer,
        })
    }
}

impl Subject for Alone {
    fn connect(&mut self, guest: usize, options: &DriverOptions) -> anyhow::Result<Driver> {
        let device = self.devices.get(guest);
        let device = device.ok_or_else(|| anyhow::anyhow!("There is no guest {guest}"))?;
        Ok(Driver::connect(&device.gpu, options)?)
    }

    fn input_socket(&self, guest: usize, device: InputDevice) -> Option<&Path> {
        let sockets = self.devices.get(guest)?;
        Some(match device {
            InputDevice::Keyboard => &sockets.keyboard,
            InputDevice::Pointer => &sockets.pointer,
        })
    }

    fn processes(&self) -> Vec<Process> {
        let pids: Vec<u32> = self
            .devices
            .iter()
            .map(|device| device.child.pid())
            .collect();
        processes(&pids, &self.wanted)
    }

    fn counters(&mut self, _: usize) -> anyhow::Result<Option<Counters>> {
        // A device that was started by hand has nobody who could ask it.
        Ok(None)
    }

    fn control_socket(&self) -> Option<&Path> {
        None
    }

    fn arrivals(&mut self) -> Option<&Receiver<Arrival>> {
        Some(self.stopwatch.arrivals())
    }

    fn stopwatch(&mut self) -> Option<&Stopwatch> {
        Some(&self.stopwatch)
    }

    fn died(&mut self) -> Option<String> {
        self.devices
            .iter_mut()
            .find_map(|device| device.child.died())
    }
}
