//! What devices tell, and what follows from it.

use std::time::Instant;

use protocols::ipc::{
    MachineAction,
    device::{Asked, DeviceEvent, DeviceRequest},
};
use tracing::{info, warn};

use super::{lifecycle::Event, shown::Then};
use crate::{app::App, host::Host};

impl<H: Host> App<H> {
    pub(super) fn device_event(&mut self, name: &str, event: DeviceEvent) {
        let Some(guest) = self.guests.list.get_mut(name) else {
            return;
        };
        match event {
            DeviceEvent::Listening => self.guest_event(name, Event::Listening),
            DeviceEvent::Connected { dialect } => {
                info!(
                    guest = name,
                    "The VMM is connected and behaves as {dialect}"
                );
                guest.dialect = Some(dialect);
                self.open_monitor(name);
                self.guest_event(name, Event::Connected);
            }
            DeviceEvent::Disconnected => {
                guest.dialect = None;
                self.guest_event(name, Event::Disconnected);
            }
            DeviceEvent::Stats(stats) => self.device_stats(name, stats),
            DeviceEvent::Renderer(renderer) => guest.renderer = Some(renderer),
            DeviceEvent::CloseRequested => self.last_window_closed(name),
            DeviceEvent::Attached => guest.shown.attached = true,
            DeviceEvent::Detached => {
                guest.shown.attached = false;
                info!(
                    guest = name,
                    "The guest is shown nowhere. `lucarne attach {name}` shows it"
                );
            }
            DeviceEvent::Answer { to, error } => {
                if error.is_none() && to == Asked::Attach {
                    guest.shown.arrived();
                }
                self.answer_arrived(name, to, error);
            }
        }
    }

    /// The user has closed a guest's last window; it is still there.
    fn last_window_closed(&mut self, name: &str) {
        let Some(guest) = self.guests.list.get_mut(name) else {
            return;
        };
        match guest.shown.closed(guest.config.on_close, Instant::now()) {
            Then::PressPower => match self.guests.machine(name, MachineAction::Power) {
                Ok(()) => info!(
                    guest = name,
                    "Its window was closed: the guest is asked to shut down. Close it again within \
                     30 seconds to end it at once"
                ),
                Err(error) => {
                    info!(
                        guest = name,
                        "Its window was closed: ending the guest. {error}"
                    );
                    self.guest_event(name, Event::Stop);
                }
            },
            Then::End => {
                info!(guest = name, "Its window was closed: ending the guest");
                self.guest_event(name, Event::Stop);
            }
            Then::Detach => {
                info!(guest = name, "Its window was closed: the guest runs on");
                if let Err(error) = self.guests.ask(name, &DeviceRequest::Detach) {
                    warn!(guest = name, "{error}");
                }
            }
        }
    }
}
