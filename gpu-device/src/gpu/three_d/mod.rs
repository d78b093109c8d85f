//! 3D: what a guest's commands ask of the renderer, and what becomes of its answers.
//!
//! The renderer is another process, reached through [`crate::renderer::Renderer`]: it is asked, it
//! answers later, and it may die at any moment. What is known here of its contexts and resources is
//! what the guest has asked for and was not refused; what the numbers in a command mean is the
//! renderer's to judge.
//!
//! - `contexts`: who draws, and with which resources;
//! - `host`: textures and blobs that only the renderer holds, transfers, command streams;
//! - `twins`: the device's own resources, where a context uses one;
//! - `window`: blobs that the guest's CPUs see;
//! - `screen`, `images`, `read_back`: what scanouts show of it, in place or as a copy;
//! - `pointer`: pointer images from textures;
//! - `gate`: guests that draw into what the host still shows;
//! - `lost`: the renderer dies, the driver goes, the guest's memory moves.

mod contexts;
mod gate;
mod host;
mod images;
mod lost;
mod pointer;
mod read_back;
mod screen;
mod twins;
mod window;

use std::{collections::BTreeMap, time::Instant};

use protocols::virtio_gpu::{Command, ErrorCode, Response};
use tracing::debug;

use self::{contexts::Contexts, gate::Gate, pointer::Pointers, screen::Undrawn, window::Pieces};
pub(super) use self::{host::HostResource, images::Access, screen::Drawing, twins::twin_transfer};
use super::{Context, Gpu, Order, Outcome};
use crate::{
    display::BufferId,
    renderer::{Done, Fence, Lent, RendererEvent, Request, Ticket},
};

/// What the guest has of 3D.
#[derive(Debug, Default)]
pub(super) struct ThreeD {
    contexts: Contexts,
    /// What the renderer was asked for and has not answered.
    sent: BTreeMap<Ticket, Purpose>,
    window: Pieces,
    gate: Gate,
    /// Flushes of which a picture is not there yet.
    undrawn: BTreeMap<Ticket, Undrawn>,
    pointers: Pointers,
    /// Memory that the renderer has still to forget.
    pub(super) unused: Vec<Lent>,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A command of the guest's: it is told what the renderer says.
    Command,
    /// A command of the guest's that is carried out here already. It succeeds whatever the renderer
    /// says, but not before.
    Also,
    /// A command of the guest's that makes a context.
    MakeContext(u32),
    /// A command of the guest's that makes a resource.
    MakeResource(u32),
    /// A command of the guest's that maps a blob at this offset.
    Map(u64),
    /// A resource's memory, to be shown in place.
    Export(u32),
    /// The next picture of this scanout.
    Draw(usize),
    /// The pointer image of this scanout.
    Pointer(usize),
    /// Nobody waits for it.
    Aside,
}

impl ThreeD {
    /// A buffer goes to the host.
    pub(super) fn is_shown(&mut self, buffer: BufferId) {
        self.gate.is_shown(buffer);
    }

    /// When a command has waited long enough for the host.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.gate.deadline()
    }

    /// Has the renderer carry out a command.
    fn command(
        &mut self,
        order: Order,
        purpose: Purpose,
        request: Request<'_>,
        context: &mut Context<'_>,
    ) -> Outcome {
        self.sent.insert(order.ticket, purpose);
        context.renderer.send(order.ticket, order.fence, request);
        Outcome::Later
    }
}

#[cfg(test)]
impl ThreeD {
    pub(super) fn verify_invariants(&self) {
        self.window.verify_invariants();
        assert_eq!(self.gate.deadline().is_some(), !self.gate.is_empty());
    }

    pub(super) fn used_resources(&self) -> impl Iterator<Item = u32> {
        self.contexts.attached()
    }

    pub(super) fn mapped(&self) -> impl Iterator<Item = (u64, u32)> {
        self.window.resources()
    }

    /// How much of anything is known of the guest.
    pub(super) fn len(&self) -> usize {
        self.contexts.len() + self.sent.len() + self.window.len() + self.undrawn.len()
    }
}

impl Gpu {
    /// Asks the renderer for something that no command stands for.
    fn ask(
        &mut self,
        purpose: Purpose,
        fence: Option<Fence>,
        request: Request<'_>,
        context: &mut Context<'_>,
    ) -> Ticket {
        let ticket = self.next_ticket();
        self.three_d.sent.insert(ticket, purpose);
        context.renderer.send(ticket, fence, request);
        ticket
    }

    /// Carries out a command that only devices with a renderer have.
    pub(super) fn command_of_3d(
        &mut self,
        order: Order,
        command: Command,
        context: &mut Context<'_>,
    ) -> Result<Outcome, ErrorCode> {
        match command {
            Command::CtxCreate {
                context_init,
                name_length,
                debug_name,
            } => {
                let length = usize::try_from(name_length).unwrap_or(usize::MAX);
                self.create_context(order, context_init, debug_name.get(..length), context)
            }
            Command::CtxDestroy => self.destroy_context(order, context),
            Command::CtxAttachResource { resource_id } => {
                self.attach_to_context(order, resource_id, context)
            }
            Command::CtxDetachResource { resource_id } => {
                self.detach_from_context(order, resource_id, context)
            }
            Command::Submit3d { commands } => self.try_to_submit(order, &commands, context),
            Command::MapBlob {
                resource_id,
                offset,
            } => self.map_blob(order, resource_id, offset, context),
            Command::UnmapBlob { resource_id } => self.unmap_blob(order, resource_id, context),
            Command::ResourceCreate3d { .. } => self.create_texture(order, &command, context),
            Command::TransferToHost3d { .. } | Command::TransferFromHost3d { .. } => {
                self.transfer_3d(order, &command, context)
            }
            // The others were carried out or refused before.
            _ => Err(ErrorCode::Unspec),
        }
    }

    /// A resource is about to go.
    pub(super) fn forget_in_3d(&mut self, id: u32, context: &mut Context<'_>) {
        self.unmap_gone(id, context);
        self.three_d.contexts.forget_resource(id);
    }

    /// The renderer reports something.
    pub(super) fn on_renderer(&mut self, event: RendererEvent, context: &mut Context<'_>) {
        match event {
            RendererEvent::Answered(ticket, outcome) => {
                // Unknown where the guest's driver has gone in the meantime.
                if let Some(purpose) = self.three_d.sent.remove(&ticket) {
                    self.on_answered(ticket, purpose, outcome, context);
                }
            }
            RendererEvent::Lost => self.on_renderer_lost(context),
        }
    }

    fn on_answered(
        &mut self,
        ticket: Ticket,
        purpose: Purpose,
        outcome: Result<Done, ErrorCode>,
        context: &mut Context<'_>,
    ) {
        let response = match &outcome {
            Ok(_) => Response::OkNodata,
            Err(error) => {
                debug!(?purpose, ?error, "the renderer refused a request");
                Response::Err(*error)
            }
        };
        match purpose {
            Purpose::Command => self.answer(ticket, response),
            Purpose::Also => self.answer(ticket, Response::OkNodata),
            Purpose::MakeContext(id) => {
                if response.is_err() {
                    self.three_d.contexts.was_not_made(id, ticket);
                }
                self.answer(ticket, response);
            }
            Purpose::MakeResource(id) => {
                if response.is_err() {
                    self.resource_was_not_made(id, ticket, context);
                }
                self.answer(ticket, response);
            }
            Purpose::Map(offset) => self.on_mapped(ticket, offset, outcome, context),
            Purpose::Export(id) => self.on_exported(ticket, id, outcome),
            Purpose::Draw(index) => self.on_drawn(ticket, index, &outcome, context),
            Purpose::Pointer(index) => self.on_pointer_read(ticket, index, &outcome, context),
            Purpose::Aside => {}
        }
    }
}
