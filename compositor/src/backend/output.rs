//! A monitor of the host.

use std::{num::NonZeroU32, ops::RangeInclusive, time::Duration};

use smithay::{
    output::{Mode, Output, PhysicalProperties, Scale, Subpixel},
    utils::{Logical, Physical, Point, Size, Transform},
};
use thiserror::Error;

use crate::redraw::{ComposedFrame, FrameClock, Redraw};

/// Millimetres per pixel at 96 dots per inch, in thousandths.
const MICROMETRES_PER_PIXEL: i32 = 265;

/// What an output is to be like.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputOptions {
    /// Its name.
    pub name: String,
    /// Width in pixels, within [`OutputOptions::SIZES`].
    pub width: u32,
    /// Height in pixels, within [`OutputOptions::SIZES`].
    pub height: u32,
    /// Refresh rate in millihertz, within [`OutputOptions::RATES`].
    pub millihertz: u32,
    /// How many pixels a logical pixel of an ordinary client covers, within
    /// [`OutputOptions::SCALES`]. Guests are shown pixel for pixel.
    pub scale: f64,
}

/// Why an output can't be made.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum OutputError {
    /// There is none at all.
    #[error("Could not start without any output. Name at least one, like 1920x1080@60")]
    None,
    /// Two have the same name.
    #[error("Could not make two outputs named {0:?}. Give each a name of its own")]
    SameName(String),
    /// Its size is out of range.
    #[error("Could not make output {name:?} with {width}x{height} pixels. Choose sizes from {min} to {max}",
        min = OutputOptions::SIZES.start(), max = OutputOptions::SIZES.end())]
    Size {
        /// Its name.
        name: String,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// Its refresh rate is out of range.
    #[error("Could not make output {name:?} with {millihertz} millihertz. Choose a rate from {min} to {max} hertz",
        min = OutputOptions::RATES.start() / 1000, max = OutputOptions::RATES.end() / 1000)]
    Rate {
        /// Its name.
        name: String,
        /// Millihertz.
        millihertz: u32,
    },
    /// Its scale is out of range.
    #[error("Could not make output {name:?} with the scale {scale}. Choose one from {min} to {max}",
        min = OutputOptions::SCALES.start(), max = OutputOptions::SCALES.end())]
    Scale {
        /// Its name.
        name: String,
        /// Pixels per logical pixel.
        scale: f64,
    },
}

impl OutputOptions {
    /// Widths and heights in pixels.
    pub const SIZES: RangeInclusive<u32> = 1..=16_384;
    /// Refresh rates in millihertz.
    pub const RATES: RangeInclusive<u32> = 1_000..=1_000_000;
    /// Scales.
    pub const SCALES: RangeInclusive<f64> = 0.5..=8.0;

    /// An output of 60 Hz and scale 1.
    #[must_use]
    pub fn new(name: impl Into<String>, width: u32, height: u32) -> Self {
        Self {
            name: name.into(),
            width,
            height,
            millihertz: 60_000,
            scale: 1.0,
        }
    }

    /// The mode with signed numbers, checked.
    fn mode(&self) -> Result<Mode, OutputError> {
        let name = || self.name.clone();
        let pixels = |size: &u32| {
            let size = Some(*size).filter(|size| Self::SIZES.contains(size));
            size.and_then(|size| i32::try_from(size).ok())
        };
        let (Some(width), Some(height)) = (pixels(&self.width), pixels(&self.height)) else {
            return Err(OutputError::Size {
                name: name(),
                width: self.width,
                height: self.height,
            });
        };
        let rate = Some(self.millihertz).filter(|rate| Self::RATES.contains(rate));
        let Some(refresh) = rate.and_then(|rate| i32::try_from(rate).ok()) else {
            return Err(OutputError::Rate {
                name: name(),
                millihertz: self.millihertz,
            });
        };
        if !Self::SCALES.contains(&self.scale) {
            return Err(OutputError::Scale {
                name: name(),
                scale: self.scale,
            });
        }
        Ok(Mode {
            size: (width, height).into(),
            refresh,
        })
    }
}

/// An output: what clients see of it, its redraw state machine, and the frame under way.
#[derive(Debug)]
pub struct HostOutput {
    /// What clients see.
    pub(crate) output: Output,
    /// When it is composed.
    pub(crate) redraw: Redraw,
    /// The frame that is composed and not yet visible.
    pub(crate) frame: ComposedFrame,
    /// Pixels.
    size: Size<i32, Physical>,
    scale: f64,
    millihertz: u32,
    frames_drawn: u64,
}

impl HostOutput {
    /// Makes outputs side by side, whose clocks start now.
    ///
    /// # Errors
    /// Options out of range, or no options at all.
    pub(crate) fn make(options: &[OutputOptions], now: Duration) -> Result<Vec<Self>, OutputError> {
        let mut outputs: Vec<Self> = Vec::new();
        let mut left = 0i32;
        for options in options {
            if outputs.iter().any(|other| other.name() == options.name) {
                return Err(OutputError::SameName(options.name.clone()));
            }
            let output = Self::new(options, (left, 0).into(), now)?;
            left = left.saturating_add(output.logical_size().w);
            outputs.push(output);
        }
        if outputs.is_empty() {
            return Err(OutputError::None);
        }
        Ok(outputs)
    }

    fn new(
        options: &OutputOptions,
        at: Point<i32, Logical>,
        now: Duration,
    ) -> Result<Self, OutputError> {
        let mode = options.mode()?;
        let rate = NonZeroU32::new(options.millihertz).unwrap_or(NonZeroU32::MIN);
        let millimetres = |pixels: i32| pixels.saturating_mul(MICROMETRES_PER_PIXEL) / 1000;
        let output = Output::new(
            options.name.clone(),
            PhysicalProperties {
                size: (millimetres(mode.size.w), millimetres(mode.size.h)).into(),
                subpixel: Subpixel::None,
                make: "Lucarne".to_owned(),
                model: "Headless".to_owned(),
            },
        );
        output.change_current_state(
            Some(mode),
            Some(Transform::Normal),
            Some(Scale::Fractional(options.scale)),
            Some(at),
        );
        output.set_preferred(mode);
        Ok(Self {
            output,
            redraw: Redraw::new(FrameClock::new(now, rate)),
            frame: ComposedFrame::default(),
            size: mode.size,
            scale: options.scale,
            millihertz: options.millihertz,
            frames_drawn: 0,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> String {
        self.output.name()
    }

    /// Its size in pixels.
    #[must_use]
    pub fn size(&self) -> Size<i32, Physical> {
        self.size
    }

    /// Its size in logical pixels.
    #[must_use]
    pub fn logical_size(&self) -> Size<i32, Logical> {
        self.size.to_f64().to_logical(self.scale).to_i32_ceil()
    }

    /// Pixels per logical pixel.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Its refresh rate in millihertz.
    #[must_use]
    pub fn millihertz(&self) -> u32 {
        self.millihertz
    }

    /// How often something of it was drawn since the start.
    #[must_use]
    pub fn frames_drawn(&self) -> u64 {
        self.frames_drawn
    }

    pub(crate) fn note_drawn(&mut self) {
        self.frames_drawn += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_side_by_side_in_logical_pixels() {
        let mut scaled = OutputOptions::new("a", 3000, 2000);
        scaled.scale = 1.5;
        let options = [scaled, OutputOptions::new("b", 800, 600)];
        let outputs = HostOutput::make(&options, Duration::ZERO).unwrap();
        assert_eq!(outputs[0].logical_size(), (2000, 1334).into());
        assert_eq!(outputs[1].output.current_location(), (2000, 0).into());
    }

    #[test]
    fn impossible_outputs_are_refused_by_name() {
        let refused = |change: fn(&mut OutputOptions)| {
            let mut options = OutputOptions::new("a", 800, 600);
            change(&mut options);
            HostOutput::make(&[options], Duration::ZERO)
                .unwrap_err()
                .to_string()
        };
        assert!(refused(|o| o.width = 0).contains("0x600"));
        assert!(refused(|o| o.height = u32::MAX).contains("16384"));
        assert!(refused(|o| o.millihertz = 0).contains("1 to 1000 hertz"));
        assert!(refused(|o| o.scale = f64::NAN).contains("NaN"));
        let twice = [OutputOptions::new("a", 8, 8), OutputOptions::new("a", 8, 8)];
        assert_eq!(
            HostOutput::make(&twice, Duration::ZERO).unwrap_err(),
            OutputError::SameName("a".to_owned())
        );
        assert_eq!(
            HostOutput::make(&[], Duration::ZERO).unwrap_err(),
            OutputError::None
        );
    }
}
