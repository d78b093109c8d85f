//! What a host offers for hands beyond `wl_seat`, and what the guest does without where it does not.

use wayland_client::delegate_noop;
use wayland_protocols::wp::{
    cursor_shape::v1::client::{
        wp_cursor_shape_device_v1::WpCursorShapeDeviceV1,
        wp_cursor_shape_manager_v1::WpCursorShapeManagerV1,
    },
    keyboard_shortcuts_inhibit::zv1::client::zwp_keyboard_shortcuts_inhibit_manager_v1::ZwpKeyboardShortcutsInhibitManagerV1,
    pointer_constraints::zv1::client::zwp_pointer_constraints_v1::ZwpPointerConstraintsV1,
    relative_pointer::zv1::client::zwp_relative_pointer_manager_v1::ZwpRelativePointerManagerV1,
    tablet::zv2::client::zwp_tablet_manager_v2::ZwpTabletManagerV2,
};

use super::super::{State, globals::Binder};
use crate::display::Lacking;

/// The factories.
#[derive(Debug)]
pub(in super::super) struct HandGlobals {
    /// Pointers that stay where they are.
    pub(super) constraints: Option<ZwpPointerConstraintsV1>,
    /// How far they would have moved.
    pub(super) relative: Option<ZwpRelativePointerManagerV1>,
    /// Windows that get the host's shortcuts.
    pub(super) inhibit: Option<ZwpKeyboardShortcutsInhibitManagerV1>,
    /// Pens.
    pub(super) tablets: Option<ZwpTabletManagerV2>,
    /// Pointers that look like the host's.
    pub(super) shapes: Option<WpCursorShapeManagerV1>,
}

impl HandGlobals {
    /// Binds what there is.
    pub(in super::super) fn bind(binder: &Binder<'_>) -> Self {
        Self {
            constraints: binder.wanted(1, 1),
            relative: binder.wanted(1, 1),
            inhibit: binder.wanted(1, 1),
            tablets: binder.wanted(1, 1),
            shapes: binder.wanted(1, 1),
        }
    }

    /// Whether pointers can be locked, and tell how far they were moved then.
    pub(super) fn can_lock(&self) -> bool {
        self.constraints.is_some() && self.relative.is_some()
    }
}

impl State {
    /// What the guest's hands do without on this host.
    pub(in super::super) fn lacking_for_hands(&self) -> Vec<Lacking> {
        let hands = &self.globals.hands;
        let list = [
            (!self.hands.seats.is_empty(), Lacking::Seat),
            (hands.can_lock(), Lacking::PointerLock),
            (hands.inhibit.is_some(), Lacking::ShortcutsInhibit),
            (hands.tablets.is_some(), Lacking::Tablets),
            (hands.shapes.is_some(), Lacking::CursorShape),
            (self.globals.guests.is_some(), Lacking::Leds),
        ];
        let lacking = list.into_iter().filter(|(is_there, _)| !is_there);
        lacking.map(|(_, lacking)| lacking).collect()
    }
}

// Objects that never say anything.
delegate_noop!(State: ignore WpCursorShapeManagerV1);
delegate_noop!(State: ignore WpCursorShapeDeviceV1);
