//! Counters of guests and their screens.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{GuestRenderer, HandStats};

/// One guest's counters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestStats {
    /// Its name.
    pub guest: String,
    /// What its device counted.
    pub device: DeviceStats,
}

/// What a device process counted since it started.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeviceStats {
    /// Which VMM's habits the device recognised; `None` while no VMM is connected.
    pub dialect: Option<String>,
    /// Its virtual monitors, by number.
    pub scanouts: Vec<ScanoutStats>,
    /// Its input devices.
    #[serde(default)]
    pub hands: Vec<HandStats>,
    /// What the host's compositor lacks, and what the guest therefore does without.
    #[serde(default)]
    pub lacking: Vec<Reason>,
    /// What draws for the guest; `None` where the device is older than this field.
    #[serde(default)]
    pub renderer: Option<GuestRenderer>,
}

/// What happened on one virtual monitor since the device started.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScanoutStats {
    /// Its number, 0 to 15.
    pub scanout: u8,
    /// Width of what it shows, in pixels; 0 if it shows nothing.
    pub width: u32,
    /// Height of what it shows, in pixels; 0 if it shows nothing.
    pub height: u32,
    /// Refresh rate of the output it is on, in millihertz; 0 if unknown.
    pub millihertz: u32,
    /// Frames that the guest flushed.
    pub frames_flushed: u64,
    /// Frames that the host showed.
    pub frames_presented: u64,
    /// Frames that never became visible: replaced by a later one or discarded by the host.
    pub frames_missed: u64,
    /// Frames that the host showed on a plane, without drawing them.
    pub frames_zero_copy: u64,
    /// Bytes of pixels copied on the way from the guest's memory to the host.
    pub bytes_copied: u64,
    /// How the last frame reached the host.
    pub path: PresentPath,
    /// Why that is not the best way; `None` if it is.
    pub reason: Option<Reason>,
    /// Half of the last frames took at most this long from the flush to the presentation, in
    /// microseconds; `None` before the first was presented.
    pub flush_to_present_p50_us: Option<u64>,
    /// The same for 99 in 100 frames.
    pub flush_to_present_p99_us: Option<u64>,
    /// The guest's pointer; `None` if it never set one.
    pub cursor: Option<CursorState>,
}

/// How frames reach the host, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresentPath {
    /// A dma-buf, put on a plane of the monitor.
    DmabufPlane,
    /// A dma-buf, drawn by the host.
    DmabufSampled,
    /// Shared memory that the host reads in place.
    SharedMemory,
    /// Shared memory that the damage is copied into.
    Copy,
    /// Nothing was shown yet.
    #[default]
    Nothing,
    /// A path of a newer version.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for PresentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DmabufPlane => "guest memory on a plane",
            Self::DmabufSampled => "guest memory drawn in place",
            Self::SharedMemory => "shared memory drawn in place",
            Self::Copy => "a copy of what changed",
            Self::Nothing => "nothing yet",
            Self::Unknown => "an unknown way",
        })
    }
}

/// Why frames don't go the best way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// For programs: stable, in snake case.
    pub code: String,
    /// For people.
    pub text: String,
}

/// A guest's pointer on one virtual monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CursorState {
    /// Left edge of the image, in the guest's pixels.
    pub x: i32,
    /// Top edge of the image, in the guest's pixels.
    pub y: i32,
    /// Whether the guest shows it.
    pub visible: bool,
    /// Width of the image in pixels.
    pub width: u32,
    /// Height of the image in pixels.
    pub height: u32,
    /// The pixel that points, from the image's left edge.
    pub hot_x: u32,
    /// The pixel that points, from the image's top edge.
    pub hot_y: u32,
}
