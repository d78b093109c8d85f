//! Characters as keys: what to press on a keyboard of some layout so that it is written.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use smithay::input::keyboard::{Keycode, xkb};

use crate::keymap;

/// XKB's codes are evdev's and this.
const OFFSET: u32 = 8;

const ENTER: u16 = 28;
const TAB: u16 = 15;
const LEFT_SHIFT: u16 = 42;
const RIGHT_ALT: u16 = 100;

/// What may be held while a key is pressed; the fewest that do come first. The right Alt key is the
/// third level's where a layout has one.
const HELD: [&[u16]; 4] = [&[], &[LEFT_SHIFT], &[RIGHT_ALT], &[LEFT_SHIFT, RIGHT_ALT]];

/// The keypad's symbols of XKB: their keys depend on Num Lock.
const KEYPAD: std::ops::RangeInclusive<u32> = 0xff80..=0xffbf;

/// Somebody who knows a keyboard.
pub(super) struct Typist {
    layout: String,
    chords: BTreeMap<char, Vec<u16>>,
}

impl Typist {
    /// Learns a layout: `us`, `de:neo`.
    ///
    /// # Errors
    /// XKB does not know it.
    pub(super) fn new(layout: &str) -> anyhow::Result<Self> {
        ensure!(
            keymap::is_installed(),
            "Could not find the keyboard layout {layout:?}: there are no layouts on this machine. \
             Install xkb-data (or xkeyboard-config), or press keys with `lucarne msg key`"
        );
        let (name, variant) = layout.split_once(':').unwrap_or((layout, ""));
        let mut context = xkb::Context::new(xkb::CONTEXT_NO_FLAGS);
        // What is wrong, we say ourselves.
        context.set_log_level(xkb::LogLevel::Critical);
        let sane = !name.is_empty() && !layout.contains('\0');
        let keymap = sane
            .then(|| {
                let flags = xkb::KEYMAP_COMPILE_NO_FLAGS;
                xkb::Keymap::new_from_names(&context, "evdev", "", name, variant, None, flags)
            })
            .flatten();
        let Some(keymap) = keymap else {
            bail!(
                "Could not find the keyboard layout {layout:?}. Use one of XKB, like us, de or \
                 fr:bepo; they are in /usr/share/X11/xkb/symbols"
            );
        };
        let mut chords = BTreeMap::from([('\n', vec![ENTER]), ('\t', vec![TAB])]);
        for held in HELD {
            let mut state = xkb::State::new(&keymap);
            for code in held {
                state.update_key(keycode(*code), xkb::KeyDirection::Down);
            }
            for code in 1..=u16::from(u8::MAX) - 8 {
                if let Some(character) = character(&state, code) {
                    chords
                        .entry(character)
                        .or_insert_with(|| [held, &[code]].concat());
                }
            }
        }
        Ok(Self {
            layout: layout.to_owned(),
            chords,
        })
    }

    /// The keys for a text, a chord for each character.
    ///
    /// # Errors
    /// Characters that are on none of the keys.
    pub(super) fn chords(&self, text: &str) -> anyhow::Result<Vec<Vec<u16>>> {
        let text = text.replace("\r\n", "\n");
        let mut unknown: Vec<String> = Vec::new();
        let mut chords = Vec::new();
        for character in text.chars() {
            match self.chords.get(&character) {
                Some(chord) => chords.push(chord.clone()),
                None => unknown.push(format!("{character:?}")),
            }
        }
        unknown.sort();
        unknown.dedup();
        ensure!(
            unknown.is_empty(),
            "Could not type {} with the keyboard layout {}. Leave it out, or choose the guest's \
             layout with --layout",
            unknown.join(", "),
            self.layout
        );
        Ok(chords)
    }
}

fn keycode(code: u16) -> Keycode {
    Keycode::new(u32::from(code) + OFFSET)
}

/// What a key writes.
fn character(state: &xkb::State, code: u16) -> Option<char> {
    let code = keycode(code);
    if KEYPAD.contains(&state.key_get_one_sym(code).raw()) {
        return None;
    }
    char::from_u32(state.key_get_utf32(code)).filter(|character| !character.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(layout: &str, text: &str) -> Vec<Vec<u16>> {
        Typist::new(layout).unwrap().chords(text).unwrap()
    }

    #[test]
    fn an_american_keyboard_writes_ascii() {
        let ascii: String = (' '..='~').collect();
        assert_eq!(typed("us", &ascii).len(), 95);
        assert_eq!(
            typed("us", "Ya* \t\r\n\n"),
            [
                vec![42, 21],
                vec![30],
                vec![42, 9],
                vec![57],
                vec![15],
                vec![28],
                vec![28]
            ]
        );
    }

    #[test]
    fn a_german_keyboard_has_other_places_and_a_third_level() {
        assert_eq!(
            typed("de", "yß@Ä"),
            [vec![44], vec![12], vec![100, 16], vec![42, 40]]
        );
    }

    #[test]
    fn characters_that_are_on_no_key_are_named() {
        let error = Typist::new("us").unwrap().chords("aßb∞ß").unwrap_err();
        assert_eq!(
            error.to_string(),
            "Could not type 'ß', '∞' with the keyboard layout us. Leave it out, or choose the \
             guest's layout with --layout"
        );
    }

    #[test]
    fn an_unknown_layout_is_named() {
        for layout in ["nowhere", "", "de:nothing", "a\0b"] {
            let error = Typist::new(layout).err().unwrap().to_string();
            assert!(
                error.contains("Could not find the keyboard layout"),
                "{error}"
            );
        }
    }
}
