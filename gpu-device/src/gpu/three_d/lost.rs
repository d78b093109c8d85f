//! What is left when the renderer has died, when the guest's driver has gone, and when the guest's
//! memory is elsewhere.

use protocols::virtio_gpu::{ErrorCode, Response};
use tracing::{debug, info};

use super::{Context, Gpu, Purpose, ThreeD};
use crate::{
    display::Refused,
    gpu::resources::Kind,
    renderer::{Request, Ticket},
};

impl Gpu {
    /// The renderer has died, with all contexts and all that only it held. Every command that waits
    /// for it is answered; those that follow find no contexts. What was shown stays shown, and the
    /// device's own resources are as they were.
    pub(super) fn on_renderer_lost(&mut self, context: &mut Context<'_>) {
        let sent = std::mem::take(&mut self.three_d.sent);
        info!(
            contexts = self.three_d.contexts.len(),
            commands = sent.len(),
            "the guest's 3D contexts are lost"
        );
        self.three_d.contexts.clear();
        self.three_d.unused.clear();
        self.three_d.pointers.renderer_lost();
        for resource in self.resources.iter_mut() {
            resource.renderer_forgets(&mut self.quota);
            if let Kind::Host(host) = &mut resource.kind {
                host.renderer_lost();
            }
        }
        for index in 0..self.scanouts.len() {
            let Some(scanout) = self.scanouts.get_mut(index) else {
                continue;
            };
            if let Some(shadow) = &mut scanout.shadow {
                shadow.renderer_lost();
            }
            let shown = scanout.shown;
            if shown.is_some_and(|shown| self.access(&shown).is_some())
                && let Some(scanout) = self.scanouts.get_mut(index)
            {
                scanout.reason = Some(Refused::RendererLost);
            }
            self.stop_drawing(index, None, context);
        }
        for (ticket, purpose) in sent {
            self.answer_lost(ticket, purpose, context);
        }
    }

    fn answer_lost(&mut self, ticket: Ticket, purpose: Purpose, context: &mut Context<'_>) {
        match purpose {
            Purpose::Aside | Purpose::Export(_) | Purpose::Draw(_) | Purpose::Pointer(_) => return,
            Purpose::Also => return self.answer(ticket, Response::OkNodata),
            Purpose::Command | Purpose::MakeContext(_) => {}
            Purpose::MakeResource(id) => self.resource_was_not_made(id, ticket, context),
            Purpose::Map(offset) => {
                return self.on_mapped(ticket, offset, Err(ErrorCode::Unspec), context);
            }
        }
        self.answer(ticket, Response::Err(ErrorCode::Unspec));
    }

    /// The guest's driver has gone: nothing of it is left, and nothing is answered.
    pub(in crate::gpu) fn reset_3d(&mut self, context: &mut Context<'_>) {
        let lent = self.three_d.pointers.take_lent();
        self.three_d.unused.extend(lent);
        self.take_back_lent(context);
        self.three_d = ThreeD::default();
        context.renderer.reset();
    }

    /// The backing of a resource was found elsewhere, or was lost; `had` says whether it had one that
    /// was there.
    pub(in crate::gpu) fn backing_moved(&mut self, id: u32, had: bool, context: &mut Context<'_>) {
        let Ok(resource) = self.resources.get(id) else {
            return;
        };
        if !resource.is_rendered() {
            return;
        }
        let has = resource.backing().is_some();
        debug!(id, had, has, "the renderer is told of moved memory");
        if had {
            self.ask(Purpose::Aside, None, Request::DetachBacking(id), context);
        }
        if has {
            self.attach_twin(id, context);
        }
    }
}
