//! What the device tells the guest about its monitors: their modes and their identity.

use std::time::{Duration, Instant};

use protocols::virtio_gpu::{DisplayMode, ErrorCode, MAX_SCANOUTS, Rect};
use tracing::warn;

use super::{
    identity::{self, Identity},
    later,
};
use crate::display::Monitor;

/// How long a window must keep its size before the guest is told. While a user drags a corner the
/// host reports a size for each frame, and a guest that follows each of them sets a mode each time.
pub(super) const RESIZE_SETTLES: Duration = Duration::from_millis(100);

/// The sides of a mode in pixels. Linux's driver drops modes outside of this.
const SIDES: std::ops::RangeInclusive<u32> = 32..=8192;

/// The refresh rates of a mode in millihertz, as far as they are plausible.
const MILLIHERTZ: std::ops::RangeInclusive<u32> = 1_000..=1_000_000;

/// A scanout's picture size and rate, as the device offers it to the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// Width in pixels, 32 to 8192.
    pub width: u32,
    /// Height in pixels, 32 to 8192.
    pub height: u32,
    /// Refresh rate in millihertz, 1 to 1000 Hz: 60 Hz is 60 000.
    pub millihertz: u32,
}

impl Mode {
    /// What a scanout gets where nobody asks for anything: QEMU's default, which fits on every
    /// screen and has rows of a multiple of 256 bytes.
    pub const DEFAULT: Self = Self {
        width: 1280,
        height: 800,
        millihertz: 60_000,
    };

    /// The nearest mode that can be offered. A rate of zero is one of 60 Hz.
    fn clamped(self) -> Self {
        let rate = if self.millihertz == 0 {
            Self::DEFAULT.millihertz
        } else {
            self.millihertz
        };
        Self {
            width: self.width.clamp(*SIDES.start(), *SIDES.end()),
            height: self.height.clamp(*SIDES.start(), *SIDES.end()),
            millihertz: rate.clamp(*MILLIHERTZ.start(), *MILLIHERTZ.end()),
        }
    }
}

/// The modes of all scanouts.
#[derive(Debug)]
pub(super) struct Modes {
    name: String,
    /// 1 to [`MAX_SCANOUTS`].
    scanouts: Vec<Offered>,
    /// Whether the guest can be told of changes while it runs.
    tells_changes: bool,
    changed: bool,
}

#[derive(Debug)]
struct Offered {
    mode: Mode,
    /// That of the host's monitor which it fills; its own otherwise.
    identity: Option<Identity>,
    /// Whether there is a monitor for it.
    plugged: bool,
    /// What the mode becomes if nothing else is wanted until then.
    wanted: Option<(Mode, Instant)>,
}

impl Modes {
    pub(super) fn new(name: String, modes: &[Mode]) -> Self {
        let offered = |mode: &Mode| Offered {
            mode: mode.clamped(),
            identity: None,
            plugged: true,
            wanted: None,
        };
        let mut scanouts: Vec<_> = modes.iter().take(MAX_SCANOUTS).map(offered).collect();
        if scanouts.is_empty() {
            scanouts.push(offered(&Mode::DEFAULT));
        }
        Self {
            name,
            scanouts,
            tells_changes: true,
            changed: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.scanouts.len()
    }

    pub(super) fn get(&self, scanout: usize) -> Option<Mode> {
        self.scanouts.get(scanout).map(|offered| offered.mode)
    }

    /// Offers another mode at once.
    pub(super) fn set(&mut self, scanout: usize, mode: Mode) {
        let Some(offered) = self.scanouts.get_mut(scanout) else {
            return;
        };
        offered.wanted = None;
        let mode = mode.clamped();
        self.changed |= offered.mode != mode;
        offered.mode = mode;
    }

    /// Offers another mode once it has settled.
    pub(super) fn want(&mut self, scanout: usize, change: impl FnOnce(Mode) -> Mode, now: Instant) {
        let Some(offered) = self.scanouts.get_mut(scanout) else {
            return;
        };
        let base = offered.wanted.map_or(offered.mode, |(mode, _)| mode);
        let mode = change(base).clamped();
        offered.wanted = (mode != offered.mode).then(|| (mode, later(now, RESIZE_SETTLES)));
    }

    /// Offers what the host's monitor is, at once: monitors don't change by the pixel.
    pub(super) fn monitor(&mut self, scanout: usize, monitor: &Monitor) {
        let Some(offered) = self.scanouts.get_mut(scanout) else {
            return;
        };
        let before = (offered.mode, offered.identity.take());
        self.changed |= !std::mem::replace(&mut offered.plugged, true);
        let rate = |mode: Mode| Mode {
            millihertz: match monitor.millihertz {
                0 => mode.millihertz,
                millihertz => millihertz,
            },
            ..mode
        };
        if monitor.filled && monitor.width != 0 && monitor.height != 0 {
            offered.wanted = None;
            offered.mode = rate(Mode {
                width: monitor.width,
                height: monitor.height,
                ..offered.mode
            });
            offered.identity = Some(Identity::of(monitor));
        } else {
            offered.mode = rate(offered.mode);
            offered.wanted = offered
                .wanted
                .map(|(mode, when)| (rate(mode).clamped(), when));
        }
        offered.mode = offered.mode.clamped();
        self.changed |= before.0 != offered.mode || before.1 != offered.identity;
    }

    /// There is no monitor for a scanout. Its mode stays for when there is one again.
    ///
    /// This holds for the first one, too, and for a guest that has never had a monitor: that is how
    /// a computer without one starts, and a driver that finds no monitor waits for the change.
    pub(super) fn unplug(&mut self, scanout: usize) {
        if let Some(offered) = self.scanouts.get_mut(scanout) {
            self.changed |= std::mem::take(&mut offered.plugged);
        }
    }

    /// See [`super::Gpu::set_tells_changes`].
    pub(super) fn set_tells_changes(&mut self, tells: bool) {
        self.tells_changes = tells;
    }

    /// Offers what has settled.
    pub(super) fn expire(&mut self, now: Instant) {
        for offered in &mut self.scanouts {
            if let Some((mode, _)) = offered.wanted.take_if(|(_, when)| *when <= now) {
                offered.mode = mode;
                self.changed = true;
            }
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.scanouts
            .iter()
            .filter_map(|offered| offered.wanted)
            .map(|(_, when)| when)
            .min()
    }

    /// Whether modes have changed since the last call.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The answer to GET_DISPLAY_INFO: all scanouts in a row, from left to right. Those without a
    /// monitor are all zero, as QEMU has them.
    pub(super) fn display_info(&self) -> [DisplayMode; MAX_SCANOUTS] {
        let mut info = [DisplayMode::default(); MAX_SCANOUTS];
        let mut x = 0_u32;
        for (entry, Offered { mode, plugged, .. }) in info.iter_mut().zip(&self.scanouts) {
            if !plugged && self.tells_changes {
                continue;
            }
            let rect = Rect {
                x,
                y: 0,
                width: mode.width,
                height: mode.height,
            };
            *entry = DisplayMode {
                rect,
                enabled: true,
                flags: 0,
            };
            x = x.saturating_add(mode.width);
        }
        info
    }

    /// The answer to GET_EDID. Without a monitor it is the last one's: Linux takes an error for an
    /// EDID, and asks for it before it knows whether there is a monitor.
    pub(super) fn edid(&self, scanout: u32) -> Result<Vec<u8>, ErrorCode> {
        let index = usize::try_from(scanout).map_err(|_| ErrorCode::InvalidParameter)?;
        let mode = self.get(index).ok_or(ErrorCode::InvalidParameter)?;
        let identity = self.scanouts.get(index).and_then(|it| it.identity.as_ref());
        let describe = |mode| identity::edid(identity, &self.name, scanout, mode);
        let described = describe(mode).or_else(|error| {
            warn!(scanout, %error, "offering the monitor at 60 Hz instead");
            describe(Mode {
                millihertz: Mode::DEFAULT.millihertz,
                ..mode
            })
        });
        described.map_err(|error| {
            warn!(scanout, %error, "the monitor can't be described");
            ErrorCode::Unspec
        })
    }
}

#[cfg(test)]
mod tests {
    use protocols::edid::Edid;

    use super::*;

    fn mode(width: u32, height: u32) -> Mode {
        Mode {
            width,
            height,
            millihertz: 60_000,
        }
    }

    fn modes(modes: &[Mode]) -> Modes {
        Modes::new("guest".to_owned(), modes)
    }

    #[test]
    fn there_are_one_to_sixteen_scanouts_in_a_row() {
        assert_eq!(modes(&[]).get(0), Some(Mode::DEFAULT));
        assert_eq!(modes(&[mode(640, 480); 20]).len(), 16);

        let info = modes(&[mode(640, 480), mode(1024, 768)]).display_info();
        let second = Rect {
            x: 640,
            y: 0,
            width: 1024,
            height: 768,
        };
        assert_eq!(
            info[1],
            DisplayMode {
                rect: second,
                enabled: true,
                flags: 0
            }
        );
        assert_eq!(info[2], DisplayMode::default());
    }

    #[test]
    fn the_edid_prefers_the_mode_of_the_display_info() {
        let modes = modes(&[
            mode(1366, 768),
            Mode {
                millihertz: 143_912,
                ..mode(2560, 1440)
            },
        ]);
        for scanout in 0..2 {
            let edid = Edid::decode(&modes.edid(scanout).unwrap()).unwrap();
            let rect = modes.display_info()[scanout as usize].rect;
            assert_eq!(
                (edid.preferred.width, edid.preferred.height),
                (rect.width, rect.height)
            );
            assert_eq!((edid.name.as_str(), edid.serial), ("guest", scanout + 1));
        }
        assert_eq!(modes.edid(2), Err(ErrorCode::InvalidParameter));
        assert_eq!(modes.edid(u32::MAX), Err(ErrorCode::InvalidParameter));
    }

    #[test]
    fn every_mode_that_can_be_set_can_be_described() {
        for side in [0, 32, 4095, 4096, 8192, u32::MAX] {
            for millihertz in [0, 1, 60_000, u32::MAX] {
                let modes = modes(&[Mode {
                    width: side,
                    height: side,
                    millihertz,
                }]);
                assert!(modes.edid(0).is_ok(), "{:?}", modes.get(0));
            }
        }
    }

    #[test]
    fn the_guest_is_told_once_the_size_has_settled() {
        let mut modes = modes(&[mode(640, 480)]);
        let start = Instant::now();
        let resize = |modes: &mut Modes, width, at| {
            modes.want(0, |mode| Mode { width, ..mode }, at);
        };
        resize(&mut modes, 700, start);
        resize(&mut modes, 800, start + RESIZE_SETTLES / 2);
        modes.expire(start + RESIZE_SETTLES);
        assert!(!modes.take_changed());

        assert_eq!(modes.next_deadline(), Some(start + RESIZE_SETTLES * 3 / 2));
        modes.expire(start + RESIZE_SETTLES * 2);
        assert!(modes.take_changed());
        assert!(!modes.take_changed());
        assert_eq!(
            (modes.get(0), modes.next_deadline()),
            (Some(mode(800, 480)), None)
        );
    }

    #[test]
    fn going_back_to_the_old_size_tells_the_guest_nothing() {
        let mut modes = modes(&[mode(640, 480)]);
        let start = Instant::now();
        modes.want(0, |_| mode(700, 500), start);
        modes.want(0, |_| mode(640, 480), start);
        assert_eq!(modes.next_deadline(), None);
        modes.set(0, mode(640, 480));
        modes.set(7, mode(1, 1));
        assert!(!modes.take_changed());
    }
    fn monitor(filled: bool) -> Monitor {
        Monitor {
            model: "Wall".to_owned(),
            width: 1920,
            height: 1080,
            millihertz: 75_000,
            filled,
            ..Monitor::default()
        }
    }

    fn name(modes: &Modes) -> String {
        Edid::decode(&modes.edid(0).unwrap()).unwrap().name
    }

    #[test]
    fn the_guest_is_told_once_of_a_monitor_that_it_fills() {
        let mut modes = modes(&[mode(640, 480)]);
        let start = Instant::now();
        // The window's size may come first or last.
        modes.want(
            0,
            |mode| Mode {
                width: 1920,
                height: 1080,
                ..mode
            },
            start,
        );
        modes.monitor(0, &monitor(true));
        assert!(modes.take_changed());
        let full = Mode {
            millihertz: 75_000,
            ..mode(1920, 1080)
        };
        assert_eq!((modes.get(0), modes.next_deadline()), (Some(full), None));
        assert_eq!(name(&modes), "Wall");

        modes.want(
            0,
            |mode| Mode {
                width: 1920,
                height: 1080,
                ..mode
            },
            start,
        );
        modes.monitor(0, &monitor(true));
        assert_eq!(modes.next_deadline(), None);
        assert!(!modes.take_changed());

        let other = Monitor {
            model: "Desk".to_owned(),
            ..monitor(true)
        };
        modes.monitor(0, &other);
        assert!(modes.take_changed(), "another one with the same mode");
        assert_eq!(name(&modes), "Desk");
    }

    #[test]
    fn a_monitor_is_disabled_while_it_is_unplugged_and_told_of_once() {
        let mut modes = modes(&[mode(640, 480), mode(800, 600)]);
        let enabled = |modes: &Modes| modes.display_info().map(|info| info.enabled);
        modes.unplug(0);
        assert!(modes.take_changed());
        modes.unplug(0);
        modes.unplug(7);
        assert!(!modes.take_changed());
        assert_eq!(enabled(&modes)[..3], [false, true, false]);
        let info = modes.display_info();
        assert_eq!(info[0], DisplayMode::default());
        assert_eq!(info[1].rect, Rect::from_size(800, 600));
        assert!(modes.edid(0).is_ok());

        modes.monitor(0, &monitor(true));
        assert!(modes.take_changed());
        assert_eq!(enabled(&modes)[..3], [true, true, false]);
        assert_eq!(modes.display_info()[0].rect, Rect::from_size(1920, 1080));
        assert_eq!(name(&modes), "Wall");
    }

    #[test]
    fn the_same_monitor_is_news_when_it_is_plugged_in_again() {
        let mut modes = modes(&[mode(640, 480)]);
        for filled in [true, false] {
            modes.monitor(0, &monitor(filled));
            modes.unplug(0);
            assert!(modes.take_changed());
            modes.monitor(0, &monitor(filled));
            assert!(modes.take_changed());
            assert_eq!(modes.display_info()[0].rect, Rect::from_size(1920, 1080));
        }
    }

    #[test]
    fn who_can_not_be_told_that_a_monitor_is_back_is_not_told_that_it_is_gone() {
        let mut modes = modes(&[mode(640, 480)]);
        modes.set_tells_changes(false);
        modes.unplug(0);
        assert!(modes.display_info()[0].enabled);
        modes.set_tells_changes(true);
        assert!(!modes.display_info()[0].enabled);
    }

    #[test]
    fn a_monitor_that_is_not_filled_gives_its_rate_only() {
        let mut modes = modes(&[mode(640, 480)]);
        let start = Instant::now();
        modes.want(0, |mode| Mode { width: 800, ..mode }, start);
        modes.monitor(0, &monitor(false));
        assert!(modes.take_changed());
        assert_eq!(
            modes.get(0),
            Some(Mode {
                millihertz: 75_000,
                ..mode(640, 480)
            })
        );
        assert_eq!(name(&modes), "guest");
        modes.expire(start + RESIZE_SETTLES);
        assert_eq!(
            modes.get(0),
            Some(Mode {
                millihertz: 75_000,
                ..mode(800, 480)
            })
        );
    }

    #[test]
    fn a_monitor_of_no_size_or_rate_changes_neither() {
        let mut modes = modes(&[mode(640, 480)]);
        modes.monitor(
            0,
            &Monitor {
                filled: true,
                ..Monitor::default()
            },
        );
        modes.monitor(9, &monitor(true));
        assert!(!modes.take_changed());
        let huge = Monitor {
            width: u32::MAX,
            height: 1,
            millihertz: 1,
            ..monitor(true)
        };
        modes.monitor(0, &huge);
        assert_eq!(
            modes.get(0),
            Some(Mode {
                millihertz: 1_000,
                ..mode(8192, 32)
            })
        );
    }
}
