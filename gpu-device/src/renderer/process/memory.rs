//! The guest's memory, and the device's, as far as this process has it.

use std::{collections::BTreeMap, io, os::fd::OwnedFd};

use protocols::{
    render::{Lent, Region},
    virtio_gpu::{ErrorCode, MemEntry},
};
use tracing::{debug, warn};

use crate::memory::{Backing, GuestRam, SharedMemory};

/// The guest's memory, and memory of the device's that may be written into.
#[derive(Debug, Default)]
pub struct Memory {
    ram: GuestRam,
    /// Regions of what will be the RAM.
    coming: Vec<(Region, OwnedFd)>,
    lent: BTreeMap<Lent, SharedMemory>,
}

impl Memory {
    /// Finds entries in the guest's RAM as it is now.
    ///
    /// # Errors
    /// They are not all in it.
    pub fn backing(&self, entries: &[MemEntry]) -> Result<Backing, ErrorCode> {
        Backing::resolve(&self.ram, entries).map_err(|error| {
            debug!("{error}");
            ErrorCode::InvalidParameter
        })
    }

    /// Memory that is lent.
    ///
    /// # Errors
    /// It is not.
    pub fn lent(&self, lent: Lent) -> Result<&SharedMemory, ErrorCode> {
        self.lent.get(&lent).ok_or(ErrorCode::Unspec)
    }

    pub(super) fn add_region(&mut self, region: Region, fd: OwnedFd) {
        self.coming.push((region, fd));
    }

    /// What was added is the guest's RAM from here on. What was resolved before keeps its pages.
    pub(super) fn ram_is_complete(&mut self) {
        let regions = std::mem::take(&mut self.coming);
        self.ram = GuestRam::open(regions).unwrap_or_else(|error| {
            warn!("Could not map the guest's memory: {error}. What the guest draws fails");
            GuestRam::default()
        });
    }

    /// The guest's RAM is this from here on.
    pub(super) fn set_ram(&mut self, ram: GuestRam) {
        self.ram = ram;
    }

    pub(super) fn lend(&mut self, lent: Lent, fd: OwnedFd, size: u64) -> io::Result<()> {
        self.lent.insert(lent, SharedMemory::open(fd, size)?);
        Ok(())
    }

    pub(super) fn take_back(&mut self, lent: Lent) {
        self.lent.remove(&lent);
    }
}
