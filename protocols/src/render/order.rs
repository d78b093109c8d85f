//! What the device tells the renderer.

use super::{Fence, Lent, Malformed, Region, Request, Timeline, wire};
use crate::virtio_gpu::MemEntry;

/// Rings of a context.
const MAX_RINGS: u8 = 64;

/// A message from the device to the renderer. Orders are carried out one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order<'a> {
    /// Something to be done, and answered.
    Do {
        /// Under which number it is to be answered.
        number: u64,
        /// What must be reached before it is answered.
        fence: Option<Fence>,
        /// What.
        request: Request<'a>,
    },
    /// Another region of the RAM that [`Order::RamIsComplete`] makes the guest's; announces one
    /// descriptor.
    Ram(Region),
    /// The guest's RAM is the regions since the last order of this kind.
    RamIsComplete,
    /// Memory that may be written into; announces one descriptor.
    Lend {
        /// Its name.
        memory: Lent,
        /// Its size in bytes.
        size: u64,
    },
    /// Lent memory is not to be touched any more.
    TakeBack(Lent),
    /// The guest's driver has gone: all contexts and resources go.
    Reset,
}

/// Above all numbers of requests.
mod kind {
    pub(super) const RAM: u32 = 0x101;
    pub(super) const RAM_IS_COMPLETE: u32 = 0x102;
    pub(super) const LEND: u32 = 0x103;
    pub(super) const TAKE_BACK: u32 = 0x104;
    pub(super) const RESET: u32 = 0x105;
}

/// Whether there is a fence, and on which timeline.
mod fenced {
    pub(super) const NOT: u32 = 0;
    pub(super) const DEVICE: u32 = 1;
    pub(super) const RING: u32 = 2;
}

impl<'a> Order<'a> {
    /// How many descriptors come beside it.
    #[must_use]
    pub const fn descriptors(&self) -> usize {
        match self {
            Self::Ram(_) | Self::Lend { .. } => 1,
            Self::Do { .. } | Self::RamIsComplete | Self::TakeBack(_) | Self::Reset => 0,
        }
    }

    /// Puts the message into `out`, which is emptied before, but for a large part at its end: that is
    /// returned, and belongs into the same message after `out`.
    pub fn encode(&self, out: &mut Vec<u8>) -> &'a [u8] {
        out.clear();
        self.head().put(out);
        match *self {
            Self::Do { request, .. } => return request.encode(out),
            Self::Ram(region) => wire::Region::from(region).put(out),
            Self::Lend { memory, size } => {
                let sized = wire::Sized {
                    id: memory.0.into(),
                    padding: 0.into(),
                    size: size.into(),
                };
                sized.put(out);
            }
            Self::TakeBack(memory) => wire::Pair::of(memory.0, 0).put(out),
            Self::RamIsComplete | Self::Reset => {}
        }
        &[]
    }

    fn head(&self) -> wire::OrderHead {
        let (kind, number, fence) = match self {
            Self::Do {
                number,
                fence,
                request,
            } => (request.kind(), *number, *fence),
            Self::Ram(_) => (kind::RAM, 0, None),
            Self::RamIsComplete => (kind::RAM_IS_COMPLETE, 0, None),
            Self::Lend { .. } => (kind::LEND, 0, None),
            Self::TakeBack(_) => (kind::TAKE_BACK, 0, None),
            Self::Reset => (kind::RESET, 0, None),
        };
        let (fenced, context, ring) = match fence.map(|fence| fence.timeline) {
            None => (fenced::NOT, 0, 0),
            Some(Timeline::Device) => (fenced::DEVICE, 0, 0),
            Some(Timeline::Ring { context, ring }) => (fenced::RING, context, ring),
        };
        wire::OrderHead {
            kind: kind.into(),
            fenced: fenced.into(),
            number: number.into(),
            fence: fence.map_or(0, |fence| fence.id).into(),
            context: context.into(),
            ring: u32::from(ring).into(),
        }
    }

    /// Reads a message. `entries` is where a list of memory entries goes.
    ///
    /// # Errors
    /// `bytes` are no order.
    pub fn decode(bytes: &'a [u8], entries: &'a mut Vec<MemEntry>) -> Result<Self, Malformed> {
        let (head, rest) = wire::first::<wire::OrderHead>(bytes)?;
        match head.kind.get() {
            kind::RAM => Ok(Self::Ram(wire::last::<wire::Region>(rest)?.into())),
            kind::RAM_IS_COMPLETE => nothing(rest, Self::RamIsComplete),
            kind::LEND => {
                let sized = wire::last::<wire::Sized>(rest)?;
                Ok(Self::Lend {
                    memory: Lent(sized.id.get()),
                    size: sized.size.get(),
                })
            }
            kind::TAKE_BACK => Ok(Self::TakeBack(Lent(
                wire::last::<wire::Pair>(rest)?.first(),
            ))),
            kind::RESET => nothing(rest, Self::Reset),
            kind => Ok(Self::Do {
                number: head.number.get(),
                fence: fence(&head)?,
                request: Request::decode(kind, rest, entries)?,
            }),
        }
    }
}

fn nothing<'a>(rest: &[u8], order: Order<'a>) -> Result<Order<'a>, Malformed> {
    match rest {
        [] => Ok(order),
        _ => Err(Malformed::TooLong),
    }
}

fn fence(head: &wire::OrderHead) -> Result<Option<Fence>, Malformed> {
    let timeline = match head.fenced.get() {
        fenced::NOT => return Ok(None),
        fenced::DEVICE => Timeline::Device,
        fenced::RING => Timeline::Ring {
            context: head.context.get(),
            ring: u8::try_from(head.ring.get())
                .ok()
                .filter(|ring| *ring < MAX_RINGS)
                .ok_or(Malformed::Value)?,
        },
        _ => return Err(Malformed::Value),
    };
    Ok(Some(Fence {
        id: head.fence.get(),
        timeline,
    }))
}
