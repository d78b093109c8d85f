//! When which pixel is sent: blanking and pixel clock of a mode.
//!
//! Follows VESA CVT 1.2 with reduced blanking (48 + 32 + 80 columns, at least 460 µs of rows), but
//! for two things. The width is taken as it is, where CVT would round 1366 down to 1360. And
//! rows are added until the refresh rate comes out right: guests pace their frames by
//! it (Linux's vblank timer), and CVT would make 59.93 Hz out of 60. Small modes get
//! more blank columns, because a pixel clock below 10 MHz is taken for damage (`edid-decode`).

use super::{BuildError, MAX_SIDE, MILLIHERTZ, Mode};

const H_FRONT: u32 = 48;
const H_SYNC: u32 = 32;
const H_BLANK_MIN: u64 = 160;
const H_BLANK_MAX: u64 = 4095;
const V_FRONT: u32 = 3;
const V_SYNC: u32 = 5;
const V_BACK_MIN: u64 = 6;
/// The least time of vertical blanking, in nanoseconds.
const V_BLANK_MIN_NS: u64 = 460_000;
/// The lowest pixel clock that is aimed at, in Hz.
const CLOCK_MIN: u64 = 10_000_000;
/// How many rows more than necessary are tried for a better refresh rate.
const EXTRA_ROWS: u64 = 32;

/// The largest width and height of a timing in the base block, in pixels: 12 bits.
const BASE_MAX_SIDE: u32 = 4095;
/// The highest clock of a timing in the base block: 16 bits of 10 kHz.
const BASE_MAX_CLOCK: u32 = 0xffff;
/// The highest clock in DisplayID's Type I timing: 24 bits of 10 kHz, 0 being 10 kHz.
const DISPLAYID_MAX_CLOCK: u64 = 1 << 24;

/// One mode down to the pixel clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timing {
    /// Pixel clock in units of 10 kHz.
    pub(super) clock: u32,
    pub(super) width: u32,
    pub(super) h_blank: u32,
    pub(super) h_front: u32,
    pub(super) h_sync: u32,
    pub(super) height: u32,
    pub(super) v_blank: u32,
    pub(super) v_front: u32,
    pub(super) v_sync: u32,
}

impl Timing {
    /// The timing of a mode.
    pub(super) fn for_mode(mode: Mode) -> Result<Self, BuildError> {
        let Mode {
            width,
            height,
            millihertz,
        } = mode;
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return Err(BuildError::Size { width, height });
        }
        if !MILLIHERTZ.contains(&millihertz) {
            return Err(BuildError::RefreshRate { millihertz });
        }
        let rate = u64::from(millihertz);
        let least_v_blank = least_v_blank(height, rate);
        let h_blank = h_blank(width, u64::from(height) + least_v_blank, rate);
        let columns = u64::from(width) + h_blank;
        let candidates = (0..=EXTRA_ROWS).map(|extra| {
            let v_blank = least_v_blank + extra;
            let pixels = columns * (u64::from(height) + v_blank);
            // Pixels a frame times frames per 1000 seconds, in units of 10 kHz (10^7 per 1000 s).
            let clock = ((pixels * rate + 5_000_000) / 10_000_000).max(1);
            // How far off the refresh rate is, in a unit that is the same for all candidates
            // but for the little that their numbers of pixels differ.
            let off = (clock * 10_000_000).abs_diff(pixels * rate);
            (off, clock, v_blank)
        });
        let (_, clock, v_blank) = candidates.min().unwrap_or((0, 0, 0));
        if clock > DISPLAYID_MAX_CLOCK {
            return Err(BuildError::PixelClock {
                width,
                height,
                clock_10khz: clock,
            });
        }
        let fits = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(Self {
            clock: fits(clock),
            width,
            h_blank: fits(h_blank),
            h_front: H_FRONT,
            h_sync: H_SYNC,
            height,
            v_blank: fits(v_blank),
            v_front: V_FRONT,
            v_sync: V_SYNC,
        })
    }

    /// The timing that stands in the base block for a mode that does not fit there: the same
    /// size at 60 Hz or less, or else half the size, or a quarter, ...
    pub(super) fn relative_in_base_block(mode: Mode) -> Result<Self, BuildError> {
        let millihertz = mode.millihertz.min(60_000);
        let mut relative = Mode { millihertz, ..mode };
        loop {
            let timing = Self::for_mode(relative)?;
            if timing.fits_base_block() {
                return Ok(timing);
            }
            // Ends: both sides shrink down to one pixel, and that fits.
            relative.width = relative.width.div_ceil(2);
            relative.height = relative.height.div_ceil(2);
        }
    }

    /// Whether a detailed timing of the base block can hold it.
    pub(super) fn fits_base_block(&self) -> bool {
        self.width <= BASE_MAX_SIDE
            && self.height <= BASE_MAX_SIDE
            && self.v_blank <= BASE_MAX_SIDE
            && self.clock <= BASE_MAX_CLOCK
    }

    /// The mode; `None` if a damaged timing has no pixels or no clock.
    pub(super) fn mode(&self) -> Option<Mode> {
        let pixels = self.columns() * self.rows();
        if self.clock == 0 || self.width == 0 || self.height == 0 {
            return None;
        }
        let millihertz = (u64::from(self.clock) * 10_000_000 + pixels / 2).checked_div(pixels)?;
        Some(Mode {
            width: self.width,
            height: self.height,
            millihertz: u32::try_from(millihertz).ok()?,
        })
    }

    /// Rows a second.
    pub(super) fn rows_per_second(&self) -> u64 {
        (u64::from(self.clock) * 10_000)
            .checked_div(self.columns())
            .unwrap_or(0)
    }

    fn columns(&self) -> u64 {
        u64::from(self.width) + u64::from(self.h_blank)
    }

    fn rows(&self) -> u64 {
        u64::from(self.height) + u64::from(self.v_blank)
    }
}

/// CVT's number of blank columns, or as many as it takes to reach [`CLOCK_MIN`].
fn h_blank(width: u32, rows: u64, millihertz: u64) -> u64 {
    let columns = (CLOCK_MIN * 1000).div_ceil(rows * millihertz);
    columns
        .saturating_sub(u64::from(width))
        .clamp(H_BLANK_MIN, H_BLANK_MAX)
}

/// CVT's number of blank rows: 460 µs of them, and room for the sync.
fn least_v_blank(height: u32, millihertz: u64) -> u64 {
    let frame_ns = 1_000_000_000_000 / millihertz.max(1);
    let active_ns = frame_ns.saturating_sub(V_BLANK_MIN_NS).max(1);
    let by_time = V_BLANK_MIN_NS * u64::from(height) / active_ns + 1;
    by_time.max(u64::from(V_FRONT) + u64::from(V_SYNC) + V_BACK_MIN)
}
