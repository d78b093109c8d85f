//! A running `lucarne kiosk` with one guest, whose monitor is the card's.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use guest::{
    driver::{Driver, DriverOptions},
    ram::RamOptions,
};
use protocols::ipc::{Answer, GuestState, Output, Request, ScanoutStats};

use super::{
    card::{Card, Monitor},
    find::Found,
};
use crate::{
    bench::{
        peer::{child::Child, lucarne},
        subject::{Process, Role},
    },
    guests::runtime_dir::PREFIX,
    ipc::client,
};

/// How long it may take to start: much longer than a busy machine needs, whose OpenGL is compiled on the CPU.
const PATIENCE: Duration = Duration::from_secs(40);

/// How long the control socket may take to answer before it counts as dead.
const ANSWER: Duration = Duration::from_secs(5);

/// The guest's memory besides its two pictures.
const SPARE: u64 = 16 << 20;

/// The only guest.
const GUEST: &str = "guest";

/// The compositor with the guest's device. Dropping it ends both, and gives the card back.
pub(super) struct Kiosk {
    compositor: Child,
    control: PathBuf,
    gpu: PathBuf,
    device: u32,
    monitor: Monitor,
    /// The card, opened beside the kiosk to count vblanks.
    card: Card,
}

impl Kiosk {
    /// Takes the seat and the card, and waits until a VMM can connect.
    ///
    /// # Errors
    /// There is no seat, or somebody else has it; the error has what the program said.
    pub(super) fn start(found: &Found, folder: &Path) -> anyhow::Result<Self> {
        let folder = folder.join("kiosk");
        // An earlier turn's, with its sockets.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)
            .with_context(|| format!("Could not make {}. Check that folder", folder.display()))?;
        fs::write(folder.join("config.toml"), configuration(found))
            .context("Could not write a configuration file")?;
        let mut command = lucarne::program(&folder)?;
        command.args(["kiosk", "--config", "config.toml", GUEST]);
        let mut compositor = Child::start("lucarne kiosk", command, &folder)?;
        let runtime = folder.join("run");
        let (control, device) = compositor.wait_until("lucarne kiosk", PATIENCE, |_| {
            let control = control_socket(&runtime)?;
            let device = waiting_device(&control)?;
            Some((control, device))
        })?;
        // Only now: whoever opens a card first is its master.
        let card = Card::open(&found.node)
            .with_context(|| format!("Could not open {}", found.node.display()))?;
        Ok(Self {
            compositor,
            control,
            gpu: folder.join(SOCKET),
            device,
            monitor: found.monitor.clone(),
            card,
        })
    }

    /// Connects the guest.
    ///
    /// # Errors
    /// The device does not do what vhost-user asks of it.
    pub(super) fn connect(&self) -> anyhow::Result<Driver> {
        let (width, height) = self.monitor.size();
        let pictures = 2 * 4 * u64::from(width) * u64::from(height);
        let options = DriverOptions {
            ram: RamOptions {
                size: pictures + SPARE,
                ..RamOptions::default()
            },
            ..DriverOptions::default()
        };
        Ok(Driver::connect(&self.gpu, &options)?)
    }

    /// The compositor and the device.
    pub(super) fn processes(&self) -> [Process; 2] {
        [
            Process {
                role: Role::Compositor,
                pid: self.compositor.pid(),
            },
            Process {
                role: Role::Device,
                pid: self.device,
            },
        ]
    }

    /// The number of the monitor's last vblank.
    ///
    /// # Errors
    /// It is off.
    pub(super) fn vblank(&self) -> anyhow::Result<u32> {
        let counted = self.card.vblank(&self.monitor);
        counted.context("Could not count vblanks")
    }

    /// What the monitor shows, and what became of its frames.
    ///
    /// # Errors
    /// The kiosk does not answer, or has lost the monitor.
    pub(super) fn output(&self) -> anyhow::Result<Output> {
        match client::ask_within(&self.control, &Request::Outputs, ANSWER)? {
            Answer::Outputs(outputs) => outputs
                .into_iter()
                .next()
                .context("Could not ask for the monitor: the kiosk has none"),
            other => bail!("Could not ask for the monitor: the answer was {other:?}"),
        }
    }

    /// What the guest's monitor has counted.
    ///
    /// # Errors
    /// The kiosk or the device does not answer.
    pub(super) fn counters(&self) -> anyhow::Result<ScanoutStats> {
        let guest = Some(GUEST.to_owned());
        match client::ask_within(&self.control, &Request::Stats { guest }, ANSWER)? {
            Answer::Stats(stats) => stats
                .into_iter()
                .flat_map(|stats| stats.device.scanouts)
                .next()
                .context("Could not count frames: the device tells of no monitor"),
            other => bail!("Could not count frames: the answer was {other:?}"),
        }
    }

    /// Ends it in peace, so that the card is given back as it was.
    ///
    /// # Errors
    /// It does not end.
    pub(super) fn quit(mut self) -> anyhow::Result<()> {
        client::ask_within(&self.control, &Request::Quit, ANSWER)?;
        // `wait_until` takes an end for an error, and here it is what is waited for.
        let _ = self
            .compositor
            .wait_until("the kiosk's end", PATIENCE, |_| None::<()>);
        match self.compositor.died() {
            Some(_) => Ok(()),
            None => bail!("Could not end the kiosk: it does not answer to `quit`"),
        }
    }
}

/// The guest's socket, in the kiosk's folder.
const SOCKET: &str = "guest.gpu";

fn configuration(found: &Found) -> String {
    let (width, height) = found.monitor.size();
    let name = &found.monitor.name;
    format!(
        "[kms]\ndevice = {:?}\n\
         [[output]]\nname = {name:?}\nmode = \"{width}x{height}\"\n\
         [guest.{GUEST}]\nscanouts = [\"{width}x{height}\"]\noutputs = [{name:?}]\n\
         socket = {SOCKET:?}\nvmm = {{ kind = \"external\" }}\n",
        found.node.display().to_string()
    )
}

/// The kiosk's control socket. (What it prints of it may be in the file before the socket answers.)
fn control_socket(runtime: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(runtime).ok()?.flatten();
    entries
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(PREFIX) && name.ends_with(".sock")
        })
        .map(|entry| entry.path())
        .next()
}

/// The process of the guest's device, once a VMM can connect.
fn waiting_device(control: &Path) -> Option<u32> {
    let guests = lucarne::guests(control).ok()?;
    let guest = guests.into_iter().find(|guest| guest.name == GUEST)?;
    guest
        .device_pid
        .filter(|_| guest.state == GuestState::Waiting)
}
