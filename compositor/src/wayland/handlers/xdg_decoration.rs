//! `zxdg_decoration_manager_v1`: windows have no frames, neither ours nor their own.

use smithay::{
    delegate_xdg_decoration,
    reexports::wayland_protocols::xdg::decoration::zv1::server::zxdg_toplevel_decoration_v1::Mode,
    wayland::shell::xdg::{ToplevelSurface, decoration::XdgDecorationHandler},
};

use crate::state::State;

impl XdgDecorationHandler for State {
    fn new_decoration(&mut self, toplevel: ToplevelSurface) {
        decorate_by_server(&toplevel);
    }

    fn request_mode(&mut self, toplevel: ToplevelSurface, _: Mode) {
        decorate_by_server(&toplevel);
    }

    fn unset_mode(&mut self, toplevel: ToplevelSurface) {
        decorate_by_server(&toplevel);
    }
}

/// A client that draws a frame of its own would shift a guest's picture by it.
fn decorate_by_server(toplevel: &ToplevelSurface) {
    toplevel.with_pending_state(|state| state.decoration_mode = Some(Mode::ServerSide));
    // Before the first configure the mode travels with it.
    if toplevel.is_initial_configure_sent() {
        toplevel.send_configure();
    }
}

delegate_xdg_decoration!(State);
