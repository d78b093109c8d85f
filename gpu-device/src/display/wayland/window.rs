//! A scanout's window: its objects, its life and its size on the host's screen.
//!
//! ```text
//! (none) ──open──▶ AwaitingConfigure ──configure──▶ Configured ──first frame──▶ Mapped
//!    ▲                    │                             │                         │
//!    └────────────────────┴────────── disable ──────────┴─────────────────────────┘
//! ```
//!
//! The protocol forbids attaching anything before the first configure, and a window is invisible
//! until something is attached. What is attached, and when, is decided in `frames`.

use protocols::virtio_gpu::Rect;
use wayland_client::{
    Connection, Dispatch, QueueHandle,
    protocol::{wl_output::WlOutput, wl_surface::WlSurface},
};
use wayland_protocols::{
    wp::viewporter::client::wp_viewport::WpViewport,
    xdg::{
        decoration::zv1::client::zxdg_toplevel_decoration_v1::{self, ZxdgToplevelDecorationV1},
        shell::client::{
            xdg_surface::{self, XdgSurface},
            xdg_toplevel::{self, XdgToplevel},
        },
    },
};

use super::{
    State,
    cursor::CursorSurface,
    frames::Frames,
    geometry::{Configure, Geometry, Size},
    globals::Globals,
    guest::Link,
};
use crate::display::{DisplayEvent, ScanoutId};

/// What desktop files and window rules know Lucarne's windows by.
const APP_ID: &str = "lucarne";

/// Longer names are cut: a request must fit into the 4096 bytes of a Wayland message.
const MAX_TITLE: usize = 200;

/// Which scanout an object on the connection belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner(pub(super) ScanoutId);

/// What the windows of a guest are called.
#[derive(Debug)]
pub(super) struct Titles {
    guest: String,
    several: bool,
}

/// Where a window is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The host has not answered yet.
    AwaitingConfigure,
    /// It may be shown and has nothing to show.
    Configured,
    /// It has been given a picture.
    Mapped,
}

/// A window and everything that goes with it.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) surface: WlSurface,
    role: Role,
    pub(super) stage: Stage,
    pub(super) geometry: Geometry,
    /// What the host has said since its last "that is all".
    incoming: Configure,
    applied: Option<View>,
    pub(super) crop: Option<Rect>,
    pub(super) frames: Frames,
    pub(super) cursor: Option<CursorSurface>,
    /// The outputs it is on, the one it reached last at the end.
    pub(super) outputs: Vec<WlOutput>,
    /// Something waits for the surface's next commit.
    pub(super) dirty: bool,
}

/// The objects that make a surface a window.
#[derive(Debug)]
struct Role {
    surface: XdgSurface,
    toplevel: XdgToplevel,
    decoration: Option<ZxdgToplevelDecorationV1>,
    viewport: Option<WpViewport>,
}

/// How the picture is laid onto the host's screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct View {
    shown: Size,
    scaled: bool,
    crop: Option<Rect>,
}

impl Titles {
    pub(super) fn new(guest: &str, scanouts: usize) -> Self {
        // A zero byte can't travel in a Wayland string.
        let guest = guest
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_TITLE)
            .collect();
        Self {
            guest,
            several: scanouts > 1,
        }
    }

    /// The guest's name, fit to be sent.
    pub(super) fn guest(&self) -> &str {
        &self.guest
    }

    fn title(&self, scanout: ScanoutId) -> String {
        if self.several {
            format!("{} (screen {})", self.guest, u32::from(scanout.0) + 1)
        } else {
            self.guest.clone()
        }
    }
}

impl Window {
    /// Asks the host for a window for a picture of this size.
    pub(super) fn open(
        scanout: ScanoutId,
        source: Size,
        titles: &Titles,
        link: Option<&Link>,
        globals: &Globals,
        handle: &QueueHandle<State>,
    ) -> Self {
        let surface = globals.compositor.create_surface(handle, Owner(scanout));
        let xdg_surface = globals
            .shell
            .get_xdg_surface(&surface, handle, Owner(scanout));
        let toplevel = xdg_surface.get_toplevel(handle, Owner(scanout));
        toplevel.set_app_id(APP_ID.to_owned());
        toplevel.set_title(titles.title(scanout));
        if let Some(link) = link {
            link.set_window(&surface);
        } else if let Some(tags) = &globals.tags {
            tags.set_toplevel_tag(&toplevel, format!("scanout-{}", scanout.0));
        }
        let decoration = globals.decorations.as_ref().map(|decorations| {
            let decoration = decorations.get_toplevel_decoration(&toplevel, handle, ());
            decoration.set_mode(zxdg_toplevel_decoration_v1::Mode::ServerSide);
            decoration
        });
        let viewport = globals.viewporter.as_ref();
        let viewport = viewport.map(|viewporter| viewporter.get_viewport(&surface, handle, ()));
        surface.commit();
        Self {
            surface,
            stage: Stage::AwaitingConfigure,
            geometry: Geometry::new(source, viewport.is_some()),
            role: Role {
                surface: xdg_surface,
                toplevel,
                decoration,
                viewport,
            },
            incoming: Configure::default(),
            applied: None,
            crop: None,
            frames: Frames::default(),
            cursor: None,
            outputs: Vec::new(),
            dirty: false,
        }
    }

    /// Brings size, crop and opaque region to where they should be, for the next commit. Returns
    /// whether anything changed.
    pub(super) fn apply_view(&mut self, globals: &Globals, handle: &QueueHandle<State>) -> bool {
        let view = View {
            shown: self.geometry.shown(),
            scaled: self.geometry.is_scaled(),
            crop: self.crop,
        };
        if self.applied.replace(view) == Some(view) {
            return false;
        }
        let (width, height) = (pixels(view.shown.width), pixels(view.shown.height));
        if let Some(viewport) = &self.role.viewport {
            match view.crop {
                Some(crop) => viewport.set_source(
                    f64::from(crop.x),
                    f64::from(crop.y),
                    f64::from(crop.width),
                    f64::from(crop.height),
                ),
                None => viewport.set_source(-1.0, -1.0, -1.0, -1.0),
            }
            if view.scaled {
                viewport.set_destination(width, height);
            } else {
                viewport.set_destination(-1, -1);
            }
        }
        // Without it the window would be as large as picture and pointer together.
        self.role.surface.set_window_geometry(0, 0, width, height);
        let opaque = globals.compositor.create_region(handle, ());
        opaque.add(0, 0, width, height);
        self.surface.set_opaque_region(Some(&opaque));
        opaque.destroy();
        true
    }

    /// Sends what only waits for a commit of the surface.
    pub(super) fn commit_if_dirty(&mut self) {
        if std::mem::take(&mut self.dirty) {
            self.surface.commit();
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // The protocol wants the inner roles gone before the outer ones, the surface last.
        self.cursor = None;
        if let Some(decoration) = &self.role.decoration {
            decoration.destroy();
        }
        if let Some(viewport) = &self.role.viewport {
            viewport.destroy();
        }
        self.role.toplevel.destroy();
        self.role.surface.destroy();
        self.surface.destroy();
    }
}

/// A number of pixels as the protocol counts them.
pub(super) fn pixels(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Reads a toplevel's states: whether its size is dictated, and whether it is being resized.
fn read_states(configure: &mut Configure, states: &[u8]) {
    use xdg_toplevel::State as Toplevel;
    let (states, _) = states.as_chunks::<4>();
    for state in states {
        match Toplevel::try_from(u32::from_ne_bytes(*state)) {
            Ok(Toplevel::Resizing) => configure.resizing = true,
            Ok(
                Toplevel::Maximized
                | Toplevel::Fullscreen
                | Toplevel::TiledLeft
                | Toplevel::TiledRight
                | Toplevel::TiledTop
                | Toplevel::TiledBottom,
            ) => configure.fixed = true,
            _ => {}
        }
    }
}

impl Dispatch<XdgToplevel, Owner> for State {
    fn event(
        state: &mut Self,
        _: &XdgToplevel,
        event: xdg_toplevel::Event,
        owner: &Owner,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            xdg_toplevel::Event::Configure {
                width,
                height,
                states,
            } => {
                if let Some(window) = state.window(owner.0) {
                    window.incoming = Configure::default();
                    window.incoming.size = Size {
                        width: u32::try_from(width).unwrap_or(0),
                        height: u32::try_from(height).unwrap_or(0),
                    };
                    read_states(&mut window.incoming, &states);
                }
            }
            xdg_toplevel::Event::Close => {
                state
                    .events
                    .push_back(DisplayEvent::CloseRequested(owner.0));
            }
            // Bounds and abilities of the host: hints for windows that choose their size.
            _ => {}
        }
    }
}

impl Dispatch<XdgSurface, Owner> for State {
    fn event(
        state: &mut Self,
        xdg_surface: &XdgSurface,
        event: xdg_surface::Event,
        owner: &Owner,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let xdg_surface::Event::Configure { serial } = event else {
            return;
        };
        xdg_surface.ack_configure(serial);
        if let Some(size) = state.configured(owner.0) {
            state.events.push_back(DisplayEvent::Resized {
                scanout: owner.0,
                width: size.width,
                height: size.height,
            });
        }
        state.show(owner.0);
    }
}

impl State {
    /// The host has said all about a window's new state. Returns the size that the guest shall
    /// be asked for.
    fn configured(&mut self, scanout: ScanoutId) -> Option<Size> {
        let record = self.scanouts.get_mut(&scanout)?;
        let window = record.window.as_mut()?;
        let asked = window.geometry.configure(window.incoming);
        match window.stage {
            Stage::AwaitingConfigure => window.stage = Stage::Configured,
            Stage::Configured => {}
            Stage::Mapped => {
                // The old picture is scaled at once; the guest's new one comes when it comes.
                // The host waits for a commit after every configure, changed or not.
                let changed = window.apply_view(&self.globals, &self.handle);
                if changed && record.link.is_none() {
                    record.pointer.place_again();
                }
                window.dirty = true;
            }
        }
        asked
    }
}
