//! One descriptor for all that a loop has to watch, while processes come and go.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::event::epoll;

/// Readable while one of the descriptors in it is.
#[derive(Debug)]
pub(super) struct Watched {
    epoll: OwnedFd,
}

impl Watched {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        })
    }

    pub(super) fn add(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        // Nobody asks which it was.
        let data = epoll::EventData::new_u64(0);
        Ok(epoll::add(&self.epoll, fd, data, epoll::EventFlags::IN)?)
    }

    /// Closing a descriptor does not suffice while another process has it, too.
    pub(super) fn remove(&self, fd: BorrowedFd<'_>) {
        // Fails only where it was removed before.
        let _ = epoll::delete(&self.epoll, fd);
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
