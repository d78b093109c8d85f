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
//! The guest is hostile. Commands are checked before anything changes, every size is held against a
//! named bound in 64 bits, and whatever happens the command gets an answer.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod attach;
mod commands;
mod cursor;
mod events;
mod features;
mod flushes;
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
mod uuid;

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use protocols::{
    ipc::{Reason, ScanoutStats},
    virtio_gpu::{Command, Header, Response},
};

use crate::{
    display::{Display, DisplayEvent, FrameId, ScanoutId},
    memory::{DmaBufMaker, GuestRam},
};
use flushes::{Flushes, Scanouts};
use imports::Imports;
use modes::Modes;
use quota::Quota;
use resources::{Kind, Resources};
use scanouts::Scanout;

pub use features::FEATURES;
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
    /// The time, on one clock for all calls.
    pub now: Instant,
}

/// Names a RESOURCE_FLUSH whose answer is still due. Counts up per device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlushId(pub u64);

/// What the transport does with a command.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "one reply is alive at a time, and only until it is encoded"
)]
pub enum Reply {
    /// Answer it with this.
    Now(Response),
    /// Keep the descriptor chain; [`Gpu::take_answered`] will name it, then answer OK_NODATA.
    Later(FlushId),
}

/// One guest's graphics device.
#[derive(Debug)]
pub struct Gpu {
    modes: Modes,
    resources: Resources,
    /// By number; as many as there are modes.
    scanouts: Vec<Scanout>,
    flushes: Flushes,
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
        let kind = command.kind();
        self.carry_out(header.fence.is_some(), command, context)
            .unwrap_or_else(|error| {
                tracing::debug!(
                    kind = format_args!("{kind:#06x}"),
                    ?error,
                    "a command was refused"
                );
                Reply::Now(Response::Err(error))
            })
    }

    /// Takes in what the display reports. Afterwards drain [`Gpu::take_answered`] and ask
    /// [`Gpu::display_changed`].
    ///
    /// [`DisplayEvent::Lost`] and [`DisplayEvent::CloseRequested`] are for the caller to act on: the
    /// device goes on as it is until [`Gpu::host_gone`].
    pub fn handle_display(&mut self, event: DisplayEvent, context: &mut Context<'_>) {
        match event {
            DisplayEvent::Ready(scanout) => self.on_ready(scanout, context),
            DisplayEvent::Presented {
                scanout,
                frame,
                refresh,
                zero_copy,
                at: _,
            } => {
                self.on_presented(scanout, frame, refresh, zero_copy, context);
            }
            DisplayEvent::Discarded { scanout, frame } => self.on_discarded(scanout, frame),
            DisplayEvent::Released(buffer) => self.on_released(buffer, context),
            DisplayEvent::ImportRefused(buffer, refused) => {
                self.on_import_refused(buffer, refused, context);
            }
            DisplayEvent::FormatsChanged => self.try_refused_again(),
            DisplayEvent::Resized {
                scanout,
                width,
                height,
                dpi,
            } => {
                let index = usize::from(scanout.0);
                self.modes
                    .want_size(index, (width, height), dpi, context.now);
            }
            DisplayEvent::RefreshChanged {
                scanout,
                millihertz,
            } => {
                let index = usize::from(scanout.0);
                self.modes.want_rate(index, millihertz, context.now);
            }
            DisplayEvent::Monitor { scanout, monitor } => {
                self.modes.monitor(usize::from(scanout.0), &monitor);
            }
            DisplayEvent::Unplugged(scanout) => self.modes.unplug(usize::from(scanout.0)),
            DisplayEvent::CloseRequested(_) | DisplayEvent::Input(_) | DisplayEvent::Lost => {}
        }
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
            .min()
    }

    /// The flushes whose answer is due now, each named once, oldest first. The answer is OK_NODATA.
    pub fn take_answered(&mut self) -> impl Iterator<Item = FlushId> {
        self.flushes.take_answered()
    }

    /// The guest's driver has gone (device reset, or another VMM connects): resources are dropped,
    /// answers that were due never come (their rings are gone). What is on the screen stays there
    /// until the next driver shows something; a guest that reboots keeps its windows. Call
    /// [`Gpu::keep_pictures`] when the guest is stopped, so that this holds for blobs, too.
    pub fn reset(&mut self, context: &mut Context<'_>) {
        self.flushes.reset();
        for index in 0..self.scanouts.len() {
            if let Some(scanout) = self.scanouts.get_mut(index) {
                scanout.stop();
                scanout.in_place = None;
                scanout.disable_at = None;
            }
            self.drop_shadow(index, context);
        }
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
        let ids: Vec<u32> = self.resources.ids().collect();
        for id in ids {
            let Ok(resource) = self.resources.get_mut(id) else {
                continue;
            };
            if resource.resolve_again(context.ram) && matches!(resource.kind, Kind::Blob(_)) {
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

fn stats_of(scanout: &Scanout) -> ScanoutStats {
    let counters = &scanout.counters;
    let (width, height) = scanout
        .shown
        .map_or((0, 0), |shown| (shown.source.width, shown.source.height));
    ScanoutStats {
        scanout: scanout.id.0,
        width,
        height,
        millihertz: millihertz(scanout.refresh),
        frames_flushed: counters.flushed,
        frames_presented: counters.presented,
        frames_missed: counters.missed,
        frames_zero_copy: counters.zero_copy,
        bytes_copied: counters.bytes_copied,
        path: counters.path,
        reason: scanout.reason.map(|reason| Reason {
            code: reason.code().to_owned(),
            text: reason.to_string(),
        }),
        flush_to_present_p50_us: counters.latency.percentile(50),
        flush_to_present_p99_us: counters.latency.percentile(99),
        cursor: scanout.cursor.state(),
    }
}

/// The rate of a refresh period, 0 if that is unknown.
fn millihertz(period: Duration) -> u32 {
    /// Nanoseconds of a second, in thousandths.
    const SECOND: u128 = 1_000_000_000_000;
    let period = period.as_nanos();
    let rate = SECOND
        .saturating_add(period / 2)
        .checked_div(period)
        .unwrap_or(0);
    u32::try_from(rate).unwrap_or(u32::MAX)
}

/// A moment later; the same one where the clock ends.
fn later(now: Instant, duration: Duration) -> Instant {
    now.checked_add(duration).unwrap_or(now)
}
