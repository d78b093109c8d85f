//! What a guest can ask for.

mod convert;
mod decode;
mod encode;

pub use decode::{DecodeError, Malformed, decode, submission};

use super::Rect;

/// `blob_mem`: the blob is guest memory.
pub const BLOB_MEM_GUEST: u32 = 1;
/// `blob_mem`: the blob is host memory that a 3D context made.
pub const BLOB_MEM_HOST3D: u32 = 2;
/// `blob_mem`: the blob is host memory with a guest copy.
pub const BLOB_MEM_HOST3D_GUEST: u32 = 3;

/// `blob_flags`: the guest will map it.
pub const BLOB_FLAG_MAPPABLE: u32 = 1 << 0;
/// `blob_flags`: the guest will hand it to its other drivers.
pub const BLOB_FLAG_SHAREABLE: u32 = 1 << 1;
/// `blob_flags`: the guest will hand it to other virtio devices.
pub const BLOB_FLAG_CROSS_DEVICE: u32 = 1 << 2;

/// A run of guest memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemEntry {
    /// Where it starts, guest-physical.
    pub addr: u64,
    /// Its length in bytes.
    pub length: u32,
}

/// A part of a 3D resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Box3d {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Front, or first layer.
    pub z: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
    /// Depth, or number of layers.
    pub depth: u32,
}

/// A command, as the guest sent it: well-formed, but not judged. Any id, size, format or rectangle
/// may be nonsense. Sizes and positions are in pixels, offsets, strides and lengths in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are those of the VIRTIO text, under its names"
)]
pub enum Command {
    /// Which monitors are there?
    GetDisplayInfo,
    /// Make a resource of host memory; `format` is a [`super::Format`]'s number.
    ResourceCreate2d {
        resource_id: u32,
        format: u32,
        width: u32,
        height: u32,
    },
    /// Destroy a resource, shown or not.
    ResourceUnref { resource_id: u32 },
    /// Show a part of a 2D resource; resource 0 switches the scanout off.
    SetScanout {
        rect: Rect,
        scanout_id: u32,
        resource_id: u32,
    },
    /// Update every scanout that shows this part of the resource.
    ResourceFlush { rect: Rect, resource_id: u32 },
    /// Copy pixels from the backing; `offset` is where the rectangle's first pixel is in it.
    TransferToHost2d {
        rect: Rect,
        offset: u64,
        resource_id: u32,
    },
    /// Give a resource its backing.
    ResourceAttachBacking {
        resource_id: u32,
        entries: Vec<MemEntry>,
    },
    /// Take the backing away.
    ResourceDetachBacking { resource_id: u32 },
    /// Describe one capset.
    GetCapsetInfo { capset_index: u32 },
    /// Send one capset.
    GetCapset { capset_id: u32, capset_version: u32 },
    /// Send a monitor's EDID.
    GetEdid { scanout: u32 },
    /// Name a resource for other virtio devices.
    ResourceAssignUuid { resource_id: u32 },
    /// Make a resource that is memory without a format.
    ResourceCreateBlob {
        resource_id: u32,
        blob_mem: u32,
        blob_flags: u32,
        blob_id: u64,
        size: u64,
        entries: Vec<MemEntry>,
    },
    /// Show a blob as an image of this size, format and layout (planes beyond the first are unused by
    /// the eight formats).
    SetScanoutBlob {
        rect: Rect,
        scanout_id: u32,
        resource_id: u32,
        width: u32,
        height: u32,
        format: u32,
        strides: [u32; 4],
        offsets: [u32; 4],
    },
    /// Make the header's 3D context; `name_length` may exceed the name's 64 bytes.
    CtxCreate {
        context_init: u32,
        name_length: u32,
        debug_name: [u8; 64],
    },
    /// Destroy the header's 3D context.
    CtxDestroy,
    /// Let the header's context use a resource.
    CtxAttachResource { resource_id: u32 },
    /// Stop that.
    CtxDetachResource { resource_id: u32 },
    /// Make a 3D resource.
    ResourceCreate3d {
        resource_id: u32,
        target: u32,
        format: u32,
        bind: u32,
        width: u32,
        height: u32,
        depth: u32,
        array_size: u32,
        last_level: u32,
        nr_samples: u32,
        flags: u32,
    },
    /// Copy from the backing into a 3D resource.
    TransferToHost3d {
        area: Box3d,
        offset: u64,
        resource_id: u32,
        level: u32,
        stride: u32,
        layer_stride: u32,
    },
    /// Copy from a 3D resource into the backing.
    TransferFromHost3d {
        area: Box3d,
        offset: u64,
        resource_id: u32,
        level: u32,
        stride: u32,
        layer_stride: u32,
    },
    /// Run a command stream in the header's context.
    Submit3d { commands: Vec<u8> },
    /// Map a host blob into the host-visible region.
    MapBlob { resource_id: u32, offset: u64 },
    /// Unmap it.
    UnmapBlob { resource_id: u32 },
    /// A new pointer image; resource 0 hides the pointer. Cursor queue.
    UpdateCursor {
        scanout_id: u32,
        x: i32,
        y: i32,
        resource_id: u32,
        hot_x: u32,
        hot_y: u32,
    },
    /// The pointer moved. Cursor queue. Fields other than the position have no meaning by the
    /// VIRTIO text, but QEMU takes resource 0 as hiding.
    MoveCursor {
        scanout_id: u32,
        x: i32,
        y: i32,
        resource_id: u32,
        hot_x: u32,
        hot_y: u32,
    },
}

/// The commands' numbers.
pub(super) mod kind {
    pub(in super::super) const GET_DISPLAY_INFO: u32 = 0x0100;
    pub(in super::super) const RESOURCE_CREATE_2D: u32 = 0x0101;
    pub(in super::super) const RESOURCE_UNREF: u32 = 0x0102;
    pub(in super::super) const SET_SCANOUT: u32 = 0x0103;
    pub(in super::super) const RESOURCE_FLUSH: u32 = 0x0104;
    pub(in super::super) const TRANSFER_TO_HOST_2D: u32 = 0x0105;
    pub(in super::super) const RESOURCE_ATTACH_BACKING: u32 = 0x0106;
    pub(in super::super) const RESOURCE_DETACH_BACKING: u32 = 0x0107;
    pub(in super::super) const GET_CAPSET_INFO: u32 = 0x0108;
    pub(in super::super) const GET_CAPSET: u32 = 0x0109;
    pub(in super::super) const GET_EDID: u32 = 0x010a;
    pub(in super::super) const RESOURCE_ASSIGN_UUID: u32 = 0x010b;
    pub(in super::super) const RESOURCE_CREATE_BLOB: u32 = 0x010c;
    pub(in super::super) const SET_SCANOUT_BLOB: u32 = 0x010d;
    pub(in super::super) const CTX_CREATE: u32 = 0x0200;
    pub(in super::super) const CTX_DESTROY: u32 = 0x0201;
    pub(in super::super) const CTX_ATTACH_RESOURCE: u32 = 0x0202;
    pub(in super::super) const CTX_DETACH_RESOURCE: u32 = 0x0203;
    pub(in super::super) const RESOURCE_CREATE_3D: u32 = 0x0204;
    pub(in super::super) const TRANSFER_TO_HOST_3D: u32 = 0x0205;
    pub(in super::super) const TRANSFER_FROM_HOST_3D: u32 = 0x0206;
    pub(in super::super) const SUBMIT_3D: u32 = 0x0207;
    pub(in super::super) const RESOURCE_MAP_BLOB: u32 = 0x0208;
    pub(in super::super) const RESOURCE_UNMAP_BLOB: u32 = 0x0209;
    pub(in super::super) const UPDATE_CURSOR: u32 = 0x0300;
    pub(in super::super) const MOVE_CURSOR: u32 = 0x0301;
}

impl Command {
    /// The command's number, as in [`super::Header::kind`].
    #[must_use]
    pub const fn kind(&self) -> u32 {
        match self {
            Self::GetDisplayInfo => kind::GET_DISPLAY_INFO,
            Self::ResourceCreate2d { .. } => kind::RESOURCE_CREATE_2D,
            Self::ResourceUnref { .. } => kind::RESOURCE_UNREF,
            Self::SetScanout { .. } => kind::SET_SCANOUT,
            Self::ResourceFlush { .. } => kind::RESOURCE_FLUSH,
            Self::TransferToHost2d { .. } => kind::TRANSFER_TO_HOST_2D,
            Self::ResourceAttachBacking { .. } => kind::RESOURCE_ATTACH_BACKING,
            Self::ResourceDetachBacking { .. } => kind::RESOURCE_DETACH_BACKING,
            Self::GetCapsetInfo { .. } => kind::GET_CAPSET_INFO,
            Self::GetCapset { .. } => kind::GET_CAPSET,
            Self::GetEdid { .. } => kind::GET_EDID,
            Self::ResourceAssignUuid { .. } => kind::RESOURCE_ASSIGN_UUID,
            Self::ResourceCreateBlob { .. } => kind::RESOURCE_CREATE_BLOB,
            Self::SetScanoutBlob { .. } => kind::SET_SCANOUT_BLOB,
            Self::CtxCreate { .. } => kind::CTX_CREATE,
            Self::CtxDestroy => kind::CTX_DESTROY,
            Self::CtxAttachResource { .. } => kind::CTX_ATTACH_RESOURCE,
            Self::CtxDetachResource { .. } => kind::CTX_DETACH_RESOURCE,
            Self::ResourceCreate3d { .. } => kind::RESOURCE_CREATE_3D,
            Self::TransferToHost3d { .. } => kind::TRANSFER_TO_HOST_3D,
            Self::TransferFromHost3d { .. } => kind::TRANSFER_FROM_HOST_3D,
            Self::Submit3d { .. } => kind::SUBMIT_3D,
            Self::MapBlob { .. } => kind::RESOURCE_MAP_BLOB,
            Self::UnmapBlob { .. } => kind::RESOURCE_UNMAP_BLOB,
            Self::UpdateCursor { .. } => kind::UPDATE_CURSOR,
            Self::MoveCursor { .. } => kind::MOVE_CURSOR,
        }
    }
}
