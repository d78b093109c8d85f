//! What is to be done by the renderer.

use super::{BlobOf, Malformed, Target, Texture, Transfer, wire};
use crate::virtio_gpu::{MAX_ENTRIES, MAX_REQUEST, MemEntry, Rect};

/// The longest name of a context in bytes, as `virtio_gpu.h` bounds it.
pub const MAX_NAME: usize = 64;

/// Something to be done by the renderer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// CTX_CREATE.
    CreateContext {
        /// Its id, not 0.
        context: u32,
        /// Which capset it is for; 0 for the guest driver's choice of old (virgl).
        capset: u32,
        /// A name for people; not necessarily text.
        name: &'a [u8],
    },
    /// CTX_DESTROY.
    DestroyContext(u32),
    /// CTX_ATTACH_RESOURCE.
    AttachToContext {
        /// The context.
        context: u32,
        /// The resource.
        resource: u32,
    },
    /// CTX_DETACH_RESOURCE.
    DetachFromContext {
        /// The context.
        context: u32,
        /// The resource.
        resource: u32,
    },
    /// RESOURCE_CREATE_3D.
    CreateTexture {
        /// Its id, not 0 and not in use.
        resource: u32,
        /// What it is.
        texture: Texture,
    },
    /// RESOURCE_CREATE_BLOB.
    CreateBlob {
        /// Its id, not 0 and not in use.
        resource: u32,
        /// What it is.
        blob: BlobOf,
        /// The guest's memory in it; empty where it has none.
        entries: &'a [MemEntry],
    },
    /// RESOURCE_ATTACH_BACKING. The entries were checked against the guest's RAM.
    AttachBacking {
        /// The resource.
        resource: u32,
        /// The guest's memory.
        entries: &'a [MemEntry],
    },
    /// RESOURCE_DETACH_BACKING. Once it is answered the guest's memory is not touched any more.
    DetachBacking(u32),
    /// RESOURCE_UNREF.
    Unref(u32),
    /// TRANSFER_TO_HOST_3D.
    TransferToHost(Transfer),
    /// TRANSFER_FROM_HOST_3D.
    TransferFromHost(Transfer),
    /// SUBMIT_3D. Whole words; the renderer reads a copy that the guest can't change.
    Submit {
        /// The context.
        context: u32,
        /// The commands.
        commands: &'a [u8],
    },
    /// For RESOURCE_MAP_BLOB: answered by the memory.
    Map(u32),
    /// RESOURCE_UNMAP_BLOB.
    Unmap(u32),
    /// Asks for a resource as dma-bufs: answered by a picture, or that there is none. Once
    /// per resource: what it is drawn later is in the same memory.
    Export(u32),
    /// Copies pixels of a resource into memory of the device, as B, G, R, A, the top row first: what a
    /// scanout shows where resources can't be exported. Answered once they are there.
    ReadBack {
        /// The resource, a 2D texture.
        resource: u32,
        /// Which pixels.
        part: Rect,
        /// Where to.
        target: Target,
    },
    /// Does nothing: for a [`super::Fence`] alone, or to learn that all before it was done.
    Nothing,
}

/// The numbers of requests; those of other orders are above them.
mod kind {
    pub(super) const CREATE_CONTEXT: u32 = 1;
    pub(super) const DESTROY_CONTEXT: u32 = 2;
    pub(super) const ATTACH_TO_CONTEXT: u32 = 3;
    pub(super) const DETACH_FROM_CONTEXT: u32 = 4;
    pub(super) const CREATE_TEXTURE: u32 = 5;
    pub(super) const CREATE_BLOB: u32 = 6;
    pub(super) const ATTACH_BACKING: u32 = 7;
    pub(super) const DETACH_BACKING: u32 = 8;
    pub(super) const UNREF: u32 = 9;
    pub(super) const TRANSFER_TO_HOST: u32 = 10;
    pub(super) const TRANSFER_FROM_HOST: u32 = 11;
    pub(super) const SUBMIT: u32 = 12;
    pub(super) const MAP: u32 = 13;
    pub(super) const UNMAP: u32 = 14;
    pub(super) const EXPORT: u32 = 15;
    pub(super) const READ_BACK: u32 = 16;
    pub(super) const NOTHING: u32 = 17;
}

impl<'a> Request<'a> {
    /// Its number.
    pub(super) const fn kind(&self) -> u32 {
        match self {
            Self::CreateContext { .. } => kind::CREATE_CONTEXT,
            Self::DestroyContext(_) => kind::DESTROY_CONTEXT,
            Self::AttachToContext { .. } => kind::ATTACH_TO_CONTEXT,
            Self::DetachFromContext { .. } => kind::DETACH_FROM_CONTEXT,
            Self::CreateTexture { .. } => kind::CREATE_TEXTURE,
            Self::CreateBlob { .. } => kind::CREATE_BLOB,
            Self::AttachBacking { .. } => kind::ATTACH_BACKING,
            Self::DetachBacking(_) => kind::DETACH_BACKING,
            Self::Unref(_) => kind::UNREF,
            Self::TransferToHost(_) => kind::TRANSFER_TO_HOST,
            Self::TransferFromHost(_) => kind::TRANSFER_FROM_HOST,
            Self::Submit { .. } => kind::SUBMIT,
            Self::Map(_) => kind::MAP,
            Self::Unmap(_) => kind::UNMAP,
            Self::Export(_) => kind::EXPORT,
            Self::ReadBack { .. } => kind::READ_BACK,
            Self::Nothing => kind::NOTHING,
        }
    }

    /// Appends what follows the head to `out`, but for the commands of [`Self::Submit`], which are
    /// large: those are returned, to be sent after it.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> &'a [u8] {
        match *self {
            Self::CreateContext {
                context,
                capset,
                name,
            } => {
                wire::Pair::of(context, capset).put(out);
                out.extend_from_slice(name.get(..MAX_NAME).unwrap_or(name));
            }
            Self::DestroyContext(id)
            | Self::DetachBacking(id)
            | Self::Unref(id)
            | Self::Map(id)
            | Self::Unmap(id)
            | Self::Export(id) => wire::Pair::of(id, 0).put(out),
            Self::AttachToContext { context, resource }
            | Self::DetachFromContext { context, resource } => {
                wire::Pair::of(context, resource).put(out);
            }
            Self::CreateTexture { resource, texture } => {
                wire::Pair::of(resource, 0).put(out);
                wire::Texture::from(texture).put(out);
            }
            Self::CreateBlob {
                resource,
                blob,
                entries,
            } => {
                wire::Pair::of(resource, 0).put(out);
                wire::Blob::from(blob).put(out);
                put_entries(entries, out);
            }
            Self::AttachBacking { resource, entries } => {
                wire::Pair::of(resource, 0).put(out);
                put_entries(entries, out);
            }
            Self::TransferToHost(transfer) | Self::TransferFromHost(transfer) => {
                wire::Transfer::from(transfer).put(out);
            }
            Self::Submit { context, commands } => {
                wire::Pair::of(context, 0).put(out);
                return commands;
            }
            Self::ReadBack {
                resource,
                part,
                target,
            } => {
                wire::Pair::of(resource, 0).put(out);
                wire::ReadBack::of(part, target).put(out);
            }
            Self::Nothing => {}
        }
        &[]
    }

    /// Reads what follows the head of a message of this kind. `entries` is where a list of memory
    /// entries goes.
    ///
    /// # Errors
    /// `bytes` are no request of this kind.
    pub(super) fn decode(
        kind: u32,
        bytes: &'a [u8],
        entries: &'a mut Vec<MemEntry>,
    ) -> Result<Self, Malformed> {
        let of_one = |make: fn(u32) -> Self| Ok(make(wire::last::<wire::Pair>(bytes)?.first()));
        match kind {
            kind::CREATE_CONTEXT => {
                let (pair, name) = wire::first::<wire::Pair>(bytes)?;
                let (context, capset) = pair.both();
                if name.len() > MAX_NAME {
                    return Err(Malformed::TooLong);
                }
                Ok(Self::CreateContext {
                    context,
                    capset,
                    name,
                })
            }
            kind::DESTROY_CONTEXT => of_one(Self::DestroyContext),
            kind::ATTACH_TO_CONTEXT => {
                let (context, resource) = wire::last::<wire::Pair>(bytes)?.both();
                Ok(Self::AttachToContext { context, resource })
            }
            kind::DETACH_FROM_CONTEXT => {
                let (context, resource) = wire::last::<wire::Pair>(bytes)?.both();
                Ok(Self::DetachFromContext { context, resource })
            }
            kind::CREATE_TEXTURE => {
                let (pair, rest) = wire::first::<wire::Pair>(bytes)?;
                Ok(Self::CreateTexture {
                    resource: pair.first(),
                    texture: wire::last::<wire::Texture>(rest)?.into(),
                })
            }
            kind::CREATE_BLOB => {
                let (pair, rest) = wire::first::<wire::Pair>(bytes)?;
                let (blob, rest) = wire::first::<wire::Blob>(rest)?;
                Ok(Self::CreateBlob {
                    resource: pair.first(),
                    blob: blob.into(),
                    entries: take_entries(rest, entries)?,
                })
            }
            kind::ATTACH_BACKING => {
                let (pair, rest) = wire::first::<wire::Pair>(bytes)?;
                Ok(Self::AttachBacking {
                    resource: pair.first(),
                    entries: take_entries(rest, entries)?,
                })
            }
            kind::DETACH_BACKING => of_one(Self::DetachBacking),
            kind::UNREF => of_one(Self::Unref),
            kind::TRANSFER_TO_HOST => Ok(Self::TransferToHost(
                wire::last::<wire::Transfer>(bytes)?.into(),
            )),
            kind::TRANSFER_FROM_HOST => Ok(Self::TransferFromHost(
                wire::last::<wire::Transfer>(bytes)?.into(),
            )),
            kind::SUBMIT => {
                let (pair, commands) = wire::first::<wire::Pair>(bytes)?;
                if commands.len() > MAX_REQUEST {
                    return Err(Malformed::TooLong);
                }
                Ok(Self::Submit {
                    context: pair.first(),
                    commands,
                })
            }
            kind::MAP => of_one(Self::Map),
            kind::UNMAP => of_one(Self::Unmap),
            kind::EXPORT => of_one(Self::Export),
            kind::READ_BACK => {
                let (pair, rest) = wire::first::<wire::Pair>(bytes)?;
                let (part, target) = wire::last::<wire::ReadBack>(rest)?.parts();
                Ok(Self::ReadBack {
                    resource: pair.first(),
                    part,
                    target,
                })
            }
            kind::NOTHING => match bytes {
                [] => Ok(Self::Nothing),
                _ => Err(Malformed::TooLong),
            },
            kind => Err(Malformed::UnknownKind(kind)),
        }
    }
}

fn put_entries(entries: &[MemEntry], out: &mut Vec<u8>) {
    for entry in entries {
        wire::Entry::from(*entry).put(out);
    }
}

/// All of `bytes` as entries, in `entries`.
fn take_entries<'a>(
    mut bytes: &[u8],
    entries: &'a mut Vec<MemEntry>,
) -> Result<&'a [MemEntry], Malformed> {
    if bytes.len() / size_of::<wire::Entry>() > MAX_ENTRIES {
        return Err(Malformed::TooLong);
    }
    entries.clear();
    while !bytes.is_empty() {
        let (entry, rest) = wire::first::<wire::Entry>(bytes)?;
        entries.push(entry.into());
        bytes = rest;
    }
    Ok(entries)
}
