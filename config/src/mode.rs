//! A monitor's mode as people write it: `1920x1080` or `1920x1080@59.94`.

use std::{fmt, str::FromStr};

use serde::Deserialize;
use thiserror::Error;

/// The refresh rate where none is written: 60 Hz, in millihertz.
const DEFAULT_MILLIHERTZ: u32 = 60_000;

/// A size in pixels and a refresh rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Mode {
    /// Width in pixels, within [`Mode::SIZES`].
    pub width: u32,
    /// Height in pixels, within [`Mode::SIZES`].
    pub height: u32,
    /// Refresh rate in millihertz, within [`Mode::RATES`].
    pub millihertz: u32,
}

/// Why a text is no [`Mode`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseModeError {
    /// Not of the form `WIDTHxHEIGHT` or `WIDTHxHEIGHT@HERTZ`.
    #[error(
        "Could not read {0:?} as a mode. Write WIDTHxHEIGHT or WIDTHxHEIGHT@HERTZ, like 1920x1080@60"
    )]
    Form(String),
    /// A width or height that guests' drivers do not take.
    #[error("Could not use {0} pixels as a width or height. Choose one from {min} to {max}",
        min = Mode::SIZES.start(), max = Mode::SIZES.end())]
    Size(u32),
    /// A refresh rate out of range.
    #[error("Could not use {0:?} as a refresh rate. Choose one from {min} to {max} hertz",
        min = Mode::RATES.start() / 1000, max = Mode::RATES.end() / 1000)]
    Rate(String),
}

impl Mode {
    /// Widths and heights that Linux' virtio-gpu driver offers (`virtgpu_display.c`).
    pub const SIZES: std::ops::RangeInclusive<u32> = 32..=8192;
    /// Refresh rates in millihertz.
    pub const RATES: std::ops::RangeInclusive<u32> = 1_000..=1_000_000;

    /// A mode of 60 Hz.
    #[must_use]
    pub const fn new(width: u32, height: u32) -> Self {
        Self {
            width,
            height,
            millihertz: DEFAULT_MILLIHERTZ,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            width,
            height,
            millihertz,
        } = self;
        write!(f, "{width}x{height}@{}", millihertz / 1000)?;
        match millihertz % 1000 {
            0 => Ok(()),
            thousandths => write!(f, ".{}", format!("{thousandths:03}").trim_end_matches('0')),
        }
    }
}

/// A mode that is wanted of a real monitor: of a size, and with a refresh rate if one is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct WantedMode {
    /// Width in pixels, within [`Mode::SIZES`].
    pub width: u32,
    /// Height in pixels, within [`Mode::SIZES`].
    pub height: u32,
    /// Refresh rate in millihertz, within [`Mode::RATES`].
    pub millihertz: Option<u32>,
}

impl From<Mode> for WantedMode {
    fn from(mode: Mode) -> Self {
        Self {
            width: mode.width,
            height: mode.height,
            millihertz: Some(mode.millihertz),
        }
    }
}

impl From<WantedMode> for Mode {
    /// With 60 Hz where no rate was written.
    fn from(wanted: WantedMode) -> Self {
        Self {
            width: wanted.width,
            height: wanted.height,
            millihertz: wanted.millihertz.unwrap_or(DEFAULT_MILLIHERTZ),
        }
    }
}

impl TryFrom<String> for WantedMode {
    type Error = ParseModeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mode: Mode = text.parse()?;
        Ok(Self {
            millihertz: text.contains('@').then_some(mode.millihertz),
            ..mode.into()
        })
    }
}

impl FromStr for Mode {
    type Err = ParseModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || ParseModeError::Form(text.to_owned());
        let (size, rate) = match text.split_once('@') {
            Some((size, rate)) => (size, Some(rate)),
            None => (text, None),
        };
        let (width, height) = size.split_once('x').ok_or_else(form)?;
        let pixels = |digits: &str| {
            let pixels = whole_number(digits).ok_or_else(form)?;
            if Self::SIZES.contains(&pixels) {
                Ok(pixels)
            } else {
                Err(ParseModeError::Size(pixels))
            }
        };
        let (width, height) = (pixels(width)?, pixels(height)?);
        let millihertz = match rate {
            None => DEFAULT_MILLIHERTZ,
            Some(rate) => parse_millihertz(rate).ok_or_else(form)?,
        };
        if !Self::RATES.contains(&millihertz) {
            return Err(ParseModeError::Rate(rate.unwrap_or_default().to_owned()));
        }
        Ok(Self {
            width,
            height,
            millihertz,
        })
    }
}

impl TryFrom<String> for Mode {
    type Error = ParseModeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Unlike `u32::from_str`, takes no sign.
fn whole_number(digits: &str) -> Option<u32> {
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten()
}

/// `60`, `59.94`: up to three digits after the point. An absurd number saturates, so that it is
/// reported as out of range and not as badly written.
fn parse_millihertz(text: &str) -> Option<u32> {
    let (hertz, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || fraction.len() > 3 {
        return None;
    }
    let thousandths = whole_number(&format!("{fraction:0<3}"))?;
    Some(
        whole_number(hertz)?
            .saturating_mul(1000)
            .saturating_add(thousandths),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_without_a_rate_has_60_hz() {
        assert_eq!(
            "1920x1080".parse(),
            Ok(Mode {
                width: 1920,
                height: 1080,
                millihertz: 60_000
            })
        );
    }

    #[test]
    fn rates_may_have_a_fraction() {
        for (text, millihertz) in [("@60", 60_000), ("@59.94", 59_940), ("@23.976", 23_976)] {
            let mode: Mode = format!("640x480{text}").parse().unwrap();
            assert_eq!(mode.millihertz, millihertz);
        }
    }

    #[test]
    fn a_mode_prints_as_it_is_written() {
        for text in [
            "640x480@60",
            "640x480@59.94",
            "640x480@23.976",
            "640x480@60.05",
        ] {
            assert_eq!(text.parse::<Mode>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_mode_is_refused() {
        for text in [
            "",
            "x",
            "1920",
            "1920x",
            "1920X1080",
            "+640x480",
            "640x480@",
            "640x480@60Hz",
        ] {
            assert_eq!(
                text.parse::<Mode>(),
                Err(ParseModeError::Form(text.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn sizes_and_rates_have_bounds() {
        assert_eq!("31x480".parse::<Mode>(), Err(ParseModeError::Size(31)));
        assert_eq!("640x8193".parse::<Mode>(), Err(ParseModeError::Size(8193)));
        assert_eq!(
            "640x480@0".parse::<Mode>(),
            Err(ParseModeError::Rate("0".to_owned()))
        );
        let absurd = "640x480@4000000000".parse::<Mode>();
        assert_eq!(absurd, Err(ParseModeError::Rate("4000000000".to_owned())));
    }
}
