//! The seam between scenarios and who is measured.

use std::{fmt, path::Path, sync::mpsc::Receiver, time::Duration};

use guest::driver::{Driver, DriverOptions};

use super::stopwatch::{Arrival, Manner, Stopwatch};
use serde::{Deserialize, Serialize};

/// A device that can be measured, running or not.
pub trait Peer {
    /// Its name in tables, like `vhost-user-gpu`.
    fn name(&self) -> &'static str;

    /// What a figure of it includes and what not, in a sentence or two: a device that hands pixels to
    /// somebody else does less than one that shows them.
    fn measures(&self) -> &'static str;

    /// Looks for its programs, and returns what was found with its version.
    ///
    /// # Errors
    /// It can't run on this machine.
    fn find(&self) -> Result<String, Lack>;

    /// Whether it can do what a case wants.
    ///
    /// # Errors
    /// It can't.
    fn suits(&self, wanted: &Wanted) -> Result<(), Lack>;

    /// Starts it, with sockets and logs in `folder`, and waits until guests can connect.
    ///
    /// # Errors
    /// It does not start; the error says why, with its last words.
    fn start(&self, wanted: &Wanted, folder: &Path) -> anyhow::Result<Box<dyn Subject>>;
}

/// A running device, or several for several guests, with all that shows what they draw.
///
/// Dropping it ends its processes.
pub trait Subject {
    /// Connects a guest's driver to its device; `guest` counts from 0 to [`Wanted::guests`] - 1.
    ///
    /// # Errors
    /// The device does not do what vhost-user asks of it.
    fn connect(&mut self, guest: usize, options: &DriverOptions) -> anyhow::Result<Driver>;

    /// Where the VMM connects to an input device of a guest; `None` where there is none.
    fn input_socket(&self, guest: usize, device: InputDevice) -> Option<&Path>;

    /// Its processes as they are now.
    fn processes(&self) -> Vec<Process>;

    /// What a guest's first monitor has counted; `None` where nobody counts.
    ///
    /// # Errors
    /// The subject does not answer.
    fn counters(&mut self, guest: usize) -> anyhow::Result<Option<Counters>>;

    /// The control socket that `lucarne msg` would ask; `None` for anything but ourselves.
    fn control_socket(&self) -> Option<&Path>;

    /// What arrives where the frames are handed over, each with the time; `None` where nobody takes
    /// the time.
    fn arrivals(&mut self) -> Option<&Receiver<Arrival>>;

    /// What shows the frames and has hands, where that is [`Shown::Stopwatch`]; `None` elsewhere.
    fn stopwatch(&mut self) -> Option<&Stopwatch>;

    /// Which of its processes has ended by itself, and its last words; `None` while all is well.
    fn died(&mut self) -> Option<String>;
}

/// What a case wants a subject to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Width and height of each guest's monitor, in pixels.
    pub size: (u32, u32),
    /// Refresh rate of the host's monitor, in Hz.
    pub hertz: u32,
    /// How many guests, each with a monitor and a device of its own; 1 or more.
    pub guests: usize,
    /// What is needed of the device.
    pub needs: Needs,
    /// What shows the frames.
    pub shown_by: Shown,
}

impl Wanted {
    /// One guest with a monitor of a size, at 60 Hz, in our own compositor where Lucarne is measured.
    #[must_use]
    pub fn one(size: (u32, u32)) -> Self {
        Self {
            size,
            hertz: 60,
            guests: 1,
            needs: Needs::default(),
            shown_by: Shown::Compositor,
        }
    }
}

/// What a device must be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Needs {
    /// Pictures in the guest's own memory (`VIRTIO_GPU_F_RESOURCE_BLOB`).
    pub blobs: bool,
    /// Input devices.
    pub hands: bool,
    /// 3D (`VIRTIO_GPU_F_VIRGL`).
    pub three_d: bool,
    /// Pixels that it moves, and does not only answer for.
    pub pixels: bool,
}

/// What shows a device's frames, where that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// A compositor without a screen, as with `lucarne headless`.
    Compositor,
    /// The benchmark itself, which takes the time of every commit and draws nothing.
    Stopwatch(Manner),
}

/// An input device of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputDevice {
    /// The keyboard.
    Keyboard,
    /// The absolute pointer.
    Pointer,
}

/// A process of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// What it does.
    pub role: Role,
    /// Its number.
    pub pid: u32,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// A guest's graphics device.
    Device,
    /// Shows frames.
    Compositor,
    /// Draws for a guest with 3D.
    Renderer,
    /// A virtual machine.
    Vmm,
}

/// What a monitor of a guest has counted since its device started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Frames that the guest flushed.
    pub flushed: u64,
    /// Frames that were shown.
    pub presented: u64,
    /// Frames that were never shown.
    pub missed: u64,
    /// Bytes of pixels copied on their way.
    pub bytes_copied: u64,
    /// Half of the last frames took no longer from flush to presentation.
    pub flush_to_present: Option<Duration>,
}

/// What is missing, and how to get it: a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack(pub String);

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Lack {}
