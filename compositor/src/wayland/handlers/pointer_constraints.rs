//! `zwp_pointer_constraints_v1`: windows that hold the pointer.

use smithay::{
    delegate_pointer_constraints,
    input::pointer::PointerHandle,
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::{Logical, Point},
    wayland::pointer_constraints::PointerConstraintsHandler,
};

use crate::state::State;

impl PointerConstraintsHandler for State {
    /// Whether it may hold the pointer is seen to when everything is settled.
    fn new_constraint(&mut self, _: &WlSurface, _: &PointerHandle<Self>) {}

    /// It counts when the pointer is unlocked, which may be before everything is settled.
    fn cursor_position_hint(
        &mut self,
        surface: &WlSurface,
        pointer: &PointerHandle<Self>,
        at: Point<f64, Logical>,
    ) {
        self.pointer_hint(surface, pointer, at);
    }
}

delegate_pointer_constraints!(State);
