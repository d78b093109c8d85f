//! The way from a socket to a display: the first questions to a compositor, and its answers.
//!
//! Owns the order in which they are asked and how long their answers may take. Nothing here waits,
//! except for a device that starts and has nothing else to do.

use std::{
    os::fd::{AsFd, BorrowedFd},
    time::Instant,
};

use rustix::event::{PollFd, PollFlags, poll};
use wayland_client::{Connection, Dispatch, protocol::wl_callback::WlCallback};

use super::{
    State, WaylandDisplay, WaylandSource,
    connection::{ConnectError, Link, RoundTrip},
    globals::Offer,
};

/// A connection to a compositor that has not said yet what it is.
///
/// The owner's event loop watches [`AsFd::as_fd`] for reading, and calls [`Attempt::step`] when there
/// is something or when [`Attempt::deadline`] has come. Neither blocks.
#[derive(Debug)]
pub struct Attempt {
    connection: Connection,
    stage: Stage,
    until: Instant,
    guest: String,
    scanouts: usize,
}

/// What the compositor is asked.
///
/// ```text
///           the registry is listed         all is known
///   Listing ─────────────────────▶ Learning ──────────▶ (a WaylandDisplay)
/// ```
#[derive(Debug)]
enum Stage {
    /// Which globals it has.
    Listing(Question<Offer>),
    /// Its formats and its clock, without which the first import could not be judged; and its
    /// monitors, so that a guest that boots at once finds them as they are.
    Learning(Box<Question<State>>),
    /// Nothing: it has answered all, or failed.
    Over,
}

/// Something asked on a queue of its own; `trip` tells when all answers are there.
#[derive(Debug)]
struct Question<S> {
    link: Link<S>,
    answers: S,
    trip: RoundTrip,
}

impl<S: Dispatch<WlCallback, RoundTrip> + 'static> Question<S> {
    /// Marks the end of what is asked.
    fn new(connection: &Connection, link: Link<S>, answers: S) -> Self {
        let trip = RoundTrip::default();
        connection.display().sync(&link.handle(), trip.clone());
        Self {
            link,
            answers,
            trip,
        }
    }

    /// Whether all answers are there.
    fn is_answered(&mut self) -> Result<bool, ConnectError> {
        self.link.flush()?;
        self.link.dispatch(&mut self.answers)?;
        Ok(self.trip.is_finished())
    }
}

impl Attempt {
    /// Connects, and asks. `guest` and `scanouts` are as for [`WaylandDisplay::connect`]; answers
    /// that are not there by `until` won't come.
    ///
    /// # Errors
    /// There is nobody to connect to.
    pub fn begin(
        source: WaylandSource,
        guest: &str,
        scanouts: usize,
        until: Instant,
    ) -> Result<Self, ConnectError> {
        let connection = source.open()?;
        let link = Link::new(&connection);
        // A registry of its own, so that what comes later can rely on the globals being there.
        connection.display().get_registry(&link.handle(), ());
        let listing = Question::new(&connection, link, Offer::default());
        Ok(Self {
            connection,
            stage: Stage::Listing(listing),
            until,
            guest: guest.to_owned(),
            scanouts,
        })
    }

    /// Goes on with what has arrived. The display, once it is complete; never blocks.
    ///
    /// # Errors
    /// The compositor is gone, did not answer in time, or lacks what Lucarne needs. There is no
    /// point in further calls then.
    pub fn step(&mut self) -> Result<Option<WaylandDisplay>, ConnectError> {
        if let Stage::Listing(listing) = &mut self.stage
            && listing.is_answered()?
        {
            let link = Link::new(&self.connection);
            let offer = std::mem::take(&mut listing.answers);
            let state = State::ask(&self.connection, &link, &offer, &self.guest, self.scanouts)?;
            let learning = Question::new(&self.connection, link, state);
            self.stage = Stage::Learning(Box::new(learning));
        }
        if let Stage::Learning(learning) = &mut self.stage
            && learning.is_answered()?
            && let Stage::Learning(learning) = std::mem::replace(&mut self.stage, Stage::Over)
        {
            let Question { link, answers, .. } = *learning;
            return Ok(Some(WaylandDisplay::new(link, answers)));
        }
        match self.until <= Instant::now() {
            true => Err(ConnectError::TimedOut),
            false => Ok(None),
        }
    }

    /// When the compositor's last answer must be there.
    pub fn deadline(&self) -> Instant {
        self.until
    }

    /// Waits for the display.
    pub(super) fn finish(mut self) -> Result<WaylandDisplay, ConnectError> {
        loop {
            if let Some(display) = self.step()? {
                return Ok(display);
            }
            self.wait();
        }
    }

    fn wait(&self) {
        let left = self.until.saturating_duration_since(Instant::now());
        // A wait that a signal cuts short or that can't be done ends in another step, and those
        // end with the deadline.
        let timeout = left.try_into().ok();
        let mut fds = [PollFd::new(self, PollFlags::IN)];
        let _ = poll(&mut fds, timeout.as_ref());
    }
}

impl AsFd for Attempt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}
