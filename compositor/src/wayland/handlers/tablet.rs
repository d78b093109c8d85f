//! `zwp_tablet_manager_v2`: pens.

use smithay::{
    backend::input::TabletToolDescriptor, delegate_tablet_manager,
    input::pointer::CursorImageStatus, wayland::tablet_manager::TabletSeatHandler,
};

use crate::state::State;

impl TabletSeatHandler for State {
    /// A pen has no image of its own: what it points at is under its tip.
    fn tablet_tool_image(&mut self, _: &TabletToolDescriptor, _: CursorImageStatus) {}
}

delegate_tablet_manager!(State);
