//! What the host's own pointer looks like over our windows.
//!
//! The host forgets it whenever the pointer comes to a window, and wants the number of that coming
//! with each answer. So what it is to look like is made anew from all that matters whenever
//! anything may have changed, and sent where it differs from what the host knows.

use std::io;

use tracing::warn;
use wayland_client::protocol::wl_surface::WlSurface;
use wayland_protocols::wp::{
    cursor_shape::v1::client::wp_cursor_shape_device_v1::{Shape, WpCursorShapeDeviceV1},
    viewporter::client::wp_viewport::WpViewport,
};

use super::{
    Above, Means, Pointer, Shown,
    images::{Images, is_usable},
};
use crate::display::{
    CursorImage, ScanoutId,
    wayland::{
        State,
        geometry::Geometry,
        seat::{Hands, Over, Pointer as SeatPointer},
        window::pixels,
    },
};

/// A seat's pointer over our windows.
#[derive(Debug)]
pub(in super::super) struct HostCursor {
    /// How to look like one of the host's own.
    shape: Option<WpCursorShapeDeviceV1>,
    picture: Option<Picture>,
    applied: Option<Applied>,
}

/// A surface with an image of the guest's.
#[derive(Debug)]
struct Picture {
    surface: WlSurface,
    viewport: Option<WpViewport>,
    images: Images,
}

/// What the host knows, and for which of the pointer's comings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Applied {
    serial: u32,
    look: Look,
}

/// What a pointer is to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Like nothing.
    Hidden,
    /// Like one of the host's.
    Shape(Shape),
    /// Like the guest's.
    Image {
        scanout: ScanoutId,
        /// Counts the scanout's images.
        image: u64,
        /// On the host's screen.
        size: (i32, i32),
        hot: (i32, i32),
    },
}

impl Picture {
    fn new(means: &Means<'_>) -> io::Result<Self> {
        let (globals, handle) = (means.globals, means.handle);
        let images = Images::shared(globals, handle)?;
        let surface = globals.compositor.create_surface(handle, Above);
        let viewporter = globals.viewporter.as_ref();
        let viewport = viewporter.map(|viewporter| viewporter.get_viewport(&surface, handle, ()));
        Ok(Self {
            surface,
            viewport,
            images,
        })
    }

    /// Gives the surface an image. False if there is no memory for it yet: an event will come.
    fn show(
        &mut self,
        image: &CursorImage,
        size: (i32, i32),
        means: &Means<'_>,
    ) -> io::Result<bool> {
        let Some(written) = self.images.write(image, means)? else {
            return Ok(false);
        };
        let (width, height) = (pixels(written.width), pixels(written.height));
        self.surface.attach(Some(&written.buffer), 0, 0);
        self.surface.damage_buffer(0, 0, width, height);
        if let Some(viewport) = &self.viewport {
            let size = if size == (width, height) {
                (-1, -1)
            } else {
                size
            };
            viewport.set_destination(size.0, size.1);
        }
        self.surface.commit();
        Ok(true)
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        if let Some(viewport) = &self.viewport {
            viewport.destroy();
        }
        self.surface.destroy();
    }
}

impl HostCursor {
    /// `shape` where the host has pointers for its clients.
    pub(in super::super) fn new(shape: Option<WpCursorShapeDeviceV1>) -> Self {
        Self {
            shape,
            picture: None,
            applied: None,
        }
    }

    /// The memory of its images.
    pub(super) fn images(&mut self) -> Option<&mut Images> {
        self.picture.as_mut().map(|picture| &mut picture.images)
    }
}

impl Drop for HostCursor {
    fn drop(&mut self) {
        if let Some(shape) = &self.shape {
            shape.destroy();
        }
    }
}

/// What a seat's pointer is to look like, and for which of its comings; `None` if that is not ours
/// to say.
fn wanted(hands: &Hands, seat: &SeatPointer, on: Option<&Seen<'_>>) -> Option<Applied> {
    let (serial, look) = match (seat.over, on) {
        (Over::Decoration { serial, shape, .. }, _) => (serial, Look::Shape(shape)),
        // Our own compositor shows the guest's pointer by itself.
        (Over::Picture { serial, .. }, Some(on)) if !on.is_ours => {
            let look = match on.pointer.shown {
                Shown::Host => on.look(),
                _ if !hands.follows && !hands.is_locked() => Look::Shape(Shape::Default),
                _ => Look::Hidden,
            };
            (serial, look)
        }
        _ => return None,
    };
    Some(Applied { serial, look })
}

/// The scanout that a pointer is over.
struct Seen<'a> {
    scanout: ScanoutId,
    pointer: &'a Pointer,
    geometry: &'a Geometry,
    is_ours: bool,
}

impl Seen<'_> {
    fn look(&self) -> Look {
        let image = self.pointer.image.as_ref().filter(|image| is_usable(image));
        let Some(image) = image else {
            return Look::Hidden;
        };
        let geometry = self.geometry;
        let scale = |x: u32, y: u32| (geometry.scale_x(pixels(x)), geometry.scale_y(pixels(y)));
        let (width, height) = scale(image.width, image.height);
        Look::Image {
            scanout: self.scanout,
            image: self.pointer.images,
            size: (width.max(1), height.max(1)),
            hot: scale(image.hot_x, image.hot_y),
        }
    }
}

impl State {
    /// Lets the host's pointers look as they are to look.
    pub(in super::super) fn settle_host_cursors(&mut self) {
        for index in 0..self.hands.seats.len() {
            self.settle_host_cursor(index);
        }
    }

    fn settle_host_cursor(&mut self, index: usize) {
        let hands = &self.hands;
        let seat = hands
            .seats
            .get(index)
            .and_then(|seat| seat.pointer.as_ref());
        let Some(seat) = seat else {
            return;
        };
        let seen = seat.over.picture().and_then(|scanout| {
            let record = self.scanouts.get(&scanout)?;
            Some(Seen {
                scanout,
                pointer: &record.pointer,
                geometry: &record.window.as_ref()?.geometry,
                is_ours: record.link.is_some(),
            })
        });
        let wanted = wanted(hands, seat, seen.as_ref());
        if seat.cursor.applied == wanted {
            return;
        }
        let image = seen.and_then(|seen| seen.pointer.image.as_ref());
        let means = Means {
            link: None,
            globals: &self.globals,
            formats: &self.formats,
            handle: &self.handle,
            dma_bufs: None,
            follows: true,
        };
        let seat = self.hands.seats.get_mut(index);
        let Some(pointer) = seat.and_then(|seat| seat.pointer.as_mut()) else {
            return;
        };
        let applied = match wanted {
            None => true,
            Some(wanted) => match pointer.apply(wanted, image, &means) {
                Ok(applied) => applied,
                Err(error) => {
                    warn!("Making memory for a pointer image failed: {error}; the old one stays");
                    true
                }
            },
        };
        if applied {
            pointer.cursor.applied = wanted;
        }
    }
}

impl SeatPointer {
    /// False if there is no memory for the image yet: an event will come.
    fn apply(
        &mut self,
        Applied { serial, look }: Applied,
        image: Option<&CursorImage>,
        means: &Means<'_>,
    ) -> io::Result<bool> {
        let cursor = &mut self.cursor;
        match (look, image) {
            (Look::Image { size, hot, .. }, Some(image)) => {
                let picture = match &mut cursor.picture {
                    Some(picture) => picture,
                    none => none.insert(Picture::new(means)?),
                };
                if !picture.show(image, size, means)? {
                    return Ok(false);
                }
                let surface = Some(&picture.surface);
                self.proxy.set_cursor(serial, surface, hot.0, hot.1);
            }
            (Look::Shape(shape), _) => match &cursor.shape {
                Some(device) => device.set_shape(serial, shape),
                // An arrow of ours would look like the guest's.
                None => self.proxy.set_cursor(serial, None, 0, 0),
            },
            _ => self.proxy.set_cursor(serial, None, 0, 0),
        }
        Ok(true)
    }
}
