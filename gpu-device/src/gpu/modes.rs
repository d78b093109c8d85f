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
pub(super) const SIDES: std::ops::RangeInclusive<u32> = 32..=8192;

/// Pixels of a row that every GPU takes: rows of 32-bit pixels then have multiples of 256 bytes.
const ROW: u32 = 64;

/// The densities of a monitor in dots an inch, as far as they are plausible.
const DENSITIES: std::ops::RangeInclusive<u32> = 24..=768;

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
    /// Whether the host has been seen to refuse rows of any other length than a multiple of
    /// [`ROW`].
    whole_rows: bool,
    changed: bool,
}

#[derive(Debug)]
struct Offered {
    now: Shape,
    /// That of the host's monitor which it fills; its own otherwise.
    identity: Option<Identity>,
    plug: Plug,
    /// What it becomes if nothing else is wanted until then.
    wanted: Option<(Shape, Instant)>,
}

/// A mode, and how large its pixels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    mode: Mode,
    /// Pixels to an inch.
    dpi: u32,
}

/// Whether a scanout has a monitor.
///
/// ```text
///             plug                 host's monitor goes
/// Removed ───────────▶ In ◀───────────────────────────▶ Out
///    ▲                  │  host's monitor comes          │
///    └───── remove ─────┴─────────── remove ─────────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plug {
    /// The user does not want one.
    Removed,
    /// There is one.
    In,
    /// The host has none for it.
    Out,
}

impl Modes {
    /// Connectors with monitors of these modes, and further ones without up to `connectors`.
    pub(super) fn new(name: String, modes: &[Mode], connectors: usize) -> Self {
        let offered = |mode: Mode, plug| Offered {
            now: Shape {
                mode: mode.clamped(),
                dpi: identity::USUAL_DENSITY,
            },
            identity: None,
            plug,
            wanted: None,
        };
        let configured = match modes {
            [] => &[Mode::DEFAULT],
            modes => modes,
        };
        let spare = std::iter::repeat_n(Mode::DEFAULT, connectors.saturating_sub(configured.len()));
        let configured = configured.iter().map(|mode| offered(*mode, Plug::In));
        let all = configured.chain(spare.map(|mode| offered(mode, Plug::Removed)));
        Self {
            name,
            scanouts: all.take(MAX_SCANOUTS).collect(),
            tells_changes: true,
            whole_rows: false,
            changed: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.scanouts.len()
    }

    pub(super) fn get(&self, scanout: usize) -> Option<Mode> {
        self.scanouts.get(scanout).map(|offered| offered.now.mode)
    }

    /// Offers another mode at once.
    pub(super) fn set(&mut self, scanout: usize, mode: Mode) {
        let Some(offered) = self.scanouts.get_mut(scanout) else {
            return;
        };
        offered.wanted = None;
        let mode = mode.clamped();
        self.changed |= offered.now.mode != mode;
        offered.now.mode = mode;
    }

    /// Offers a window's size, in pixels of which there are so many to an inch, once it has
    /// settled.
    pub(super) fn want_size(
        &mut self,
        scanout: usize,
        (width, height): (u32, u32),
        dpi: u32,
        now: Instant,
    ) {
        let width = if self.whole_rows {
            whole_rows(width)
        } else {
            width
        };
        let change = |shape: Shape| Shape {
            mode: Mode {
                width,
                height,
                ..shape.mode
            },
            dpi: dpi.clamp(*DENSITIES.start(), *DENSITIES.end()),
        };
        self.want(scanout, change, now);
    }

    /// Offers another refresh rate once it has settled.
    pub(super) fn want_rate(&mut self, scanout: usize, millihertz: u32, now: Instant) {
        let change = |shape: Shape| Shape {
            mode: Mode {
                millihertz,
                ..shape.mode
            },
            ..shape
        };
        self.want(scanout, change, now);
    }

    fn want(&mut self, scanout: usize, change: impl FnOnce(Shape) -> Shape, now: Instant) {
        let Some(offered) = self.scanouts.get_mut(scanout) else {
            return;
        };
        let shape = change(offered.wanted.map_or(offered.now, |(shape, _)| shape)).clamped();
        offered.wanted = (shape != offered.now).then(|| (shape, later(now, RESIZE_SETTLES)));
    }

    /// The host has refused pixels whose rows have `stride` bytes. Where another length might do,
    /// windows are offered to the guest without the last few pixels of their width from now on,
    /// those that are there already included.
    ///
    /// This waits for a refusal because most hosts take any row, and there a window's exact width
    /// is worth more. Monitors that a scanout fills keep their width: less would not cover them.
    pub(super) fn rows_refused(&mut self, stride: u32, now: Instant) {
        if stride.is_multiple_of(ROW.saturating_mul(4)) || self.whole_rows {
            return;
        }
        self.whole_rows = true;
        for index in 0..self.scanouts.len() {
            let windowed = |offered: &&Offered| offered.identity.is_none();
            if let Some(offered) = self.scanouts.get(index).filter(windowed) {
                let Shape { mode, dpi } = offered.wanted.map_or(offered.now, |(shape, _)| shape);
                self.want_size(index, (mode.width, mode.height), dpi, now);
            }
        }
    }

    /// Offers what the host's monitor is, at once: monitors don't change by the pixel.
    pub(super) fn monitor(&mut self, scanout: usize, monitor: &Monitor) {
        let Some(offered) = self.scanouts.get_mut(scanout) else {
            return;
        };
        let before = (offered.now, offered.identity.take());
        if offered.plug == Plug::Out {
            offered.plug = Plug::In;
            self.changed = true;
        }
        let rate = |mode: Mode| Mode {
            millihertz: match monitor.millihertz {
                0 => mode.millihertz,
                millihertz => millihertz,
            },
            ..mode
        };
        if monitor.filled && monitor.width != 0 && monitor.height != 0 {
            offered.wanted = None;
            offered.now.mode = rate(Mode {
                width: monitor.width,
                height: monitor.height,
                ..offered.now.mode
            });
            offered.identity = Some(Identity::of(monitor));
        } else {
            offered.now.mode = rate(offered.now.mode);
            if let Some((shape, _)) = &mut offered.wanted {
                shape.mode = rate(shape.mode).clamped();
            }
        }
        offered.now = offered.now.clamped();
        self.changed |= before.0 != offered.now || before.1 != offered.identity;
    }

    /// There is no monitor for a scanout. Its mode stays for when there is one again.
    ///
    /// This holds for the first one, too, and for a guest that has never had a monitor: that is how
    /// a computer without one starts, and a driver that finds no monitor waits for the change.
    pub(super) fn unplug(&mut self, scanout: usize) {
        if let Some(offered) = self.scanouts.get_mut(scanout)
            && offered.plug == Plug::In
        {
            offered.plug = Plug::Out;
            self.changed = true;
        }
    }

    /// The user wants a monitor on a scanout. Where the host has none for it, it waits for one.
    pub(super) fn plug(&mut self, scanout: usize) {
        if let Some(offered) = self.scanouts.get_mut(scanout)
            && offered.plug == Plug::Removed
        {
            offered.plug = Plug::In;
            self.changed = true;
        }
    }

    /// The user wants no monitor on a scanout.
    pub(super) fn remove(&mut self, scanout: usize) {
        if let Some(offered) = self.scanouts.get_mut(scanout) {
            let before = std::mem::replace(&mut offered.plug, Plug::Removed);
            self.changed |= before == Plug::In;
        }
    }

    /// Another host is there. What the last one lacked, this one may have; it says so if not.
    pub(super) fn another_host(&mut self) {
        self.whole_rows = false;
        for offered in &mut self.scanouts {
            if offered.plug == Plug::Out {
                offered.plug = Plug::In;
                self.changed = true;
            }
        }
    }

    /// Whether the user wants no monitor on a scanout.
    pub(super) fn is_removed(&self, scanout: usize) -> bool {
        let offered = self.scanouts.get(scanout);
        offered.is_none_or(|offered| offered.plug == Plug::Removed)
    }

    /// Whether the guest can be told of changes.
    pub(super) fn tells_changes(&self) -> bool {
        self.tells_changes
    }

    /// See [`super::Gpu::set_tells_changes`].
    pub(super) fn set_tells_changes(&mut self, tells: bool) {
        self.tells_changes = tells;
    }

    /// Offers what has settled.
    pub(super) fn expire(&mut self, now: Instant) {
        for offered in &mut self.scanouts {
            if let Some((shape, _)) = offered.wanted.take_if(|(_, when)| *when <= now) {
                offered.now = shape;
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
        for (entry, Offered { now, plug, .. }) in info.iter_mut().zip(&self.scanouts) {
            let there = match plug {
                Plug::In => true,
                Plug::Out => !self.tells_changes,
                Plug::Removed => false,
            };
            if !there {
                continue;
            }
            let mode = now.mode;
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
        let offered = self.scanouts.get(index);
        let offered = offered.ok_or(ErrorCode::InvalidParameter)?;
        let Shape { mode, dpi } = offered.now;
        let identity = offered.identity.as_ref();
        let describe = |mode| identity::edid(identity, &self.name, scanout, mode, dpi);
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

impl Shape {
    fn clamped(self) -> Self {
        Self {
            mode: self.mode.clamped(),
            ..self
        }
    }
}

/// As much of a width as rows of whole multiples of [`ROW`] pixels can have.
fn whole_rows(width: u32) -> u32 {
    let rest = width.checked_rem(ROW).unwrap_or(0);
    width.saturating_sub(rest).max(ROW)
}

#[cfg(test)]
mod tests {
    use protocols::edid::{Edid, PhysicalSize};

    use super::*;

    fn mode(width: u32, height: u32) -> Mode {
        Mode {
            width,
            height,
            millihertz: 60_000,
        }
    }

    fn modes(modes: &[Mode]) -> Modes {
        Modes::new("guest".to_owned(), modes, 1)
    }

    fn want(modes: &mut Modes, width: u32, height: u32, at: Instant) {
        modes.want_size(0, (width, height), 96, at);
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
        want(&mut modes, 700, 480, start);
        want(&mut modes, 800, 480, start + RESIZE_SETTLES / 2);
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
        want(&mut modes, 700, 500, start);
        want(&mut modes, 640, 480, start);
        assert_eq!(modes.next_deadline(), None);
        modes.set(0, mode(640, 480));
        modes.set(7, mode(1, 1));
        assert!(!modes.take_changed());
    }

    #[test]
    fn the_density_of_a_window_s_pixels_is_the_monitor_s() {
        let mut modes = modes(&[mode(1280, 800)]);
        let start = Instant::now();
        let size = |modes: &Modes| Edid::decode(&modes.edid(0).unwrap()).unwrap().size;
        assert_eq!(size(&modes), PhysicalSize::at_dpi(1280, 800, 96));
        modes.want_size(0, (1280, 800), 192, start);
        modes.expire(start + RESIZE_SETTLES);
        assert!(modes.take_changed(), "also where the mode stays");
        assert_eq!(size(&modes), PhysicalSize::at_dpi(1280, 800, 192));
        for impossible in [0, u32::MAX] {
            modes.want_size(0, (1280, 800), impossible, start);
            modes.expire(start + RESIZE_SETTLES);
            assert_ne!(size(&modes).width_mm, 0);
        }
    }

    #[test]
    fn rows_are_whole_once_the_host_has_refused_others() {
        let mut modes = modes(&[mode(1366, 768)]);
        let start = Instant::now();
        want(&mut modes, 1000, 700, start);
        modes.rows_refused(1280 * 4, start);
        modes.expire(start + RESIZE_SETTLES);
        assert_eq!(
            modes.get(0),
            Some(mode(1000, 700)),
            "such rows are not at fault"
        );

        modes.rows_refused(1000 * 4, start);
        modes.expire(start + RESIZE_SETTLES);
        assert_eq!(modes.get(0), Some(mode(960, 700)));
        for (window, offered) in [(1919, 1856), (1920, 1920), (63, 64), (32, 64)] {
            want(&mut modes, window, 700, start);
            modes.expire(start + RESIZE_SETTLES);
            assert_eq!(modes.get(0), Some(mode(offered, 700)));
        }
    }

    #[test]
    fn a_filled_monitor_keeps_its_width_whatever_the_host_refuses() {
        let mut modes = modes(&[mode(640, 480)]);
        let start = Instant::now();
        let odd = Monitor {
            width: 1366,
            height: 768,
            ..monitor(true)
        };
        modes.monitor(0, &odd);
        modes.rows_refused(1366 * 4, start);
        modes.expire(start + RESIZE_SETTLES);
        assert_eq!(modes.get(0).unwrap().width, 1366);
    }

    #[test]
    fn spare_connectors_have_no_monitor_whatever_the_vmm_can_tell() {
        let mut modes = Modes::new("guest".to_owned(), &[mode(640, 480)], 4);
        assert_eq!(modes.len(), 4);
        let enabled = |modes: &Modes| modes.display_info().map(|info| info.enabled);
        for tells in [true, false] {
            modes.set_tells_changes(tells);
            assert_eq!(enabled(&modes)[..3], [true, false, false]);
        }
        assert!(
            modes.edid(3).is_ok(),
            "Linux asks before it knows whether there is a monitor"
        );
        assert_eq!(modes.edid(4), Err(ErrorCode::InvalidParameter));
    }

    #[test]
    fn what_the_user_removed_does_not_come_back_with_the_host_s_monitor() {
        let mut modes = modes(&[mode(640, 480)]);
        modes.remove(0);
        assert!(modes.take_changed());
        modes.remove(0);
        modes.unplug(0);
        modes.monitor(0, &monitor(false));
        modes.take_changed();
        assert!(modes.is_removed(0));
        assert!(!modes.display_info()[0].enabled);
        modes.plug(0);
        assert!(modes.take_changed());
        assert!(modes.display_info()[0].enabled);
        // And it waits for a monitor where the host has none.
        modes.unplug(0);
        modes.plug(0);
        assert!(!modes.display_info()[0].enabled);
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
        want(&mut modes, 1920, 1080, start);
        modes.monitor(0, &monitor(true));
        assert!(modes.take_changed());
        let full = Mode {
            millihertz: 75_000,
            ..mode(1920, 1080)
        };
        assert_eq!((modes.get(0), modes.next_deadline()), (Some(full), None));
        assert_eq!(name(&modes), "Wall");

        want(&mut modes, 1920, 1080, start);
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
        want(&mut modes, 800, 480, start);
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
