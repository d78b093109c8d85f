//! What the core of the device asks for.

use std::{io, time::Instant};

use protocols::{
    render::Order,
    virtio_gpu::{ErrorCode, MAX_ENTRIES, MAX_REQUEST},
};
use tracing::warn;

use super::{Life, Remote, asked::Expects};
use crate::{
    memory::{GuestRam, SharedMemory},
    renderer::{
        Capset, Done, Fence, Lent, Renderer, RendererEvent, Request, Ticket,
        choice::{Lack, Missing},
    },
};

/// How many answers may be outstanding. A guest has as many requests under way as its rings are long;
/// more come together only where it starts anew again and again while the graphics card is stuck.
const MAX_ASKED: usize = 65536;

impl Renderer for Remote {
    fn capsets(&self) -> &[Capset] {
        self.offered
            .as_ref()
            .map_or(&[], |offered| &offered.capsets)
    }

    fn send(&mut self, ticket: Ticket, fence: Option<Fence>, request: Request<'_>) {
        if self.losses.untold {
            // Who sends it does not know yet, and takes it for lost like all else.
            return;
        }
        if matches!(self.life, Life::Absent) {
            if !matches!(request, Request::CreateContext { .. }) {
                return self.refuse(ticket, &request);
            }
            if let Err(error) = self.begin(Instant::now()) {
                warn!("Could not start the guest's 3D renderer: {error}. Its driver is told so");
                return self.refuse(ticket, &request);
            }
            if self.losses.untold {
                return;
            }
        }
        if is_too_long(&request) || self.asked.len() >= MAX_ASKED {
            return self.refuse(ticket, &request);
        }
        let number = self.asked.add(Some(ticket), Expects::of(&request));
        self.order(&Order::Do {
            number,
            fence,
            request,
        });
    }

    fn ram_changed(&mut self, ram: &GuestRam) {
        self.known.ram = ram.clone();
        let Some(orders) = self.life.orders() else {
            return;
        };
        if let Err(error) = self.known.tell_ram(orders, &mut self.scratch) {
            self.lose(Lack::new(Missing::Answer, error.to_string()));
        }
    }

    fn lend(&mut self, memory: &SharedMemory) -> io::Result<Lent> {
        let lent = self.known.lend(memory)?;
        if let Some(orders) = self.life.orders() {
            self.known.tell_lent(lent, orders, &mut self.scratch)?;
        }
        Ok(lent)
    }

    fn take_back(&mut self, lent: Lent) {
        if self.known.take_back(lent) {
            self.order(&Order::TakeBack(lent));
        }
    }

    fn reset(&mut self) {
        self.events
            .retain(|event| matches!(event, RendererEvent::Lost));
        self.asked.forget();
        match self.life {
            Life::Absent => {}
            // Nobody wants to draw any more.
            Life::Resting { .. } => {
                self.asked.clear();
                self.life = Life::Absent;
            }
            Life::Alive(_) => {
                self.order(&Order::Reset);
                self.flush();
            }
        }
    }

    fn take_events(&mut self) -> Vec<RendererEvent> {
        self.read_reports();
        self.losses.untold = false;
        std::mem::take(&mut self.events)
    }
}

impl Remote {
    /// Answers a request that no process can be asked for.
    fn refuse(&mut self, ticket: Ticket, request: &Request<'_>) {
        let answer = match request {
            Request::Nothing => Ok(Done::Nothing),
            _ => Err(ErrorCode::Unspec),
        };
        self.events.push(RendererEvent::Answered(ticket, answer));
    }
}

/// Nothing that was decoded from a guest's ring is.
fn is_too_long(request: &Request<'_>) -> bool {
    match request {
        Request::Submit { commands, .. } => commands.len() > MAX_REQUEST,
        Request::CreateBlob { entries, .. } | Request::AttachBacking { entries, .. } => {
            entries.len() > MAX_ENTRIES
        }
        _ => false,
    }
}
