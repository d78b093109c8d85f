//! The VMM's part of the loop: its connection, its guest's rings.
//!
//! Carries over to the core what [`crate::vhost_user`] notes down, and back to the rings what the
//! core answers.

use std::os::{fd::OwnedFd, unix::net::UnixStream};

use protocols::{
    ipc::device::DeviceEvent,
    virtio_gpu::{Command, Header},
};
use tracing::{debug, info, warn};

use super::{
    HostDisplay, Process,
    connection::{Connection, MESSAGES_PER_TURN},
    process::context,
};
use crate::{
    memory::GuestRam,
    vhost_user::{config_space::ConfigSpace, dialect::Dialect, handler::Handler, session::Step},
};

/// A VMM that is connected to the graphics device.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) connection: Connection<ConfigSpace>,
    /// The dialect that was told to the supervisor.
    pub(super) told: Option<Dialect>,
}

impl<D: HostDisplay + 'static> Process<D> {
    pub(super) fn connect(&mut self, socket: UnixStream) -> Result<(), Box<dyn std::error::Error>> {
        let config = ConfigSpace::new(self.gpu.scanouts());
        let connection = Connection::new(&self.handle, socket, config, |ready| {
            ready.front_end = true;
        })?;
        self.connected = Some(Connected {
            connection,
            told: None,
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
            match connected.connection.session.step() {
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

    fn kicked(&mut self, index: usize, fd: &OwnedFd) -> bool {
        let connected = self.connected.as_ref();
        connected.is_some_and(|connected| connected.connection.take_kick(index, fd))
    }

    /// Carries out what a message meant for the rest of the process.
    fn follow_front_end(&mut self) {
        let Some(connected) = &mut self.connected else {
            return;
        };
        let mut handler = connected.connection.session.handler();
        let changes = handler.take_changes();
        if changes.memory {
            self.ram = handler.memory.ram();
        }
        let evidence = handler.evidence;
        let runs = handler.runs();
        drop(handler);

        let mut context = context(&self.ram, &mut self.display);
        if connected.connection.runs && !runs {
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
            let connection = &mut connected.connection;
            connection.watch_kicks(&self.handle, Self::kicked);
        }
        let dialect = evidence.dialect();
        self.gpu.set_tells_changes(evidence.abilities().resize);
        if runs && !connected.connection.runs {
            let abilities = evidence.abilities();
            info!(%dialect, abilities.blobs, abilities.resize, "The guest's driver is at work");
        }
        connected.connection.runs = runs;
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
        self.ram = GuestRam::default();
        let mut context = context(&self.ram, &mut self.display);
        self.gpu.keep_pictures(&mut context);
        self.gpu.reset(&mut context);
        self.gpu.ram_changed(&mut context);
        let told = connected.told.is_some();
        connected.connection.close(&self.handle);
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
        let answered = self.gpu.take_answered();
        let Some(connected) = &self.connected else {
            return drop(answered);
        };
        let mut handler = connected.connection.session.handler();
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
