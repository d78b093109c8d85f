//! `lucarne headless`, asked through its control socket.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc::Receiver,
    time::Duration,
};

use anyhow::{Context as _, bail};
use guest::driver::{Driver, DriverOptions};
use protocols::ipc::{Answer, Guest, GuestState, Request, SOCKET_ENV, ScanoutStats};

use super::{PATIENCE, gpu_socket, guest_name, hand_socket, processes, program};
use crate::{
    bench::{
        measure::is_alive,
        peer::child::Child,
        stopwatch::{Arrival, Stopwatch},
        subject::{Counters, InputDevice, Process, Role, Subject, Wanted},
    },
    ipc::client,
};

/// How long the control socket may take to answer before it counts as dead.
const ANSWER: Duration = Duration::from_secs(5);

/// The running compositor with its guests' devices.
#[derive(Debug)]
pub(super) struct Headless {
    compositor: Child,
    socket: PathBuf,
    folder: PathBuf,
    /// The devices, in the order of the guests.
    devices: Vec<u32>,
    hands: Vec<[PathBuf; 2]>,
    wanted: Wanted,
}

impl Headless {
    /// Starts it, and waits until all guests' devices can be connected to.
    pub(super) fn start(wanted: &Wanted, folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join("config.toml");
        fs::write(&file, configuration(wanted))
            .with_context(|| format!("Could not write {}. Check that folder", file.display()))?;
        let mut command = program(folder)?;
        command.args(["headless", "--config", "config.toml"]);
        let mut compositor = Child::start("lucarne", command, folder)?;
        let socket = compositor.wait_until("lucarne headless", PATIENCE, |compositor| {
            let output = compositor.output();
            let mut lines = output
                .split_inclusive('\n')
                .filter_map(|line| line.strip_suffix('\n'));
            let prefix = format!("{SOCKET_ENV}=");
            lines.find_map(|line| line.strip_prefix(&prefix).map(PathBuf::from))
        })?;
        let devices = compositor.wait_until("the guests' devices", PATIENCE, |_| {
            let guests = guests(&socket).ok()?;
            let pid = |number| {
                let name = guest_name(number);
                let guest = guests.iter().find(|guest| guest.name == name)?;
                guest
                    .device_pid
                    .filter(|_| guest.state == GuestState::Waiting)
            };
            (0..wanted.guests).map(pid).collect::<Option<Vec<u32>>>()
        })?;
        let hands = |guest| {
            [InputDevice::Keyboard, InputDevice::Pointer]
                .map(|device| hand_socket(folder, guest, device))
        };
        Ok(Self {
            compositor,
            socket,
            folder: folder.to_owned(),
            devices,
            hands: (0..wanted.guests).map(hands).collect(),
            wanted: wanted.clone(),
        })
    }

    fn stats(&self, guest: usize) -> anyhow::Result<ScanoutStats> {
        let request = Request::Stats {
            guest: Some(guest_name(guest)),
        };
        match client::ask_within(&self.socket, &request, ANSWER)? {
            Answer::Stats(stats) => {
                let scanouts = stats.into_iter().flat_map(|stats| stats.device.scanouts);
                scanouts
                    .into_iter()
                    .next()
                    .context("Could not count frames: the device tells of no monitor")
            }
            other => bail!("Could not count frames: the answer was {other:?}"),
        }
    }
}

impl Subject for Headless {
    fn connect(&mut self, guest: usize, options: &DriverOptions) -> anyhow::Result<Driver> {
        Ok(Driver::connect(&gpu_socket(&self.folder, guest), options)?)
    }

    fn input_socket(&self, guest: usize, device: InputDevice) -> Option<&Path> {
        let [keyboard, pointer] = self.hands.get(guest)?;
        Some(match device {
            InputDevice::Keyboard => keyboard,
            InputDevice::Pointer => pointer,
        })
    }

    fn processes(&self) -> Vec<Process> {
        let compositor = Process {
            role: Role::Compositor,
            pid: self.compositor.pid(),
        };
        let mut all = processes(&self.devices, &self.wanted);
        all.push(compositor);
        all
    }

    fn counters(&mut self, guest: usize) -> anyhow::Result<Option<Counters>> {
        let stats = self.stats(guest)?;
        Ok(Some(Counters {
            flushed: stats.frames_flushed,
            presented: stats.frames_presented,
            missed: stats.frames_missed,
            bytes_copied: stats.bytes_copied,
            flush_to_present: stats.flush_to_present_p50_us.map(Duration::from_micros),
        }))
    }

    fn control_socket(&self) -> Option<&Path> {
        Some(&self.socket)
    }

    fn arrivals(&mut self) -> Option<&Receiver<Arrival>> {
        None
    }

    fn stopwatch(&mut self) -> Option<&Stopwatch> {
        None
    }

    fn died(&mut self) -> Option<String> {
        if let Some(died) = self.compositor.died() {
            return Some(died);
        }
        // The compositor starts them anew, but the guests were connected to those that are gone.
        let gone = self.devices.iter().find(|pid| !is_alive(**pid))?;
        let words = self.compositor.last_words();
        Some(format!("the device process {gone} of a guest ended{words}"))
    }
}

/// An output for each guest, so that all of them are to be seen.
fn configuration(wanted: &Wanted) -> String {
    let Wanted {
        size: (width, height),
        hertz,
        needs,
        ..
    } = wanted;
    let gpu = if needs.three_d {
        "gpu = \"virgl\"\n"
    } else {
        ""
    };
    let guest = |number| {
        let name = guest_name(number);
        format!(
            "[[output]]\nname = \"{name}\"\nmode = \"{width}x{height}@{hertz}\"\n\
             [guest.{name}]\noutputs = [\"{name}\"]\nscanouts = [\"{width}x{height}@{hertz}\"]\n\
             socket = \"{name}.gpu\"\nvmm = {{ kind = \"external\" }}\n{gpu}"
        )
    };
    (0..wanted.guests).map(guest).collect()
}

/// All guests of the program behind a control socket.
pub(in crate::bench) fn guests(socket: &Path) -> anyhow::Result<Vec<Guest>> {
    match client::ask_within(socket, &Request::Guests, ANSWER)? {
        Answer::Guests(guests) => Ok(guests),
        other => bail!("Could not ask for the guests: the answer was {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use config::Config;

    use super::*;

    #[test]
    fn each_guest_has_an_output_of_its_own() {
        let wanted = Wanted {
            guests: 2,
            hertz: 144,
            ..Wanted::one((640, 480))
        };
        let config = Config::parse(&configuration(&wanted)).unwrap();
        assert_eq!(config.outputs.len(), 2);
        assert_eq!(config.guests["g1"].outputs, ["g1"]);
        assert_eq!(config.outputs[1].name.as_deref(), Some("g1"));
        assert_eq!(config.guests["g0"].scanouts[0].millihertz, 144_000);
    }
}
