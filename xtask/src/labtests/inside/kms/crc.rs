//! The checksum that vkms makes of what a CRTC shows, and the same one worked out of a picture.
//!
//! vkms composes its planes line by line into pixels of four 16-bit channels (alpha, red, green, blue) and
//! runs the kernel's `crc32_le` over the lines, from 0, without the inversions that other users of that
//! polynomial have (`vkms_composer.c`). The harness's own test holds this against the writeback connector.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use crate::labtests::picture::Picture;

/// For how many refreshes a picture is waited for; two seconds.
const PATIENCE: u32 = 120;

/// What vkms says of a picture that fills the screen.
pub fn of_picture(picture: &Picture) -> u32 {
    let table = table();
    let step = |crc: u32, byte: u8| {
        let [low, ..] = crc.to_le_bytes();
        (crc >> 8) ^ table[usize::from(low ^ byte)]
    };
    picture.pixels.iter().fold(0, |crc, [red, green, blue]| {
        // A channel of 8 bits is spread to 16 by repeating it, so both of its bytes are the same.
        let crc = step(step(crc, 0xff), 0xff);
        let crc = step(step(crc, *red), *red);
        let crc = step(step(crc, *green), *green);
        step(step(crc, *blue), *blue)
    })
}

/// The table of the reflected polynomial.
fn table() -> [u32; 256] {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let mut table = [0; 256];
    for (start, entry) in (0u32..).zip(&mut table) {
        *entry = (0..8).fold(start, |crc, _| {
            if crc & 1 == 0 {
                crc >> 1
            } else {
                (crc >> 1) ^ POLYNOMIAL
            }
        });
    }
    table
}

/// One refresh of a CRTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Its number, counted by the kernel.
    pub frame: u32,
    pub crc: u32,
}

/// A CRTC's checksums from now on. As long as it lives vkms composes every refresh on the CPU.
pub struct Crcs(BufReader<File>);

impl Crcs {
    /// Of the CRTC `crtc` of the card with the debugfs folder `card`.
    ///
    /// # Errors
    ///
    /// When the driver makes none, or the CRTC is off.
    pub fn open(card: &Path, crtc: u32) -> Result<Self> {
        let folder: PathBuf = card.join(format!("crtc-{crtc}/crc"));
        let attempt = || -> Result<Self> {
            fs::write(folder.join("control"), "auto")?;
            Ok(Self(BufReader::new(File::open(folder.join("data"))?)))
        };
        attempt().with_context(|| format!("Asking for the checksums in {}", folder.display()))
    }

    /// The next one.
    ///
    /// # Errors
    ///
    /// When there are no more.
    pub fn next(&mut self) -> Result<Sample> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        sample(&line).with_context(|| format!("Reading a checksum: the line is {line:?}"))
    }
}

impl Crcs {
    /// Waits for a refresh with the checksum `wanted`; its number.
    ///
    /// # Errors
    ///
    /// When none of the next [`PATIENCE`] refreshes has it.
    pub fn wait_for(&mut self, wanted: u32) -> Result<u32> {
        let mut others = BTreeSet::new();
        for _ in 0..PATIENCE {
            let sample = self.next()?;
            if sample.crc == wanted {
                return Ok(sample.frame);
            }
            others.insert(sample.crc);
        }
        bail!("Waiting for the checksum {wanted:#010x}: there were only {others:#010x?}")
    }
}

fn sample(line: &str) -> Option<Sample> {
    let mut words = line
        // The kernel ends each line with a zero, too.
        .trim_start_matches('\0')
        .split_whitespace()
        .map(|word| u32::from_str_radix(word.strip_prefix("0x")?, 16).ok());
    Some(Sample {
        frame: words.next()??,
        crc: words.next()??,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_a_frame_and_a_checksum() {
        let expected = Sample {
            frame: 31,
            crc: 0xdead_beef,
        };
        assert_eq!(sample("0x0000001f 0xdeadbeef\n"), Some(expected));
        assert_eq!(sample("\x000x0000001f 0xdeadbeef\n"), Some(expected));
        assert_eq!(sample("\n"), None);
    }

    #[test]
    fn one_wrong_channel_changes_the_checksum() {
        let picture =
            Picture::from_fn(8, 4, |x, y| [u8::try_from(x * y).unwrap_or_default(), 1, 2]);
        let mut other = picture.clone();
        other.pixels[31][2] ^= 1;
        assert_ne!(of_picture(&picture), of_picture(&other));
    }
}
