//! What a figure is: its name for programs and for people, its unit, and which way is better.

use serde::{Deserialize, Serialize};

/// What a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// From the guest's kick to the commit that shows the frame, in microseconds.
    FlushToCommit,
    /// The same in round trips of a byte between two processes over a socket, measured beside it.
    FlushToCommitInPingPongs,
    /// From the guest's kick to the flush's answer, in microseconds.
    FlushToAnswer,
    /// From the guest's kick to the presentation that the device was told, in microseconds.
    FlushToPresent,
    /// Between one presented frame and the next, less the refresh period, in microseconds.
    Jitter,
    /// Processor time of all the subject's processes for a frame, in microseconds.
    CpuPerFrame,
    /// Of these, the device's.
    DeviceCpuPerFrame,
    /// Of these, the compositor's.
    CompositorCpuPerFrame,
    /// Processor time of all the subject's processes for a command, in microseconds.
    CpuPerCommand,
    /// Page faults of all the subject's processes for a frame.
    FaultsPerFrame,
    /// Bytes of pixels that the device says it copied for a frame.
    BytesCopiedPerFrame,
    /// Bytes copied for each byte that changed.
    BytesPerChangedByte,
    /// Refreshes of the monitor that showed a new frame, in percent.
    FreshRefreshes,
    /// Refreshes that showed no new frame, in percent.
    MissedRefreshes,
    /// The same of the guest that missed most, in percent.
    WorstMissedRefreshes,
    /// Frames a second.
    FramesPerSecond,
    /// Bytes of pixels a second, in millions.
    Throughput,
    /// The same, of what memcpy does on the same machine beside it.
    ThroughputOfMemcpy,
    /// Commands a second.
    CommandsPerSecond,
    /// Fenced commands a second, each waited for.
    FencesPerSecond,
    /// Commits of surfaces for each move of the pointer.
    CommitsPerMove,
    /// Of these, commits of the window itself.
    WindowCommitsPerMove,
    /// From the guest's kick of a pointer's move to the commit, in microseconds.
    MoveToCommit,
    /// From an event of the host to the guest's used buffer, in microseconds.
    InputToGuest,
    /// From an event of the host to the presentation of the frame that the guest drew for it, in
    /// microseconds.
    InputToPixel,
    /// Memory of a guest's device process by share (PSS), in KiB.
    DeviceMemory,
    /// The same, less what the guest can see: its memory and its pictures.
    DeviceMemoryBeyondGuest,
    /// Memory of the compositor by share (PSS), in KiB.
    CompositorMemory,
    /// Processor time of all processes in percent of one processor.
    Cpu,
    /// Times that a process was woken up in a second, all processes together.
    Wakeups,
    /// From the start of a device process to the moment when a VMM can connect, in milliseconds.
    DeviceReady,
    /// From the start of all processes to the first frame of a guest, in milliseconds.
    FirstFrame,
    /// Frames a second, of what the same program has without a guest.
    OfNative,
    /// What an arrangement of planes costs that the driver refuses, in microseconds.
    RefusedArrangement,
    /// What one costs that it would take, in microseconds.
    AcceptedArrangement,
    /// Fresh refreshes, of what a bare program has that does nothing but flip.
    OfBare,
}

/// What a quantity is called and how it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The head of a column: at most 18 characters.
    pub label: &'static str,
    /// The same in full, for a report.
    pub words: &'static str,
    /// What its values are counted in.
    pub unit: Unit,
    /// Which way is better.
    pub better: Better,
    /// Whether a summary has it. What is not in a summary explains one that is.
    pub in_summary: bool,
}

/// What values are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Bytes.
    Bytes,
    /// KiB of memory.
    Kibibytes,
    /// Millions of bytes a second.
    MegabytesPerSecond,
    /// So many a second.
    PerSecond,
    /// Percent.
    Percent,
    /// A plain number.
    Number,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// The less the better.
    Less,
    /// The more the better.
    More,
}

impl Quantity {
    /// How people read it.
    #[must_use]
    pub const fn facts(self) -> Facts {
        use Better::{Less, More};
        use Unit::{
            Bytes, Kibibytes, MegabytesPerSecond, Microseconds, Milliseconds, Number, PerSecond,
            Percent,
        };
        let (label, words, unit, better) = match self {
            Self::FlushToCommit => (
                "flush to commit",
                "from the kick of a flush to the commit that shows it",
                Microseconds,
                Less,
            ),
            Self::FlushToCommitInPingPongs => (
                "in ping-pongs",
                "from flush to commit, in round trips of a byte between two processes",
                Number,
                Less,
            ),
            Self::FlushToAnswer => (
                "flush to answer",
                "from the kick of a flush to its answer",
                Microseconds,
                Less,
            ),
            Self::FlushToPresent => (
                "flush to present",
                "from the kick of a flush to the presentation that the device was told",
                Microseconds,
                Less,
            ),
            Self::Jitter => (
                "jitter",
                "between one presented frame and the next, less the refresh period",
                Microseconds,
                Less,
            ),
            Self::CpuPerFrame => (
                "CPU per frame",
                "processor time of all processes for a frame",
                Microseconds,
                Less,
            ),
            Self::DeviceCpuPerFrame => (
                "of it, device",
                "processor time of the device for a frame",
                Microseconds,
                Less,
            ),
            Self::CompositorCpuPerFrame => (
                "of it, compositor",
                "processor time of the compositor for a frame",
                Microseconds,
                Less,
            ),
            Self::CpuPerCommand => (
                "CPU per command",
                "processor time of all processes for a command",
                Microseconds,
                Less,
            ),
            Self::FaultsPerFrame => (
                "faults per frame",
                "page faults of all processes for a frame",
                Number,
                Less,
            ),
            Self::BytesCopiedPerFrame => (
                "copied per frame",
                "bytes of pixels that the device says it copied for a frame",
                Bytes,
                Less,
            ),
            Self::BytesPerChangedByte => (
                "copied / changed",
                "bytes copied for each byte that changed",
                Number,
                Less,
            ),
            Self::FreshRefreshes => (
                "fresh refreshes",
                "refreshes of the monitor that showed a new frame",
                Percent,
                More,
            ),
            Self::MissedRefreshes => (
                "missed refreshes",
                "refreshes of the monitor that showed no new frame",
                Percent,
                Less,
            ),
            Self::WorstMissedRefreshes => (
                "missed at worst",
                "refreshes that showed no new frame, of the guest that missed most",
                Percent,
                Less,
            ),
            Self::FramesPerSecond => ("frames a second", "frames a second", PerSecond, More),
            Self::Throughput => (
                "throughput",
                "bytes of pixels a second",
                MegabytesPerSecond,
                More,
            ),
            Self::ThroughputOfMemcpy => (
                "of memcpy",
                "bytes of pixels a second, of what memcpy does beside it",
                Number,
                More,
            ),
            Self::CommandsPerSecond => ("commands a second", "commands a second", PerSecond, More),
            Self::FencesPerSecond => (
                "fences a second",
                "fenced commands a second, each waited for",
                PerSecond,
                More,
            ),
            Self::CommitsPerMove => (
                "commits per move",
                "commits of surfaces for each move of the pointer",
                Number,
                Less,
            ),
            Self::WindowCommitsPerMove => (
                "of the window",
                "commits of the window for each move of the pointer",
                Number,
                Less,
            ),
            Self::MoveToCommit => (
                "move to commit",
                "from the kick of a pointer's move to the commit that shows it",
                Microseconds,
                Less,
            ),
            Self::InputToGuest => (
                "input to guest",
                "from an event of the host to the guest's used buffer",
                Microseconds,
                Less,
            ),
            Self::InputToPixel => (
                "input to pixel",
                "from an event of the host to the presentation of what the guest drew for it",
                Microseconds,
                Less,
            ),
            Self::DeviceMemory => (
                "device memory",
                "memory of a device process by share (PSS)",
                Kibibytes,
                Less,
            ),
            Self::DeviceMemoryBeyondGuest => (
                "beyond the guest's",
                "memory of a device process by share (PSS), less what the guest can see",
                Kibibytes,
                Less,
            ),
            Self::CompositorMemory => (
                "compositor memory",
                "memory of the compositor by share (PSS)",
                Kibibytes,
                Less,
            ),
            Self::Cpu => (
                "CPU",
                "processor time of all processes, of one processor",
                Percent,
                Less,
            ),
            Self::Wakeups => (
                "wake-ups a second",
                "times a second that a process was woken up, all processes together",
                PerSecond,
                Less,
            ),
            Self::DeviceReady => (
                "device ready",
                "from the start of a device process until a VMM can connect",
                Milliseconds,
                Less,
            ),
            Self::FirstFrame => (
                "first frame",
                "from the start of all processes to the first frame of a guest",
                Milliseconds,
                Less,
            ),
            Self::OfNative => (
                "of native",
                "frames a second, of what the same program has without a guest",
                Number,
                More,
            ),
            Self::RefusedArrangement => (
                "refused planes",
                "what an arrangement of planes costs that the driver refuses",
                Microseconds,
                Less,
            ),
            Self::AcceptedArrangement => (
                "accepted planes",
                "what an arrangement of planes costs that the driver would take",
                Microseconds,
                Less,
            ),
            Self::OfBare => (
                "of a bare program",
                "fresh refreshes, of what a bare program has that does nothing but flip",
                Number,
                More,
            ),
        };
        Facts {
            label,
            words,
            unit,
            better,
            in_summary: !self.explains_another(),
        }
    }

    /// Whether it only says where another comes from.
    const fn explains_another(self) -> bool {
        matches!(
            self,
            Self::Jitter
                | Self::DeviceCpuPerFrame
                | Self::CompositorCpuPerFrame
                | Self::FaultsPerFrame
                | Self::CompositorMemory
        )
    }

    /// All of them.
    #[cfg(test)]
    pub(super) const ALL: &[Self] = &[
        Self::FlushToCommit,
        Self::FlushToCommitInPingPongs,
        Self::FlushToAnswer,
        Self::FlushToPresent,
        Self::Jitter,
        Self::CpuPerFrame,
        Self::DeviceCpuPerFrame,
        Self::CompositorCpuPerFrame,
        Self::CpuPerCommand,
        Self::FaultsPerFrame,
        Self::BytesCopiedPerFrame,
        Self::BytesPerChangedByte,
        Self::FreshRefreshes,
        Self::MissedRefreshes,
        Self::WorstMissedRefreshes,
        Self::FramesPerSecond,
        Self::Throughput,
        Self::ThroughputOfMemcpy,
        Self::CommandsPerSecond,
        Self::FencesPerSecond,
        Self::CommitsPerMove,
        Self::WindowCommitsPerMove,
        Self::MoveToCommit,
        Self::InputToGuest,
        Self::InputToPixel,
        Self::DeviceMemory,
        Self::DeviceMemoryBeyondGuest,
        Self::CompositorMemory,
        Self::Cpu,
        Self::Wakeups,
        Self::DeviceReady,
        Self::FirstFrame,
        Self::OfNative,
        Self::RefusedArrangement,
        Self::AcceptedArrangement,
        Self::OfBare,
    ];
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn labels_are_unlike_and_fit_a_column() {
        let labels: BTreeSet<&str> = Quantity::ALL.iter().map(|q| q.facts().label).collect();
        assert_eq!(labels.len(), Quantity::ALL.len());
        assert!(labels.iter().all(|label| label.len() <= 18), "{labels:?}");
    }
}
