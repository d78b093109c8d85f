//! The picture that a display shows.

use anyhow::{Context as _, ensure};
use protocols::virtio_gpu::Rect;

/// Bytes of a pixel, XRGB8888.
const PIXEL: usize = 4;

/// The largest side, in pixels; above every guest's.
const MAX_SIDE: u32 = 16384;

/// Pixels, rows without gaps.
#[derive(Debug)]
pub(super) struct Picture {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Picture {
    /// A black picture; `None` where a side is 0, which switches the monitor off, or out of bounds.
    pub(super) fn new(width: u32, height: u32) -> Option<Self> {
        let sides = 1..=MAX_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) {
            return None;
        }
        let bytes = bytes_of(width, height)?;
        Some(Self {
            width,
            height,
            pixels: vec![0; bytes],
        })
    }

    /// Width and height, in pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// All pixels.
    pub(super) fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// Copies pixels into a part of the picture.
    ///
    /// # Errors
    /// The part is not in the picture, or the pixels are not as many.
    pub(super) fn draw(&mut self, rect: Rect, pixels: &[u8]) -> anyhow::Result<()> {
        let whole = Rect::from_size(self.width, self.height);
        ensure!(
            whole.contains(&rect),
            "It updates {rect:?} of a picture of {}x{}",
            self.width,
            self.height
        );
        let misfit = "It sends another number of pixels than it says";
        let row = bytes_of(rect.width, 1).context(misfit)?;
        let stride = bytes_of(self.width, 1).context(misfit)?;
        let start = bytes_of(self.width, rect.y)
            .zip(bytes_of(rect.x, 1))
            .and_then(|(above, left)| above.checked_add(left))
            .context(misfit)?;
        ensure!(
            Some(pixels.len()) == bytes_of(rect.width, rect.height),
            misfit
        );
        if row == 0 {
            return Ok(());
        }
        if row == stride {
            let rows = self.pixels.get_mut(start..).unwrap_or_default();
            let rows = rows.get_mut(..pixels.len()).context(misfit)?;
            rows.copy_from_slice(pixels);
            return Ok(());
        }
        let lines = self.pixels.get_mut(start..).unwrap_or_default();
        for (line, new) in lines.chunks_mut(stride).zip(pixels.chunks_exact(row)) {
            let part = line.get_mut(..row).context(misfit)?;
            part.copy_from_slice(new);
        }
        Ok(())
    }
}

fn bytes_of(width: u32, height: u32) -> Option<usize> {
    let width = usize::try_from(width).ok()?;
    let height = usize::try_from(height).ok()?;
    width.checked_mul(height)?.checked_mul(PIXEL)
}
