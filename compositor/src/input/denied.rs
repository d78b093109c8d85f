//! Clients from which somebody took something back: they do not get it by asking once more.

use smithay::reexports::wayland_server::{
    DisplayHandle, Resource as _, backend::ClientId, protocol::wl_surface::WlSurface,
};

/// The clients that something is denied to.
#[derive(Debug, Default)]
pub(super) struct Denied(Vec<ClientId>);

impl Denied {
    /// Whether it is denied to the client of a surface.
    pub(super) fn is(&self, surface: &WlSurface) -> bool {
        let client = surface.client();
        client.is_some_and(|client| self.0.contains(&client.id()))
    }

    /// Denies it to the client of a surface.
    pub(super) fn deny(&mut self, surface: &WlSurface, display: &DisplayHandle) {
        let display = display.backend_handle();
        self.0
            .retain(|id| display.get_client_data(id.clone()).is_ok());
        if let Some(client) = surface.client()
            && !self.0.contains(&client.id())
        {
            self.0.push(client.id());
        }
    }

    /// Does not deny it any more.
    pub(super) fn allow(&mut self, surface: &WlSurface) {
        if let Some(client) = surface.client() {
            self.0.retain(|id| *id != client.id());
        }
    }
}
