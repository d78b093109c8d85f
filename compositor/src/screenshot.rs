//! Pictures of what is shown, and their way into a PNG file.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use thiserror::Error;

use crate::render::RenderError;

pub use protocols::ipc::ScreenshotTarget;

/// A picture in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// `width * height` pixels, bytes R, G, B, A, rows from the top without gaps.
    pub rgba: Vec<u8>,
}

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScreenshotError {
    /// There is no such output.
    #[error("Could not take a picture of output {name:?}: there is none. Choose one of {known}")]
    UnknownOutput {
        /// What was asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A guest's monitor has no window.
    #[error(
        "Could not take a picture of scanout {scanout} of guest {guest:?}: it shows nothing. Look \
         with \"lucarne msg guests\" whether the guest runs, and wait until it has drawn something"
    )]
    NothingShown {
        /// The guest.
        guest: String,
        /// The number of the monitor.
        scanout: u8,
    },
    /// A guest's window is larger than any monitor.
    #[error(
        "Could not take a picture of {width}x{height} pixels. Make the guest's monitor smaller"
    )]
    TooLarge {
        /// Pixels.
        width: i32,
        /// Pixels.
        height: i32,
    },
    /// Drawing or reading back failed.
    #[error(transparent)]
    Render(#[from] RenderError),
}

impl Image {
    /// From tightly packed rows from the top. `None` if the size is not positive or pixels are
    /// missing.
    pub(crate) fn from_rows(width: i32, height: i32, pixels: &[u8]) -> Option<Self> {
        let width = u32::try_from(width).ok().filter(|width| *width > 0)?;
        let height = u32::try_from(height).ok().filter(|height| *height > 0)?;
        let length = usize::try_from(u64::from(width) * u64::from(height) * 4).ok()?;
        Some(Self {
            width,
            height,
            rgba: pixels.get(..length)?.to_vec(),
        })
    }

    /// The pixel at a place: R, G, B, A. `None` outside of the picture.
    #[must_use]
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 4]> {
        if x >= self.width || y >= self.height {
            return None;
        }
        let index = u64::from(y) * u64::from(self.width) + u64::from(x);
        let start = usize::try_from(index * 4).ok()?;
        self.rgba.get(start..start + 4)?.try_into().ok()
    }

    /// Writes the picture as PNG.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn encode(&self, writer: impl Write) -> io::Result<()> {
        let mut encoder = png::Encoder::new(writer, self.width, self.height);
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.rgba)?;
        writer.finish()?;
        Ok(())
    }

    /// Writes the picture into a PNG file. An existing file is replaced.
    ///
    /// # Errors
    /// The file can't be created or written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        self.encode(&mut file)?;
        file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn rows() -> Vec<u8> {
        (0..2 * 3 * 4).collect()
    }

    #[test]
    fn pixels_are_found_by_row_and_column() {
        let image = Image::from_rows(2, 3, &rows()).unwrap();
        assert_eq!(image.pixel(0, 0), Some([0, 1, 2, 3]));
        assert_eq!(image.pixel(1, 2), Some([20, 21, 22, 23]));
        assert_eq!(image.pixel(2, 0), None);
        assert_eq!(image.pixel(0, 3), None);
    }

    #[test]
    fn missing_pixels_are_no_picture() {
        assert_eq!(Image::from_rows(2, 4, &rows()), None);
        assert_eq!(Image::from_rows(0, 3, &rows()), None);
        assert_eq!(Image::from_rows(i32::MAX, i32::MAX, &rows()), None);
    }

    #[test]
    fn a_png_file_holds_the_same_pixels() {
        let image = Image::from_rows(2, 3, &rows()).unwrap();
        let mut bytes = Vec::new();
        image.encode(&mut bytes).unwrap();
        let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (2, 3));
        assert_eq!(pixels, image.rgba);
    }
}
