//! The protocol's numbers, as `virgl_protocol.h`, `virgl_hw.h` and Gallium's `p_defines.h` have them.

/// Commands, the lowest 8 bits of a header (`VIRGL_CCMD_*`).
#[expect(missing_docs, reason = "the names are those of virgl_protocol.h")]
pub mod command {
    pub const NOP: u32 = 0;
    pub const CREATE_OBJECT: u32 = 1;
    pub const BIND_OBJECT: u32 = 2;
    pub const DESTROY_OBJECT: u32 = 3;
    pub const SET_VIEWPORT_STATE: u32 = 4;
    pub const SET_FRAMEBUFFER_STATE: u32 = 5;
    pub const SET_VERTEX_BUFFERS: u32 = 6;
    pub const CLEAR: u32 = 7;
    pub const DRAW_VBO: u32 = 8;
    pub const RESOURCE_INLINE_WRITE: u32 = 9;
    pub const SET_SAMPLER_VIEWS: u32 = 10;
    pub const SET_INDEX_BUFFER: u32 = 11;
    pub const SET_CONSTANT_BUFFER: u32 = 12;
    pub const SET_SCISSOR_STATE: u32 = 15;
    pub const BLIT: u32 = 16;
    pub const RESOURCE_COPY_REGION: u32 = 17;
    pub const BIND_SAMPLER_STATES: u32 = 18;
    pub const BEGIN_QUERY: u32 = 19;
    pub const END_QUERY: u32 = 20;
    pub const GET_QUERY_RESULT: u32 = 21;
    pub const SET_CLIP_STATE: u32 = 23;
    pub const SET_STREAMOUT_TARGETS: u32 = 25;
    pub const SET_UNIFORM_BUFFER: u32 = 27;
    pub const SET_SUB_CTX: u32 = 28;
    pub const CREATE_SUB_CTX: u32 = 29;
    pub const DESTROY_SUB_CTX: u32 = 30;
    pub const BIND_SHADER: u32 = 31;
    pub const SET_SHADER_BUFFERS: u32 = 34;
    pub const SET_SHADER_IMAGES: u32 = 35;
    pub const LAUNCH_GRID: u32 = 37;
    pub const SET_ATOMIC_BUFFERS: u32 = 40;
    pub const SET_DEBUG_FLAGS: u32 = 41;
    pub const TRANSFER3D: u32 = 43;
    pub const COPY_TRANSFER3D: u32 = 45;
    pub const CLEAR_TEXTURE: u32 = 47;
    pub const PIPE_RESOURCE_CREATE: u32 = 48;
    pub const PIPE_RESOURCE_SET_TYPE: u32 = 49;
    pub const GET_MEMORY_INFO: u32 = 50;
    pub const SEND_STRING_MARKER: u32 = 51;
}

/// Types of objects, the second 8 bits of a header (`VIRGL_OBJECT_*`).
#[expect(missing_docs, reason = "the names are those of virgl_protocol.h")]
pub mod object {
    pub const NONE: u32 = 0;
    pub const BLEND: u32 = 1;
    pub const RASTERIZER: u32 = 2;
    pub const DSA: u32 = 3;
    pub const SHADER: u32 = 4;
    pub const VERTEX_ELEMENTS: u32 = 5;
    pub const SAMPLER_VIEW: u32 = 6;
    pub const SAMPLER_STATE: u32 = 7;
    pub const SURFACE: u32 = 8;
    pub const QUERY: u32 = 9;
    pub const STREAMOUT_TARGET: u32 = 10;
}

/// What a resource is for (`VIRGL_BIND_*`).
#[expect(missing_docs, reason = "the names are those of virgl_hw.h")]
pub mod bind {
    pub const DEPTH_STENCIL: u32 = 1 << 0;
    pub const RENDER_TARGET: u32 = 1 << 1;
    pub const SAMPLER_VIEW: u32 = 1 << 3;
    pub const VERTEX_BUFFER: u32 = 1 << 4;
    pub const INDEX_BUFFER: u32 = 1 << 5;
    pub const CONSTANT_BUFFER: u32 = 1 << 6;
    pub const DISPLAY_TARGET: u32 = 1 << 7;
    pub const QUERY_BUFFER: u32 = 1 << 15;
    pub const CUSTOM: u32 = 1 << 17;
    pub const SCANOUT: u32 = 1 << 18;
    pub const STAGING: u32 = 1 << 19;
    pub const SHARED: u32 = 1 << 20;
    pub const LINEAR: u32 = 1 << 22;
}

/// What a resource is (`PIPE_TEXTURE_*`; the first is `PIPE_BUFFER`).
#[expect(missing_docs, reason = "the names are those of p_defines.h")]
pub mod target {
    pub const BUFFER: u32 = 0;
    pub const TEXTURE_1D: u32 = 1;
    pub const TEXTURE_2D: u32 = 2;
    pub const TEXTURE_3D: u32 = 3;
    pub const TEXTURE_CUBE: u32 = 4;
    pub const TEXTURE_RECT: u32 = 5;
    pub const TEXTURE_1D_ARRAY: u32 = 6;
    pub const TEXTURE_2D_ARRAY: u32 = 7;
    pub const TEXTURE_CUBE_ARRAY: u32 = 8;
}

/// Bytes B, G, R, A.
pub const FORMAT_B8G8R8A8: u32 = 1;
/// Bytes B, G, R and one without a meaning: what Linux shows on screens.
pub const FORMAT_B8G8R8X8: u32 = 2;
/// Four floats.
pub const FORMAT_R32G32B32A32_FLOAT: u32 = 31;
/// Single bytes: the format of buffers.
pub const FORMAT_R8: u32 = 64;
/// Bytes R, G, B, A.
pub const FORMAT_R8G8B8A8: u32 = 67;
/// Depth and stencil.
pub const FORMAT_Z24_S8: u32 = 19;

/// `VIRGL_RESOURCE_Y_0_TOP`: the resource's rows lie the other way round.
pub const RESOURCE_Y_0_TOP: u32 = 1 << 0;

/// A vertex shader.
pub const SHADER_VERTEX: u32 = 0;
/// A fragment shader.
pub const SHADER_FRAGMENT: u32 = 1;

/// `PIPE_CLEAR_COLOR0`: the first colour buffer.
pub const CLEAR_COLOR_0: u32 = 1 << 2;

/// `PIPE_PRIM_TRIANGLES`.
pub const TRIANGLES: u32 = 4;
