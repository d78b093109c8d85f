//! `[[output]]`: the monitors of `lucarne headless`, and what `lucarne kiosk` makes of real ones.

use std::ops::RangeInclusive;

use serde::Deserialize;

use crate::{Mode, mode::WantedMode, parse::Mistake};

/// How far from the origin a monitor can be, in logical pixels: sums of these and of sizes stay
/// within what Wayland can say.
const PLACES: RangeInclusive<i32> = -100_000..=100_000;

/// One monitor. `lucarne headless` makes one for each section; for `lucarne kiosk` a section is
/// about the monitor that fits its `name`, `make`, `model` and `serial`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Output {
    /// Its name: of a real monitor that of its connector, like `DP-1`; of a headless one a name
    /// for `lucarne msg`, `HEADLESS-1`, `HEADLESS-2` … by position where none is given.
    pub name: Option<String>,
    /// Who made it: three letters of its EDID, like `DEL`.
    pub make: Option<String>,
    /// Its model, as its EDID has it.
    pub model: Option<String>,
    /// Its serial number, as its EDID has it.
    pub serial: Option<String>,
    /// Its mode: what the monitor prefers where none is given, 1920x1080 at 60 Hz where there is
    /// no monitor.
    pub mode: Option<WantedMode>,
    /// Where its top left corner is, in logical pixels; to the right of the others where it is not
    /// given. Headless ones are always side by side.
    pub position: Option<(i32, i32)>,
    /// How many of its pixels a pixel of an ordinary client covers. Guests' windows are not
    /// scaled.
    pub scale: f64,
    /// How the monitor is turned. Headless ones are not.
    pub transform: Transform,
    /// Whether it stays dark. Headless ones never are.
    pub off: bool,
    /// Whether it refreshes when there is something to show, where it can.
    pub vrr: bool,
}

/// How a monitor is turned, counter-clockwise, as in `wl_output.transform`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Transform {
    /// Upright.
    #[default]
    #[serde(rename = "normal")]
    Normal,
    /// By a quarter.
    #[serde(rename = "90")]
    Quarter,
    /// Upside down.
    #[serde(rename = "180")]
    Half,
    /// By three quarters.
    #[serde(rename = "270")]
    ThreeQuarters,
    /// Mirrored.
    #[serde(rename = "flipped")]
    Flipped,
    /// Mirrored, then by a quarter.
    #[serde(rename = "flipped-90")]
    FlippedQuarter,
    /// Mirrored, then upside down.
    #[serde(rename = "flipped-180")]
    FlippedHalf,
    /// Mirrored, then by three quarters.
    #[serde(rename = "flipped-270")]
    FlippedThreeQuarters,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            name: None,
            make: None,
            model: None,
            serial: None,
            mode: None,
            position: None,
            scale: 1.0,
            transform: Transform::default(),
            off: false,
            vrr: false,
        }
    }
}

impl From<Mode> for Output {
    fn from(mode: Mode) -> Self {
        Self {
            mode: Some(mode.into()),
            ..Self::default()
        }
    }
}

impl Output {
    /// The mode of a headless one.
    #[must_use]
    pub fn headless_mode(&self) -> Mode {
        self.mode.map_or(Mode::new(1920, 1080), Mode::from)
    }

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
        let is_plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic());
        if self.name.as_deref().is_some_and(|name| !is_plain(name)) {
            return Err(Mistake::at(
                "name",
                "Could not use this as an output's name",
                "Choose printable ASCII characters without spaces, like DP-1 or HEADLESS-1",
            ));
        }
        for (key, text) in self.identity() {
            if text.is_some_and(|text| text.trim().is_empty()) {
                return Err(Mistake::at(
                    key,
                    format!("Could not find a monitor by an empty {key}"),
                    "Take what `lucarne msg outputs` shows, or leave the key out",
                ));
            }
        }
        let is_near = |(x, y)| PLACES.contains(&x) && PLACES.contains(&y);
        if self.position.is_some_and(|position| !is_near(position)) {
            return Err(Mistake::at(
                "position",
                "Could not use a position so far away",
                format!("Choose numbers from {} to {}", PLACES.start(), PLACES.end()),
            ));
        }
        Ok(())
    }

    fn identity(&self) -> [(&'static str, Option<&str>); 3] {
        [
            ("make", self.make.as_deref()),
            ("model", self.model.as_deref()),
            ("serial", self.serial.as_deref()),
        ]
    }

    /// Whether the second of the two would never be asked: both are about what a monitor is, and
    /// mean the same one.
    pub(crate) fn is_about_the_same_as(&self, other: &Self) -> bool {
        let says = |output: &Self| {
            output
                .identity()
                .map(|(_, text)| text.map(str::to_lowercase))
        };
        let nameless = self.name.is_none() && other.name.is_none();
        nameless && says(self).iter().any(Option::is_some) && says(self) == says(other)
    }

    /// The key and the words for which monitor is meant, for the section at this position.
    pub(crate) fn called_at(&self, position: usize) -> (&'static str, String) {
        let mut identity = self.identity().into_iter();
        match identity.find(|(_, text)| text.is_some()) {
            Some((key, _)) if self.name.is_none() => {
                let texts = self.identity().into_iter().filter_map(|(_, text)| text);
                (
                    key,
                    format!("about {}", texts.collect::<Vec<_>>().join(" ")),
                )
            }
            _ => ("name", format!("called {}", self.name_at(position))),
        }
    }
}
