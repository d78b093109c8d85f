//! The header that every command and every response begins with.

use zerocopy::{FromBytes, IntoBytes};

use super::wire;

/// The size of the header in bytes; also the size of a response without data.
pub const HEADER_SIZE: usize = size_of::<wire::Header>();

/// The request is answered only when it is done, and its `fence_id` is echoed.
const FLAG_FENCE: u32 = 1 << 0;

/// `ring_idx` is valid.
const FLAG_INFO_RING_IDX: u32 = 1 << 1;

/// What the header of a request or of a response says.
///
/// The default is the header to answer with where a request was too short to hold one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Header {
    /// The command's or response's number. [`super::Command::encode`] and
    /// [`super::Response::encode`] write their own number instead.
    pub kind: u32,
    /// The fence to signal once the command is done; `None` if the guest asked for none.
    pub fence: Option<u64>,
    /// The 3D context; 0 for 2D commands.
    pub ctx_id: u32,
    /// The timeline within the context, where the guest named one (`FLAG_INFO_RING_IDX`).
    pub ring_idx: Option<u8>,
}

impl Header {
    /// Reads the header off the front of `bytes`; also returns what follows it. `None` if
    /// there are fewer than [`HEADER_SIZE`] bytes. Flags without a meaning are ignored.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (wire, rest) = wire::Header::read_from_prefix(bytes).ok()?;
        let flags = wire.flags.get();
        let header = Self {
            kind: wire.kind.get(),
            fence: (flags & FLAG_FENCE != 0).then_some(wire.fence_id.get()),
            ctx_id: wire.ctx_id.get(),
            ring_idx: (flags & FLAG_INFO_RING_IDX != 0).then_some(wire.ring_idx),
        };
        Some((header, rest))
    }

    /// Appends the header as it stands.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut flags = 0;
        if self.fence.is_some() {
            flags |= FLAG_FENCE;
        }
        if self.ring_idx.is_some() {
            flags |= FLAG_INFO_RING_IDX;
        }
        let wire = wire::Header {
            kind: self.kind.into(),
            flags: flags.into(),
            fence_id: self.fence.unwrap_or(0).into(),
            ctx_id: self.ctx_id.into(),
            ring_idx: self.ring_idx.unwrap_or(0),
            padding: [0; 3],
        };
        out.extend_from_slice(wire.as_bytes());
    }

    /// The header of the response to the request with this header: fence, context and ring are
    /// echoed only if the request was fenced, as QEMU does.
    pub(super) fn answered_with(&self, kind: u32) -> Self {
        match self.fence {
            Some(_) => Self { kind, ..*self },
            None => Self {
                kind,
                ..Self::default()
            },
        }
    }
}
