//! Where the guest's screens are beside each other, for devices that say where they are.
//!
//! A guest takes an absolute device for one that spans all of its screens: both axes go over the
//! box around all of them, as the device places them in GET_DISPLAY_INFO.

use protocols::virtio_gpu::Rect;

use super::{Position, devices::PLACE_MAX};
use crate::display::ScanoutId;

/// The places of the guest's screens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    screens: Vec<(ScanoutId, Rect)>,
    width: u32,
    height: u32,
}

impl Layout {
    /// Screens at these places; empty ones are none.
    pub fn new(screens: impl IntoIterator<Item = (ScanoutId, Rect)>) -> Self {
        let screens: Vec<_> = screens
            .into_iter()
            .filter(|(_, rect)| rect.width > 0 && rect.height > 0)
            .collect();
        let far = |end: fn(&Rect) -> u32| screens.iter().map(|(_, rect)| end(rect)).max();
        let width = far(|rect| rect.x.saturating_add(rect.width)).unwrap_or(0);
        let height = far(|rect| rect.y.saturating_add(rect.height)).unwrap_or(0);
        Self {
            screens,
            width,
            height,
        }
    }

    /// Whether there is such a screen.
    pub fn has(&self, scanout: ScanoutId) -> bool {
        self.screens.iter().any(|(id, _)| *id == scanout)
    }

    /// A place in the units of an absolute device; the nearest one on the screen for a place beside
    /// it. `None` where there is no such screen, or for no place at all.
    pub fn place(&self, at: Position) -> Option<(i32, i32)> {
        let (_, rect) = self.screens.iter().find(|(id, _)| *id == at.scanout)?;
        let x = along(at.x, rect.x, rect.width, self.width)?;
        let y = along(at.y, rect.y, rect.height, self.height)?;
        Some((x, y))
    }
}

/// A place on one axis: `start` and `length` are the screen's, `all` is the whole axis.
fn along(at: f64, start: u32, length: u32, all: u32) -> Option<i32> {
    if at.is_nan() {
        return None;
    }
    let pixel = f64::from(start) + at.clamp(0.0, f64::from(length));
    // libinput takes a value v for the pixel v * all / (PLACE_MAX + 1), rounded down. Rounded up
    // here, a whole pixel comes out as that pixel, and never as the one before it.
    let units = (pixel * (f64::from(PLACE_MAX) + 1.0) / f64::from(all)).ceil();
    Some(whole(units).min(PLACE_MAX))
}

/// A number without what is behind its point; the nearest there is for one that is too large, 0 for
/// none.
pub(super) fn whole(value: f64) -> i32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "such a cast takes the nearest number and cuts towards zero, which is wanted"
    )]
    let whole = value as i32;
    whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
        Rect {
            x,
            y,
            width,
            height,
        }
    }

    fn at(scanout: u8, x: f64, y: f64) -> Position {
        Position {
            scanout: ScanoutId(scanout),
            x,
            y,
        }
    }

    fn two() -> Layout {
        Layout::new([
            (ScanoutId(0), rect(0, 0, 1280, 800)),
            (ScanoutId(2), rect(1280, 0, 640, 480)),
        ])
    }

    #[test]
    fn screens_beside_each_other_share_the_axes() {
        let layout = two();
        assert_eq!(layout.place(at(0, 0.0, 0.0)), Some((0, 0)));
        assert_eq!(layout.place(at(0, 960.0, 400.0)), Some((16_384, 16_384)));
        assert_eq!(layout.place(at(2, 320.0, 0.0)), Some((27_307, 0)));
        assert_eq!(layout.place(at(2, 640.0, 480.0)), Some((32_767, 19_661)));
    }

    #[test]
    fn places_beside_a_screen_are_at_its_edge() {
        let layout = two();
        let edge = layout.place(at(0, 1280.0, 800.0));
        assert_eq!(layout.place(at(0, 1e300, f64::INFINITY)), edge);
        assert_eq!(layout.place(at(0, -5.0, f64::NEG_INFINITY)), Some((0, 0)));
    }

    #[test]
    fn no_screen_and_no_number_is_no_place() {
        assert_eq!(two().place(at(1, 0.0, 0.0)), None);
        assert_eq!(two().place(at(0, f64::NAN, 0.0)), None);
        assert_eq!(Layout::default().place(at(0, 0.0, 0.0)), None);
        let empty = Layout::new([(ScanoutId(0), rect(0, 0, 0, 5))]);
        assert!(!empty.has(ScanoutId(0)));
    }

    proptest! {
        #[test]
        fn every_pixel_is_found_by_libinput(width in 1_u32..=8192, pixel in 0_u32..8192) {
            let pixel = pixel % width;
            let layout = Layout::new([(ScanoutId(0), rect(0, 0, width, 1))]);
            let (units, _) = layout.place(at(0, f64::from(pixel), 0.0)).unwrap();
            let found = f64::from(units) * f64::from(width) / 32_768.0;
            prop_assert_eq!(whole(found.floor()), i32::try_from(pixel).unwrap());
        }
    }
}
