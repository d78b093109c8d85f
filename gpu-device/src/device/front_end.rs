//! The VMM's part of the loop: its connection, its guest's rings.
//!
//! Carries over to the core what [`crate::vhost_user`] notes down, and back to the rings what the
//! core answers.

use std::{os::unix::net::UnixStream, time::Instant};

use protocols::{
    ipc::device::DeviceEvent,
    virtio_gpu::{Command, Header},
};
use tracing::{debug, info, warn};

use super::{
    HostDisplay, Process,
    connection::{Connection, MESSAGES_PER_TURN},
    wait::Kicks,
};
use crate::{
    memory::GuestRam,
    renderer::choice::Impossible,
    vhost_user::{
        commands::Work, config_space::ConfigSpace, dialect::Dialect, handler::Handler,
        session::Step,
    },
};

/// A VMM that is connected to the graphics device.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) connection: Connection<ConfigSpace>,
    /// The dialect that was told to the supervisor.
    pub(super) told: Option<Dialect>,
    kicks: Kicks,
    /// Whose descriptors are to be emptied.
    kicked: [bool; 2],
}

impl<D: HostDisplay + 'static> Process<D> {
    pub(super) fn connect(&mut self, socket: UnixStream) -> Result<(), Box<dyn std::error::Error>> {
        let config = ConfigSpace::new(self.gpu.scanouts())
            .with_capsets(self.around.drawing.renderer().capsets())
            .with_window(self.around.window.offered());
        let connection = Connection::new(&self.handle, socket, config, &self.passed, |ready| {
            ready.front_end = true;
        })?;
        self.connected = Some(Connected {
            connection,
            told: None,
            kicks: Kicks::default(),
            kicked: [false; 2],
        });
        self.ready.front_end = true;
        Ok(())
    }

    /// Handles the messages of the VMM that have arrived.
    ///
    /// # Errors
    /// It is a VMM with which the guest can't have what was demanded for it.
    pub(super) fn hear_front_end(&mut self) -> Result<(), Impossible> {
        if !std::mem::take(&mut self.ready.front_end) {
            return Ok(());
        }
        for _ in 0..MESSAGES_PER_TURN {
            let Some(connected) = &mut self.connected else {
                return Ok(());
            };
            match connected.connection.session.step() {
                Ok(Step::Handled) => {
                    let started = self.follow_front_end();
                    self.follow_window();
                    if let Some(dialect) = started {
                        self.check_window(dialect.name())?;
                    }
                }
                Ok(Step::Waiting) => return Ok(()),
                Ok(Step::Closed) => {
                    info!("The VMM has closed its connection");
                    self.disconnect();
                }
                Err(error) => {
                    warn!(%error, "The connection to the VMM is given up");
                    self.disconnect();
                }
            }
        }
        self.ready.front_end = true;
        Ok(())
    }

    /// The kicks that are listened to.
    pub(super) fn kicks(&self) -> Kicks {
        let connected = self.connected.as_ref();
        connected.map_or_else(Kicks::default, |connected| connected.kicks.clone())
    }

    /// Rings were kicked: they are looked at in this turn.
    pub(super) fn kicked(&mut self, kicked: [bool; 2]) {
        let Some(connected) = &mut self.connected else {
            return;
        };
        connected.kicked = kicked;
        if kicked.contains(&true) {
            connected.connection.look_at(kicked);
        }
    }

    /// Empties the descriptors of the rings that were kicked. Returns whether there are any. Their rings
    /// are to be looked at once more: a kick can have come just now for a chain that was not seen yet.
    pub(super) fn empty_kicks(&mut self) -> bool {
        let Some(connected) = &mut self.connected else {
            return false;
        };
        let kicked = std::mem::take(&mut connected.kicked);
        let kicks = connected.kicks.iter_mut().zip(kicked).enumerate();
        for (index, (kick, _)) in kicks.filter(|(_, (_, kicked))| *kicked) {
            kick.take_if(|fd| !connected.connection.take_kick(index, fd));
        }
        kicked.contains(&true)
    }

    /// Carries out what a message meant for the rest of the process. Returns whose driver has begun to
    /// work by it, if one has.
    fn follow_front_end(&mut self) -> Option<Dialect> {
        let connected = self.connected.as_mut()?;
        let mut handler = connected.connection.session.handler();
        let changes = handler.take_changes();
        if changes.memory {
            self.around.ram = handler.memory.ram();
        }
        let evidence = handler.evidence;
        let runs = handler.runs();
        drop(handler);

        let mut context = self.around.context();
        if connected.connection.runs && !runs {
            self.gpu.keep_pictures(&mut context);
        }
        if changes.reset {
            debug!("The guest's driver is gone or starts anew");
            self.gpu.reset(&mut context);
            self.around.window.reset();
        }
        let mut context = self.around.context();
        if changes.memory {
            self.gpu.ram_changed(&mut context);
        }
        if changes.kicks {
            let handler = connected.connection.session.handler();
            connected.kicks = handler.rings.each_ref().map(|ring| ring.kick_fd().cloned());
        }
        let dialect = evidence.dialect();
        self.gpu.set_tells_changes(evidence.abilities().resize);
        let started = runs && !connected.connection.runs;
        if started {
            let abilities = evidence.abilities();
            info!(
                %dialect,
                abilities.blobs,
                abilities.resize,
                abilities.host_visible,
                "The guest's driver is at work"
            );
        }
        connected.connection.runs = runs;
        if connected.told != Some(dialect) {
            connected.told = Some(dialect);
            self.tell(&DeviceEvent::Connected {
                dialect: dialect.name().to_owned(),
            });
        }
        started.then_some(dialect)
    }

    /// The VMM is gone: its guest's memory and resources go, the windows and what they show stay.
    fn disconnect(&mut self) {
        let Some(connected) = self.connected.take() else {
            return;
        };
        self.around.ram = GuestRam::default();
        let mut context = self.around.context();
        self.gpu.keep_pictures(&mut context);
        self.gpu.reset(&mut context);
        self.gpu.ram_changed(&mut context);
        let told = connected.told.is_some();
        connected.connection.close(&self.handle);
        self.follow_window();
        if told {
            self.tell(&DeviceEvent::Disconnected);
        }
        if self.door.is_single() {
            info!("It was the only connection: the device ends");
            return self.quit();
        }
        self.door.listen(&self.handle, true);
    }

    /// Serves both rings, the control ring first: the pointer's image that the cursor ring names
    /// was made there.
    pub(super) fn serve_rings(&mut self) {
        let Some(connected) = &self.connected else {
            return;
        };
        let mut handler = connected.connection.session.handler();
        let Handler {
            rings,
            memory,
            config,
            ..
        } = &mut *handler;
        let (gpu, around) = (&mut self.gpu, &mut self.around);
        let mut now = Instant::now();
        let mut execute = |header: &Header, work: Work<'_>| {
            if needs_the_time(&work) {
                now = Instant::now();
            }
            let context = &mut around.context_at(now);
            match work {
                Work::Submit(commands) => gpu.submit(header, commands, context),
                Work::Command(command) => {
                    if matches!(command, Command::GetDisplayInfo) {
                        config.display_info_was_read();
                    }
                    gpu.execute(header, command, context)
                }
            }
        };
        let [control, cursor] = &mut *rings;
        if cursor.is_kicked() {
            control.look_at_it();
        }
        control.serve(memory.map(), &mut self.scratch, &mut execute);
        if !control.is_kicked() {
            cursor.serve(memory.map(), &mut self.scratch, &mut execute);
        }
    }

    /// Gives the guest the answers that are due.
    pub(super) fn give_answers(&mut self) {
        let answered = self.gpu.take_answered();
        let Some(connected) = &self.connected else {
            return drop(answered);
        };
        let mut handler = connected.connection.session.handler();
        let Handler { rings, memory, .. } = &mut *handler;
        for (ticket, response) in answered {
            rings
                .iter_mut()
                .for_each(|ring| ring.answer_is_due(ticket, &response));
        }
        for ring in rings {
            ring.give_answers(memory.map(), &mut self.scratch);
        }
    }

    /// Tells the guest of answers and of changed displays.
    pub(super) fn announce(&mut self) {
        let changed = self.gpu.display_changed();
        let Some(connected) = &self.connected else {
            return;
        };
        let mut handler = connected.connection.session.handler();
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

/// Whether a command is to be carried out at the time that it is now. For others that of the last one does:
/// the clock costs as much as they do.
fn needs_the_time(work: &Work<'_>) -> bool {
    match work {
        Work::Submit(_) => true,
        Work::Command(command) => !matches!(
            command,
            Command::TransferToHost2d { .. }
                | Command::ResourceCreate2d { .. }
                | Command::ResourceUnref { .. }
                | Command::ResourceAttachBacking { .. }
                | Command::ResourceDetachBacking { .. }
                | Command::MoveCursor { .. }
        ),
    }
}
