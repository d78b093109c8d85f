//! `xdg_wm_base`: windows come and go. Where they are is [`crate::desktop`]'s.

use smithay::{
    delegate_xdg_shell,
    desktop::PopupKind,
    reexports::{
        wayland_protocols::xdg::shell::server::xdg_wm_base,
        wayland_server::{
            Resource,
            protocol::{wl_output::WlOutput, wl_seat::WlSeat},
        },
    },
    utils::Serial,
    wayland::shell::xdg::{
        PopupSurface, PositionerState, ToplevelSurface, XdgShellHandler, XdgShellState,
    },
};
use tracing::debug;

use crate::{
    state::State,
    wayland::{ClientState, clients::disconnect},
};

/// The most windows of a client: all of them are looked at whenever one of them changes.
const MAX_WINDOWS: usize = 256;

/// The deepest nesting of menus.
const MAX_MENU_DEPTH: usize = 32;

impl XdgShellHandler for State {
    fn xdg_shell_state(&mut self) -> &mut XdgShellState {
        &mut self.protocols.xdg_shell
    }

    fn new_toplevel(&mut self, toplevel: ToplevelSurface) {
        let client = toplevel.wl_surface().client();
        let guest = client
            .as_ref()
            .and_then(|client| client.get_data::<ClientState>()?.guest());
        let count = self.windows.count_of_client(toplevel.wl_surface());
        if let Some(client) = client.as_ref().filter(|_| count >= MAX_WINDOWS) {
            let why = format!("a client has more than {MAX_WINDOWS} windows");
            return disconnect(self.clients.display(), client, why);
        }
        self.windows.add(toplevel, guest);
    }

    fn toplevel_destroyed(&mut self, toplevel: ToplevelSurface) {
        self.windows.remove(&toplevel);
        for (_, output) in self.outputs.iter() {
            output.output.cleanup();
        }
    }

    fn new_popup(&mut self, popup: PopupSurface, positioner: PositionerState) {
        if !self.descends_from_toplevel(&popup) {
            popup.xdg_popup().post_error(
                xdg_wm_base::Error::InvalidPopupParent,
                "a popup's parents have to end at a toplevel",
            );
            return;
        }
        popup.with_pending_state(|state| state.geometry = positioner.get_geometry());
        if let Err(error) = self.windows.popups.track_popup(PopupKind::Xdg(popup)) {
            debug!("A menu's window is gone: {error}");
        }
    }

    fn popup_destroyed(&mut self, _: PopupSurface) {
        // Whose menu it was is not known any more.
        self.queue_redraw_all();
    }

    fn reposition_request(&mut self, popup: PopupSurface, positioner: PositionerState, token: u32) {
        popup.with_pending_state(|state| {
            state.geometry = positioner.get_geometry();
            state.positioner = positioner;
        });
        popup.send_repositioned(token);
    }

    fn fullscreen_request(&mut self, toplevel: ToplevelSurface, _: Option<WlOutput>) {
        self.windows.set_fullscreen(&toplevel, true);
    }

    fn unfullscreen_request(&mut self, toplevel: ToplevelSurface) {
        self.windows.set_fullscreen(&toplevel, false);
    }

    fn grab(&mut self, popup: PopupSurface, _: WlSeat, _: Serial) {
        self.windows.add_menu(popup);
    }
}

impl State {
    /// Whether a popup's chain of parents ends. A client can name a popup that is to get its own
    /// parent later, and so make a ring, in which looking for the window never ends.
    fn descends_from_toplevel(&self, popup: &PopupSurface) -> bool {
        let mut parent = popup.get_parent_surface();
        for _ in 0..MAX_MENU_DEPTH {
            let Some(surface) = parent else {
                return false;
            };
            if self.windows.toplevel(&surface).is_some() {
                return true;
            }
            let shell = &self.protocols.xdg_shell;
            let popups = shell.popup_surfaces().iter();
            parent = popups
                .clone()
                .find(|popup| *popup.wl_surface() == surface)
                .and_then(PopupSurface::get_parent_surface);
        }
        false
    }
}

delegate_xdg_shell!(State);
