//! How pixels of virgl's formats lie in memory: how many bytes, in blocks of how many pixels.
//!
//! The numbers are those of `enum virgl_formats` in `virgl_hw.h`, up to 321. A format that is not in
//! this list is refused: what can't be measured can't be checked.

use protocols::virtio_gpu::Format;

/// The smallest unit of a format: one pixel, but for compressed formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Its width in pixels, not 0.
    pub width: u32,
    /// Its height in pixels, not 0.
    pub height: u32,
    /// Its bytes, not 0.
    pub bytes: u32,
}

/// The sizes of ASTC's blocks, in the order of the formats.
const ASTC: [(u32, u32); 14] = [
    (4, 4),
    (5, 4),
    (5, 5),
    (6, 5),
    (6, 6),
    (8, 5),
    (8, 6),
    (8, 8),
    (10, 5),
    (10, 6),
    (10, 8),
    (10, 10),
    (12, 10),
    (12, 12),
];

impl Block {
    /// A format's block, or `None` for a format that is not known, has no pixels in one plane, or
    /// does not exist.
    pub fn of(format: u32) -> Option<Self> {
        let bytes = plain(format)
            .map(|bytes| Self::new(1, 1, bytes))
            .or_else(|| vector(format).map(|bytes| Self::new(1, 1, bytes)));
        bytes.or_else(|| compressed(format))
    }

    /// The block of formats of one byte.
    pub const fn of_bytes() -> Self {
        Self::new(1, 1, 1)
    }

    const fn new(width: u32, height: u32, bytes: u32) -> Self {
        Self {
            width,
            height,
            bytes,
        }
    }

    /// Bytes of a row of blocks that covers so many pixels.
    pub fn row(self, width: u32) -> u64 {
        u64::from(width.div_ceil(self.width)).saturating_mul(self.bytes.into())
    }

    /// Rows of blocks that cover so many rows of pixels.
    pub fn rows(self, height: u32) -> u64 {
        height.div_ceil(self.height).into()
    }
}

/// Formats of one number per channel, all of the same width: as many bytes as channels have, times
/// their place among four.
fn vector(format: u32) -> Option<u32> {
    /// First and last format, bytes of a channel.
    const RUNS: &[(u32, u32, u32)] = &[
        (24, 27, 8),
        (28, 47, 4),
        (48, 63, 2),
        (64, 67, 1),
        (69, 72, 1),
        (74, 77, 1),
        (82, 85, 1),
        (87, 90, 4),
        (91, 94, 2),
        (177, 184, 1),
        (185, 192, 2),
        (193, 200, 4),
    ];
    let (first, _, bytes) = RUNS
        .iter()
        .find(|(first, last, _)| (*first..=*last).contains(&format))?;
    let channels = format.checked_sub(*first)?.checked_rem(4)?.checked_add(1)?;
    channels.checked_mul(*bytes)
}

/// Formats of single pixels that are no such vectors.
fn plain(format: u32) -> Option<u32> {
    Some(match format {
        9..=11
        | 23
        | 95
        | 130
        | 139
        | 147
        | 148
        | 150
        | 168
        | 169
        | 201..=203
        | 205..=207
        | 312
        | 318 => 1,
        5..=7
        | 12
        | 13
        | 16
        | 96
        | 120
        | 122
        | 133
        | 135
        | 141
        | 142
        | 149
        | 151
        | 152
        | 154..=156
        | 158
        | 170
        | 171
        | 204
        | 208..=211
        | 213..=215
        | 242
        | 247
        | 248
        | 254
        | 259..=263
        | 266
        | 311
        | 313
        | 319..=321 => 2,
        97 | 317 => 3,
        1..=4
        | 8
        | 17..=22
        | 68
        | 98..=104
        | 119
        | 121
        | 123..=125
        | 128
        | 129
        | 131
        | 132
        | 134
        | 136
        | 137
        | 140
        | 153
        | 157
        | 159
        | 160
        | 162
        | 172..=176
        | 212
        | 216..=219
        | 221..=223
        | 225
        | 229..=233
        | 243..=245
        | 249
        | 250
        | 253
        | 264
        | 265
        | 267
        | 268
        | 308 => 4,
        126 | 138 | 161 | 220 | 224 | 234..=238 | 246 | 251 | 252 => 8,
        239..=241 => 16,
        _ => return None,
    })
}

/// Formats whose pixels are not stored one by one.
fn compressed(format: u32) -> Option<Block> {
    Some(match format {
        // Two pixels that share their colour.
        14 | 15 | 117 | 118 | 227 | 228 => Block::new(2, 1, 4),
        // DXT1, RGTC1, LATC1, ETC1 and the small ones of ETC2.
        105 | 106 | 109 | 110 | 113 | 114 | 143 | 144 | 226 | 269..=272 | 275 | 276 => {
            Block::new(4, 4, 8)
        }
        // DXT3, DXT5, RGTC2, LATC2, BPTC and the large ones of ETC2.
        107 | 108 | 111 | 112 | 115 | 116 | 145 | 146 | 255..=258 | 273 | 274 | 277 | 278 => {
            Block::new(4, 4, 16)
        }
        279..=306 => {
            let of_list = format.checked_sub(279)?.checked_rem(14)?;
            let (width, height) = ASTC.get(usize::try_from(of_list).ok()?)?;
            Block::new(*width, *height, 16)
        }
        _ => return None,
    })
}

/// The bytes of pixels that a screen can show; `None` for all other formats. Whether the numbers are
/// linear or sRGB does not change the bytes.
pub fn shown(format: u32) -> Option<Format> {
    Some(match format {
        1 | 100 => Format::Bgra8888,
        2 | 101 => Format::Bgrx8888,
        3 | 102 => Format::Argb8888,
        4 | 103 => Format::Xrgb8888,
        67 | 104 => Format::Rgba8888,
        134 | 230 => Format::Rgbx8888,
        121 | 98 => Format::Abgr8888,
        68 | 99 => Format::Xbgr8888,
        _ => return None,
    })
}

/// Whether a format has depth or stencil instead of colours.
pub fn is_depth(format: u32) -> bool {
    matches!(format, 16..=23 | 126 | 136..=138)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_have_their_sizes() {
        // VIRGL_FORMAT_ names, read off the header.
        let sizes = [
            ("B8G8R8A8_UNORM", 1, 4),
            ("B5G6R5_UNORM", 7, 2),
            ("L8_UNORM", 9, 1),
            ("Z32_FLOAT", 18, 4),
            ("S8_UINT", 23, 1),
            ("R64G64B64_FLOAT", 26, 24),
            ("R32G32B32A32_FLOAT", 31, 16),
            ("R32G32B32_SSCALED", 46, 12),
            ("R16_UNORM", 48, 2),
            ("R16G16B16A16_SSCALED", 63, 8),
            ("R8_UNORM", 64, 1),
            ("R8G8B8A8_UNORM", 67, 4),
            ("R16G16B16A16_FLOAT", 94, 8),
            ("R11G11B10_FLOAT", 124, 4),
            ("Z32_FLOAT_S8X24_UINT", 126, 8),
            ("L32A32_FLOAT", 161, 8),
            ("R8G8B8A8_SINT", 184, 4),
            ("R32G32B32A32_SINT", 200, 16),
            ("R32G32B32X32_FLOAT", 239, 16),
            ("R10G10B10A2_UINT", 253, 4),
            ("R8G8_SRGB", 313, 2),
            ("R5G6B5_UNORM", 321, 2),
        ];
        for (name, format, bytes) in sizes {
            assert_eq!(Block::of(format), Some(Block::new(1, 1, bytes)), "{name}");
        }
        let blocks = [
            ("YUYV", 15, (2, 1, 4)),
            ("DXT1_RGB", 105, (4, 4, 8)),
            ("DXT5_SRGBA", 112, (4, 4, 16)),
            ("ETC2_RGBA8", 273, (4, 4, 16)),
            ("ASTC_8x5", 284, (8, 5, 16)),
            ("ASTC_12x12_SRGB", 306, (12, 12, 16)),
        ];
        for (name, format, (width, height, bytes)) in blocks {
            let block = Block::new(width, height, bytes);
            assert_eq!(Block::of(format), Some(block), "{name}");
        }
    }

    #[test]
    fn a_format_is_in_one_list_only() {
        for format in 0..400 {
            let lists = [
                plain(format).is_some(),
                vector(format).is_some(),
                compressed(format).is_some(),
            ];
            assert!(lists.iter().filter(|has| **has).count() <= 1, "{format}");
        }
        let unknown = [0, 166, 314, 322, u32::MAX];
        assert!(unknown.iter().all(|format| Block::of(*format).is_none()));
    }

    #[test]
    fn what_a_screen_shows_is_four_bytes() {
        let shown: Vec<_> = (0..400).filter(|format| shown(*format).is_some()).collect();
        assert_eq!(shown.len(), 16);
        for format in shown {
            assert_eq!(Block::of(format).unwrap().bytes, 4, "{format}");
            assert!(!is_depth(format));
        }
    }

    #[test]
    fn rows_are_whole_blocks() {
        let block = Block::of(105).unwrap();
        assert_eq!((block.row(1), block.row(4), block.row(5)), (8, 8, 16));
        assert_eq!((block.rows(1), block.rows(4), block.rows(5)), (1, 1, 2));
    }
}
