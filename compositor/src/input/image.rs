//! What the pointer looks like, and where that is drawn.

use smithay::{
    desktop::utils::bbox_from_surface_tree,
    input::pointer::{CursorIcon, CursorImageStatus, CursorImageSurfaceData},
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::{IsAlive as _, Logical, Point, Rectangle},
    wayland::compositor::{SurfaceAttributes, with_states},
};

use super::target::{guest_of, root_of};
use crate::{
    backend::OutputId,
    render::{Content, Layer, Role},
    state::State,
    wayland::protocols::guest::{CursorMode, cursor_of},
};

/// How far from the point that it points with a pointer of ours reaches at most, in logical pixels.
const ICON: f64 = 64.0;

/// What is to be drawn at the pointer.
enum Image {
    Surface(WlSurface),
    Icon(CursorIcon),
}

impl State {
    /// The window under the pointer wants it to look like this.
    pub(crate) fn set_pointer_image(&mut self, image: CursorImageStatus) {
        self.change_pointer_image(Some(image));
    }

    /// The pointer came to a window, or to none, that has not said what it is to look like.
    pub(super) fn reset_pointer_image(&mut self) {
        self.change_pointer_image(None);
    }

    /// It is drawn when everything is settled: smithay calls this while it holds the pointer.
    fn change_pointer_image(&mut self, image: Option<CursorImageStatus>) {
        if self.input.pointer.image != image {
            self.input.pointer.image = image;
            self.input.pointer.image_changed = true;
        }
    }

    /// Has a new image drawn.
    pub(super) fn settle_pointer_image(&mut self) {
        if std::mem::take(&mut self.input.pointer.image_changed) {
            self.redraw_pointer();
        }
    }

    /// A surface that may be the pointer's image, or part of it, has new content.
    pub(crate) fn pointer_committed(&mut self, surface: &WlSurface) {
        let surface = &root_of(surface);
        let image = &self.input.pointer.image;
        if !matches!(image, Some(CursorImageStatus::Surface(image)) if image == surface) {
            return;
        }
        with_states(surface, |states| {
            let moved = states
                .cached_state
                .get::<SurfaceAttributes>()
                .current()
                .buffer_delta
                .take();
            let attributes = states.data_map.get::<CursorImageSurfaceData>();
            // smithay's lock is held only inside of smithay, where nothing panics with it.
            if let Some(moved) = moved
                && let Some(mut attributes) = attributes.and_then(|it| it.lock().ok())
            {
                // Clients choose these numbers.
                let hotspot = &mut attributes.hotspot;
                hotspot.x = hotspot.x.saturating_sub(moved.x);
                hotspot.y = hotspot.y.saturating_sub(moved.y);
            }
        });
        self.redraw_pointer();
    }

    /// The pointer is elsewhere, or looks different: monitors where it was and where it is now are
    /// drawn anew, and no others.
    pub(super) fn redraw_pointer(&mut self) {
        let on = self.pointer_outputs();
        let before = std::mem::replace(&mut self.input.pointer.on, on.clone());
        let left = before.into_iter().filter(|output| !on.contains(output));
        for output in left.chain(on.iter().copied()) {
            self.queue_redraw(output);
        }
    }

    /// Has the pointer of a guest, whose own pointer follows ours, be where ours is at once: the
    /// guest itself says it a few frames later.
    pub(super) fn point_at_window(&mut self, at: Point<f64, Logical>) {
        let pointed = self
            .pointer_focus()
            .filter(|_| self.input.pointer.moved)
            .and_then(|surface| {
                let window = self.window_of(&surface);
                let corner = self.corner_of(&window, at)?;
                Some((window, at - corner))
            });
        if self.windows.pointed == pointed {
            return;
        }
        let before = std::mem::replace(&mut self.windows.pointed, pointed.clone());
        for (window, _) in before.into_iter().chain(pointed) {
            let follows = cursor_of(&window)
                .is_some_and(|cursor| cursor.visible && cursor.mode == CursorMode::Absolute);
            if follows && let Some(output) = self.output_of_surface(&window) {
                self.queue_redraw(output);
            }
        }
    }

    /// The monitors on which some part of the pointer is: none before a device has really moved it.
    fn pointer_outputs(&self) -> Vec<OutputId> {
        let pointer = &self.input.pointer;
        let (Some(at), Some(image), true) = (pointer.at, self.pointer_image(), pointer.moved)
        else {
            return Vec::new();
        };
        let area = match image {
            Image::Surface(surface) => {
                let area = bbox_from_surface_tree(&surface, (0, 0)).to_f64();
                Rectangle::new(area.loc - hotspot(&surface).to_f64(), area.size)
            }
            Image::Icon(_) => {
                Rectangle::new((-ICON, -ICON).into(), (2.0 * ICON, 2.0 * ICON).into())
            }
        };
        let area = Rectangle::new(area.loc + at, area.size);
        let layout = self.layout();
        let monitors = layout.monitors().filter(|it| it.area.overlaps(area));
        monitors.map(|monitor| monitor.id).collect()
    }

    /// The pointer on an output, if it is there and shown; the top of its scene.
    pub(crate) fn pointer_layers(&mut self, output: OutputId) -> Vec<Layer> {
        if !self.pointer_outputs().contains(&output) {
            return Vec::new();
        }
        let (Some(at), Some(image), Some(host)) = (
            self.input.pointer.at,
            self.pointer_image(),
            self.outputs.get(output),
        ) else {
            return Vec::new();
        };
        let scale = host.scale();
        let corner = host.output.current_location().to_f64();
        let at = (at - corner).to_physical(scale);
        let layer = match image {
            Image::Surface(surface) => {
                let hotspot = hotspot(&surface).to_f64().to_physical(scale);
                Layer {
                    at: (at - hotspot).to_i32_round(),
                    content: Content::Surface(surface),
                    scale: scale.into(),
                    role: Role::Cursor,
                }
            }
            Image::Icon(icon) => {
                let pointer = self.signs.pointer(icon, host.size());
                Layer {
                    at: at.to_i32_floor::<i32>() - pointer.hotspot,
                    content: Content::Sign(pointer.sign),
                    scale: 1.0.into(),
                    role: Role::Cursor,
                }
            }
        };
        vec![layer]
    }

    /// What there is to be seen at the pointer; `None` if it is hidden.
    ///
    /// Over a guest that is what its device asks for and nothing else: the guest's own pointer is
    /// part of its window, or drawn with it, and two would be seen.
    fn pointer_image(&self) -> Option<Image> {
        let focus = self.pointer_focus();
        let draws_its_own = |surface: &WlSurface| cursor_of(&self.window_of(surface)).is_some();
        if focus.as_ref().is_some_and(draws_its_own) {
            return None;
        }
        match &self.input.pointer.image {
            Some(CursorImageStatus::Hidden) => None,
            Some(CursorImageStatus::Named(icon)) => Some(Image::Icon(*icon)),
            Some(CursorImageStatus::Surface(surface)) if surface.alive() => {
                Some(Image::Surface(surface.clone()))
            }
            Some(CursorImageStatus::Surface(_)) | None => {
                let guest = focus.and_then(|focus| guest_of(&focus));
                guest.is_none().then_some(Image::Icon(CursorIcon::Default))
            }
        }
    }
}

/// The point of a surface that points.
fn hotspot(surface: &WlSurface) -> Point<i32, Logical> {
    with_states(surface, |states| {
        let attributes = states.data_map.get::<CursorImageSurfaceData>();
        let attributes = attributes.and_then(|attributes| attributes.lock().ok());
        attributes
            .map(|attributes| attributes.hotspot)
            .unwrap_or_default()
    })
}
