//! What can be done to a guest's machine while it runs: its power button, pause, reset.

use std::time::Instant;

use protocols::ipc::{self, ErrorCode, MachineAction};

use super::{
    Guests,
    monitor::{Monitor, Place},
    vmm::Seat,
};

impl Guests {
    /// Asks a guest's VMM to do something to its machine. That it was asked is all that is known
    /// when this returns: what becomes of it, the VMM tells later.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownGuest`]; [`ErrorCode::Unsupported`] for a VMM that can't be asked, with
    /// what to do instead; [`ErrorCode::Failed`] for one that does not run or does not listen.
    pub fn machine(&mut self, name: &str, action: MachineAction) -> Result<(), ipc::Error> {
        let error = |code, reason: &str| ipc::Error {
            code,
            text: format!("Could not {} {name}: {reason}", verb(action)),
        };
        let Some(place) = self.monitor_place(name) else {
            let reason = "there is no such guest. `lucarne msg guests` lists them";
            return Err(error(ErrorCode::UnknownGuest, reason));
        };
        if let Place::Nowhere(remedy) = place {
            let reason = format!("its VMM takes no commands from lucarne. {remedy}");
            return Err(error(ErrorCode::Unsupported, &reason));
        }
        let failed = |reason: &str| Err(error(ErrorCode::Failed, reason));
        let Some(guest) = self.list.get_mut(name) else {
            return failed("it is not there");
        };
        let before = guest.monitor.as_ref().and_then(Monitor::state);
        let asked = match (&mut guest.monitor, &guest.vmm_process) {
            (Some(monitor), Some(vmm)) => monitor.ask(action, &vmm.process, Instant::now()),
            (None, Some(_)) => {
                return failed("its VMM does not listen yet. Try again in a moment");
            }
            (_, None) => return failed("it does not run. Start it with `lucarne msg restart`"),
        };
        let state = guest.monitor.as_ref().and_then(Monitor::state);
        if state != before {
            guest.tell_machine(state);
        }
        asked.or_else(|reason| failed(&reason.to_string()))
    }

    /// Where a guest's VMM takes commands; `None` for a guest that there is not.
    pub(super) fn monitor_place(&self, name: &str) -> Option<Place> {
        let guest = self.list.get(name)?;
        let socket = self.socket(name);
        Some(guest.vmm.monitor(Seat {
            name,
            guest: &guest.config,
            socket: &socket,
            inputs: &[],
            folder: self.folder.path(),
        }))
    }
}

fn verb(action: MachineAction) -> &'static str {
    match action {
        MachineAction::Power => "press the power button of",
        MachineAction::Pause => "pause",
        MachineAction::Resume => "resume",
        MachineAction::Reset => "reset",
    }
}
