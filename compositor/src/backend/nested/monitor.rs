//! The window as a monitor. Pure.

use smithay::{
    output::{Mode, Subpixel},
    utils::{Physical, Size},
};

use crate::backend::{Change, Monitor, OutputOptions};

/// Its name.
pub(super) const NAME: &str = "WINDOW-1";

/// Micrometres per pixel at 96 dots per inch, which is what hosts mean by the scale 1.
const MICROMETRES_PER_PIXEL: f64 = 25_400.0 / 96.0;

/// What a host says of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    /// The window's size in pixels of the host's monitors.
    pub(super) size: Size<i32, Physical>,
    /// How many of them a logical pixel covers.
    pub(super) scale: f64,
    /// The refresh rate of the monitor that the window is on, if that is known.
    pub(super) millihertz: Option<u32>,
}

impl Seen {
    /// The monitor that this makes.
    pub(super) fn monitor(&self) -> Monitor {
        Monitor {
            make: "Lucarne".to_owned(),
            model: "Window".to_owned(),
            millimetres: self.millimetres(),
            subpixel: Subpixel::Unknown,
            scale: self.scale(),
            ..Monitor::new(NAME, self.mode())
        }
    }

    /// What this makes different about a monitor; `None` if nothing.
    pub(super) fn change(&self, monitor: &Monitor) -> Option<Change> {
        let differs = |is: bool| is.then_some(());
        let change = Change {
            mode: differs(self.mode() != monitor.mode).map(|()| self.mode()),
            millimetres: differs(self.millimetres() != monitor.millimetres)
                .map(|()| self.millimetres()),
            scale: differs(self.scale().to_bits() != monitor.scale.to_bits())
                .map(|()| self.scale()),
            ..Change::default()
        };
        (change != Change::default()).then_some(change)
    }

    fn mode(&self) -> Mode {
        let along = |pixels: i32| {
            let (least, most) = (*OutputOptions::SIZES.start(), *OutputOptions::SIZES.end());
            let pixels = u32::try_from(pixels).unwrap_or_default().clamp(least, most);
            i32::try_from(pixels).unwrap_or(i32::MAX)
        };
        let rate = self
            .millihertz
            .filter(|rate| OutputOptions::RATES.contains(rate));
        Mode {
            size: (along(self.size.w), along(self.size.h)).into(),
            // 0 stands for a rate that is not known.
            refresh: rate
                .and_then(|rate| i32::try_from(rate).ok())
                .unwrap_or_default(),
        }
    }

    fn scale(&self) -> f64 {
        match self.scale.is_finite() {
            true => self
                .scale
                .clamp(*OutputOptions::SCALES.start(), *OutputOptions::SCALES.end()),
            false => 1.0,
        }
    }

    /// As large as the host shows it on a monitor of the usual density, so that a guest chooses the
    /// scale that the host has.
    fn millimetres(&self) -> (i32, i32) {
        let size = self.mode().size;
        let along = |pixels: i32| {
            let millimetres = f64::from(pixels) * MICROMETRES_PER_PIXEL / 1000.0 / self.scale();
            #[expect(
                clippy::cast_possible_truncation,
                reason = "at most 16384 pixels of a quarter of a millimetre, at least at a tenth"
            )]
            let millimetres = millimetres.round() as i32;
            millimetres
        };
        (along(size.w), along(size.h))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(width: i32, height: i32, scale: f64, millihertz: Option<u32>) -> Seen {
        Seen {
            size: (width, height).into(),
            scale,
            millihertz,
        }
    }

    #[test]
    fn a_window_is_a_monitor_of_its_size_and_rate() {
        let monitor = seen(1280, 800, 1.0, Some(144_000)).monitor();
        assert_eq!(monitor.mode.size, (1280, 800).into());
        assert_eq!(monitor.mode.refresh, 144_000);
        assert_eq!(monitor.millimetres, (339, 212));
        assert_eq!(monitor.identity(), "Lucarne Window");
    }

    #[test]
    fn a_window_on_a_dense_monitor_is_as_large_on_the_desk() {
        let plain = seen(1280, 800, 1.0, None).monitor();
        let dense = seen(2560, 1600, 2.0, None).monitor();
        assert_eq!(dense.millimetres, plain.millimetres);
        assert_eq!(dense.scale, 2.0);
    }

    #[test]
    fn only_what_differs_is_changed() {
        let monitor = seen(1280, 800, 1.0, Some(60_000)).monitor();
        assert_eq!(seen(1280, 800, 1.0, Some(60_000)).change(&monitor), None);
        let wider = seen(1300, 800, 1.0, Some(60_000)).change(&monitor).unwrap();
        assert_eq!(wider.mode.unwrap().size, (1300, 800).into());
        assert_eq!(wider.scale, None);
        let faster = seen(1280, 800, 1.0, Some(75_000)).change(&monitor).unwrap();
        assert_eq!(faster.mode.unwrap().refresh, 75_000);
        assert_eq!(faster.millimetres, None);
    }

    #[test]
    fn whatever_a_host_says_makes_a_possible_monitor() {
        for scale in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e9] {
            let monitor = seen(i32::MAX, 0, scale, Some(u32::MAX)).monitor();
            assert!(OutputOptions::SCALES.contains(&monitor.scale), "{scale}");
            assert_eq!(monitor.mode.size, (16384, 1).into());
            assert_eq!(monitor.mode.refresh, 0, "not known");
        }
        assert_eq!(seen(-5, -5, 1.0, None).monitor().mode.size, (1, 1).into());
    }
}
