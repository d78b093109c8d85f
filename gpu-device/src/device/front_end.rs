//! The VMM's part of the loop: its connection, its guest's rings.
//!
//! Carries over to the core what [`crate::vhost_user`] notes down, and back to the rings what the
//! core answers.

use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::Arc,
};

use calloop::{Interest, LoopHandle, Mode, PostAction, RegistrationToken, generic::Generic};
use protocols::{
    ipc::device::DeviceEvent,
    virtio_gpu::{Command, Header},
};
use tracing::{debug, info, warn};

use super::{
    HostDisplay, Process,
    process::{context, watch},
};
use crate::{
    memory::GuestRam,
    vhost_user::{
        dialect::Dialect,
        handler::Handler,
        session::{Session, Step},
    },
};

/// The most messages of a VMM that are handled before its guest is looked at again.
const MESSAGES_PER_TURN: usize = 256;

/// A VMM that is connected.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) session: Session,
    watch: RegistrationToken,
    kicks: [Option<RegistrationToken>; 2],
    /// The dialect that was told to the supervisor.
    pub(super) told: Option<Dialect>,
    /// Whether a driver was at work after the last message.
    runs: bool,
}

impl<D: HostDisplay + 'static> Process<D> {
    pub(super) fn connect(&mut self, socket: UnixStream) -> Result<(), Box<dyn std::error::Error>> {
        let session = Session::new(socket, self.gpu.scanouts())?;
        let fd = session.watched()?;
        let watch = watch(&self.handle, fd, Interest::BOTH, Mode::Edge, |ready| {
            ready.front_end = true;
        })?;
        debug!("A VMM has connected");
        self.connected = Some(Connected {
            session,
            watch,
            kicks: [None, None],
            told: None,
            runs: false,
        });
        self.ready.front_end = true;
        Ok(())
    }

    /// Handles the messages of the VMM that have arrived.
    pub(super) fn hear_front_end(&mut self) {
        if !std::mem::take(&mut self.ready.front_end) {
            return;
        }
        for _ in 0..MESSAGES_PER_TURN {
            let Some(connected) = &mut self.connected else {
                return;
            };
            match connected.session.step() {
                Ok(Step::Handled) => self.follow_front_end(),
                Ok(Step::Waiting) => return,
                Ok(Step::Closed) => {
                    info!("The VMM has closed its connection");
                    return self.disconnect();
                }
                Err(error) => {
                    warn!(%error, "The connection to the VMM is given up");
                    return self.disconnect();
                }
            }
        }
        self.ready.front_end = true;
    }

    /// A ring's kick descriptor is readable. Returns whether to go on listening to it.
    fn kicked(&mut self, index: usize, fd: &OwnedFd) -> bool {
        let Some(connected) = &self.connected else {
            return false;
        };
        let mut handler = connected.session.handler();
        handler
            .rings
            .get_mut(index)
            .is_some_and(|ring| ring.take_kick(fd))
    }

    /// Carries out what a message meant for the rest of the process.
    fn follow_front_end(&mut self) {
        let Some(connected) = &mut self.connected else {
            return;
        };
        let mut handler = connected.session.handler();
        let changes = handler.take_changes();
        if changes.memory {
            self.ram = handler.memory.ram();
        }
        let evidence = handler.evidence;
        let runs = handler.runs();
        drop(handler);

        let mut context = context(&self.ram, &mut self.display);
        if connected.runs && !runs {
            self.gpu.keep_pictures(&mut context);
        }
        if changes.reset {
            debug!("The guest's driver is gone or starts anew");
            self.gpu.reset(&mut context);
        }
        if changes.memory {
            self.gpu.ram_changed(&mut context);
        }
        if changes.kicks {
            watch_kicks(&self.handle, connected);
        }
        let dialect = evidence.dialect();
        self.gpu.set_tells_changes(evidence.abilities().resize);
        if runs && !connected.runs {
            let abilities = evidence.abilities();
            info!(%dialect, abilities.blobs, abilities.resize, "The guest's driver is at work");
        }
        connected.runs = runs;
        if connected.told != Some(dialect) {
            connected.told = Some(dialect);
            self.tell(&DeviceEvent::Connected {
                dialect: dialect.name().to_owned(),
            });
        }
    }

    /// The VMM is gone: its guest's memory and resources go, the windows and what they show stay.
    fn disconnect(&mut self) {
        let Some(connected) = self.connected.take() else {
            return;
        };
        self.handle.remove(connected.watch);
        for kick in connected.kicks.into_iter().flatten() {
            self.handle.remove(kick);
        }
        self.ram = GuestRam::default();
        let mut context = context(&self.ram, &mut self.display);
        self.gpu.keep_pictures(&mut context);
        self.gpu.reset(&mut context);
        self.gpu.ram_changed(&mut context);
        if connected.told.is_some() {
            self.tell(&DeviceEvent::Disconnected);
        }
        self.listen(true);
    }

    /// Serves both rings, the control ring first: the pointer's image that the cursor ring names
    /// was made there.
    pub(super) fn serve_rings(&mut self) {
        let answered = self.gpu.take_answered();
        let Some(connected) = &self.connected else {
            return drop(answered);
        };
        let mut handler = connected.session.handler();
        let Handler {
            rings,
            memory,
            config,
            ..
        } = &mut *handler;
        answered.for_each(|flush| rings.iter_mut().for_each(|ring| ring.flush_is_due(flush)));

        let (gpu, ram, display) = (&mut self.gpu, &self.ram, &mut self.display);
        let mut execute = |header: &Header, command: Command| {
            if matches!(command, Command::GetDisplayInfo) {
                config.display_info_was_read();
            }
            gpu.execute(header, command, &mut context(ram, display))
        };
        let [control, cursor] = &mut *rings;
        if cursor.is_kicked() {
            control.look_at_it();
        }
        control.serve(memory.map(), &mut self.scratch, &mut execute);
        if !control.is_kicked() {
            cursor.serve(memory.map(), &mut self.scratch, &mut execute);
        }
        for flush in self.gpu.take_answered() {
            rings.iter_mut().for_each(|ring| ring.flush_is_due(flush));
        }
        for ring in rings {
            ring.answer_flushes(memory.map(), &mut self.scratch);
        }
    }

    /// Tells the guest of answers and of changed displays.
    pub(super) fn announce(&mut self) {
        let changed = self.gpu.display_changed();
        let Some(connected) = &self.connected else {
            return;
        };
        let mut handler = connected.session.handler();
        if changed {
            handler.config.raise_display_event();
            handler.config_changed = true;
        }
        let Handler { rings, memory, .. } = &mut *handler;
        rings
            .iter_mut()
            .for_each(|ring| ring.announce(memory.map()));
        handler.announce_config();
    }
}

/// Listens to the kick descriptors that the rings have now.
fn watch_kicks<D: HostDisplay + 'static>(
    handle: &LoopHandle<'static, Process<D>>,
    connected: &mut Connected,
) {
    let handler = connected.session.handler();
    for (index, (ring, token)) in handler.rings.iter().zip(&mut connected.kicks).enumerate() {
        if let Some(token) = token.take() {
            handle.remove(token);
        }
        let Some(fd) = ring.kick_fd() else { continue };
        let source = Generic::new(Arc::clone(fd), Interest::READ, Mode::Level);
        let inserted = handle.insert_source(source, move |_, fd, process: &mut Process<D>| {
            Ok(match process.kicked(index, fd.as_ref()) {
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
