//! virtio-gpu: commands, responses, configuration space and pixel formats.
//!
//! Owns the bytes, as `virtio_gpu.h` of Linux 7.2 and the VIRTIO 1.4 text (`device-types/gpu`)
//! lay them down. Must not know what a command *means*: ids, rectangles, formats and sizes are
//! handed on as the guest sent them, and the device judges them.
//!
//! [`decode`] and [`Response::encode`] are the device's half; [`Command::encode`] and
//! [`Response::decode`] the guest's.

mod command;
mod config;
mod format;
mod header;
mod rect;
mod response;
mod wire;

#[cfg(test)]
mod tests;

pub use command::{
    BLOB_FLAG_CROSS_DEVICE, BLOB_FLAG_MAPPABLE, BLOB_FLAG_SHAREABLE, BLOB_MEM_GUEST,
    BLOB_MEM_HOST3D, BLOB_MEM_HOST3D_GUEST, Box3d, Command, DecodeError, Malformed, MemEntry,
    decode, submission,
};
pub use config::{CONFIG_SIZE, CONFIG_SIZE_WITH_ALIGNMENT, Config, EVENT_DISPLAY};
pub use format::{Format, UnknownFormat};
pub use header::{HEADER_SIZE, Header};
pub use rect::Rect;
pub use response::{DisplayMode, EDID_SIZE, ErrorCode, Response, ResponseError};

/// The virtio device id of a GPU.
pub const DEVICE_ID: u32 = 16;

/// How many virtual monitors the protocol knows (`VIRTIO_GPU_MAX_SCANOUTS`).
pub const MAX_SCANOUTS: usize = 16;

/// Width and height of the largest pointer image, in pixels.
pub const CURSOR_SIZE: u32 = 64;

/// The longest list of memory entries that a command may carry; QEMU draws the same line.
pub const MAX_ENTRIES: usize = 16384;

/// The longest request that is decoded, in bytes.
///
/// Fits [`MAX_ENTRIES`] entries (262 200 bytes with CREATE_BLOB) and the largest command stream
/// of Mesa's virgl driver (`VIRGL_MAX_CMDBUF_DWORDS`: 266 240 bytes), with room to spare.
pub const MAX_REQUEST: usize = 1024 * 1024;

/// The index of the control queue.
pub const CONTROL_QUEUE: u16 = 0;

/// The index of the cursor queue.
pub const CURSOR_QUEUE: u16 = 1;

/// Feature bit number: 3D commands of virgl.
pub const F_VIRGL: u32 = 0;

/// Feature bit number: GET_EDID.
pub const F_EDID: u32 = 1;

/// Feature bit number: RESOURCE_ASSIGN_UUID.
pub const F_RESOURCE_UUID: u32 = 2;

/// Feature bit number: RESOURCE_CREATE_BLOB and SET_SCANOUT_BLOB.
pub const F_RESOURCE_BLOB: u32 = 3;

/// Feature bit number: context types and several timelines; needs [`F_VIRGL`].
pub const F_CONTEXT_INIT: u32 = 4;

/// Feature bit number: the configuration space names an alignment for blobs; needs
/// [`F_RESOURCE_BLOB`].
pub const F_BLOB_ALIGNMENT: u32 = 5;

/// Capset id: virgl, first version.
pub const CAPSET_VIRGL: u32 = 1;

/// Capset id: virgl, second version.
pub const CAPSET_VIRGL2: u32 = 2;

/// Capset id: venus (Vulkan).
pub const CAPSET_VENUS: u32 = 4;

/// Capset id: native contexts.
pub const CAPSET_DRM: u32 = 6;

/// The id of the shared memory region that MAP_BLOB maps into.
pub const SHM_ID_HOST_VISIBLE: u8 = 1;
