//! Drawing in the device's own process, to measure what a process of its own costs.
//!
//! For measuring only: a guest that brings the library down brings the device down, and one that has it
//! wait has the device wait.

use std::{
    collections::BTreeMap,
    io,
    os::fd::BorrowedFd,
    time::{Duration, Instant},
};

use tracing::debug;

use super::{
    Backend, Lacking, Memory,
    fences::{Answer, Fences},
    virgl,
};
use crate::{
    memory::{GuestRam, SharedMemory},
    renderer::{
        Capset, Fence, Lent, Renderer, RendererEvent, Request, Ticket, Timeline, Versions,
        choice::Offer,
        virgl::{Settings, Virgl},
    },
};

/// How often fences are looked at where no descriptor tells of them.
const LOOK: Duration = Duration::from_millis(1);

/// libvirglrenderer, without a process around it.
#[derive(Debug)]
pub struct Here {
    backend: Virgl,
    memory: Memory,
    fences: Fences,
    tickets: BTreeMap<u64, Ticket>,
    /// How many tickets there were.
    last: u64,
    lent: u32,
    events: Vec<RendererEvent>,
}

impl Here {
    /// Loads and starts the library.
    ///
    /// # Errors
    /// What it takes and the host has not.
    pub fn start(settings: &Settings) -> Result<Self, Lacking> {
        Ok(Self {
            backend: virgl::start(settings, None)?,
            memory: Memory::default(),
            fences: Fences::default(),
            tickets: BTreeMap::new(),
            last: 0,
            lent: 0,
            events: Vec::new(),
        })
    }

    /// What is readable when [`Here::look`] is to be called, where there is something.
    pub fn readable(&self) -> Option<BorrowedFd<'_>> {
        self.backend.poll_fds().into_iter().next()
    }

    /// When [`Here::look`] is to be called although nothing is readable.
    pub fn next_deadline(&self) -> Option<Instant> {
        let waits = self.backend.needs_polling() && !self.fences.is_empty();
        Instant::now().checked_add(LOOK).filter(|_| waits)
    }

    /// Looks which fences were reached.
    pub fn look(&mut self) {
        self.backend.poll();
        self.answer_reached();
    }

    fn answer_reached(&mut self) {
        for fence in self.backend.take_reached() {
            let answers = self.fences.reached(fence);
            answers.into_iter().for_each(|answer| self.answer(answer));
        }
    }

    /// Holds an answer until all that was asked for on a timeline is done; what is to be answered now.
    fn hold(&mut self, timeline: Timeline, answer: Answer) -> Vec<Answer> {
        let fence = self.fences.hold(timeline, answer);
        match Backend::fence(&mut self.backend, fence) {
            Ok(()) => Vec::new(),
            Err(_) => self.fences.withdraw(fence),
        }
    }

    fn answer(&mut self, answer: Answer) {
        if let Some(ticket) = self.tickets.remove(&answer.number) {
            self.events
                .push(RendererEvent::Answered(ticket, answer.result));
        }
    }
}

impl Renderer for Here {
    fn capsets(&self) -> &[Capset] {
        self.backend.capsets()
    }

    fn send(&mut self, ticket: Ticket, fence: Option<Fence>, request: Request<'_>) {
        self.last = self.last.saturating_add(1);
        self.tickets.insert(self.last, ticket);
        let answer = Answer {
            number: self.last,
            result: self.backend.carry_out(&request, &self.memory),
        };
        if let Request::DestroyContext(ended) = request {
            let of_it =
                |timeline| matches!(timeline, Timeline::Ring { context, .. } if context == ended);
            let answers = self.fences.end(of_it);
            answers.into_iter().for_each(|answer| self.answer(answer));
        }
        let due = match fence {
            None => vec![answer],
            Some(fence) => self.hold(fence.timeline, answer),
        };
        due.into_iter().for_each(|answer| self.answer(answer));
        self.answer_reached();
    }

    fn ram_changed(&mut self, ram: &GuestRam) {
        self.memory.set_ram(ram.clone());
    }

    fn lend(&mut self, memory: &SharedMemory) -> io::Result<Lent> {
        self.lent = self.lent.wrapping_add(1);
        let lent = Lent(self.lent);
        self.memory
            .lend(lent, memory.descriptor()?, memory.size())?;
        Ok(lent)
    }

    fn take_back(&mut self, lent: Lent) {
        self.memory.take_back(lent);
    }

    fn reset(&mut self) {
        self.backend.reset();
        drop(self.fences.end(|_| true));
        self.tickets.clear();
        self.events.clear();
        debug!("the renderer forgot the guest's driver");
    }

    fn take_events(&mut self) -> Vec<RendererEvent> {
        std::mem::take(&mut self.events)
    }
}

impl Offer for Here {
    fn capsets(&self) -> &[Capset] {
        self.backend.capsets()
    }

    fn versions(&self) -> &Versions {
        self.backend.versions()
    }
}
