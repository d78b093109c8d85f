//! Starts, watches and restarts guests: for each a device process and the VMM that connects to it.
//!
//! [`lifecycle`] decides, `supervise` does, [`vmm`] knows command lines, `process` is one
//! child. How guests' windows are shown is [`Host`](crate::host::Host)'s business; what a device
//! does between VMM and compositor is the device process' own.

mod ask;
mod budget;
mod channel;
mod device;
mod hear;
mod last_lines;
pub mod lifecycle;
mod machine;
pub(crate) mod monitor;
pub(crate) mod process;
pub mod runtime_dir;
mod shown;
mod supervise;
pub mod vmm;

use std::{
    collections::BTreeMap,
    fs::File,
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
    rc::Rc,
};

use calloop::RegistrationToken;
use config::guest::InputDevice;
use protocols::ipc::{self, GuestRenderer, GuestState};
use thiserror::Error;

use self::{
    budget::Budget,
    channel::StatusChannel,
    last_lines::LastLines,
    lifecycle::{Ended, Lifecycle, Role},
    monitor::Monitor,
    process::Process,
    runtime_dir::RuntimeDir,
    shown::Shown,
    vmm::{Vmm, qemu::Engine},
};

pub(crate) use self::process::{inherited_fd, leave_bare};
use crate::signs::GuestStatus;

/// All guests that this program knows.
#[derive(Debug)]
pub struct Guests {
    list: BTreeMap<String, Guest>,
    folder: RuntimeDir,
    options: DeviceOptions,
}

/// What all device processes are started with.
#[derive(Debug, Clone, Default)]
pub struct DeviceOptions {
    /// The program to be started as `PROGRAM device …`; this one where there is none.
    pub program: Option<PathBuf>,
    /// More arguments for it.
    pub arguments: Vec<String>,
    /// More environment for the devices and the VMMs.
    pub environment: Vec<(String, String)>,
    /// The keys that guests' windows keep to themselves.
    pub keys: config::Keys,
}

/// One guest.
#[derive(Debug)]
struct Guest {
    config: config::Guest,
    vmm: Vmm,
    life: Lifecycle,
    device: Option<Running>,
    vmm_process: Option<Running>,
    status: Option<StatusChannel>,
    /// Commands to the VMM.
    monitor: Option<Monitor>,
    dialect: Option<String>,
    /// What draws its 3D, as its device told.
    renderer: Option<GuestRenderer>,
    shown: Shown,
    /// The timer of `life`.
    timer: Option<RegistrationToken>,
    device_output: LastLines,
    vmm_output: LastLines,
    /// What failed since it last ran or was last wanted.
    trouble: Option<Trouble>,
    /// How much of the device's log is passed on.
    relayed: Budget,
}

/// A process that ended with an error.
#[derive(Debug)]
struct Trouble {
    role: Role,
    /// How, for the user.
    reason: String,
}

/// A process and its event sources.
#[derive(Debug)]
struct Running {
    process: Process,
    /// Watches its end.
    end: RegistrationToken,
    /// Its output, until that ends.
    output: Option<(Output, RegistrationToken)>,
}

/// A pipe that the event loop polls, and that is read a last time when its process has ended.
#[derive(Debug, Clone)]
struct Output(Rc<File>);

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Why a guest can't be added.
#[derive(Debug, Error)]
pub enum AddError {
    /// There is one of this name.
    #[error("Could not add the guest {0}: there is one of that name. Choose another name")]
    Exists(String),
    /// A name that can't be used.
    #[error("Could not name a guest {name:?}: {reason}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// It can't be run here.
    #[error(transparent)]
    Vmm(#[from] vmm::Error),
}

impl Guests {
    /// None yet. The guests' sockets will be in `folder`.
    #[must_use]
    pub fn new(folder: RuntimeDir, options: DeviceOptions) -> Self {
        Self {
            list: BTreeMap::new(),
            folder,
            options,
        }
    }

    /// Sets the keys that the windows of guests keep to themselves that are started from now on.
    pub fn set_keys(&mut self, keys: config::Keys) {
        self.options.keys = keys;
    }

    /// Adds a guest without starting it. Its VMM is looked for and its files are checked, which
    /// may take some tenths of a second.
    ///
    /// # Errors
    /// What is wrong or missing.
    pub fn add(&mut self, name: &str, config: config::Guest) -> Result<(), AddError> {
        if let Err(reason) = config::guest::check_name(name) {
            return Err(AddError::Name {
                name: name.to_owned(),
                reason,
            });
        }
        if self.list.contains_key(name) {
            return Err(AddError::Exists(name.to_owned()));
        }
        let vmm = Vmm::find(&config)?;
        let guest = Guest {
            life: Lifecycle::new(config.restart, vmm != Vmm::External),
            config,
            vmm,
            device: None,
            vmm_process: None,
            status: None,
            monitor: None,
            dialect: None,
            renderer: None,
            shown: Shown::default(),
            timer: None,
            device_output: LastLines::default(),
            vmm_output: LastLines::default(),
            trouble: None,
            relayed: Budget::default(),
        };
        self.list.insert(name.to_owned(), guest);
        Ok(())
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.keys().map(String::as_str)
    }

    /// Whether there is a guest of this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.list.contains_key(name)
    }

    /// What is known of a guest from the configuration.
    pub(crate) fn config(&self, name: &str) -> Option<&config::Guest> {
        self.list.get(name).map(|guest| &guest.config)
    }

    /// Whether no guest has a process, or is about to get one.
    #[must_use]
    pub fn all_off(&self) -> bool {
        self.list.values().all(|guest| guest.life.ended().is_some())
    }

    /// The failures of guests that failed, each a message for the user with the last lines of
    /// what was printed.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        self.list
            .iter()
            .filter_map(|(name, guest)| match guest.life.ended() {
                Some(Ended::Failed { role, reason }) => Some(guest.failure(name, *role, reason)),
                _ => None,
            })
            .collect()
    }

    /// The guests, as the control socket tells of them.
    #[must_use]
    pub fn describe(&self) -> Vec<ipc::Guest> {
        let describe = |(name, guest): (&String, &Guest)| ipc::Guest {
            name: name.clone(),
            state: guest.life.state(),
            device_pid: guest.device.as_ref().map(|device| device.process.id()),
            vmm_pid: guest.vmm_process.as_ref().map(|vmm| vmm.process.id()),
            dialect: guest.dialect.clone(),
            last_output: guest.vmm_output.to_vec(),
            detached: guest.device.is_some() && !guest.shown.attached,
            disk: guest.config.disk.as_ref().map(|disk| absolute(disk)),
            machine: guest.monitor.as_ref().and_then(Monitor::state),
            renderer: guest.renderer.clone(),
        };
        self.list.iter().map(describe).collect()
    }

    /// How they are, in a line: `2 guests: a running, b failed`.
    #[must_use]
    pub fn summary(&self) -> String {
        let guests: Vec<String> = self
            .list
            .iter()
            .map(|(name, guest)| format!("{name} {}", guest.life.state()))
            .collect();
        match guests.as_slice() {
            [] => "No guests".to_owned(),
            [guest] => format!("1 guest: {guest}"),
            guests => format!("{} guests: {}", guests.len(), guests.join(", ")),
        }
    }

    /// Lets a guest that is off start without windows: `lucarne attach` shows it.
    pub fn start_detached(&mut self, name: &str) {
        if let Some(guest) = self.list.get_mut(name) {
            guest.shown = Shown::nowhere();
        }
    }

    fn socket(&self, name: &str) -> PathBuf {
        let given = self
            .list
            .get(name)
            .and_then(|guest| guest.config.socket.clone());
        given.unwrap_or_else(|| self.folder.path().join(format!("{name}.gpu")))
    }

    /// A guest's input devices, in the order of its configuration, and the sockets that they listen
    /// on: beside the socket of its graphics device, `NAME.keyboard` and so on.
    #[must_use]
    pub fn input_sockets(&self, name: &str) -> Vec<(InputDevice, PathBuf)> {
        let guest = self.list.get(name).map(|guest| &guest.config);
        guest.map_or_else(Vec::new, |guest| input_sockets(guest, &self.socket(name)))
    }

    /// The folder for the sockets of this run.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// A guest's input devices and their sockets, beside that of its graphics device.
pub(crate) fn input_sockets(guest: &config::Guest, socket: &Path) -> Vec<(InputDevice, PathBuf)> {
    let devices = guest.input.iter();
    devices
        .map(|device| (*device, beside(socket, device.word())))
        .collect()
}

/// The same path with another ending. Not `with_extension`: guests' names may have dots in them.
fn beside(socket: &Path, ending: &str) -> PathBuf {
    let name = socket.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".gpu").unwrap_or(&name);
    socket.with_file_name(format!("{stem}.{ending}"))
}

impl Guest {
    fn running(&mut self, role: Role) -> &mut Option<Running> {
        match role {
            Role::Device => &mut self.device,
            Role::Vmm => &mut self.vmm_process,
        }
    }

    fn output(&mut self, role: Role) -> &mut LastLines {
        match role {
            Role::Device => &mut self.device_output,
            Role::Vmm => &mut self.vmm_output,
        }
    }

    /// How it is, for people who wait for its picture.
    fn tell(&self) -> GuestStatus {
        let state = self.life.state();
        let (role, reason) = match (self.life.ended(), &self.trouble) {
            (Some(Ended::Failed { role, reason }), _) => (*role, Some(reason.clone())),
            (None, Some(trouble))
                if matches!(state, GuestState::Restarting | GuestState::Failed) =>
            {
                (trouble.role, Some(trouble.reason.clone()))
            }
            _ => (Role::Vmm, None),
        };
        let lines = match role {
            Role::Device => &self.device_output,
            Role::Vmm => &self.vmm_output,
        };
        GuestStatus {
            state,
            reason,
            last_output: lines.to_vec(),
        }
    }

    fn failure(&self, name: &str, role: Role, reason: &str) -> String {
        let (what, lines) = match role {
            Role::Device => ("graphics device", self.device_output.to_vec()),
            Role::Vmm => ("VMM", self.vmm_output.to_vec()),
        };
        let mut message = format!("Could not run the guest {name}: {reason}");
        if let Some(explanation) = vmm::remedy::explain(&lines).filter(|_| role == Role::Vmm) {
            message.push_str(&format!(": {explanation}"));
        }
        if lines.is_empty() {
            message.push_str(&format!(". The {what} wrote nothing"));
        } else {
            message.push_str(&format!(". The last lines that the {what} wrote:"));
        }
        for line in &lines[lines.len().saturating_sub(SHOWN_LINES)..] {
            message.push_str("\n    ");
            message.push_str(line);
        }
        message
    }

    /// Remembers a process that ended with an error, unless it was about to end anyway.
    fn note_failure(&mut self, role: Role, status: &str) {
        use GuestState::{Running, Starting, Waiting};
        if !matches!(self.life.state(), Starting | Waiting | Running) {
            return;
        }
        let what = match role {
            Role::Device => "its graphics device",
            Role::Vmm => "its VMM",
        };
        let reason = format!("{what} ended ({status})");
        self.trouble = Some(Trouble { role, reason });
    }

    /// Takes what a VMM wrote as a hint; `true` if the VMM must be started anew, differently.
    fn learns_from(&mut self, line: &str) -> bool {
        let Vmm::Qemu(qemu) = &mut self.vmm else {
            return false;
        };
        if !qemu.refutes_kvm(line) {
            return false;
        }
        qemu.engine = Engine::Tcg;
        true
    }
}

/// The one name by which a file is known everywhere; its own where it has none.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    let canonical = path.canonicalize();
    canonical.unwrap_or_else(|_| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
}

/// How many of a failed process' last lines are shown.
const SHOWN_LINES: usize = 15;

#[cfg(test)]
mod tests;
