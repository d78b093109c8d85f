//! What is to be drawn: surface trees and signs, and where they are.

use smithay::{
    desktop::utils::with_surfaces_surface_tree,
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::{Physical, Point, Scale},
    wayland::compositor::SurfaceData,
};

use crate::signs::Sign;

/// Something that is shown. A scene is a list of these, the topmost first.
#[derive(Debug, Clone)]
pub struct Layer {
    /// What.
    pub content: Content,
    /// Its top left corner, in the picture's pixels.
    pub at: Point<i32, Physical>,
    /// The picture's pixels per pixel of the content, to the right and down. Signs are shown pixel
    /// for pixel whatever it is.
    pub scale: Scale<f64>,
    /// What it is for.
    pub role: Role,
}

/// What a layer shows.
#[derive(Debug, Clone)]
pub enum Content {
    /// A client's surface and its subsurfaces.
    Surface(WlSurface),
    /// A picture of the compositor's own.
    Sign(Sign),
}

/// What a layer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Anything but a pointer.
    #[default]
    Window,
    /// A pointer: small, moved often, and seldom drawn anew.
    Cursor,
}

impl Layer {
    /// A surface as part of a window.
    #[must_use]
    pub fn window(surface: WlSurface, at: Point<i32, Physical>, scale: Scale<f64>) -> Self {
        Self {
            content: Content::Surface(surface),
            at,
            scale,
            role: Role::Window,
        }
    }

    /// A sign.
    #[must_use]
    pub fn sign(sign: Sign, at: Point<i32, Physical>) -> Self {
        Self {
            content: Content::Sign(sign),
            at,
            scale: Scale::from(1.0),
            role: Role::Window,
        }
    }

    /// Visits the surface and all of its subsurfaces, if it is one.
    pub fn for_each_surface(&self, visit: impl FnMut(&WlSurface, &SurfaceData)) {
        if let Content::Surface(surface) = &self.content {
            with_surfaces_surface_tree(surface, visit);
        }
    }
}
