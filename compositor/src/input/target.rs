//! What is at a point of the layout.

use smithay::{
    reexports::wayland_server::{Resource as _, protocol::wl_surface::WlSurface},
    utils::{Logical, Point, Rectangle},
    wayland::compositor::get_parent,
};

use super::layout::Layout;
use crate::{backend::OutputId, state::State, wayland::ClientState};

/// A surface, and the point that it would have its corner at if it were not scaled: the point that
/// is looked at, less where that is in the surface.
pub(super) type Target = (WlSurface, Point<f64, Logical>);

impl State {
    /// Where the monitors are.
    pub(super) fn layout(&self) -> Layout {
        Layout::new(
            self.outputs
                .iter()
                .map(|(id, output)| (id, Rectangle::new(output.position(), output.logical_size()))),
        )
    }

    /// What is at a point.
    pub(super) fn target_at(&self, point: Point<f64, Logical>) -> Option<Target> {
        let layout = self.layout();
        let monitor = layout.monitor_at(point)?;
        let corner = monitor.area.loc;
        let (surface, at) = self.windows.surface_under(monitor.id, point - corner)?;
        Some((surface, at + corner))
    }

    /// Where a surface that may be elsewhere would have its corner as seen from a point.
    pub(super) fn corner_of(
        &self,
        surface: &WlSurface,
        point: Point<f64, Logical>,
    ) -> Option<Point<f64, Logical>> {
        let output = self.output_of_surface(surface)?;
        let layout = self.layout();
        let corner = layout.monitor(output)?.area.loc;
        let at = self.windows.surface_origin(surface, point - corner)?;
        Some(at + corner)
    }

    /// Where a point in a surface is in the layout.
    pub(super) fn point_in(
        &self,
        surface: &WlSurface,
        point: Point<f64, Logical>,
    ) -> Option<Point<f64, Logical>> {
        let output = self.output_of_surface(surface)?;
        let corner = self.layout().monitor(output)?.area.loc;
        let at = self.windows.surface_point(surface, point)?;
        Some(at + corner)
    }

    /// The toplevel that a surface is part of.
    pub(super) fn window_of(&self, surface: &WlSurface) -> WlSurface {
        self.toplevel_of(root_of(surface))
    }

    /// Gives the keyboard to the window that a surface is part of.
    pub(super) fn focus_window_of(&mut self, surface: &WlSurface) {
        let toplevel = self.window_of(surface);
        self.windows.focus_window_of(&toplevel);
    }

    /// Whether the window that a surface is part of has the keyboard.
    pub(super) fn has_keyboard(&self, surface: &WlSurface) -> bool {
        let keyboard = self.protocols.seat.get_keyboard();
        let focus = keyboard.and_then(|keyboard| keyboard.current_focus());
        focus.is_some_and(|focus| focus == self.window_of(surface))
    }

    /// What the pointer is on, as windows were told.
    pub(super) fn pointer_focus(&self) -> Option<WlSurface> {
        let pointer = self.protocols.seat.get_pointer()?;
        pointer.current_focus()
    }

    /// Whether a surface is to be seen on any monitor.
    pub(super) fn is_seen(&self, surface: &WlSurface) -> bool {
        self.output_of_surface(surface).is_some()
    }

    /// The monitor that a surface's window is on.
    pub(super) fn output_of_surface(&self, surface: &WlSurface) -> Option<OutputId> {
        self.windows.output(&self.window_of(surface))
    }
}

/// The guest whose device a surface is from.
pub(super) fn guest_of(surface: &WlSurface) -> Option<String> {
    let client = surface.client()?;
    let guest = client.get_data::<ClientState>()?.guest()?;
    Some(guest.to_owned())
}

/// The surface that a subsurface belongs to in the end.
pub(super) fn root_of(surface: &WlSurface) -> WlSurface {
    let mut root = surface.clone();
    while let Some(parent) = get_parent(&root) {
        root = parent;
    }
    root
}
