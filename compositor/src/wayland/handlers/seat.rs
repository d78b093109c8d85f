//! `wl_seat`.

use smithay::{
    delegate_seat,
    input::{Seat, SeatHandler, SeatState, keyboard::LedState, pointer::CursorImageStatus},
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

    fn cursor_image(&mut self, _: &Seat<Self>, image: CursorImageStatus) {
        self.set_pointer_image(image);
    }

    fn led_state_changed(&mut self, _: &Seat<Self>, _: LedState) {
        self.update_leds();
    }
}

delegate_seat!(State);
