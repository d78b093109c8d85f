//! What the core of the device works with: the guest's memory and those who carry out what it wants.

use std::time::Instant;

use super::{HostDisplay, attachment::Attachment, drawing::Drawing};
use crate::{gpu::Context, memory::GuestRam, vhost_user::window::Window};

/// Everything that a [`Context`] is made of.
pub(super) struct Around<D: HostDisplay + 'static> {
    pub(super) ram: GuestRam,
    pub(super) display: Attachment<D>,
    pub(super) drawing: Drawing,
    pub(super) window: Window,
}

impl<D: HostDisplay + 'static> Around<D> {
    /// What the core may use while it handles one thing, now.
    pub(super) fn context(&mut self) -> Context<'_> {
        self.context_at(Instant::now())
    }

    /// The same where it is known what time it is.
    pub(super) fn context_at(&mut self, now: Instant) -> Context<'_> {
        Context {
            ram: &self.ram,
            display: &mut self.display,
            renderer: self.drawing.renderer(),
            window: &mut self.window,
            now,
        }
    }
}
