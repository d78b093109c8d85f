//! What every process has to be told before it can do anything.

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use protocols::render::{Lent, Order};

use super::super::link::Sender;
use crate::memory::{GuestRam, SharedMemory};

/// The guest's RAM, and memory of ours that is lent.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) ram: GuestRam,
    lent: BTreeMap<Lent, Piece>,
    last: u32,
}

#[derive(Debug)]
struct Piece {
    fd: OwnedFd,
    size: u64,
}

impl Known {
    /// Another piece of memory is lent.
    ///
    /// # Errors
    /// Out of file descriptors.
    pub(super) fn lend(&mut self, memory: &SharedMemory) -> io::Result<Lent> {
        let fd = memory.descriptor()?;
        let size = memory.size();
        self.last = self.last.wrapping_add(1);
        let lent = Lent(self.last);
        self.lent.insert(lent, Piece { fd, size });
        Ok(lent)
    }

    /// A piece is lent no more; whether it was.
    pub(super) fn take_back(&mut self, lent: Lent) -> bool {
        self.lent.remove(&lent).is_some()
    }

    /// No piece is lent any more.
    pub(super) fn nothing_is_lent(&mut self) {
        self.lent.clear();
    }

    /// Tells a new process everything.
    ///
    /// # Errors
    /// Out of file descriptors, or the process is gone.
    pub(super) fn tell_all(&self, orders: &mut Sender, scratch: &mut Vec<u8>) -> io::Result<()> {
        self.tell_ram(orders, scratch)?;
        self.lent
            .keys()
            .try_for_each(|lent| self.tell_lent(*lent, orders, scratch))
    }

    /// Tells what the guest's RAM is.
    ///
    /// # Errors
    /// As [`Self::tell_all`].
    pub(super) fn tell_ram(&self, orders: &mut Sender, scratch: &mut Vec<u8>) -> io::Result<()> {
        for (region, fd) in self.ram.regions() {
            let fd = fd.try_clone_to_owned()?;
            tell(&Order::Ram(region), Some(fd), orders, scratch)?;
        }
        tell(&Order::RamIsComplete, None, orders, scratch)
    }

    /// Tells of a piece that is lent.
    ///
    /// # Errors
    /// As [`Self::tell_all`].
    pub(super) fn tell_lent(
        &self,
        lent: Lent,
        orders: &mut Sender,
        scratch: &mut Vec<u8>,
    ) -> io::Result<()> {
        let Some(piece) = self.lent.get(&lent) else {
            return Ok(());
        };
        let order = Order::Lend {
            memory: lent,
            size: piece.size,
        };
        let fd = piece.fd.as_fd().try_clone_to_owned()?;
        tell(&order, Some(fd), orders, scratch)
    }
}

fn tell(
    order: &Order<'_>,
    fd: Option<OwnedFd>,
    orders: &mut Sender,
    scratch: &mut Vec<u8>,
) -> io::Result<()> {
    let rest = order.encode(scratch);
    orders
        .send(scratch, rest, fd.into_iter().collect())
        .map_err(io::Error::other)
}
