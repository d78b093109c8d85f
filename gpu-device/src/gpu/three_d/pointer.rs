//! Pointer images that the renderer holds: read back, and shown once they are there. Until then the
//! pointer looks as before.

use std::collections::BTreeMap;

use protocols::virtio_gpu::{CURSOR_SIZE, ErrorCode, Rect};
use tracing::debug;

use super::{Context, Gpu, Purpose, ThreeD, Ticket};
use crate::{
    gpu::{
        cursor::{CursorCommand, image_of},
        resources::Kind,
    },
    memory::SharedMemory,
    renderer::{Done, Lent, Request, Target, pixels::convert::PIXEL},
};

/// Bytes of a full-size image.
const BYTES: u64 = CURSOR_SIZE as u64 * CURSOR_SIZE as u64 * PIXEL as u64;

/// The images that are being read back, by scanout.
#[derive(Debug, Default)]
pub(super) struct Pointers {
    by_scanout: BTreeMap<usize, Pointer>,
}

#[derive(Debug)]
struct Pointer {
    /// Where images are read back to; the renderer's name for it unless that died since.
    memory: SharedMemory,
    lent: Option<Lent>,
    /// What is on its way there.
    reading: Option<Ticket>,
    /// The image that is being read, and its size; `None` if it is of no use any more.
    command: Option<(CursorCommand, (u32, u32))>,
    /// What comes after it.
    next: Option<CursorCommand>,
}

impl Pointers {
    /// The renderer has died.
    pub(super) fn renderer_lost(&mut self) {
        for pointer in self.by_scanout.values_mut() {
            pointer.lent = None;
            (pointer.reading, pointer.command, pointer.next) = (None, None, None);
        }
    }

    /// The renderer's names for the memory, which it is to forget.
    pub(super) fn take_lent(&mut self) -> Vec<Lent> {
        let pointers = self.by_scanout.values_mut();
        pointers.filter_map(|pointer| pointer.lent.take()).collect()
    }
}

impl ThreeD {
    /// The guest shows another image, or none.
    pub(in crate::gpu) fn stop_reading_pointer(&mut self, index: usize) {
        if let Some(pointer) = self.pointers.by_scanout.get_mut(&index) {
            (pointer.command, pointer.next) = (None, None);
        }
    }

    /// The pointer has moved, or is hidden.
    pub(in crate::gpu) fn move_pointer(&mut self, index: usize, to: &CursorCommand) {
        if to.resource_id == 0 {
            return self.stop_reading_pointer(index);
        }
        let Some(pointer) = self.pointers.by_scanout.get_mut(&index) else {
            return;
        };
        let read = pointer.command.as_mut().map(|(command, _)| command);
        for command in read.into_iter().chain(&mut pointer.next) {
            (command.x, command.y) = (to.x, to.y);
        }
    }
}

impl Gpu {
    /// Whether a resource's pixels have to be read back.
    pub(in crate::gpu) fn is_texture(&self, id: u32) -> bool {
        let resource = self.resources.get(id);
        resource.is_ok_and(|resource| matches!(resource.kind, Kind::Host(_)))
    }

    /// UPDATE_CURSOR with a texture.
    pub(in crate::gpu) fn read_pointer(
        &mut self,
        index: usize,
        command: CursorCommand,
        context: &mut Context<'_>,
    ) -> Result<(), ErrorCode> {
        let size = self.pointer_size(command.resource_id)?;
        let pointers = &mut self.three_d.pointers.by_scanout;
        let pointer = match pointers.remove(&index) {
            Some(pointer) => pointer,
            None => Pointer {
                memory: SharedMemory::new(BYTES).map_err(|_| ErrorCode::OutOfMemory)?,
                lent: None,
                reading: None,
                command: None,
                next: None,
            },
        };
        let pointer = pointers.entry(index).or_insert(pointer);
        if pointer.reading.is_some() {
            pointer.next = Some(command);
            return Ok(());
        }
        let lent = match pointer.lent {
            Some(lent) => lent,
            None => {
                let lent = context.renderer.lend(&pointer.memory);
                *pointer
                    .lent
                    .insert(lent.map_err(|_| ErrorCode::OutOfMemory)?)
            }
        };
        pointer.command = Some((command, size));
        let (width, height) = size;
        let request = Request::ReadBack {
            resource: command.resource_id,
            part: Rect::from_size(width, height),
            target: Target {
                memory: lent,
                offset: 0,
                stride: width.saturating_mul(PIXEL),
            },
        };
        let ticket = self.ask(Purpose::Pointer(index), None, request, context);
        if let Some(pointer) = self.three_d.pointers.by_scanout.get_mut(&index) {
            pointer.reading = Some(ticket);
        }
        Ok(())
    }

    fn pointer_size(&self, id: u32) -> Result<(u32, u32), ErrorCode> {
        let resource = self.resources.get(id)?;
        let Kind::Host(host) = &resource.kind else {
            return Err(ErrorCode::InvalidParameter);
        };
        let sides = 1..=CURSOR_SIZE;
        let size = host.size().filter(|(width, height)| {
            // A large texture has no pointer in it.
            sides.contains(width) && sides.contains(height)
        });
        match resource.is_rendered() {
            true => size.ok_or(ErrorCode::InvalidParameter),
            false => Err(ErrorCode::InvalidResourceId),
        }
    }

    /// An image was read back, or could not be.
    pub(super) fn on_pointer_read(
        &mut self,
        ticket: Ticket,
        index: usize,
        outcome: &Result<Done, ErrorCode>,
        context: &mut Context<'_>,
    ) {
        let pointers = &mut self.three_d.pointers.by_scanout;
        let Some(pointer) = pointers.get_mut(&index) else {
            return;
        };
        if pointer.reading.take_if(|asked| *asked == ticket).is_none() {
            return;
        }
        let (command, next) = (pointer.command.take(), pointer.next.take());
        if let (Some((command, size)), Ok(_), None) = (command, outcome, next)
            && let Some(pixels) = pixels(&pointer.memory, size)
            && let Some(scanout) = self.scanouts.get_mut(index)
        {
            let image = image_of(size, &command, pixels);
            let update = scanout.cursor.show(image, command.x, command.y);
            context.display.cursor(scanout.id, update);
        }
        if let Some(next) = next
            && let Err(error) = self.read_pointer(index, next, context)
        {
            debug!(?error, "a pointer image can't be read back");
        }
    }
}

/// What was read back, rows without gaps.
fn pixels(memory: &SharedMemory, (width, height): (u32, u32)) -> Option<Vec<u8>> {
    let bytes = width.checked_mul(height)?.checked_mul(PIXEL)?;
    let slice = memory.slice(0, usize::try_from(bytes).ok()?)?;
    let mut pixels = vec![0; slice.len()];
    slice.copy_to(pixels.as_mut_slice());
    Some(pixels)
}
