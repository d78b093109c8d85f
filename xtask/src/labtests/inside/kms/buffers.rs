//! dma-bufs of this program's own memory, as the device makes them of a guest's.

use std::{
    fs::File,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::fs::FileExt as _,
    },
};

use anyhow::{Context as _, Result};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

use crate::labtests::{inside::ioctl, picture::Picture};

const PAGE: u64 = 4096;

/// A picture's memory, and the dma-buf of it.
pub struct Buffer {
    memory: File,
    dmabuf: OwnedFd,
    pub width: u32,
    pub height: u32,
}

impl Buffer {
    /// Black.
    ///
    /// # Errors
    ///
    /// When this machine has no udmabuf.
    pub fn new(width: u32, height: u32) -> Result<Self> {
        let bytes = u64::from(width) * u64::from(height) * 4;
        let size = bytes.next_multiple_of(PAGE);
        let memory = memfd_create("picture", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
            .context("Making a memory file")?;
        ftruncate(&memory, size)?;
        fcntl_add_seals(&memory, SealFlags::SHRINK)?;
        let dmabuf = ioctl::udmabuf(memory.as_fd(), size)?;
        Ok(Self {
            memory: memory.into(),
            dmabuf,
            width,
            height,
        })
    }

    /// Bytes from one row to the next.
    pub fn stride(&self) -> u32 {
        self.width * 4
    }

    /// The dma-buf.
    pub fn dmabuf(&self) -> BorrowedFd<'_> {
        self.dmabuf.as_fd()
    }

    /// Writes a picture of its size into it.
    ///
    /// # Errors
    ///
    /// When the memory cannot be written.
    pub fn draw(&self, picture: &Picture) -> Result<()> {
        self.write(&picture.to_xrgb())
    }

    /// The same with the bytes of a picture.
    ///
    /// # Errors
    ///
    /// When the memory cannot be written.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        self.memory
            .write_all_at(bytes, 0)
            .context("Writing a picture into its memory")
    }
}
