//! Outputs without monitors: a timer stands in for the vblank.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
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

/// The back-end without monitors.
#[derive(Debug, Default)]
pub struct Headless {
    timers: Vec<Timer>,
}

/// Wakes one output up.
///
/// A timerfd, because it takes absolute times of the clock that the vblanks are on: a program
/// that is late does not shift them, and an idle output costs no wake-ups.
#[derive(Debug)]
struct Timer {
    fd: Rc<OwnedFd>,
    armed: Option<Duration>,
}

impl Headless {
    /// Timers for this many outputs.
    ///
    /// # Errors
    /// The kernel gives no timers, mostly because too many files are open.
    pub fn new<D: HasState>(outputs: usize, handle: &LoopHandle<'static, D>) -> io::Result<Self> {
        let mut headless = Self::default();
        for output in 0..outputs {
            let fd = Rc::new(timerfd_create(
                TimerfdClockId::Monotonic,
                TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
            )?);
            let source = Generic::new(Shared(Rc::clone(&fd)), Interest::READ, Mode::Level);
            handle
                .insert_source(source, move |_, timer, data: &mut D| {
                    // Reading stops the timer from waking the loop up again; it has nothing to
                    // read if it was set anew meanwhile.
                    match rustix::io::read(&*timer, &mut [0; 8]) {
                        Ok(_) => data.state().output_woke(output),
                        Err(Errno::AGAIN) => {}
                        Err(error) => return Err(error.into()),
                    }
                    Ok(PostAction::Continue)
                })
                .map_err(|error| error.error)?;
            headless.timers.push(Timer { fd, armed: None });
        }
        Ok(headless)
    }

    pub(super) fn wake_at(&mut self, output: usize, deadline: Option<Duration>) {
        let Some(timer) = self.timers.get_mut(output) else {
            return;
        };
        if timer.armed == deadline {
            return;
        }
        if let Err(error) = timer.set(deadline) {
            // Times before 1970 and closed descriptors are all that the kernel refuses.
            error!("Could not set the timer of output {output}: {error}");
        }
    }

    /// The timer of an output went off, and has to be set again even to the same time.
    pub(super) fn woke(&mut self, output: usize) {
        if let Some(timer) = self.timers.get_mut(output) {
            timer.armed = None;
        }
    }
}

impl Timer {
    fn set(&mut self, deadline: Option<Duration>) -> io::Result<()> {
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
        self.armed = deadline;
        Ok(())
    }
}

/// A descriptor that the event loop polls and its owner sets.
#[derive(Debug)]
struct Shared(Rc<OwnedFd>);

impl AsFd for Shared {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}
