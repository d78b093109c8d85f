//! A VMM's connection to one device, and what the loop watches of it.

use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::Arc,
};

use calloop::{Interest, LoopHandle, Mode, PostAction, RegistrationToken, generic::Generic};
use tracing::{debug, warn};

use super::{HostDisplay, Process, process::watch, ready::Ready};
use crate::vhost_user::{device_type::DeviceType, passed::Passed, rings::Ring, session::Session};

/// The most messages of a VMM that are handled before its guest is looked at again.
pub(super) const MESSAGES_PER_TURN: usize = 256;

/// The connection of a VMM.
#[derive(Debug)]
pub(super) struct Connection<T: DeviceType> {
    pub(super) session: Session<T>,
    watch: RegistrationToken,
    kicks: [Option<RegistrationToken>; 2],
    /// Whether a driver was at work after the last message.
    pub(super) runs: bool,
}

impl<T: DeviceType> Connection<T> {
    /// Takes over a socket; `note` notes down that there are messages, `passed` lists what the VMM has
    /// been given by the guest's devices.
    pub(super) fn new<D: HostDisplay + 'static>(
        handle: &LoopHandle<'static, Process<D>>,
        socket: UnixStream,
        config: T,
        passed: &Passed,
        note: impl FnMut(&mut Ready) + 'static,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let session = Session::new(socket, config)?;
        session.handler().passed = passed.clone();
        let fd = session.watched()?;
        let watch = watch(handle, fd, Interest::BOTH, Mode::Edge, note)?;
        debug!("A VMM has connected");
        Ok(Self {
            session,
            watch,
            kicks: [None, None],
            runs: false,
        })
    }

    /// Listens to the kick descriptors that the rings have now. `kicked` hands a kick of a ring to
    /// [`Connection::take_kick`].
    pub(super) fn watch_kicks<D: HostDisplay + 'static>(
        &mut self,
        handle: &LoopHandle<'static, Process<D>>,
        kicked: impl Fn(&mut Process<D>, usize, &OwnedFd) -> bool + Copy + 'static,
    ) {
        let handler = self.session.handler();
        for (index, (ring, token)) in handler.rings.iter().zip(&mut self.kicks).enumerate() {
            if let Some(token) = token.take() {
                handle.remove(token);
            }
            let Some(fd) = ring.kick_fd() else { continue };
            let source = Generic::new(Arc::clone(fd), Interest::READ, Mode::Level);
            let inserted = handle.insert_source(source, move |_, fd, process| {
                Ok(match kicked(process, index, fd.as_ref()) {
                    true => PostAction::Continue,
                    false => PostAction::Disable,
                })
            });
            match inserted {
                Ok(inserted) => *token = Some(inserted),
                Err(error) => warn!(%error, "A ring's kicks can't be listened to"),
            }
        }
    }

    /// These rings were kicked.
    pub(super) fn look_at(&self, kicked: [bool; 2]) {
        let mut handler = self.session.handler();
        let rings = handler.rings.iter_mut().zip(kicked);
        rings
            .filter(|(_, kicked)| *kicked)
            .for_each(|(ring, _)| ring.look_at_it());
    }

    /// A ring's kick descriptor is readable. Returns whether to go on listening to it.
    pub(super) fn take_kick(&self, index: usize, fd: &OwnedFd) -> bool {
        let mut handler = self.session.handler();
        let ring = handler.rings.get_mut(index);
        ring.is_some_and(|ring| ring.take_kick(fd))
    }

    /// Whether chains may be waiting in a ring.
    pub(super) fn rings_wait(&self) -> bool {
        let handler = self.session.handler();
        handler.rings.iter().any(Ring::is_kicked)
    }

    /// Nothing of it is watched any longer.
    pub(super) fn close<D: HostDisplay + 'static>(self, handle: &LoopHandle<'static, Process<D>>) {
        handle.remove(self.watch);
        for kick in self.kicks.into_iter().flatten() {
            handle.remove(kick);
        }
    }
}
