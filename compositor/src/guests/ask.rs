//! What devices are asked while they run: to show their guest elsewhere, to use its hands.

use std::os::fd::AsFd;

use protocols::ipc::{self, ErrorCode, device::DeviceRequest};

use super::{Guest, Guests};
use crate::{
    app::App,
    host::{Connection, Host},
};

impl Guests {
    /// Asks a guest's device for something. Its answer, where there is one, is heard by
    /// [`App::answer_arrived`].
    ///
    /// # Errors
    /// [`ErrorCode::UnknownGuest`], and [`ErrorCode::Failed`] where there is no device that could
    /// answer.
    pub(crate) fn ask(&mut self, name: &str, request: &DeviceRequest) -> Result<(), ipc::Error> {
        let status = self.running(name)?.status.as_mut();
        match status.is_some_and(|status| status.send(request)) {
            true => Ok(()),
            false => Err(unheard(name)),
        }
    }

    /// Asks a guest's device for its counters. `false` where there is no device that can answer;
    /// the answer comes through `App::device_stats`.
    pub fn ask_for_stats(&mut self, name: &str) -> bool {
        self.ask(name, &DeviceRequest::Stats).is_ok()
    }

    /// A guest whose device is there.
    fn running(&mut self, name: &str) -> Result<&mut Guest, ipc::Error> {
        let guest = self.list.get_mut(name).ok_or_else(|| ipc::Error {
            code: ErrorCode::UnknownGuest,
            text: format!("Could not find a guest {name}"),
        })?;
        if guest.status.is_some() {
            return Ok(guest);
        }
        let state = guest.life.state();
        Err(ipc::Error {
            code: ErrorCode::Failed,
            text: format!(
                "Could not reach the guest {name}: it is {state}. Start it with `lucarne msg \
                 restart {name}`"
            ),
        })
    }
}

impl<H: Host> App<H> {
    /// Asks for a running guest to be shown on a Wayland display, a socket's path or name; on what
    /// this program shows guests on where `None`. `false`: that is where it is.
    ///
    /// # Errors
    /// There is no device to be asked, or no way to let it in here.
    pub(crate) fn show_guest(
        &mut self,
        name: &str,
        display: Option<&std::path::Path>,
    ) -> Result<bool, ipc::Error> {
        let guest = self.guests.running(name)?;
        if display.is_none() && guest.shown.is_home() {
            return Ok(false);
        }
        let connection = match display {
            Some(_) => Connection::Session,
            None => self.host.connect_guest(name).map_err(|error| ipc::Error {
                code: ErrorCode::Failed,
                text: format!("Could not let the guest {name} in: {error}"),
            })?,
        };
        let guest = self.guests.running(name)?;
        guest.shown.bound_for(display.is_none());
        let request = DeviceRequest::Attach {
            display: display.map(std::path::Path::to_owned),
        };
        let sent = match (&mut guest.status, &connection) {
            (Some(status), Connection::Session) => status.send(&request),
            (Some(status), Connection::Socket(socket)) => {
                status.send_with(&request, socket.as_fd())
            }
            (None, _) => false,
        };
        if sent { Ok(true) } else { Err(unheard(name)) }
    }
}

fn unheard(name: &str) -> ipc::Error {
    ipc::Error {
        code: ErrorCode::Failed,
        text: format!(
            "Could not reach the guest {name}: its graphics device does not listen. If it goes on \
             so, start it again with `lucarne msg restart {name}`"
        ),
    }
}
