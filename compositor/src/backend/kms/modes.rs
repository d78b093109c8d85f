//! Which of a monitor's modes to use. Pure; knows no device.

use std::fmt;

use smithay::reexports::drm::control::{Mode, ModeFlags, ModeTypeFlags};

/// Rates that are closer than this are the same to people: 60 Hz and 59.94 Hz.
const SAME_RATE: u32 = 500;

/// What of a mode matters for the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// Refresh rate in millihertz; 0 where the driver does not tell.
    pub millihertz: u32,
    /// Whether the monitor prefers it.
    pub preferred: bool,
    /// Half pictures: the last resort.
    pub interlaced: bool,
}

/// The mode that the configuration asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedMode {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Refresh rate in millihertz; any rate if `None`.
    pub millihertz: Option<u32>,
}

impl fmt::Display for WantedMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)?;
        match self.millihertz {
            Some(millihertz) => write!(f, "@{}", f64::from(millihertz) / 1000.0),
            None => Ok(()),
        }
    }
}

/// A chosen mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Its place in the list.
    pub index: usize,
    /// Whether it is what was asked for, and not only the nearest to it.
    pub exact: bool,
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = f64::from(self.millihertz) / 1000.0;
        let interlaced = if self.interlaced { "i" } else { "" };
        write!(f, "{}x{}{interlaced}@{rate}", self.width, self.height)
    }
}

impl Timing {
    /// Of a kernel's mode. The refresh rate is computed from the pixel clock, because the kernel
    /// rounds the one that it tells to whole hertz.
    #[must_use]
    pub fn of(mode: &Mode) -> Self {
        let (width, height) = mode.size();
        let interlaced = mode.flags().contains(ModeFlags::INTERLACE);
        let mut lines = u64::from(mode.vsync().2) * u64::from(mode.vscan().max(1));
        if mode.flags().contains(ModeFlags::DBLSCAN) {
            lines *= 2;
        }
        let pixels = u64::from(mode.hsync().2) * lines;
        let mut clock = u64::from(mode.clock()) * 1_000_000;
        if interlaced {
            clock *= 2;
        }
        let millihertz = (clock + pixels / 2).checked_div(pixels).unwrap_or_default();
        Self {
            width,
            height,
            millihertz: u32::try_from(millihertz).unwrap_or(u32::MAX),
            preferred: mode.mode_type().contains(ModeTypeFlags::PREFERRED),
            interlaced,
        }
    }

    fn has_size(&self, wanted: &WantedMode) -> bool {
        u32::from(self.width) == wanted.width && u32::from(self.height) == wanted.height
    }
}

/// Whether two modes put the same signal on the cable, whatever they are called.
#[must_use]
pub fn same_signal(a: &Mode, b: &Mode) -> bool {
    a.clock() == b.clock()
        && a.size() == b.size()
        && a.hsync() == b.hsync()
        && a.vsync() == b.vsync()
        && a.hskew() == b.hskew()
        && a.vscan().max(1) == b.vscan().max(1)
        && a.flags() == b.flags()
}

/// Chooses a mode. `current` is the one that the monitor shows already: it stays where it fits,
/// so that nothing flickers. `None` if there are no modes.
#[must_use]
pub fn choose(
    modes: &[Timing],
    wanted: Option<&WantedMode>,
    current: Option<usize>,
) -> Option<Choice> {
    let Some(wanted) = wanted else {
        let index = preferred(modes)?;
        return Some(Choice { index, exact: true });
    };
    let current = current.filter(|index| {
        let mode = modes.get(*index);
        mode.is_some_and(|mode| fits(mode, wanted) && !mode.interlaced)
    });
    if let Some(index) = current {
        return Some(Choice { index, exact: true });
    }
    let distance = |mode: &Timing| {
        let width = u32::from(mode.width).abs_diff(wanted.width);
        let height = u32::from(mode.height).abs_diff(wanted.height);
        let rate = match wanted.millihertz {
            Some(rate) => mode.millihertz.abs_diff(rate),
            // The higher the better.
            None => u32::MAX - mode.millihertz,
        };
        (
            u64::from(width) + u64::from(height),
            mode.interlaced,
            rate,
            !mode.preferred,
        )
    };
    let (index, mode) = modes
        .iter()
        .enumerate()
        .min_by_key(|(_, mode)| distance(mode))?;
    Some(Choice {
        index,
        exact: fits(mode, wanted),
    })
}

fn fits(mode: &Timing, wanted: &WantedMode) -> bool {
    let rate = wanted
        .millihertz
        .is_none_or(|rate| mode.millihertz.abs_diff(rate) <= SAME_RATE);
    mode.has_size(wanted) && rate
}

/// The monitor's favourite; the largest and fastest one where it has none.
fn preferred(modes: &[Timing]) -> Option<usize> {
    if let Some(index) = modes.iter().position(|mode| mode.preferred) {
        return Some(index);
    }
    let best = |mode: &Timing| {
        let area = u32::from(mode.width) * u32::from(mode.height);
        (!mode.interlaced, area, mode.millihertz)
    };
    let last = modes.iter().enumerate().rev();
    last.max_by_key(|(_, mode)| best(mode))
        .map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(width: u16, height: u16, millihertz: u32) -> Timing {
        Timing {
            width,
            height,
            millihertz,
            preferred: false,
            interlaced: false,
        }
    }

    fn preferred_mode(width: u16, height: u16, millihertz: u32) -> Timing {
        Timing {
            preferred: true,
            ..mode(width, height, millihertz)
        }
    }

    fn monitor() -> Vec<Timing> {
        vec![
            mode(1920, 1080, 144_000),
            preferred_mode(1920, 1080, 60_000),
            mode(1920, 1080, 59_940),
            mode(1280, 720, 60_000),
            Timing {
                interlaced: true,
                ..mode(1280, 720, 100_000)
            },
        ]
    }

    fn chosen(wanted: &str, current: Option<usize>) -> (usize, bool) {
        let (size, rate) = wanted.split_once('@').unwrap_or((wanted, ""));
        let (width, height) = size.split_once('x').unwrap();
        let wanted = WantedMode {
            width: width.parse().unwrap(),
            height: height.parse().unwrap(),
            millihertz: rate.parse::<u32>().ok().map(|rate| rate * 1000),
        };
        let choice = choose(&monitor(), Some(&wanted), current).unwrap();
        (choice.index, choice.exact)
    }

    #[test]
    fn the_monitor_has_the_first_word() {
        let choice = choose(&monitor(), None, Some(3)).unwrap();
        assert_eq!((choice.index, choice.exact), (1, true));
    }

    #[test]
    fn without_a_favourite_the_largest_and_fastest_is_taken() {
        let modes = [
            mode(800, 600, 75_000),
            mode(1024, 768, 60_000),
            mode(1024, 768, 70_000),
        ];
        assert_eq!(choose(&modes, None, None).unwrap().index, 2);
        assert_eq!(choose(&[], None, None), None);
    }

    #[test]
    fn a_size_without_a_rate_takes_the_highest_rate() {
        assert_eq!(chosen("1920x1080", None), (0, true));
        assert_eq!(chosen("1280x720", None), (3, true));
    }

    #[test]
    fn a_console_that_already_fits_is_left_alone() {
        assert_eq!(chosen("1920x1080", Some(2)), (2, true));
        assert_eq!(chosen("1920x1080@60", Some(2)), (2, true));
        assert_eq!(chosen("1920x1080@144", Some(2)), (0, true));
        assert_eq!(chosen("1280x720", Some(2)), (3, true));
    }

    #[test]
    fn what_the_monitor_lacks_becomes_the_nearest() {
        assert_eq!(chosen("1920x1080@75", None), (1, false));
        assert_eq!(chosen("1366x768@60", None), (3, false));
        assert_eq!(chosen("3840x2160@60", None), (1, false));
    }

    #[test]
    fn a_wanted_mode_reads_as_it_is_written() {
        let wanted = WantedMode {
            width: 800,
            height: 600,
            millihertz: Some(59_940),
        };
        assert_eq!(wanted.to_string(), "800x600@59.94");
    }
}
