//! The seat: who may use screens and input devices, now.
//!
//! Through libseat, which speaks with logind, with seatd, or is its own seat manager for root.
//! smithay's session is not used: it confirms that the seat was taken away before anybody has
//! stopped using it, and it panics when the seat manager goes.
//!
//! The one unsafe line here takes over a descriptor that libseat hands out as a number.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt, io,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
    path::{Path, PathBuf},
    rc::Rc,
};

use calloop::{Interest, LoopHandle, Mode, PostAction, generic::Generic};
use libseat::SeatEvent;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
    io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd},
};
use smithay::backend::session::{AsErrno, Session};
use thiserror::Error;
use tracing::{debug, info, warn};

/// What happened to the seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEvent {
    /// It is ours: screens and input devices work.
    Active,
    /// It is going away. When everything has let go of its devices, [`Seat::let_go`] has to be
    /// called.
    Leaving,
    /// The seat manager is gone, and with it every device.
    Lost,
}

/// Why there is no seat, or a device can't be had from it.
#[derive(Debug, Error)]
pub enum SeatError {
    /// No seat.
    #[error(
        "Could not take a seat from logind or seatd: {0}. Start from a text console after logging \
         in there (not over ssh), or run seatd and be in its group; \"lucarne doctor\" tells more"
    )]
    Open(io::Error),
    /// A device was refused.
    #[error("Could not open {path} through the seat: {source}", path = .path.display())]
    Device {
        /// The device.
        path: PathBuf,
        /// What the seat manager said.
        source: io::Error,
    },
    /// The event loop took no more sources.
    #[error("Could not watch the seat: {0}. Close some programs and try again")]
    Watch(String),
    /// The seat was ours, and is nobody's any more.
    #[error(
        "Could not keep {seat}: its seat manager (logind or seatd) has ended, and with it every \
         screen and input device. See why in its log, start it and then this program again"
    )]
    Lost {
        /// The seat.
        seat: String,
    },
    /// The console can't be switched.
    #[error("Could not switch to console {number}: {source}")]
    Switch {
        /// The console.
        number: i32,
        /// What the seat manager said.
        source: io::Error,
    },
}

/// Whose the seat is.
///
/// ```text
///         Active                      the seat manager ends
///  Away ─────────▶ Ours      from both ────────────────────▶ Lost, for good
///       ◀─────────
///         Leaving
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Somebody else's.
    Away,
    Ours,
    /// Nobody's: there is nobody who could lend it.
    Lost,
}

/// The seat; clones are the same seat.
#[derive(Clone)]
pub struct Seat(Rc<Inner>);

struct Inner {
    seat: RefCell<libseat::Seat>,
    events: Rc<RefCell<Vec<SeatEvent>>>,
    /// By the number of the descriptor.
    devices: RefCell<HashMap<RawFd, libseat::Device>>,
    standing: Cell<Standing>,
    name: String,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat")
            .field("name", &self.0.name)
            .field("standing", &self.0.standing)
            .finish_non_exhaustive()
    }
}

fn system(error: impl Into<i32>) -> io::Error {
    io::Error::from_raw_os_error(error.into())
}

impl Seat {
    /// Takes the seat and calls `react` with everything that happens to it from now on. It may be
    /// active already.
    ///
    /// # Errors
    /// Nobody gives us one.
    pub fn open<D: 'static>(
        handle: &LoopHandle<'static, D>,
        mut react: impl FnMut(SessionEvent, &mut D) + 'static,
    ) -> Result<Self, SeatError> {
        let events = Rc::new(RefCell::new(Vec::new()));
        let queue = Rc::clone(&events);
        let mut seat = libseat::Seat::open(move |_, event| queue.borrow_mut().push(event))
            .map_err(|error| SeatError::Open(system(error)))?;
        let name = seat.name().to_owned();
        // Ours alone: what a child process could do with it, it could do to the console.
        let fd = seat
            .get_fd()
            .map_err(system)
            .and_then(|fd| {
                fcntl_setfd(fd, FdFlags::CLOEXEC)?;
                Ok(fcntl_dupfd_cloexec(fd, 3)?)
            })
            .map_err(SeatError::Open)?;
        let seat = Self(Rc::new(Inner {
            seat: RefCell::new(seat),
            events,
            devices: RefCell::default(),
            standing: Cell::new(Standing::Away),
            name,
        }));
        // Most seat managers answer at once; devices can be opened only after that.
        seat.wait_for_the_first_answer()?;
        let watched = seat.clone();
        let source = Generic::new(fd, Interest::READ, Mode::Level);
        handle
            .insert_source(source, move |_, fd, data: &mut D| {
                // libseat calls it no error when the connection to seatd has ended.
                let lost = watched.dispatch(0).is_err() || has_hung_up(fd.as_fd());
                while let Some(event) = watched.next_event() {
                    react(event, data);
                }
                if lost {
                    watched.0.standing.set(Standing::Lost);
                    react(SessionEvent::Lost, data);
                    return Ok(PostAction::Remove);
                }
                Ok(PostAction::Continue)
            })
            .map_err(|error| SeatError::Watch(error.error.to_string()))?;
        info!("Took {}", seat.0.name);
        Ok(seat)
    }

    fn wait_for_the_first_answer(&self) -> Result<(), SeatError> {
        const PATIENCE_MS: i32 = 2000;
        self.dispatch(0).map_err(SeatError::Open)?;
        if self.0.events.borrow().is_empty() {
            self.dispatch(PATIENCE_MS).map_err(SeatError::Open)?;
        }
        while let Some(event) = self.next_event() {
            debug!(?event, "The seat's first answer");
        }
        if !self.is_active() {
            info!("Waiting for {}: somebody else has it now", self.0.name);
        }
        Ok(())
    }

    fn dispatch(&self, milliseconds: i32) -> io::Result<()> {
        let result = self.0.seat.borrow_mut().dispatch(milliseconds);
        result.map(|_| ()).map_err(system)
    }

    fn next_event(&self) -> Option<SessionEvent> {
        let mut events = self.0.events.borrow_mut();
        if events.is_empty() {
            return None;
        }
        let event = events.remove(0);
        let (standing, event) = match event {
            SeatEvent::Enable => (Standing::Ours, SessionEvent::Active),
            SeatEvent::Disable => (Standing::Away, SessionEvent::Leaving),
        };
        self.0.standing.set(standing);
        Some(event)
    }

    /// Whether screens and input devices can be used.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.0.standing.get() == Standing::Ours
    }

    /// Whether there still is somebody who lends the seat, to us or to others.
    ///
    /// # Errors
    /// [`SeatError::Lost`].
    pub fn still_exists(&self) -> Result<(), SeatError> {
        match self.0.standing.get() {
            Standing::Away | Standing::Ours => Ok(()),
            Standing::Lost => Err(SeatError::Lost {
                seat: self.0.name.clone(),
            }),
        }
    }

    /// Its name, as `seat0`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Nothing uses the devices any more of the seat that is going away.
    pub fn let_go(&self) {
        if let Err(error) = self.0.seat.borrow_mut().disable() {
            warn!("Could not hand {} over: {}", self.0.name, system(error));
        }
    }

    /// Opens a device. Child processes do not inherit it.
    ///
    /// # Errors
    /// The seat manager refuses.
    pub fn open_device(&self, path: &Path) -> Result<OwnedFd, SeatError> {
        let failed = |source| SeatError::Device {
            path: path.to_owned(),
            source,
        };
        let device = self.0.seat.borrow_mut().open_device(&path);
        let device = device.map_err(|error| failed(system(error)))?;
        let number = device.as_fd().as_raw_fd();
        self.0.devices.borrow_mut().insert(number, device);
        // SAFETY: libseat gave this descriptor to its caller to close; `libseat::Device`, which
        // keeps its number for the seat manager, never does.
        let fd = unsafe { OwnedFd::from_raw_fd(number) };
        fcntl_setfd(&fd, FdFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
        Ok(fd)
    }

    /// Tells the seat manager that the device of this descriptor is not needed any more. Whoever
    /// has it closes it.
    pub fn forget_device(&self, fd: RawFd) {
        let device = self.0.devices.borrow_mut().remove(&fd);
        if let Some(device) = device
            && let Err(error) = self.0.seat.borrow_mut().close_device(device)
        {
            // Also when the device itself is gone.
            debug!("Could not give a device back: {}", system(error));
        }
    }

    /// Switches to another virtual console. That we leave ours is told by an event, if it happens.
    ///
    /// # Errors
    /// The seat has no consoles, or not this one.
    pub fn switch_to(&self, number: i32) -> Result<(), SeatError> {
        let result = self.0.seat.borrow_mut().switch_session(number);
        result.map_err(|error| SeatError::Switch {
            number,
            source: system(error),
        })
    }
}

/// Whether nobody is at the other end any more.
fn has_hung_up(fd: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let answer = poll(&mut polled, Some(&Timespec::default()));
    answer.is_ok()
        && polled[0]
            .revents()
            .intersects(PollFlags::HUP | PollFlags::ERR)
}

impl AsErrno for SeatError {
    fn as_errno(&self) -> Option<i32> {
        match self {
            Self::Open(source) | Self::Device { source, .. } | Self::Switch { source, .. } => {
                source.raw_os_error()
            }
            Self::Watch(_) | Self::Lost { .. } => None,
        }
    }
}

/// What libinput asks for.
impl Session for Seat {
    type Error = SeatError;

    fn open(&mut self, path: &Path, _: OFlags) -> Result<OwnedFd, SeatError> {
        self.open_device(path)
    }

    fn close(&mut self, fd: OwnedFd) -> Result<(), SeatError> {
        self.forget_device(fd.as_raw_fd());
        Ok(())
    }

    fn change_vt(&mut self, number: i32) -> Result<(), SeatError> {
        self.switch_to(number)
    }

    fn is_active(&self) -> bool {
        Self::is_active(self)
    }

    fn seat(&self) -> String {
        self.0.name.clone()
    }
}
