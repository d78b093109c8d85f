//! What a display reports of hands, and what it is asked for in return.
//!
//! Codes are those of evdev (`input-event-codes.h` of Linux), which is also what Wayland's
//! keyboards and pointers speak. Nothing here has been checked: a host may send what it likes.

use crate::display::ScanoutId;

/// A place on a scanout, in the guest's pixels; it may be outside of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// The scanout.
    pub scanout: ScanoutId,
    /// From the left edge.
    pub x: f64,
    /// From the top edge.
    pub y: f64,
}

/// The lights of a keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Leds {
    /// Letters are capital ones.
    pub caps_lock: bool,
    /// The keypad gives numbers.
    pub num_lock: bool,
    /// Output is stopped.
    pub scroll_lock: bool,
}

/// How tightly the guest holds the user's hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Grab {
    /// The pointer is locked in the window; how far it moves is reported instead of where it is.
    pub pointer: bool,
    /// The host's own shortcuts go to the guest.
    pub shortcuts: bool,
}

/// What a pen on a tablet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PenTool {
    /// The tip.
    Pen,
    /// The other end.
    Eraser,
    /// Something that draws like a pen.
    Brush,
    /// Likewise.
    Pencil,
    /// Likewise.
    Airbrush,
}

/// Something that hands did. What belongs together ends with [`HostInput::PointerFrame`],
/// [`HostInput::TouchFrame`] or [`HostInput::PenFrame`]; keys stand alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HostInput {
    /// A window of the guest got the keyboard. The keys that are down already follow as
    /// [`HostInput::Key`].
    KeyboardEnter(ScanoutId),
    /// The guest has lost the keyboard: nothing is down any more.
    KeyboardLeave,
    /// A key, `KEY_*`.
    Key {
        /// Which one.
        code: u16,
        /// Went down, or up.
        pressed: bool,
    },
    /// What the host's own keyboard layout has locked.
    Locks(Leds),
    /// The pointer came over a window.
    PointerEnter(Position),
    /// The pointer is over no window of the guest any more.
    PointerLeave,
    /// The pointer moved; not sent while it is locked.
    PointerMotion(Position),
    /// The pointer's device moved, in its own unaccelerated units; sent only while it is locked.
    RelativeMotion {
        /// To the right.
        dx: f64,
        /// Down.
        dy: f64,
    },
    /// A button of the pointer, `BTN_*`.
    Button {
        /// Which one.
        code: u16,
        /// Went down, or up.
        pressed: bool,
    },
    /// A wheel, or two fingers. 120 is one notch.
    Scroll {
        /// To the right, in 1/120 of a notch.
        horizontal: i32,
        /// Down, in 1/120 of a notch.
        vertical: i32,
    },
    /// What the pointer did since the last one happened at once.
    PointerFrame,
    /// The host has locked the pointer, or unlocked it by itself.
    PointerLocked(bool),
    /// A finger came down.
    TouchDown {
        /// Which one, until it is up.
        id: i32,
        /// Where.
        at: Position,
    },
    /// A finger moved.
    TouchMotion {
        /// Which one.
        id: i32,
        /// Where to.
        at: Position,
    },
    /// A finger is up.
    TouchUp {
        /// Which one.
        id: i32,
    },
    /// The host took the fingers for a gesture of its own: none of what they did counts.
    TouchCancel,
    /// What fingers did since the last one happened at once.
    TouchFrame,
    /// A pen came near.
    PenEnter {
        /// Which of its ends.
        tool: PenTool,
        /// Where.
        at: Position,
    },
    /// The pen is away.
    PenLeave,
    /// The pen moved.
    PenMotion(Position),
    /// The tip touches the surface, or does not.
    PenTip(bool),
    /// How hard the tip is pressed, 0 to 65 535.
    PenPressure(u16),
    /// How far the tip is from the surface, 0 to 65 535.
    PenDistance(u16),
    /// How far the pen leans, in degrees, -90 to 90.
    PenTilt {
        /// To the right.
        x: f64,
        /// Towards the user.
        y: f64,
    },
    /// A button of the pen, `BTN_*`.
    PenButton {
        /// Which one.
        code: u16,
        /// Went down, or up.
        pressed: bool,
    },
    /// What the pen did since the last one happened at once.
    PenFrame,
    /// A window fills its monitor, or does not any more.
    Fullscreen {
        /// The window.
        scanout: ScanoutId,
        /// Whether it does.
        on: bool,
    },
}
