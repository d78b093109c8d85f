//! Who draws what a guest's resources hold.
//!
//! [`pixels`] is the renderer for guests without 3D: it stores, converts and copies pixels. Guests with
//! 3D have a [`Renderer`] besides: a process of its own that draws with the host's graphics card
//! ([`remote`]'s other end is [`process`], which calls libvirglrenderer through [`virgl`]).
//!
//! ```text
//!  gpu ── Request ──▶ remote ══ shared ring, socket ══▶ process ──▶ virgl ──▶ libvirglrenderer
//!   ▲                   │      (another process)           │
//!   └─ RendererEvent ───┘◀═════════════════════════════════┘
//! ```
//!
//! This file is the seam between the core of the device and that process. Requests are carried out in
//! the order in which they were sent; nothing here blocks, and whatever happens to the process each
//! request is answered, if only by [`RendererEvent::Lost`].

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod choice;
mod link;
mod none;
pub mod pixels;
pub mod process;
pub mod recording;
pub mod remote;
#[expect(
    unsafe_code,
    reason = "libvirglrenderer is C, and is loaded at run time"
)]
pub mod virgl;

use std::{fmt::Debug, io, os::fd::OwnedFd, sync::Arc};

use protocols::virtio_gpu::ErrorCode;

pub use self::none::NoRenderer;
use crate::{
    display::{Image, Refused},
    memory::{GuestRam, SharedMemory},
};
pub use protocols::render::{
    BlobOf, Capset, Fence, Lent, Request, Target, Texture, Timeline, Transfer, Versions,
};

/// Names a request from the moment it is sent until its answer; never used twice by a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What came of a request.
#[derive(Debug, Clone)]
pub enum Done {
    /// Nothing to tell.
    Nothing,
    /// A blob's memory.
    Mapped(Mapped),
    /// A resource's memory.
    Exported(Arc<Image>),
    /// The host can't share this resource's memory, and why.
    NotExported(Refused),
}

/// A blob's memory, for the guest's CPUs to be mapped.
#[derive(Debug, Clone)]
pub struct Mapped {
    /// A dma-buf, or shared memory.
    pub fd: Arc<OwnedFd>,
    /// Its size in bytes.
    pub size: u64,
    /// How the guest must map it: 1 cached, 2 uncached, 3 write-combined.
    pub caching: u32,
}

/// What a renderer reports, in the order in which it happened.
#[derive(Debug, Clone)]
pub enum RendererEvent {
    /// A request was carried out, and its fence was reached if it had one.
    Answered(Ticket, Result<Done, ErrorCode>),
    /// The process has died or was stuck: requests that were sent and not answered never will be, all
    /// contexts and resources are gone, no memory is lent any more. What was exported before stays
    /// readable. The next [`Request::CreateContext`] starts another process.
    Lost,
}

/// Something that draws for a guest. Calls never block and never wait.
pub trait Renderer: Debug {
    /// What it offers to the guest; none where there is no 3D. The same as long as the device lives.
    fn capsets(&self) -> &[Capset];

    /// Has something done, after all that was sent before. The answer comes as
    /// [`RendererEvent::Answered`], with a fence once that is reached.
    fn send(&mut self, ticket: Ticket, fence: Option<Fence>, request: Request<'_>);

    /// The guest's RAM is this from here on. Backings that were attached stay where they are: those
    /// whose memory moved are to be detached and attached again.
    fn ram_changed(&mut self, ram: &GuestRam);

    /// Lets the renderer write into memory of ours.
    ///
    /// # Errors
    /// Out of file descriptors.
    fn lend(&mut self, memory: &SharedMemory) -> io::Result<Lent>;

    /// Takes memory back once everything sent before is done.
    fn take_back(&mut self, lent: Lent);

    /// The guest's driver has gone: all contexts and resources go, answers that are due never come.
    fn reset(&mut self);

    /// What has happened since the last time.
    fn take_events(&mut self) -> Vec<RendererEvent>;
}
