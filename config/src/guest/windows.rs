//! The keys of `[guest.NAME]` about its windows in the user's session.

use std::fmt;

use serde::{Deserialize, Deserializer, de::Error as _};

use super::Fit;

/// How many of the guest's pixels there are to a logical pixel of the host, in the parts that Wayland
/// counts scales in: 120 are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scale(u32);

impl Scale {
    const PARTS: f64 = 120.0;

    /// The factors that there can be.
    pub const BOUNDS: (f64, f64) = (0.25, 8.0);

    /// A scale of this factor; `None` if it is out of bounds.
    #[must_use]
    pub fn new(factor: f64) -> Option<Self> {
        let (least, most) = Self::BOUNDS;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within bounds"
        )]
        (least..=most)
            .contains(&factor)
            .then(|| Self((factor * Self::PARTS).round() as u32))
    }

    /// The factor.
    #[must_use]
    pub fn factor(self) -> f64 {
        f64::from(self.0) / Self::PARTS
    }
}

impl<'de> Deserialize<'de> for Scale {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let factor = f64::deserialize(deserializer)?;
        let (least, most) = Self::BOUNDS;
        Self::new(factor).ok_or_else(|| {
            D::Error::custom(format!(
                "Could not use {factor} as a scale. Choose a number from {least} to {most}"
            ))
        })
    }
}

/// The factor, as it is read.
impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.factor())
    }
}

impl Fit {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Stretch => "stretch",
            Self::Letterbox => "letterbox",
            Self::Integer => "integer",
            Self::None => "none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Guest;

    fn read(text: &str) -> Result<Guest, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn scales_are_read_as_factors() {
        for (text, factor) in [("1.5", 1.5), ("2", 2.0), ("0.25", 0.25)] {
            let guest = read(&format!("scale = {text}")).unwrap();
            assert_eq!(guest.scale, Scale::new(factor));
            assert_eq!(guest.scale.unwrap().to_string(), factor.to_string());
        }
        assert_eq!(read("").unwrap().scale, None);
    }

    #[test]
    fn impossible_scales_are_explained() {
        for text in ["0.0", "9.0", "-1.0", "nan", "inf"] {
            let error = read(&format!("scale = {text}")).unwrap_err().to_string();
            assert!(error.contains("from 0.25 to 8"), "{text}: {error}");
        }
    }

    #[test]
    fn words_are_those_of_the_file() {
        for fit in [Fit::Stretch, Fit::Letterbox, Fit::Integer, Fit::None] {
            let guest = read(&format!("fit = {:?}", fit.word())).unwrap();
            assert_eq!(guest.fit, fit);
        }
    }
}
