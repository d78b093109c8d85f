//! What is to be drawn: surface trees and where they are.

use smithay::{
    desktop::utils::with_surfaces_surface_tree,
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::{Physical, Point},
    wayland::compositor::SurfaceData,
};

/// A surface and its subsurfaces. A scene is a list of these, the topmost first.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The surface.
    pub surface: WlSurface,
    /// Its top left corner, in the picture's pixels.
    pub at: Point<i32, Physical>,
    /// The picture's pixels per pixel of the surface.
    pub scale: f64,
}

impl Layer {
    /// Visits the surface and all of its subsurfaces.
    pub fn for_each_surface(&self, visit: impl FnMut(&WlSurface, &SurfaceData)) {
        with_surfaces_surface_tree(&self.surface, visit);
    }
}
