//! The renderer of guests without 3D.

use std::io;

use protocols::virtio_gpu::ErrorCode;

use super::{Capset, Fence, Lent, Renderer, RendererEvent, Request, Ticket};
use crate::memory::{GuestRam, SharedMemory};

/// Offers nothing and refuses everything.
#[derive(Debug, Default)]
pub struct NoRenderer {
    refused: Vec<Ticket>,
}

impl Renderer for NoRenderer {
    fn capsets(&self) -> &[Capset] {
        &[]
    }

    fn send(&mut self, ticket: Ticket, _: Option<Fence>, _: Request<'_>) {
        self.refused.push(ticket);
    }

    fn ram_changed(&mut self, _: &GuestRam) {}

    fn lend(&mut self, _: &SharedMemory) -> io::Result<Lent> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn take_back(&mut self, _: Lent) {}

    fn reset(&mut self) {
        self.refused.clear();
    }

    fn take_events(&mut self) -> Vec<RendererEvent> {
        let refused = self.refused.drain(..);
        refused
            .map(|ticket| RendererEvent::Answered(ticket, Err(ErrorCode::Unspec)))
            .collect()
    }
}
