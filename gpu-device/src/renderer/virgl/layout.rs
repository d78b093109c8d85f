//! Which bytes a texture and a part of it take: what the library is asked to copy is measured here
//! first, in 64 bits.
//!
//! virglrenderer measures for itself, and has done it wrongly more than once (CVE-2019-18389,
//! CVE-2022-0135): up to version 1.3 its sums are of 32 bits. So no texture is made whose bytes don't
//! fit into 31, and no transfer asked for that is not wholly in its texture and in its backing.

use protocols::virtio_gpu::Box3d;

use super::{
    Failure,
    formats::{self, Block},
};
use crate::renderer::{Texture, Transfer};

/// PIPE_BUFFER.
const BUFFER: u32 = 0;
/// PIPE_TEXTURE_2D.
const TEXTURE_2D: u32 = 2;
/// PIPE_TEXTURE_3D.
const TEXTURE_3D: u32 = 3;
/// PIPE_TEXTURE_RECT.
const TEXTURE_RECT: u32 = 5;

/// The most bytes of a texture: what fits in all of the library's sums.
const LARGEST: u64 = i32::MAX as u64;

/// How a texture's bytes lie, as far as copies need it.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    texture: Texture,
    block: Block,
}

impl Layout {
    /// Measures a texture that a guest wants.
    ///
    /// # Errors
    /// It is too large, or of a format that can't be measured.
    pub fn of(texture: &Texture) -> Result<Self, Failure> {
        let block = Block::of(texture.format).ok_or(Failure::Invalid("No such texture format"))?;
        if texture.target == BUFFER && block != Block::of_bytes() {
            // Its width is in bytes, which only formats of one byte keep true: the library reads
            // beyond a buffer's end otherwise.
            return Err(Failure::Invalid("A buffer's format must be of one byte"));
        }
        let layout = Self {
            texture: *texture,
            block,
        };
        let bytes = layout.bytes().filter(|bytes| *bytes <= LARGEST);
        bytes.ok_or(Failure::Invalid("A texture is larger than 2 GiB"))?;
        Ok(layout)
    }

    /// What it is made of.
    pub fn texture(&self) -> &Texture {
        &self.texture
    }

    /// Bytes of its largest mipmap with all layers and samples; `None` beyond all bounds.
    pub fn bytes(&self) -> Option<u64> {
        let Texture {
            width,
            height,
            depth,
            array_size,
            samples,
            ..
        } = self.texture;
        let at_least_one = |count: u32| u64::from(count.max(1));
        self.block
            .row(width.max(1))
            .checked_mul(self.block.rows(height.max(1)))?
            .checked_mul(at_least_one(depth))?
            .checked_mul(at_least_one(array_size))?
            .checked_mul(at_least_one(samples))
    }

    /// Whether it is one picture, which a screen could show.
    pub fn is_picture(&self) -> bool {
        let Texture {
            target,
            depth,
            array_size,
            samples,
            ..
        } = self.texture;
        matches!(target, TEXTURE_2D | TEXTURE_RECT) && depth <= 1 && array_size <= 1 && samples <= 1
    }

    /// Whether it is a picture of the kind that can be shared. The library ends the process where it is
    /// asked for what another one is in OpenGL.
    pub fn is_shareable(&self) -> bool {
        let is_depth = formats::is_depth(self.texture.format);
        self.is_picture() && self.texture.target == TEXTURE_2D && !is_depth
    }

    /// Makes sure that a transfer stays in the texture and in `backing` bytes of the guest's.
    ///
    /// # Errors
    /// It does not.
    pub fn check(&self, transfer: &Transfer, backing: u64) -> Result<(), Failure> {
        const OUTSIDE: Failure = Failure::Invalid("A transfer is not in its texture");
        const BEYOND: Failure = Failure::Invalid("A transfer is not in its texture's backing");
        if self.texture.samples > 1 {
            // OpenGL does not copy these: the guest would get what was in the host's memory before.
            return Err(Failure::Invalid("A texture of samples is not transferred"));
        }
        if transfer.level > self.texture.last_level {
            return Err(OUTSIDE);
        }
        let part = &transfer.part;
        let size = |count: u32| count.checked_shr(transfer.level).unwrap_or(0).max(1);
        let layers = match self.texture.target {
            TEXTURE_3D => size(self.texture.depth),
            _ => self.texture.array_size,
        };
        let inside = reaches(part.x, part.width, size(self.texture.width))
            && reaches(part.y, part.height, size(self.texture.height))
            && reaches(part.z, part.depth, layers);
        let aligned =
            part.x.is_multiple_of(self.block.width) && part.y.is_multiple_of(self.block.height);
        if !inside || !aligned {
            return Err(OUTSIDE);
        }
        let bytes = self.bytes_of(
            transfer,
            size(self.texture.width),
            size(self.texture.height),
        );
        let bytes = bytes.filter(|bytes| *bytes <= LARGEST).ok_or(BEYOND)?;
        let end = transfer.offset.checked_add(bytes);
        end.filter(|end| *end <= backing).ok_or(BEYOND)?;
        Ok(())
    }

    /// Bytes from a transfer's first to its last; `None` where its strides are too short or its end
    /// is beyond all bounds.
    fn bytes_of(&self, transfer: &Transfer, width: u32, height: u32) -> Option<u64> {
        let Box3d {
            width: part_width,
            height: part_height,
            depth: part_depth,
            ..
        } = transfer.part;
        let row = self.block.row(part_width);
        let stride = match transfer.stride {
            0 => self.block.row(width),
            stride => Some(u64::from(stride)).filter(|stride| *stride >= row)?,
        };
        let rows = self.block.rows(part_height);
        let layer = stride.checked_mul(rows)?;
        let layer_stride = match transfer.layer_stride {
            0 => stride.checked_mul(self.block.rows(height))?,
            stride => Some(u64::from(stride)).filter(|stride| *stride >= layer)?,
        };
        let before_last_layer = layer_stride.checked_mul(u64::from(part_depth).checked_sub(1)?)?;
        let before_last_row = stride.checked_mul(rows.checked_sub(1)?)?;
        before_last_layer
            .checked_add(before_last_row)?
            .checked_add(row)
    }
}

/// Whether `length` units from `start` on are at least one and within `size`.
fn reaches(start: u32, length: u32, size: u32) -> bool {
    length > 0 && u64::from(start).saturating_add(length.into()) <= size.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BGRA: u32 = 1;
    const BYTES: u32 = 64;
    const DXT1: u32 = 105;

    fn texture(target: u32, format: u32, width: u32, height: u32) -> Texture {
        Texture {
            target,
            format,
            bind: 2,
            width,
            height,
            depth: 1,
            array_size: 1,
            last_level: 0,
            samples: 0,
            flags: 0,
        }
    }

    fn transfer(part: (u32, u32, u32, u32, u32, u32), offset: u64, stride: u32) -> Transfer {
        let (x, y, z, width, height, depth) = part;
        let part = Box3d {
            x,
            y,
            z,
            width,
            height,
            depth,
        };
        Transfer {
            context: 0,
            resource: 1,
            part,
            offset,
            level: 0,
            stride,
            layer_stride: 0,
        }
    }

    #[test]
    fn a_part_must_be_in_its_texture() {
        let layout = Layout::of(&texture(TEXTURE_2D, BGRA, 10, 10)).unwrap();
        let check = |part| layout.check(&transfer(part, 0, 0), u64::MAX).is_ok();
        assert!(check((0, 0, 0, 10, 10, 1)));
        assert!(check((9, 9, 0, 1, 1, 1)));
        let outside = [
            (0, 0, 0, 11, 1, 1),
            (0, 1, 0, 1, 10, 1),
            (10, 0, 0, 1, 1, 1),
            (u32::MAX, 0, 0, 1, 1, 1),
            (1, 0, 0, u32::MAX, 1, 1),
            (0, 0, 1, 1, 1, 1),
            (0, 0, 0, 1, 1, 2),
            (0, 0, 0, 0, 1, 1),
            (0, 0, 0, 1, 0, 1),
            (0, 0, 0, 1, 1, 0),
        ];
        for part in outside {
            assert!(!check(part), "{part:?}");
        }
    }

    #[test]
    fn a_part_must_be_in_the_backing() {
        let layout = Layout::of(&texture(TEXTURE_2D, BGRA, 10, 10)).unwrap();
        let check = |offset, stride, backing| {
            let transfer = transfer((0, 0, 0, 10, 3, 1), offset, stride);
            layout.check(&transfer, backing).is_ok()
        };
        assert!(check(0, 0, 120));
        assert!(!check(0, 0, 119));
        assert!(check(5, 0, 125));
        assert!(!check(6, 0, 125));
        assert!(!check(u64::MAX, 0, u64::MAX));
        assert!(check(0, 40, 120));
        assert!(!check(0, 39, 1000), "rows overlap");
        assert!(check(0, 100, 240));
        assert!(!check(0, 100, 239));
        assert!(!check(0, u32::MAX, u64::MAX), "more than 31 bits");
        assert!(!check(0, 1 << 31, 1 << 20), "wraps in 32 bits");
    }

    #[test]
    fn layers_have_a_stride_of_their_own() {
        let mut volume = texture(TEXTURE_3D, BGRA, 4, 4);
        volume.depth = 3;
        let layout = Layout::of(&volume).unwrap();
        let check = |layer_stride, backing| {
            let transfer = Transfer {
                layer_stride,
                ..transfer((0, 0, 0, 4, 4, 3), 0, 0)
            };
            layout.check(&transfer, backing).is_ok()
        };
        assert!(check(0, 192));
        assert!(!check(0, 191));
        assert!(!check(63, 1000), "layers overlap");
        assert!(check(100, 264));
        assert!(!check(100, 263));
    }

    #[test]
    fn only_pictures_in_colours_are_shared() {
        let picture = texture(TEXTURE_2D, BGRA, 4, 4);
        let shared = |texture: Texture| Layout::of(&texture).unwrap().is_shareable();
        assert!(shared(picture));
        let others = [
            texture(TEXTURE_RECT, BGRA, 4, 4),
            texture(TEXTURE_3D, BGRA, 4, 4),
            texture(TEXTURE_2D, 18, 4, 4),
            Texture {
                samples: 4,
                ..picture
            },
            Texture {
                array_size: 2,
                ..picture
            },
        ];
        for other in others {
            assert!(!shared(other), "{other:?}");
        }
    }

    #[test]
    fn textures_of_samples_are_not_transferred() {
        let samples = Texture {
            samples: 4,
            ..texture(TEXTURE_2D, BGRA, 4, 4)
        };
        let layout = Layout::of(&samples).unwrap();
        let whole = transfer((0, 0, 0, 4, 4, 1), 0, 0);
        assert!(layout.check(&whole, u64::MAX).is_err());
    }

    #[test]
    fn mipmaps_halve() {
        let mut levels = texture(TEXTURE_2D, BGRA, 8, 4);
        levels.last_level = 3;
        let layout = Layout::of(&levels).unwrap();
        let check = |level, width, height| {
            let transfer = Transfer {
                level,
                ..transfer((0, 0, 0, width, height, 1), 0, 0)
            };
            layout.check(&transfer, u64::MAX).is_ok()
        };
        assert!(check(1, 4, 2) && !check(1, 5, 2));
        assert!(check(3, 1, 1) && !check(3, 1, 2));
        assert!(!check(4, 1, 1) && !check(u32::MAX, 1, 1));
    }

    #[test]
    fn compressed_parts_begin_with_blocks() {
        let layout = Layout::of(&texture(TEXTURE_2D, DXT1, 10, 10)).unwrap();
        let check = |x, width, backing| {
            let transfer = transfer((x, 0, 0, width, 4, 1), 0, 0);
            layout.check(&transfer, backing).is_ok()
        };
        assert!(check(4, 6, 16) && !check(4, 6, 15));
        assert!(!check(2, 4, 1000));
    }

    #[test]
    fn textures_are_of_bounded_size() {
        let make =
            |target, format, width, height| Layout::of(&texture(target, format, width, height));
        assert!(make(TEXTURE_2D, BGRA, 16384, 16384).is_ok());
        assert!(make(TEXTURE_2D, 31, 16384, 16384).is_err(), "4 GiB");
        assert!(make(TEXTURE_2D, BGRA, u32::MAX, u32::MAX).is_err());
        assert!(make(BUFFER, BYTES, 1 << 30, 1).is_ok());
        assert!(make(BUFFER, BYTES, u32::MAX, 1).is_err());
        assert!(make(BUFFER, BGRA, 16, 1).is_err());
        assert!(make(TEXTURE_2D, 10_000, 1, 1).is_err());
        let many = Texture {
            depth: u32::MAX,
            array_size: u32::MAX,
            samples: u32::MAX,
            ..texture(TEXTURE_3D, BGRA, u32::MAX, u32::MAX)
        };
        assert!(Layout::of(&many).is_err());
    }

    proptest! {
        /// What passes touches no byte beyond the backing, row by row.
        #[test]
        fn rows_of_what_passes_are_in_the_backing(
            (width, height) in (1_u32..40, 1_u32..40),
            (x, y, part_width, part_height) in (0_u32..40, 0_u32..40, 0_u32..40, 0_u32..40),
            (offset, stride, backing) in (0_u64..400, 0_u32..400, 0_u64..8000),
        ) {
            let layout = Layout::of(&texture(TEXTURE_2D, BGRA, width, height)).unwrap();
            let transfer = transfer((x, y, 0, part_width, part_height, 1), offset, stride);
            if layout.check(&transfer, backing).is_ok() {
                prop_assert!(x + part_width <= width && y + part_height <= height);
                let stride = if stride == 0 { width * 4 } else { stride };
                for row in 0..part_height {
                    let start = offset + u64::from(row * stride);
                    prop_assert!(start + u64::from(part_width * 4) <= backing);
                }
            }
        }
    }
}
