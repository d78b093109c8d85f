//! The identity card of a virtual monitor: EDID 1.4, built, and read back.
//!
//! A base block of 128 bytes holds everything but modes that its detailed timings can't express
//! (more than 4095 pixels a side, or a pixel clock above 655.35 MHz). Those go into a DisplayID
//! extension block, and the base block names a smaller relative of them.
//!
//! Width and height of the preferred mode must be those of GET_DISPLAY_INFO to the pixel: Linux
//! deletes preferred modes of another size (`virtio_gpu_conn_mode_valid`).
//!
//! [`Edid::decode`] understands what [`Edid::encode`] builds, not every monitor in the world.

mod base;
mod displayid;
mod timing;

#[cfg(test)]
mod tests;

use thiserror::Error;

/// The size of one block in bytes.
pub const BLOCK_SIZE: usize = 128;

/// The largest width and height that can be described, in pixels.
pub const MAX_SIDE: u32 = 65535;

/// The lowest and the highest refresh rate that can be described, in millihertz.
pub const MILLIHERTZ: std::ops::RangeInclusive<u32> = 1_000..=1_000_000;

/// How many characters of a name or of a serial number as a text fit.
pub const MAX_NAME: usize = 13;

/// The year in which this kind of monitor was thought up, from 2000 on.
const MODEL_YEAR: u8 = 26;

/// 2.2, as 100 * gamma - 100.
const GAMMA: u8 = 120;

/// A resolution and a refresh rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mode {
    /// Width in pixels, 1 to [`MAX_SIDE`].
    pub width: u32,
    /// Height in pixels, 1 to [`MAX_SIDE`].
    pub height: u32,
    /// Refresh rate in [`MILLIHERTZ`]: 60 Hz is 60 000. Rounded to what a pixel clock in
    /// steps of 10 kHz allows, which is a few millihertz at most for common modes.
    pub millihertz: u32,
}

/// The size of the picture on the monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PhysicalSize {
    /// Millimetres, at most [`Self::MAX_MM`]; 0 if unknown.
    pub width_mm: u16,
    /// Millimetres, at most [`Self::MAX_MM`]; 0 if unknown.
    pub height_mm: u16,
}

impl PhysicalSize {
    /// The largest width and height, in millimetres: the base block counts 255 centimetres.
    pub const MAX_MM: u16 = 2550;

    /// The size at which a picture of this many pixels has `dpi` dots an inch. Stops at
    /// [`Self::MAX_MM`]; unknown if `dpi` is 0.
    #[must_use]
    pub fn at_dpi(width: u32, height: u32, dpi: u32) -> Self {
        let millimetres = |pixels: u32| {
            let tenths = (u64::from(pixels) * 254)
                .checked_div(u64::from(dpi))
                .unwrap_or(0);
            u16::try_from(tenths.div_ceil(10)).map_or(Self::MAX_MM, |mm| mm.min(Self::MAX_MM))
        };
        Self {
            width_mm: millimetres(width),
            height_mm: millimetres(height),
        }
    }
}

/// What a monitor says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edid {
    /// Three capital letters.
    pub manufacturer: [u8; 3],
    /// The manufacturer's number for this kind of monitor.
    pub product: u16,
    /// What tells two monitors of a kind apart: desktops remember layouts by it. 0 is none.
    pub serial: u32,
    /// The same as it is printed on the monitor, where that is more than the number. Empty is the
    /// number. Cut and cleaned as the name is.
    pub serial_text: String,
    /// What people see. Cut to [`MAX_NAME`] characters; what is not printable ASCII becomes `?`.
    pub name: String,
    /// Its size.
    pub size: PhysicalSize,
    /// The mode that it prefers.
    pub preferred: Mode,
}

/// A monitor that can't be described.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BuildError {
    /// The manufacturer is not three capital letters.
    #[error("A monitor's manufacturer must be three letters from A to Z")]
    Manufacturer,
    /// A side of 0 or of more than [`MAX_SIDE`] pixels.
    #[error(
        "A monitor of {width}x{height} pixels can't be described to a guest; choose 1 to {MAX_SIDE}"
    )]
    Size {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// A refresh rate out of [`MILLIHERTZ`].
    #[error(
        "A refresh rate of {millihertz} mHz can't be described to a guest; choose 1 to 1000 Hz"
    )]
    RefreshRate {
        /// Millihertz.
        millihertz: u32,
    },
    /// The pixel clock is too high for DisplayID.
    #[error(
        "The mode {width}x{height} needs a pixel clock of {clock_10khz}0 kHz, which is too high; choose fewer pixels or a lower refresh rate"
    )]
    PixelClock {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// The clock in units of 10 kHz.
        clock_10khz: u64,
    },
}

/// Bytes that are no EDID of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ParseError {
    /// Fewer bytes than the blocks that it says it has.
    #[error("An EDID has {got} bytes, fewer than its {blocks} blocks need")]
    TooShort {
        /// Bytes there.
        got: usize,
        /// Blocks that it should have.
        blocks: usize,
    },
    /// It does not begin as an EDID does.
    #[error("An EDID does not begin with the EDID 1.x header")]
    NoHeader,
    /// A block's bytes don't add up.
    #[error("Block {block} of an EDID has a wrong checksum")]
    Checksum {
        /// The block's number, from 0.
        block: usize,
    },
    /// No detailed timing with a clock and a size.
    #[error("An EDID has no preferred mode")]
    NoPreferredMode,
}

impl Edid {
    /// The blocks, [`BLOCK_SIZE`] bytes each.
    ///
    /// # Errors
    /// The manufacturer is not a manufacturer's code, or the mode is out of range.
    pub fn encode(&self) -> Result<Vec<u8>, BuildError> {
        let timing = timing::Timing::for_mode(self.preferred)?;
        let blocks = if timing.fits_base_block() {
            vec![base::encode(self, &timing, &[timing], 0)?]
        } else {
            let relative = timing::Timing::relative_in_base_block(self.preferred)?;
            let base = base::encode(self, &relative, &[relative, timing], 1)?;
            vec![base, displayid::encode(self, &timing)]
        };
        Ok(blocks.concat())
    }

    /// Reads blocks that [`Edid::encode`] has built.
    ///
    /// # Errors
    /// The bytes are cut off, damaged, or no EDID.
    pub fn decode(bytes: &[u8]) -> Result<Self, ParseError> {
        let blocks = || bytes.chunks_exact(BLOCK_SIZE);
        let too_short = |blocks| ParseError::TooShort {
            got: bytes.len(),
            blocks,
        };
        let first = blocks().next().ok_or(too_short(1))?;
        let (mut edid, extensions) = base::decode(first)?;
        if blocks().len() < 1 + extensions {
            return Err(too_short(1 + extensions));
        }
        for (number, block) in blocks().enumerate().take(1 + extensions) {
            if checksum(block) != 0 {
                return Err(ParseError::Checksum { block: number });
            }
        }
        if let Some(timing) = blocks()
            .skip(1)
            .take(extensions)
            .find_map(displayid::decode)
        {
            edid.preferred = timing.mode().ok_or(ParseError::NoPreferredMode)?;
        }
        Ok(edid)
    }
}

/// What must be added to the sum of `bytes` to make it a multiple of 256; 0 for an intact block.
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte))
}
