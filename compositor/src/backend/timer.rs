//! The one timer of all outputs.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    rc::Rc,
    time::Duration,
};

use calloop::{Interest, LoopHandle, Mode, PostAction, generic::Generic};
use rustix::{
    io::Errno,
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    },
};
use tracing::error;

use crate::state::HasState;

/// Wakes the state up when an output has something to do.
///
/// A timerfd, because it takes absolute times of the clock that the vblanks are on: a program
/// that is late does not shift them, and idle outputs cost no wake-ups. One for all outputs: they
/// may come and go without a source in the event loop each.
#[derive(Debug)]
pub struct Timer {
    fd: Rc<OwnedFd>,
    armed: Option<Duration>,
}

impl Timer {
    /// A timer that is not set. When it goes off, `State::timer_went_off` is called.
    ///
    /// # Errors
    /// The kernel gives no timer, mostly because too many files are open.
    pub fn new<D: HasState>(handle: &LoopHandle<'static, D>) -> io::Result<Self> {
        let fd = Rc::new(timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?);
        let source = Generic::new(Shared(Rc::clone(&fd)), Interest::READ, Mode::Level);
        handle
            .insert_source(source, move |_, timer, data: &mut D| {
                // Reading stops the timer from waking the loop up again; it has nothing to read if
                // it was set anew meanwhile.
                match rustix::io::read(&*timer, &mut [0; 8]) {
                    Ok(_) => data.state().timer_went_off(),
                    Err(Errno::AGAIN) => {}
                    Err(error) => return Err(error.into()),
                }
                Ok(PostAction::Continue)
            })
            .map_err(|error| error.error)?;
        Ok(Self { fd, armed: None })
    }

    /// Goes off at a time of the clock of [`now`](super::now), or not at all. Replaces what was
    /// wanted before.
    pub fn set(&mut self, deadline: Option<Duration>) {
        if self.armed == deadline {
            return;
        }
        match self.arm(deadline) {
            Ok(()) => self.armed = deadline,
            // Times before 1970 and closed descriptors are all that the kernel refuses.
            Err(error) => error!("Could not set the outputs' timer: {error}"),
        }
    }

    /// It went off, and has to be set again even to the same time.
    pub fn went_off(&mut self) {
        self.armed = None;
    }

    fn arm(&self, deadline: Option<Duration>) -> io::Result<()> {
        // All zeros stops a timer.
        let value = match deadline {
            None => Timespec::default(),
            Some(deadline) => Timespec {
                tv_sec: deadline.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: deadline.subsec_nanos().into(),
            },
        };
        let value = Itimerspec {
            it_interval: Timespec::default(),
            it_value: value,
        };
        timerfd_settime(&*self.fd, TimerfdTimerFlags::ABSTIME, &value)?;
        Ok(())
    }
}

/// A descriptor that the event loop polls and its owner sets.
#[derive(Debug)]
struct Shared(Rc<OwnedFd>);

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
