//! Sleeping until something happens.
//!
//! The event loop needs five system calls for each time it sleeps. That is of no account for what comes now
//! and then, but kicks of the guest's rings, words of the host and answers of the renderer come hundreds of
//! times a second, and a guest waits for what is made of them. So these are watched here, beside the loop
//! as a whole, with one call, and the loop is entered only where something of its own has happened.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

/// The descriptors of the kicks that are listened to, by ring.
pub(super) type Kicks = [Option<Arc<OwnedFd>>; 2];

/// What is watched beside the loop; what is not there never wakes anybody.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watched<'fd> {
    pub(super) host: Option<BorrowedFd<'fd>>,
    pub(super) renderer: Option<BorrowedFd<'fd>>,
    pub(super) kicks: &'fd Kicks,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Woken {
    /// Something that the event loop watches.
    pub(super) event_loop: bool,
    /// The host has said something, or is gone.
    pub(super) host: bool,
    /// The renderer has answered, or is gone.
    pub(super) renderer: bool,
    /// A ring was kicked.
    pub(super) kicks: [bool; 2],
}

/// Sleeps until one of these is ready, no longer than `timeout`; for ever without one.
///
/// # Errors
/// The system's: out of memory.
pub(super) fn wait(
    event_loop: impl AsFd,
    beside: Watched<'_>,
    timeout: Option<Duration>,
) -> io::Result<Woken> {
    let event_loop = event_loop.as_fd();
    // Most of the time all of them are there: an array needs no memory of its own.
    let [first, second] = beside.kicks;
    let mut watched = [
        watch(Some(event_loop), event_loop),
        watch(beside.host, event_loop),
        watch(beside.renderer, event_loop),
        watch(first.as_ref().map(AsFd::as_fd), event_loop),
        watch(second.as_ref().map(AsFd::as_fd), event_loop),
    ];
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    match poll(&mut watched, timeout.as_ref()) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(Woken::default()),
        Err(error) => return Err(error.into()),
    }
    let [event_loop, host, renderer, first, second] = watched.map(|fd| !fd.revents().is_empty());
    Ok(Woken {
        event_loop,
        host,
        renderer,
        kicks: [first, second],
    })
}

/// A place in the array; what is not there is never ready.
fn watch<'fd>(fd: Option<BorrowedFd<'fd>>, instead: BorrowedFd<'fd>) -> PollFd<'fd> {
    match fd {
        Some(fd) => PollFd::from_borrowed_fd(fd, PollFlags::IN),
        None => PollFd::from_borrowed_fd(instead, PollFlags::empty()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use rustix::event::{EventfdFlags, eventfd};

    use super::*;

    fn bell() -> OwnedFd {
        eventfd(0, EventfdFlags::NONBLOCK).unwrap()
    }

    fn ring(bell: impl AsFd) {
        rustix::io::write(bell, &1_u64.to_ne_bytes()).unwrap();
    }

    const NOBODY: Watched<'_> = Watched {
        host: None,
        renderer: None,
        kicks: &[None, None],
    };

    const NOW: Option<Duration> = Some(Duration::ZERO);

    #[test]
    fn only_what_is_ready_is_told() {
        let (event_loop, host, renderer) = (bell(), bell(), bell());
        let kicks = [Some(Arc::new(bell())), Some(Arc::new(bell()))];
        let watched = Watched {
            host: Some(host.as_fd()),
            renderer: Some(renderer.as_fd()),
            kicks: &kicks,
        };
        let look = || wait(&event_loop, watched, NOW).unwrap();
        assert_eq!(look(), Woken::default());
        ring(kicks[1].as_ref().unwrap());
        let mut expected = Woken {
            kicks: [false, true],
            ..Woken::default()
        };
        assert_eq!(look(), expected);
        ring(&host);
        expected.host = true;
        assert_eq!(look(), expected);
        ring(&renderer);
        expected.renderer = true;
        assert_eq!(look(), expected);
        ring(&event_loop);
        expected.event_loop = true;
        assert_eq!(look(), expected);
    }

    #[test]
    fn what_is_not_there_is_never_ready() {
        let event_loop = bell();
        ring(&event_loop);
        let expected = Woken {
            event_loop: true,
            ..Woken::default()
        };
        assert_eq!(wait(&event_loop, NOBODY, None).unwrap(), expected);
    }

    #[test]
    fn a_host_that_is_gone_is_ready() {
        let (event_loop, (host, other)) = (bell(), UnixStream::pair().unwrap());
        drop(other);
        let watched = Watched {
            host: Some(host.as_fd()),
            ..NOBODY
        };
        let woken = wait(&event_loop, watched, None).unwrap();
        assert!(woken.host && !woken.event_loop);
    }

    #[test]
    fn time_passes() {
        let event_loop = bell();
        let short = Some(Duration::from_micros(10));
        let woken = wait(&event_loop, NOBODY, short).unwrap();
        assert_eq!(woken, Woken::default());
    }
}
