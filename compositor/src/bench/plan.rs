//! What was asked for.

use std::{path::PathBuf, time::Duration};

use clap::ValueEnum;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum ScenarioKind {
    /// Two buffers in turn: latency, cost and regularity of a frame
    Flip,
    /// The 2D path against memcpy
    Transfer,
    /// Small changes: bytes touched against bytes changed
    Damage,
    /// A pointer that moves 1000 times a second
    Cursor,
    /// From a key to the changed pixel
    Input,
    /// Commands and fences a second
    Commands,
    /// 1 to 16 guests at once
    Guests,
    /// What guests cost that do nothing
    Idle,
    /// How long a start takes
    Start,
    /// OpenGL in the guest against the host's own
    Gl,
    /// A plane against composition, on a bare console
    Planes,
}

/// Beside whom Lucarne is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum PeerKind {
    /// A device that answers every command and does nothing: the floor below all others
    Null,
    /// QEMU's vhost-user-gpu
    VhostUserGpu,
    /// rust-vmm's vhost-device-gpu
    VhostDeviceGpu,
    /// QEMU's own virtio-gpu, shown through D-Bus
    QemuDbus,
    /// QEMU's own virtio-gpu, shown through VNC
    QemuVnc,
}

/// How thoroughly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Seconds for each scenario: whether all of it works, and the invariants hold.
    Short,
    /// Minutes: figures to be quoted.
    Full,
}

/// A run of the benchmark.
#[derive(Debug, Clone)]
pub struct Plan {
    /// In this order.
    pub scenarios: Vec<ScenarioKind>,
    /// Besides Lucarne itself.
    pub peers: Vec<PeerKind>,
    /// How thoroughly.
    pub length: Length,
    /// How often each case is measured on each subject, taking turns; 1 or more.
    pub repetitions: u32,
    /// Only cases whose names have one of these; all of them where there is none.
    pub cases: Vec<String>,
    /// What machine this is, where a report has parts of several; empty for an ordinary run.
    pub place: String,
    /// A virtual machine that boots by itself, for what only a real guest can do.
    pub machine: Option<RealMachine>,
}

/// A kernel with an initial file system, whose guest flips pages as soon as it is up; see
/// `lucarne bench --help`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealMachine {
    /// The kernel, as `qemu-system-x86_64 -kernel` takes it.
    pub kernel: PathBuf,
    /// Its file system, as `-initrd` takes it.
    pub initrd: PathBuf,
}

impl Plan {
    /// Whether a case of this name is to be measured.
    #[must_use]
    pub fn wants(&self, case: &str) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|words| case.contains(words.as_str()))
    }

    /// How long it takes to measure so many cases on so many subjects: each is started once for each case,
    /// and has as many turns as the plan says.
    #[must_use]
    pub fn time(&self, cases: usize, subjects: u32, start: Duration, turn: Duration) -> Duration {
        let cases = u32::try_from(cases).unwrap_or(u32::MAX);
        let one = start + turn.saturating_mul(self.repetitions);
        one.saturating_mul(cases.saturating_mul(subjects))
    }

    /// One of two values, by how thorough the run is.
    #[must_use]
    pub fn pick<T>(&self, short: T, full: T) -> T {
        match self.length {
            Length::Short => short,
            Length::Full => full,
        }
    }
}
