//! Sleeping until something happens.
//!
//! The event loop needs five system calls for each time it sleeps. That is of no account for what comes now and
//! then, but clients' requests and outputs' times come at every frame. So these are waited for here, beside the loop
//! as a whole, with one call, and the loop is entered only where something of its own has happened.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};

/// What is waited for beside the loop.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'fd> {
    /// Readable when clients have said something.
    pub clients: BorrowedFd<'fd>,
    /// Readable when an output has something to do.
    pub timer: BorrowedFd<'fd>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Woken {
    /// Something that the event loop watches.
    pub event_loop: bool,
    /// Clients have said something.
    pub clients: bool,
    /// An output has something to do.
    pub timer: bool,
}

/// Sleeps until one of these is ready.
///
/// # Errors
/// The system's: out of memory.
pub(crate) fn wait(
    event_loop: impl AsFd,
    Beside { clients, timer }: Beside<'_>,
) -> io::Result<Woken> {
    let event_loop = event_loop.as_fd();
    let mut watched =
        [event_loop, clients, timer].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    match poll(&mut watched, None) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(Woken::default()),
        Err(error) => return Err(error.into()),
    }
    let [event_loop, clients, timer] = watched.map(|fd| !fd.revents().is_empty());
    Ok(Woken {
        event_loop,
        clients,
        timer,
    })
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use rustix::event::{EventfdFlags, eventfd};

    use super::*;

    fn bell(rings: bool) -> OwnedFd {
        eventfd(rings.into(), EventfdFlags::NONBLOCK).unwrap()
    }

    #[test]
    fn only_what_is_ready_is_told() {
        for ready in [
            [true, false, false],
            [false, true, false],
            [false, true, true],
        ] {
            let [event_loop, clients, timer] = ready.map(bell);
            let beside = Beside {
                clients: clients.as_fd(),
                timer: timer.as_fd(),
            };
            let woken = wait(&event_loop, beside).unwrap();
            assert_eq!([woken.event_loop, woken.clients, woken.timer], ready);
        }
    }
}
