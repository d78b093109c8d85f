//! The lights of keyboards: the layout's, or those of the guest that has the keyboard.

use std::collections::HashMap;

use smithay::input::keyboard::{KeyboardHandle, LedState};

use super::target::guest_of;
use crate::state::State;

/// What the lights are to show.
#[derive(Debug, Default)]
pub(super) struct Leds {
    /// What guests want, by their names.
    guests: HashMap<String, LedState>,
}

impl State {
    /// A guest's driver set the lights of its keyboard. They are shown while it has ours; `None`
    /// gives them back to our own layout.
    pub fn set_guest_leds(&mut self, guest: &str, leds: Option<LedState>) {
        match leds {
            Some(leds) => self.input.leds.guests.insert(guest.to_owned(), leds),
            None => self.input.leds.guests.remove(guest),
        };
        self.update_leds();
    }

    /// What the lights of all keyboards show now.
    #[must_use]
    pub fn leds(&self) -> LedState {
        let keyboard = self.protocols.seat.get_keyboard();
        let focus = keyboard.as_ref().and_then(KeyboardHandle::current_focus);
        let guest = focus.and_then(|focus| guest_of(&focus));
        guest
            .and_then(|guest| self.input.leds.guests.get(&guest).copied())
            .or_else(|| keyboard.map(|keyboard| keyboard.led_state()))
            .unwrap_or_default()
    }

    /// Shows what the lights are to show.
    pub(crate) fn update_leds(&mut self) {
        if self.input.libinput.is_none() {
            return;
        }
        let leds = self.leds();
        if let Some(libinput) = &mut self.input.libinput {
            libinput.set_leds(leds);
        }
    }
}
