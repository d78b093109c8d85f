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
    pub(super) renderer: bool,
    pub(super) status: bool,
    /// Something that nobody notes down, or a time has come.
    pub(super) other: bool,
}

impl Ready {
    /// Whether there is anything that can't wait until the next turn.
    pub(super) fn waits(&self) -> bool {
        self.display || self.front_end || self.window || self.hands.any()
    }

    /// Whether anything but a ring is to be looked at.
    pub(super) fn any(&self) -> bool {
        self.waits() || self.knock || self.renderer || self.status || self.other
    }
}
