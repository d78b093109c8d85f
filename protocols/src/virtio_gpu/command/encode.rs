//! [`Command`] -> the bytes of a request, as Linux's driver would send it.

use zerocopy::{Immutable, IntoBytes};

use super::{Box3d, Command, MemEntry};
use crate::virtio_gpu::{Header, wire};

impl Command {
    /// Appends the request to `out`, padding as zeros. The header's `kind` is replaced by the
    /// command's own number.
    ///
    /// Nothing is checked: a list of entries may be longer than [`super::super::MAX_ENTRIES`],
    /// so that a test's guest can send it.
    pub fn encode(&self, header: &Header, out: &mut Vec<u8>) {
        Header {
            kind: self.kind(),
            ..*header
        }
        .encode(out);
        match self {
            Self::GetDisplayInfo | Self::CtxDestroy => {}
            Self::ResourceUnref { resource_id: id }
            | Self::ResourceDetachBacking { resource_id: id }
            | Self::GetCapsetInfo { capset_index: id }
            | Self::GetEdid { scanout: id }
            | Self::ResourceAssignUuid { resource_id: id }
            | Self::CtxAttachResource { resource_id: id }
            | Self::CtxDetachResource { resource_id: id }
            | Self::UnmapBlob { resource_id: id } => {
                put(
                    out,
                    &wire::Id {
                        id: (*id).into(),
                        padding: 0.into(),
                    },
                );
            }
            Self::GetCapset {
                capset_id,
                capset_version,
            } => put(
                out,
                &wire::GetCapset {
                    capset_id: (*capset_id).into(),
                    capset_version: (*capset_version).into(),
                },
            ),
            Self::ResourceCreate2d { .. }
            | Self::SetScanout { .. }
            | Self::ResourceFlush { .. }
            | Self::TransferToHost2d { .. } => self.encode_2d(out),
            Self::ResourceAttachBacking { .. }
            | Self::ResourceCreateBlob { .. }
            | Self::MapBlob { .. } => self.encode_memory(out),
            Self::SetScanoutBlob { .. } => self.encode_scanout_blob(out),
            Self::CtxCreate { .. }
            | Self::ResourceCreate3d { .. }
            | Self::TransferToHost3d { .. }
            | Self::TransferFromHost3d { .. }
            | Self::Submit3d { .. } => self.encode_3d(out),
            Self::UpdateCursor { .. } | Self::MoveCursor { .. } => self.encode_cursor(out),
        }
    }

    fn encode_2d(&self, out: &mut Vec<u8>) {
        match *self {
            Self::ResourceCreate2d {
                resource_id,
                format,
                width,
                height,
            } => put(
                out,
                &wire::ResourceCreate2d {
                    resource_id: resource_id.into(),
                    format: format.into(),
                    width: width.into(),
                    height: height.into(),
                },
            ),
            Self::SetScanout {
                rect,
                scanout_id,
                resource_id,
            } => put(
                out,
                &wire::SetScanout {
                    rect: rect.into(),
                    scanout_id: scanout_id.into(),
                    resource_id: resource_id.into(),
                },
            ),
            Self::ResourceFlush { rect, resource_id } => put(
                out,
                &wire::ResourceFlush {
                    rect: rect.into(),
                    resource_id: resource_id.into(),
                    padding: 0.into(),
                },
            ),
            Self::TransferToHost2d {
                rect,
                offset,
                resource_id,
            } => put(
                out,
                &wire::TransferToHost2d {
                    rect: rect.into(),
                    offset: offset.into(),
                    resource_id: resource_id.into(),
                    padding: 0.into(),
                },
            ),
            _ => {}
        }
    }

    fn encode_memory(&self, out: &mut Vec<u8>) {
        match self {
            Self::ResourceAttachBacking {
                resource_id,
                entries,
            } => {
                let head = wire::AttachBacking {
                    resource_id: (*resource_id).into(),
                    nr_entries: length(entries.len()).into(),
                };
                put(out, &head);
                put_entries(out, entries);
            }
            Self::ResourceCreateBlob {
                resource_id,
                blob_mem,
                blob_flags,
                blob_id,
                size,
                entries,
            } => {
                let head = wire::ResourceCreateBlob {
                    resource_id: (*resource_id).into(),
                    blob_mem: (*blob_mem).into(),
                    blob_flags: (*blob_flags).into(),
                    nr_entries: length(entries.len()).into(),
                    blob_id: (*blob_id).into(),
                    size: (*size).into(),
                };
                put(out, &head);
                put_entries(out, entries);
            }
            Self::MapBlob {
                resource_id,
                offset,
            } => put(
                out,
                &wire::MapBlob {
                    resource_id: (*resource_id).into(),
                    padding: 0.into(),
                    offset: (*offset).into(),
                },
            ),
            _ => {}
        }
    }

    fn encode_3d(&self, out: &mut Vec<u8>) {
        match self {
            Self::CtxCreate {
                context_init,
                name_length,
                debug_name,
            } => put(
                out,
                &wire::CtxCreate {
                    name_length: (*name_length).into(),
                    context_init: (*context_init).into(),
                    debug_name: *debug_name,
                },
            ),
            Self::ResourceCreate3d { .. } => self.encode_create_3d(out),
            Self::TransferToHost3d {
                area,
                offset,
                resource_id,
                level,
                stride,
                layer_stride,
            }
            | Self::TransferFromHost3d {
                area,
                offset,
                resource_id,
                level,
                stride,
                layer_stride,
            } => {
                put(
                    out,
                    &wire::Transfer3d {
                        area: (*area).into(),
                        offset: (*offset).into(),
                        resource_id: (*resource_id).into(),
                        level: (*level).into(),
                        stride: (*stride).into(),
                        layer_stride: (*layer_stride).into(),
                    },
                );
            }
            Self::Submit3d { commands } => {
                let head = wire::Submit3d {
                    size: length(commands.len()).into(),
                    padding: 0.into(),
                };
                put(out, &head);
                out.extend_from_slice(commands);
            }
            _ => {}
        }
    }

    fn encode_create_3d(&self, out: &mut Vec<u8>) {
        let &Self::ResourceCreate3d {
            resource_id,
            target,
            format,
            bind,
            width,
            height,
            depth,
            array_size,
            last_level,
            nr_samples,
            flags,
        } = self
        else {
            return;
        };
        let body = wire::ResourceCreate3d {
            resource_id: resource_id.into(),
            target: target.into(),
            format: format.into(),
            bind: bind.into(),
            width: width.into(),
            height: height.into(),
            depth: depth.into(),
            array_size: array_size.into(),
            last_level: last_level.into(),
            nr_samples: nr_samples.into(),
            flags: flags.into(),
            padding: 0.into(),
        };
        put(out, &body);
    }

    fn encode_scanout_blob(&self, out: &mut Vec<u8>) {
        let &Self::SetScanoutBlob {
            rect,
            scanout_id,
            resource_id,
            width,
            height,
            format,
            strides,
            offsets,
        } = self
        else {
            return;
        };
        let body = wire::SetScanoutBlob {
            rect: rect.into(),
            scanout_id: scanout_id.into(),
            resource_id: resource_id.into(),
            width: width.into(),
            height: height.into(),
            format: format.into(),
            padding: 0.into(),
            strides: strides.map(Into::into),
            offsets: offsets.map(Into::into),
        };
        put(out, &body);
    }

    fn encode_cursor(&self, out: &mut Vec<u8>) {
        let (&Self::UpdateCursor {
            scanout_id,
            x,
            y,
            resource_id,
            hot_x,
            hot_y,
        }
        | &Self::MoveCursor {
            scanout_id,
            x,
            y,
            resource_id,
            hot_x,
            hot_y,
        }) = self
        else {
            return;
        };
        let body = wire::Cursor {
            scanout_id: scanout_id.into(),
            x: x.into(),
            y: y.into(),
            position_padding: 0.into(),
            resource_id: resource_id.into(),
            hot_x: hot_x.into(),
            hot_y: hot_y.into(),
            padding: 0.into(),
        };
        put(out, &body);
    }
}

fn put<T: IntoBytes + Immutable>(out: &mut Vec<u8>, wire: &T) {
    out.extend_from_slice(wire.as_bytes());
}

fn put_entries(out: &mut Vec<u8>, entries: &[MemEntry]) {
    for entry in entries {
        let wire = wire::MemEntry {
            addr: entry.addr.into(),
            length: entry.length.into(),
            padding: 0.into(),
        };
        put(out, &wire);
    }
}

/// The length of a list that is in memory, as the wire's 32 bits. No list of more than 4 GiB is made.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl From<Box3d> for wire::Box3d {
    fn from(area: Box3d) -> Self {
        Self {
            x: area.x.into(),
            y: area.y.into(),
            z: area.z.into(),
            width: area.width.into(),
            height: area.height.into(),
            depth: area.depth.into(),
        }
    }
}
