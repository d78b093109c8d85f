//! The messages as they lie in memory: whole words, little-endian, without gaps.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{U32, U64},
};

use super::{Lent, Malformed, objects};
use crate::virtio_gpu::{Box3d, MemEntry, Rect};

/// Declares packed wire structs; their order of fields is their order in memory.
macro_rules! wire_structs {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
        #[repr(C)]
        pub(super) struct $name { $(pub(super) $field: $type),* }

        impl $name {
            /// Appends it.
            pub(super) fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.as_bytes());
            }
        }
    )*};
}

wire_structs! {
    /// Before every order. A whole number of words of eight bytes, so that the commands of a SUBMIT
    /// that follow it and a [`Pair`] lie as the library wants them.
    OrderHead {
        kind: U32,
        fenced: U32,
        number: U64,
        fence: U64,
        context: U32,
        ring: U32,
    }
    /// Before every report.
    ReportHead { kind: U32, count: U32, number: U64 }
    /// Two numbers, or one.
    Pair { a: U32, b: U32 }
    /// A number and a size.
    Sized { id: U32, padding: U32, size: U64 }
    /// A run of the guest's memory.
    Entry { addr: U64, length: U32, padding: U32 }
    /// [`objects::Texture`]
    Texture {
        target: U32,
        format: U32,
        bind: U32,
        width: U32,
        height: U32,
        depth: U32,
        array_size: U32,
        last_level: U32,
        samples: U32,
        flags: U32,
    }
    /// [`objects::Transfer`]
    Transfer {
        context: U32,
        resource: U32,
        part: [U32; 6],
        offset: U64,
        level: U32,
        stride: U32,
        layer_stride: U32,
        padding: U32,
    }
    /// [`objects::BlobOf`]
    Blob { context: U32, memory: U32, flags: U32, padding: U32, id: U64, size: U64 }
    /// Where to and which pixels.
    ReadBack { part: [U32; 4], offset: U64, memory: U32, stride: U32 }
    /// [`objects::Region`]
    Region { start: U64, len: U64, offset: U64 }
    /// A capset; its data follow.
    Capset { id: U32, version: U32, len: U32 }
    /// A picture; its planes follow.
    Picture { width: U32, height: U32, fourcc: U32, bottom_up: U32, modifier: U64 }
}

/// The struct at the front of `bytes`, and the rest.
pub(super) fn first<T: FromBytes>(bytes: &[u8]) -> Result<(T, &[u8]), Malformed> {
    T::read_from_prefix(bytes).map_err(|_| Malformed::TooShort)
}

/// The struct that `bytes` are, exactly.
pub(super) fn last<T: FromBytes>(bytes: &[u8]) -> Result<T, Malformed> {
    match first(bytes)? {
        (read, []) => Ok(read),
        _ => Err(Malformed::TooLong),
    }
}

impl Pair {
    pub(super) fn of(a: u32, b: u32) -> Self {
        Self {
            a: a.into(),
            b: b.into(),
        }
    }

    pub(super) fn first(self) -> u32 {
        self.a.get()
    }

    pub(super) fn both(self) -> (u32, u32) {
        (self.a.get(), self.b.get())
    }
}

impl ReadBack {
    pub(super) fn of(part: Rect, target: objects::Target) -> Self {
        Self {
            part: [part.x, part.y, part.width, part.height].map(U32::new),
            offset: target.offset.into(),
            memory: target.memory.0.into(),
            stride: target.stride.into(),
        }
    }

    pub(super) fn parts(self) -> (Rect, objects::Target) {
        let [x, y, width, height] = self.part.map(U32::get);
        let part = Rect {
            x,
            y,
            width,
            height,
        };
        let target = objects::Target {
            memory: Lent(self.memory.get()),
            offset: self.offset.get(),
            stride: self.stride.get(),
        };
        (part, target)
    }
}

impl From<MemEntry> for Entry {
    fn from(entry: MemEntry) -> Self {
        Self {
            addr: entry.addr.into(),
            length: entry.length.into(),
            padding: 0.into(),
        }
    }
}

impl From<Entry> for MemEntry {
    fn from(wire: Entry) -> Self {
        Self {
            addr: wire.addr.get(),
            length: wire.length.get(),
        }
    }
}

impl From<objects::Texture> for Texture {
    fn from(texture: objects::Texture) -> Self {
        Self {
            target: texture.target.into(),
            format: texture.format.into(),
            bind: texture.bind.into(),
            width: texture.width.into(),
            height: texture.height.into(),
            depth: texture.depth.into(),
            array_size: texture.array_size.into(),
            last_level: texture.last_level.into(),
            samples: texture.samples.into(),
            flags: texture.flags.into(),
        }
    }
}

impl From<Texture> for objects::Texture {
    fn from(wire: Texture) -> Self {
        Self {
            target: wire.target.get(),
            format: wire.format.get(),
            bind: wire.bind.get(),
            width: wire.width.get(),
            height: wire.height.get(),
            depth: wire.depth.get(),
            array_size: wire.array_size.get(),
            last_level: wire.last_level.get(),
            samples: wire.samples.get(),
            flags: wire.flags.get(),
        }
    }
}

impl From<objects::Transfer> for Transfer {
    fn from(transfer: objects::Transfer) -> Self {
        let part = transfer.part;
        Self {
            context: transfer.context.into(),
            resource: transfer.resource.into(),
            part: [part.x, part.y, part.z, part.width, part.height, part.depth].map(U32::new),
            offset: transfer.offset.into(),
            level: transfer.level.into(),
            stride: transfer.stride.into(),
            layer_stride: transfer.layer_stride.into(),
            padding: 0.into(),
        }
    }
}

impl From<Transfer> for objects::Transfer {
    fn from(wire: Transfer) -> Self {
        let [x, y, z, width, height, depth] = wire.part.map(U32::get);
        Self {
            context: wire.context.get(),
            resource: wire.resource.get(),
            part: Box3d {
                x,
                y,
                z,
                width,
                height,
                depth,
            },
            offset: wire.offset.get(),
            level: wire.level.get(),
            stride: wire.stride.get(),
            layer_stride: wire.layer_stride.get(),
        }
    }
}

impl From<objects::BlobOf> for Blob {
    fn from(blob: objects::BlobOf) -> Self {
        Self {
            context: blob.context.into(),
            memory: blob.memory.into(),
            flags: blob.flags.into(),
            padding: 0.into(),
            id: blob.id.into(),
            size: blob.size.into(),
        }
    }
}

impl From<Blob> for objects::BlobOf {
    fn from(wire: Blob) -> Self {
        Self {
            context: wire.context.get(),
            memory: wire.memory.get(),
            flags: wire.flags.get(),
            id: wire.id.get(),
            size: wire.size.get(),
        }
    }
}

impl From<objects::Region> for Region {
    fn from(region: objects::Region) -> Self {
        Self {
            start: region.start.into(),
            len: region.len.into(),
            offset: region.offset.into(),
        }
    }
}

impl From<Region> for objects::Region {
    fn from(wire: Region) -> Self {
        Self {
            start: wire.start.get(),
            len: wire.len.get(),
            offset: wire.offset.get(),
        }
    }
}
