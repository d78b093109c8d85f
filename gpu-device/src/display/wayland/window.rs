//! A scanout's window: its objects, its life and its size on the host's screen.
//!
//! ```text
//! (none) ──open──▶ AwaitingConfigure ──configure──▶ Configured ──first frame──▶ Mapped
//!    ▲                    │                             │                         │
//!    └────────────────────┴────────── disable ──────────┴─────────────────────────┘
//! ```
//!
//! The protocol forbids attaching anything before the first configure, and a window is invisible
//! until something is attached. What is attached, and when, is decided in `frames`; what the host
//! says about the window is heard in `toplevel`; what is around the picture is `decoration`'s.

use protocols::virtio_gpu::Rect;
use wayland_client::{
    Proxy as _, QueueHandle,
    protocol::{wl_output::WlOutput, wl_surface::WlSurface},
};
use wayland_protocols::{
    wp::{
        linux_dmabuf::zv1::client::zwp_linux_dmabuf_feedback_v1::ZwpLinuxDmabufFeedbackV1,
        viewporter::client::wp_viewport::WpViewport,
    },
    xdg::{
        decoration::zv1::client::zxdg_toplevel_decoration_v1::{self, ZxdgToplevelDecorationV1},
        shell::client::{xdg_surface::XdgSurface, xdg_toplevel::XdgToplevel},
    },
};

use super::{
    State,
    cursor::CursorSurface,
    decoration::{Decoration, TITLE_HEIGHT},
    formats::{About, VERSION_FEEDBACK},
    frames::Frames,
    geometry::{Geometry, Placed, Rules, Size},
    globals::Globals,
    guest::Link,
    hints::Hints,
    preferences::{Fit, Preferences, Scale},
    scale::Told,
    titles::Titles,
    toplevel::{Abilities, Borders, Condition, Incoming},
};
use crate::{display::ScanoutId, input::Position};

/// What desktop files, icons and window rules know Lucarne's windows by.
pub(super) const APP_ID: &str = "lucarne";

/// The sides that a guest's picture can have, in guest pixels. Linux's driver drops modes outside
/// of this.
const SIDES: (u32, u32) = (32, 8192);

/// Which scanout an object on the connection belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner(pub(super) ScanoutId);

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
    pub(super) role: Role,
    pub(super) stage: Stage,
    pub(super) geometry: Geometry,
    pub(super) incoming: Incoming,
    pub(super) condition: Condition,
    pub(super) abilities: Abilities,
    pub(super) borders: Borders,
    pub(super) decoration: Decoration,
    pub(super) hints: Hints,
    pub(super) scale: Told,
    /// What came of it.
    pub(super) host_scale: Scale,
    applied: Option<View>,
    /// The part of the buffer that is the picture, where it is not all of it.
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
pub(super) struct Role {
    surface: XdgSurface,
    pub(super) toplevel: XdgToplevel,
    decoration: Option<ZxdgToplevelDecorationV1>,
    viewport: Option<WpViewport>,
    /// Which memory the host takes for it.
    feedback: Option<ZwpLinuxDmabufFeedbackV1>,
}

/// What a window is opened with.
#[derive(Clone, Copy)]
pub(super) struct Means<'a> {
    pub(super) titles: &'a Titles,
    pub(super) preferences: &'a Preferences,
    /// The scanout, on our own compositor.
    pub(super) link: Option<&'a Link>,
    pub(super) globals: &'a Globals,
    pub(super) handle: &'a QueueHandle<State>,
}

/// How the picture is laid onto the host's screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct View {
    picture: Placed,
    scaled: bool,
    /// The part of the buffer that is shown, where it is not all of it.
    source: Option<Rect>,
    window: Size,
    title: u32,
    scale: Scale,
}

impl Window {
    /// Asks the host for a window for a picture of this size.
    pub(super) fn open(scanout: ScanoutId, source: Size, means: &Means<'_>) -> Self {
        let Means {
            globals, handle, ..
        } = *means;
        let owner = Owner(scanout);
        let surface = globals.compositor.create_surface(handle, owner);
        let xdg_surface = globals.shell.get_xdg_surface(&surface, handle, owner);
        let toplevel = xdg_surface.get_toplevel(handle, owner);
        toplevel.set_app_id(APP_ID.to_owned());
        toplevel.set_title(means.titles.of(scanout, &means.preferences.release));
        if let Some(icons) = &globals.icons {
            let icon = icons.create_icon(handle, ());
            icon.set_name(APP_ID.to_owned());
            icons.set_icon(&toplevel, Some(&icon));
            icon.destroy();
        }
        let mut told = Told::default();
        if let Some(link) = means.link {
            link.set_window(&surface);
        } else {
            if let Some(tags) = &globals.tags {
                tags.set_toplevel_tag(&toplevel, format!("scanout-{}", scanout.0));
            }
            let scales = globals.scales.as_ref();
            told = Told::new(scales.map(|it| it.get_fractional_scale(&surface, handle, owner)));
        }
        let decoration = globals.decorations.as_ref().map(|decorations| {
            let decoration = decorations.get_toplevel_decoration(&toplevel, handle, owner);
            decoration.set_mode(zxdg_toplevel_decoration_v1::Mode::ServerSide);
            decoration
        });
        // Our own compositor frames guests as it likes. Others that don't know the question leave
        // borders to their clients.
        let borders = match (&decoration, means.link) {
            (None, None) => Borders::Ours,
            _ => Borders::Host,
        };
        let dmabuf = globals.dmabuf.as_ref();
        let dmabuf = dmabuf.filter(|it| it.version() >= VERSION_FEEDBACK);
        let about = About::Window(scanout);
        let feedback = dmabuf.map(|it| it.get_surface_feedback(&surface, handle, about));
        let viewport = globals.viewporter.as_ref();
        let viewport = viewport.map(|viewporter| viewporter.get_viewport(&surface, handle, ()));
        let rules = Rules {
            // Our own compositor lays the picture onto the monitor.
            fit: match means.link {
                Some(_) => Fit::Stretch,
                None => means.preferences.fit,
            },
            scales: viewport.is_some(),
        };
        surface.commit();
        Self {
            surface,
            stage: Stage::AwaitingConfigure,
            geometry: Geometry::new(source, rules),
            role: Role {
                surface: xdg_surface,
                toplevel,
                decoration,
                viewport,
                feedback,
            },
            incoming: Incoming::default(),
            condition: Condition::default(),
            abilities: Abilities::default(),
            borders,
            decoration: Decoration::default(),
            hints: Hints::default(),
            scale: told,
            host_scale: Scale::ONE,
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
        let view = self.view();
        let before = self.applied.replace(view);
        if before == Some(view) {
            return false;
        }
        let placed = view.picture;
        let (width, height) = (pixels(placed.size.width), pixels(placed.size.height));
        if let Some(viewport) = &self.role.viewport {
            match view.source {
                Some(part) => viewport.set_source(
                    f64::from(part.x),
                    f64::from(part.y),
                    f64::from(part.width),
                    f64::from(part.height),
                ),
                None => viewport.set_source(-1.0, -1.0, -1.0, -1.0),
            }
            if view.scaled {
                viewport.set_destination(width, height);
            } else {
                viewport.set_destination(-1, -1);
            }
        }
        // Without it the window would be as large as picture, pointer and shadow together.
        self.role.surface.set_window_geometry(
            -pixels(placed.x),
            -pixels(placed.y.saturating_add(view.title)),
            pixels(view.window.width),
            pixels(view.window.height.saturating_add(view.title)),
        );
        if before.map(|before| (before.scale, before.title)) != Some((view.scale, view.title)) {
            self.limit(view);
        }
        let opaque = globals.compositor.create_region(handle, ());
        opaque.add(0, 0, width, height);
        self.surface.set_opaque_region(Some(&opaque));
        opaque.destroy();
        true
    }

    fn view(&self) -> View {
        let moved = |by: Rect, part: Rect| Rect {
            x: by.x.saturating_add(part.x),
            y: by.y.saturating_add(part.y),
            ..part
        };
        View {
            picture: self.geometry.picture(),
            scaled: self.geometry.is_scaled(),
            source: match (self.crop, self.geometry.cut()) {
                (crop, None) => crop,
                (None, cut) => cut,
                (Some(crop), Some(cut)) => Some(moved(crop, cut)),
            },
            window: self.geometry.window(),
            title: if self.has_title() { TITLE_HEIGHT } else { 0 },
            scale: self.geometry.scale(),
        }
    }

    /// Tells the host which sizes a guest can have at all.
    fn limit(&self, View { title, scale, .. }: View) {
        let [least, most] = [SIDES.0, SIDES.1].map(|side| pixels(scale.logical(side)));
        let title = pixels(title);
        let toplevel = &self.role.toplevel;
        toplevel.set_min_size(least, least.saturating_add(title));
        toplevel.set_max_size(most, most.saturating_add(title));
    }

    /// Sends what only waits for a commit of the surface.
    pub(super) fn commit_if_dirty(
        &mut self,
        scanout: ScanoutId,
        globals: &Globals,
        handle: &QueueHandle<State>,
    ) {
        if std::mem::take(&mut self.dirty) {
            self.commit_again(scanout, globals, handle);
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // The protocol wants the inner roles gone before the outer ones, the surface last.
        self.cursor = None;
        self.decoration = Decoration::default();
        self.hints = Hints::default();
        self.scale = Told::default();
        if let Some(decoration) = &self.role.decoration {
            decoration.destroy();
        }
        if let Some(viewport) = &self.role.viewport {
            viewport.destroy();
        }
        if let Some(feedback) = &self.role.feedback {
            feedback.destroy();
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

impl State {
    /// The window of a scanout, which is opened if there is none.
    pub(super) fn window_for(&mut self, scanout: ScanoutId, source: Size) {
        let record = self.scanouts.entry(scanout).or_default();
        if record.window.is_some() {
            return;
        }
        // A scanout that was plugged in later.
        if let (None, Some(manager)) = (&record.link, &self.globals.guests) {
            let link = Link::new(manager, self.titles.guest(), scanout, &self.handle);
            record.link = Some(link);
        }
        let renamed = self.titles.opened(scanout);
        let means = Means {
            titles: &self.titles,
            preferences: &self.preferences,
            link: record.link.as_ref(),
            globals: &self.globals,
            handle: &self.handle,
        };
        record.window = Some(Window::open(scanout, source, &means));
        if renamed {
            let scanouts: Vec<ScanoutId> = self.scanouts.keys().copied().collect();
            let others = scanouts.into_iter().filter(|other| *other != scanout);
            others.for_each(|other| self.retitle(other));
        }
        self.rescale(scanout);
    }

    /// Says in every title how the guest's machine is; `None` for one that runs.
    pub(super) fn set_machine(&mut self, words: Option<&str>) {
        self.titles.set_machine(words);
        let scanouts: Vec<ScanoutId> = self.scanouts.keys().copied().collect();
        scanouts
            .into_iter()
            .for_each(|scanout| self.retitle(scanout));
    }

    /// Tells the host what a window is called now.
    pub(super) fn retitle(&mut self, scanout: ScanoutId) {
        let title = self.titles.of(scanout, &self.preferences.release);
        if let Some(window) = self.window(scanout) {
            window.role.toplevel.set_title(title);
            self.redress(scanout);
        }
    }

    /// Where on a scanout's picture a place of its window's surface is.
    pub(super) fn position(&self, scanout: ScanoutId, x: f64, y: f64) -> Position {
        let record = self.scanouts.get(&scanout);
        let window = record.and_then(|record| record.window.as_ref());
        let (x, y) = window.map_or((x, y), |window| window.geometry.to_picture(x, y));
        Position { scanout, x, y }
    }
}
