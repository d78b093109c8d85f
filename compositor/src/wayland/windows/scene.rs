//! Windows as layers of an output's picture.

use smithay::{
    desktop::{PopupKind, PopupManager, utils::bbox_from_surface_tree},
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::{Logical, Physical, Point, Rectangle, Scale},
    wayland::{compositor::with_states, shell::xdg::SurfaceCachedState},
};

use super::{ShellWindow, Windows, picture_size, size_of};
use crate::{
    backend::OutputId,
    desktop::{Place, Policy, Window},
    render::{Content, Layer, Role},
    wayland::protocols::guest::{CursorMode, cursor_of},
};

/// How a window is laid onto the picture of its output.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    /// Where the top left corner of its surface is, in pixels of the output.
    pub(super) corner: Point<f64, Physical>,
    /// Pixels of the output per pixel of its surfaces.
    pub(super) scale: Scale<f64>,
}

impl View {
    pub(super) fn to_picture(self, point: Point<i32, Logical>) -> Point<i32, Physical> {
        self.to_output(point.to_f64()).to_i32_round()
    }

    pub(super) fn to_output(self, point: Point<f64, Logical>) -> Point<f64, Physical> {
        self.corner + point.to_physical(self.scale)
    }

    pub(super) fn to_surface(self, point: Point<f64, Physical>) -> Point<f64, Logical> {
        (point - self.corner).to_logical(self.scale)
    }
}

impl Windows {
    /// What windows show on an output, the topmost first.
    pub(crate) fn scene(&self, output: OutputId) -> Vec<Layer> {
        let mut scene = Vec::new();
        let mut pointers = Vec::new();
        for (window, shell, place) in self.placed(output) {
            let view = self.view(window, shell, place);
            if let Some(pointer) = self.guests_pointer(shell.toplevel.wl_surface(), view) {
                let area = area(&pointer);
                pointers.push(Pointer {
                    layer: scene.len(),
                    is_covered: scene.iter().any(|above| self::area(above).overlaps(area)),
                });
                scene.push(pointer);
            }
            for (surface, at) in trees(shell.toplevel.wl_surface()) {
                scene.push(Layer {
                    content: Content::Surface(surface),
                    at: view.to_picture(at),
                    scale: view.scale,
                    role: Role::Window,
                });
            }
        }
        if let Some(layer) = on_top(&pointers).and_then(|layer| scene.get_mut(layer)) {
            layer.role = Role::Cursor;
        }
        scene
    }

    /// The windows on an output, the topmost first.
    pub(super) fn placed(
        &self,
        output: OutputId,
    ) -> impl Iterator<Item = (&Window, &ShellWindow, Place)> {
        let windows = self.desktop.on_output(output);
        windows.filter_map(|window| Some((window, self.by_id(window.id())?, window.place()?)))
    }

    pub(super) fn view(&self, window: &Window, shell: &ShellWindow, place: Place) -> View {
        let surface = shell.toplevel.wl_surface();
        let screen = self.desktop.screen(place.output);
        let at = Point::<i32, Logical>::from((place.x, place.y)).to_f64();
        // Clients that draw their own frames mark what is inside; that part is at the place.
        let inside = inside(surface).to_f64();
        if !window.is_scanout() {
            let scale = Scale::from(screen.map_or(1.0, |screen| screen.scale));
            return View {
                corner: (at - inside).to_physical(scale),
                scale,
            };
        }
        let scale = match self.desktop.policy() {
            Policy::Headless => Scale::from(1.0),
            Policy::Kiosk => {
                let (picture, shown) = (picture_size(surface), size_of(surface));
                Scale {
                    x: scale(place.scale.0, picture.w, shown.w),
                    y: scale(place.scale.1, picture.h, shown.h),
                }
            }
        };
        View {
            corner: at.to_physical(1.0) - inside.to_physical(scale),
            scale,
        }
    }

    /// A guest's window as if nothing else were there, with the guest's pointer; the topmost first.
    pub(crate) fn alone(&self, window: &WlSurface) -> Vec<Layer> {
        let view = View {
            corner: Point::default(),
            scale: Scale::from(1.0),
        };
        let pointer = self.guests_pointer(window, view).into_iter();
        let picture = Layer::window(window.clone(), Point::default(), view.scale);
        pointer.chain([picture]).collect()
    }

    /// The pointer that a guest has drawn on the scanout that a window shows. It counts the pixels of
    /// the picture, also where its device has that scaled.
    fn guests_pointer(&self, window: &WlSurface, view: View) -> Option<Layer> {
        let mut cursor = cursor_of(window).filter(|cursor| cursor.visible)?;
        let (picture, shown) = (picture_size(window), size_of(window));
        let scaled = |scale: f64, shown: i32, picture: i32| match picture {
            0 => scale,
            _ => scale * f64::from(shown) / f64::from(picture),
        };
        let scale = Scale {
            x: scaled(view.scale.x, shown.w, picture.w),
            y: scaled(view.scale.y, shown.h, picture.h),
        };
        // The guest is told where our pointer is, and says so itself some time later.
        if cursor.mode == CursorMode::Absolute
            && let Some((pointed, at)) = &self.pointed
            && pointed == window
        {
            let at = at.to_physical(view.scale).to_logical(scale);
            cursor.position = at.to_i32_floor();
        }
        let view = View { scale, ..view };
        Some(Layer {
            at: view.to_picture(cursor.corner()),
            content: Content::Surface(cursor.surface),
            scale,
            role: Role::Window,
        })
    }
}

/// A guest's pointer in a scene.
#[derive(Debug, Clone, Copy)]
struct Pointer {
    /// The index of its layer.
    layer: usize,
    /// Whether something in front of it may hide some of it.
    is_covered: bool,
}

/// The pointer that a display controller may show by itself, which is in front of everything, and
/// of which it has one: that of the topmost window. That of a window below, on the lowest plane
/// mostly, can have an ordinary plane, but above a picture in picture, which has one, there may be
/// none: few controllers say which of two planes is in front.
fn on_top(pointers: &[Pointer]) -> Option<usize> {
    let mut free = pointers.iter().filter(|pointer| !pointer.is_covered);
    free.next().map(|pointer| pointer.layer)
}

/// The part of the picture that a surface and its subsurfaces are in.
fn area(layer: &Layer) -> Rectangle<i32, Physical> {
    let Content::Surface(surface) = &layer.content else {
        return Rectangle::default();
    };
    let mut area = bbox_from_surface_tree(surface, (0, 0))
        .to_f64()
        .to_physical(layer.scale)
        .to_i32_up();
    area.loc += layer.at;
    area
}

/// The scale of a surface that its client has scaled already. Whole pixels on the screen stay
/// whole: a factor of one is exactly one.
fn scale(fitted: f64, picture: i32, shown: i32) -> f64 {
    if shown <= 0 {
        return 1.0;
    }
    (fitted * f64::from(picture)).round() / f64::from(shown)
}

/// A window's menus and, below them, its own surface, each with its subsurfaces: the topmost first,
/// with their distances from the window's surface.
pub(super) fn trees(surface: &WlSurface) -> Vec<(WlSurface, Point<i32, Logical>)> {
    let mut trees = Vec::new();
    for (popup, offset) in PopupManager::popups_for_surface(surface) {
        let margin = match &popup {
            PopupKind::Xdg(popup) => inside(popup.wl_surface()),
            PopupKind::InputMethod(_) => Point::default(),
        };
        let at = inside(surface) + offset - margin;
        trees.push((popup.wl_surface().clone(), at));
    }
    trees.push((surface.clone(), Point::default()));
    trees
}

/// The top left corner of what a client says is the window, within its surface.
fn inside(surface: &WlSurface) -> Point<i32, Logical> {
    let geometry = with_states(surface, |states| {
        states
            .cached_state
            .get::<SurfaceCachedState>()
            .current()
            .geometry
    });
    geometry.map(|geometry| geometry.loc).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_that_fits_is_shown_with_a_scale_of_exactly_one() {
        // Stretched by us, and by its device already.
        let stretched = 1367.0 / 641.0;
        assert_eq!(scale(stretched, 641, 1367).to_bits(), 1f64.to_bits());
        assert_eq!(scale(1.0, 641, 641).to_bits(), 1f64.to_bits());
        assert_eq!(scale(1.0, 5, 0).to_bits(), 1f64.to_bits());
    }

    #[test]
    fn the_topmost_pointer_that_nothing_covers_is_in_front_of_everything() {
        let pointer = |layer, is_covered| Pointer { layer, is_covered };
        assert_eq!(on_top(&[]), None);
        assert_eq!(on_top(&[pointer(0, true)]), None);
        let several = [pointer(0, true), pointer(2, false), pointer(4, false)];
        assert_eq!(on_top(&several), Some(2));
    }

    #[test]
    fn points_are_translated_there_and_back() {
        let view = View {
            corner: (30.0, -10.0).into(),
            scale: (2.0, 0.5).into(),
        };
        assert_eq!(view.to_picture((5, 8).into()), (40, -6).into());
        let point = view.to_surface((40.0, -6.0).into());
        assert_eq!(point, (5.0, 8.0).into());
        assert_eq!(view.to_output(point), (40.0, -6.0).into());
    }
}
