//! What `virglrenderer.h` says, as far as it is used: the same in all supported versions, or with what
//! newer ones added at the end.

use std::ffi::{c_char, c_int, c_void};

/// USE_EGL: contexts of OpenGL come from EGL.
pub const USE_EGL: c_int = 1;
/// THREAD_SYNC: the library waits for fences in a thread of its own and rings a file descriptor.
pub const THREAD_SYNC: c_int = 1 << 1;
/// USE_SURFACELESS: EGL without windows and without a graphics card's GBM.
pub const USE_SURFACELESS: c_int = 1 << 3;
/// USE_GLES: draws with OpenGL ES instead of OpenGL.
pub const USE_GLES: c_int = 1 << 4;
/// USE_EXTERNAL_BLOB: guests are offered no memory that only this process could map. The guest's CPUs
/// run in another process.
pub const USE_EXTERNAL_BLOB: c_int = 1 << 5;
/// VENUS: Vulkan for guests.
pub const VENUS: c_int = 1 << 6;
/// NO_VIRGL: no OpenGL for guests.
pub const NO_VIRGL: c_int = 1 << 7;
/// ASYNC_FENCE_CB: the thread of [`THREAD_SYNC`] tells of fences itself, instead of ringing for each.
pub const ASYNC_FENCE_CB: c_int = 1 << 8;
/// RENDER_SERVER: Vulkan runs in the library's own server process, which venus needs.
pub const RENDER_SERVER: c_int = 1 << 9;

/// FENCE_FLAG_MERGEABLE: a later fence of the same timeline may speak for this one.
pub const FENCE_MERGEABLE: u32 = 1;

/// VIRGL_RESOURCE_Y_0_TOP: the first row in the host's memory is the lowest one.
pub const Y_0_TOP: u32 = 1;

/// STRUCTURE_TYPE_EXPORT_QUERY.
pub const EXPORT_QUERY: u32 = 1;

/// BLOB_FD_TYPE_DMABUF.
pub const FD_DMABUF: u32 = 1;
/// BLOB_FD_TYPE_SHM.
pub const FD_SHM: u32 = 3;

/// The version of [`Callbacks`] with timelines, and the newest whose fields are all filled here.
pub const CALLBACKS_VERSION: c_int = 3;

/// `struct virgl_renderer_callbacks`, version 4.
#[repr(C)]
#[derive(Debug)]
pub struct Callbacks {
    pub version: c_int,
    pub write_fence: unsafe extern "C" fn(*mut c_void, u32),
    pub create_gl_context: Option<unsafe extern "C" fn()>,
    pub destroy_gl_context: Option<unsafe extern "C" fn()>,
    pub make_current: Option<unsafe extern "C" fn()>,
    pub get_drm_fd: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
    pub write_context_fence: unsafe extern "C" fn(*mut c_void, u32, u32, u64),
    pub get_server_fd: Option<unsafe extern "C" fn()>,
    pub get_egl_display: Option<unsafe extern "C" fn()>,
}

/// `struct virgl_renderer_resource_create_args`.
#[repr(C)]
pub struct CreateArgs {
    pub handle: u32,
    pub target: u32,
    pub format: u32,
    pub bind: u32,
    pub width: u32,
    pub height: u32,
    pub depth: u32,
    pub array_size: u32,
    pub last_level: u32,
    pub nr_samples: u32,
    pub flags: u32,
}

/// `struct virgl_renderer_resource_create_blob_args`.
#[repr(C)]
pub struct CreateBlobArgs {
    pub res_handle: u32,
    pub ctx_id: u32,
    pub blob_mem: u32,
    pub blob_flags: u32,
    pub blob_id: u64,
    pub size: u64,
    pub iovecs: *const Iovec,
    pub num_iovs: u32,
}

/// `struct iovec`.
#[repr(C)]
#[derive(Debug)]
pub struct Iovec {
    pub base: *mut c_void,
    pub len: usize,
}

/// `struct virgl_box`.
#[repr(C)]
pub struct Cuboid {
    pub x: u32,
    pub y: u32,
    pub z: u32,
    pub width: u32,
    pub height: u32,
    pub depth: u32,
}

/// `struct virgl_renderer_resource_info`, with what came with version 1.0, and room for more.
#[repr(C)]
#[derive(Default)]
pub struct ResourceInfo {
    pub handle: u32,
    pub virgl_format: u32,
    pub width: u32,
    pub height: u32,
    pub depth: u32,
    pub flags: u32,
    pub tex_id: u32,
    pub stride: u32,
    pub drm_fourcc: c_int,
    pub fd: c_int,
    room: [u64; 8],
}

/// `struct virgl_renderer_export_query`.
#[repr(C)]
#[derive(Default)]
pub struct ExportQuery {
    pub stype: u32,
    pub stype_version: u32,
    pub size: u32,
    pub in_resource_id: u32,
    pub out_num_fds: u32,
    pub in_export_fds: u32,
    pub out_fourcc: u32,
    pub pad: u32,
    pub out_fds: [c_int; 4],
    pub out_strides: [u32; 4],
    pub out_offsets: [u32; 4],
    pub out_modifier: u64,
}

/// `virgl_log_callback_type`.
pub type Log = unsafe extern "C" fn(c_int, *const c_char, *mut c_void);

/// `virgl_debug_callback_type`. A `va_list` that is handed to a function is a pointer, or is handed
/// over by one, on all of Linux's 64-bit machines.
pub type LogFormat = unsafe extern "C" fn(*const c_char, *mut c_void);

// SAFETY: the signature is that of the C standard, for this machine's `va_list` (see above).
unsafe extern "C" {
    /// C's own, for [`LogFormat`].
    pub fn vsnprintf(
        text: *mut c_char,
        size: usize,
        format: *const c_char,
        arguments: *mut c_void,
    ) -> c_int;
}
