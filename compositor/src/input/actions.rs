//! What the kiosk's own keys do.

use smithay::wayland::keyboard_shortcuts_inhibit::KeyboardShortcutsInhibitorSeat as _;

use super::shortcuts::Action;
use crate::state::State;

impl State {
    /// Does what a key of the kiosk's own stands for.
    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::SwitchVt(number) => self.switch_console(number),
            Action::NextGuest => self.switch_guest(true),
            Action::PreviousGuest => self.switch_guest(false),
            Action::Release => self.take_back(),
        }
    }

    /// Shows the guest after or before, and all of them while Super is held.
    fn switch_guest(&mut self, forward: bool) {
        let desktop = &mut self.windows.desktop;
        let shown = if forward {
            desktop.next_guest()
        } else {
            desktop.previous_guest()
        };
        let Some(shown) = shown.map(str::to_owned) else {
            return;
        };
        let names: Vec<String> = desktop.guests().map(str::to_owned).collect();
        if let Some(chosen) = names.iter().position(|name| *name == shown) {
            self.input.keys.switching = true;
            self.show_switcher(&names, chosen);
        }
    }

    /// Super is not held any more.
    pub(super) fn end_switching(&mut self) {
        if std::mem::take(&mut self.input.keys.switching) {
            self.hide_switcher();
        }
    }

    /// Takes pointer and keys back from the window that has them, or, if it has none, lets it have
    /// them again.
    fn take_back(&mut self) {
        let freed = self.free_pointer();
        let seat = &self.protocols.seat;
        let keyboard = seat.get_keyboard();
        let Some(focus) = keyboard.and_then(|keyboard| keyboard.current_focus()) else {
            return;
        };
        let inhibitor = seat.keyboard_shortcuts_inhibitor_for_surface(&focus);
        match inhibitor {
            Some(inhibitor) if inhibitor.is_active() => {
                let display = self.clients.display();
                self.input.keys.denied.deny(&focus, display);
                inhibitor.inactivate();
            }
            _ if freed => {}
            Some(inhibitor) => {
                self.input.keys.denied.allow(&focus);
                inhibitor.activate();
            }
            None => self.input.keys.denied.allow(&focus),
        }
    }
}
