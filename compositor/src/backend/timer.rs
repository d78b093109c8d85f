//! The one timer of all outputs.

use std::{
    fmt, io,
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
use tracing::{error, warn};

use crate::state::HasState;

/// Wakes the state up when an output has something to do.
///
/// A timerfd, because it takes absolute times of the clock that the vblanks are on: a program
/// that is late does not shift them, and idle outputs cost no wake-ups. One for all outputs: they
/// may come and go without a source in the event loop each.
pub struct Timer {
    fd: Rc<OwnedFd>,
    armed: Option<Duration>,
    /// Has the loop watch it no longer, while it does.
    leave_loop: Option<Box<dyn FnOnce()>>,
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("fd", &self.fd)
            .field("armed", &self.armed)
            .finish_non_exhaustive()
    }
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
        let source = Generic::new(Rc::clone(&fd), Interest::READ, Mode::Level);
        let watch = handle
            .insert_source(source, move |_, _, data: &mut D| {
                data.state().serve_timer();
                Ok(PostAction::Continue)
            })
            .map_err(|error| error.error)?;
        let handle = handle.clone();
        Ok(Self {
            fd,
            armed: None,
            leave_loop: Some(Box::new(move || handle.remove(watch))),
        })
    }

    /// The loop does not watch it any longer: whoever runs the loop calls `State::serve_timer`.
    pub(crate) fn leave_loop(&mut self) {
        if let Some(leave) = self.leave_loop.take() {
            leave();
        }
    }

    /// Whether it went off. It is not readable any longer then.
    pub(crate) fn take(&self) -> bool {
        match rustix::io::read(&*self.fd, &mut [0; 8]) {
            Ok(_) => true,
            // It was set anew meanwhile.
            Err(Errno::AGAIN) => false,
            Err(error) => {
                warn!("Could not read the outputs' timer: {error}");
                false
            }
        }
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

impl AsFd for Timer {
    /// Readable when it went off.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
