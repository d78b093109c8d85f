//! The graphics device that does nothing: rings, kicks and sockets, and no graphics.
//!
//! Looks at the header of each command and answers that it is done, with the data that a driver's start
//! needs. No rectangle is looked at, no resource is known, no pixel is touched, and a fence is answered
//! at once. One thread, and no system call but those that no device can do without.

use std::{io, os::fd::OwnedFd, path::Path, sync::Arc};

use anyhow::Context as _;
use gpu_device::{
    SocketSource,
    vhost_user::{
        config_space::ConfigSpace,
        device_type::DeviceType,
        handler::Handler,
        listener::Listener,
        session::{Session, SessionError, Step},
    },
};
use protocols::virtio_gpu::{Command, HEADER_SIZE, Header, Response};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};

use crate::bench::peer::monitor::Monitor;

/// What is read of a command: its header. The rest would have to be copied out of the guest's memory.
const LIMIT: usize = HEADER_SIZE;

/// Serves one VMM after the other at `socket`, each with one monitor.
///
/// # Errors
/// Nobody can connect there.
pub fn run(socket: &Path, monitor: Monitor) -> anyhow::Result<()> {
    let answers = Answers::new(monitor)?;
    let mut listener = Listener::new(SocketSource::Path(socket.to_owned()))?;
    loop {
        wait(&mut [PollFd::new(&listener, PollFlags::IN)])?;
        if let Some(stream) = listener.accept().context("Could not accept a VMM")? {
            let session = Session::new(stream, NullSpace(ConfigSpace::new(1)));
            if let Err(error) = session.and_then(|session| serve(session, &answers)) {
                tracing::warn!(%error, "The connection to the VMM is given up");
            }
        }
    }
}

/// Serves a VMM until it goes.
fn serve(mut session: Session<NullSpace>, answers: &Answers) -> Result<(), SessionError> {
    let mut scratch = Scratch::default();
    loop {
        match session.step()? {
            Step::Handled => {}
            Step::Closed => return Ok(()),
            Step::Waiting => {
                scratch.answer_all(&mut session.handler(), answers);
                serve_rings(&session, &mut scratch, answers)?;
            }
        }
    }
}

/// Answers commands until the VMM says something. The descriptors are the same until then.
fn serve_rings(
    session: &Session<NullSpace>,
    scratch: &mut Scratch,
    answers: &Answers,
) -> Result<(), SessionError> {
    let kicks: Vec<(usize, Arc<OwnedFd>)> = {
        let handler = session.handler();
        let kicks = handler.rings.iter().map(|ring| ring.kick_fd().cloned());
        let numbered = kicks.enumerate();
        numbered
            .filter_map(|(index, kick)| Some((index, kick?)))
            .collect()
    };
    let mut fds = vec![PollFd::new(session, PollFlags::IN)];
    fds.extend(
        kicks
            .iter()
            .map(|(_, kick)| PollFd::new(kick, PollFlags::IN)),
    );
    loop {
        wait(&mut fds)?;
        let Some((socket, kicked)) = fds.split_first() else {
            return Ok(());
        };
        if !socket.revents().is_empty() {
            return Ok(());
        }
        let handler = &mut *session.handler();
        for (fd, (index, kick)) in kicked.iter().zip(&kicks) {
            if !fd.revents().is_empty()
                && let Some(ring) = handler.rings.get_mut(*index)
                && !ring.take_kick(kick)
            {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        scratch.answer_all(handler, answers);
    }
}

/// Waits until one of the descriptors is ready.
fn wait(fds: &mut [PollFd<'_>]) -> io::Result<()> {
    match poll(fds, None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Buffers that are used again and again.
#[derive(Debug, Default)]
struct Scratch {
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Scratch {
    /// Answers all commands that wait in the rings that were kicked.
    fn answer_all(&mut self, handler: &mut Handler<NullSpace>, answers: &Answers) {
        let Self { request, answer } = self;
        let Handler { rings, memory, .. } = handler;
        let map = memory.map();
        for ring in rings {
            while ring.is_kicked() {
                ring.serve_chains(map, request, LIMIT, |queue, (), chain, request| {
                    answer.clear();
                    // Commands of the pointer leave no room for an answer.
                    if chain.room.size() > 0 {
                        answers.encode(request, answer);
                    }
                    queue.complete(&chain, answer).map(drop)
                });
                ring.announce(map);
            }
        }
    }
}

/// What commands are answered with.
#[derive(Debug)]
struct Answers {
    display_info: Response,
    edid: Response,
}

impl Answers {
    fn new(monitor: Monitor) -> anyhow::Result<Self> {
        Ok(Self {
            display_info: Response::OkDisplayInfo(Box::new(monitor.display_info())),
            edid: Response::OkEdid(monitor.edid()?),
        })
    }

    /// The answer to the command that begins with `request`.
    fn encode(&self, request: &[u8], answer: &mut Vec<u8>) {
        const GET_DISPLAY_INFO: u32 = Command::GetDisplayInfo.kind();
        const GET_EDID: u32 = Command::GetEdid { scanout: 0 }.kind();
        const ASSIGN_UUID: u32 = Command::ResourceAssignUuid { resource_id: 0 }.kind();
        let header = Header::decode(request).map_or(Header::default(), |(header, _)| header);
        match header.kind {
            GET_DISPLAY_INFO => self.display_info.encode(&header, answer),
            GET_EDID => self.edid.encode(&header, answer),
            ASSIGN_UUID => Response::OkResourceUuid([0; 16]).encode(&header, answer),
            _ => Response::OkNodata.encode(&header, answer),
        }
    }
}

/// The configuration space of Lucarne's own device without 3D, so that drivers find the same features.
#[derive(Debug)]
struct NullSpace(ConfigSpace);

impl DeviceType for NullSpace {
    const RINGS: [&'static str; 2] = ConfigSpace::RINGS;

    type Chains = ();

    fn features(&self) -> u64 {
        self.0.features()
    }

    fn window(&self) -> u64 {
        self.0.window()
    }

    fn read(&self, offset: u32, size: u32) -> Vec<u8> {
        self.0.read(offset, size)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> bool {
        self.0.write(offset, bytes)
    }

    fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests;
