//! Keyboards.
//!
//! Keys travel as the numbers that evdev has for them, so that the guest's own layout says what
//! they mean. The host's keymap is not read: its file is closed as it comes, whatever its size. Nor
//! does repetition matter, neither the host's rate (`repeat_info`) nor a key that the host itself
//! repeats (version 10): a held key is repeated by the guest.
//!
//! Which modifiers the host has locked is known without its keymap: the first eight of a mask are
//! X's real modifiers, in an order that never changes. Of these Lock is the second, and Num Lock is
//! the fifth, Mod2, in every layout that xkeyboard-config has. There is none for Scroll Lock, which
//! is therefore never reported as locked.

use wayland_client::{
    Connection, Dispatch, QueueHandle, WEnum,
    protocol::{
        wl_keyboard::{self, KeyState, WlKeyboard},
        wl_surface::WlSurface,
    },
};

use super::{
    super::{State, decoration::SurfaceRole},
    SeatId,
    held::{Held, code},
};
use crate::{
    display::ScanoutId,
    input::{HostInput, Leds},
};

/// The modifier that makes letters capital.
const LOCK: u32 = 1 << 1;

/// The modifier that makes the keypad give numbers.
const MOD2: u32 = 1 << 4;

/// What the guest knows of keyboards.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The windows that have keyboards.
    focus: Vec<(SeatId, ScanoutId)>,
    held: Held,
    locks: Option<Leds>,
}

impl Keys {
    /// The window that has a seat's keyboard.
    pub(super) fn focus(&self, seat: SeatId) -> Option<ScanoutId> {
        let mut focus = self.focus.iter();
        focus
            .find(|(it, _)| *it == seat)
            .map(|(_, scanout)| *scanout)
    }

    /// The windows that have keyboards.
    pub(super) fn focused(&self) -> impl Iterator<Item = (SeatId, ScanoutId)> {
        self.focus.iter().copied()
    }

    fn enter(
        &mut self,
        seat: SeatId,
        scanout: ScanoutId,
        keys: impl Iterator<Item = u32>,
        said: &mut Vec<HostInput>,
    ) {
        // Without a leave before it, it is a host's mistake.
        self.let_go(seat, said);
        self.focus.push((seat, scanout));
        self.locks = None;
        said.push(HostInput::KeyboardEnter(scanout));
        for key in keys {
            self.key(seat, key, true, said);
        }
    }

    /// A seat has no keyboard any more, or no window has it.
    pub(super) fn leave(&mut self, seat: SeatId, said: &mut Vec<HostInput>) {
        if self.focus(seat).is_none() {
            return;
        }
        if self.focus.len() > 1 {
            return self.let_go(seat, said);
        }
        self.focus.clear();
        self.held.clear();
        said.push(HostInput::KeyboardLeave);
    }

    fn let_go(&mut self, seat: SeatId, said: &mut Vec<HostInput>) {
        self.focus.retain(|(other, _)| *other != seat);
        said.extend(
            self.held
                .let_go(seat)
                .into_iter()
                .map(|code| HostInput::Key {
                    code,
                    pressed: false,
                }),
        );
    }

    fn key(&mut self, seat: SeatId, number: u32, pressed: bool, said: &mut Vec<HostInput>) {
        let Some(code) = code(number).filter(|_| self.focus(seat).is_some()) else {
            return;
        };
        let is_news = match pressed {
            true => self.held.press(seat, code),
            false => self.held.release(seat, code),
        };
        if is_news {
            said.push(HostInput::Key { code, pressed });
        }
    }

    fn locked(&mut self, seat: SeatId, mask: u32, said: &mut Vec<HostInput>) {
        if self.focus(seat).is_none() {
            return;
        }
        let locks = Leds {
            caps_lock: mask & LOCK != 0,
            num_lock: mask & MOD2 != 0,
            scroll_lock: false,
        };
        if self.locks.replace(locks) != Some(locks) {
            said.push(HostInput::Locks(locks));
        }
    }
}

impl State {
    fn keyboard_enter(&mut self, seat: SeatId, surface: &WlSurface, keys: &[u8]) {
        let SurfaceRole::Scanout(scanout) = self.surface_role(surface) else {
            return;
        };
        let (keys, _) = keys.as_chunks::<4>();
        let keys = keys.iter().map(|key| u32::from_ne_bytes(*key));
        let hands = &mut self.hands;
        hands.keys.enter(seat, scanout, keys, &mut hands.said);
        self.settle_grab();
    }
}

impl Dispatch<WlKeyboard, SeatId> for State {
    fn event(
        state: &mut Self,
        keyboard: &WlKeyboard,
        event: wl_keyboard::Event,
        seat: &SeatId,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use wl_keyboard::Event;
        // Objects of before version 3 can't be destroyed and may go on speaking.
        let known = state.hands.seat(*seat).and_then(|it| it.keyboard.as_ref());
        if known != Some(keyboard) {
            return;
        }
        let hands = &mut state.hands;
        match event {
            Event::Enter { surface, keys, .. } => state.keyboard_enter(*seat, &surface, &keys),
            Event::Leave { .. } => {
                hands.keys.leave(*seat, &mut hands.said);
                state.settle_grab();
            }
            Event::Key {
                key,
                state: WEnum::Value(key_state @ (KeyState::Pressed | KeyState::Released)),
                ..
            } => {
                let pressed = key_state == KeyState::Pressed;
                hands.keys.key(*seat, key, pressed, &mut hands.said);
            }
            // Where the host shows the guest's lights, what it has locked itself does not matter.
            Event::Modifiers { mods_locked, .. } if state.globals.guests.is_none() => {
                hands.keys.locked(*seat, mods_locked, &mut hands.said);
            }
            // The keymap's file is closed with the event.
            _ => {}
        }
        state.report_hands();
    }
}
