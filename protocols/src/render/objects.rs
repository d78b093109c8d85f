//! What requests are about.

use crate::virtio_gpu::Box3d;

/// Names memory of the device's that the renderer may write into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lent(pub u32);

/// A set of capabilities that a guest's driver reads: its name decides which driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capset {
    /// As [`crate::virtio_gpu::CAPSET_VIRGL2`].
    pub id: u32,
    /// Its newest version.
    pub version: u32,
    /// What GET_CAPSET answers.
    pub data: Vec<u8>,
}

/// What a renderer draws with, for people: texts of the host's drivers, empty where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Versions {
    /// Of libvirglrenderer, like `1.3.0`.
    pub library: String,
    /// The host's graphics card, or what stands in for it.
    pub device: String,
    /// OpenGL, like `4.5`.
    pub gl: String,
    /// OpenGL ES, like `3.2`.
    pub gles: String,
    /// OpenGL's shading language, like `4.50`.
    pub glsl: String,
    /// Vulkan, like `1.3`.
    pub vulkan: String,
}

impl Versions {
    /// Of nothing.
    pub const NONE: &'static Self = &Self {
        library: String::new(),
        device: String::new(),
        gl: String::new(),
        gles: String::new(),
        glsl: String::new(),
        vulkan: String::new(),
    };
}

/// What tells the guest that a request's work, not only its acceptance, is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fence {
    /// As the guest chose it; counts up on each timeline.
    pub id: u64,
    /// On which timeline.
    pub timeline: Timeline,
}

/// Fences of a timeline are reached in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timeline {
    /// The device's own.
    Device,
    /// A ring of a 3D context (`VIRTIO_GPU_FLAG_INFO_RING_IDX`).
    Ring {
        /// The context.
        context: u32,
        /// The ring, below 64.
        ring: u8,
    },
}

/// RESOURCE_CREATE_3D, as the guest sent it; what the numbers mean is the renderer's to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Texture {
    /// `PIPE_TEXTURE_*`.
    pub target: u32,
    /// `VIRGL_FORMAT_*`.
    pub format: u32,
    /// `VIRGL_BIND_*`.
    pub bind: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Depth in pixels.
    pub depth: u32,
    /// Layers.
    pub array_size: u32,
    /// The number of the smallest mipmap.
    pub last_level: u32,
    /// Samples of a pixel.
    pub samples: u32,
    /// `VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP` is 1.
    pub flags: u32,
}

/// TRANSFER_TO_HOST_3D and TRANSFER_FROM_HOST_3D.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// The context it is done in, 0 for none.
    pub context: u32,
    /// The resource.
    pub resource: u32,
    /// Which part of it.
    pub part: Box3d,
    /// Bytes from the start of the backing.
    pub offset: u64,
    /// Which mipmap.
    pub level: u32,
    /// Bytes from row to row in the backing, 0 for no gaps.
    pub stride: u32,
    /// Bytes from layer to layer in the backing, 0 for no gaps.
    pub layer_stride: u32,
}

/// RESOURCE_CREATE_BLOB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobOf {
    /// The context that knows it as `id`, 0 for none.
    pub context: u32,
    /// Where its memory is: [`crate::virtio_gpu::BLOB_MEM_HOST3D`] or another.
    pub memory: u32,
    /// `VIRTIO_GPU_BLOB_FLAG_*`.
    pub flags: u32,
    /// The context's name for it.
    pub id: u64,
    /// Its size in bytes.
    pub size: u64,
}

/// Where pixels are to be read back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The memory.
    pub memory: Lent,
    /// Bytes from the start of it to the pixel at the top left of the part that is read.
    pub offset: u64,
    /// Bytes from one row to the next.
    pub stride: u32,
}

/// A region of the guest's RAM, whose file comes beside the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Its guest-physical address.
    pub start: u64,
    /// Its length in bytes.
    pub len: u64,
    /// Where it begins in the file, in bytes.
    pub offset: u64,
}
