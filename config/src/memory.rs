//! An amount of memory as people write it: `512M`, `2G`.

use std::{fmt, str::FromStr};

use serde::Deserialize;
use thiserror::Error;

/// An amount of guest memory: whole mebibytes, so that every VMM can be told it exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct MemorySize {
    mebibytes: u32,
}

/// Why a text is no [`MemorySize`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseMemoryError {
    /// Not a whole number with a unit.
    #[error(
        "Could not read {0:?} as an amount of memory. Write a whole number with M or G, like 512M or 2G"
    )]
    Form(String),
    /// Too little for any guest, or more than any host has.
    #[error("Could not use {0:?} as an amount of memory. Choose one from 16M to 16384G")]
    Range(String),
}

impl MemorySize {
    const MIN_MEBIBYTES: u32 = 16;
    const MAX_MEBIBYTES: u32 = 16 << 20;

    /// An amount in MiB.
    ///
    /// # Errors
    /// [`ParseMemoryError::Range`] below 16 MiB and above 16 TiB.
    pub fn from_mebibytes(mebibytes: u32) -> Result<Self, ParseMemoryError> {
        if (Self::MIN_MEBIBYTES..=Self::MAX_MEBIBYTES).contains(&mebibytes) {
            Ok(Self { mebibytes })
        } else {
            Err(ParseMemoryError::Range(format!("{mebibytes}M")))
        }
    }

    /// The amount in MiB.
    #[must_use]
    pub fn mebibytes(self) -> u32 {
        self.mebibytes
    }
}

impl Default for MemorySize {
    fn default() -> Self {
        Self { mebibytes: 2048 }
    }
}

/// In MiB, as QEMU and Linux read it: `2048M`.
impl fmt::Display for MemorySize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}M", self.mebibytes)
    }
}

impl FromStr for MemorySize {
    type Err = ParseMemoryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || ParseMemoryError::Form(text.to_owned());
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = match &text[digits.len()..] {
            "M" | "MiB" | "m" => 1,
            "G" | "GiB" | "g" => 1024,
            _ => return Err(form()),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(form());
        }
        digits
            .parse::<u32>()
            .ok()
            .and_then(|number| number.checked_mul(unit))
            .and_then(|mebibytes| Self::from_mebibytes(mebibytes).ok())
            .ok_or_else(|| ParseMemoryError::Range(text.to_owned()))
    }
}

impl TryFrom<String> for MemorySize {
    type Error = ParseMemoryError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_binary() {
        assert_eq!("2G".parse::<MemorySize>().unwrap().mebibytes(), 2048);
        assert_eq!("512M".parse::<MemorySize>().unwrap().mebibytes(), 512);
        assert_eq!("1GiB".parse::<MemorySize>().unwrap().to_string(), "1024M");
    }

    #[test]
    fn a_unit_is_needed() {
        for text in ["2048", "", "G", "2T", "1.5G", "-1G", "2 G"] {
            let form = Err(ParseMemoryError::Form(text.to_owned()));
            assert_eq!(text.parse::<MemorySize>(), form, "{text}");
        }
    }

    #[test]
    fn absurd_amounts_are_refused() {
        for text in ["0G", "15M", "16385G", "99999999999999G"] {
            let range = Err(ParseMemoryError::Range(text.to_owned()));
            assert_eq!(text.parse::<MemorySize>(), range, "{text}");
        }
    }
}
