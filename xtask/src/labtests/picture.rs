//! Pictures: screenshots, guests' own dumps, and libdrm's test pattern worked out anew.

use std::{
    fs::File,
    io::{BufReader, BufWriter},
    path::Path,
};

use anyhow::{Context as _, Result, bail};

/// A picture of opaque pixels, row by row from the top left corner, each red, green and blue.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<[u8; 3]>,
}

impl Picture {
    /// A picture whose pixels are given by a function of x and y.
    pub fn from_fn(width: usize, height: usize, pixel: impl Fn(usize, usize) -> [u8; 3]) -> Self {
        let pixels = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .map(|(x, y)| pixel(x, y))
            .collect();
        Self {
            width,
            height,
            pixels,
        }
    }

    /// Reads a PNG file of 8-bit RGB or RGBA pixels.
    ///
    /// # Errors
    ///
    /// When the file is no such picture, or a pixel of it is not opaque.
    pub fn read_png(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("Opening {}", path.display()))?;
        let mut reader = png::Decoder::new(BufReader::new(file)).read_info()?;
        let size = reader
            .output_buffer_size()
            .context("Reading a PNG file: it is too large")?;
        let mut bytes = vec![0; size];
        let info = reader.next_frame(&mut bytes)?;
        let samples = match (info.color_type, info.bit_depth) {
            (png::ColorType::Rgb, png::BitDepth::Eight) => 3,
            (png::ColorType::Rgba, png::BitDepth::Eight) => 4,
            other => bail!("Reading {}: {other:?} is not 8-bit RGB(A)", path.display()),
        };
        let mut pixels = Vec::new();
        for pixel in bytes.chunks_exact(samples) {
            if let &[red, green, blue, ref rest @ ..] = pixel {
                if rest.iter().any(|alpha| *alpha != 255) {
                    bail!(
                        "Reading {}: a screenshot has a pixel that is not opaque",
                        path.display()
                    );
                }
                pixels.push([red, green, blue]);
            }
        }
        Ok(Self {
            width: usize::try_from(info.width)?,
            height: usize::try_from(info.height)?,
            pixels,
        })
    }

    /// Reads the bytes of a guest's framebuffer: XRGB8888 in little endian, `stride` bytes a row.
    ///
    /// # Errors
    ///
    /// When there are too few of them.
    pub fn from_xrgb(bytes: &[u8], width: usize, height: usize, stride: usize) -> Result<Self> {
        if stride < width * 4 || bytes.len() < stride * height {
            bail!(
                "Reading a framebuffer of {width}x{height} with {stride} bytes a row: it has {} bytes",
                bytes.len()
            );
        }
        let pixels = bytes
            .chunks_exact(stride)
            .take(height)
            .flat_map(|row| row.chunks_exact(4).take(width))
            .map(|pixel| match *pixel {
                [blue, green, red, _] => [red, green, blue],
                _ => [0; 3],
            })
            .collect();
        Ok(Self {
            width,
            height,
            pixels,
        })
    }

    /// The bytes of a framebuffer: XRGB8888 in little endian, rows without gaps.
    pub fn to_xrgb(&self) -> Vec<u8> {
        self.pixels
            .iter()
            .flat_map(|[red, green, blue]| [*blue, *green, *red, 0])
            .collect()
    }

    /// This picture with `other` over it, its top left corner at `left`, `top`. What lies outside is cut off.
    pub fn with(&self, other: &Self, left: i64, top: i64) -> Self {
        let inside = |position: usize, start: i64, size: usize| {
            let offset = i64::try_from(position).ok()?.checked_sub(start)?;
            usize::try_from(offset).ok().filter(|offset| *offset < size)
        };
        Self::from_fn(self.width, self.height, |x, y| {
            let place = inside(x, left, other.width).zip(inside(y, top, other.height));
            place.map_or_else(|| self.at(x, y), |(x, y)| other.at(x, y))
        })
    }

    /// The part of this picture at `left`, `top`.
    ///
    /// # Panics
    ///
    /// When the part is not inside.
    pub fn crop(&self, left: usize, top: usize, width: usize, height: usize) -> Self {
        assert!(left + width <= self.width && top + height <= self.height);
        Self::from_fn(width, height, |x, y| self.at(left + x, top + y))
    }

    /// Where `part` is in this picture, pixel for pixel: its top left corner, the first from the top.
    pub fn find(&self, part: &Self) -> Option<(usize, usize)> {
        let (right, bottom) = (
            self.width.checked_sub(part.width)?,
            self.height.checked_sub(part.height)?,
        );
        let row = |picture: &Self, x: usize, y: usize| {
            let start = y * picture.width + x;
            picture
                .pixels
                .get(start..start + part.width)
                .map(<[_]>::to_vec)
        };
        let places = (0..=bottom).flat_map(|y| (0..=right).map(move |x| (x, y)));
        let corner = part.pixels.first()?;
        places
            .filter(|(x, y)| self.at(*x, *y) == *corner)
            .find(|(x, y)| {
                (0..part.height).all(|down| row(self, *x, y + down) == row(part, 0, down))
            })
    }

    /// The pixel at `x`, `y`.
    pub fn at(&self, x: usize, y: usize) -> [u8; 3] {
        self.pixels[y * self.width + x]
    }

    /// How many colours it has, counted up to `enough`.
    pub fn colours(&self, enough: usize) -> usize {
        let mut seen = Vec::new();
        for pixel in &self.pixels {
            if !seen.contains(pixel) {
                seen.push(*pixel);
                if seen.len() == enough {
                    break;
                }
            }
        }
        seen.len()
    }

    /// Nothing if this is `expected`, else what is different, for people.
    pub fn difference(&self, expected: &Self) -> Option<String> {
        if (self.width, self.height) != (expected.width, expected.height) {
            return Some(format!(
                "the picture is {}x{}, expected {}x{}",
                self.width, self.height, expected.width, expected.height
            ));
        }
        let mut different =
            (0..self.pixels.len()).filter(|i| self.pixels[*i] != expected.pixels[*i]);
        let first = different.next()?;
        Some(format!(
            "{} of {} pixels differ; the first, at {},{}, is {:?}, expected {:?}",
            different.count() + 1,
            self.pixels.len(),
            first % self.width,
            first / self.width,
            self.pixels[first],
            expected.pixels[first]
        ))
    }

    /// Saves it, for people to look at.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write_png(&self, path: &Path) -> Result<()> {
        let file = File::create(path).with_context(|| format!("Writing {}", path.display()))?;
        let mut encoder = png::Encoder::new(
            BufWriter::new(file),
            u32::try_from(self.width)?,
            u32::try_from(self.height)?,
        );
        encoder.set_color(png::ColorType::Rgb);
        encoder
            .write_header()?
            .write_image_data(self.pixels.as_flattened())?;
        Ok(())
    }
}

/// The SMPTE colour bars that libdrm's `modetest` draws: seven bars over six ninths of the height,
/// seven darker ones over the next ninth, and at the bottom four wide and three narrow fields.
pub fn smpte(width: usize, height: usize) -> Picture {
    const TOP: [[u8; 3]; 7] = [
        [192, 192, 192],
        [192, 192, 0],
        [0, 192, 192],
        [0, 192, 0],
        [192, 0, 192],
        [192, 0, 0],
        [0, 0, 192],
    ];
    const MIDDLE: [[u8; 3]; 7] = [
        [0, 0, 192],
        [19, 19, 19],
        [192, 0, 192],
        [19, 19, 19],
        [0, 192, 192],
        [19, 19, 19],
        [192, 192, 192],
    ];
    const BOTTOM_WIDE: [[u8; 3]; 4] = [[0, 33, 76], [255, 255, 255], [50, 0, 106], [19, 19, 19]];
    const LAST: [u8; 3] = [19, 19, 19];
    // Where sevenths of the width are no whole numbers, the last field begins a pixel early.
    const BOTTOM_NARROW: [[u8; 3]; 4] = [[9, 9, 9], [19, 19, 19], [29, 29, 29], LAST];
    let five_sevenths = width * 5 / 7;
    Picture::from_fn(width, height, |x, y| {
        if y < height * 6 / 9 {
            TOP[x * 7 / width]
        } else if y < height * 7 / 9 {
            MIDDLE[x * 7 / width]
        } else if x < five_sevenths {
            BOTTOM_WIDE[x * 4 / five_sevenths]
        } else if x < width * 6 / 7 {
            BOTTOM_NARROW[(x - five_sevenths) * 3 / (width / 7)]
        } else {
            LAST
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_first_wrong_pixel() {
        let expected = smpte(70, 90);
        let mut seen = expected.clone();
        assert_eq!(seen.difference(&expected), None);
        seen.pixels[71] = [1, 2, 3];
        let text = seen.difference(&expected).unwrap_or_default();
        assert!(text.contains("1 of 6300 pixels differ"), "{text}");
        assert!(text.contains("at 1,1"), "{text}");
    }

    #[test]
    fn a_part_is_found_where_it_is_and_only_whole() {
        let low = |value: usize| u8::try_from(value).unwrap_or_default();
        let whole = Picture::from_fn(40, 30, |x, y| [low(x), low(y), 7]);
        assert_eq!(whole.find(&whole.crop(11, 5, 9, 8)), Some((11, 5)));
        assert_eq!(whole.find(&whole), Some((0, 0)));
        let mut part = whole.crop(11, 5, 9, 8);
        part.pixels[71] = [0; 3];
        assert_eq!(whole.find(&part), None);
        assert_eq!(whole.find(&Picture::from_fn(41, 1, |_, _| [0, 0, 7])), None);
    }

    #[test]
    fn framebuffer_bytes_are_blue_green_red_unused_with_padded_rows() -> Result<()> {
        let bytes = [1, 2, 3, 0, 9, 9, 9, 9, 4, 5, 6, 0, 9, 9, 9, 9];
        let picture = Picture::from_xrgb(&bytes, 1, 2, 8)?;
        assert_eq!(picture.pixels, [[3, 2, 1], [6, 5, 4]]);
        assert!(Picture::from_xrgb(&bytes, 3, 2, 8).is_err());
        Ok(())
    }

    #[test]
    fn png_files_come_back_as_they_were() -> Result<()> {
        let path = std::env::temp_dir().join(format!("lucarne-picture-{}.png", std::process::id()));
        let picture = smpte(33, 21);
        picture.write_png(&path)?;
        let back = Picture::read_png(&path)?;
        std::fs::remove_file(&path)?;
        assert_eq!(back.difference(&picture), None);
        Ok(())
    }
}
