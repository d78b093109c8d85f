//! `wp_fractional_scale_v1`: the scale that clients had best draw with.

use smithay::{
    delegate_fractional_scale,
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    wayland::{
        compositor::with_states,
        fractional_scale::{FractionalScaleHandler, with_fractional_scale},
    },
};

use crate::{backend::HostOutput, state::State, wayland::clients::is_guests};

impl FractionalScaleHandler for State {
    fn new_fractional_scale(&mut self, surface: WlSurface) {
        let scale = if is_guests(&surface) {
            1.0
        } else {
            // Ordinary clients are all on the first output.
            self.outputs.first().map_or(1.0, HostOutput::scale)
        };
        with_states(&surface, |states| {
            with_fractional_scale(states, |fractional| fractional.set_preferred_scale(scale));
        });
    }
}

delegate_fractional_scale!(State);
