//! What the loop needs of a display beyond showing: something to watch, when to speak, and how
//! another one is come by.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use crate::{
    display::{
        Display, DisplayEvent, Lacking,
        wayland::{self, ConnectError, Lost, Preferences, WaylandDisplay, WaylandSource},
    },
    memory::Udmabuf,
};

/// A [`Display`] that the device process can be run with.
pub trait HostDisplay: Display {
    /// A descriptor that becomes readable when there is something to dispatch, for the loop to
    /// own; `None` if that never happens.
    ///
    /// # Errors
    /// Out of descriptors.
    fn watched(&self) -> io::Result<Option<OwnedFd>>;

    /// Reads what the host has sent.
    ///
    /// # Errors
    /// The host is gone.
    fn dispatch(&mut self) -> Result<(), Lost>;

    /// Sends what the host is to know. Called once for each time the process wakes up.
    ///
    /// # Errors
    /// The host is gone.
    fn flush(&mut self) -> Result<(), Lost>;

    /// Whether the host takes no more for now, so that [`HostDisplay::flush`] has to be called when
    /// the watched descriptor becomes writable.
    fn wants_write(&self) -> bool;

    /// When [`HostDisplay::flush`] has to be called although nothing happens.
    fn next_deadline(&self) -> Option<Instant>;

    /// What the host reported since the last call, oldest first. Calls of [`Display`] can add to
    /// it.
    fn take_events(&mut self) -> Vec<DisplayEvent>;

    /// Says where the user sees the guest how its machine is; `None` for one that runs.
    fn set_machine(&mut self, words: Option<&str>);

    /// What the host can't do for the guest.
    fn lacking(&self) -> Vec<Lacking>;

    /// Whether the host by itself has windows fill its monitors, as our own compositor does: that a
    /// window does says nothing of what the user wants then.
    fn fills_monitors(&self) -> bool;
}

/// A connection to a host that has not answered yet.
pub trait Attempt<D> {
    /// A descriptor that becomes readable when there is something for [`Attempt::step`]; `None` if
    /// that never happens.
    ///
    /// # Errors
    /// Out of descriptors.
    fn watched(&self) -> io::Result<Option<OwnedFd>>;

    /// Goes on with what has arrived; never blocks. The display, once it is complete.
    ///
    /// # Errors
    /// The host is gone, too slow, or can't show guests.
    fn step(&mut self) -> Result<Option<D>, ConnectError>;

    /// When [`Attempt::step`] gives up, and wants to be called for that.
    fn deadline(&self) -> Instant;
}

/// Begins to connect to a host; never blocks.
pub type Reach<D> = Box<dyn FnMut(WaylandSource) -> Result<Box<dyn Attempt<D>>, ConnectError>>;

/// The host that a device begins with, and how it reaches others.
pub struct Hosts<D> {
    /// `None`: nothing shows the guest until somebody asks for it, or one is found.
    pub first: Option<D>,
    /// Whether one is looked for where `home` is, if there is no first.
    pub seeks: bool,
    /// Where the first one is, or would be, if that is a place where another may come; see
    /// [`WaylandSource::again`].
    pub home: Option<WaylandSource>,
    /// How others are reached.
    pub reach: Reach<D>,
}

impl HostDisplay for WaylandDisplay {
    fn watched(&self) -> io::Result<Option<OwnedFd>> {
        self.as_fd().try_clone_to_owned().map(Some)
    }

    fn dispatch(&mut self) -> Result<(), Lost> {
        Self::dispatch(self)
    }

    fn flush(&mut self) -> Result<(), Lost> {
        Self::flush(self)
    }

    fn wants_write(&self) -> bool {
        Self::wants_write(self)
    }

    fn next_deadline(&self) -> Option<Instant> {
        Self::next_deadline(self)
    }

    fn take_events(&mut self) -> Vec<DisplayEvent> {
        Self::take_events(self).collect()
    }

    fn set_machine(&mut self, words: Option<&str>) {
        Self::set_machine(self, words);
    }

    fn lacking(&self) -> Vec<Lacking> {
        Self::lacking(self)
    }

    fn fills_monitors(&self) -> bool {
        Self::fills_monitors(self)
    }
}

/// How a guest is shown by any Wayland compositor.
#[derive(Debug)]
pub(super) struct Manner {
    pub(super) guest: String,
    /// How many screens the guest begins with.
    pub(super) scanouts: usize,
    pub(super) windows: Preferences,
    pub(super) dma_bufs: Option<Arc<Udmabuf>>,
}

impl Manner {
    /// Connects, and waits for the compositor's first answers.
    pub(super) fn connect(&self, source: WaylandSource) -> Result<WaylandDisplay, ConnectError> {
        WaylandDisplay::connect(source, &self.guest, self.scanouts)
            .map(|display| self.applied(display))
    }

    /// Connects without waiting.
    pub(super) fn reach(self) -> Reach<WaylandDisplay> {
        let manner = Rc::new(self);
        Box::new(move |source| {
            let (guest, scanouts) = (&manner.guest, manner.scanouts);
            let inner = wayland::Attempt::begin(source, guest, scanouts, wayland::deadline())?;
            let manner = Rc::clone(&manner);
            Ok(Box::new(WaylandAttempt { inner, manner }))
        })
    }

    fn applied(&self, mut display: WaylandDisplay) -> WaylandDisplay {
        display.set_preferences(self.windows.clone());
        if let Some(dma_bufs) = &self.dma_bufs {
            display.use_dma_bufs(Box::new(Arc::clone(dma_bufs)));
        }
        display
    }
}

struct WaylandAttempt {
    inner: wayland::Attempt,
    manner: Rc<Manner>,
}

impl Attempt<WaylandDisplay> for WaylandAttempt {
    fn watched(&self) -> io::Result<Option<OwnedFd>> {
        self.inner.as_fd().try_clone_to_owned().map(Some)
    }

    fn step(&mut self) -> Result<Option<WaylandDisplay>, ConnectError> {
        let display = self.inner.step()?;
        Ok(display.map(|display| self.manner.applied(display)))
    }

    fn deadline(&self) -> Instant {
        self.inner.deadline()
    }
}
