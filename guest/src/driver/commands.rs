//! The commands by their names. Each waits until the device has done it, unless it says
//! otherwise.

use protocols::virtio_gpu::{
    BLOB_FLAG_SHAREABLE, BLOB_MEM_GUEST, Command, DisplayMode, Format, MAX_SCANOUTS, MemEntry,
    Rect, Response,
};

use super::{Driver, DriverError, Ticket};
use crate::ram::Backing;

/// How a blob's bytes are an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobImage {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Byte order of a pixel.
    pub format: Format,
    /// Bytes from one row to the next.
    pub stride: u32,
    /// Bytes before the first row.
    pub offset: u32,
}

impl BlobImage {
    /// An image whose rows follow each other, as Linux makes its buffers.
    #[must_use]
    pub fn dense(width: u32, height: u32, format: Format) -> Self {
        let stride = width.saturating_mul(format.bytes_per_pixel());
        Self {
            width,
            height,
            format,
            stride,
            offset: 0,
        }
    }
}

impl Driver {
    /// All virtual monitors.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn display_info(&mut self) -> Result<[DisplayMode; MAX_SCANOUTS], DriverError> {
        match self.ask(&Command::GetDisplayInfo)? {
            Response::OkDisplayInfo(modes) => Ok(*modes),
            other => Err(unexpected("GetDisplayInfo", &other)),
        }
    }

    /// A monitor's EDID.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn edid(&mut self, scanout: u32) -> Result<Vec<u8>, DriverError> {
        match self.ask(&Command::GetEdid { scanout })? {
            Response::OkEdid(edid) => Ok(edid),
            other => Err(unexpected("GetEdid", &other)),
        }
    }

    /// A resource's name among all virtio devices.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn assign_uuid(&mut self, resource_id: u32) -> Result<[u8; 16], DriverError> {
        match self.ask(&Command::ResourceAssignUuid { resource_id })? {
            Response::OkResourceUuid(uuid) => Ok(uuid),
            other => Err(unexpected("ResourceAssignUuid", &other)),
        }
    }

    /// Makes a 2D resource under an id of the caller's choice.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn create_2d(
        &mut self,
        resource_id: u32,
        format: Format,
        width: u32,
        height: u32,
    ) -> Result<(), DriverError> {
        let format = format.into();
        self.order(&Command::ResourceCreate2d {
            resource_id,
            format,
            width,
            height,
        })
    }

    /// Gives a resource its memory.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn attach_backing(
        &mut self,
        resource_id: u32,
        entries: &[MemEntry],
    ) -> Result<(), DriverError> {
        let entries = entries.to_vec();
        self.order(&Command::ResourceAttachBacking {
            resource_id,
            entries,
        })
    }

    /// Takes a resource's memory away; fenced, as Linux and EDK2 do it.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn detach_backing(&mut self, resource_id: u32) -> Result<(), DriverError> {
        self.order_fenced(&Command::ResourceDetachBacking { resource_id })
    }

    /// Makes a blob of guest memory, as Linux does for a dumb buffer.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn create_blob(
        &mut self,
        resource_id: u32,
        size: u64,
        backing: &Backing,
    ) -> Result<(), DriverError> {
        self.order(&Command::ResourceCreateBlob {
            resource_id,
            blob_mem: BLOB_MEM_GUEST,
            blob_flags: BLOB_FLAG_SHAREABLE,
            blob_id: 0,
            size,
            entries: backing.entries.clone(),
        })
    }

    /// Destroys a resource, shown or not.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn unref(&mut self, resource_id: u32) -> Result<(), DriverError> {
        self.order(&Command::ResourceUnref { resource_id })
    }

    /// Shows a part of a 2D resource.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn set_scanout(
        &mut self,
        scanout_id: u32,
        resource_id: u32,
        rect: Rect,
    ) -> Result<(), DriverError> {
        self.order(&Command::SetScanout {
            rect,
            scanout_id,
            resource_id,
        })
    }

    /// Switches a scanout off.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn disable_scanout(&mut self, scanout_id: u32) -> Result<(), DriverError> {
        self.set_scanout(scanout_id, 0, Rect::default())
    }

    /// Shows a part of a blob.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn set_scanout_blob(
        &mut self,
        scanout_id: u32,
        resource_id: u32,
        rect: Rect,
        image: BlobImage,
    ) -> Result<(), DriverError> {
        self.order(&scanout_blob(scanout_id, resource_id, rect, image))
    }

    /// Copies pixels from a 2D resource's memory to the device; `offset` is where the first one
    /// lies, in bytes.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn transfer(
        &mut self,
        resource_id: u32,
        rect: Rect,
        offset: u64,
    ) -> Result<(), DriverError> {
        self.order(&Command::TransferToHost2d {
            rect,
            offset,
            resource_id,
        })
    }

    /// Shows what has changed in a resource, without a fence.
    ///
    /// # Errors
    /// The device refuses or does not answer.
    pub fn flush(&mut self, resource_id: u32, rect: Rect) -> Result<(), DriverError> {
        self.order(&Command::ResourceFlush { rect, resource_id })
    }

    /// Shows what has changed in a resource. The ticket is answered when the host has shown it;
    /// does not wait.
    ///
    /// # Errors
    /// The queue stays full.
    pub fn flush_fenced(&mut self, resource_id: u32, rect: Rect) -> Result<Ticket, DriverError> {
        self.submit(&Command::ResourceFlush { rect, resource_id }, true)
    }

    /// Gives the pointer an image and a place; does not wait.
    ///
    /// # Errors
    /// The queue stays full.
    pub fn update_cursor(
        &mut self,
        scanout_id: u32,
        resource_id: u32,
        position: (i32, i32),
        hot: (u32, u32),
    ) -> Result<(), DriverError> {
        let ((x, y), (hot_x, hot_y)) = (position, hot);
        self.tell(&Command::UpdateCursor {
            scanout_id,
            x,
            y,
            resource_id,
            hot_x,
            hot_y,
        })
    }

    /// Moves the pointer; does not wait.
    ///
    /// # Errors
    /// The queue stays full.
    pub fn move_cursor(
        &mut self,
        scanout_id: u32,
        resource_id: u32,
        position: (i32, i32),
    ) -> Result<(), DriverError> {
        let (x, y) = position;
        self.tell(&Command::MoveCursor {
            scanout_id,
            x,
            y,
            resource_id,
            hot_x: 0,
            hot_y: 0,
        })
    }

    /// Hides the pointer as Linux does: an image that is no resource. Does not wait.
    ///
    /// # Errors
    /// The queue stays full.
    pub fn hide_cursor(&mut self, scanout_id: u32) -> Result<(), DriverError> {
        self.update_cursor(scanout_id, 0, (0, 0), (0, 0))
    }

    pub(super) fn ask(&mut self, command: &Command) -> Result<Response, DriverError> {
        let ticket = self.submit(command, false)?;
        let completion = self.wait(ticket, self.options.timeout)?;
        completion.done()?;
        completion.response()
    }
}

/// The command that shows a part of a blob.
pub(crate) fn scanout_blob(
    scanout_id: u32,
    resource_id: u32,
    rect: Rect,
    image: BlobImage,
) -> Command {
    Command::SetScanoutBlob {
        rect,
        scanout_id,
        resource_id,
        width: image.width,
        height: image.height,
        format: image.format.into(),
        strides: [image.stride, 0, 0, 0],
        offsets: [image.offset, 0, 0, 0],
    }
}

pub(super) fn unexpected(command: &str, response: &Response) -> DriverError {
    DriverError::BadAnswer {
        command: command.to_owned(),
        what: format!("a response of kind {:#x}", response.kind()),
    }
}
