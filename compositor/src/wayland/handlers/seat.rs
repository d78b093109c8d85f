//! `wl_seat`.

use smithay::{
    delegate_seat,
    input::{Seat, SeatHandler, SeatState, pointer::CursorImageStatus},
    reexports::wayland_server::{Resource, protocol::wl_surface::WlSurface},
    wayland::selection::data_device::set_data_device_focus,
};

use crate::state::State;

impl SeatHandler for State {
    type KeyboardFocus = WlSurface;
    type PointerFocus = WlSurface;
    type TouchFocus = WlSurface;

    fn seat_state(&mut self) -> &mut SeatState<Self> {
        &mut self.protocols.seats
    }

    /// The clipboard follows the keyboard.
    fn focus_changed(&mut self, seat: &Seat<Self>, focus: Option<&WlSurface>) {
        let client = focus.and_then(Resource::client);
        set_data_device_focus(self.clients.display(), seat, client);
    }

    /// No pointer is shown: nothing here moves one. A guest's own pointer is part of its window.
    fn cursor_image(&mut self, _: &Seat<Self>, _: CursorImageStatus) {}
}

delegate_seat!(State);
