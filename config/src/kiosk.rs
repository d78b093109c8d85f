//! `[kiosk]`: how `lucarne kiosk` begins and ends.

use serde::Deserialize;

use crate::parse::Mistake;

/// The longest time until screens go dark, in seconds: a day.
const MAX_BLANK: u32 = 86_400;

/// The keys of `[kiosk]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kiosk {
    /// The guests that are started without being named on the command line; those with
    /// `autostart = true` where this is not given.
    pub autostart: Option<Vec<String>>,
    /// What happens when a guest has ended.
    pub on_guest_exit: OnGuestExit,
    /// Seconds without input until the screens go dark; never where it is 0.
    pub blank_after: u32,
}

/// What happens when a guest has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnGuestExit {
    /// It is started again, also after it shut itself down.
    Restart,
    /// The guest's own `restart` holds; where that says no, its screen tells what became of it.
    #[default]
    Stay,
    /// The guest's own `restart` holds; when no guest is left, `lucarne kiosk` ends.
    Quit,
}

impl Kiosk {
    pub(crate) fn check(&self) -> Result<(), Mistake> {
        if self.blank_after > MAX_BLANK {
            return Err(Mistake::at(
                "blank_after",
                format!(
                    "Could not wait {} seconds before blanking",
                    self.blank_after
                ),
                format!("Choose a time from 1 to {MAX_BLANK} seconds, or 0 for never"),
            ));
        }
        Ok(())
    }
}
