//! The host-visible region: where the guest's CPUs see blobs of host memory.
//!
//! The window is the VMM's, shared memory region [`protocols::virtio_gpu::SHM_ID_HOST_VISIBLE`] of the
//! device; what is put into it the VMM is asked for. This file is the seam between the core, which
//! knows what is to be mapped, and [`crate::vhost_user`], which knows how to ask.

use std::{fmt::Debug, os::fd::OwnedFd, sync::Arc};

use crate::renderer::Ticket;

/// A piece of the window, and what it is to show.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// The memory, from its first byte on.
    pub fd: Arc<OwnedFd>,
    /// Where in the window, in bytes: whole pages.
    pub offset: u64,
    /// How many bytes: whole pages.
    pub len: u64,
    /// Whether the guest may write.
    pub writable: bool,
}

/// A VMM's window for host memory. Calls never block: what came of them is told by
/// [`super::Gpu::handle_window`].
pub trait HostVisible: Debug {
    /// How large the window is in bytes; 0 where there is none.
    fn size(&self) -> u64;

    /// Asks the VMM to show memory in the window.
    fn map(&mut self, ticket: Ticket, mapping: Mapping);

    /// Asks the VMM to take memory out of the window: exactly what one [`HostVisible::map`] put there.
    fn unmap(&mut self, ticket: Ticket, offset: u64, len: u64);
}
