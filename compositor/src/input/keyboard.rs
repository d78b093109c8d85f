//! Keys: the kiosk's own, and those of the window with the keyboard.

use std::collections::HashSet;

use smithay::{
    backend::input::{Event as _, InputBackend, KeyState, KeyboardKeyEvent as _, Keycode},
    input::keyboard::{
        KeyboardHandle, KeyboardTarget as _, Keysym, KeysymHandle, ModifiersState, XkbConfig,
    },
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::SERIAL_COUNTER,
    wayland::keyboard_shortcuts_inhibit::KeyboardShortcutsInhibitorSeat as _,
};
use tracing::warn;

use super::{
    Woke,
    denied::Denied,
    millis,
    shortcuts::{self, Action},
};
use crate::{
    backend::{Backend, now},
    state::State,
};

/// What is remembered of keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Pressed keys that no window was told about, so that none is told about their release.
    kept: HashSet<Keycode>,
    /// Who does not get all of them, though it may ask.
    pub(super) denied: Denied,
    /// The switcher is up for as long as Super is held.
    pub(super) switching: bool,
}

/// Who gets a key.
enum Verdict {
    Window,
    Nobody,
    Us(Action),
}

impl State {
    /// A key was pressed or released.
    pub(super) fn key<B: InputBackend>(&mut self, event: &B::KeyboardKeyEvent, woke: Woke) {
        let Some(keyboard) = self.protocols.seat.get_keyboard() else {
            return;
        };
        let (key, state) = (event.key_code(), event.state());
        let is_held = keyboard.pressed_keys().contains(&key);
        // The same key may be held on two keyboards, and a seat that was away has let go of all.
        let is_news = match state {
            KeyState::Pressed => !is_held,
            KeyState::Released => is_held && event.count() == 0,
        };
        if is_news {
            self.key_changed(&keyboard, key, state, event.time_msec(), woke);
        }
    }

    /// Lets go of all keys, as if the hands had.
    pub(super) fn release_keys(&mut self) {
        let Some(keyboard) = self.protocols.seat.get_keyboard() else {
            return;
        };
        let mut held: Vec<Keycode> = keyboard.pressed_keys().into_iter().collect();
        held.sort_unstable();
        let time = millis(now());
        for key in held {
            self.key_changed(&keyboard, key, KeyState::Released, time, Woke::Nothing);
        }
    }

    fn key_changed(
        &mut self,
        keyboard: &KeyboardHandle<Self>,
        key: Keycode,
        key_state: KeyState,
        time: u32,
        woke: Woke,
    ) {
        let serial = SERIAL_COUNTER.next_serial();
        let (verdict, modifiers_changed) =
            keyboard.input_intercept(self, key, key_state, |state, modifiers, symbols| {
                match key_state {
                    KeyState::Pressed => state.judge(key, modifiers, &symbols, woke),
                    KeyState::Released => state.judge_release(key, &symbols),
                }
            });
        if let Verdict::Window = verdict {
            keyboard.input_forward(self, key, key_state, serial, time, modifiers_changed);
            return;
        }
        // The key is kept, what it does to the keys after it is not.
        if modifiers_changed && let Some(focus) = keyboard.current_focus() {
            let seat = self.protocols.seat.clone();
            focus.modifiers(&seat, self, keyboard.modifier_state(), serial);
        }
        if let Verdict::Us(action) = verdict {
            self.act(action);
        }
    }

    fn judge(
        &mut self,
        key: Keycode,
        modifiers: &ModifiersState,
        symbols: &KeysymHandle<'_>,
        woke: Woke,
    ) -> Verdict {
        let raw = symbols.raw_latin_sym_or_raw_current_sym();
        let verdict = match shortcuts::action(modifiers, symbols.modified_sym(), raw) {
            Some(action) if self.is_ours(action) => Verdict::Us(action),
            _ if woke == Woke::Screens => Verdict::Nobody,
            _ => return Verdict::Window,
        };
        self.input.keys.kept.insert(key);
        verdict
    }

    fn judge_release(&mut self, key: Keycode, symbols: &KeysymHandle<'_>) -> Verdict {
        let is_super = symbols
            .raw_syms()
            .into_iter()
            .any(|symbol: Keysym| shortcuts::is_super(symbol));
        if is_super {
            self.end_switching();
        }
        if self.input.keys.kept.remove(&key) {
            Verdict::Nobody
        } else {
            Verdict::Window
        }
    }

    fn is_ours(&self, action: Action) -> bool {
        if !self.input.shortcuts {
            return false;
        }
        let is_of_use = match action {
            Action::NextGuest | Action::PreviousGuest => self.windows.desktop.guests().count() > 1,
            // A window is on nobody's terminal.
            Action::SwitchVt(_) => !matches!(self.backend, Backend::Nested(_)),
            Action::Release => true,
        };
        is_of_use && (action.is_never_given_away() || !self.gives_all_keys_away())
    }

    /// Whether the window with the keyboard asked for all keys, and has them.
    fn gives_all_keys_away(&self) -> bool {
        let seat = &self.protocols.seat;
        let Some(focus) = seat.get_keyboard().and_then(|it| it.current_focus()) else {
            return false;
        };
        let inhibitor = seat.keyboard_shortcuts_inhibitor_for_surface(&focus);
        inhibitor.is_some_and(|inhibitor| inhibitor.is_active())
    }

    /// Whether a window that asks for all keys gets them. Whoever asks does: what runs in a kiosk
    /// was put there by its owner. But where somebody took them back, asking again is no way around
    /// that.
    pub(crate) fn may_have_all_keys(&self, surface: &WlSurface) -> bool {
        !self.input.keys.denied.is(surface)
    }

    /// Takes the keyboard's settings over.
    pub(super) fn set_keyboard(&mut self, settings: &config::input::Keyboard) {
        let Some(keyboard) = self.protocols.seat.get_keyboard() else {
            return;
        };
        let config = XkbConfig {
            rules: &settings.rules,
            model: &settings.model,
            layout: &settings.layout,
            variant: &settings.variant,
            options: settings.options.clone(),
        };
        if keyboard.set_xkb_config(self, config).is_err() {
            warn!(
                "Going on with the keyboard layout as it was: XKB has no layout {:?} with the \
                 variant {:?} and the options {:?}. Look at `man xkeyboard-config`",
                settings.layout,
                settings.variant,
                settings.options.as_deref().unwrap_or_default()
            );
        }
        keyboard.change_repeat_info(settings.repeat_rate, settings.repeat_delay);
        let mut modifiers = keyboard.modifier_state();
        if modifiers.num_lock != settings.numlock {
            modifiers.num_lock = settings.numlock;
            keyboard.set_modifier_state(modifiers);
        }
        self.update_leds();
    }
}
