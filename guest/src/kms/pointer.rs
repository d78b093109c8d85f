//! The cursor plane: a buffer of 64×64 pixels, uploaded when the image changes, moved else.

use protocols::virtio_gpu::{CURSOR_SIZE, Command, Format};

use super::{BufferKind, Framebuffer};
use crate::driver::{Driver, DriverError};

/// A scanout's pointer.
#[derive(Debug)]
pub struct Pointer {
    scanout: u32,
    buffer: Framebuffer,
    hot: (u32, u32),
}

impl Pointer {
    /// Makes the buffer; nothing is shown yet. `hot` is the pixel that points.
    ///
    /// # Errors
    /// Out of memory, or the device refuses.
    pub fn new(
        driver: &mut Driver,
        scanout: u32,
        kind: BufferKind,
        hot: (u32, u32),
    ) -> Result<Self, DriverError> {
        let size = (CURSOR_SIZE, CURSOR_SIZE);
        let buffer = Framebuffer::new(driver, kind, Format::Bgra8888, size)?;
        Ok(Self {
            scanout,
            buffer,
            hot,
        })
    }

    /// Shows an image of 64×64 pixels (bytes B, G, R, A, premultiplied) with its top left corner
    /// at `position`. Waits for the upload, as Linux does, but not for the pointer.
    ///
    /// # Errors
    /// The device refuses the upload or does not answer.
    pub fn show(
        &self,
        driver: &mut Driver,
        image: &[u8],
        position: (i32, i32),
    ) -> Result<(), DriverError> {
        let whole = self.buffer.whole();
        self.buffer.write(driver, whole, image)?;
        driver.order_fenced(&self.buffer.transfer_command(whole))?;
        driver.update_cursor(self.scanout, self.buffer.resource_id(), position, self.hot)
    }

    /// Moves the pointer; its top left corner may be outside of the screen.
    ///
    /// # Errors
    /// The queue stays full.
    pub fn move_to(&self, driver: &mut Driver, (x, y): (i32, i32)) -> Result<(), DriverError> {
        let (hot_x, hot_y) = self.hot;
        driver.tell(&Command::MoveCursor {
            scanout_id: self.scanout,
            x,
            y,
            resource_id: self.buffer.resource_id(),
            hot_x,
            hot_y,
        })
    }

    /// Hides the pointer.
    ///
    /// # Errors
    /// The queue stays full.
    pub fn hide(&self, driver: &mut Driver) -> Result<(), DriverError> {
        driver.hide_cursor(self.scanout)
    }

    /// The buffer.
    #[must_use]
    pub fn buffer(&self) -> &Framebuffer {
        &self.buffer
    }

    /// Destroys the buffer, shown or not.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn destroy(self, driver: &mut Driver) -> Result<(), DriverError> {
        self.buffer.destroy(driver)
    }

    /// Frees the memory after a reset of the device.
    pub fn abandon(self, driver: &mut Driver) {
        self.buffer.abandon(driver);
    }
}
