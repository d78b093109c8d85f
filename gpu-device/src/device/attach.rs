//! Hosts that go and come while the guest runs, and what its supervisor asks about them.

use std::{path::PathBuf, time::Instant};

use protocols::ipc::device::{Asked, DeviceEvent};
use tracing::{debug, info};

use super::{DeviceError, HostDisplay, Process, attachment::Arrival};
use crate::display::wayland::WaylandSource;

impl<D: HostDisplay + 'static> Process<D> {
    /// The host is gone: the guest runs on without, until another one is there.
    ///
    /// # Errors
    /// The host can't be called again; its supervisor starts the device anew.
    pub(super) fn lose_host(&mut self) -> Result<(), DeviceError> {
        self.around.display.lose(Instant::now())?;
        self.host_gone();
        self.tell(&DeviceEvent::Detached);
        Ok(())
    }

    /// Goes on with finding a host, where one is looked for.
    pub(super) fn look_for_host(&mut self) {
        match self.around.display.step(Instant::now()) {
            Arrival::Nothing => {}
            Arrival::Refused(error) => self.answer(Asked::Attach, Err(error)),
            Arrival::Connected { asked, moved } => self.meet_host(asked, moved),
        }
    }

    fn meet_host(&mut self, asked: bool, moved: bool) {
        if moved {
            self.host_gone();
        }
        info!("The guest is shown by a compositor");
        self.show_machine();
        self.gpu.host_is_there(&mut self.around.context());
        // Its first answers brought events.
        self.ready.display = true;
        self.tell(&DeviceEvent::Attached);
        if asked {
            self.answer(Asked::Attach, Ok(()));
        }
    }

    /// What the host knew and held is no more.
    fn host_gone(&mut self) {
        self.gpu.host_gone();
        self.desk.host_gone();
    }

    /// The supervisor wants the guest to be shown on a display.
    pub(super) fn attach(&mut self, display: Option<PathBuf>) {
        let handed_over = self.take_handed_over().map(WaylandSource::Socket);
        let source = display.map(WaylandSource::Display).or(handed_over);
        if self.around.display.give_up() {
            let text = "another display was asked for before this one had answered";
            self.answer(Asked::Attach, Err(text.to_owned()));
        }
        debug!(?source, "asked to be shown");
        if let Err(error) = self.around.display.ask(source) {
            self.answer(Asked::Attach, Err(error.to_string()));
        }
    }

    /// The supervisor wants the guest to be shown nowhere.
    pub(super) fn detach(&mut self) {
        let was_attached = self.around.display.is_attached();
        if self.around.display.detach() {
            let text = "it was to be detached before the display had answered";
            self.answer(Asked::Attach, Err(text.to_owned()));
        }
        if was_attached {
            info!("The guest is shown nowhere now, and runs on");
            self.host_gone();
        }
        self.tell(&DeviceEvent::Detached);
        self.answer(Asked::Detach, Ok(()));
    }
}
