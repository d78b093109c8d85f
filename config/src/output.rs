//! `[[output]]`: the monitors of the headless compositor.

use serde::Deserialize;

use crate::{Mode, parse::Mistake};

/// One monitor.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Its name, for `lucarne msg`. `HEADLESS-1`, `HEADLESS-2` … by position where none is given.
    pub name: Option<String>,
    /// Its mode.
    #[serde(default = "default_mode")]
    pub mode: Mode,
    /// How many of its pixels a pixel of an ordinary client covers. Guests' windows are not
    /// scaled.
    #[serde(default = "default_scale")]
    pub scale: f64,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            name: None,
            mode: default_mode(),
            scale: default_scale(),
        }
    }
}

impl From<Mode> for Output {
    fn from(mode: Mode) -> Self {
        Self {
            mode,
            ..Self::default()
        }
    }
}

fn default_mode() -> Mode {
    Mode::new(1920, 1080)
}

fn default_scale() -> f64 {
    1.0
}

impl Output {
    /// The name, or the one that the output at this position (from 0) gets.
    #[must_use]
    pub fn name_at(&self, position: usize) -> String {
        self.name
            .clone()
            .unwrap_or_else(|| format!("HEADLESS-{}", position + 1))
    }

    pub(crate) fn check(&self) -> Result<(), Mistake> {
        if !(0.5..=8.0).contains(&self.scale) {
            return Err(Mistake::at(
                "scale",
                format!("Could not use {} as a scale", self.scale),
                "Choose one from 0.5 to 8",
            ));
        }
        let printable = |name: &str| name.chars().all(|c| c.is_ascii_graphic());
        if self
            .name
            .as_deref()
            .is_some_and(|name| name.is_empty() || !printable(name))
        {
            return Err(Mistake::at(
                "name",
                "Could not use this as an output's name",
                "Choose printable ASCII characters without spaces, like HEADLESS-1",
            ));
        }
        Ok(())
    }
}
