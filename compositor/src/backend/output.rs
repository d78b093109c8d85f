//! A monitor of the host.

use std::{num::NonZeroU32, ops::RangeInclusive, time::Duration};

use smithay::{
    output::{Mode, Output, PhysicalProperties, Scale, Subpixel},
    reexports::wayland_server::backend::GlobalId,
    utils::{Logical, Physical, Point, Size, Transform},
};
use thiserror::Error;

use crate::redraw::{ComposedFrame, FrameClock, Redraw};

/// The rate of a mode that has none of its own, in millihertz.
const DEFAULT_RATE: NonZeroU32 = NonZeroU32::new(60_000).unwrap();

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

    /// The monitor that these options make up.
    fn monitor(&self) -> Result<Monitor, OutputError> {
        let mode = self.mode()?;
        let millimetres = |pixels: i32| pixels.saturating_mul(MICROMETRES_PER_PIXEL) / 1000;
        Ok(Monitor {
            make: "Lucarne".to_owned(),
            model: "Headless".to_owned(),
            millimetres: (millimetres(mode.size.w), millimetres(mode.size.h)),
            subpixel: Subpixel::None,
            scale: self.scale,
            ..Monitor::new(self.name.clone(), mode)
        })
    }
}

/// A monitor and how it is used.
#[derive(Debug, Clone, PartialEq)]
pub struct Monitor {
    /// What it is plugged into, e.g. `DP-1`.
    pub name: String,
    /// Who made it; empty if it does not say.
    pub make: String,
    /// What it is; empty if it does not say.
    pub model: String,
    /// Which one it is; empty if it does not say.
    pub serial: String,
    /// Width and height in millimetres; 0 where it does not say, or has none.
    pub millimetres: (i32, i32),
    /// How colours lie beside each other in a pixel.
    pub subpixel: Subpixel,
    /// The mode that it is in: pixels, and refresh rate in millihertz.
    pub mode: Mode,
    /// The modes that it could be in; the one that it is in need not be among them.
    pub modes: Vec<Mode>,
    /// The mode that suits it best, if it says so.
    pub preferred: Option<Mode>,
    /// How the picture is turned.
    pub transform: Transform,
    /// How many pixels a logical pixel of an ordinary client covers.
    pub scale: f64,
    /// The place of its top left corner among all monitors, in logical pixels; without one it is
    /// to the right of the others.
    pub position: Option<(i32, i32)>,
    /// Whether it refreshes when there is something to show, instead of at its mode's rate.
    pub vrr: bool,
}

impl Monitor {
    /// A monitor of which nothing else is known.
    #[must_use]
    pub fn new(name: impl Into<String>, mode: Mode) -> Self {
        Self {
            name: name.into(),
            make: String::new(),
            model: String::new(),
            serial: String::new(),
            millimetres: (0, 0),
            subpixel: Subpixel::Unknown,
            mode,
            modes: Vec::new(),
            preferred: None,
            transform: Transform::Normal,
            scale: 1.0,
            position: None,
            vrr: false,
        }
    }

    /// What it is, for people and for the configuration: `MAKE MODEL SERIAL`, without what it does
    /// not say.
    #[must_use]
    pub fn identity(&self) -> String {
        let parts = [&self.make, &self.model, &self.serial];
        let parts = parts.map(|part| part.trim());
        let known = parts.into_iter().filter(|part| !part.is_empty());
        known.collect::<Vec<_>>().join(" ")
    }

    fn rate(&self) -> NonZeroU32 {
        let rate = u32::try_from(self.mode.refresh).ok();
        rate.and_then(NonZeroU32::new).unwrap_or(DEFAULT_RATE)
    }
}

/// What becomes different about a monitor; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// See [`Monitor::mode`].
    pub mode: Option<Mode>,
    /// See [`Monitor::transform`].
    pub transform: Option<Transform>,
    /// See [`Monitor::scale`].
    pub scale: Option<f64>,
    /// See [`Monitor::position`].
    pub position: Option<Option<(i32, i32)>>,
    /// See [`Monitor::vrr`].
    pub vrr: Option<bool>,
    /// See [`Monitor::millimetres`]. Guests are told; `wl_output` says it once.
    pub millimetres: Option<(i32, i32)>,
}

/// What became of an output's frames since it appeared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames of which some part was drawn.
    pub composited: u64,
    /// Frames of which nothing was drawn: planes showed clients' buffers.
    pub direct: u64,
    /// Vblanks at which a frame should have become visible and did not.
    pub missed: u64,
}

impl Counters {
    /// Frames with something new in them.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.composited.saturating_add(self.direct)
    }
}

/// An output: what clients see of it, its redraw state machine, and the frame under way.
#[derive(Debug)]
pub struct HostOutput {
    /// What clients see.
    pub(crate) output: Output,
    /// While clients see it.
    pub(crate) global: Option<GlobalId>,
    /// When it is composed.
    pub(crate) redraw: Redraw,
    /// The frame that is composed and not yet visible.
    pub(crate) frame: ComposedFrame,
    /// What became of the frames.
    pub(crate) counted: Counters,
    /// How many flips in a row were waited for in vain.
    pub(crate) lost: u64,
    /// How many pictures in a row could not be composed.
    pub(crate) undrawn: u64,
    monitor: Monitor,
}

impl HostOutput {
    /// Makes outputs without monitors, whose clocks start now.
    ///
    /// # Errors
    /// Options out of range, or no options at all.
    pub(crate) fn make(options: &[OutputOptions], now: Duration) -> Result<Vec<Self>, OutputError> {
        let mut outputs: Vec<Self> = Vec::new();
        for options in options {
            if outputs.iter().any(|other| other.name() == options.name) {
                return Err(OutputError::SameName(options.name.clone()));
            }
            outputs.push(Self::new(options.monitor()?, now));
        }
        if outputs.is_empty() {
            return Err(OutputError::None);
        }
        Ok(outputs)
    }

    /// An output for a monitor. Until a vblank tells better, vblanks are counted from `now`.
    #[must_use]
    pub fn new(monitor: Monitor, now: Duration) -> Self {
        let output = Output::new(
            monitor.name.clone(),
            PhysicalProperties {
                size: monitor.millimetres.into(),
                subpixel: monitor.subpixel,
                make: monitor.make.clone(),
                model: monitor.model.clone(),
            },
        );
        for mode in &monitor.modes {
            output.add_mode(*mode);
        }
        output.change_current_state(
            Some(monitor.mode),
            Some(monitor.transform),
            Some(Scale::Fractional(monitor.scale)),
            Some(monitor.position.unwrap_or_default().into()),
        );
        output.set_preferred(monitor.preferred.unwrap_or(monitor.mode));
        let mut redraw = Redraw::new(FrameClock::new(now, monitor.rate()));
        redraw.set_vrr(monitor.vrr);
        Self {
            output,
            global: None,
            redraw,
            frame: ComposedFrame::default(),
            counted: Counters::default(),
            lost: 0,
            undrawn: 0,
            monitor,
        }
    }

    /// Its monitor differs from now on. Clients are told.
    pub(crate) fn change(&mut self, change: &Change, now: Duration) {
        let monitor = &mut self.monitor;
        if let Some(mode) = change.mode {
            monitor.mode = mode;
            self.redraw.set_rate(monitor.rate(), now);
        }
        if let Some(transform) = change.transform {
            monitor.transform = transform;
        }
        if let Some(scale) = change.scale {
            monitor.scale = scale;
        }
        if let Some(position) = change.position {
            monitor.position = position;
        }
        if let Some(millimetres) = change.millimetres {
            monitor.millimetres = millimetres;
        }
        if let Some(vrr) = change.vrr {
            monitor.vrr = vrr;
            self.redraw.set_vrr(vrr);
        }
        if change.mode.is_some() || change.transform.is_some() || change.scale.is_some() {
            self.output.change_current_state(
                change.mode,
                change.transform,
                change.scale.map(Scale::Fractional),
                None,
            );
        }
    }

    /// Puts its top left corner at a place among all monitors. Clients are told.
    pub(super) fn move_to(&mut self, position: Point<i32, Logical>) {
        if self.position() != position {
            self.output
                .change_current_state(None, None, None, Some(position));
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> String {
        self.monitor.name.clone()
    }

    /// Its monitor, as it was described and changed.
    #[must_use]
    pub fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// What clients see.
    #[must_use]
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// The size of its picture in pixels: that of the mode, turned as the picture is.
    #[must_use]
    pub fn size(&self) -> Size<i32, Physical> {
        self.monitor
            .transform
            .transform_size(self.monitor.mode.size)
    }

    /// The size of its picture in logical pixels.
    #[must_use]
    pub fn logical_size(&self) -> Size<i32, Logical> {
        self.size().to_f64().to_logical(self.scale()).to_i32_ceil()
    }

    /// The place of its top left corner among all outputs, in logical pixels.
    #[must_use]
    pub fn position(&self) -> Point<i32, Logical> {
        self.output.current_location()
    }

    /// Pixels per logical pixel.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.monitor.scale
    }

    /// Its refresh rate in millihertz.
    #[must_use]
    pub fn millihertz(&self) -> u32 {
        self.monitor.rate().get()
    }

    /// What became of its frames.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            missed: self.redraw.missed(),
            ..self.counted
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_turned_monitor_has_a_turned_picture() {
        let mode = Mode {
            size: (1920, 1080).into(),
            refresh: 0,
        };
        let mut output = HostOutput::new(Monitor::new("a", mode), Duration::ZERO);
        assert_eq!(output.millihertz(), 60_000, "a mode without a rate");
        let change = Change {
            transform: Some(Transform::_90),
            scale: Some(1.5),
            ..Change::default()
        };
        output.change(&change, Duration::ZERO);
        assert_eq!(output.size(), (1080, 1920).into());
        assert_eq!(output.logical_size(), (720, 1280).into());
    }

    #[test]
    fn a_monitor_is_named_by_what_it_says() {
        let mode = Mode {
            size: (8, 8).into(),
            refresh: 60_000,
        };
        let mut monitor = Monitor::new("a", mode);
        assert_eq!(monitor.identity(), "");
        monitor.make = "DEL ".to_owned();
        monitor.serial = "7".to_owned();
        assert_eq!(monitor.identity(), "DEL 7");
    }
}
