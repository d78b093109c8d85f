//! The keys of `[guest.NAME]` about keyboards and pointers.

use std::{fmt, str::FromStr};

use serde::Deserialize;
use thiserror::Error;

use super::Guest;
use crate::parse::Mistake;

/// An input device of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputDevice {
    /// A keyboard.
    Keyboard,
    /// A pointer that says where it is.
    Pointer,
    /// A mouse: it says how far it moved.
    Mouse,
    /// A touch screen for ten fingers.
    Touch,
    /// A drawing tablet's pen.
    Pen,
}

impl InputDevice {
    /// All of them, which is what a guest has where nothing else is said.
    pub const ALL: [Self; 5] = [
        Self::Keyboard,
        Self::Pointer,
        Self::Mouse,
        Self::Touch,
        Self::Pen,
    ];

    /// The word for it in this file, on command lines and at the end of its socket's name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Keyboard => "keyboard",
            Self::Pointer => "pointer",
            Self::Mouse => "mouse",
            Self::Touch => "touch",
            Self::Pen => "pen",
        }
    }
}

/// The word of the configuration.
impl fmt::Display for InputDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that is no input device.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("Could not find an input device `{0}`. There are keyboard, pointer, mouse, touch and pen")]
pub struct ParseInputDeviceError(String);

impl FromStr for InputDevice {
    type Err = ParseInputDeviceError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|device| device.word() == word);
        found.ok_or_else(|| ParseInputDeviceError(word.to_owned()))
    }
}

/// What a guest's pointer tells: where it is, or how far it moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pointer {
    /// Where it is, until the guest hides it and the user clicks: then games get a mouse.
    #[default]
    Auto,
    /// Always where it is.
    Absolute,
    /// How far it moved; a click locks it in the window.
    Relative,
}

impl Pointer {
    /// The word for it in this file and on command lines.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Absolute => "absolute",
            Self::Relative => "relative",
        }
    }
}

impl Grab {
    /// The word for it in this file and on command lines.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

/// Whether the host's own shortcuts go to the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grab {
    /// In full screen, and when `[keys] release` is pressed.
    #[default]
    Auto,
    /// Whenever the window has the keyboard, until `[keys] release` is pressed.
    Always,
    /// Never.
    Never,
}

/// Whether these keys go together.
pub(super) fn check(guest: &Guest) -> Result<(), Mistake> {
    let has = |device| guest.input.contains(&device);
    let mut rest = guest.input.as_slice();
    while let Some((device, others)) = rest.split_first() {
        if others.contains(device) {
            return Err(Mistake::at(
                "input",
                format!("Could not give a guest the input device {device} twice"),
                "Name each device once, like [\"keyboard\", \"pointer\"]",
            ));
        }
        rest = others;
    }
    let lacking = match guest.pointer {
        Pointer::Absolute if !has(InputDevice::Pointer) => InputDevice::Pointer,
        Pointer::Relative if !has(InputDevice::Mouse) => InputDevice::Mouse,
        Pointer::Auto | Pointer::Absolute | Pointer::Relative => return Ok(()),
    };
    Err(Mistake::at(
        "pointer",
        format!("Could not use the pointer that way without the input device {lacking}"),
        format!("Add \"{lacking}\" to `input`, or leave `pointer` out"),
    ))
}
