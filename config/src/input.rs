//! `[input]`: keyboards, mice, touchpads, touch screens and tablets of `lucarne kiosk`.
//!
//! A key that is not given leaves a device as libinput has it, which is right for most.

use std::{collections::BTreeMap, ops::RangeInclusive};

use serde::Deserialize;

use crate::parse::Mistake;

/// The sections below `[input]`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// All keyboards together: a seat has one.
    pub keyboard: Keyboard,
    /// Mice, trackballs and everything else that points and is none of the below.
    pub mouse: Device,
    /// Touchpads.
    pub touchpad: Device,
    /// Touch screens.
    pub touch: Device,
    /// Drawing tablets and pens.
    pub tablet: Device,
    /// Single devices by their names, as `libinput list-devices` shows them. What is given here
    /// wins over what is given for their kind.
    pub device: BTreeMap<String, Device>,
}

/// `[input.keyboard]`. Names are XKB's, see `man xkeyboard-config`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keyboard {
    /// The file with the rules; XKB's default where empty.
    pub rules: String,
    /// The kind of keyboard, like `pc105`.
    pub model: String,
    /// One layout or several with commas between, like `us,de`.
    pub layout: String,
    /// A variant for each layout, like `nodeadkeys`.
    pub variant: String,
    /// Options, like `compose:caps,grp:alt_shift_toggle`.
    pub options: Option<String>,
    /// Repeats a second of a held key; 0 for none.
    pub repeat_rate: i32,
    /// Milliseconds until a held key repeats.
    pub repeat_delay: i32,
    /// Whether Num Lock is on from the start.
    pub numlock: bool,
}

impl Default for Keyboard {
    fn default() -> Self {
        Self {
            rules: String::new(),
            model: String::new(),
            layout: String::new(),
            variant: String::new(),
            options: None,
            repeat_rate: 25,
            repeat_delay: 600,
            numlock: false,
        }
    }
}

/// How a device behaves. A device that can't do something ignores the key.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Device {
    /// Whether it is used at all.
    pub enabled: Option<bool>,
    /// A tap is a click.
    pub tap: Option<bool>,
    /// A tap that is followed by a finger that stays drags.
    pub tap_drag: Option<bool>,
    /// What is looked at follows the fingers.
    pub natural_scroll: Option<bool>,
    /// Left and right buttons swapped; a tablet turned around.
    pub left_handed: Option<bool>,
    /// Left and right button together are the middle one.
    pub middle_emulation: Option<bool>,
    /// A touchpad rests while somebody types.
    pub disable_while_typing: Option<bool>,
    /// From -1, slowest, to 1, fastest.
    pub accel_speed: Option<f64>,
    /// How the speed of the pointer depends on that of the hand.
    pub accel_profile: Option<AccelProfile>,
    /// What scrolls.
    pub scroll_method: Option<ScrollMethod>,
    /// The button that scrolls while it is held, by its number in `linux/input-event-codes.h`.
    pub scroll_button: Option<u32>,
    /// What a touchpad without buttons of its own takes for which button.
    pub click_method: Option<ClickMethod>,
    /// The first two rows of a matrix from the device's positions to the monitor's, both from 0
    /// to 1: `[1, 0, 0, 0, 1, 0]` changes nothing, `[0, -1, 1, 1, 0, 0]` is a quarter turn.
    pub calibration: Option<[f32; 6]>,
    /// The name of the output that the device belongs to, like `HDMI-A-1`.
    pub map_to_output: Option<String>,
}

/// How the speed of the pointer depends on that of the hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccelProfile {
    /// Always the same factor.
    Flat,
    /// A fast hand moves the pointer further.
    Adaptive,
}

/// What scrolls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScrollMethod {
    /// Nothing but a wheel.
    None,
    /// Two fingers.
    TwoFinger,
    /// A finger at the edge.
    Edge,
    /// Moving while a button is held.
    OnButtonDown,
}

/// What a touchpad without buttons of its own takes for which button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClickMethod {
    /// Where the finger is.
    ButtonAreas,
    /// How many fingers there are.
    Clickfinger,
}

/// What a device is, as far as settings tell devices apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Everything that points and is none of the others.
    Mouse,
    /// A touchpad.
    Touchpad,
    /// A touch screen.
    Touch,
    /// A drawing tablet.
    Tablet,
}

impl Input {
    /// The settings of a device with this name: its own, and what is not in them from its kind.
    #[must_use]
    pub fn for_device(&self, name: &str, kind: Kind) -> Device {
        let kind = match kind {
            Kind::Mouse => &self.mouse,
            Kind::Touchpad => &self.touchpad,
            Kind::Touch => &self.touch,
            Kind::Tablet => &self.tablet,
        };
        match self.device.get(name) {
            Some(device) => device.clone().or(kind),
            None => kind.clone(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Mistake> {
        self.keyboard.check()?;
        let kinds = [
            ("mouse", &self.mouse),
            ("touchpad", &self.touchpad),
            ("touch", &self.touch),
            ("tablet", &self.tablet),
        ];
        let named = self.device.values().map(|device| ("device", device));
        kinds
            .into_iter()
            .chain(named)
            .try_for_each(|(section, device)| device.check(section))
    }
}

impl Keyboard {
    const RATES: RangeInclusive<i32> = 0..=1000;
    const DELAYS: RangeInclusive<i32> = 1..=60_000;

    fn check(&self) -> Result<(), Mistake> {
        if !Self::RATES.contains(&self.repeat_rate) {
            return Err(Mistake::at(
                "keyboard",
                format!("Could not repeat a key {} times a second", self.repeat_rate),
                "Choose a repeat_rate from 0, for never, to 1000",
            ));
        }
        if !Self::DELAYS.contains(&self.repeat_delay) {
            return Err(Mistake::at(
                "keyboard",
                format!("Could not wait {} ms before repeating", self.repeat_delay),
                "Choose a repeat_delay from 1 to 60000 milliseconds",
            ));
        }
        Ok(())
    }
}

impl Device {
    /// These settings, with what they leave open taken from others.
    fn or(self, other: &Self) -> Self {
        Self {
            enabled: self.enabled.or(other.enabled),
            tap: self.tap.or(other.tap),
            tap_drag: self.tap_drag.or(other.tap_drag),
            natural_scroll: self.natural_scroll.or(other.natural_scroll),
            left_handed: self.left_handed.or(other.left_handed),
            middle_emulation: self.middle_emulation.or(other.middle_emulation),
            disable_while_typing: self.disable_while_typing.or(other.disable_while_typing),
            accel_speed: self.accel_speed.or(other.accel_speed),
            accel_profile: self.accel_profile.or(other.accel_profile),
            scroll_method: self.scroll_method.or(other.scroll_method),
            scroll_button: self.scroll_button.or(other.scroll_button),
            click_method: self.click_method.or(other.click_method),
            calibration: self.calibration.or(other.calibration),
            map_to_output: self.map_to_output.or_else(|| other.map_to_output.clone()),
        }
    }

    fn check(&self, section: &'static str) -> Result<(), Mistake> {
        if let Some(speed) = self.accel_speed
            && !(-1.0..=1.0).contains(&speed)
        {
            return Err(Mistake::at(
                section,
                format!("Could not use {speed} as a speed"),
                "Choose an accel_speed from -1 to 1",
            ));
        }
        if let Some(matrix) = self.calibration
            && !matrix.iter().all(|number| number.is_finite())
        {
            return Err(Mistake::at(
                section,
                "Could not calibrate with numbers that are none",
                "Start from calibration = [1, 0, 0, 0, 1, 0], which changes nothing",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Input {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_device_keeps_what_its_own_section_leaves_open() {
        let input = parse(
            "[touchpad]\ntap = true\nnatural_scroll = true\n\
             [device.\"Pad of Ann\"]\nnatural_scroll = false\n",
        );
        let own = input.for_device("Pad of Ann", Kind::Touchpad);
        assert_eq!((own.tap, own.natural_scroll), (Some(true), Some(false)));
        let other = input.for_device("another", Kind::Touchpad);
        assert_eq!((other.tap, other.natural_scroll), (Some(true), Some(true)));
        assert_eq!(
            input.for_device("another", Kind::Mouse),
            Device::default(),
            "a mouse is no touchpad"
        );
    }

    #[test]
    fn numbers_out_of_range_are_refused_with_the_range() {
        let refused = |text: &str| parse(text).check().unwrap_err().to_string();
        assert!(refused("[keyboard]\nrepeat_rate = -1\n").contains("0, for never"));
        assert!(refused("[keyboard]\nrepeat_delay = 0\n").contains("from 1 to 60000"));
        assert!(refused("[mouse]\naccel_speed = 1.5\n").contains("-1 to 1"));
        assert!(refused("[device.x]\naccel_speed = nan\n").contains("NaN"));
        assert!(refused("[touch]\ncalibration = [inf, 0, 0, 0, 1, 0]\n").contains("[1, 0, 0"));
        parse("").check().unwrap();
    }

    #[test]
    fn words_are_those_of_libinput() {
        let input = parse(
            "[mouse]\naccel_profile = \"flat\"\nscroll_method = \"on-button-down\"\n\
             [touchpad]\nclick_method = \"clickfinger\"\nscroll_method = \"two-finger\"\n",
        );
        assert_eq!(input.mouse.accel_profile, Some(AccelProfile::Flat));
        assert_eq!(input.mouse.scroll_method, Some(ScrollMethod::OnButtonDown));
        assert_eq!(input.touchpad.click_method, Some(ClickMethod::Clickfinger));
    }
}
