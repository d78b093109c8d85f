//! Who really draws.

use std::os::fd::BorrowedFd;

use protocols::{render::Lack, virtio_gpu::ErrorCode};

use super::{
    super::{Capset, Done, Fence, Request, Versions},
    Memory,
};

/// Why nobody can draw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// What is missing.
    pub lack: Lack,
    /// The reason in words.
    pub text: String,
}

/// Someone who draws, in this process and in the thread that calls. Calls may wait for the graphics
/// card and may never return: the device watches over that.
pub trait Backend {
    /// What it offers to the guest.
    fn capsets(&self) -> &[Capset];

    /// What it draws with.
    fn versions(&self) -> &Versions;

    /// Carries out a request, with the guest's memory and what is lent.
    ///
    /// # Errors
    /// What the guest is told.
    fn carry_out(&mut self, request: &Request<'_>, memory: &Memory) -> Result<Done, ErrorCode>;

    /// Puts a fence behind all that was asked for before on its timeline. Its numbers count up. That it is reached is
    /// told to the listener that this was started with, if any, or by [`Self::take_reached`].
    ///
    /// # Errors
    /// It will never be reached.
    fn fence(&mut self, fence: Fence) -> Result<(), ErrorCode>;

    /// Looks which fences were reached.
    fn poll(&mut self);

    /// The fences that were reached since the last time and that no listener has heard of; with one, all before it on
    /// its timeline.
    fn take_reached(&mut self) -> Vec<Fence>;

    /// Readable when [`Self::poll`] is to be called.
    fn poll_fds(&self) -> Vec<BorrowedFd<'_>>;

    /// Whether [`Self::poll`] is to be called every millisecond or two.
    fn needs_polling(&self) -> bool;

    /// Looks whether contexts still live whose fences are awaited. To be called about once a second.
    fn look_after_contexts(&mut self);

    /// All contexts and resources go.
    fn reset(&mut self);
}
