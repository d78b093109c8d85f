//! What the renderer tells the device.

use super::{
    Capset, MAX_DESCRIPTORS, MAX_REPORT, Malformed, Versions, text,
    wire::{self, first},
};
use crate::virtio_gpu::ErrorCode;

/// Capsets that a renderer can offer: the numbers that are defined, and some more.
const MAX_CAPSETS: usize = 8;

/// The largest capset in bytes. Virgl's second one has some 1400.
const MAX_CAPSET: usize = 4096;

/// Why a renderer can't draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Lack {
    /// There is no libvirglrenderer.
    Library = 1,
    /// It lacks what is needed.
    NewerLibrary = 2,
    /// EGL does not work.
    Egl = 3,
    /// The render node is none, or not there.
    Node = 4,
    /// This user may not open the render node.
    Permission = 5,
    /// There is no virgl_render_server.
    Server = 6,
    /// Vulkan does not work.
    Vulkan = 7,
    /// The library has no Venus.
    Venus = 8,
    /// Something else.
    Other = 9,
}

impl Lack {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Library,
        Self::NewerLibrary,
        Self::Egl,
        Self::Node,
        Self::Permission,
        Self::Server,
        Self::Vulkan,
        Self::Venus,
        Self::Other,
    ];
}

/// One of the memories of a [`Picture`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PicturePlane {
    /// Bytes from its start to the first pixel.
    pub offset: u32,
    /// Bytes from one row to the next.
    pub stride: u32,
}

/// What dma-bufs show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: u32,
    /// Height in rows.
    pub height: u32,
    /// DRM's code of its pixels.
    pub fourcc: u32,
    /// DRM's code of how its planes are laid out.
    pub modifier: u64,
    /// Whether the first row in memory is the lowest one of the picture.
    pub bottom_up: bool,
    /// One to four. A descriptor comes for each.
    pub planes: Vec<PicturePlane>,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to tell.
    Done,
    /// A blob's memory; announces one descriptor.
    Mapped {
        /// Its size in bytes.
        size: u64,
        /// How the guest must map it: 1 cached, 2 uncached, 3 write-combined.
        caching: u32,
    },
    /// A resource's memory; announces a descriptor for each plane.
    Exported(Picture),
    /// The host can't share this resource's memory.
    NotExported,
    /// It was refused, or failed.
    Failed(ErrorCode),
}

/// A message from the renderer to the device. The first is one of [`Report::Hello`] and
/// [`Report::Lacking`], and there is no further one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// It can draw.
    Hello {
        /// What it offers to the guest; at most eight of at most 4096 bytes.
        capsets: Vec<Capset>,
        /// What it draws with.
        versions: Versions,
    },
    /// It can't.
    Lacking {
        /// What it lacks.
        lack: Lack,
        /// The reason in words.
        text: String,
    },
    /// A request is done, and its fence reached.
    Answer {
        /// The request's number.
        number: u64,
        /// What came of it.
        outcome: Outcome,
    },
}

mod kind {
    pub(super) const HELLO: u32 = 1;
    pub(super) const LACKING: u32 = 2;
    pub(super) const DONE: u32 = 3;
    pub(super) const MAPPED: u32 = 4;
    pub(super) const EXPORTED: u32 = 5;
    pub(super) const NOT_EXPORTED: u32 = 6;
    pub(super) const FAILED: u32 = 7;
}

impl Report {
    /// How many descriptors come beside it.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        match self {
            Self::Answer { outcome, .. } => match outcome {
                Outcome::Mapped { .. } => 1,
                Outcome::Exported(picture) => picture.planes.len(),
                Outcome::Done | Outcome::NotExported | Outcome::Failed(_) => 0,
            },
            Self::Hello { .. } | Self::Lacking { .. } => 0,
        }
    }

    /// Puts the message into `out`, which is emptied before. Texts are cut to [`super::MAX_TEXT`]
    /// bytes, capsets and planes that are too many or too large are left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        match self {
            Self::Hello { capsets, versions } => put_hello(capsets, versions, out),
            Self::Lacking { lack, text } => {
                head(kind::LACKING, *lack as u32, 0).put(out);
                out.extend_from_slice(text::clean(text).as_bytes());
            }
            Self::Answer { number, outcome } => put_answer(*number, outcome, out),
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// `bytes` are no report.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_REPORT {
            return Err(Malformed::TooLong);
        }
        let (head, rest) = first::<wire::ReportHead>(bytes)?;
        let outcome = match head.kind.get() {
            kind::HELLO => return take_hello(head.count.get(), rest),
            kind::LACKING => {
                let lack = Lack::ALL
                    .into_iter()
                    .find(|lack| *lack as u32 == head.count.get());
                return Ok(Self::Lacking {
                    lack: lack.ok_or(Malformed::Value)?,
                    text: text::check(rest)?,
                });
            }
            kind::DONE => end(rest, Outcome::Done)?,
            kind::NOT_EXPORTED => end(rest, Outcome::NotExported)?,
            kind::FAILED => {
                let code = ErrorCode::ALL
                    .into_iter()
                    .find(|code| *code as u32 == head.count.get());
                end(rest, Outcome::Failed(code.ok_or(Malformed::Value)?))?
            }
            kind::MAPPED => {
                let mapped = wire::last::<wire::Sized>(rest)?;
                Outcome::Mapped {
                    size: mapped.size.get(),
                    caching: mapped.id.get(),
                }
            }
            kind::EXPORTED => take_picture(head.count.get(), rest)?,
            kind => return Err(Malformed::UnknownKind(kind)),
        };
        Ok(Self::Answer {
            number: head.number.get(),
            outcome,
        })
    }
}

fn head(kind: u32, count: u32, number: u64) -> wire::ReportHead {
    wire::ReportHead {
        kind: kind.into(),
        count: count.into(),
        number: number.into(),
    }
}

fn end(rest: &[u8], outcome: Outcome) -> Result<Outcome, Malformed> {
    match rest {
        [] => Ok(outcome),
        _ => Err(Malformed::TooLong),
    }
}

fn put_answer(number: u64, outcome: &Outcome, out: &mut Vec<u8>) {
    match outcome {
        Outcome::Done => head(kind::DONE, 0, number).put(out),
        Outcome::NotExported => head(kind::NOT_EXPORTED, 0, number).put(out),
        Outcome::Failed(code) => head(kind::FAILED, *code as u32, number).put(out),
        Outcome::Mapped { size, caching } => {
            head(kind::MAPPED, 0, number).put(out);
            let sized = wire::Sized {
                id: (*caching).into(),
                padding: 0.into(),
                size: (*size).into(),
            };
            sized.put(out);
        }
        Outcome::Exported(picture) => put_picture(number, picture, out),
    }
}

fn put_picture(number: u64, picture: &Picture, out: &mut Vec<u8>) {
    let planes = picture.planes.iter().take(MAX_DESCRIPTORS);
    head(kind::EXPORTED, count(planes.len()), number).put(out);
    let wire = wire::Picture {
        width: picture.width.into(),
        height: picture.height.into(),
        fourcc: picture.fourcc.into(),
        bottom_up: u32::from(picture.bottom_up).into(),
        modifier: picture.modifier.into(),
    };
    wire.put(out);
    planes.for_each(|plane| wire::Pair::of(plane.offset, plane.stride).put(out));
}

fn take_picture(count: u32, rest: &[u8]) -> Result<Outcome, Malformed> {
    let (wire, mut rest) = first::<wire::Picture>(rest)?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count == 0 || count > MAX_DESCRIPTORS {
        return Err(Malformed::Value);
    }
    let mut planes = Vec::new();
    for _ in 0..count {
        let (pair, left) = first::<wire::Pair>(rest)?;
        let (offset, stride) = pair.both();
        planes.push(PicturePlane { offset, stride });
        rest = left;
    }
    let picture = Picture {
        width: wire.width.get(),
        height: wire.height.get(),
        fourcc: wire.fourcc.get(),
        modifier: wire.modifier.get(),
        bottom_up: match wire.bottom_up.get() {
            0 => false,
            1 => true,
            _ => return Err(Malformed::Value),
        },
        planes,
    };
    end(rest, Outcome::Exported(picture))
}

fn put_hello(capsets: &[Capset], versions: &Versions, out: &mut Vec<u8>) {
    let fits = |capset: &&Capset| capset.data.len() <= MAX_CAPSET;
    let capsets: Vec<_> = capsets.iter().filter(fits).take(MAX_CAPSETS).collect();
    head(kind::HELLO, count(capsets.len()), 0).put(out);
    for text in texts(versions) {
        let text = text::clean(text);
        wire::Pair::of(count(text.len()), 0).put(out);
        out.extend_from_slice(text.as_bytes());
    }
    for capset in capsets {
        let wire = wire::Capset {
            id: capset.id.into(),
            version: capset.version.into(),
            len: count(capset.data.len()).into(),
        };
        wire.put(out);
        out.extend_from_slice(&capset.data);
    }
}

fn take_hello(capsets: u32, mut rest: &[u8]) -> Result<Report, Malformed> {
    let mut texts: [String; 6] = Default::default();
    for text in &mut texts {
        let (pair, left) = first::<wire::Pair>(rest)?;
        let (bytes, left) = split(left, pair.first())?;
        *text = text::check(bytes)?;
        rest = left;
    }
    if usize::try_from(capsets).unwrap_or(usize::MAX) > MAX_CAPSETS {
        return Err(Malformed::Value);
    }
    let mut found = Vec::new();
    for _ in 0..capsets {
        let (wire, left) = first::<wire::Capset>(rest)?;
        let (data, left) = split(left, wire.len.get())?;
        if data.len() > MAX_CAPSET {
            return Err(Malformed::TooLong);
        }
        found.push(Capset {
            id: wire.id.get(),
            version: wire.version.get(),
            data: data.to_vec(),
        });
        rest = left;
    }
    if !rest.is_empty() {
        return Err(Malformed::TooLong);
    }
    let [library, device, gl, gles, glsl, vulkan] = texts;
    Ok(Report::Hello {
        capsets: found,
        versions: Versions {
            library,
            device,
            gl,
            gles,
            glsl,
            vulkan,
        },
    })
}

/// In the order in which they are sent.
fn texts(versions: &Versions) -> [&str; 6] {
    [
        &versions.library,
        &versions.device,
        &versions.gl,
        &versions.gles,
        &versions.glsl,
        &versions.vulkan,
    ]
}

fn split(bytes: &[u8], len: u32) -> Result<(&[u8], &[u8]), Malformed> {
    let len = usize::try_from(len).map_err(|_| Malformed::TooLong)?;
    bytes.split_at_checked(len).ok_or(Malformed::TooShort)
}

/// Bounded by those who call.
fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
