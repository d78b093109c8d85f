//! Monitors of the host, and what is on their planes.

use serde::{Deserialize, Serialize};

use super::Reason;

/// A monitor of the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Its name: that of its connector, like `DP-1`, where there is one.
    pub name: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Refresh rate in millihertz: 60 Hz is 60 000.
    pub millihertz: u32,
    /// Where it is among the others.
    pub position: Position,
    /// Pixels per logical pixel.
    pub scale: f64,
    /// What draws it.
    pub renderer: Renderer,
    /// What it is; empty texts where it does not say.
    #[serde(default)]
    pub monitor: MonitorIdentity,
    /// How it is turned, as in the configuration file: `normal`, `90`, `flipped-180` …
    #[serde(default = "upright")]
    pub transform: String,
    /// Whether it refreshes when there is something to show.
    #[serde(default)]
    pub vrr: bool,
    /// Whether it is lit: not while screens are blanked, or another session has them.
    #[serde(default = "lit")]
    pub enabled: bool,
    /// The modes that it could be in; none where it has no choice.
    #[serde(default)]
    pub modes: Vec<OutputMode>,
    /// What became of its frames since it appeared.
    #[serde(default)]
    pub frames: OutputFrames,
    /// The planes that show something, the lowest first; none without a display controller.
    #[serde(default)]
    pub planes: Vec<Plane>,
    /// Why the lowest of the composited surfaces in the last frame is not on a plane; `None` if
    /// nothing is composited, or there are no planes.
    #[serde(default)]
    pub composited: Option<Reason>,
}

fn upright() -> String {
    "normal".to_owned()
}

fn lit() -> bool {
    true
}

/// A mode that a monitor offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputMode {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Refresh rate in millihertz: 60 Hz is 60 000.
    pub millihertz: u32,
    /// Whether the monitor says that it suits it best.
    pub preferred: bool,
}

/// What a monitor says it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MonitorIdentity {
    /// Three letters for the maker, like `DEL`.
    pub make: String,
    /// The model.
    pub model: String,
    /// The serial number.
    pub serial: String,
    /// Width in millimetres; 0 if unknown.
    pub width_mm: u32,
    /// Height in millimetres; 0 if unknown.
    pub height_mm: u32,
}

/// What became of an output's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OutputFrames {
    /// Frames of which nothing was drawn: planes showed clients' buffers.
    pub direct: u64,
    /// Frames of which some part was drawn.
    pub composited: u64,
    /// Vblanks at which a frame should have become visible and did not.
    pub missed: u64,
}

/// A plane that shows something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plane {
    /// Its kind.
    pub kind: PlaneKind,
    /// The kernel's number of its framebuffer.
    pub framebuffer: u32,
    /// The framebuffer's format as four letters, like `XR24`; `None` if unknown.
    pub format: Option<String>,
    /// Width of the framebuffer in pixels.
    pub width: u32,
    /// Height of the framebuffer in pixels.
    pub height: u32,
    /// Left edge on the monitor, in pixels.
    pub x: i32,
    /// Top edge on the monitor, in pixels.
    pub y: i32,
    /// Whose picture it is.
    pub owner: PlaneOwner,
}

/// The kinds of planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaneKind {
    /// The one for the whole picture.
    Primary,
    /// For a part of it.
    Overlay,
    /// For a pointer.
    Cursor,
    /// A kind of a newer version.
    #[serde(other)]
    Unknown,
}

/// Whose picture a plane shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaneOwner {
    /// A virtual monitor of a guest, or the guest's pointer.
    Guest {
        /// The guest's name.
        name: String,
        /// Which of its virtual monitors, if its device has said so.
        scanout: Option<u8>,
    },
    /// An ordinary program.
    Client {
        /// Its name for its kind of window; may be empty.
        app_id: String,
    },
    /// Something that the compositor itself says.
    Sign,
    /// The composited picture of all that is not on a plane.
    Composed,
    /// What was there before, or of a program that is gone.
    #[serde(other)]
    Unknown,
}

/// A place in the space that all outputs share, in logical pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    /// From the left.
    pub x: i32,
    /// From the top.
    pub y: i32,
}

/// What draws an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Renderer {
    /// OpenGL ES, on a GPU or in software.
    Gles,
    /// The CPU, by Pixman.
    Pixman,
    /// One of a newer version.
    #[serde(other)]
    Unknown,
}
