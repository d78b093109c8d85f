//! The pointer of each scanout: UPDATE_CURSOR and MOVE_CURSOR.

use protocols::{
    ipc::CursorState,
    virtio_gpu::{CURSOR_SIZE, ErrorCode},
};
use vm_memory::VolatileSlice;

use super::{Context, Gpu, resources::Kind, resources::Resource};
use crate::{
    display::{CursorImage, CursorUpdate},
    renderer::pixels::convert::PIXEL,
};

/// What the guest says in both commands.
#[derive(Debug, Clone, Copy)]
pub(super) struct CursorCommand {
    pub(super) scanout_id: u32,
    pub(super) x: i32,
    pub(super) y: i32,
    /// 0 hides the pointer.
    pub(super) resource_id: u32,
    pub(super) hot_x: u32,
    pub(super) hot_y: u32,
}

/// A scanout's pointer.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// A copy of the guest's pixels: the resource may be destroyed while it is shown.
    image: Option<CursorImage>,
    x: i32,
    y: i32,
    visible: bool,
}

impl Cursor {
    /// For statistics; `None` if the guest never set a pointer.
    pub(super) fn state(&self) -> Option<CursorState> {
        let image = self.image.as_ref()?;
        Some(CursorState {
            x: self.x,
            y: self.y,
            visible: self.visible,
            width: image.width,
            height: image.height,
            hot_x: image.hot_x,
            hot_y: image.hot_y,
        })
    }

    pub(super) fn show(&mut self, image: CursorImage, x: i32, y: i32) -> CursorUpdate {
        (self.x, self.y, self.visible) = (x, y, true);
        self.image = Some(image.clone());
        CursorUpdate::Image { image, x, y }
    }

    /// What a host has to know that was told nothing yet.
    pub(super) fn again(&self) -> Option<CursorUpdate> {
        let image = self.image.clone().filter(|_| self.visible)?;
        let (x, y) = (self.x, self.y);
        Some(CursorUpdate::Image { image, x, y })
    }

    fn hide(&mut self) -> Option<CursorUpdate> {
        std::mem::take(&mut self.visible).then_some(CursorUpdate::Hide)
    }

    /// The spec gives a move's resource id no meaning. Guests were tested against QEMU, which hides
    /// the pointer at 0 and shows it again at anything else.
    fn move_to(&mut self, x: i32, y: i32, resource_id: u32) -> Option<CursorUpdate> {
        let was_at = (self.x, self.y);
        (self.x, self.y) = (x, y);
        if resource_id == 0 {
            return self.hide();
        }
        let image = self.image.as_ref()?;
        if !std::mem::replace(&mut self.visible, true) {
            return Some(CursorUpdate::Image {
                image: image.clone(),
                x,
                y,
            });
        }
        (was_at != (x, y)).then_some(CursorUpdate::Move { x, y })
    }
}

impl Gpu {
    /// UPDATE_CURSOR.
    pub(super) fn update_cursor(
        &mut self,
        command: CursorCommand,
        context: &mut Context<'_>,
    ) -> Result<(), ErrorCode> {
        let index = self.scanout_index(command.scanout_id)?;
        if self.is_texture(command.resource_id) {
            return self.read_pointer(index, command, context);
        }
        self.three_d.stop_reading_pointer(index);
        let scanout = self
            .scanouts
            .get_mut(index)
            .ok_or(ErrorCode::InvalidScanoutId)?;
        let CursorCommand { x, y, .. } = command;
        let update = if command.resource_id == 0 {
            (scanout.cursor.x, scanout.cursor.y) = (x, y);
            scanout.cursor.hide()
        } else {
            let image = image(self.resources.get(command.resource_id)?, &command)?;
            Some(scanout.cursor.show(image, x, y))
        };
        if let Some(update) = update {
            context.display.cursor(scanout.id, update);
        }
        Ok(())
    }

    /// MOVE_CURSOR.
    pub(super) fn move_cursor(
        &mut self,
        command: CursorCommand,
        context: &mut Context<'_>,
    ) -> Result<(), ErrorCode> {
        let index = self.scanout_index(command.scanout_id)?;
        let scanout = self
            .scanouts
            .get_mut(index)
            .ok_or(ErrorCode::InvalidScanoutId)?;
        self.three_d.move_pointer(index, &command);
        let update = scanout
            .cursor
            .move_to(command.x, command.y, command.resource_id);
        if let Some(update) = update {
            context.display.cursor(scanout.id, update);
        }
        Ok(())
    }

    /// Hides all pointers: nobody moves them any more.
    pub(super) fn hide_cursors(&mut self, context: &mut Context<'_>) {
        for scanout in &mut self.scanouts {
            if let Some(update) = scanout.cursor.hide() {
                context.display.cursor(scanout.id, update);
            }
            scanout.cursor = Cursor::default();
        }
    }
}

/// Copies a pointer image out of a resource.
fn image(resource: &Resource, command: &CursorCommand) -> Result<CursorImage, ErrorCode> {
    let (width, height, pixels) = match &resource.kind {
        Kind::Picture(picture) => {
            let (width, height) = picture.picture.size();
            if width > CURSOR_SIZE || height > CURSOR_SIZE {
                return Err(ErrorCode::InvalidParameter);
            }
            (width, height, picture.picture.to_vec())
        }
        // A blob has no size in pixels; QEMU, too, takes it for a full-size image.
        Kind::Blob(blob) => {
            let mut pixels = vec![0; BLOB_BYTES];
            if u64::try_from(BLOB_BYTES).is_ok_and(|needed| blob.size < needed) {
                return Err(ErrorCode::InvalidParameter);
            }
            let backing = resource.backing().ok_or(ErrorCode::Unspec)?;
            let target = VolatileSlice::from(pixels.as_mut_slice());
            backing.read(0, &target).map_err(|_| ErrorCode::Unspec)?;
            (CURSOR_SIZE, CURSOR_SIZE, pixels)
        }
        Kind::Host(_) => return Err(ErrorCode::InvalidParameter),
    };
    Ok(image_of((width, height), command, pixels))
}

/// A pointer image of these pixels.
pub(super) fn image_of(
    (width, height): (u32, u32),
    command: &CursorCommand,
    pixels: Vec<u8>,
) -> CursorImage {
    CursorImage {
        width,
        height,
        // A hotspot outside of the image would let the host point beside it.
        hot_x: command.hot_x.min(width.saturating_sub(1)),
        hot_y: command.hot_y.min(height.saturating_sub(1)),
        pixels,
    }
}

/// Bytes of a full-size pointer image.
const BLOB_BYTES: usize = (CURSOR_SIZE * CURSOR_SIZE * PIXEL) as usize;
