//! The sub-surfaces that a decoration consists of.

use wayland_client::{
    Connection, Dispatch, QueueHandle,
    protocol::{
        wl_buffer::WlBuffer,
        wl_subsurface::WlSubsurface,
        wl_surface::{self, WlSurface},
    },
};
use wayland_protocols::wp::viewporter::client::wp_viewport::WpViewport;

use super::super::{State, globals::Globals, window::pixels};
use crate::display::ScanoutId;

/// What decorations are made with.
#[derive(Clone, Copy)]
pub(super) struct Maker<'a> {
    pub(super) scanout: ScanoutId,
    /// The picture's surface.
    pub(super) parent: &'a WlSurface,
    pub(super) globals: &'a Globals,
    pub(super) handle: &'a QueueHandle<State>,
    pub(super) font: Option<&'static [u8]>,
}

/// Where a piece is, in logical pixels from the picture's corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// One sub-surface. What is asked of it holds from the picture's next commit on.
#[derive(Debug)]
pub(super) struct Piece {
    surface: WlSurface,
    object: WlSubsurface,
    viewport: Option<WpViewport>,
    place: Option<Place>,
}

impl Piece {
    pub(super) fn new(maker: &Maker<'_>) -> Self {
        let (globals, handle) = (maker.globals, maker.handle);
        let surface = globals.compositor.create_surface(handle, Around);
        let object = globals
            .subcompositor
            .get_subsurface(&surface, maker.parent, handle, ());
        let viewport = globals.viewporter.as_ref();
        let viewport = viewport.map(|viewporter| viewporter.get_viewport(&surface, handle, ()));
        Self {
            surface,
            object,
            viewport,
            place: None,
        }
    }

    pub(super) fn is(&self, surface: &WlSurface) -> bool {
        self.surface == *surface
    }

    /// Lays a buffer over a place. One of another size is made as large, where the host can do
    /// that.
    pub(super) fn show(&mut self, buffer: &WlBuffer, place: Place) {
        self.object.set_position(place.x, place.y);
        if let Some(viewport) = &self.viewport {
            viewport.set_destination(pixels(place.width), pixels(place.height));
        }
        self.surface.attach(Some(buffer), 0, 0);
        self.surface.damage_buffer(0, 0, i32::MAX, i32::MAX);
        self.surface.commit();
        self.place = Some(place);
    }

    /// Where it is.
    pub(super) fn place(&self) -> Option<Place> {
        self.place
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if let Some(viewport) = &self.viewport {
            viewport.destroy();
        }
        self.object.destroy();
        self.surface.destroy();
    }
}

/// Marks a decoration's surface: what the host says about it does not matter.
#[derive(Debug)]
pub(in super::super) struct Around;

impl Dispatch<WlSurface, Around> for State {
    fn event(
        _: &mut Self,
        _: &WlSurface,
        _: wl_surface::Event,
        Around: &Around,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}
