//! What a host's compositor lacks, and what a guest therefore does without.

use protocols::ipc::Reason;
use thiserror::Error;

/// One such thing. Reaches `lucarne msg stats`, so that what does not work has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Lacking {
    /// No `wl_seat`, for now or for ever.
    #[error("the compositor has no seat: the guest gets no input")]
    Seat,
    /// No pointer-constraints or no relative-pointer.
    #[error("the compositor can't lock the pointer: the guest is told places only, no movements")]
    PointerLock,
    /// No keyboard-shortcuts-inhibit.
    #[error("the compositor keeps its own shortcuts: they never reach the guest")]
    ShortcutsInhibit,
    /// No tablet-v2.
    #[error("the compositor does not tell of drawing tablets: pens are ordinary pointers")]
    Tablets,
    /// No cursor-shape.
    #[error(
        "the compositor has no pointers for its clients: where the guest has none, none is seen"
    )]
    CursorShape,
    /// No lucarne-guest.
    #[error("the compositor does not take keyboard lights: they show what it has locked itself")]
    Leds,
    /// No viewporter.
    #[error("the compositor does not scale windows: a guest is as large as it draws itself")]
    Scaling,
    /// No fractional-scale.
    #[error("the compositor tells whole scales only: between them it scales the guest's pixels")]
    FractionalScale,
    /// No presentation-time.
    #[error("the compositor does not tell when frames are shown: the guest's flips are guesses")]
    Presentation,
    /// No idle-inhibit.
    #[error("the compositor can't be kept awake: the screen may go dark while the guest plays")]
    IdleInhibit,
}

impl Lacking {
    /// The name for programs: stable, in snake case.
    pub fn code(self) -> &'static str {
        match self {
            Self::Seat => "no_seat",
            Self::PointerLock => "no_pointer_lock",
            Self::ShortcutsInhibit => "no_shortcuts_inhibit",
            Self::Tablets => "no_tablets",
            Self::CursorShape => "no_cursor_shape",
            Self::Leds => "no_leds",
            Self::Scaling => "no_scaling",
            Self::FractionalScale => "no_fractional_scale",
            Self::Presentation => "no_presentation",
            Self::IdleInhibit => "no_idle_inhibit",
        }
    }
}

/// For statistics.
impl From<Lacking> for Reason {
    fn from(lacking: Lacking) -> Self {
        Self {
            code: lacking.code().to_owned(),
            text: lacking.to_string(),
        }
    }
}
