//! The structs of `virtio_gpu.h` as they lie in memory, without the header that precedes them.
//!
//! Only this room knows offsets and padding. All integers are little-endian on every host.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{I32, U32, U64},
};

use super::{EDID_SIZE, MAX_SCANOUTS};

/// Declares packed wire structs; their order of fields is their order in memory.
macro_rules! wire_structs {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
        #[repr(C)]
        pub(super) struct $name { $(pub(super) $field: $type),* }
    )*};
}

wire_structs! {
    /// `virtio_gpu_ctrl_hdr`
    Header { kind: U32, flags: U32, fence_id: U64, ctx_id: U32, ring_idx: u8, padding: [u8; 3] }
    /// `virtio_gpu_rect`
    Rect { x: U32, y: U32, width: U32, height: U32 }
    /// `virtio_gpu_mem_entry`
    MemEntry { addr: U64, length: U32, padding: U32 }
    /// `virtio_gpu_box`
    Box3d { x: U32, y: U32, z: U32, width: U32, height: U32, depth: U32 }

    /// Every command that names one thing: a resource, a scanout or a capset.
    Id { id: U32, padding: U32 }
    /// `virtio_gpu_resource_create_2d`
    ResourceCreate2d { resource_id: U32, format: U32, width: U32, height: U32 }
    /// `virtio_gpu_set_scanout`
    SetScanout { rect: Rect, scanout_id: U32, resource_id: U32 }
    /// `virtio_gpu_resource_flush`
    ResourceFlush { rect: Rect, resource_id: U32, padding: U32 }
    /// `virtio_gpu_transfer_to_host_2d`
    TransferToHost2d { rect: Rect, offset: U64, resource_id: U32, padding: U32 }
    /// `virtio_gpu_resource_attach_backing`; entries follow.
    AttachBacking { resource_id: U32, nr_entries: U32 }
    /// `virtio_gpu_get_capset`
    GetCapset { capset_id: U32, capset_version: U32 }
    /// `virtio_gpu_resource_create_blob`; entries follow.
    ResourceCreateBlob {
        resource_id: U32,
        blob_mem: U32,
        blob_flags: U32,
        nr_entries: U32,
        blob_id: U64,
        size: U64,
    }
    /// `virtio_gpu_set_scanout_blob`
    SetScanoutBlob {
        rect: Rect,
        scanout_id: U32,
        resource_id: U32,
        width: U32,
        height: U32,
        format: U32,
        padding: U32,
        strides: [U32; 4],
        offsets: [U32; 4],
    }
    /// `virtio_gpu_ctx_create`
    CtxCreate { name_length: U32, context_init: U32, debug_name: [u8; 64] }
    /// `virtio_gpu_resource_create_3d`
    ResourceCreate3d {
        resource_id: U32,
        target: U32,
        format: U32,
        bind: U32,
        width: U32,
        height: U32,
        depth: U32,
        array_size: U32,
        last_level: U32,
        nr_samples: U32,
        flags: U32,
        padding: U32,
    }
    /// `virtio_gpu_transfer_host_3d`
    Transfer3d {
        area: Box3d,
        offset: U64,
        resource_id: U32,
        level: U32,
        stride: U32,
        layer_stride: U32,
    }
    /// `virtio_gpu_cmd_submit`; bytes follow.
    Submit3d { size: U32, padding: U32 }
    /// `virtio_gpu_resource_map_blob`
    MapBlob { resource_id: U32, padding: U32, offset: U64 }
    /// `virtio_gpu_update_cursor`, position included.
    Cursor {
        scanout_id: U32,
        x: I32,
        y: I32,
        position_padding: U32,
        resource_id: U32,
        hot_x: U32,
        hot_y: U32,
        padding: U32,
    }

    /// `virtio_gpu_display_one`
    DisplayOne { rect: Rect, enabled: U32, flags: U32 }
    /// `virtio_gpu_resp_display_info`
    DisplayInfo { modes: [DisplayOne; MAX_SCANOUTS] }
    /// `virtio_gpu_resp_capset_info`
    CapsetInfo { capset_id: U32, max_version: U32, max_size: U32, padding: U32 }
    /// `virtio_gpu_resp_edid`
    Edid { size: U32, padding: U32, edid: [u8; EDID_SIZE] }
    /// `virtio_gpu_resp_map_info`
    MapInfo { map_info: U32, padding: U32 }

    /// `virtio_gpu_config` with `blob_alignment`.
    Config {
        events_read: U32,
        events_clear: U32,
        num_scanouts: U32,
        num_capsets: U32,
        blob_alignment: U32,
    }
}

impl From<Rect> for super::Rect {
    fn from(wire: Rect) -> Self {
        Self {
            x: wire.x.get(),
            y: wire.y.get(),
            width: wire.width.get(),
            height: wire.height.get(),
        }
    }
}

impl From<super::Rect> for Rect {
    fn from(rect: super::Rect) -> Self {
        Self {
            x: rect.x.into(),
            y: rect.y.into(),
            width: rect.width.into(),
            height: rect.height.into(),
        }
    }
}
