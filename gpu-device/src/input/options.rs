//! What the user wants of keyboards and pointers.

use protocols::keys::Chord;

/// What the guest's pointer tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PointerMode {
    /// Where it is, until the guest hides it and the user clicks.
    #[default]
    Auto,
    /// Always where it is.
    Absolute,
    /// How far it moved; a click locks it in the window.
    Relative,
}

/// Whether the host's own shortcuts go to the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GrabMode {
    /// In full screen, and when the user presses the chord.
    #[default]
    Auto,
    /// Whenever the window has the keyboard, until the user presses the chord.
    Always,
    /// Never.
    Never,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandsOptions {
    /// What the guest's pointer tells.
    pub pointer: PointerMode,
    /// Whether the host's own shortcuts go to the guest.
    pub grab: GrabMode,
    /// Lets go of pointer and shortcuts, or holds them; `None` for no such chord.
    pub release: Option<Chord>,
    /// Makes a window fill its monitor, or lets it be a window again; `None` for no such key.
    pub fullscreen: Option<Chord>,
}

impl Default for HandsOptions {
    /// As the configuration has it: Ctrl+Alt, and F11.
    fn default() -> Self {
        Self {
            pointer: PointerMode::default(),
            grab: GrabMode::default(),
            release: "ctrl+alt".parse().ok(),
            fullscreen: "f11".parse().ok(),
        }
    }
}
