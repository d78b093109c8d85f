//! Virtual monitors that are plugged in and out while their guest runs.

use protocols::ipc::{
    self, ErrorCode, Reply,
    device::{Asked, DeviceRequest},
};

use super::server::ClientId;
use crate::{app::App, host::Host};

impl<H: Host> App<H> {
    /// Plugs a virtual monitor in, or out where there is no size. What size a guest takes, and
    /// whether it can be told, its device knows.
    pub(super) fn plug(
        &mut self,
        client: ClientId,
        guest: String,
        scanout: u8,
        size: Option<(u32, u32)>,
    ) -> Option<Reply> {
        let Some(config) = self.guests.config(&guest) else {
            return self.unknown(&guest);
        };
        let request = DeviceRequest::Scanout { scanout, size };
        let asked = check(&guest, config, scanout).and_then(|()| self.guests.ask(&guest, &request));
        match asked {
            Ok(()) => self.await_answer(client, guest, Asked::Scanout),
            Err(error) => Some(Reply::Error(error)),
        }
    }
}

/// Whether a guest has a connector of this number, with a monitor or without.
pub(super) fn check(name: &str, guest: &config::Guest, scanout: u8) -> Result<(), ipc::Error> {
    let connectors = guest.connectors();
    if usize::from(scanout) < connectors {
        return Ok(());
    }
    Err(ipc::Error {
        code: ErrorCode::UnknownScanout,
        text: format!(
            "Could not find scanout {scanout} of the guest {name}: it can have {connectors}, \
             counted from 0. Raise `max_scanouts` of [guest.{name}] and start it again"
        ),
    })
}
