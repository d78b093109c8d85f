//! How the user wants windows to be.

/// What the user can choose about a guest's windows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Preferences {
    /// What happens to a picture that has not its window's size.
    pub fit: Fit,
    /// How many of the guest's pixels there are to a logical pixel of the host; the host's own
    /// scale where `None`, so that each of the guest's pixels is one of the monitor's.
    pub scale: Option<Scale>,
    /// Whether frames may be shown in the middle of a refresh, in full screen.
    pub tearing: bool,
    /// In words, what the user presses to get the hands back from the guest, for titles: like
    /// `Ctrl+Alt`. Empty where nothing does.
    pub release: String,
    /// A TrueType font with letters of equal width, for title bars; they have no text without it.
    pub font: Option<&'static [u8]>,
}

/// What happens to a picture that has not its window's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Fit {
    /// It is made as large as the window, whatever becomes of its shape.
    Stretch,
    /// It is made as large as fits in its own shape.
    #[default]
    Letterbox,
    /// Each of its pixels is made as many of the monitor's pixels as fit.
    Integer,
    /// It is left as it is, in the middle; what does not fit is cut off.
    None,
}

/// How many pixels there are to a logical pixel, from 1/4 to 8. Wayland counts it in parts, of which
/// there are 120 to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scale(u32);

impl Scale {
    /// One to one.
    pub const ONE: Self = Self(Self::PARTS);

    const PARTS: u32 = 120;

    /// The smallest and the largest, in parts.
    const BOUNDS: (u32, u32) = (Self::PARTS / 4, Self::PARTS * 8);

    /// So many parts, or what is nearest of what is possible.
    #[must_use]
    pub fn from_parts(parts: u32) -> Self {
        let (least, most) = Self::BOUNDS;
        Self(parts.clamp(least, most))
    }

    /// A factor; `None` if it is out of range, or none at all.
    #[must_use]
    pub fn from_factor(factor: f64) -> Option<Self> {
        let parts = (factor * f64::from(Self::PARTS)).round();
        let (least, most) = Self::BOUNDS;
        // Saturates, and is only used in range.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be in range"
        )]
        (f64::from(least)..=f64::from(most))
            .contains(&parts)
            .then_some(Self(parts as u32))
    }

    /// So many pixels for this length in logical pixels: to the nearest, half ones up, as the
    /// fractional-scale protocol rounds.
    pub(super) fn pixels(self, logical: u32) -> u32 {
        scaled(logical, self.0, Self::PARTS)
    }

    /// So many logical pixels for this length in pixels, to the nearest; at least one.
    pub(super) fn logical(self, pixels: u32) -> u32 {
        scaled(pixels, Self::PARTS, self.0).max(1)
    }

    /// Pixels to an inch, where one to one has the usual number.
    pub(super) fn dpi(self) -> u32 {
        /// What desktops take for a monitor without scaling.
        const USUAL: u32 = 96;
        self.pixels(USUAL)
    }

    /// As a factor.
    pub(super) fn factor(self) -> f64 {
        f64::from(self.0) / f64::from(Self::PARTS)
    }
}

impl Default for Scale {
    fn default() -> Self {
        Self::ONE
    }
}

fn scaled(value: u32, times: u32, by: u32) -> u32 {
    let (times, by) = (u64::from(times), u64::from(by.max(1)));
    let scaled = (u64::from(value) * times + by / 2) / by;
    u32::try_from(scaled).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_rounded_to_the_nearest_pixel() {
        let one_and_a_half = Scale::from_factor(1.5).unwrap();
        assert_eq!(one_and_a_half, Scale::from_parts(180));
        assert_eq!(one_and_a_half.pixels(667), 1001);
        assert_eq!(one_and_a_half.logical(1001), 667);
        assert_eq!(one_and_a_half.dpi(), 144);
        assert_eq!(Scale::ONE.pixels(u32::MAX), u32::MAX);
        assert_eq!(Scale::from_parts(960).pixels(u32::MAX), u32::MAX);
        assert_eq!(Scale::from_parts(960).logical(1), 1);
    }

    #[test]
    fn impossible_factors_are_none() {
        for factor in [0.0, -1.0, 0.24, 8.01, f64::NAN, f64::INFINITY] {
            assert_eq!(Scale::from_factor(factor), None, "{factor}");
        }
        assert_eq!(Scale::from_parts(0), Scale::from_factor(0.25).unwrap());
        assert_eq!(
            Scale::from_parts(u32::MAX),
            Scale::from_factor(8.0).unwrap()
        );
    }
}
