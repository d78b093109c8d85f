//! A picture that the host looks at while the guest draws the next one.
//!
//! The same picture is kept in two to four memories, the *slots*. One is current: it has the newest
//! pixels. A slot that was handed to the host is *held* until the host has released it, and is never
//! written meanwhile; the next write then goes to a free slot, which first gets the pixels it has
//! missed from the current one, except those that the write replaces anyway.
//!
//! At least one slot is free at any time, so that a guest's write never has to wait.

use std::io;

use protocols::virtio_gpu::{Format, Rect};

use super::{convert::PIXEL, copy, copy::Canvas, region::Region};
use crate::{
    display::{BufferId, PixelLayout, Refused},
    memory::SharedMemory,
    renderer::Lent,
};

/// Slots of a picture that is shown: one for the host, one for the guest.
const MIN_SLOTS: usize = 2;

/// The most slots. A host with a plane holds two (on the screen, and about to be), a second scanout
/// with another refresh rate a third; the last is the guest's.
const MAX_SLOTS: usize = 4;

/// Rows begin at multiples of this many bytes: AMD's GPUs import linear dma-bufs only so, Intel's
/// scan out only with multiples of 64.
const STRIDE_ALIGNMENT: u32 = 256;

/// The longest side of a picture in pixels. Linux's driver stops at 8192; beyond 16384 no GPU
/// samples. Keeps every stride within what Wayland's signed numbers take.
pub const MAX_SIDE: u32 = 16384;

/// Bytes from one row to the next of a picture as this device stores it; `width` is at most
/// [`MAX_SIDE`].
pub fn stride(width: u32) -> u32 {
    width
        .min(MAX_SIDE)
        .saturating_mul(PIXEL)
        .next_multiple_of(STRIDE_ALIGNMENT)
}

/// Bytes of a picture as this device stores it.
pub fn stored_bytes(width: u32, height: u32) -> u64 {
    u64::from(stride(width)).saturating_mul(height.into())
}

/// The memories of one picture.
#[derive(Debug)]
pub struct Slots {
    width: u32,
    height: u32,
    slots: Vec<Slot>,
    current: usize,
    /// Why the slots can't be imported as dma-bufs, once that is known.
    refused: Option<Refused>,
}

#[derive(Debug)]
struct Slot {
    memory: SharedMemory,
    buffer: Option<SlotBuffer>,
    /// Frames that the host was given from this slot and has not released.
    holds: u32,
    /// Pixels that the current slot has newer.
    stale: Region,
    /// The renderer's name for it, where that may write into it.
    lent: Option<Lent>,
}

/// A slot as the host knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotBuffer {
    /// Its name.
    pub id: BufferId,
    /// Whether it was imported as a dma-buf; as shared memory otherwise.
    pub dma_buf: bool,
}

/// No slot is free, which can't be unless [`Slots::may_hold`] was not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoFreeSlot;

impl Slots {
    /// Allocates a black picture. Its sides are at most [`MAX_SIDE`].
    ///
    /// # Errors
    /// The system's: out of memory or of file descriptors.
    pub fn new(width: u32, height: u32) -> io::Result<Self> {
        let mut slots = Self {
            width,
            height,
            slots: Vec::new(),
            current: 0,
            refused: None,
        };
        while slots.slots.len() < MIN_SLOTS {
            slots.push(Region::default())?;
        }
        Ok(slots)
    }

    fn push(&mut self, stale: Region) -> io::Result<()> {
        let memory = SharedMemory::new(stored_bytes(self.width, self.height))?;
        self.slots.push(Slot {
            memory,
            buffer: None,
            holds: 0,
            stale,
            lent: None,
        });
        Ok(())
    }

    /// Bytes of host memory that a new picture of this size takes.
    pub fn initial_bytes(width: u32, height: u32) -> u64 {
        let count = u64::try_from(MIN_SLOTS).unwrap_or(u64::MAX);
        stored_bytes(width, height).saturating_mul(count)
    }

    /// Bytes of host memory that it takes now.
    pub fn bytes(&self) -> u64 {
        let count = u64::try_from(self.slots.len()).unwrap_or(u64::MAX);
        self.slot_bytes().saturating_mul(count)
    }

    /// Bytes that one more slot takes.
    pub fn slot_bytes(&self) -> u64 {
        stored_bytes(self.width, self.height)
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// All of the picture.
    pub fn whole(&self) -> Rect {
        Rect::from_size(self.width, self.height)
    }

    /// How the pixels lie in each slot.
    pub fn layout(&self) -> PixelLayout {
        PixelLayout {
            width: self.width,
            height: self.height,
            stride: stride(self.width),
            offset: 0,
            format: Format::Bgrx8888,
        }
    }

    /// The newest pixels, to be read.
    pub fn newest(&self) -> Option<Canvas<'_>> {
        self.canvas(self.slots.get(self.current)?)
    }

    /// The picture as it is to be written in these rectangles, all of which the caller then
    /// overwrites. Also returns how many bytes had to be carried over from the slot that the host
    /// holds.
    ///
    /// # Errors
    /// See [`NoFreeSlot`].
    pub fn begin_write(&mut self, overwritten: &[Rect]) -> Result<(Canvas<'_>, u64), NoFreeSlot> {
        let mut carried = 0;
        if self.slots.get(self.current).ok_or(NoFreeSlot)?.holds != 0 {
            let target = self.best_free_slot(overwritten).ok_or(NoFreeSlot)?;
            carried = self.carry_over(target, overwritten).ok_or(NoFreeSlot)?;
            self.current = target;
        }
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if index != self.current {
                overwritten.iter().for_each(|rect| slot.stale.add(*rect));
            }
        }
        let current = self.slots.get(self.current).ok_or(NoFreeSlot)?;
        Ok((self.canvas(current).ok_or(NoFreeSlot)?, carried))
    }

    /// The free slot that lacks the fewest pixels.
    fn best_free_slot(&self, overwritten: &[Rect]) -> Option<usize> {
        let replaced = |stale: &Rect| overwritten.iter().any(|rect| rect.contains(stale));
        let lacking = |slot: &Slot| {
            let kept = slot.stale.rects().iter().filter(|stale| !replaced(stale));
            kept.fold(0, |sum: u64, stale| sum.saturating_add(stale.area()))
        };
        let free = self.slots.iter().enumerate();
        free.filter(|(_, slot)| slot.holds == 0)
            .min_by_key(|(_, slot)| lacking(slot))
            .map(|(index, _)| index)
    }

    /// Brings a slot up to date, except for pixels that are about to be overwritten.
    fn carry_over(&mut self, target: usize, overwritten: &[Rect]) -> Option<u64> {
        let mut stale = std::mem::take(&mut self.slots.get_mut(target)?.stale);
        overwritten.iter().for_each(|rect| stale.subtract(rect));
        let to = self.canvas(self.slots.get(target)?)?;
        let from = self.newest()?;
        let copied = stale
            .rects()
            .iter()
            .map(|rect| copy::between(&from, &to, rect))
            .sum();
        // Back where it came from, with its memory.
        stale.clear();
        self.slots.get_mut(target)?.stale = stale;
        Some(copied)
    }

    fn canvas<'a>(&self, slot: &'a Slot) -> Option<Canvas<'a>> {
        let len = usize::try_from(self.slot_bytes()).ok()?;
        Some(Canvas {
            memory: slot.memory.slice(0, len)?,
            stride: stride(self.width),
        })
    }

    /// Whether the host may be given the current slot: another one must stay free, or become so
    /// through [`Slots::grow`].
    pub fn may_hold(&self) -> bool {
        let others = self
            .slots
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != self.current);
        others.into_iter().any(|(_, slot)| slot.holds == 0)
    }

    /// Whether another slot may be allocated.
    pub fn may_grow(&self) -> bool {
        self.slots.len() < MAX_SLOTS
    }

    /// Allocates another slot.
    ///
    /// # Errors
    /// The system's: out of memory or of file descriptors.
    pub fn grow(&mut self) -> io::Result<()> {
        let lacking_all = Region::of(self.whole());
        self.push(lacking_all)
    }

    /// Notes that the host was given the current slot.
    pub fn hold(&mut self) {
        if let Some(slot) = self.slots.get_mut(self.current) {
            slot.holds = slot.holds.saturating_add(1);
        }
    }

    /// Notes that the host has released a buffer. False if no slot has it.
    pub fn released(&mut self, buffer: BufferId) -> bool {
        let Some(slot) = self.slot_with(buffer) else {
            return false;
        };
        slot.holds = slot.holds.saturating_sub(1);
        true
    }

    /// Notes that the host could not import a buffer: it never read it. False if no slot has it.
    pub fn import_refused(&mut self, buffer: BufferId, refused: Refused) -> bool {
        let Some(slot) = self.slot_with(buffer) else {
            return false;
        };
        slot.buffer = None;
        slot.holds = 0;
        self.refused = Some(refused);
        true
    }

    /// Notes that there is no host any more that would know a slot, hold one, or have refused them.
    pub fn host_gone(&mut self) {
        for slot in &mut self.slots {
            slot.buffer = None;
            slot.holds = 0;
        }
        self.refused = None;
    }

    fn slot_with(&mut self, buffer: BufferId) -> Option<&mut Slot> {
        self.slots
            .iter_mut()
            .find(|slot| slot.buffer.is_some_and(|known| known.id == buffer))
    }

    /// The current slot's name at the host, once it has one.
    pub fn buffer(&self) -> Option<SlotBuffer> {
        self.slots.get(self.current)?.buffer
    }

    /// Notes the current slot's name at the host.
    pub fn set_buffer(&mut self, buffer: SlotBuffer) {
        if let Some(slot) = self.slots.get_mut(self.current) {
            slot.buffer = Some(buffer);
        }
    }

    /// The current slot's memory.
    pub fn memory(&self) -> Option<&SharedMemory> {
        self.slots.get(self.current).map(|slot| &slot.memory)
    }

    /// The renderer's name for the current slot, once it has one.
    pub fn lent(&self) -> Option<Lent> {
        self.slots.get(self.current)?.lent
    }

    /// Notes the renderer's name for the current slot.
    pub fn set_lent(&mut self, lent: Lent) {
        if let Some(slot) = self.slots.get_mut(self.current) {
            slot.lent = Some(lent);
        }
    }

    /// The renderer's names for all slots, which it is to forget.
    pub fn take_lent(&mut self) -> impl Iterator<Item = Lent> {
        self.slots.iter_mut().filter_map(|slot| slot.lent.take())
    }

    /// Why the slots can't be imported as dma-bufs, once that is known.
    pub fn refused(&self) -> Option<Refused> {
        self.refused
    }

    /// Notes that the slots may be imported as dma-bufs after all; those that the host has as
    /// shared memory stay that.
    pub fn try_again(&mut self) {
        self.refused = None;
    }

    /// Notes why the slots can't be imported as dma-bufs.
    pub fn refuse(&mut self, refused: Refused) {
        self.refused = Some(refused);
    }

    /// The names of all slots that the host knows.
    pub fn buffers(&self) -> impl Iterator<Item = BufferId> {
        self.slots
            .iter()
            .filter_map(|slot| slot.buffer)
            .map(|buffer| buffer.id)
    }

    /// Checks what must always hold.
    #[cfg(test)]
    pub(crate) fn verify_invariants(&self) {
        assert!((MIN_SLOTS..=MAX_SLOTS).contains(&self.slots.len()));
        assert!(
            self.slots[self.current].stale.is_empty(),
            "the current slot lacks pixels"
        );
        assert!(
            self.slots.iter().any(|slot| slot.holds == 0),
            "no slot is free"
        );
        for slot in &self.slots {
            assert!(
                slot.holds == 0 || slot.buffer.is_some(),
                "a slot without a name is held"
            );
            assert!(
                slot.stale
                    .rects()
                    .iter()
                    .all(|rect| self.whole().contains(rect))
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIDE: u32 = 8;
    const WHOLE: Rect = Rect {
        x: 0,
        y: 0,
        width: SIDE,
        height: SIDE,
    };

    fn fill(slots: &mut Slots, rect: Rect, value: u8) -> u64 {
        let (canvas, carried) = slots.begin_write(&[rect]).unwrap();
        let stride = canvas.stride as usize;
        for y in rect.y..rect.y + rect.height {
            let start = y as usize * stride + rect.x as usize * 4;
            let row = canvas
                .memory
                .subslice(start, rect.width as usize * 4)
                .unwrap();
            row.copy_from(&vec![value; rect.width as usize * 4]);
        }
        carried
    }

    /// One byte for each pixel.
    fn pixels(canvas: &Canvas<'_>) -> Vec<u8> {
        let mut bytes = vec![0; canvas.memory.len()];
        canvas.memory.copy_to(&mut bytes);
        let rows = bytes.chunks(canvas.stride as usize);
        rows.flat_map(|row| {
            row.chunks(4)
                .take(SIDE as usize)
                .map(|p| p[0])
                .collect::<Vec<_>>()
        })
        .collect()
    }

    /// Gives the host the current slot.
    fn present(slots: &mut Slots, next: &mut u64) -> Option<BufferId> {
        if !slots.may_hold() {
            if !slots.may_grow() {
                return None;
            }
            slots.grow().unwrap();
        }
        if slots.buffer().is_none() {
            *next += 1;
            slots.set_buffer(SlotBuffer {
                id: BufferId(*next),
                dma_buf: false,
            });
        }
        slots.hold();
        Some(slots.buffer().unwrap().id)
    }

    #[test]
    fn writes_stay_in_place_while_the_host_holds_nothing() {
        let mut slots = Slots::new(SIDE, SIDE).unwrap();
        assert_eq!(fill(&mut slots, WHOLE, 1), 0);
        assert_eq!(fill(&mut slots, Rect::from_size(2, 2), 2), 0);
        assert_eq!(slots.bytes(), 2 * 256 * 8);
    }

    #[test]
    fn only_what_the_other_slot_lacks_is_carried_over() {
        let mut slots = Slots::new(SIDE, SIDE).unwrap();
        let mut next = 0;
        fill(&mut slots, WHOLE, 1);
        let first = present(&mut slots, &mut next).unwrap();
        // The other slot lacks all 64 pixels; 4 of them are overwritten.
        assert_eq!(fill(&mut slots, Rect::from_size(2, 2), 2), 60 * 4);
        let second = present(&mut slots, &mut next).unwrap();
        slots.released(first);
        // The first slot lacks only the 4 pixels of the second frame.
        assert_eq!(
            fill(
                &mut slots,
                Rect {
                    x: 4,
                    y: 4,
                    width: 1,
                    height: 1
                },
                3
            ),
            4 * 4
        );
        slots.released(second);
        present(&mut slots, &mut next).unwrap();
        assert_eq!(fill(&mut slots, WHOLE, 4), 0);
    }

    #[test]
    fn a_refused_import_frees_the_slot() {
        let mut slots = Slots::new(SIDE, SIDE).unwrap();
        let buffer = present(&mut slots, &mut 0).unwrap();
        assert!(slots.import_refused(buffer, Refused::ImportFailed));
        assert_eq!(
            (slots.buffer(), slots.refused()),
            (None, Some(Refused::ImportFailed))
        );
        assert!(!slots.import_refused(buffer, Refused::ImportFailed));
        assert!(!slots.released(buffer));
        slots.verify_invariants();
    }

    #[derive(Debug, Clone)]
    enum Op {
        Write(Rect, u8),
        Present,
        Release(prop::sample::Index),
    }

    fn any_op() -> impl Strategy<Value = Op> {
        let rect = (0..SIDE, 0..SIDE).prop_flat_map(|(x, y)| {
            (1..=SIDE - x, 1..=SIDE - y).prop_map(move |(width, height)| Rect {
                x,
                y,
                width,
                height,
            })
        });
        prop_oneof![
            3 => (rect, 1_u8..255).prop_map(|(rect, value)| Op::Write(rect, value)),
            2 => Just(Op::Present),
            2 => any::<prop::sample::Index>().prop_map(Op::Release),
        ]
    }

    proptest! {
        /// Whatever the order of writes, frames and releases: the current slot shows what a single
        /// memory would, and what the host holds never changes.
        #[test]
        fn a_held_slot_never_changes(ops in prop::collection::vec(any_op(), 0..60)) {
            let mut slots = Slots::new(SIDE, SIDE).unwrap();
            let mut expected = vec![0_u8; (SIDE * SIDE) as usize];
            let mut held: Vec<(BufferId, Vec<u8>)> = Vec::new();
            let mut next = 0;
            for op in ops {
                match op {
                    Op::Write(rect, value) => {
                        fill(&mut slots, rect, value);
                        for y in rect.y..rect.y + rect.height {
                            for x in rect.x..rect.x + rect.width {
                                expected[(y * SIDE + x) as usize] = value;
                            }
                        }
                    }
                    Op::Present => {
                        if let Some(buffer) = present(&mut slots, &mut next) {
                            held.push((buffer, expected.clone()));
                        }
                    }
                    Op::Release(which) if !held.is_empty() => {
                        let (buffer, _) = held.remove(which.index(held.len()));
                        prop_assert!(slots.released(buffer));
                    }
                    Op::Release(_) => {}
                }
                slots.verify_invariants();
                prop_assert_eq!(&pixels(&slots.newest().unwrap()), &expected);
                for (buffer, picture) in &held {
                    let slot = slots.slots.iter().find(|s| s.buffer.unwrap().id == *buffer);
                    let canvas = slots.canvas(slot.unwrap()).unwrap();
                    prop_assert_eq!(&pixels(&canvas), picture);
                }
            }
        }
    }
}
