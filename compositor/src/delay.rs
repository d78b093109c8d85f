//! A call after a while, from an event loop.
//!
//! calloop has a source for that, too, but only its own wait knows when that is due. This one is a descriptor as
//! everything else in the loop is, so that [`App::run`](crate::app::App::run) can wait for the loop as a whole.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use calloop::{
    EventSource, Interest, Mode, Poll, PostAction, Readiness, Token, TokenFactory, generic::Generic,
};
use rustix::{
    io::{Errno, read},
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    },
};

/// A source that calls back once its time is over. Idle, it costs no wake-ups.
#[derive(Debug)]
pub(crate) struct Delay {
    after: Duration,
    /// While the loop has it.
    timer: Option<Generic<OwnedFd>>,
}

/// What comes after the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// No other: the loop forgets the source.
    Over,
    /// Another one, so much later.
    Again(Duration),
}

impl Delay {
    /// A call so much after a loop was given this.
    pub(crate) fn new(after: Duration) -> Self {
        Self { after, timer: None }
    }
}

impl EventSource for Delay {
    type Event = ();
    type Metadata = ();
    type Ret = Then;
    type Error = io::Error;

    fn process_events<F>(
        &mut self,
        readiness: Readiness,
        token: Token,
        mut callback: F,
    ) -> io::Result<PostAction>
    where
        F: FnMut((), &mut ()) -> Then,
    {
        let Some(timer) = &mut self.timer else {
            return Ok(PostAction::Continue);
        };
        timer.process_events(readiness, token, |_, timer| {
            match read(&*timer, &mut [0; 8]) {
                Ok(_) => {}
                Err(Errno::AGAIN | Errno::INTR) => return Ok(PostAction::Continue),
                Err(error) => return Err(error.into()),
            }
            match callback((), &mut ()) {
                Then::Over => Ok(PostAction::Remove),
                Then::Again(after) => set(&*timer, after).map(|()| PostAction::Continue),
            }
        })
    }

    fn register(&mut self, poll: &mut Poll, factory: &mut TokenFactory) -> calloop::Result<()> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags).map_err(io::Error::from)?;
        set(&fd, self.after)?;
        let timer = Generic::new(fd, Interest::READ, Mode::Level);
        self.timer.insert(timer).register(poll, factory)
    }

    fn reregister(&mut self, poll: &mut Poll, factory: &mut TokenFactory) -> calloop::Result<()> {
        match &mut self.timer {
            Some(timer) => timer.reregister(poll, factory),
            None => self.register(poll, factory),
        }
    }

    fn unregister(&mut self, poll: &mut Poll) -> calloop::Result<()> {
        match self.timer.take() {
            Some(mut timer) => timer.unregister(poll),
            None => Ok(()),
        }
    }
}

fn set(timer: impl AsFd, after: Duration) -> io::Result<()> {
    // Zero would stop it.
    let after = after.max(Duration::from_nanos(1));
    let value = Itimerspec {
        it_interval: Timespec::default(),
        it_value: Timespec {
            tv_sec: after.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: after.subsec_nanos().into(),
        },
    };
    timerfd_settime(timer, TimerfdTimerFlags::empty(), &value)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use calloop::EventLoop;
    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));

    #[test]
    fn it_calls_as_often_as_it_is_wanted_and_then_is_gone() {
        let mut event_loop: EventLoop<'static, u32> = EventLoop::try_new().unwrap();
        let delay = Delay::new(Duration::ZERO);
        let source = event_loop.handle().insert_source(delay, |(), (), calls| {
            *calls += 1;
            match calls {
                1 => Then::Again(Duration::from_millis(1)),
                _ => Then::Over,
            }
        });
        source.unwrap();
        let mut calls = 0;
        while calls < 2 {
            event_loop.dispatch(PATIENCE, &mut calls).unwrap();
        }
        let short = Some(Duration::from_millis(5));
        event_loop.dispatch(short, &mut calls).unwrap();
        assert_eq!(calls, 2);
    }

    #[test]
    fn whoever_waits_for_the_loop_as_a_whole_is_woken_up() {
        const AFTER: Duration = Duration::from_millis(3);
        let mut event_loop: EventLoop<'static, bool> = EventLoop::try_new().unwrap();
        let began = Instant::now();
        let source = event_loop
            .handle()
            .insert_source(Delay::new(AFTER), |(), (), called| {
                *called = true;
                Then::Over
            });
        source.unwrap();
        poll(&mut [PollFd::new(&event_loop, PollFlags::IN)], None).unwrap();
        assert!(began.elapsed() >= AFTER);
        let mut called = false;
        let now = Some(Duration::ZERO);
        event_loop.dispatch(now, &mut called).unwrap();
        assert!(called);
    }

    #[test]
    fn one_that_is_removed_does_not_call() {
        let mut event_loop: EventLoop<'static, u32> = EventLoop::try_new().unwrap();
        let handle = event_loop.handle();
        let delay = Delay::new(Duration::from_millis(1));
        let token = handle.insert_source(delay, |(), (), calls| {
            *calls += 1;
            Then::Over
        });
        handle.remove(token.unwrap());
        let mut calls = 0;
        let short = Some(Duration::from_millis(5));
        event_loop.dispatch(short, &mut calls).unwrap();
        assert_eq!(calls, 0);
    }
}
