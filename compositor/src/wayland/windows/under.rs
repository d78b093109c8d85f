//! What is under a pointer or a finger.

use smithay::{
    backend::renderer::utils::RendererSurfaceStateUserData,
    desktop::{WindowSurfaceType, utils::under_from_surface_tree},
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::{Logical, Physical, Point},
    wayland::compositor::{SurfaceData, TraversalAction, get_parent, with_surface_tree_downward},
};

use super::{
    Windows,
    scene::{View, trees},
};
use crate::backend::OutputId;

/// Where a surface is.
struct Spot {
    output: OutputId,
    /// Of its window.
    view: View,
    /// Its top left corner from that of its window's surface.
    corner: Point<i32, Logical>,
}

impl Windows {
    /// The surface that takes input at a point of an output, and the point that it would have its
    /// top left corner at if it were not scaled: the point that is looked at, less where that is
    /// in the surface. Both points are in logical pixels from the corner of the output.
    pub(crate) fn surface_under(
        &self,
        output: OutputId,
        point: Point<f64, Logical>,
    ) -> Option<(WlSurface, Point<f64, Logical>)> {
        let pixel = self.pixel(output, point)?;
        for (window, shell, place) in self.placed(output) {
            let at = self.view(window, shell, place).to_surface(pixel);
            for (tree, corner) in trees(shell.toplevel.wl_surface()) {
                let found = under_from_surface_tree(&tree, at, corner, WindowSurfaceType::ALL);
                if let Some((surface, corner)) = found {
                    return Some((surface, point - (at - corner.to_f64())));
                }
            }
        }
        None
    }

    /// Where a surface would have its top left corner as seen from a point that may be outside of
    /// it, on the output that it is on; see [`Windows::surface_under`].
    pub(crate) fn surface_origin(
        &self,
        surface: &WlSurface,
        point: Point<f64, Logical>,
    ) -> Option<Point<f64, Logical>> {
        let spot = self.spot(surface)?;
        let at = spot.view.to_surface(self.pixel(spot.output, point)?);
        Some(point - (at - spot.corner.to_f64()))
    }

    /// Where a point in a surface is on its output, in logical pixels from the output's corner.
    pub(crate) fn surface_point(
        &self,
        surface: &WlSurface,
        point: Point<f64, Logical>,
    ) -> Option<Point<f64, Logical>> {
        let spot = self.spot(surface)?;
        let at = spot.view.to_output(spot.corner.to_f64() + point);
        Some(at.to_logical(self.desktop.screen(spot.output)?.scale))
    }

    /// Where a surface is, if it is part of a window that is to be seen.
    fn spot(&self, surface: &WlSurface) -> Option<Spot> {
        let mut root = surface.clone();
        while let Some(parent) = get_parent(&root) {
            root = parent;
        }
        for window in self.desktop.windows() {
            let (Some(shell), Some(place)) = (self.by_id(window.id()), window.place()) else {
                continue;
            };
            let trees = trees(shell.toplevel.wl_surface());
            if let Some((tree, corner)) = trees.into_iter().find(|(tree, _)| *tree == root) {
                return Some(Spot {
                    output: place.output,
                    view: self.view(window, shell, place),
                    corner: corner + offset_in_tree(&tree, surface)?,
                });
            }
        }
        None
    }

    fn pixel(&self, output: OutputId, point: Point<f64, Logical>) -> Option<Point<f64, Physical>> {
        Some(point.to_physical(self.desktop.screen(output)?.scale))
    }
}

/// Where a surface is in the tree of another one.
fn offset_in_tree(root: &WlSurface, surface: &WlSurface) -> Option<Point<i32, Logical>> {
    let mut found = None;
    with_surface_tree_downward(
        root,
        Point::<i32, Logical>::default(),
        |_, states, offset| match view_offset(states) {
            Some(own) => TraversalAction::DoChildren(*offset + own),
            None => TraversalAction::SkipChildren,
        },
        |other, states, offset| {
            if other == surface
                && let Some(own) = view_offset(states)
            {
                found = Some(*offset + own);
            }
        },
        |_, _, _| true,
    );
    found
}

/// Where a subsurface is on its parent.
fn view_offset(states: &SurfaceData) -> Option<Point<i32, Logical>> {
    let data = states.data_map.get::<RendererSurfaceStateUserData>()?;
    // smithay's lock is held only inside of smithay, where nothing panics with it.
    Some(data.lock().ok()?.view()?.offset)
}
