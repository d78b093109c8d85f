//! The bytes on the display socket: 12 bytes of header in the machine's own order, a payload, and with
//! some messages a descriptor.

use std::{
    io::{self, IoSliceMut, Read as _, Write as _},
    mem::MaybeUninit,
    os::unix::net::UnixStream,
};

use protocols::virtio_gpu::Rect;
use rustix::net::{RecvAncillaryBuffer, RecvFlags, recvmsg};

use crate::bench::stopwatch::What;

const GET_PROTOCOL_FEATURES: u32 = 1;
const SET_PROTOCOL_FEATURES: u32 = 2;
pub(super) const GET_DISPLAY_INFO: u32 = 3;
const CURSOR_POS: u32 = 4;
const CURSOR_POS_HIDE: u32 = 5;
const CURSOR_UPDATE: u32 = 6;
const SCANOUT: u32 = 7;
const UPDATE: u32 = 8;
const DMABUF_SCANOUT: u32 = 9;
pub(super) const DMABUF_UPDATE: u32 = 10;
pub(super) const GET_EDID: u32 = 11;
const DMABUF_SCANOUT2: u32 = 12;

/// In the flags of a reply.
const REPLY: u32 = 4;

/// EDID, and dma-bufs with a modifier: what QEMU offers.
const FEATURES: u64 = 0b11;

const HEADER: usize = 12;

/// Before the pixels of an update: scanout, x, y, width, height.
const UPDATE_HEAD: usize = 20;

/// The longest payload but for pixels: a pointer's image.
const MAX_PAYLOAD: usize = 16404;

/// The most bytes of pixels in one update: 16384 x 8192.
const MAX_PIXELS: usize = 512 << 20;

/// What a device says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    /// It asks what the display can do.
    GetProtocolFeatures,
    /// It asks which monitors there are.
    GetDisplayInfo,
    /// It asks for a monitor's EDID.
    GetEdid { scanout: u32 },
    /// A scanout has this size, and its pixels come by updates; 0 switches it off.
    Scanout {
        scanout: u32,
        width: u32,
        height: u32,
    },
    /// A scanout has this size, and its pixels are in a dma-buf.
    DmaBufScanout {
        scanout: u32,
        width: u32,
        height: u32,
    },
    /// New pixels, to be read next with [`Channel::pixels`].
    Update(Update),
    /// The dma-buf of a scanout has new pixels. The device waits for an answer.
    DmaBufUpdate(Update),
    /// The guest's pointer.
    Pointer(What),
    /// The features that it takes, which need no reaction.
    SetProtocolFeatures,
}

/// A part of a scanout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Update {
    pub(super) scanout: u32,
    pub(super) rect: Rect,
    /// Bytes of pixels that follow.
    pixels: usize,
}

/// A display socket with its buffers.
#[derive(Debug)]
pub(super) struct Channel {
    socket: UnixStream,
    payload: Vec<u8>,
    /// Only ever grows.
    pixels: Vec<u8>,
}

impl Channel {
    pub(super) fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            payload: Vec::new(),
            pixels: Vec::new(),
        }
    }

    /// Waits for the next message; `None` at the end. Descriptors are closed as they come: nobody looks
    /// into a dma-buf here.
    pub(super) fn receive(&mut self) -> io::Result<Option<Message>> {
        let mut header = [0; HEADER];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let got = rustix::io::retry_on_intr(|| {
            recvmsg(
                &self.socket,
                &mut [IoSliceMut::new(&mut header)],
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            )
        })?;
        drop(control);
        match got.bytes {
            0 => return Ok(None),
            got => {
                let rest = header.get_mut(got..).unwrap_or_default();
                self.socket.read_exact(rest)?;
            }
        }
        let [request, _, size] = words(&header);
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let in_payload = if request == UPDATE {
            size.min(UPDATE_HEAD)
        } else {
            size
        };
        if in_payload > MAX_PAYLOAD {
            return Err(invalid(request, size));
        }
        self.payload.resize(in_payload, 0);
        self.socket.read_exact(&mut self.payload)?;
        let message = decode(request, &self.payload, size.saturating_sub(in_payload));
        message.map(Some).ok_or_else(|| invalid(request, size))
    }

    /// The pixels of the update that was received last.
    pub(super) fn pixels(&mut self, update: &Update) -> io::Result<&[u8]> {
        if update.pixels > MAX_PIXELS {
            return Err(invalid(UPDATE, update.pixels));
        }
        if self.pixels.len() < update.pixels {
            self.pixels.resize(update.pixels, 0);
        }
        let pixels = self.pixels.get_mut(..update.pixels).unwrap_or_default();
        self.socket.read_exact(pixels)?;
        Ok(pixels)
    }

    pub(super) fn answer_features(&mut self) -> io::Result<()> {
        self.answer(GET_PROTOCOL_FEATURES, &FEATURES.to_ne_bytes())
    }

    /// Answers a request.
    pub(super) fn answer(&mut self, request: u32, payload: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(HEADER + payload.len());
        let size = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        for word in [request, REPLY, size] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        bytes.extend_from_slice(payload);
        self.socket.write_all(&bytes)
    }
}

/// Understands a message; `None` if its payload is too short or nobody knows it.
fn decode(request: u32, payload: &[u8], pixels: usize) -> Option<Message> {
    let update = || {
        let [scanout, x, y, width, height] = some_words(payload)?;
        Some(Update {
            scanout,
            rect: Rect {
                x,
                y,
                width,
                height,
            },
            pixels,
        })
    };
    Some(match request {
        GET_PROTOCOL_FEATURES => Message::GetProtocolFeatures,
        GET_DISPLAY_INFO => Message::GetDisplayInfo,
        GET_EDID => {
            let [scanout] = some_words(payload)?;
            Message::GetEdid { scanout }
        }
        SCANOUT => {
            let [scanout, width, height] = some_words(payload)?;
            Message::Scanout {
                scanout,
                width,
                height,
            }
        }
        UPDATE => Message::Update(update()?),
        DMABUF_UPDATE => Message::DmaBufUpdate(update()?),
        CURSOR_UPDATE => Message::Pointer(What::Pointer),
        CURSOR_POS | CURSOR_POS_HIDE => Message::Pointer(What::PointerMove),
        DMABUF_SCANOUT | DMABUF_SCANOUT2 => {
            let [scanout, _, _, width, height] = some_words(payload)?;
            Message::DmaBufScanout {
                scanout,
                width,
                height,
            }
        }
        SET_PROTOCOL_FEATURES => Message::SetProtocolFeatures,
        _ => return None,
    })
}

fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    some_words(bytes).unwrap_or([0; N])
}

/// The first words of a payload; `None` if it has fewer.
fn some_words<const N: usize>(bytes: &[u8]) -> Option<[u32; N]> {
    let mut words = [0; N];
    let mut chunks = bytes.chunks_exact(4);
    for word in &mut words {
        *word = u32::from_ne_bytes(chunks.next()?.try_into().ok()?);
    }
    Some(words)
}

fn invalid(request: u32, size: usize) -> io::Error {
    io::Error::other(format!(
        "its message {request} with {size} bytes is none that QEMU knows"
    ))
}
