//! The way of a frame: kept until the window and the buffer are there, attached, reported.
//!
//! At most one frame per scanout waits, the newest; the one it replaces is discarded. A frame
//! that is attached carries a frame callback, which becomes `Ready`.

use std::time::Instant;

use tracing::warn;
use wayland_client::{
    Connection, Dispatch, QueueHandle,
    protocol::wl_callback::{self, WlCallback},
};

use super::{
    State,
    buffers::Attach,
    geometry::Size,
    globals::Globals,
    window::{Stage, Window, pixels},
};
use crate::display::{BufferId, DisplayEvent, Frame, FrameId, ScanoutId};

/// Which frame an answer of the host is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    pub(super) scanout: ScanoutId,
    pub(super) frame: FrameId,
}

/// The frames of one window that are on their way.
#[derive(Debug)]
pub(super) struct Frames {
    /// Can't be attached yet.
    waiting: Option<Frame>,
    /// Attached, and neither presented nor discarded yet; oldest first.
    in_flight: Vec<InFlight>,
    /// The newest frame whose callback has not come yet.
    callback: Option<FrameId>,
    /// Frames before the next one never reached the host: their damage is not in its own.
    behind: bool,
}

/// A frame whose fate the host has not told.
#[derive(Debug, Clone, Copy)]
struct InFlight {
    frame: FrameId,
    /// How many answers are awaited, one for each commit that the frame was part of.
    asked: u32,
}

/// The most answers that are awaited for one frame. Where a host owes that many it does not take
/// the older ones back, and needs no further one.
const MOST_ASKED: u32 = 256;

impl Default for Frames {
    fn default() -> Self {
        // A new surface is empty: all of the first frame is new to it.
        Self {
            waiting: None,
            in_flight: Vec::new(),
            callback: None,
            behind: true,
        }
    }
}

impl Frames {
    /// The host has shown a frame. Returns false where its fate was known before.
    pub(super) fn presented(&mut self, frame: FrameId) -> bool {
        let index = self.position(frame);
        index.map(|index| self.in_flight.remove(index)).is_some()
    }

    /// The host will not show what one commit made of a frame. Returns whether that was the last
    /// commit that it was part of, so that it will never be seen.
    pub(super) fn discarded(&mut self, frame: FrameId) -> bool {
        let Some(index) = self.position(frame) else {
            return false;
        };
        if let Some(known) = self.in_flight.get_mut(index)
            && known.asked > 1
        {
            known.asked -= 1;
            return false;
        }
        self.in_flight.remove(index);
        true
    }

    /// The newest frame is part of one more commit. Returns it where the host is to be asked for its
    /// fate once more.
    fn again(&mut self) -> Option<FrameId> {
        let newest = self.in_flight.last_mut()?;
        if newest.asked >= MOST_ASKED {
            return None;
        }
        newest.asked += 1;
        Some(newest.frame)
    }

    fn position(&self, frame: FrameId) -> Option<usize> {
        self.in_flight.iter().position(|known| known.frame == frame)
    }

    fn take_waiting_for(&mut self, buffer: BufferId) -> Option<Frame> {
        let frame = self.waiting.take_if(|frame| frame.buffer == buffer)?;
        self.behind = true;
        Some(frame)
    }
}

impl State {
    /// See [`Display::present`](crate::display::Display::present).
    pub(super) fn present(&mut self, scanout: ScanoutId, frame: Frame) {
        match self.buffers.contains(frame.buffer, frame.source) {
            Some(true) => {}
            Some(false) => {
                let Frame {
                    id, buffer, source, ..
                } = frame;
                warn!("Frame {id:?} shows {source:?}, which lies outside of buffer {buffer:?}");
                self.discard_unattached(scanout, &frame);
                self.events.push_back(DisplayEvent::Ready(scanout));
                return;
            }
            // Refused; that has been reported, or is about to be.
            None => return,
        }
        let size = Size {
            width: frame.source.width,
            height: frame.source.height,
        };
        self.window_for(scanout, size);
        let window = self.window(scanout);
        let replaced = window.and_then(|window| {
            let replaced = window.frames.waiting.replace(frame);
            window.frames.behind |= replaced.is_some();
            replaced
        });
        if let Some(replaced) = replaced {
            self.discard_unattached(scanout, &replaced);
        }
        self.show(scanout);
    }

    /// Attaches the waiting frame if window and buffer are ready for it.
    pub(super) fn show(&mut self, scanout: ScanoutId) {
        let Some(record) = self.scanouts.get_mut(&scanout) else {
            return;
        };
        let Some(window) = record.window.as_mut() else {
            return;
        };
        if window.stage == Stage::AwaitingConfigure {
            return;
        }
        let Some(frame) = window.frames.waiting.take() else {
            return;
        };
        let (buffers, globals, handle) = (&mut self.buffers, &self.globals, &self.handle);
        match buffers.attach(frame.buffer, scanout, frame.source, globals, handle) {
            Attach::Now { object, corner } => {
                let whole = buffers.is_whole(frame.buffer, frame.source);
                let cropped = !whole && globals.viewporter.is_some();
                window.crop = cropped.then_some(frame.source);
                window.geometry.set_source(Size {
                    width: frame.source.width,
                    height: frame.source.height,
                });
                window.surface.attach(Some(&object), 0, 0);
                let changed = self.dress(scanout);
                self.commit(scanout, &frame, corner, changed);
            }
            Attach::NotYet => window.frames.waiting = Some(frame),
            Attach::Unknown => {
                window.frames.behind = true;
                self.discard_unattached(scanout, &frame);
                self.events.push_back(DisplayEvent::Ready(scanout));
            }
        }
    }

    /// A buffer can be attached now.
    pub(super) fn show_waiting_for(&mut self, buffer: BufferId) {
        for scanout in self.scanouts_waiting_for(buffer) {
            self.show(scanout);
        }
    }

    /// A buffer was refused: the frames that wait for it never existed.
    pub(super) fn drop_waiting_for(&mut self, buffer: BufferId) {
        for scanout in self.scanouts_waiting_for(buffer) {
            if let Some(window) = self.window(scanout) {
                window.frames.take_waiting_for(buffer);
            }
        }
    }

    /// See [`Display::forget`](crate::display::Display::forget).
    pub(super) fn forget(&mut self, buffer: BufferId) {
        for scanout in self.scanouts_waiting_for(buffer) {
            let window = self.window(scanout);
            let dropped = window.and_then(|window| window.frames.take_waiting_for(buffer));
            if let Some(frame) = dropped {
                self.discard_unattached(scanout, &frame);
                // No callback will say so.
                self.events.push_back(DisplayEvent::Ready(scanout));
            }
        }
        let uses = self.buffers.forget(buffer);
        self.report_released(buffer, uses);
    }

    /// See [`Display::disable`](crate::display::Display::disable).
    pub(super) fn disable(&mut self, scanout: ScanoutId) {
        self.window_going(scanout);
        let Some(record) = self.scanouts.get_mut(&scanout) else {
            return;
        };
        record.pointer.show_again();
        let Some(mut window) = record.window.take() else {
            return;
        };
        let in_flight = std::mem::take(&mut window.frames.in_flight);
        let discarded = in_flight
            .into_iter()
            .map(|InFlight { frame, .. }| DisplayEvent::Discarded { scanout, frame });
        self.events.extend(discarded);
        if let Some(frame) = window.frames.waiting.take() {
            self.discard_unattached(scanout, &frame);
        }
        drop(window);
        self.formats.window_gone(scanout);
        for (buffer, uses) in self.buffers.scanout_gone(scanout) {
            self.report_released(buffer, uses);
        }
    }

    fn scanouts_waiting_for(&self, buffer: BufferId) -> Vec<ScanoutId> {
        let waits = |window: &Window| {
            window
                .frames
                .waiting
                .as_ref()
                .is_some_and(|frame| frame.buffer == buffer)
        };
        let scanouts = self.scanouts.iter();
        let waiting = scanouts.filter(|(_, record)| record.window.as_ref().is_some_and(waits));
        waiting.map(|(scanout, _)| *scanout).collect()
    }

    /// A frame that the host has never seen is done with at once.
    fn discard_unattached(&mut self, scanout: ScanoutId, frame: &Frame) {
        self.events.push_back(DisplayEvent::Discarded {
            scanout,
            frame: frame.id,
        });
        self.events.push_back(DisplayEvent::Released(frame.buffer));
    }
}

impl State {
    /// Gives the host a frame, which is attached. `corner` is where its buffer begins in the core's;
    /// `changed` is whether the picture's size or place on the screen did.
    fn commit(&mut self, scanout: ScanoutId, frame: &Frame, corner: (u32, u32), changed: bool) {
        let (globals, handle) = (&self.globals, &self.handle);
        let record = self.scanouts.get_mut(&scanout);
        let Some(window) = record.and_then(|record| record.window.as_mut()) else {
            return;
        };
        let all = [frame.source];
        let behind = std::mem::take(&mut window.frames.behind) || changed;
        let damage = if behind { &all[..] } else { &frame.damage };
        for rect in damage {
            window.surface.damage_buffer(
                pixels(rect.x.saturating_sub(corner.0)),
                pixels(rect.y.saturating_sub(corner.1)),
                pixels(rect.width),
                pixels(rect.height),
            );
        }
        let shown = Shown {
            scanout,
            frame: frame.id,
        };
        window.surface.frame(handle, shown);
        if let Some(presentation) = &globals.presentation {
            presentation.feedback(&window.surface, handle, shown);
        }
        window.surface.commit();
        window.frames.in_flight.push(InFlight {
            frame: frame.id,
            asked: 1,
        });
        window.frames.callback = Some(frame.id);
        window.stage = Stage::Mapped;
        window.dirty = false;
        window.hints.frame(Instant::now());
    }
}

impl Window {
    /// Commits what changed about the window, with the picture that it has.
    ///
    /// For a host that is a new content of the window, which takes the place of the one that is on
    /// its way: it discards the feedback of that. So the frame's fate is asked for again, or a guest
    /// that moves its pointer while it draws would see hardly a frame shown.
    pub(super) fn commit_again(
        &mut self,
        scanout: ScanoutId,
        globals: &Globals,
        handle: &QueueHandle<State>,
    ) {
        if let Some(presentation) = &globals.presentation
            && let Some(frame) = self.frames.again()
        {
            presentation.feedback(&self.surface, handle, Shown { scanout, frame });
        }
        self.surface.commit();
    }
}

impl Dispatch<WlCallback, Shown> for State {
    fn event(
        state: &mut Self,
        _: &WlCallback,
        event: wl_callback::Event,
        shown: &Shown,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let wl_callback::Event::Done { .. } = event else {
            return;
        };
        if state.globals.presentation.is_none() {
            state.report_drawn(*shown);
        }
        let Some(window) = state.window(shown.scanout) else {
            return;
        };
        // Callbacks of frames that another one has replaced come together with its own.
        if window
            .frames
            .callback
            .take_if(|frame| *frame == shown.frame)
            .is_some()
        {
            state.events.push_back(DisplayEvent::Ready(shown.scanout));
        }
    }
}
