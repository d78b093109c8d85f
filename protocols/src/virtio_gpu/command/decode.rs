//! Bytes of a request -> [`Command`].
//!
//! Bytes after a command's own are ignored: Linux sends commands in buffers of their exact size,
//! but the VIRTIO text lets a driver round up, and QEMU reads no further than it needs to.

use thiserror::Error;
use zerocopy::{FromBytes, Immutable, KnownLayout};

use super::{Command, MemEntry, kind};
use crate::virtio_gpu::{ErrorCode, HEADER_SIZE, Header, MAX_ENTRIES, MAX_REQUEST, Response, wire};

/// A request that is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("A guest's graphics command can't be read: {reason}")]
pub struct DecodeError {
    /// The request's header, to answer with; `None` if the request is too short to hold one.
    pub header: Option<Header>,
    /// What is wrong.
    pub reason: Malformed,
}

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Not even a header.
    #[error("it has {got} bytes, fewer than the {HEADER_SIZE} of a header")]
    NoHeader {
        /// Bytes in the request.
        got: usize,
    },
    /// Longer than [`MAX_REQUEST`].
    #[error("it has {got} bytes, more than the {MAX_REQUEST} allowed")]
    TooLong {
        /// Bytes in the request.
        got: usize,
    },
    /// No command has this number.
    #[error("command {kind:#06x} is unknown")]
    UnknownCommand {
        /// The number.
        kind: u32,
    },
    /// Shorter than the command, or than the payload that the command announces.
    #[error("command {kind:#06x} needs {needed} bytes, but has {got}")]
    TooShort {
        /// The command's number.
        kind: u32,
        /// Bytes that it should have, header included.
        needed: u64,
        /// Bytes that it has.
        got: usize,
    },
    /// More memory entries than [`MAX_ENTRIES`].
    #[error("command {kind:#06x} names {entries} memory entries, more than {MAX_ENTRIES}")]
    TooManyEntries {
        /// The command's number.
        kind: u32,
        /// How many entries it names.
        entries: u32,
    },
}

impl DecodeError {
    /// The code to answer with: [`ErrorCode::Unspec`] for all of them, as QEMU.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        ErrorCode::Unspec
    }

    /// The response to the request, and the header to encode it for.
    #[must_use]
    pub fn response(&self) -> (Header, Response) {
        (self.header.unwrap_or_default(), Response::Err(self.code()))
    }
}

/// Reads a request: header, command and payload in one piece.
///
/// # Errors
/// The request is shorter than its command or payload, longer than [`MAX_REQUEST`], unknown, or has
/// too many entries.
pub fn decode(request: &[u8]) -> Result<(Header, Command), DecodeError> {
    let got = request.len();
    let Some((header, body)) = Header::decode(request) else {
        return Err(DecodeError {
            header: None,
            reason: Malformed::NoHeader { got },
        });
    };
    let reader = Reader {
        kind: header.kind,
        got,
        body,
    };
    if got > MAX_REQUEST {
        return Err(DecodeError {
            header: Some(header),
            reason: Malformed::TooLong { got },
        });
    }
    match reader.command() {
        Ok(command) => Ok((header, command)),
        Err(reason) => Err(DecodeError {
            header: Some(header),
            reason,
        }),
    }
}

/// The command stream of a request that is a whole SUBMIT_3D, where it lies: it is the longest payload
/// that there is, and not worth a copy. `None` for all others; [`decode`] says what they are.
#[must_use]
pub fn submission(request: &[u8]) -> Option<(Header, &[u8])> {
    let got = request.len();
    // Most requests are others, and have their header read elsewhere.
    if request.first_chunk() != Some(&kind::SUBMIT_3D.to_le_bytes()) || got > MAX_REQUEST {
        return None;
    }
    let (header, body) = Header::decode(request)?;
    let reader = Reader {
        kind: header.kind,
        got,
        body,
    };
    Some((header, reader.stream().ok()?))
}

/// A request whose header was read.
struct Reader<'a> {
    kind: u32,
    /// Bytes in the whole request.
    got: usize,
    body: &'a [u8],
}

impl<'a> Reader<'a> {
    fn command(&self) -> Result<Command, Malformed> {
        match self.kind {
            kind::GET_DISPLAY_INFO..=kind::SET_SCANOUT_BLOB => self.command_2d(),
            kind::CTX_CREATE..=kind::RESOURCE_UNMAP_BLOB => self.command_3d(),
            kind::UPDATE_CURSOR..=kind::MOVE_CURSOR => self.command_cursor(),
            kind => Err(Malformed::UnknownCommand { kind }),
        }
    }

    fn command_2d(&self) -> Result<Command, Malformed> {
        Ok(match self.kind {
            kind::GET_DISPLAY_INFO => Command::GetDisplayInfo,
            kind::RESOURCE_CREATE_2D => self.struct_of::<wire::ResourceCreate2d>()?.into(),
            kind::RESOURCE_UNREF => Command::ResourceUnref {
                resource_id: self.id()?,
            },
            kind::SET_SCANOUT => self.struct_of::<wire::SetScanout>()?.into(),
            kind::RESOURCE_FLUSH => self.struct_of::<wire::ResourceFlush>()?.into(),
            kind::TRANSFER_TO_HOST_2D => self.struct_of::<wire::TransferToHost2d>()?.into(),
            kind::RESOURCE_ATTACH_BACKING => self.attach_backing()?,
            kind::RESOURCE_DETACH_BACKING => Command::ResourceDetachBacking {
                resource_id: self.id()?,
            },
            kind::GET_CAPSET_INFO => Command::GetCapsetInfo {
                capset_index: self.id()?,
            },
            kind::GET_CAPSET => self.struct_of::<wire::GetCapset>()?.into(),
            kind::GET_EDID => Command::GetEdid {
                scanout: self.id()?,
            },
            kind::RESOURCE_ASSIGN_UUID => Command::ResourceAssignUuid {
                resource_id: self.id()?,
            },
            kind::RESOURCE_CREATE_BLOB => self.create_blob()?,
            kind::SET_SCANOUT_BLOB => self.struct_of::<wire::SetScanoutBlob>()?.into(),
            kind => return Err(Malformed::UnknownCommand { kind }),
        })
    }

    fn command_3d(&self) -> Result<Command, Malformed> {
        Ok(match self.kind {
            kind::CTX_CREATE => self.struct_of::<wire::CtxCreate>()?.into(),
            kind::CTX_DESTROY => Command::CtxDestroy,
            kind::CTX_ATTACH_RESOURCE => Command::CtxAttachResource {
                resource_id: self.id()?,
            },
            kind::CTX_DETACH_RESOURCE => Command::CtxDetachResource {
                resource_id: self.id()?,
            },
            kind::RESOURCE_CREATE_3D => self.struct_of::<wire::ResourceCreate3d>()?.into(),
            kind::TRANSFER_TO_HOST_3D => {
                let wire = self.struct_of::<wire::Transfer3d>()?;
                Command::TransferToHost3d {
                    area: wire.area.into(),
                    offset: wire.offset.get(),
                    resource_id: wire.resource_id.get(),
                    level: wire.level.get(),
                    stride: wire.stride.get(),
                    layer_stride: wire.layer_stride.get(),
                }
            }
            kind::TRANSFER_FROM_HOST_3D => {
                let wire = self.struct_of::<wire::Transfer3d>()?;
                Command::TransferFromHost3d {
                    area: wire.area.into(),
                    offset: wire.offset.get(),
                    resource_id: wire.resource_id.get(),
                    level: wire.level.get(),
                    stride: wire.stride.get(),
                    layer_stride: wire.layer_stride.get(),
                }
            }
            kind::SUBMIT_3D => Command::Submit3d {
                commands: self.stream()?.to_vec(),
            },
            kind::RESOURCE_MAP_BLOB => self.struct_of::<wire::MapBlob>()?.into(),
            kind::RESOURCE_UNMAP_BLOB => Command::UnmapBlob {
                resource_id: self.id()?,
            },
            kind => return Err(Malformed::UnknownCommand { kind }),
        })
    }

    fn command_cursor(&self) -> Result<Command, Malformed> {
        let wire = self.struct_of::<wire::Cursor>()?;
        let (scanout_id, x, y) = (wire.scanout_id.get(), wire.x.get(), wire.y.get());
        let (resource_id, hot_x, hot_y) =
            (wire.resource_id.get(), wire.hot_x.get(), wire.hot_y.get());
        Ok(match self.kind {
            kind::UPDATE_CURSOR => Command::UpdateCursor {
                scanout_id,
                x,
                y,
                resource_id,
                hot_x,
                hot_y,
            },
            kind::MOVE_CURSOR => Command::MoveCursor {
                scanout_id,
                x,
                y,
                resource_id,
                hot_x,
                hot_y,
            },
            kind => return Err(Malformed::UnknownCommand { kind }),
        })
    }

    fn attach_backing(&self) -> Result<Command, Malformed> {
        let (wire, payload) = self.prefix::<wire::AttachBacking>()?;
        Ok(Command::ResourceAttachBacking {
            resource_id: wire.resource_id.get(),
            entries: self.entries(wire.nr_entries.get(), payload)?,
        })
    }

    fn create_blob(&self) -> Result<Command, Malformed> {
        let (wire, payload) = self.prefix::<wire::ResourceCreateBlob>()?;
        Ok(Command::ResourceCreateBlob {
            resource_id: wire.resource_id.get(),
            blob_mem: wire.blob_mem.get(),
            blob_flags: wire.blob_flags.get(),
            blob_id: wire.blob_id.get(),
            size: wire.size.get(),
            entries: self.entries(wire.nr_entries.get(), payload)?,
        })
    }

    fn stream(&self) -> Result<&'a [u8], Malformed> {
        let (wire, payload) = self.prefix::<wire::Submit3d>()?;
        let size = wire.size.get();
        let commands = usize::try_from(size)
            .ok()
            .and_then(|size| payload.get(..size));
        commands.ok_or_else(|| self.too_short(self.fixed_size(payload) + u64::from(size)))
    }

    fn entries(&self, count: u32, payload: &[u8]) -> Result<Vec<MemEntry>, Malformed> {
        let count = match usize::try_from(count) {
            Ok(small) if small <= MAX_ENTRIES => small,
            _ => {
                return Err(Malformed::TooManyEntries {
                    kind: self.kind,
                    entries: count,
                });
            }
        };
        let size = count * size_of::<wire::MemEntry>();
        let Some(payload) = payload.get(..size) else {
            return Err(self.too_short(self.fixed_size(payload) + as_u64(size)));
        };
        let mut entries = Vec::with_capacity(count);
        let mut rest = payload;
        while let Ok((wire, after)) = wire::MemEntry::read_from_prefix(rest) {
            entries.push(MemEntry {
                addr: wire.addr.get(),
                length: wire.length.get(),
            });
            rest = after;
        }
        Ok(entries)
    }

    fn id(&self) -> Result<u32, Malformed> {
        Ok(self.struct_of::<wire::Id>()?.id.get())
    }

    fn struct_of<T: FromBytes + KnownLayout + Immutable>(&self) -> Result<T, Malformed> {
        Ok(self.prefix::<T>()?.0)
    }

    fn prefix<T: FromBytes + KnownLayout + Immutable>(&self) -> Result<(T, &'a [u8]), Malformed> {
        T::read_from_prefix(self.body)
            .map_err(|_| self.too_short(as_u64(HEADER_SIZE + size_of::<T>())))
    }

    /// The size of everything before the payload.
    fn fixed_size(&self, payload: &[u8]) -> u64 {
        as_u64(self.got.saturating_sub(payload.len()))
    }

    fn too_short(&self, needed: u64) -> Malformed {
        Malformed::TooShort {
            kind: self.kind,
            needed,
            got: self.got,
        }
    }
}

/// A size in memory, as the 64 bits in which sizes are compared.
fn as_u64(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}
