//! What each kind of sign looks like. Pure: words in, a picture out.

pub(super) mod notice;
pub(super) mod pointer;
pub(super) mod status;
pub(super) mod switcher;
#[cfg(test)]
mod tests;

use smithay::utils::{Physical, Size};

use super::draw::Rgb;

/// Behind everything: a dark blue grey, plainly not a monitor without a signal.
const BACKGROUND: Rgb = [0x1b, 0x21, 0x2b];
/// Behind what stands out from the background.
const RAISED: Rgb = [0x27, 0x2f, 0x3c];
/// Behind a console's lines.
const SUNKEN: Rgb = [0x13, 0x17, 0x1e];
/// Around boxes.
const EDGE: Rgb = [0x46, 0x52, 0x66];
/// Headlines.
const BRIGHT: Rgb = [0xf2, 0xf5, 0xf9];
/// Sentences.
const PLAIN: Rgb = [0xc3, 0xcc, 0xd8];
/// What is there for those who look for it.
const DIM: Rgb = [0x8a, 0x97, 0xa9];

/// Pixels of a monitor, by which signs measure themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Screen {
    /// Pixels, at least 1.
    pub(super) width: usize,
    /// Pixels, at least 1.
    pub(super) height: usize,
}

impl Screen {
    pub(super) fn new(size: Size<i32, Physical>) -> Self {
        let pixels = |pixels: i32| usize::try_from(pixels).unwrap_or_default().max(1);
        Self {
            width: pixels(size.w),
            height: pixels(size.h),
        }
    }

    /// The size of ordinary letters, in pixels: what is read from an arm's length on a monitor
    /// that is twice as large in pixels has twice as large letters.
    pub(super) fn em(self) -> usize {
        // A very wide or high monitor is not one to be read from farther away.
        let height = self.height.min(self.width * 9 / 16);
        (height / 50).clamp(12, 120)
    }

    /// The thinnest line that is still seen.
    fn hairline(self) -> usize {
        (self.em() / 14).max(1)
    }
}
