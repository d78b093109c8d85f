//! Options about a guest's keyboards and pointers.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, ValueEnum};
use config::guest::InputDevice;
use gpu_device::{
    SocketSource,
    input::{GrabMode, HandsOptions, InputKind, PointerMode},
};
use protocols::keys::{Chord, ParseChordError};

/// `KIND=PATH`: an input device, and where a VMM connects to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InputSocket {
    pub(super) kind: InputDevice,
    pub(super) path: PathBuf,
}

impl FromStr for InputSocket {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, path) = text
            .split_once('=')
            .filter(|(_, path)| !path.is_empty())
            .ok_or("Could not find KIND=PATH in it. Write for example keyboard=/tmp/a.keyboard")?;
        let kind: InputDevice = kind
            .parse()
            .map_err(|error: config::guest::ParseInputDeviceError| error.to_string())?;
        Ok(Self {
            kind,
            path: path.into(),
        })
    }
}

impl InputSocket {
    pub(super) fn source(self) -> (InputKind, SocketSource) {
        let kind = match self.kind {
            InputDevice::Keyboard => InputKind::Keyboard,
            InputDevice::Pointer => InputKind::Pointer,
            InputDevice::Mouse => InputKind::Mouse,
            InputDevice::Touch => InputKind::Touch,
            InputDevice::Pen => InputKind::Pen,
        };
        (kind, SocketSource::Path(self.path))
    }
}

/// What the user wants of keyboards and pointers.
#[derive(Debug, Clone, Args)]
pub(super) struct HandsArgs {
    /// What the guest's pointer tells
    #[arg(long, value_enum, default_value_t)]
    pointer: PointerArg,
    /// Whether your session's own shortcuts go to the guest
    #[arg(long, value_enum, default_value_t)]
    grab: GrabArg,
    /// What lets go of pointer and shortcuts, and holds them where they are not held: keys with +
    /// between them, pressed and released together
    #[arg(long, value_name = "KEYS", default_value = "ctrl+alt")]
    release_chord: Chord,
    /// What makes a window as large as its monitor, and back; empty for no key
    #[arg(long, value_name = "KEYS", default_value = "f11")]
    fullscreen_key: OptionalChord,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum PointerArg {
    /// Where it is, until the guest hides it and you click: then how far it moved
    #[default]
    Auto,
    /// Where it is
    Absolute,
    /// How far it moved, once a click has locked it in the window
    Relative,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum GrabArg {
    /// In full screen, and after the release chord
    #[default]
    Auto,
    /// Whenever the window has the keyboard
    Always,
    /// Never
    Never,
}

/// A chord, or an empty text for none.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OptionalChord(Option<Chord>);

impl FromStr for OptionalChord {
    type Err = ParseChordError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "" => Ok(Self(None)),
            text => text.parse().map(|chord| Self(Some(chord))),
        }
    }
}

impl HandsArgs {
    pub(super) fn options(&self) -> HandsOptions {
        HandsOptions {
            pointer: match self.pointer {
                PointerArg::Auto => PointerMode::Auto,
                PointerArg::Absolute => PointerMode::Absolute,
                PointerArg::Relative => PointerMode::Relative,
            },
            grab: match self.grab {
                GrabArg::Auto => GrabMode::Auto,
                GrabArg::Always => GrabMode::Always,
                GrabArg::Never => GrabMode::Never,
            },
            release: Some(self.release_chord.clone()),
            fullscreen: self.fullscreen_key.0.clone(),
        }
    }

    /// What gives the hands back, in words.
    pub(super) fn release(&self) -> String {
        self.release_chord.to_string()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[arg(long)]
        input: Vec<InputSocket>,
        #[command(flatten)]
        hands: HandsArgs,
    }

    fn options(words: &[&str]) -> Result<HandsOptions, clap::Error> {
        let line = Line::try_parse_from([&["lucarne"], words].concat())?;
        Ok(line.hands.options())
    }

    #[test]
    fn the_defaults_are_those_of_the_device_and_of_the_configuration() {
        assert_eq!(options(&[]).unwrap(), HandsOptions::default());
        let keys = config::Keys::default();
        let options = HandsOptions::default();
        assert_eq!(
            (options.release, options.fullscreen),
            (Some(keys.release), keys.fullscreen)
        );
    }

    #[test]
    fn keys_go_by_their_names() {
        let words = [
            "--release-chord=rightctrl",
            "--fullscreen-key=",
            "--grab=never",
        ];
        let given = options(&words).unwrap();
        assert_eq!(given.release.unwrap().codes(), [97]);
        assert_eq!((given.fullscreen, given.grab), (None, GrabMode::Never));
        let error = options(&["--release-chord", "ctrl+any"]).unwrap_err();
        assert!(error.to_string().contains("named `any`"), "{error}");
    }

    #[test]
    fn input_devices_have_sockets() {
        let parse = |text: &str| text.parse::<InputSocket>();
        let touch = parse("touch=/tmp/a=b").unwrap();
        assert_eq!(touch.kind, InputDevice::Touch);
        assert_eq!(touch.path.to_str(), Some("/tmp/a=b"));
        for wrong in ["touch", "touch=", "joystick=/tmp/a", ""] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
