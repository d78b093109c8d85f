//! Screens as Linux's DRM drives them: which monitors there are, buffers, page flips, damage, the
//! pointer, a new size. The order of the commands is that of the `virtio_gpu` module of Linux
//! 7.2 (`virtgpu_kms.c`, `virtgpu_display.c`, `virtgpu_plane.c`).

mod connector;
mod framebuffer;
mod pointer;

use std::time::Duration;

use protocols::virtio_gpu::{Command, Format, Rect};

pub use self::{
    connector::{Connector, probe, reprobe},
    framebuffer::{BufferKind, Framebuffer},
    pointer::Pointer,
};
use crate::driver::{Driver, DriverError, Ticket};

/// How long Linux waits in a commit for a buffer to be shown (`virtio_gpu_resource_flush`).
pub const FLUSH_PATIENCE: Duration = Duration::from_millis(50);

/// Which flushes carry a fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fencing {
    /// Those of blobs.
    #[default]
    AsLinux,
    /// All of them: the guest is paced by the host also with 2D resources.
    Always,
    /// None.
    Never,
}

/// What a [`Screen`] is like.
#[derive(Debug, Clone, Copy)]
pub struct ScreenOptions {
    /// Kind of its buffers.
    pub kind: BufferKind,
    /// Their pixels.
    pub format: Format,
    /// When the host paces the guest.
    pub fencing: Fencing,
    /// How many buffers take turns; 1 or more.
    pub buffers: usize,
}

impl Default for ScreenOptions {
    /// Two 2D resources of XRGB8888, as an X server without 3D has them.
    fn default() -> Self {
        Self {
            kind: BufferKind::Dumb2d,
            format: Format::Bgrx8888,
            fencing: Fencing::AsLinux,
            buffers: 2,
        }
    }
}

/// One monitor with its buffers.
#[derive(Debug)]
pub struct Screen {
    scanout: u32,
    width: u32,
    height: u32,
    options: ScreenOptions,
    buffers: Vec<Framebuffer>,
    /// The buffer that is shown.
    front: usize,
    /// The buffer that the scanout was last set to; `None` after a modeset.
    set: Option<usize>,
}

impl Screen {
    /// Makes buffers of a size and switches the scanout to that mode; nothing is shown before
    /// the first [`Screen::flip`].
    ///
    /// # Errors
    /// Out of memory, or the device refuses.
    pub fn new(
        driver: &mut Driver,
        scanout: u32,
        (width, height): (u32, u32),
        options: ScreenOptions,
    ) -> Result<Self, DriverError> {
        let mut screen = Self {
            scanout,
            width,
            height,
            options,
            buffers: Vec::new(),
            front: 0,
            set: None,
        };
        screen.allocate(driver)?;
        screen.set_mode(driver)?;
        Ok(screen)
    }

    /// Width and height in pixels.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// The scanout's number.
    #[must_use]
    pub fn scanout(&self) -> u32 {
        self.scanout
    }

    /// The buffer that is shown.
    #[must_use]
    pub fn front(&self) -> Option<&Framebuffer> {
        self.buffers.get(self.front)
    }

    /// The buffer that the next flip shows.
    #[must_use]
    pub fn back(&self) -> Option<&Framebuffer> {
        self.buffers.get(self.next())
    }

    /// Draws a whole picture (rows without gaps, in the screen's format) into the next buffer and
    /// flips to it. Returns the flush's ticket if it carries a fence; see [`Screen::wait`].
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn flip(
        &mut self,
        driver: &mut Driver,
        image: &[u8],
    ) -> Result<Option<Ticket>, DriverError> {
        if let Some(buffer) = self.back() {
            buffer.write(driver, buffer.whole(), image)?;
        }
        self.flip_drawn(driver)
    }

    /// Flips to the next buffer, which was drawn already.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn flip_drawn(&mut self, driver: &mut Driver) -> Result<Option<Ticket>, DriverError> {
        self.front = self.next();
        let Some(buffer) = self.buffers.get(self.front) else {
            return Ok(None);
        };
        let whole = buffer.whole();
        buffer.transfer(driver, whole)?;
        if self.set != Some(self.front) {
            driver.tell(&buffer.scanout_command(self.scanout, whole))?;
            self.set = Some(self.front);
        }
        self.flush(driver, whole)
    }

    /// Draws a part of a picture (all of it is given) into the buffer that is shown, as fbcon and
    /// X servers do. Returns the flush's ticket if it carries a fence.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn update(
        &mut self,
        driver: &mut Driver,
        image: &[u8],
        damage: Rect,
    ) -> Result<Option<Ticket>, DriverError> {
        let Some(buffer) = self.front() else {
            return Ok(None);
        };
        buffer.write(driver, damage, image)?;
        buffer.transfer(driver, damage)?;
        self.flush(driver, damage)
    }

    /// Waits for a flush as Linux does in the commit: up to [`FLUSH_PATIENCE`], then goes on.
    /// Returns how long the host took, or `None` if that was too long.
    ///
    /// # Errors
    /// The device refused the flush or went away.
    pub fn wait(
        &self,
        driver: &mut Driver,
        ticket: Option<Ticket>,
    ) -> Result<Option<Duration>, DriverError> {
        let Some(ticket) = ticket else {
            return Ok(None);
        };
        match driver.wait(ticket, FLUSH_PATIENCE) {
            Ok(completion) => {
                completion.done()?;
                Ok(Some(completion.took))
            }
            Err(DriverError::Timeout { .. }) => {
                driver.forget(ticket);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Changes the mode: new buffers, then the old ones go.
    ///
    /// # Errors
    /// Out of memory, or the device refuses.
    pub fn resize(
        &mut self,
        driver: &mut Driver,
        (width, height): (u32, u32),
    ) -> Result<(), DriverError> {
        let old = std::mem::take(&mut self.buffers);
        (self.width, self.height) = (width, height);
        self.allocate(driver)?;
        self.set_mode(driver)?;
        old.into_iter()
            .try_for_each(|buffer| buffer.destroy(driver))
    }

    /// Switches the monitor off; the next flip switches it on again.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn disable(&mut self, driver: &mut Driver) -> Result<(), DriverError> {
        self.set = None;
        driver.disable_scanout(self.scanout)
    }

    /// Switches the monitor off and frees the buffers.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn destroy(mut self, driver: &mut Driver) -> Result<(), DriverError> {
        self.disable(driver)?;
        self.buffers
            .into_iter()
            .try_for_each(|buffer| buffer.destroy(driver))
    }

    /// Takes part in nothing any more after a reset of the device: only the memory is freed.
    pub fn abandon(self, driver: &mut Driver) {
        for buffer in self.buffers {
            buffer.abandon(driver);
        }
    }

    fn next(&self) -> usize {
        // After a modeset the first buffer is as free as any.
        match self.set {
            None => 0,
            Some(_) => (self.front + 1) % self.buffers.len().max(1),
        }
    }

    fn allocate(&mut self, driver: &mut Driver) -> Result<(), DriverError> {
        for _ in 0..self.options.buffers.max(1) {
            let size = (self.width, self.height);
            let buffer = Framebuffer::new(driver, self.options.kind, self.options.format, size)?;
            self.buffers.push(buffer);
        }
        Ok(())
    }

    /// `virtio_gpu_crtc_mode_set_nofb`: the scanout without a buffer, in the mode's size.
    fn set_mode(&mut self, driver: &mut Driver) -> Result<(), DriverError> {
        self.set = None;
        self.front = 0;
        let rect = Rect::from_size(self.width, self.height);
        driver.order(&Command::SetScanout {
            rect,
            scanout_id: self.scanout,
            resource_id: 0,
        })
    }

    fn flush(&self, driver: &mut Driver, rect: Rect) -> Result<Option<Ticket>, DriverError> {
        let Some(buffer) = self.front() else {
            return Ok(None);
        };
        let fenced = match self.options.fencing {
            Fencing::AsLinux => buffer.kind() == BufferKind::Blob,
            Fencing::Always => true,
            Fencing::Never => false,
        };
        if fenced {
            return driver.flush_fenced(buffer.resource_id(), rect).map(Some);
        }
        driver.tell(&Command::ResourceFlush {
            rect,
            resource_id: buffer.resource_id(),
        })?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
