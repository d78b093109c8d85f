//! `[kms]`: the graphics cards of `lucarne kiosk`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, de};
use thiserror::Error;

/// The keys of `[kms]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kms {
    /// The device node of the card that draws; that of the card that the firmware used where none
    /// is given. In the file it can be written in every way that [`card`] knows.
    #[serde(deserialize_with = "read")]
    pub device: Option<PathBuf>,
}

/// A text that names no graphics card.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "Could not take {0:?} for a graphics card. Write a path like /dev/dri/card0, a name like card0, \
     or the card's PCI address, like 0000:01:00.0"
)]
pub struct ParseCardError(String);

/// The device node of a graphics card from what people call it: an absolute path, udev's name
/// (`card1`), or the PCI address as `lspci` tells it (`01:00.0` or `0000:01:00.0`), which stays the
/// same over reboots.
///
/// # Errors
/// It is none of these.
pub fn card(text: &str) -> Result<PathBuf, ParseCardError> {
    if Path::new(text).is_absolute() {
        return Ok(text.into());
    }
    let number = text.strip_prefix("card").unwrap_or_default();
    if !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()) {
        return Ok(Path::new("/dev/dri").join(text));
    }
    let address = text.strip_prefix("pci-").unwrap_or(text);
    let address = match address.matches(':').count() {
        1 => format!("0000:{address}"),
        _ => address.to_owned(),
    };
    if !is_pci_address(&address) {
        return Err(ParseCardError(text.to_owned()));
    }
    let address = address.to_ascii_lowercase();
    Ok(format!("/dev/dri/by-path/pci-{address}-card").into())
}

/// `DDDD:BB:SS.F`, in hexadecimal digits.
fn is_pci_address(text: &str) -> bool {
    let parts: Vec<&str> = text.split([':', '.']).collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let marks: String = text.chars().filter(|c| !c.is_ascii_hexdigit()).collect();
    lengths == [4, 2, 2, 1] && marks == "::."
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let text = String::deserialize(deserializer)?;
    card(&text).map(Some).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_known_by_its_path_its_name_or_its_slot() {
        for (text, path) in [
            ("/dev/dri/card1", "/dev/dri/card1"),
            ("card1", "/dev/dri/card1"),
            ("0000:0a:00.0", "/dev/dri/by-path/pci-0000:0a:00.0-card"),
            ("0A:00.0", "/dev/dri/by-path/pci-0000:0a:00.0-card"),
            ("pci-0000:01:00.0", "/dev/dri/by-path/pci-0000:01:00.0-card"),
        ] {
            assert_eq!(card(text), Ok(path.into()), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_cards() {
        for text in [
            "",
            "card",
            "cardx",
            "dri/card0",
            "first",
            "01:00",
            "01.00:0",
            "1:0.0",
            "0000:01:00.0.",
            "zz:00.0",
            "ä1:00.0",
        ] {
            assert_eq!(card(text), Err(ParseCardError(text.to_owned())));
        }
    }
}
