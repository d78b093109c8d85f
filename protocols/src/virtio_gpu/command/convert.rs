//! Wire structs of fixed size -> [`Command`], field by field.

use zerocopy::little_endian::U32;

use super::{Box3d, Command};
use crate::virtio_gpu::wire;

impl From<wire::Box3d> for Box3d {
    fn from(wire: wire::Box3d) -> Self {
        Self {
            x: wire.x.get(),
            y: wire.y.get(),
            z: wire.z.get(),
            width: wire.width.get(),
            height: wire.height.get(),
            depth: wire.depth.get(),
        }
    }
}

impl From<wire::ResourceCreate2d> for Command {
    fn from(wire: wire::ResourceCreate2d) -> Self {
        Self::ResourceCreate2d {
            resource_id: wire.resource_id.get(),
            format: wire.format.get(),
            width: wire.width.get(),
            height: wire.height.get(),
        }
    }
}

impl From<wire::SetScanout> for Command {
    fn from(wire: wire::SetScanout) -> Self {
        Self::SetScanout {
            rect: wire.rect.into(),
            scanout_id: wire.scanout_id.get(),
            resource_id: wire.resource_id.get(),
        }
    }
}

impl From<wire::ResourceFlush> for Command {
    fn from(wire: wire::ResourceFlush) -> Self {
        Self::ResourceFlush {
            rect: wire.rect.into(),
            resource_id: wire.resource_id.get(),
        }
    }
}

impl From<wire::TransferToHost2d> for Command {
    fn from(wire: wire::TransferToHost2d) -> Self {
        Self::TransferToHost2d {
            rect: wire.rect.into(),
            offset: wire.offset.get(),
            resource_id: wire.resource_id.get(),
        }
    }
}

impl From<wire::GetCapset> for Command {
    fn from(wire: wire::GetCapset) -> Self {
        Self::GetCapset {
            capset_id: wire.capset_id.get(),
            capset_version: wire.capset_version.get(),
        }
    }
}

impl From<wire::SetScanoutBlob> for Command {
    fn from(wire: wire::SetScanoutBlob) -> Self {
        Self::SetScanoutBlob {
            rect: wire.rect.into(),
            scanout_id: wire.scanout_id.get(),
            resource_id: wire.resource_id.get(),
            width: wire.width.get(),
            height: wire.height.get(),
            format: wire.format.get(),
            strides: wire.strides.map(U32::get),
            offsets: wire.offsets.map(U32::get),
        }
    }
}

impl From<wire::CtxCreate> for Command {
    fn from(wire: wire::CtxCreate) -> Self {
        Self::CtxCreate {
            context_init: wire.context_init.get(),
            name_length: wire.name_length.get(),
            debug_name: wire.debug_name,
        }
    }
}

impl From<wire::ResourceCreate3d> for Command {
    fn from(wire: wire::ResourceCreate3d) -> Self {
        Self::ResourceCreate3d {
            resource_id: wire.resource_id.get(),
            target: wire.target.get(),
            format: wire.format.get(),
            bind: wire.bind.get(),
            width: wire.width.get(),
            height: wire.height.get(),
            depth: wire.depth.get(),
            array_size: wire.array_size.get(),
            last_level: wire.last_level.get(),
            nr_samples: wire.nr_samples.get(),
            flags: wire.flags.get(),
        }
    }
}

impl From<wire::MapBlob> for Command {
    fn from(wire: wire::MapBlob) -> Self {
        Self::MapBlob {
            resource_id: wire.resource_id.get(),
            offset: wire.offset.get(),
        }
    }
}
