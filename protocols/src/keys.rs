//! Keys by name, and chords of them: `ctrl+alt+f2`.
//!
//! Names are those of `input-event-codes.h` of Linux without `KEY_` and in small letters, and a few
//! that people say instead. A name is a place on the keyboard, not what is printed there: `y` is
//! where the American layout has it. Letters' cases do not matter.
//!
//! ```
//! use protocols::keys::Chord;
//!
//! let chord: Chord = "Ctrl+Alt+F2".parse()?;
//! assert_eq!(chord.codes(), [29, 56, 60]);
//! assert_eq!(chord.to_string(), "Ctrl+Alt+F2");
//! # Ok::<(), protocols::keys::ParseChordError>(())
//! ```

use std::{fmt, str::FromStr};

use thiserror::Error;

/// The most keys of one chord: more than fingers.
pub const MAX_CHORD: usize = 12;

/// Keys that are pressed together, at least one and at most [`MAX_CHORD`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Chord {
    keys: Vec<Key>,
}

/// One key of a chord.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    code: u16,
    /// The other key that goes by the same name: there are two Ctrl keys.
    twin: Option<u16>,
}

/// Why a text is no chord.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseChordError {
    /// No key has this name.
    #[error(
        "Could not find a key named `{0}`. Names are those of evdev without KEY_, like ctrl, alt, \
         f11, a, enter or kp5, with `+` between them"
    )]
    Unknown(String),
    /// The same key twice.
    #[error("Could not press {0} twice at once. Name each key once")]
    Twice(String),
    /// More than hands can do.
    #[error("Could not press more than {MAX_CHORD} keys at once. Name fewer")]
    TooMany,
}

impl Chord {
    /// The codes to press, in this order.
    #[must_use]
    pub fn codes(&self) -> Vec<u16> {
        self.keys.iter().map(|key| key.code).collect()
    }

    /// Whether a pressed key is one of the chord's; with `ctrl` either of the two is.
    #[must_use]
    pub fn has(&self, code: u16) -> bool {
        self.keys.iter().any(|key| key.is(code))
    }

    /// Whether these keys are all of the chord's, and no others.
    #[must_use]
    pub fn is_pressed(&self, pressed: impl IntoIterator<Item = u16> + Clone) -> bool {
        let of_chord = |code| self.has(code);
        let all = |key: &Key| pressed.clone().into_iter().any(|code| key.is(code));
        pressed.clone().into_iter().all(of_chord) && self.keys.iter().all(all)
    }
}

impl Key {
    fn is(&self, code: u16) -> bool {
        code == self.code || Some(code) == self.twin
    }
}

impl FromStr for Chord {
    type Err = ParseChordError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut keys: Vec<Key> = Vec::new();
        for name in text.split('+') {
            let name = name.trim().to_ascii_lowercase();
            let key = find(&name).ok_or_else(|| ParseChordError::Unknown(name.clone()))?;
            if keys.iter().any(|other| other.code == key.code) {
                return Err(ParseChordError::Twice(capital(&name)));
            }
            keys.push(key);
        }
        match keys.len() {
            ..=MAX_CHORD => Ok(Self { keys }),
            _ => Err(ParseChordError::TooMany),
        }
    }
}

/// As people write it: `Ctrl+Alt`.
impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, key) in self.keys.iter().enumerate() {
            if position > 0 {
                f.write_str("+")?;
            }
            let said = SAID
                .iter()
                .find(|(_, code, twin)| *code == key.code && *twin == key.twin);
            let name = said.map_or_else(|| name(key.code), |(name, ..)| Some(*name));
            f.write_str(&capital(name.unwrap_or("?")))?;
        }
        Ok(())
    }
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn find(name: &str) -> Option<Key> {
    let said = SAID.iter().find(|(said, ..)| *said == name);
    match said {
        Some((_, code, twin)) => Some(Key {
            code: *code,
            twin: *twin,
        }),
        None => code(name).map(|code| Key { code, twin: None }),
    }
}

/// The code of a key, by evdev's name without `KEY_` in small letters.
#[must_use]
pub fn code(name: &str) -> Option<u16> {
    let found = NAMES.iter().find(|(known, _)| *known == name);
    found.map(|(_, code)| *code)
}

/// The name of a key.
#[must_use]
pub fn name(code: u16) -> Option<&'static str> {
    let found = NAMES.iter().find(|(_, known)| *known == code);
    found.map(|(name, _)| *name)
}

/// All names, those that people say first.
pub fn names() -> impl Iterator<Item = &'static str> {
    let said = SAID.iter().map(|(name, ..)| *name);
    said.chain(NAMES.iter().map(|(name, _)| *name))
}

/// What people say: the key that is pressed, and the one that is meant as well.
const SAID: &[(&str, u16, Option<u16>)] = &[
    ("ctrl", 29, Some(97)),
    ("alt", 56, Some(100)),
    ("shift", 42, Some(54)),
    ("super", 125, Some(126)),
    ("control", 29, Some(97)),
    ("meta", 125, Some(126)),
    ("win", 125, Some(126)),
    ("altgr", 100, None),
    ("escape", 1, None),
    ("return", 28, None),
    ("del", 111, None),
    ("ins", 110, None),
    ("pgup", 104, None),
    ("pgdn", 109, None),
    ("printscreen", 99, None),
];

/// evdev's names.
const NAMES: &[(&str, u16)] = &[
    ("esc", 1),
    ("1", 2),
    ("2", 3),
    ("3", 4),
    ("4", 5),
    ("5", 6),
    ("6", 7),
    ("7", 8),
    ("8", 9),
    ("9", 10),
    ("0", 11),
    ("minus", 12),
    ("equal", 13),
    ("backspace", 14),
    ("tab", 15),
    ("q", 16),
    ("w", 17),
    ("e", 18),
    ("r", 19),
    ("t", 20),
    ("y", 21),
    ("u", 22),
    ("i", 23),
    ("o", 24),
    ("p", 25),
    ("leftbrace", 26),
    ("rightbrace", 27),
    ("enter", 28),
    ("leftctrl", 29),
    ("a", 30),
    ("s", 31),
    ("d", 32),
    ("f", 33),
    ("g", 34),
    ("h", 35),
    ("j", 36),
    ("k", 37),
    ("l", 38),
    ("semicolon", 39),
    ("apostrophe", 40),
    ("grave", 41),
    ("leftshift", 42),
    ("backslash", 43),
    ("z", 44),
    ("x", 45),
    ("c", 46),
    ("v", 47),
    ("b", 48),
    ("n", 49),
    ("m", 50),
    ("comma", 51),
    ("dot", 52),
    ("slash", 53),
    ("rightshift", 54),
    ("kpasterisk", 55),
    ("leftalt", 56),
    ("space", 57),
    ("capslock", 58),
    ("f1", 59),
    ("f2", 60),
    ("f3", 61),
    ("f4", 62),
    ("f5", 63),
    ("f6", 64),
    ("f7", 65),
    ("f8", 66),
    ("f9", 67),
    ("f10", 68),
    ("numlock", 69),
    ("scrolllock", 70),
    ("kp7", 71),
    ("kp8", 72),
    ("kp9", 73),
    ("kpminus", 74),
    ("kp4", 75),
    ("kp5", 76),
    ("kp6", 77),
    ("kpplus", 78),
    ("kp1", 79),
    ("kp2", 80),
    ("kp3", 81),
    ("kp0", 82),
    ("kpdot", 83),
    ("zenkakuhankaku", 85),
    ("102nd", 86),
    ("f11", 87),
    ("f12", 88),
    ("ro", 89),
    ("katakana", 90),
    ("hiragana", 91),
    ("henkan", 92),
    ("katakanahiragana", 93),
    ("muhenkan", 94),
    ("kpjpcomma", 95),
    ("kpenter", 96),
    ("rightctrl", 97),
    ("kpslash", 98),
    ("sysrq", 99),
    ("rightalt", 100),
    ("linefeed", 101),
    ("home", 102),
    ("up", 103),
    ("pageup", 104),
    ("left", 105),
    ("right", 106),
    ("end", 107),
    ("down", 108),
    ("pagedown", 109),
    ("insert", 110),
    ("delete", 111),
    ("macro", 112),
    ("mute", 113),
    ("volumedown", 114),
    ("volumeup", 115),
    ("power", 116),
    ("kpequal", 117),
    ("kpplusminus", 118),
    ("pause", 119),
    ("scale", 120),
    ("kpcomma", 121),
    ("hangeul", 122),
    ("hanja", 123),
    ("yen", 124),
    ("leftmeta", 125),
    ("rightmeta", 126),
    ("compose", 127),
    ("stop", 128),
    ("again", 129),
    ("undo", 131),
    ("copy", 133),
    ("paste", 135),
    ("find", 136),
    ("cut", 137),
    ("help", 138),
    ("menu", 139),
    ("calc", 140),
    ("sleep", 142),
    ("wakeup", 143),
    ("mail", 155),
    ("back", 158),
    ("forward", 159),
    ("nextsong", 163),
    ("playpause", 164),
    ("previoussong", 165),
    ("homepage", 172),
    ("refresh", 173),
    ("f13", 183),
    ("f14", 184),
    ("f15", 185),
    ("f16", 186),
    ("f17", 187),
    ("f18", 188),
    ("f19", 189),
    ("f20", 190),
    ("f21", 191),
    ("f22", 192),
    ("f23", 193),
    ("f24", 194),
    ("print", 210),
    ("search", 217),
    ("brightnessdown", 224),
    ("brightnessup", 225),
    ("media", 226),
    ("micmute", 248),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn chord(text: &str) -> Chord {
        text.parse().unwrap()
    }

    #[test]
    fn chords_are_read_and_written() {
        assert_eq!(chord("ctrl + alt+F2").codes(), [29, 56, 60]);
        assert_eq!(chord("control+meta").to_string(), "Ctrl+Super");
        assert_eq!(chord("leftctrl+kp5").to_string(), "Leftctrl+Kp5");
        assert_eq!(chord("altgr+esc").to_string(), "Altgr+Escape");
    }

    #[test]
    fn either_twin_is_the_key_unless_one_is_named() {
        let ctrl_alt = chord("ctrl+alt");
        assert!(ctrl_alt.is_pressed([97, 56]));
        assert!(ctrl_alt.is_pressed([29, 97, 100]));
        assert!(!ctrl_alt.is_pressed([29]));
        assert!(!ctrl_alt.is_pressed([29, 56, 30]));
        assert!(!ctrl_alt.is_pressed([]));
        assert!(!chord("leftctrl").is_pressed([97]));
    }

    #[test]
    fn what_is_no_chord_is_refused_with_a_reason() {
        let error = |text: &str| text.parse::<Chord>().unwrap_err();
        assert_eq!(
            error("ctrl+hyper"),
            ParseChordError::Unknown("hyper".into())
        );
        assert_eq!(error(""), ParseChordError::Unknown(String::new()));
        assert_eq!(
            error("ctrl+leftctrl"),
            ParseChordError::Twice("Leftctrl".into())
        );
        let many = "a+b+c+d+e+f+g+h+i+j+k+l+m";
        assert_eq!(error(many), ParseChordError::TooMany);
    }

    #[test]
    fn no_name_and_no_code_is_there_twice() {
        let names: BTreeSet<_> = NAMES.iter().map(|(name, _)| *name).collect();
        let codes: BTreeSet<_> = NAMES.iter().map(|(_, code)| *code).collect();
        assert_eq!((names.len(), codes.len()), (NAMES.len(), NAMES.len()));
        assert!(SAID.iter().all(|(said, ..)| !names.contains(said)));
        assert!(
            NAMES
                .iter()
                .all(|(known, code)| name(*code) == Some(*known))
        );
    }
}
