//! The way of a frame: kept until the window and the buffer are there, attached, reported.
//!
//! At most one frame per scanout waits, the newest; the one it replaces is discarded. A frame
//! that is attached carries a frame callback, which becomes `Ready`.

use tracing::warn;
use wayland_client::{
    Connection, Dispatch, QueueHandle,
    protocol::{
        wl_buffer::WlBuffer,
        wl_callback::{self, WlCallback},
    },
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
    in_flight: Vec<FrameId>,
    /// The newest frame whose callback has not come yet.
    callback: Option<FrameId>,
    /// Frames before the next one never reached the host: their damage is not in its own.
    behind: bool,
}

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
    /// The host has told a frame's fate. Returns false where that was known before.
    pub(super) fn answer(&mut self, frame: FrameId) -> bool {
        let index = self.in_flight.iter().position(|known| *known == frame);
        index.map(|index| self.in_flight.remove(index)).is_some()
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
        let record = self.scanouts.entry(scanout).or_default();
        let link = record.link.as_ref();
        let window = record.window.get_or_insert_with(|| {
            let (titles, globals, handle) = (&self.titles, &self.globals, &self.handle);
            Window::open(scanout, size, titles, link, globals, handle)
        });
        if let Some(replaced) = window.frames.waiting.replace(frame) {
            window.frames.behind = true;
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
                let changed = window.commit(scanout, &frame, &object, corner, globals, handle);
                // Our own compositor scales the pointer as it scales the picture.
                if changed && record.link.is_none() {
                    record.pointer.place_again();
                }
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
            .map(|frame| DisplayEvent::Discarded { scanout, frame });
        self.events.extend(discarded);
        if let Some(frame) = window.frames.waiting.take() {
            self.discard_unattached(scanout, &frame);
        }
        drop(window);
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

impl Window {
    /// Gives the host a frame. `corner` is where `object` begins in the core's buffer. Returns
    /// whether the picture's size or crop on the screen changed.
    fn commit(
        &mut self,
        scanout: ScanoutId,
        frame: &Frame,
        object: &WlBuffer,
        corner: (u32, u32),
        globals: &Globals,
        handle: &QueueHandle<State>,
    ) -> bool {
        self.geometry.set_source(Size {
            width: frame.source.width,
            height: frame.source.height,
        });
        self.surface.attach(Some(object), 0, 0);
        let changed = self.apply_view(globals, handle);
        let all = [frame.source];
        let behind = std::mem::take(&mut self.frames.behind) || changed;
        let damage = if behind { &all[..] } else { &frame.damage };
        for rect in damage {
            self.surface.damage_buffer(
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
        self.surface.frame(handle, shown);
        if let Some(presentation) = &globals.presentation {
            presentation.feedback(&self.surface, handle, shown);
        }
        self.surface.commit();
        self.frames.in_flight.push(frame.id);
        self.frames.callback = Some(frame.id);
        self.stage = Stage::Mapped;
        self.dirty = false;
        changed
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
