//! A buffer that can be shown: a resource of the device and the guest's memory behind it.

use protocols::virtio_gpu::{Command, F_RESOURCE_BLOB, Format, Rect};

use crate::{
    driver::{BlobImage, Driver, DriverError, scanout_blob},
    ram::Backing,
};

/// What a buffer is to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum BufferKind {
    /// A 2D resource, whose pixels are transferred.
    #[default]
    Dumb2d,
    /// A blob: the guest's memory itself.
    Blob,
}

impl BufferKind {
    /// What Linux makes of a dumb buffer on this device.
    #[must_use]
    pub fn of_linux(driver: &Driver) -> Self {
        if driver.has(F_RESOURCE_BLOB) {
            Self::Blob
        } else {
            Self::Dumb2d
        }
    }
}

/// A buffer of pixels, rows without gaps.
#[derive(Debug)]
pub struct Framebuffer {
    resource_id: u32,
    kind: BufferKind,
    format: Format,
    width: u32,
    height: u32,
    backing: Backing,
}

impl Framebuffer {
    /// Allocates memory and makes the resource under a new id.
    ///
    /// # Errors
    /// Out of memory, or the device refuses.
    pub fn new(
        driver: &mut Driver,
        kind: BufferKind,
        format: Format,
        size: (u32, u32),
    ) -> Result<Self, DriverError> {
        let backing = driver.ram_mut().allocate_backing(bytes_of(size))?;
        Self::with_backing(driver, kind, format, size, backing)
    }

    /// Makes the resource of memory that is there already; it belongs to the buffer from now on.
    ///
    /// # Errors
    /// The device refuses; the memory is freed then.
    pub fn with_backing(
        driver: &mut Driver,
        kind: BufferKind,
        format: Format,
        (width, height): (u32, u32),
        backing: Backing,
    ) -> Result<Self, DriverError> {
        let resource_id = driver.new_resource_id();
        let buffer = Self {
            resource_id,
            kind,
            format,
            width,
            height,
            backing,
        };
        match buffer.create(driver) {
            Ok(()) => Ok(buffer),
            Err(error) => {
                buffer.abandon(driver);
                Err(error)
            }
        }
    }

    fn create(&self, driver: &mut Driver) -> Result<(), DriverError> {
        match self.kind {
            BufferKind::Dumb2d => {
                driver.create_2d(self.resource_id, self.format, self.width, self.height)?;
                driver.attach_backing(self.resource_id, &self.backing.entries)
            }
            // Linux rounds a blob's size up to pages.
            BufferKind::Blob => {
                driver.create_blob(self.resource_id, self.backing.size(), &self.backing)
            }
        }
    }

    /// The device's name for it.
    #[must_use]
    pub fn resource_id(&self) -> u32 {
        self.resource_id
    }

    /// What it is to the device.
    #[must_use]
    pub fn kind(&self) -> BufferKind {
        self.kind
    }

    /// Its memory.
    #[must_use]
    pub fn backing(&self) -> &Backing {
        &self.backing
    }

    /// All of it.
    #[must_use]
    pub fn whole(&self) -> Rect {
        Rect::from_size(self.width, self.height)
    }

    /// Bytes from one row to the next.
    #[must_use]
    pub fn stride(&self) -> u32 {
        self.width * self.format.bytes_per_pixel()
    }

    /// Where a rectangle's first pixel lies, in bytes.
    #[must_use]
    pub fn offset_of(&self, rect: Rect) -> u64 {
        u64::from(rect.y) * u64::from(self.stride())
            + u64::from(rect.x) * u64::from(self.format.bytes_per_pixel())
    }

    /// Draws the part `rect` of a picture of the buffer's size into its memory.
    ///
    /// # Errors
    /// The memory was unplugged.
    pub fn write(&self, driver: &Driver, rect: Rect, image: &[u8]) -> Result<(), DriverError> {
        let Some(rect) = rect.intersect(&self.whole()) else {
            return Ok(());
        };
        let offset = self.offset_of(rect);
        if rect.width == self.width {
            let length = u64::from(self.stride()) * u64::from(rect.height);
            driver
                .ram()
                .write_backing(&self.backing, offset, part(image, offset, length))?;
            return Ok(());
        }
        let length = u64::from(rect.width) * u64::from(self.format.bytes_per_pixel());
        for row in 0..u64::from(rect.height) {
            let start = offset + row * u64::from(self.stride());
            driver
                .ram()
                .write_backing(&self.backing, start, part(image, start, length))?;
        }
        Ok(())
    }

    /// Tells the device that a part has new pixels. Linux does so for blobs, too, where it means
    /// nothing.
    ///
    /// # Errors
    /// The queue stays full.
    pub fn transfer(&self, driver: &mut Driver, rect: Rect) -> Result<(), DriverError> {
        driver.tell(&self.transfer_command(rect))
    }

    /// The command of [`Framebuffer::transfer`].
    #[must_use]
    pub fn transfer_command(&self, rect: Rect) -> Command {
        let offset = self.offset_of(rect);
        Command::TransferToHost2d {
            rect,
            offset,
            resource_id: self.resource_id,
        }
    }

    /// The command that shows the part `rect` on a scanout.
    #[must_use]
    pub fn scanout_command(&self, scanout_id: u32, rect: Rect) -> Command {
        let resource_id = self.resource_id;
        match self.kind {
            BufferKind::Dumb2d => Command::SetScanout {
                rect,
                scanout_id,
                resource_id,
            },
            BufferKind::Blob => {
                let image = BlobImage::dense(self.width, self.height, self.format);
                scanout_blob(scanout_id, resource_id, rect, image)
            }
        }
    }

    /// Destroys the resource, shown or not, and frees the memory once the device is done with it.
    ///
    /// # Errors
    /// The device refuses or does not answer; the memory stays allocated then.
    pub fn destroy(self, driver: &mut Driver) -> Result<(), DriverError> {
        driver.unref(self.resource_id)?;
        self.abandon(driver);
        Ok(())
    }

    /// Frees the memory of a resource that the device does not know (any more).
    pub fn abandon(self, driver: &mut Driver) {
        driver.ram_mut().free_backing(&self.backing);
    }
}

fn bytes_of((width, height): (u32, u32)) -> u64 {
    4 * u64::from(width) * u64::from(height)
}

fn part(image: &[u8], offset: u64, length: u64) -> &[u8] {
    let index = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let end = index(offset.saturating_add(length)).min(image.len());
    image.get(index(offset)..end).unwrap_or_default()
}
