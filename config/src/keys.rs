//! `[keys]`: the keys that a guest's window keeps to itself.

use protocols::keys::Chord;
use serde::{Deserialize, Deserializer, de::Error as _};

/// The keys of `[keys]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// Lets go of pointer and shortcuts that a window holds, and holds them where it does not. The
    /// keys are pressed and released together, with no other key in between; the guest sees them.
    #[serde(deserialize_with = "chord")]
    pub release: Chord,
    /// Makes a window fill its monitor, or lets it be a window again. The guest does not see it,
    /// except while shortcuts are grabbed: then it is the guest's. `None`, an empty text: no key.
    #[serde(deserialize_with = "chord_or_none")]
    pub fullscreen: Option<Chord>,
}

impl Default for Keys {
    fn default() -> Self {
        let default = |text: &str| text.parse().expect("the default is a chord");
        Self {
            release: default("ctrl+alt"),
            fullscreen: Some(default("f11")),
        }
    }
}

fn chord<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Chord, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(D::Error::custom)
}

fn chord_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Chord>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(D::Error::custom),
    }
}
