//! What the device answers.

use thiserror::Error;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{HEADER_SIZE, Header, MAX_SCANOUTS, Rect, wire};

/// The size of the EDID field of a response in bytes.
pub const EDID_SIZE: usize = 1024;

const OK_NODATA: u32 = 0x1100;
const OK_DISPLAY_INFO: u32 = 0x1101;
const OK_CAPSET_INFO: u32 = 0x1102;
const OK_CAPSET: u32 = 0x1103;
const OK_EDID: u32 = 0x1104;
const OK_RESOURCE_UUID: u32 = 0x1105;
const OK_MAP_INFO: u32 = 0x1106;

/// A virtual monitor, as GET_DISPLAY_INFO describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DisplayMode {
    /// Its place among the others and its size, in pixels.
    pub rect: Rect,
    /// Whether a monitor is plugged in.
    pub enabled: bool,
    /// No flags are defined.
    pub flags: u32,
}

/// Why a command failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum ErrorCode {
    /// No better code fits.
    Unspec = 0x1200,
    /// The host's memory, or the guest's quota of it, is used up.
    OutOfMemory = 0x1201,
    /// No such scanout.
    InvalidScanoutId = 0x1202,
    /// No such resource, or there is one already, or 0.
    InvalidResourceId = 0x1203,
    /// No such 3D context.
    InvalidContextId = 0x1204,
    /// A rectangle, format or size is impossible.
    InvalidParameter = 0x1205,
}

impl ErrorCode {
    /// All codes, by number.
    pub const ALL: [Self; 6] = [
        Self::Unspec,
        Self::OutOfMemory,
        Self::InvalidScanoutId,
        Self::InvalidResourceId,
        Self::InvalidContextId,
        Self::InvalidParameter,
    ];

    const fn number(self) -> u32 {
        // A fieldless enum with a `u32` representation: the cast is its number.
        self as u32
    }
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// Done.
    OkNodata,
    /// The monitors.
    OkDisplayInfo(Box<[DisplayMode; MAX_SCANOUTS]>),
    /// A monitor's EDID: whole blocks of 128 bytes, at most [`EDID_SIZE`] in all.
    OkEdid(Vec<u8>),
    /// A resource's UUID.
    OkResourceUuid([u8; 16]),
    /// A capset's description.
    OkCapsetInfo {
        /// Its id, or 0 if there is none with this index.
        capset_id: u32,
        /// Its newest version.
        max_version: u32,
        /// Its size in bytes.
        max_size: u32,
    },
    /// A capset.
    OkCapset(Vec<u8>),
    /// How the guest must map a blob: 0 not at all, 1 cached, 2 uncached, 3 write-combined.
    OkMapInfo {
        /// The caching mode.
        map_info: u32,
    },
    /// Refused.
    Err(ErrorCode),
}

/// Bytes that are no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ResponseError {
    /// Shorter than the kind of response that it says it is.
    #[error("A response of the graphics device has {got} bytes, fewer than the {needed} it needs")]
    TooShort {
        /// Bytes needed.
        needed: usize,
        /// Bytes there.
        got: usize,
    },
    /// No response has this number.
    #[error("A response of the graphics device has the unknown kind {kind:#06x}")]
    UnknownKind {
        /// The number.
        kind: u32,
    },
    /// An EDID that says it is longer than the field it is in.
    #[error("An EDID of {size} bytes can't be in a field of {EDID_SIZE}")]
    EdidSize {
        /// The size it says.
        size: u32,
    },
}

impl Response {
    /// The response's number.
    #[must_use]
    pub const fn kind(&self) -> u32 {
        match self {
            Self::OkNodata => OK_NODATA,
            Self::OkDisplayInfo(_) => OK_DISPLAY_INFO,
            Self::OkEdid(_) => OK_EDID,
            Self::OkResourceUuid(_) => OK_RESOURCE_UUID,
            Self::OkCapsetInfo { .. } => OK_CAPSET_INFO,
            Self::OkCapset(_) => OK_CAPSET,
            Self::OkMapInfo { .. } => OK_MAP_INFO,
            Self::Err(code) => code.number(),
        }
    }

    /// Whether it is an error.
    #[must_use]
    pub const fn is_err(&self) -> bool {
        matches!(self, Self::Err(_))
    }

    /// Appends the response to the request with this header to `out`: exactly the bytes that its
    /// kind has, all of them set. Fence, context and ring are echoed if the request was
    /// fenced.
    ///
    /// Of an EDID no more than [`EDID_SIZE`] bytes are written.
    pub fn encode(&self, request: &Header, out: &mut Vec<u8>) {
        request.answered_with(self.kind()).encode(out);
        match self {
            Self::OkNodata | Self::Err(_) => {}
            Self::OkDisplayInfo(modes) => {
                let modes = modes.map(|mode| wire::DisplayOne {
                    rect: mode.rect.into(),
                    enabled: u32::from(mode.enabled).into(),
                    flags: mode.flags.into(),
                });
                out.extend_from_slice(wire::DisplayInfo { modes }.as_bytes());
            }
            Self::OkEdid(edid) => encode_edid(edid, out),
            Self::OkResourceUuid(uuid) => out.extend_from_slice(uuid),
            Self::OkCapsetInfo {
                capset_id,
                max_version,
                max_size,
            } => {
                let wire = wire::CapsetInfo {
                    capset_id: (*capset_id).into(),
                    max_version: (*max_version).into(),
                    max_size: (*max_size).into(),
                    padding: 0.into(),
                };
                out.extend_from_slice(wire.as_bytes());
            }
            Self::OkCapset(capset) => out.extend_from_slice(capset),
            Self::OkMapInfo { map_info } => {
                let wire = wire::MapInfo {
                    map_info: (*map_info).into(),
                    padding: 0.into(),
                };
                out.extend_from_slice(wire.as_bytes());
            }
        }
    }

    /// Reads a response as a guest does. A capset is everything after the header; other kinds
    /// ignore what follows them.
    ///
    /// # Errors
    /// The response is shorter than its kind, or of no known kind.
    pub fn decode(response: &[u8]) -> Result<(Header, Self), ResponseError> {
        let Some((header, body)) = Header::decode(response) else {
            return Err(ResponseError::TooShort {
                needed: HEADER_SIZE,
                got: response.len(),
            });
        };
        let response = match header.kind {
            OK_NODATA => Self::OkNodata,
            OK_DISPLAY_INFO => {
                let modes = read::<wire::DisplayInfo>(body)?
                    .modes
                    .map(|mode| DisplayMode {
                        rect: mode.rect.into(),
                        enabled: mode.enabled.get() != 0,
                        flags: mode.flags.get(),
                    });
                Self::OkDisplayInfo(Box::new(modes))
            }
            OK_EDID => Self::OkEdid(decode_edid(body)?),
            OK_RESOURCE_UUID => Self::OkResourceUuid(read(body)?),
            OK_CAPSET_INFO => {
                let wire = read::<wire::CapsetInfo>(body)?;
                Self::OkCapsetInfo {
                    capset_id: wire.capset_id.get(),
                    max_version: wire.max_version.get(),
                    max_size: wire.max_size.get(),
                }
            }
            OK_CAPSET => Self::OkCapset(body.to_vec()),
            OK_MAP_INFO => Self::OkMapInfo {
                map_info: read::<wire::MapInfo>(body)?.map_info.get(),
            },
            kind => match ErrorCode::ALL
                .into_iter()
                .find(|code| code.number() == kind)
            {
                Some(code) => Self::Err(code),
                None => return Err(ResponseError::UnknownKind { kind }),
            },
        };
        Ok((header, response))
    }
}

fn encode_edid(bytes: &[u8], out: &mut Vec<u8>) {
    let mut edid = [0; EDID_SIZE];
    let mut size = 0_u32;
    for (to, from) in edid.iter_mut().zip(bytes) {
        *to = *from;
        size += 1;
    }
    out.extend_from_slice(
        wire::Edid {
            size: size.into(),
            padding: 0.into(),
            edid,
        }
        .as_bytes(),
    );
}

fn decode_edid(body: &[u8]) -> Result<Vec<u8>, ResponseError> {
    let wire = read::<wire::Edid>(body)?;
    let size = wire.size.get();
    usize::try_from(size)
        .ok()
        .and_then(|size| wire.edid.get(..size))
        .map(<[u8]>::to_vec)
        .ok_or(ResponseError::EdidSize { size })
}

fn read<T: FromBytes + KnownLayout + Immutable>(body: &[u8]) -> Result<T, ResponseError> {
    match T::read_from_prefix(body) {
        Ok((wire, _)) => Ok(wire),
        Err(_) => Err(ResponseError::TooShort {
            needed: HEADER_SIZE + size_of::<T>(),
            got: HEADER_SIZE + body.len(),
        }),
    }
}
