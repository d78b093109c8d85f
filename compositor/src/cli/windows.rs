//! Options about a guest's windows.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use gpu_device::{Fit, Preferences, Scale};

use crate::signs::FONT;

/// What the user wants of windows.
#[derive(Debug, Clone, Args)]
pub(super) struct WindowArgs {
    /// What happens to a picture that has not its window's size
    #[arg(long, value_enum, default_value_t)]
    fit: FitArg,
    /// How many of the guest's pixels there are to a logical pixel of your session, 0.25 to 8; your
    /// session's own scale without it, so that pixels are pixels
    #[arg(long, value_name = "FACTOR")]
    scale: Option<ScaleArg>,
    /// In full screen, show frames in the middle of a refresh, where your session lets them be torn
    #[arg(long)]
    tearing: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum FitArg {
    /// As large as the window, whatever becomes of its shape
    Stretch,
    /// As large as fits in its own shape
    #[default]
    Letterbox,
    /// Each pixel as many pixels as fit
    Integer,
    /// As it is, in the middle
    None,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct ScaleArg(Scale);

impl FromStr for ScaleArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let factor = text.parse().ok().and_then(Scale::from_factor);
        let factor = factor.ok_or("Could not use it as a scale. Choose a number from 0.25 to 8");
        factor.map(Self)
    }
}

impl WindowArgs {
    /// `release` is what lets go of the user's hands, in words.
    pub(super) fn preferences(&self, release: String) -> Preferences {
        Preferences {
            fit: match self.fit {
                FitArg::Stretch => Fit::Stretch,
                FitArg::Letterbox => Fit::Letterbox,
                FitArg::Integer => Fit::Integer,
                FitArg::None => Fit::None,
            },
            scale: self.scale.map(|ScaleArg(scale)| scale),
            tearing: self.tearing,
            release,
            font: Some(FONT),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        windows: WindowArgs,
    }

    #[test]
    fn words_become_preferences() {
        let line = ["x", "--fit", "none", "--scale", "1.5", "--tearing"];
        let preferences = Line::parse_from(line).windows.preferences("F1".to_owned());
        assert_eq!(preferences.fit, Fit::None);
        assert_eq!(preferences.scale, Scale::from_factor(1.5));
        assert!(preferences.tearing);
        assert_eq!(preferences.release, "F1");
        for impossible in ["0", "9", "wide", "nan"] {
            let line = ["x", "--scale", impossible];
            let error = Line::try_parse_from(line).unwrap_err().to_string();
            assert!(error.contains("from 0.25 to 8"), "{error}");
        }
    }
}
