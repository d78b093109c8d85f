//! What a client of the control socket does with a guest's keyboard, pointer and touch screen.

use serde::{Deserialize, Serialize};

/// One thing that hands do. Codes are those of evdev (`input-event-codes.h` of Linux); places are
/// in the guest's pixels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum InputAction {
    /// Chords one after the other: the keys of each go down in their order, and up in the reverse.
    Chords(Vec<Vec<u16>>),
    /// A key goes down, or up.
    Key {
        /// `KEY_*`.
        code: u16,
        /// Down.
        pressed: bool,
    },
    /// The pointer moves to a place.
    PointerTo {
        /// Which of the guest's virtual monitors.
        scanout: u8,
        /// From its left edge.
        x: i32,
        /// From its top edge.
        y: i32,
    },
    /// The mouse moves by so many units.
    PointerBy {
        /// To the right.
        dx: i32,
        /// Down.
        dy: i32,
    },
    /// A button of the pointer goes down, up, or both.
    Button {
        /// `BTN_*`.
        code: u16,
        /// What it does.
        action: Press,
    },
    /// The wheel turns, in 1/120 of a notch.
    Scroll {
        /// To the right.
        horizontal: i32,
        /// Down.
        vertical: i32,
    },
    /// Fingers touch, move and leave, each list at once.
    Touch(Vec<TouchPoint>),
}

/// What a button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Press {
    /// Down and up.
    Click,
    /// Down.
    Down,
    /// Up.
    Up,
}

/// One finger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TouchPoint {
    /// Which finger, 0 to 9.
    pub finger: u8,
    /// Which of the guest's virtual monitors.
    pub scanout: u8,
    /// From its left edge.
    pub x: i32,
    /// From its top edge.
    pub y: i32,
    /// Whether it touches; a finger that touches already moves.
    pub down: bool,
}

/// How one input device of a guest is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HandStats {
    /// `keyboard`, `pointer`, `mouse`, `touch` or `pen`.
    pub device: String,
    /// Whether the guest's driver is at work.
    pub connected: bool,
    /// Frames of events that reached the guest.
    pub frames: u64,
    /// Frames that were left out, because the guest took too few.
    pub frames_dropped: u64,
    /// Half of the last frames took at most this long from the host's event to the guest's ring, in
    /// microseconds; `None` before the first.
    pub latency_p50_us: Option<u64>,
    /// The same for 99 in 100 frames.
    pub latency_p99_us: Option<u64>,
    /// The lights that the guest has switched on: `num`, `caps`, `scroll`.
    #[serde(default)]
    pub lights: Vec<String>,
}
