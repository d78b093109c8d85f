//! The process that draws for a guest.
//!
//! Owns what happens in it: takes orders one after the other, has a [`Backend`] carry them out, answers
//! when what they wait for is reached. Its other end is [`super::remote`]. It knows the guest's memory by
//! the descriptors it was handed, and resolves every list of entries itself.
//!
//! It is the part that a guest may bring down. It ends when the device does, or when that closes its
//! end, and it leaves no core: that would be gigabytes of the guest's memory.

mod answers;
mod backend;
mod fences;
mod here;
mod memory;
mod service;
mod virgl;

use std::{os::fd::OwnedFd, process::ExitCode};

use protocols::render::{Lack, Report};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use tracing::{debug, error};

use self::{answers::Answers, service::Service};
pub use self::{
    backend::{Backend, Lacking},
    here::Here,
    memory::Memory,
};
use super::{
    link::{LinkError, RendererEnd},
    virgl::{Listener, Settings},
};

/// Draws with libvirglrenderer for the device at the other end of the socket, until that is closed.
pub fn run(socket: OwnedFd, settings: &Settings) -> ExitCode {
    serve(socket, |listener| virgl::start(settings, Some(listener)))
}

/// Draws with what `start` starts, where it may tell a listener of fences.
pub fn serve<B: Backend>(
    socket: OwnedFd,
    start: impl FnOnce(Listener) -> Result<B, Lacking>,
) -> ExitCode {
    match RendererEnd::open(socket).and_then(|link| draw(link, start)) {
        Ok(()) | Err(LinkError::Closed) => ExitCode::SUCCESS,
        Err(error) => {
            error!("Could not go on drawing for the guest: the device is of no use, {error}");
            ExitCode::FAILURE
        }
    }
}

fn draw<B: Backend>(
    link: RendererEnd,
    start: impl FnOnce(Listener) -> Result<B, Lacking>,
) -> Result<(), LinkError> {
    prepare();
    let answers = Answers::new(link.reports);
    let started = start(answers.listener());
    let report = match &started {
        Ok(backend) => Report::Hello {
            capsets: backend.capsets().to_vec(),
            versions: backend.versions().clone(),
        },
        Err(Lacking { lack, text }) => Report::Lacking {
            lack: *lack,
            text: text.clone(),
        },
    };
    answers.say(&report)?;
    match started {
        Ok(backend) => Service::new(link.orders, answers, backend).run(),
        Err(_) => Ok(()),
    }
}

/// Nothing here can fail where it would matter.
fn prepare() {
    // Where the device has ended before this, its end of the socket is closed.
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        debug!("The renderer may outlive its device for a moment: {error}");
    }
    let no_core = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = setrlimit(Resource::Core, no_core) {
        debug!("A renderer that fails may leave a core: {error}");
    }
}

impl Lacking {
    /// Something is missing.
    pub fn new(lack: Lack, text: impl ToString) -> Self {
        Self {
            lack,
            text: text.to_string(),
        }
    }
}

#[cfg(test)]
pub(super) mod fake;
