//! The eight pixel formats, and how DRM calls them.

use thiserror::Error;

/// A pixel format, named as virtio names it: by the order of the *bytes* in memory.
///
/// DRM names the same formats by the bits of a little-endian word, in reverse: [`Format::Bgrx8888`]
/// is `DRM_FORMAT_XRGB8888`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Format {
    /// Bytes B, G, R, A; `DRM_FORMAT_ARGB8888`.
    Bgra8888 = 1,
    /// Bytes B, G, R, unused; `DRM_FORMAT_XRGB8888`. Linux's scanouts.
    Bgrx8888 = 2,
    /// Bytes A, R, G, B; `DRM_FORMAT_BGRA8888`.
    Argb8888 = 3,
    /// Bytes unused, R, G, B; `DRM_FORMAT_BGRX8888`.
    Xrgb8888 = 4,
    /// Bytes R, G, B, A; `DRM_FORMAT_ABGR8888`.
    Rgba8888 = 67,
    /// Bytes unused, B, G, R; `DRM_FORMAT_RGBX8888`.
    Xbgr8888 = 68,
    /// Bytes A, B, G, R; `DRM_FORMAT_RGBA8888`.
    Abgr8888 = 121,
    /// Bytes R, G, B, unused; `DRM_FORMAT_XBGR8888`.
    Rgbx8888 = 134,
}

/// A format number that virtio-gpu does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("Pixel format {0} is none of virtio-gpu's eight")]
pub struct UnknownFormat(pub u32);

impl Format {
    /// All formats, by number.
    pub const ALL: [Self; 8] = [
        Self::Bgra8888,
        Self::Bgrx8888,
        Self::Argb8888,
        Self::Xrgb8888,
        Self::Rgba8888,
        Self::Xbgr8888,
        Self::Abgr8888,
        Self::Rgbx8888,
    ];

    /// Bytes of one pixel.
    #[must_use]
    pub const fn bytes_per_pixel(self) -> u32 {
        4
    }

    /// DRM's four character code.
    #[must_use]
    pub const fn drm_fourcc(self) -> u32 {
        u32::from_le_bytes(match self {
            Self::Bgra8888 => *b"AR24",
            Self::Bgrx8888 => *b"XR24",
            Self::Argb8888 => *b"BA24",
            Self::Xrgb8888 => *b"BX24",
            Self::Rgba8888 => *b"AB24",
            Self::Xbgr8888 => *b"RX24",
            Self::Abgr8888 => *b"RA24",
            Self::Rgbx8888 => *b"XB24",
        })
    }

    /// Whether one byte of each pixel is its opacity.
    #[must_use]
    pub const fn has_alpha(self) -> bool {
        matches!(
            self,
            Self::Bgra8888 | Self::Argb8888 | Self::Rgba8888 | Self::Abgr8888
        )
    }

    /// The same byte order with the alpha channel unused.
    #[must_use]
    pub const fn opaque(self) -> Self {
        match self {
            Self::Bgra8888 | Self::Bgrx8888 => Self::Bgrx8888,
            Self::Argb8888 | Self::Xrgb8888 => Self::Xrgb8888,
            Self::Rgba8888 | Self::Rgbx8888 => Self::Rgbx8888,
            Self::Abgr8888 | Self::Xbgr8888 => Self::Xbgr8888,
        }
    }

    /// At which byte of a pixel blue, green, red and alpha (or the unused channel) are.
    #[must_use]
    pub const fn bgra_bytes(self) -> [usize; 4] {
        match self {
            Self::Bgra8888 | Self::Bgrx8888 => [0, 1, 2, 3],
            Self::Argb8888 | Self::Xrgb8888 => [3, 2, 1, 0],
            Self::Rgba8888 | Self::Rgbx8888 => [2, 1, 0, 3],
            Self::Abgr8888 | Self::Xbgr8888 => [1, 2, 3, 0],
        }
    }
}

impl TryFrom<u32> for Format {
    type Error = UnknownFormat;

    fn try_from(number: u32) -> Result<Self, UnknownFormat> {
        Ok(match number {
            1 => Self::Bgra8888,
            2 => Self::Bgrx8888,
            3 => Self::Argb8888,
            4 => Self::Xrgb8888,
            67 => Self::Rgba8888,
            68 => Self::Xbgr8888,
            121 => Self::Abgr8888,
            134 => Self::Rgbx8888,
            other => return Err(UnknownFormat(other)),
        })
    }
}

impl From<Format> for u32 {
    fn from(format: Format) -> Self {
        // A fieldless enum with a `u32` representation: the cast is its number.
        format as Self
    }
}
