//! `zwp_keyboard_shortcuts_inhibit_manager_v1`: windows that want all keys.

use smithay::{
    delegate_keyboard_shortcuts_inhibit,
    wayland::keyboard_shortcuts_inhibit::{
        KeyboardShortcutsInhibitHandler, KeyboardShortcutsInhibitState, KeyboardShortcutsInhibitor,
    },
};

use crate::state::State;

impl KeyboardShortcutsInhibitHandler for State {
    fn keyboard_shortcuts_inhibit_state(&mut self) -> &mut KeyboardShortcutsInhibitState {
        &mut self.protocols.shortcuts_inhibit
    }

    fn new_inhibitor(&mut self, inhibitor: KeyboardShortcutsInhibitor) {
        if self.may_have_all_keys(inhibitor.wl_surface()) {
            inhibitor.activate();
        }
    }

    fn inhibitor_destroyed(&mut self, _: KeyboardShortcutsInhibitor) {}
}

delegate_keyboard_shortcuts_inhibit!(State);
