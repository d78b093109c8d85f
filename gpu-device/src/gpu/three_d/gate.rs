//! A guest that is about to draw into what the host still shows waits.
//!
//! A guest with two buffers draws into one while the other is on the screen, and swaps. Its own beat
//! ends the swap before the host has let go of the old buffer, and what it draws then would be seen
//! half done. The device's own resources have several slots for that; what the renderer shares with
//! the host has not. So commands that draw wait here, until the host has released what they might draw
//! into.
//!
//! Commands that come behind a waiting one wait, too: contexts share resources, and rely on the order
//! of the queue. (The pointer's have a queue of their own.) A host may hold a buffer for as long as it
//! likes, so the wait is short, as the one for the screen; and a guest that draws into what it shows
//! *now*, for want of a second buffer, would wait for ever, so it does not wait at all.
//!
//! A flush waits here, too, while an older picture of its scanout is read back: otherwise the guest
//! could draw the next picture but one over it before it is read.

use std::{collections::VecDeque, time::Instant};

use protocols::virtio_gpu::Command;

use super::{Context, Drawing, Gpu, Order};
use crate::{
    display::BufferId,
    gpu::{Outcome, flushes::HIDDEN_ANSWER, imports::Owner, later},
};

/// The most bytes of command streams that wait; with more, nothing waits. A frame of a game has some
/// hundred kilobytes.
const MAX_BYTES: usize = 16 << 20;

/// Commands that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Gate {
    waiting: VecDeque<(Order, Command)>,
    /// Bytes of their command streams.
    bytes: usize,
    /// When the first one has waited long enough.
    deadline: Option<Instant>,
    /// Buffers that were waited for in vain; until they are shown again.
    given_up: Vec<BufferId>,
}

impl Gate {
    /// When the first command has waited long enough.
    pub(in crate::gpu) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether no command waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn pop(&mut self) -> Option<(Order, Command)> {
        let (order, command) = self.waiting.pop_front()?;
        self.bytes = self.bytes.saturating_sub(bytes_of(&command));
        self.deadline = None;
        Some((order, command))
    }

    /// A buffer goes to the host once more.
    pub(in crate::gpu) fn is_shown(&mut self, buffer: BufferId) {
        self.given_up.retain(|other| *other != buffer);
    }
}

fn bytes_of(command: &Command) -> usize {
    match command {
        Command::Submit3d { commands } => commands.len(),
        _ => 0,
    }
}

impl Gpu {
    /// Whether a command has to wait: [`Gpu::queue`] is for it then.
    pub(in crate::gpu) fn waits_at_gate(&self, order: Order, command: &Command) -> bool {
        let is_pointer = matches!(
            command,
            Command::UpdateCursor { .. } | Command::MoveCursor { .. }
        );
        !is_pointer && (!self.three_d.gate.is_empty() || self.must_wait(order, command))
    }

    /// Has a SUBMIT_3D wait, if it has to.
    pub(in crate::gpu) fn submission_waits(
        &mut self,
        order: Order,
        commands: &[u8],
        context: &mut Context<'_>,
    ) -> bool {
        let waits = !self.three_d.gate.is_empty() || self.draws_into_busy(order);
        if waits {
            let commands = commands.to_vec();
            self.queue(order, Command::Submit3d { commands }, context);
        }
        waits
    }

    /// Has a command wait.
    pub(in crate::gpu) fn queue(&mut self, order: Order, command: Command, context: &Context<'_>) {
        let gate = &mut self.three_d.gate;
        gate.bytes = gate.bytes.saturating_add(bytes_of(&command));
        gate.waiting.push_back((order, command));
        gate.deadline
            .get_or_insert_with(|| later(context.now, HIDDEN_ANSWER));
    }

    /// Whether a context could draw into what the host still shows.
    fn draws_into_busy(&self, order: Order) -> bool {
        let mut busy = self.busy();
        busy.any(|(_, id)| self.three_d.contexts.uses(order.context, id))
    }

    /// Whether a command would draw into what the host still shows, or have pixels read back too
    /// late.
    fn must_wait(&self, order: Order, command: &Command) -> bool {
        match command {
            Command::Submit3d { .. } => self.draws_into_busy(order),
            Command::TransferToHost3d { resource_id, .. } => {
                self.busy().any(|(_, id)| id == *resource_id)
            }
            Command::ResourceFlush { resource_id, .. } => self.scanouts.iter().any(|scanout| {
                let wanted = scanout.wanted;
                wanted.is_some_and(|wanted| wanted.resource == *resource_id)
                    && scanout.drawing.iter().any(Drawing::is_read)
            }),
            _ => false,
        }
    }

    /// The renderer's resources that the host still reads although the guest shows others, and their
    /// names.
    fn busy(&self) -> impl Iterator<Item = (BufferId, u32)> {
        let given_up = &self.three_d.gate.given_up;
        self.scanouts.iter().flat_map(move |scanout| {
            let wanted = scanout.wanted.map(|wanted| wanted.resource);
            let lent = scanout.lent.iter().copied();
            lent.filter(|buffer| !given_up.contains(buffer))
                .filter_map(move |buffer| match self.imports.owner(buffer)? {
                    Owner::Host(id) if Some(id) != wanted => Some((buffer, id)),
                    _ => None,
                })
        })
    }

    /// Carries out the commands that need not wait (any more).
    pub(in crate::gpu) fn open_gate(&mut self, context: &mut Context<'_>) {
        while let Some((order, command)) = self.three_d.gate.waiting.front() {
            let gate = &self.three_d.gate;
            let is_late = gate
                .deadline
                .is_some_and(|deadline| deadline <= context.now);
            let is_full = gate.bytes > MAX_BYTES;
            if self.must_wait(*order, command) {
                if !is_late && !is_full {
                    let gate = &mut self.three_d.gate;
                    gate.deadline
                        .get_or_insert_with(|| later(context.now, HIDDEN_ANSWER));
                    return;
                }
                self.give_up_busy();
            }
            let Some((order, command)) = self.three_d.gate.pop() else {
                return;
            };
            match self.carry_out(order, command, context) {
                Outcome::Now(response) => self.answer(order.ticket, response),
                Outcome::Later => {}
                Outcome::WhenShown => self.fences.worked(order.ticket, &mut self.answers),
            }
        }
    }

    fn give_up_busy(&mut self) {
        let busy: Vec<BufferId> = self.busy().map(|(buffer, _)| buffer).collect();
        self.three_d.gate.given_up.extend(busy);
    }
}
