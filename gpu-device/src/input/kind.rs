//! The input devices that a guest can have.

use std::fmt;

/// One of the guest's input devices. Each is a virtio device of its own, with a socket of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InputKind {
    /// A keyboard with three lights.
    Keyboard,
    /// A pointer that says where it is (QEMU calls it a tablet).
    Pointer,
    /// A mouse: it says how far it moved.
    Mouse,
    /// A touch screen for ten fingers.
    Touch,
    /// A drawing tablet's pen.
    Pen,
}

impl InputKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Keyboard,
        Self::Pointer,
        Self::Mouse,
        Self::Touch,
        Self::Pen,
    ];

    /// The word for it in configurations and command lines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Keyboard => "keyboard",
            Self::Pointer => "pointer",
            Self::Mouse => "mouse",
            Self::Touch => "touch",
            Self::Pen => "pen",
        }
    }
}

/// The word of the configuration.
impl fmt::Display for InputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
