//! MAP_BLOB and UNMAP_BLOB: which blob is where in the window that the guest's CPUs look through.
//!
//! ```text
//!  MAP_BLOB         renderer: memory        VMM: done
//! ──────────▶ Asked ───────────────▶ Placing ────────▶ Placed ── UNMAP_BLOB, or the blob is gone ──▶ free
//!               │ refused               │ refused                (the VMM is told, and does things in
//!               └────────▶ free ◀───────┘                         the order in which it is told them)
//! ```
//!
//! A blob can go at any time; its piece is free then, and who waits for it is told that it is gone.
//! Memory that is in the window stays there when the renderer dies: it is the guest's to take out.
//! When the guest's driver goes, the window is emptied by its owner.

use std::collections::BTreeMap;

use protocols::virtio_gpu::{ErrorCode, Response};

use super::{Context, Gpu, Order, Outcome, Purpose, Ticket};
use crate::{
    gpu::{
        Mapping,
        resources::{Kind, Resource},
    },
    memory::page_size,
    renderer::{Done, Mapped, Request},
};

/// What is in the window, and on its way into it or out of it.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// By their first byte; they don't overlap.
    by_offset: BTreeMap<u64, Piece>,
    /// What the VMM was asked for by a command.
    asked: BTreeMap<Ticket, Asked>,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    resource: u32,
    /// In bytes, whole pages.
    len: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The renderer was asked for the memory, by this command.
    Asked(Ticket),
    /// The VMM was asked to show it, by this command.
    Placing(Ticket),
    /// The guest sees it.
    Placed,
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    /// To show something.
    Map {
        /// Where.
        offset: u64,
        /// How the guest must map it.
        caching: u32,
    },
    /// To take something out.
    Unmap,
}

impl Pieces {
    fn is_free(&self, offset: u64, len: u64) -> bool {
        let end = offset.saturating_add(len);
        let before = self.by_offset.range(..end).next_back();
        before.is_none_or(|(start, piece)| start.saturating_add(piece.len) <= offset)
    }

    /// The piece that is in this state.
    fn in_state(&mut self, offset: u64, state: State) -> Option<&mut Piece> {
        let piece = self.by_offset.get_mut(&offset);
        piece.filter(|piece| piece.state == state)
    }

    #[cfg(test)]
    pub(in crate::gpu) fn verify_invariants(&self) {
        let mut end = 0;
        for (offset, piece) in &self.by_offset {
            assert!(*offset >= end && piece.len > 0);
            end = offset + piece.len;
        }
    }

    #[cfg(test)]
    pub(in crate::gpu) fn len(&self) -> usize {
        self.by_offset.len() + self.asked.len()
    }

    #[cfg(test)]
    pub(in crate::gpu) fn resources(&self) -> impl Iterator<Item = (u64, u32)> {
        self.by_offset
            .iter()
            .map(|(offset, piece)| (*offset, piece.resource))
    }
}

impl Gpu {
    /// MAP_BLOB.
    pub(super) fn map_blob(
        &mut self,
        order: Order,
        id: u32,
        offset: u64,
        context: &mut Context<'_>,
    ) -> Result<Outcome, ErrorCode> {
        let window = context.window.size();
        let resource = self.resources.get_mut(id)?;
        let rendered = resource.is_rendered();
        let Kind::Host(host) = &mut resource.kind else {
            return Err(ErrorCode::InvalidParameter);
        };
        let size = host.mappable().ok_or(ErrorCode::InvalidParameter)?;
        if window == 0 || host.mapped_at.is_some() {
            return Err(ErrorCode::Unspec);
        }
        if !rendered {
            return Err(ErrorCode::InvalidResourceId);
        }
        let len = size.checked_next_multiple_of(page_size());
        let len = len.ok_or(ErrorCode::InvalidParameter)?;
        let is_inside = offset.checked_add(len).is_some_and(|end| end <= window);
        let pieces = &mut self.three_d.window;
        if !offset.is_multiple_of(page_size()) || !is_inside || !pieces.is_free(offset, len) {
            return Err(ErrorCode::InvalidParameter);
        }
        host.mapped_at = Some(offset);
        let piece = Piece {
            resource: id,
            len,
            state: State::Asked(order.ticket),
        };
        pieces.by_offset.insert(offset, piece);
        let (purpose, request) = (Purpose::Map(offset), Request::Map(id));
        Ok(self.three_d.command(order, purpose, request, context))
    }

    /// The renderer has said what a blob's memory is.
    pub(super) fn on_mapped(
        &mut self,
        ticket: Ticket,
        offset: u64,
        outcome: Result<Done, ErrorCode>,
        context: &mut Context<'_>,
    ) {
        let pieces = &mut self.three_d.window;
        let Some(piece) = pieces.in_state(offset, State::Asked(ticket)) else {
            return self.answer(ticket, Response::Err(ErrorCode::InvalidResourceId));
        };
        match outcome {
            Ok(Done::Mapped(Mapped { fd, size, caching }))
                // A VMM maps what it is told, and a guest that reads beyond the end kills it.
                if size >= piece.len && (1..=3).contains(&caching) =>
            {
                piece.state = State::Placing(ticket);
                let len = piece.len;
                pieces.asked.insert(ticket, Asked::Map { offset, caching });
                let writable = true;
                let mapping = Mapping {
                    fd,
                    offset,
                    len,
                    writable,
                };
                context.window.map(ticket, mapping);
            }
            Ok(_) => {
                self.release_piece(offset, context);
                self.answer(ticket, Response::Err(ErrorCode::Unspec));
            }
            Err(error) => {
                self.forget_piece(offset);
                self.answer(ticket, Response::Err(error));
            }
        }
    }

    /// The VMM has done what it was asked for, or not.
    pub(in crate::gpu) fn on_window(
        &mut self,
        ticket: Ticket,
        done: bool,
        context: &mut Context<'_>,
    ) {
        let pieces = &mut self.three_d.window;
        let refused = Response::Err(ErrorCode::Unspec);
        let response = match pieces.asked.remove(&ticket) {
            None => return,
            Some(Asked::Unmap) if done => Response::OkNodata,
            Some(Asked::Unmap) => refused,
            Some(Asked::Map { offset, caching }) => {
                match pieces.in_state(offset, State::Placing(ticket)) {
                    None => Response::Err(ErrorCode::InvalidResourceId),
                    Some(piece) if done => {
                        piece.state = State::Placed;
                        Response::OkMapInfo { map_info: caching }
                    }
                    Some(_) => {
                        self.release_piece(offset, context);
                        refused
                    }
                }
            }
        };
        self.answer(ticket, response);
    }

    /// UNMAP_BLOB.
    pub(super) fn unmap_blob(
        &mut self,
        order: Order,
        id: u32,
        context: &mut Context<'_>,
    ) -> Result<Outcome, ErrorCode> {
        let Kind::Host(host) = &self.resources.get(id)?.kind else {
            return Err(ErrorCode::InvalidParameter);
        };
        let offset = host.mapped_at.ok_or(ErrorCode::Unspec)?;
        let pieces = &mut self.three_d.window;
        let placed = pieces.in_state(offset, State::Placed);
        let len = placed.ok_or(ErrorCode::Unspec)?.len;
        pieces.asked.insert(order.ticket, Asked::Unmap);
        context.window.unmap(order.ticket, offset, len);
        self.release_piece(offset, context);
        Ok(Outcome::Later)
    }

    /// A blob is about to go: takes it out of the window.
    pub(super) fn unmap_gone(&mut self, id: u32, context: &mut Context<'_>) {
        let Ok(resource) = self.resources.get(id) else {
            return;
        };
        let Kind::Host(host) = &resource.kind else {
            return;
        };
        let Some(offset) = host.mapped_at else { return };
        let piece = self.three_d.window.by_offset.get(&offset).copied();
        self.forget_piece(offset);
        if let Some(Piece {
            len,
            state: State::Placing(_) | State::Placed,
            ..
        }) = piece
        {
            let ticket = self.next_ticket();
            context.window.unmap(ticket, offset, len);
        }
    }

    /// Nobody looks at a blob's memory through the window (any more).
    fn release_piece(&mut self, offset: u64, context: &mut Context<'_>) {
        let Some(id) = self.forget_piece(offset) else {
            return;
        };
        let resource = self.resources.get(id);
        if resource.is_ok_and(Resource::is_rendered) {
            self.ask(Purpose::Aside, None, Request::Unmap(id), context);
        }
    }

    /// Frees a piece of the window. Returns what was in it.
    pub(super) fn forget_piece(&mut self, offset: u64) -> Option<u32> {
        let piece = self.three_d.window.by_offset.remove(&offset)?;
        if let Ok(resource) = self.resources.get_mut(piece.resource)
            && let Kind::Host(host) = &mut resource.kind
        {
            host.mapped_at = None;
        }
        Some(piece.resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_do_not_overlap() {
        let mut pieces = Pieces::default();
        let piece = Piece {
            resource: 1,
            len: 0x2000,
            state: State::Placed,
        };
        pieces.by_offset.insert(0x2000, piece);
        for (offset, len, free) in [
            (0, 0x2000, true),
            (0, 0x2001, false),
            (0, u64::MAX, false),
            (0x1000, 0x8000, false),
            (0x2000, 1, false),
            (0x3000, 0x1000, false),
            (0x4000, 0x1000, true),
            (u64::MAX, 1, true),
        ] {
            assert_eq!(pieces.is_free(offset, len), free, "{offset:#x} {len:#x}");
        }
    }
}
