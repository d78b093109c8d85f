//! Kicks (driver to device) and calls (device to driver): eventfds, or a pipe where the VMM has
//! one.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    event::EventfdFlags,
    io::{Errno, read, write},
    pipe::PipeFlags,
};

/// Wakes the device.
#[derive(Debug)]
pub(super) struct Kick(OwnedFd);

impl Kick {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(eventfd()?))
    }

    pub(super) fn notify(&self) -> io::Result<()> {
        match write(&self.0, &1u64.to_ne_bytes()) {
            // The counter is full of kicks that the device has not seen yet: it is awake enough.
            Ok(_) | Err(Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Kick {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Wakes the driver.
#[derive(Debug)]
pub(super) struct Call {
    read: OwnedFd,
    /// The end that the device gets, where it is another one.
    write: Option<OwnedFd>,
}

impl Call {
    pub(super) fn new(by_pipe: bool) -> io::Result<Self> {
        if by_pipe {
            let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
            Ok(Self {
                read,
                write: Some(write),
            })
        } else {
            Ok(Self {
                read: eventfd()?,
                write: None,
            })
        }
    }

    /// The end for the device.
    pub(super) fn for_device(&self) -> BorrowedFd<'_> {
        self.write.as_ref().unwrap_or(&self.read).as_fd()
    }

    /// Takes all calls that are due.
    pub(super) fn drain(&self) -> io::Result<()> {
        let mut buffer = [0; 512];
        loop {
            match read(&self.read, &mut buffer) {
                Ok(0) | Err(Errno::AGAIN) => return Ok(()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Call {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}

fn eventfd() -> io::Result<OwnedFd> {
    Ok(rustix::event::eventfd(
        0,
        EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
    )?)
}
