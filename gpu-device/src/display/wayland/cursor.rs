//! The guest's pointer: a small surface above the window's.
//!
//! It is a sub-surface and not the host's own pointer, because it is wherever the guest wants it.
//! It is not cut off at the window's edge, so that a compositor can put it on a cursor plane as
//! it is; the edge of the screen does the cutting there.
//!
//! Its image changes at once; its place changes with the *window's* next commit, as the protocol
//! has it. Both are sent by [`State::settle`] only, so that a mouse which reports a thousand
//! times a second costs one commit per turn of the event loop, and nothing while the host does
//! not read.

use std::{
    fs::File,
    io,
    os::{fd::AsFd, unix::fs::FileExt},
};

use protocols::virtio_gpu::CURSOR_SIZE;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use tracing::warn;
use wayland_client::{
    Connection, Dispatch, QueueHandle,
    protocol::{
        wl_buffer::{self, WlBuffer},
        wl_shm,
        wl_shm_pool::WlShmPool,
        wl_subsurface::WlSubsurface,
        wl_surface::{self, WlSurface},
    },
};
use wayland_protocols::wp::viewporter::client::wp_viewport::WpViewport;

use super::{
    State,
    geometry::Geometry,
    globals::Globals,
    window::{Owner, Window, pixels},
};
use crate::display::{CursorImage, CursorUpdate};

/// Bytes of one pixel of the image.
const PIXEL: u32 = 4;

/// Bytes of the largest image.
const SLOT: u32 = CURSOR_SIZE * CURSOR_SIZE * PIXEL;

/// Images in memory: one on the screen, one on its way there.
const SLOTS: u32 = 2;

/// What the guest wants of its pointer. Outlives the window.
#[derive(Debug, Default)]
pub(super) struct Pointer {
    image: Option<CursorImage>,
    x: i32,
    y: i32,
    image_stale: bool,
    place_stale: bool,
}

impl Pointer {
    /// See [`Display::cursor`](crate::display::Display::cursor).
    pub(super) fn update(&mut self, update: CursorUpdate) {
        match update {
            CursorUpdate::Image { image, x, y } => {
                let size = |image: &CursorImage| (image.width, image.height);
                // Where the picture is scaled, so is the image, by its own size.
                self.place_stale |= self.image.as_ref().map(size) != Some(size(&image));
                self.image = Some(image);
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

    fn move_to(&mut self, x: i32, y: i32) {
        self.place_stale |= (self.x, self.y) != (x, y);
        (self.x, self.y) = (x, y);
    }
}

/// The surface on the host's side.
#[derive(Debug)]
pub(super) struct CursorSurface {
    surface: WlSurface,
    subsurface: WlSubsurface,
    viewport: Option<WpViewport>,
    memory: Memory,
}

/// Where the images are. A slot is written again only when the host has released it.
#[derive(Debug)]
struct Memory {
    file: File,
    pool: WlShmPool,
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    offset: u32,
    held: Option<WlBuffer>,
}

impl CursorSurface {
    fn new(window: &WlSurface, globals: &Globals, handle: &QueueHandle<State>) -> io::Result<Self> {
        let memory = Memory::new(globals, handle)?;
        let surface = globals.compositor.create_surface(handle, Above);
        let subsurface = globals
            .subcompositor
            .get_subsurface(&surface, window, handle, ());
        subsurface.set_desync();
        // What the user points at is the window below.
        let nothing = globals.compositor.create_region(handle, ());
        surface.set_input_region(Some(&nothing));
        nothing.destroy();
        let viewport = globals.viewporter.as_ref();
        let viewport = viewport.map(|viewporter| viewporter.get_viewport(&surface, handle, ()));
        Ok(Self {
            surface,
            subsurface,
            viewport,
            memory,
        })
    }

    /// Shows an image. Returns false if both slots are held: a release will come.
    fn show(
        &mut self,
        image: &CursorImage,
        owner: Owner,
        geometry: &Geometry,
        handle: &QueueHandle<State>,
    ) -> io::Result<bool> {
        let Some(slot) = self
            .memory
            .slots
            .iter_mut()
            .find(|slot| slot.held.is_none())
        else {
            return Ok(false);
        };
        self.memory
            .file
            .write_all_at(&image.pixels, slot.offset.into())?;
        let (width, height) = (pixels(image.width), pixels(image.height));
        let buffer = self.memory.pool.create_buffer(
            pixels(slot.offset),
            width,
            height,
            pixels(image.width * PIXEL),
            wl_shm::Format::Argb8888,
            handle,
            owner,
        );
        self.surface.attach(Some(&buffer), 0, 0);
        self.surface.damage_buffer(0, 0, width, height);
        if let Some(viewport) = &self.viewport {
            if geometry.is_scaled() {
                let (width, height) = (geometry.scale_x(width), geometry.scale_y(height));
                viewport.set_destination(width.max(1), height.max(1));
            } else {
                viewport.set_destination(-1, -1);
            }
        }
        self.surface.commit();
        slot.held = Some(buffer);
        Ok(true)
    }

    fn hide(&self) {
        self.surface.attach(None, 0, 0);
        self.surface.commit();
    }

    fn released(&mut self, buffer: &WlBuffer) {
        let mut slots = self.memory.slots.iter_mut();
        if let Some(slot) = slots.find(|slot| slot.held.as_ref() == Some(buffer)) {
            slot.held = None;
            buffer.destroy();
        }
    }
}

impl Drop for CursorSurface {
    fn drop(&mut self) {
        if let Some(viewport) = &self.viewport {
            viewport.destroy();
        }
        self.subsurface.destroy();
        self.surface.destroy();
    }
}

impl Memory {
    fn new(globals: &Globals, handle: &QueueHandle<State>) -> io::Result<Self> {
        let size = SLOT * SLOTS;
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let fd = memfd_create("lucarne-pointer", flags)?;
        ftruncate(&fd, size.into())?;
        // Spares the host from guarding against a shrinking file.
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::SEAL)?;
        let pool = globals
            .shm
            .create_pool(fd.as_fd(), pixels(size), handle, ());
        let slots = (0..SLOTS)
            .map(|slot| Slot {
                offset: slot * SLOT,
                held: None,
            })
            .collect();
        Ok(Self {
            file: File::from(fd),
            pool,
            slots,
        })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for buffer in self.slots.iter().filter_map(|slot| slot.held.as_ref()) {
            buffer.destroy();
        }
        self.pool.destroy();
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

/// Whether the pixels are there that the image promises, and fit into a slot.
fn is_usable(image: &CursorImage) -> bool {
    let fits = image.width <= CURSOR_SIZE && image.height <= CURSOR_SIZE;
    let bytes = u64::from(image.width) * u64::from(image.height) * u64::from(PIXEL);
    fits && bytes != 0 && u64::try_from(image.pixels.len()) == Ok(bytes)
}

impl Window {
    /// Brings the host's pointer to what the guest wants.
    pub(super) fn apply_pointer(
        &mut self,
        pointer: &mut Pointer,
        owner: Owner,
        globals: &Globals,
        handle: &QueueHandle<State>,
    ) {
        let image = pointer.image.as_ref().filter(|image| is_usable(image));
        if self.cursor.is_none() {
            if image.is_none() {
                return;
            }
            match CursorSurface::new(&self.surface, globals, handle) {
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
        let moved = pointer.place_stale;
        if moved {
            let (x, y) = (
                self.geometry.scale_x(pointer.x),
                self.geometry.scale_y(pointer.y),
            );
            cursor.subsurface.set_position(x, y);
            pointer.place_stale = false;
            self.dirty = true;
        }
        if moved && !pointer.image_stale {
            // The protocol asks for the window's commit only, but compositors made with smithay
            // 0.7 take a place in when the pointer's own surface commits: it would never move.
            cursor.surface.commit();
        }
        if pointer.image_stale {
            match image {
                None => {
                    cursor.hide();
                    pointer.image_stale = false;
                }
                Some(image) => match cursor.show(image, owner, &self.geometry, handle) {
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

impl Dispatch<WlBuffer, Owner> for State {
    fn event(
        state: &mut Self,
        buffer: &WlBuffer,
        event: wl_buffer::Event,
        owner: &Owner,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_buffer::Event::Release = event
            && let Some(window) = state.window(owner.0)
            && let Some(cursor) = &mut window.cursor
        {
            cursor.released(buffer);
        }
    }
}
