//! When monitors are connected to and left, and what follows from what they tell.

use std::time::{Duration, Instant};

use protocols::ipc::{MachineState, device::DeviceRequest};
use tracing::{debug, info, warn};

use super::{Heard, Monitor, News, Place};
use crate::{
    app::App,
    delay::{Delay, Then},
    guests::Guest,
    host::Host,
};

/// From one try to connect to the next.
const PAUSE: Duration = Duration::from_millis(500);
/// How often it is tried: QEMU listens before it is connected to its device, but another VMM may
/// take its time.
const TRIES: u32 = 20;

impl<H: Host> App<H> {
    /// Connects to the monitor of a guest whose VMM runs.
    pub(in crate::guests) fn open_monitor(&mut self, name: &str) {
        self.try_monitor(name, TRIES);
    }

    fn try_monitor(&mut self, name: &str, tries: u32) {
        let Some(place) = self.guests.monitor_place(name) else {
            return;
        };
        let owner = name.to_owned();
        let Some(guest) = self.guests.list.get_mut(name) else {
            return;
        };
        let runs = guest.vmm_process.is_some();
        if !runs || guest.monitor.is_some() || matches!(place, Place::Nowhere(_)) {
            return;
        }
        let opened = Monitor::open(&place, &self.handle, move |app: &mut Self, heard| {
            app.monitor_said(&owner, heard);
        });
        match opened {
            Ok(Some(monitor)) => guest.monitor = Some(monitor),
            Ok(None) if tries > 0 => self.try_monitor_later(name, tries - 1),
            Ok(None) => warn!(
                guest = name,
                "The VMM does not listen to commands: it can't be paused, reset or shut down"
            ),
            Err(error) => warn!(
                guest = name,
                "Could not connect to the VMM's monitor: {error}"
            ),
        }
    }

    fn try_monitor_later(&mut self, name: &str, tries: u32) {
        let owner = name.to_owned();
        let timer = Delay::new(PAUSE);
        let timer = self
            .handle
            .insert_source(timer, move |(), (), app: &mut Self| {
                app.try_monitor(&owner, tries);
                Then::Over
            });
        if let Err(error) = timer {
            warn!(guest = name, "Could not set a timer: {}", error.error);
        }
    }

    /// Leaves the monitor of a VMM that has ended, or that is not worth listening to.
    pub(in crate::guests) fn close_monitor(&mut self, name: &str) {
        if let Some(guest) = self.guests.list.get_mut(name)
            && let Some(monitor) = guest.monitor.take()
        {
            guest.tell_machine(None);
            self.handle.remove(monitor.source());
        }
    }

    fn monitor_said(&mut self, name: &str, heard: Heard) {
        let Some(guest) = self.guests.list.get_mut(name) else {
            return;
        };
        let Some(monitor) = &mut guest.monitor else {
            return;
        };
        let before = monitor.state();
        match monitor.hear(heard, Instant::now()) {
            Ok(news) => {
                let state = monitor.state();
                if state != before {
                    guest.tell_machine(state);
                }
                for news in news {
                    report(name, before, news);
                }
            }
            Err(reason) => {
                debug!(guest = name, "The VMM's monitor: {reason}");
                self.close_monitor(name);
                // A VMM that ended is noticed by its end; one that goes on listens again.
                self.try_monitor_later(name, TRIES);
            }
        }
    }
}

impl Guest {
    /// Tells the device, for the titles of windows.
    pub(in crate::guests) fn tell_machine(&mut self, state: Option<MachineState>) {
        if let Some(status) = &mut self.status {
            status.send(&DeviceRequest::Machine { state });
        }
    }
}

/// Tells the log.
fn report(name: &str, before: Option<MachineState>, news: News) {
    match news {
        News::Ready => debug!(guest = name, "The VMM listens to commands"),
        News::State(MachineState::Running) if before.is_none() => {}
        News::State(state) => info!(guest = name, "The machine is {state}"),
        News::Refused { command, reason } => {
            warn!(guest = name, "The VMM refuses `{command}`: {reason}");
        }
        News::DiskError { is_full: true } => warn!(
            guest = name,
            "The machine was stopped: the disk of the host that its image is on is full. Make room, \
             then `lucarne msg resume {name}`"
        ),
        News::DiskError { is_full: false } => warn!(
            guest = name,
            "The machine was stopped: its disk image could not be read or written. Mend that, then \
             `lucarne msg resume {name}`"
        ),
    }
}
