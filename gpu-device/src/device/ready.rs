//! What became ready since the last turn.

use super::hands::ReadyHands;

/// What event sources have noted down, besides kicks of the graphics device's rings.
#[derive(Debug, Default)]
pub(super) struct Ready {
    pub(super) display: bool,
    pub(super) knock: bool,
    pub(super) front_end: bool,
    pub(super) hands: ReadyHands,
    pub(super) window: bool,
    pub(super) status: bool,
    /// Looked at in each turn, after the rings.
    pub(super) renderer: bool,
    /// Something that nobody notes down, or a time has come.
    pub(super) other: bool,
}

impl Ready {
    /// Whether there is anything that can't wait until the next turn.
    pub(super) fn waits(&self) -> bool {
        self.display || self.front_end || self.window || self.hands.any()
    }

    /// Whether anything is to be looked at before the rings.
    pub(super) fn any(&self) -> bool {
        self.waits() || self.knock || self.status || self.other
    }
}
