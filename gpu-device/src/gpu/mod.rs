//! The virtio-gpu device itself: a [`Command`] in, a [`Response`] out.
//!
//! Owns the guest's resources, what each scanout shows, when a flush is answered and when a frame
//! goes to the host. Knows neither virtqueues nor Wayland: commands come decoded, frames leave
//! through [`Display`], and time is whatever the caller says it is.
//!
//! ```text
//! transport ── execute(header, command) ──▶ Gpu ── import, present ──▶ Display
//!     ▲                                    │   ▲                          │
//!     └── Reply::Now, or take_answered ────┘   └── handle_display(event) ─┘
//! ```
//!
//! What a guest draws with 3D is another process's work, the [`Renderer`]'s, which is asked and heard in
//! the same way (`three_d`); so is the [`HostVisible`] window.
//!
//! The guest is hostile. Commands are checked before anything changes, every size is held against a
//! named bound in 64 bits, and whatever happens the command gets an answer.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod attach;
mod commands;
mod cursor;
mod events;
mod features;
mod fences;
mod flushes;
mod host_visible;
mod identity;
mod imports;
mod keep;
mod ladder;
mod modes;
mod pacing;
mod plug;
mod present;
mod quota;
mod resources;
mod scanouts;
mod screens;
mod shadow;
mod stats;
mod step;
mod three_d;
mod uuid;

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use protocols::{
    ipc::ScanoutStats,
    virtio_gpu::{Command, Header, Response},
};

use crate::{
    display::{Display, DisplayEvent, FrameId, ScanoutId},
    memory::{DmaBufMaker, GuestRam},
    renderer::{Fence, Renderer, RendererEvent, Ticket},
};
use fences::{Fences, fence_of};
use flushes::{Flushes, Scanouts};
use imports::Imports;
use modes::Modes;
use quota::Quota;
use resources::{Kind, Resources};
use scanouts::Scanout;
use stats::stats_of;
use three_d::ThreeD;

pub use features::offered;
pub use host_visible::{HostVisible, Mapping};
pub use modes::Mode;
pub use plug::PlugError;
pub use quota::Limits;

/// Which rungs of the ladder may be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Prefer {
    /// The best that guest and host allow.
    #[default]
    Auto,
    /// Shared memory only.
    Shm,
}

/// How a device is built.
#[derive(Debug)]
pub struct Options {
    /// The guest's name; its monitors carry it.
    pub name: String,
    /// One mode for each scanout, 1 to 16; more are ignored, none means one of
    /// [`Mode::DEFAULT`]. Modes out of range become the nearest in range.
    pub scanouts: Vec<Mode>,
    /// How many connectors for monitors the guest's graphics card has, up to 16. Those beyond
    /// `scanouts` have no monitor until [`Gpu::plug`] gives them one; fewer than those are as many.
    pub connectors: usize,
    /// The guest's quotas.
    pub limits: Limits,
    /// Which ways of showing may be used.
    pub prefer: Prefer,
    /// Makes dma-bufs from guest memory: [`crate::memory::Udmabuf`], or `None` where the host has
    /// none.
    pub dma_bufs: Option<Box<dyn DmaBufMaker>>,
}

/// What the device may use while it handles one thing.
pub struct Context<'a> {
    /// The guest's memory as it is mapped now.
    pub ram: &'a GuestRam,
    /// Where frames go.
    pub display: &'a mut dyn Display,
    /// Who draws for the guest.
    pub renderer: &'a mut dyn Renderer,
    /// Where the guest's CPUs see host memory.
    pub window: &'a mut dyn HostVisible,
    /// The time, on one clock for all calls.
    pub now: Instant,
}

/// What the transport does with a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Answer it with this.
    Now(Response),
    /// Keep the descriptor chain; [`Gpu::take_answered`] will name it, and its answer.
    Later(Ticket),
}

/// A command, apart from what is to be done.
#[derive(Debug, Clone, Copy)]
struct Order {
    /// Its name; counts up in the order in which commands came.
    ticket: Ticket,
    fence: Option<Fence>,
    /// The 3D context, 0 for none.
    context: u32,
}

/// What became of a command.
#[derive(Debug)]
enum Outcome {
    /// It is done, and answered with this.
    Now(Response),
    /// It is answered when it is done.
    Later,
    /// It is done; its answer waits for the screen.
    WhenShown,
}

/// One guest's graphics device.
#[derive(Debug)]
pub struct Gpu {
    modes: Modes,
    resources: Resources,
    /// By number; as many as there are modes.
    scanouts: Vec<Scanout>,
    flushes: Flushes,
    last_ticket: Ticket,
    fences: Fences,
    /// Commands whose answer is due.
    answers: Vec<(Ticket, Response)>,
    three_d: ThreeD,
    /// Whether a host is there.
    attached: bool,
    /// Scanouts whose last flush was given up on.
    hidden: Scanouts,
    imports: Imports,
    /// Resources whose memory the host knows, the last shown one last.
    residents: Vec<u32>,
    last_frame: FrameId,
    quota: Quota,
    /// Working memory for conversions, one row.
    row: Vec<u8>,
}

impl Gpu {
    /// Builds a device with no resources and nothing shown.
    pub fn new(options: Options) -> Self {
        let modes = Modes::new(options.name, &options.scanouts, options.connectors);
        let ids = (0..=u8::MAX).take(modes.len());
        Self {
            scanouts: ids.map(|id| Scanout::new(ScanoutId(id))).collect(),
            modes,
            resources: Resources::default(),
            flushes: Flushes::default(),
            last_ticket: Ticket(0),
            fences: Fences::default(),
            answers: Vec::new(),
            three_d: ThreeD::default(),
            attached: true,
            hidden: Scanouts::default(),
            imports: Imports::new(options.dma_bufs, options.prefer == Prefer::Shm),
            residents: Vec::new(),
            last_frame: FrameId(0),
            quota: Quota::new(options.limits),
            row: Vec::new(),
        }
    }

    /// Carries out one command of either queue. Never fails: what the guest did wrong becomes an
    /// error response. Commands of the cursor queue get a response too; send it only where the
    /// guest left room for it.
    pub fn execute(
        &mut self,
        header: &Header,
        command: Command,
        context: &mut Context<'_>,
    ) -> Reply {
        let order = self.order(header);
        let outcome = match self.waits_at_gate(order, &command) {
            false => self.carry_out(order, command, context),
            true => {
                self.queue(order, command, context);
                Outcome::Later
            }
        };
        self.reply(order, outcome)
    }

    /// [`Gpu::execute`] of a SUBMIT_3D whose command stream need not be copied: it must be in memory
    /// that the guest can't change.
    pub fn submit(&mut self, header: &Header, commands: &[u8], context: &mut Context<'_>) -> Reply {
        let order = self.order(header);
        let outcome = match self.submission_waits(order, commands, context) {
            false => self.carry_out_submission(order, commands, context),
            true => Outcome::Later,
        };
        self.reply(order, outcome)
    }

    fn order(&mut self, header: &Header) -> Order {
        Order {
            ticket: self.next_ticket(),
            fence: fence_of(header),
            context: header.ctx_id,
        }
    }

    /// What the transport does with the newest command.
    fn reply(&mut self, order: Order, outcome: Outcome) -> Reply {
        let Order { ticket, fence, .. } = order;
        let Some(Fence { timeline, .. }) = fence else {
            return match outcome {
                Outcome::Now(response) => Reply::Now(response),
                Outcome::Later | Outcome::WhenShown => Reply::Later(ticket),
            };
        };
        match outcome {
            Outcome::Now(response) => {
                let answer = self.fences.answer_newest(ticket, timeline, response);
                return answer.map_or(Reply::Later(ticket), Reply::Now);
            }
            Outcome::Later => self.fences.began(ticket, timeline),
            Outcome::WhenShown => {
                self.fences.began(ticket, timeline);
                self.fences.worked(ticket, &mut self.answers);
            }
        }
        Reply::Later(ticket)
    }

    /// A new name for a command, or for something that is asked of the renderer.
    fn next_ticket(&mut self) -> Ticket {
        self.last_ticket = Ticket(self.last_ticket.0.saturating_add(1));
        self.last_ticket
    }

    /// A command that was to be answered later is answered with this, as soon as older ones allow it.
    fn answer(&mut self, ticket: Ticket, response: Response) {
        self.fences.answer(ticket, response, &mut self.answers);
    }

    /// Takes in what the display reports. Afterwards drain [`Gpu::take_answered`] and ask
    /// [`Gpu::display_changed`].
    ///
    /// [`DisplayEvent::Lost`] and [`DisplayEvent::CloseRequested`] are for the caller to act on: the
    /// device goes on as it is until [`Gpu::host_gone`].
    pub fn handle_display(&mut self, event: DisplayEvent, context: &mut Context<'_>) {
        self.on_display(event, context);
        self.open_gate(context);
    }

    /// Takes in what the renderer reports. Afterwards drain [`Gpu::take_answered`].
    pub fn handle_renderer(&mut self, event: RendererEvent, context: &mut Context<'_>) {
        self.on_renderer(event, context);
        self.open_gate(context);
    }

    /// Takes in what came of a request to [`HostVisible`]; `done` is false where the VMM refused.
    /// Afterwards drain [`Gpu::take_answered`].
    pub fn handle_window(&mut self, ticket: Ticket, done: bool, context: &mut Context<'_>) {
        self.on_window(ticket, done, context);
    }

    /// Does what is due by `context.now`. Call it when [`Gpu::next_deadline`] has passed; calling
    /// it too early or too often is harmless. Afterwards drain [`Gpu::take_answered`] and ask
    /// [`Gpu::display_changed`].
    pub fn expire(&mut self, context: &mut Context<'_>) {
        let late = self.flushes.expire(context.now);
        for index in (0..self.scanouts.len()).filter(|index| late.contains(*index)) {
            self.hidden.insert(index);
        }
        self.close_windows(context);
        self.modes.expire(context.now);
        self.open_gate(context);
    }

    /// When [`Gpu::expire`] wants to be called next. Ask again after every other call.
    pub fn next_deadline(&self) -> Option<Instant> {
        let closing = self
            .scanouts
            .iter()
            .filter_map(|scanout| scanout.disable_at);
        closing
            .chain(self.flushes.next_deadline())
            .chain(self.modes.next_deadline())
            .chain(self.three_d.next_deadline())
            .min()
    }

    /// The commands whose answer is due now, each named once, and their answers.
    pub fn take_answered(&mut self) -> impl Iterator<Item = (Ticket, Response)> {
        for ticket in self.flushes.take_answered() {
            let answers = &mut self.answers;
            self.fences.answer(ticket, Response::OkNodata, answers);
        }
        self.answers.drain(..)
    }

    /// The guest's driver has gone (device reset, or another VMM connects): resources are dropped,
    /// answers that were due never come (their rings are gone). What is on the screen stays there
    /// until the next driver shows something; a guest that reboots keeps its windows. Call
    /// [`Gpu::keep_pictures`] when the guest is stopped, so that this holds for blobs, too.
    pub fn reset(&mut self, context: &mut Context<'_>) {
        self.flushes.reset();
        self.fences.reset();
        self.answers.clear();
        for index in 0..self.scanouts.len() {
            if let Some(scanout) = self.scanouts.get_mut(index) {
                scanout.drawing.clear();
                scanout.wanted = None;
                scanout.stop();
                scanout.in_place = None;
                scanout.disable_at = None;
            }
            self.drop_shadow(index, context);
        }
        self.reset_3d(context);
        let ids: Vec<u32> = self.resources.ids().collect();
        for id in ids {
            if let Ok(resource) = self.resources.remove(id, &mut self.quota) {
                for buffer in resource.buffers() {
                    self.imports.forget(context.display, buffer);
                }
            }
        }
        self.residents.clear();
        self.hide_cursors(context);
    }

    /// The guest's memory is mapped otherwise now: `context.ram` is the new map. Resources whose
    /// pages are gone lose their backing, and nothing reads those pages any more; resources whose
    /// pages are others are shown anew.
    pub fn ram_changed(&mut self, context: &mut Context<'_>) {
        context.renderer.ram_changed(context.ram);
        let ids: Vec<u32> = self.resources.ids().collect();
        for id in ids {
            let Ok(resource) = self.resources.get_mut(id) else {
                continue;
            };
            let had = resource.backing().is_some();
            if !resource.resolve_again(context.ram) {
                continue;
            }
            let is_blob = matches!(resource.kind, Kind::Blob(_));
            self.backing_moved(id, had, context);
            if is_blob {
                self.take_back(id, context);
                self.show_everywhere(id, context);
            }
        }
    }

    /// Whether modes have changed since the last call, so that the guest must be told
    /// (EVENT_DISPLAY and a configuration interrupt). True once for each change.
    pub fn display_changed(&mut self) -> bool {
        self.modes.take_changed()
    }

    /// Says whether the guest can be told of changes while it runs. A guest that can't is never told
    /// that a monitor is unplugged: it could not be told that it is back.
    pub fn set_tells_changes(&mut self, tells: bool) {
        self.modes.set_tells_changes(tells);
    }

    /// Offers the guest another mode for a scanout; it may take it or not. Unknown scanouts are
    /// ignored, a mode out of range becomes the nearest in range.
    pub fn set_mode(&mut self, scanout: ScanoutId, mode: Mode) {
        self.modes.set(usize::from(scanout.0), mode);
    }

    /// The mode that a scanout offers to the guest; `None` for an unknown scanout.
    pub fn mode(&self, scanout: ScanoutId) -> Option<Mode> {
        self.modes.get(usize::from(scanout.0))
    }

    /// How many connectors for monitors the guest has, 1 to 16.
    pub fn scanouts(&self) -> u32 {
        u32::try_from(self.scanouts.len()).unwrap_or(1)
    }

    /// Whether the host shows another scanout than this one.
    pub fn has_window_besides(&self, scanout: ScanoutId) -> bool {
        self.scanouts
            .iter()
            .any(|other| other.id != scanout && other.has_window)
    }

    /// What each scanout has done since the device was built, in their order; those that never had
    /// a monitor are left out.
    pub fn stats(&self) -> Vec<ScanoutStats> {
        let scanouts = self.scanouts.iter().enumerate();
        let used = scanouts.filter(|(index, scanout)| {
            !self.modes.is_removed(*index) || scanout.counters.flushed != 0
        });
        used.map(|(_, scanout)| stats_of(scanout)).collect()
    }

    /// Shows a resource anew wherever it is shown.
    fn show_everywhere(&mut self, resource_id: u32, context: &mut Context<'_>) {
        for index in 0..self.scanouts.len() {
            if self.shows(index, resource_id) {
                self.show_again(index, context);
            }
        }
    }
}

/// A moment later; the same one where the clock ends.
fn later(now: Instant, duration: Duration) -> Instant {
    now.checked_add(duration).unwrap_or(now)
}
