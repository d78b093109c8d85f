//! How a guest's picture is laid onto a monitor of another size. Pure geometry, all in pixels of
//! the monitor.

/// What happens to a guest's picture that does not have its monitor's size. One that does is
/// never touched: a display controller can show it only as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fit {
    /// It fills the monitor, whatever that does to circles.
    Stretch,
    /// As large as fits with its proportions kept.
    #[default]
    Letterbox,
    /// As many times as large as fits, so that all of its pixels have one size. One that does not
    /// fit even once is made smaller, as by [`Fit::Letterbox`].
    Integer,
    /// Pixel for pixel in the middle; what does not fit is cut off on all sides.
    None,
}

/// Where a picture is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fitted {
    /// The left edge from that of the monitor, in pixels; negative where the picture is cut off.
    pub x: i32,
    /// The top edge from that of the monitor, in pixels; negative where the picture is cut off.
    pub y: i32,
    /// Pixels of the monitor per pixel of the picture, to the right and down. The picture's size
    /// times this is a whole number.
    pub scale: (f64, f64),
}

impl Fit {
    /// Where a picture of the size `content` is on a monitor of the size `screen`; widths and
    /// heights in pixels. One without any pixels is where its monitor is, unscaled.
    #[must_use]
    pub fn place(self, content: (i32, i32), screen: (i32, i32)) -> Fitted {
        if content.0 <= 0 || content.1 <= 0 || screen.0 <= 0 || screen.1 <= 0 || content == screen {
            return Fitted {
                x: 0,
                y: 0,
                scale: (1.0, 1.0),
            };
        }
        let shown = match self {
            Self::Stretch => screen,
            Self::Letterbox => letterbox(content, screen),
            Self::Integer => match (screen.0 / content.0).min(screen.1 / content.1) {
                0 => letterbox(content, screen),
                times => (content.0 * times, content.1 * times),
            },
            Self::None => content,
        };
        Fitted {
            x: (screen.0 - shown.0).div_euclid(2),
            y: (screen.1 - shown.1).div_euclid(2),
            scale: (
                f64::from(shown.0) / f64::from(content.0),
                f64::from(shown.1) / f64::from(content.1),
            ),
        }
    }
}

/// The largest size of these proportions on a screen, rounded to whole pixels.
fn letterbox(content: (i32, i32), screen: (i32, i32)) -> (i32, i32) {
    let [width, height] = [content.0, content.1].map(i64::from);
    let [most_wide, most_high] = [screen.0, screen.1].map(i64::from);
    let (wide, high) = if width * most_high >= height * most_wide {
        (most_wide, rounded(height * most_wide, width))
    } else {
        (rounded(width * most_high, height), most_high)
    };
    // Both are at most as large as the screen.
    let pixels = |size: i64| i32::try_from(size).unwrap_or(i32::MAX).max(1);
    (pixels(wide), pixels(high))
}

fn rounded(dividend: i64, divisor: i64) -> i64 {
    (dividend + divisor / 2) / divisor
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCREEN: (i32, i32) = (1024, 768);

    /// Left, top, width and height.
    fn area(fit: Fit, content: (i32, i32), screen: (i32, i32)) -> (i32, i32, i32, i32) {
        let fitted = fit.place(content, screen);
        let shown = |pixels: i32, scale: f64| {
            let exact = f64::from(pixels) * scale;
            assert!((exact - exact.round()).abs() < 1e-6, "whole pixels");
            #[expect(clippy::cast_possible_truncation, reason = "at most a size of i32")]
            let whole = exact.round() as i32;
            whole
        };
        let width = shown(content.0, fitted.scale.0);
        let height = shown(content.1, fitted.scale.1);
        (fitted.x, fitted.y, width, height)
    }

    #[test]
    fn a_smaller_picture_fits_in_four_ways() {
        let fits = |content| {
            [Fit::Stretch, Fit::Letterbox, Fit::Integer, Fit::None]
                .map(|fit| area(fit, content, SCREEN))
        };
        assert_eq!(
            fits((320, 200)),
            [
                (0, 0, 1024, 768),
                (0, 64, 1024, 640),
                (32, 84, 960, 600),
                (352, 284, 320, 200),
            ]
        );
        assert_eq!(
            fits((100, 384)),
            [
                (0, 0, 1024, 768),
                (412, 0, 200, 768),
                (412, 0, 200, 768),
                (462, 192, 100, 384),
            ]
        );
    }

    #[test]
    fn a_larger_picture_is_made_smaller_or_cut_off() {
        let fits =
            [Fit::Letterbox, Fit::Integer, Fit::None].map(|fit| area(fit, (2048, 1000), SCREEN));
        assert_eq!(
            fits,
            [
                (0, 134, 1024, 500),
                (0, 134, 1024, 500),
                (-512, -116, 2048, 1000),
            ]
        );
    }

    #[test]
    fn a_picture_without_pixels_is_left_alone() {
        let nothing = Fitted {
            x: 0,
            y: 0,
            scale: (1.0, 1.0),
        };
        assert_eq!(Fit::Letterbox.place((0, 0), SCREEN), nothing);
        assert_eq!(Fit::Integer.place((5, 0), SCREEN), nothing);
        assert_eq!(Fit::Stretch.place((5, 5), (0, 0)), nothing);
    }

    fn any_fit() -> impl Strategy<Value = Fit> {
        prop_oneof![
            Just(Fit::Stretch),
            Just(Fit::Letterbox),
            Just(Fit::Integer),
            Just(Fit::None)
        ]
    }

    proptest! {
        #[test]
        fn a_picture_of_the_monitors_size_is_never_touched(
            fit in any_fit(), width in 1..20_000i32, height in 1..20_000i32,
        ) {
            let fitted = fit.place((width, height), (width, height));
            prop_assert_eq!(fitted, Fitted { x: 0, y: 0, scale: (1.0, 1.0) });
        }

        #[test]
        fn every_fit_keeps_its_promises(
            fit in any_fit(),
            content in (1..20_000i32, 1..20_000i32),
            screen in (1..20_000i32, 1..20_000i32),
        ) {
            let (x, y, width, height) = area(fit, content, screen);
            let right = screen.0 - width - x;
            let bottom = screen.1 - height - y;
            prop_assert!((0..=1).contains(&(right - x)), "in the middle");
            prop_assert!((0..=1).contains(&(bottom - y)), "in the middle");
            let inside = width <= screen.0 && height <= screen.1;
            match fit {
                Fit::Stretch => prop_assert_eq!((x, y, width, height), (0, 0, screen.0, screen.1)),
                Fit::None => prop_assert_eq!((width, height), content),
                Fit::Letterbox => {
                    prop_assert!(inside);
                    prop_assert!(width == screen.0 || height == screen.1, "as large as fits");
                    check_proportions(content, (width, height))?;
                }
                Fit::Integer => {
                    prop_assert!(inside);
                    if content.0 <= screen.0 && content.1 <= screen.1 {
                        let times = width / content.0;
                        prop_assert_eq!((width, height), (content.0 * times, content.1 * times));
                        let more = times + 1;
                        prop_assert!(content.0 * more > screen.0 || content.1 * more > screen.1);
                    } else {
                        check_proportions(content, (width, height))?;
                    }
                }
            }
        }
    }

    /// Whether a size is another one enlarged or made smaller, up to half a pixel or one pixel in
    /// all.
    fn check_proportions(content: (i32, i32), shown: (i32, i32)) -> Result<(), TestCaseError> {
        let exact_height = f64::from(content.1) * f64::from(shown.0) / f64::from(content.0);
        let exact_width = f64::from(content.0) * f64::from(shown.1) / f64::from(content.1);
        let off = |exact: f64, shown: i32| (exact - f64::from(shown)).abs();
        let kept = off(exact_height, shown.1) <= 0.501 || off(exact_width, shown.0) <= 0.501;
        prop_assert!(kept || shown.0 == 1 || shown.1 == 1);
        Ok(())
    }
}
