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
        // Where it is going to be, it is told again when it is there.
        let output = self.windows.desktop.output_of_clients();
        let output = output.and_then(|id| self.outputs.get(id));
        prefer_scale(&surface, output.map_or(1.0, HostOutput::scale));
    }
}

/// Tells a surface that it is on an output of this scale, if it does not know yet.
pub(crate) fn prefer_scale(surface: &WlSurface, scale: f64) {
    // Guests are shown pixel for pixel.
    let scale = if is_guests(surface) { 1.0 } else { scale };
    with_states(surface, |states| {
        with_fractional_scale(states, |fractional| fractional.set_preferred_scale(scale));
    });
}

delegate_fractional_scale!(State);
