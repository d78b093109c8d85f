//! The guest's pointer: a small surface above the window's.
//!
//! It is wherever the guest wants it. Our own compositor has a role for such a surface, in which
//! moving it needs no commit at all. Elsewhere it is a sub-surface: its image changes at once, its
//! place with the *window's* next commit. In either role it is not cut off at the window's edge, so
//! that a compositor can put it on a cursor plane as it is; the edge of the screen does the cutting
//! there.
//!
//! Where the guest's pointer follows the host's, the host's own had best look like it, which saves
//! the way through the guest: our own compositor is told so, elsewhere `shown` decides which of the
//! two is to be seen, and `host` sees to the host's.
//!
//! All is sent by [`State::settle`] only, so that a mouse which reports a thousand times a second
//! costs one request or commit per turn of the event loop, and nothing while the host does not
//! read.

mod host;
mod images;
mod memory;
mod shown;

use std::io;

use protocols::wayland::client::lucarne_guest_cursor_v1::{LucarneGuestCursorV1, Mode};
use tracing::warn;
use wayland_client::{
    Connection, Dispatch, QueueHandle,
    protocol::{
        wl_subsurface::WlSubsurface,
        wl_surface::{self, WlSurface},
    },
};
use wayland_protocols::wp::viewporter::client::wp_viewport::WpViewport;

use self::images::{Images, is_usable};
pub(super) use self::{
    host::HostCursor,
    shown::{Shown, Sight},
};
use super::{
    State,
    formats::Formats,
    geometry::Geometry,
    globals::Globals,
    guest::Link,
    window::{Window, pixels},
};
use crate::{
    display::{CursorImage, CursorUpdate},
    memory::DmaBufMaker,
};

/// What a pointer's objects and images are made with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Means<'a> {
    /// The scanout, on our own compositor.
    pub(super) link: Option<&'a Link>,
    pub(super) globals: &'a Globals,
    pub(super) formats: &'a Formats,
    pub(super) handle: &'a QueueHandle<State>,
    /// Where images may be dma-bufs.
    pub(super) dma_bufs: Option<&'a dyn DmaBufMaker>,
    /// The guest's pointer follows the host's just now.
    pub(super) follows: bool,
}

/// What the guest wants of its pointer. Outlives the window.
#[derive(Debug, Default)]
pub(super) struct Pointer {
    image: Option<CursorImage>,
    x: i32,
    y: i32,
    /// The pixel of the last image that points.
    hot: (u32, u32),
    /// How many images there have been.
    images: u64,
    image_stale: bool,
    place_stale: bool,
    shown: Shown,
    /// Where the guest was told last that the host's pointer is.
    pointed: (i32, i32),
}

impl Pointer {
    /// See [`Display::cursor`](crate::display::Display::cursor).
    pub(super) fn update(&mut self, update: CursorUpdate) {
        match update {
            CursorUpdate::Image { image, x, y } => {
                let size = |image: &CursorImage| (image.width, image.height);
                // Where the picture is scaled, so is the image, by its own size.
                self.place_stale |= self.image.as_ref().map(size) != Some(size(&image));
                let hot = (image.hot_x, image.hot_y);
                self.place_stale |= std::mem::replace(&mut self.hot, hot) != hot;
                self.image = Some(image);
                self.images += 1;
                self.image_stale = true;
                self.move_to(x, y);
            }
            CursorUpdate::Move { x, y } => self.move_to(x, y),
            CursorUpdate::Hide => self.image_stale |= self.image.take().is_some(),
        }
    }

    /// The picture below has another size on the screen now.
    pub(super) fn place_again(&mut self) {
        self.place_stale = true;
        self.image_stale |= self.image.is_some();
    }

    /// The window is gone; the next one has no pointer yet.
    pub(super) fn show_again(&mut self) {
        self.place_again();
    }

    /// The pixel of the scanout that it points at.
    fn tip(&self) -> (i32, i32) {
        let (hot_x, hot_y) = self.hot;
        (
            self.x.saturating_add_unsigned(hot_x),
            self.y.saturating_add_unsigned(hot_y),
        )
    }

    /// Where on the host's screen it points, from the picture's corner; `None` if that is outside.
    pub(super) fn tip_on(&self, geometry: &Geometry) -> Option<(i32, i32)> {
        let (x, y) = self.tip();
        let (x, y) = geometry.to_surface((x, y));
        let shown = geometry.shown();
        let is_inside =
            (0..pixels(shown.width)).contains(&x) && (0..pixels(shown.height)).contains(&y);
        is_inside.then_some((x, y))
    }

    /// The guest was told that the host's pointer is at this place.
    pub(super) fn pointed_at(&mut self, x: f64, y: f64) {
        self.pointed = (nearest(x), nearest(y));
    }

    /// Decides who shows it.
    pub(super) fn look(&mut self, own_way: bool, over: bool) {
        let sight = Sight {
            own_way,
            over,
            pointed: self.pointed,
            tip: self.tip(),
        };
        let before = self.shown;
        self.shown = before.next(&sight);
        let is_own = |shown| shown == Shown::Own;
        self.image_stale |= is_own(before) != is_own(self.shown) && self.image.is_some();
    }

    fn move_to(&mut self, x: i32, y: i32) {
        if (self.x, self.y) != (x, y) {
            self.place_stale = true;
            self.shown = self.shown.moved();
        }
        (self.x, self.y) = (x, y);
    }
}

/// The nearest pixel, of those that there are.
fn nearest(place: f64) -> i32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` gives the nearest number that there is, and 0 for what is none"
    )]
    let pixel = place.round() as i32;
    pixel
}

/// The surface on the host's side.
#[derive(Debug)]
pub(super) struct CursorSurface {
    surface: WlSurface,
    role: Role,
    images: Images,
}

/// What the surface is to the host.
#[derive(Debug)]
enum Role {
    /// A part of the window, scaled by us as the window's picture is.
    SubSurface {
        object: WlSubsurface,
        viewport: Option<WpViewport>,
        shown: bool,
    },
    /// The pointer of a guest. Everything is in the guest's pixels here.
    Guest {
        object: LucarneGuestCursorV1,
        shown: bool,
        mode: Mode,
    },
}

impl CursorSurface {
    fn new(window: &WlSurface, means: &Means<'_>) -> io::Result<Self> {
        let (globals, handle) = (means.globals, means.handle);
        let images = Images::new(means)?;
        let surface = globals.compositor.create_surface(handle, Above);
        let role = match means.link {
            Some(link) => Role::Guest {
                object: link.cursor(&surface, handle),
                shown: false,
                mode: Mode::Relative,
            },
            None => Role::sub_surface(&surface, window, globals, handle),
        };
        Ok(Self {
            surface,
            role,
            images,
        })
    }

    /// Puts it where the guest wants it. Returns whether the window has to commit for that. `alone`
    /// if the image stays.
    fn place(&self, pointer: &Pointer, geometry: &Geometry, alone: bool) -> bool {
        match &self.role {
            Role::SubSurface { object, .. } => {
                let (x, y) = geometry.to_surface((pointer.x, pointer.y));
                object.set_position(x, y);
                if alone {
                    // The protocol asks for the window's commit only, but compositors made with
                    // smithay 0.7 take a place in when the pointer's own surface commits: it would
                    // never move.
                    self.surface.commit();
                }
                true
            }
            Role::Guest { object, .. } => {
                let (x, y) = pointer.tip();
                object.move_to(x, y);
                false
            }
        }
    }

    /// Shows an image. Returns false if there is no memory for it yet: an event will come.
    fn show(
        &mut self,
        image: &CursorImage,
        geometry: &Geometry,
        means: &Means<'_>,
    ) -> io::Result<bool> {
        let Some(written) = self.images.write(image, means)? else {
            return Ok(false);
        };
        let (width, height) = (pixels(written.width), pixels(written.height));
        self.surface.attach(Some(&written.buffer), 0, 0);
        self.surface.damage_buffer(0, 0, width, height);
        match &mut self.role {
            Role::SubSurface {
                viewport, shown, ..
            } => {
                *shown = true;
                if let Some(viewport) = viewport {
                    if geometry.is_scaled() {
                        let (width, height) = (geometry.scale_x(width), geometry.scale_y(height));
                        viewport.set_destination(width.max(1), height.max(1));
                    } else {
                        viewport.set_destination(-1, -1);
                    }
                }
                self.surface.commit();
            }
            Role::Guest { object, shown, .. } => {
                object.set_hotspot(pixels(image.hot_x), pixels(image.hot_y));
                self.surface.commit();
                if !std::mem::replace(shown, true) {
                    object.show();
                }
            }
        }
        Ok(true)
    }

    /// Says who moves it.
    fn set_follows(&mut self, follows: bool) {
        if let Role::Guest { object, mode, .. } = &mut self.role {
            let wanted = match follows {
                true => Mode::Absolute,
                false => Mode::Relative,
            };
            if std::mem::replace(mode, wanted) != wanted {
                object.set_mode(wanted);
            }
        }
    }

    fn hide(&mut self) {
        match &mut self.role {
            Role::SubSurface { shown, .. } => {
                if std::mem::take(shown) {
                    self.surface.attach(None, 0, 0);
                    self.surface.commit();
                }
            }
            Role::Guest { object, shown, .. } => {
                if std::mem::take(shown) {
                    object.hide();
                }
            }
        }
    }
}

impl Role {
    fn sub_surface(
        surface: &WlSurface,
        window: &WlSurface,
        globals: &Globals,
        handle: &QueueHandle<State>,
    ) -> Self {
        let subcompositor = &globals.subcompositor;
        let object = subcompositor.get_subsurface(surface, window, handle, ());
        object.set_desync();
        // What the user points at is the window below.
        let nothing = globals.compositor.create_region(handle, ());
        surface.set_input_region(Some(&nothing));
        nothing.destroy();
        let viewport = globals.viewporter.as_ref();
        let viewport = viewport.map(|viewporter| viewporter.get_viewport(surface, handle, ()));
        Self::SubSurface {
            object,
            viewport,
            shown: false,
        }
    }
}

impl Drop for CursorSurface {
    fn drop(&mut self) {
        match &self.role {
            Role::SubSurface {
                object, viewport, ..
            } => {
                if let Some(viewport) = viewport {
                    viewport.destroy();
                }
                object.destroy();
            }
            Role::Guest { object, .. } => object.destroy(),
        }
        self.surface.destroy();
    }
}

/// Marks the pointer's surface: what the host says about it does not matter.
#[derive(Debug)]
struct Above;

impl Dispatch<WlSurface, Above> for State {
    fn event(
        _: &mut Self,
        _: &WlSurface,
        _: wl_surface::Event,
        Above: &Above,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}

impl Window {
    /// Brings the pointer above the window to what the guest wants.
    pub(super) fn apply_pointer(&mut self, pointer: &mut Pointer, means: &Means<'_>) {
        let is_ours = means.link.is_some() || pointer.shown == Shown::Own;
        let image = pointer.image.as_ref().filter(|_| is_ours);
        let image = image.filter(|image| is_usable(image));
        if self.cursor.is_none() {
            if image.is_none() {
                return;
            }
            match CursorSurface::new(&self.surface, means) {
                Ok(cursor) => self.cursor = Some(cursor),
                Err(error) => {
                    warn!(
                        "Making memory for a pointer image failed: {error}; the pointer is not shown"
                    );
                    pointer.image = None;
                    return;
                }
            }
        }
        let Some(cursor) = &mut self.cursor else {
            return;
        };
        cursor.set_follows(means.follows);
        if pointer.place_stale && is_ours {
            self.dirty |= cursor.place(pointer, &self.geometry, !pointer.image_stale);
            pointer.place_stale = false;
        }
        if pointer.image_stale {
            match image {
                None => {
                    cursor.hide();
                    pointer.image_stale = false;
                }
                Some(image) => match cursor.show(image, &self.geometry, means) {
                    Ok(shown) => pointer.image_stale = !shown,
                    Err(error) => {
                        warn!("Writing a pointer image failed: {error}; the old one stays");
                        pointer.image_stale = false;
                    }
                },
            }
        }
    }
}
