//! The product's display: every scanout is a window of the host's Wayland compositor.
//!
//! The rooms, each for one concern:
//!
//! | room | owns |
//! |------|------|
//! | `source` | where the compositor is, and how its socket is reached |
//! | `attempt` | the first questions to a compositor, and its answers |
//! | `connection` | reading and writing, and the connection's end |
//! | `globals` | what the compositor offers, and in which versions it is used |
//! | `formats` | which pixel formats it takes |
//! | `preferences` | what the user wants of windows |
//! | `window` | a scanout's window and its life |
//! | `titles` | what windows are called |
//! | `toplevel` | what the host says about a window as a whole |
//! | `scale` | how many pixels the host has to a logical one |
//! | `geometry` | how large a window is, and when the guest is asked to change its mode |
//! | `decoration` | what is around its picture |
//! | `hints` | what hosts like to know of full screen |
//! | `objects` | making `wl_buffer`s from pixel memory |
//! | `buffers` | which `wl_buffer` is attached, and when the host has released it |
//! | `frames` | a frame's way from `present` to the host |
//! | `presentation` | when a frame became light |
//! | `cursor` | the guest's pointer |
//! | `seat` | hands: what they do, and holding them |
//! | `outputs` | refresh rates |
//! | `guest` | what only our own compositor says and hears |
//!
//! Two rules hold everywhere. After [`WaylandDisplay::connect`] nothing waits for the host:
//! whatever needs its answer is kept and goes on when the answer comes. And nothing that the host
//! sends can make the device panic: an event for something that is gone is ignored.

mod attempt;
mod buffers;
mod connection;
mod cursor;
mod decoration;
mod formats;
mod frames;
mod geometry;
mod globals;
mod guest;
mod hints;
mod objects;
mod outputs;
mod preferences;
mod presentation;
mod scale;
mod seat;
mod source;
mod titles;
mod toplevel;
mod window;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque, vec_deque},
    os::fd::{AsFd, BorrowedFd},
    time::Instant,
};

use protocols::virtio_gpu::MAX_SCANOUTS;
use wayland_client::{Connection, Proxy, QueueHandle};

pub use self::{
    attempt::Attempt,
    connection::{ConnectError, Lost, deadline},
    preferences::{Fit, Preferences, Scale},
    source::WaylandSource,
};
use self::{
    buffers::Buffers,
    connection::Link,
    cursor::{Means, Pointer},
    decoration::Shades,
    formats::{About, Formats},
    globals::{Globals, Offer},
    guest::Link as GuestLink,
    outputs::Outputs,
    presentation::Clock,
    seat::Hands,
    titles::Titles,
    window::{Stage, Window},
};
use super::{
    BufferId, CursorUpdate, Display, DisplayEvent, Frame, Lacking, PixelLayout, PixelMemory,
    Refused, ScanoutId,
};
use crate::{
    input::{Grab, Leds},
    memory::DmaBufMaker,
};

/// The connection to the host's compositor, and every window of one guest.
///
/// The owner's event loop watches [`AsFd::as_fd`] for reading (and for writing while
/// [`WaylandDisplay::wants_write`] says so), calls [`WaylandDisplay::dispatch`] when there is
/// something, handles [`WaylandDisplay::take_events`] until there is none, and calls
/// [`WaylandDisplay::flush`] before it sleeps. None of these blocks.
#[derive(Debug)]
pub struct WaylandDisplay {
    link: Link<State>,
    state: State,
    lost_reported: bool,
}

/// Everything that events of the compositor act upon.
#[derive(Debug)]
struct State {
    handle: QueueHandle<State>,
    globals: Globals,
    formats: Formats,
    clock: Clock,
    outputs: Outputs,
    titles: Titles,
    preferences: Preferences,
    buffers: Buffers,
    scanouts: BTreeMap<ScanoutId, Scanout>,
    shades: Shades,
    hands: Hands,
    /// For pointer images; `None` if they are shared memory.
    dma_bufs: Option<Box<dyn DmaBufMaker + Send>>,
    events: VecDeque<DisplayEvent>,
}

/// What is known about a scanout, with its window or without.
#[derive(Debug, Default)]
struct Scanout {
    window: Option<Window>,
    pointer: Pointer,
    /// On our own compositor.
    link: Option<GuestLink>,
    /// The refresh rate that was reported last, in millihertz.
    refresh: Option<u32>,
}

impl WaylandDisplay {
    /// Connects and learns what the compositor offers. The only call that waits: at most a few
    /// seconds for the compositor's first answers.
    ///
    /// `guest` is the name that window titles show; `scanouts` is how many screens the guest has
    /// to begin with, so that titles number them where there are several.
    ///
    /// # Errors
    /// No compositor, one that does not answer, or one that lacks a protocol Lucarne can't do
    /// without. The text tells the user what to do.
    pub fn connect(
        source: WaylandSource,
        guest: &str,
        scanouts: usize,
    ) -> Result<Self, ConnectError> {
        Attempt::begin(source, guest, scanouts, deadline())?.finish()
    }

    fn new(link: Link<State>, state: State) -> Self {
        Self {
            link,
            state,
            lost_reported: false,
        }
    }

    /// Says how windows are to be, before the first one opens.
    pub fn set_preferences(&mut self, preferences: Preferences) {
        self.state.preferences = preferences;
    }

    /// Says in the windows' titles how the guest's machine is; `None` for one that runs.
    pub fn set_machine(&mut self, words: Option<&str>) {
        self.state.set_machine(words);
    }

    /// Lets pointer images be dma-bufs from now on, where the compositor gains by it and takes them.
    pub fn use_dma_bufs(&mut self, maker: Box<dyn DmaBufMaker + Send>) {
        self.state.dma_bufs = Some(maker);
    }

    /// Reads what the compositor sent and turns it into events; never blocks.
    ///
    /// # Errors
    /// The connection is gone ([`DisplayEvent::Lost`] is queued once as well).
    pub fn dispatch(&mut self) -> Result<(), Lost> {
        let result = self.link.dispatch(&mut self.state);
        self.report_loss(result)
    }

    /// Sends what is queued, pointer movements included; never blocks.
    ///
    /// # Errors
    /// The connection is gone ([`DisplayEvent::Lost`] is queued once as well).
    pub fn flush(&mut self) -> Result<(), Lost> {
        let mut result = Ok(());
        if self.link.is_blocked() {
            result = self.link.flush();
        }
        // A pointer that goes on moving must not pile up requests that the host does not read.
        if result.is_ok() && !self.link.is_blocked() {
            self.state.settle();
            result = self.link.flush();
        }
        self.report_loss(result)
    }

    /// Whether the socket was full at the last flush: watch it for writing, and flush then.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.link.is_blocked()
    }

    /// When [`WaylandDisplay::flush`] has to be called again although nothing happens.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.state.next_deadline()
    }

    /// The events since the last call, oldest first. Calls to [`Display`] can add further ones.
    pub fn take_events(&mut self) -> vec_deque::IntoIter<DisplayEvent> {
        std::mem::take(&mut self.state.events).into_iter()
    }

    /// Whether the compositor is our own, which has guests fill its monitors.
    #[must_use]
    pub fn fills_monitors(&self) -> bool {
        self.state.globals.guests.is_some()
    }

    /// What the compositor lacks.
    #[must_use]
    pub fn lacking(&self) -> Vec<Lacking> {
        let hands = self.state.lacking_for_hands();
        hands
            .into_iter()
            .chain(self.state.globals.lacking_for_windows())
            .collect()
    }

    fn report_loss(&mut self, result: Result<(), Lost>) -> Result<(), Lost> {
        if result.is_err() && !std::mem::replace(&mut self.lost_reported, true) {
            self.state.hands_gone();
            self.state.events.push_back(DisplayEvent::Lost);
        }
        result
    }
}

impl AsFd for WaylandDisplay {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }
}

impl State {
    /// Makes the factories, and asks for what has to be known before anything is shown.
    fn ask(
        connection: &Connection,
        link: &Link<Self>,
        offer: &Offer,
        guest: &str,
        scanouts: usize,
    ) -> Result<Self, ConnectError> {
        let handle = link.handle();
        let registry = connection.display().get_registry(&handle, ());
        let globals = Globals::bind(offer, &registry, &handle)?;
        if let Some(dmabuf) = &globals.dmabuf
            && dmabuf.version() >= formats::VERSION_FEEDBACK
        {
            dmabuf.get_default_feedback(&handle, About::Anything);
        }
        let mut state = Self {
            handle,
            globals,
            formats: Formats::default(),
            clock: Clock::default(),
            outputs: Outputs::default(),
            titles: Titles::new(guest, scanouts),
            preferences: Preferences::default(),
            buffers: Buffers::default(),
            scanouts: BTreeMap::new(),
            shades: Shades::default(),
            hands: Hands::default(),
            dma_bufs: None,
            events: VecDeque::new(),
        };
        state.link_scanouts(scanouts);
        Ok(state)
    }

    /// Makes the objects of all scanouts, where the compositor knows what these are.
    fn link_scanouts(&mut self, scanouts: usize) {
        let Some(manager) = &self.globals.guests else {
            return;
        };
        for number in (0..=u8::MAX).take(scanouts.min(MAX_SCANOUTS)) {
            let id = ScanoutId(number);
            let link = GuestLink::new(manager, self.titles.guest(), id, &self.handle);
            self.scanouts.entry(id).or_default().link = Some(link);
        }
    }

    fn window(&mut self, scanout: ScanoutId) -> Option<&mut Window> {
        self.scanouts.get_mut(&scanout)?.window.as_mut()
    }

    /// Sends what was only noted so far: pointers, and commits that nothing else brought about.
    fn settle(&mut self) {
        self.apply_hints(Instant::now());
        for (id, record) in &mut self.scanouts {
            let Some(window) = &mut record.window else {
                continue;
            };
            let hands = &self.hands;
            let own_way = !hands.follows || hands.is_locked() || hands.draws_on(*id);
            if record.link.is_none() {
                record.pointer.look(own_way, hands.points_at(*id));
            }
            if window.stage == Stage::Mapped {
                let means = Means {
                    link: record.link.as_ref(),
                    globals: &self.globals,
                    formats: &self.formats,
                    handle: &self.handle,
                    dma_bufs: self
                        .dma_bufs
                        .as_deref()
                        .map(|maker| maker as &dyn DmaBufMaker),
                    follows: !own_way,
                };
                window.apply_pointer(&mut record.pointer, &means);
                window.commit_if_dirty(*id, &self.globals, &self.handle);
            }
        }
        self.settle_host_cursors();
    }
}

impl Display for WaylandDisplay {
    fn import(
        &mut self,
        buffer: BufferId,
        layout: PixelLayout,
        memory: PixelMemory,
    ) -> Result<(), Refused> {
        let State {
            buffers,
            globals,
            formats,
            handle,
            ..
        } = &mut self.state;
        buffers.import(buffer, layout, memory, globals, formats, handle)
    }

    fn forget(&mut self, buffer: BufferId) {
        self.state.forget(buffer);
    }

    fn present(&mut self, scanout: ScanoutId, frame: Frame) {
        self.state.present(scanout, frame);
    }

    fn disable(&mut self, scanout: ScanoutId) {
        self.state.disable(scanout);
    }

    fn cursor(&mut self, scanout: ScanoutId, update: CursorUpdate) {
        self.state
            .scanouts
            .entry(scanout)
            .or_default()
            .pointer
            .update(update);
    }

    fn set_grab(&mut self, grab: Grab) {
        self.state.set_grab(grab);
    }

    fn set_pointer_follows(&mut self, follows: bool) {
        self.state.hands.follows = follows;
    }

    fn set_leds(&mut self, leds: Leds) {
        self.state.set_leds(leds);
    }

    fn toggle_fullscreen(&mut self, scanout: ScanoutId) {
        self.state.toggle_fullscreen(scanout);
    }
}
