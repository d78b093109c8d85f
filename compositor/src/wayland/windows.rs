//! Clients' windows, and where the desktop has them.

use smithay::backend::renderer::utils::with_renderer_surface_state;
use smithay::{
    desktop::{PopupKind, PopupManager},
    reexports::{
        wayland_protocols::xdg::shell::server::xdg_toplevel,
        wayland_server::{Resource, protocol::wl_surface::WlSurface},
    },
    utils::{Logical, Physical, Point, Size},
    wayland::{
        compositor::with_states,
        shell::xdg::{SurfaceCachedState, ToplevelSurface, XdgToplevelSurfaceData},
    },
};
use thiserror::Error;

use crate::{
    backend::OutputOptions,
    desktop::{Desktop, Owner, Window, WindowId},
    render::Layer,
};

/// A window, as told to programs and tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowInfo {
    /// The guest whose window it is; `None` for an ordinary client's.
    pub guest: Option<String>,
    /// Which of the guest's virtual monitors it shows, once its device has said so.
    pub scanout: Option<u8>,
    /// Its title, as the client gives it.
    pub title: String,
    /// The client's name for its kind of window.
    pub app_id: String,
    /// The name of the output that it is on.
    pub output: String,
    /// Its left edge from that of the output, in logical pixels.
    pub x: i32,
    /// Its top edge from that of the output, in logical pixels.
    pub y: i32,
    /// Its width in pixels of its own.
    pub width: i32,
    /// Its height in pixels of its own.
    pub height: i32,
    /// Whether it has the keyboard.
    pub focused: bool,
}

/// Why a guest's window can't be given another size.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ResizeError {
    /// The guest's monitor has no window.
    #[error(
        "Could not resize scanout {scanout} of guest {guest:?}: it shows nothing. Wait until the \
         guest has drawn something"
    )]
    NothingShown {
        /// The guest.
        guest: String,
        /// The number of the monitor.
        scanout: u8,
    },
    /// No guest takes this size.
    #[error("Could not resize to {width}x{height}. Choose a width and a height from {min} to {max}",
        min = OutputOptions::SIZES.start(), max = OutputOptions::SIZES.end())]
    Size {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
}

/// A client's toplevel.
#[derive(Debug)]
struct ShellWindow {
    toplevel: ToplevelSurface,
    owner: Owner,
    /// On the desktop, while it has something to show.
    id: Option<WindowId>,
}

/// All windows.
#[derive(Debug)]
pub struct Windows {
    /// Where they are.
    pub(crate) desktop: Desktop,
    /// Their menus.
    pub(crate) popups: PopupManager,
    shell: Vec<ShellWindow>,
    /// The window that was last told that it is active.
    active: Option<WindowId>,
}

impl Windows {
    pub(crate) fn new(desktop: Desktop) -> Self {
        Self {
            desktop,
            popups: PopupManager::default(),
            shell: Vec::new(),
            active: None,
        }
    }

    /// A client made a toplevel; it shows nothing yet.
    pub(crate) fn add(&mut self, toplevel: ToplevelSurface, guest: Option<&str>) {
        let owner = match guest {
            Some(name) => Owner::Guest {
                name: name.to_owned(),
                scanout: None,
            },
            None => Owner::Client,
        };
        self.shell.push(ShellWindow {
            toplevel,
            owner,
            id: None,
        });
    }

    /// A toplevel is gone. Returns the output that it was on.
    pub(crate) fn remove(&mut self, toplevel: &ToplevelSurface) -> Option<usize> {
        let index = self
            .shell
            .iter()
            .position(|window| window.toplevel.xdg_toplevel() == toplevel.xdg_toplevel())?;
        let id = self.shell.swap_remove(index).id?;
        let output = self.output_of(id);
        self.desktop.remove(id);
        output
    }

    /// A device said which virtual monitor a toplevel shows.
    pub(crate) fn set_scanout(&mut self, surface: &WlSurface, number: u8) {
        let Some(index) = self.index_of(surface) else {
            return;
        };
        let window = &mut self.shell[index];
        if let Owner::Guest { scanout, .. } = &mut window.owner {
            *scanout = Some(number);
        }
        if let Some(id) = window.id {
            self.desktop.set_scanout(id, number);
        }
    }

    /// A toplevel committed: it appears with its first buffer, and disappears without one.
    /// Returns the output that it is on now.
    pub(crate) fn committed(&mut self, surface: &WlSurface) -> Option<usize> {
        let index = self.index_of(surface)?;
        let window = &mut self.shell[index];
        let shows = with_renderer_surface_state(surface, |state| state.buffer().is_some());
        match (window.id, shows.unwrap_or_default()) {
            (None, true) => {
                let id = self.desktop.add(window.owner.clone());
                window.id = Some(id);
                self.output_of(id)
            }
            (Some(id), false) => {
                window.id = None;
                self.desktop.remove(id);
                None
            }
            (Some(id), true) => self.output_of(id),
            (None, false) => None,
        }
    }

    /// The toplevel that is this surface.
    pub(crate) fn toplevel(&self, surface: &WlSurface) -> Option<&ToplevelSurface> {
        self.index_of(surface)
            .map(|index| &self.shell[index].toplevel)
    }

    /// The output that a toplevel is on; `None` while it shows nothing.
    pub(crate) fn output(&self, surface: &WlSurface) -> Option<usize> {
        let id = self.shell[self.index_of(surface)?].id?;
        self.output_of(id)
    }

    /// Tells windows whether they are active, where that changed. Returns the surface that is to
    /// have the keyboard, if it changed.
    pub(crate) fn update_focus(&mut self) -> Option<Option<WlSurface>> {
        let focus = self.desktop.focus();
        if focus == self.active {
            return None;
        }
        let activate = |window: Option<&ShellWindow>, active: bool| {
            let toplevel = &window?.toplevel;
            toplevel.with_pending_state(|state| {
                if active {
                    state.states.set(xdg_toplevel::State::Activated);
                } else {
                    state.states.unset(xdg_toplevel::State::Activated);
                }
            });
            toplevel.send_pending_configure();
            Some(toplevel.wl_surface().clone())
        };
        activate(self.active.and_then(|id| self.by_id(id)), false);
        let surface = activate(focus.and_then(|id| self.by_id(id)), true);
        self.active = focus;
        Some(surface)
    }

    /// Asks a guest's device to give a virtual monitor another size.
    pub(crate) fn resize(
        &self,
        guest: &str,
        scanout: u8,
        width: u32,
        height: u32,
    ) -> Result<(), ResizeError> {
        let size = |size: u32| {
            let size = Some(size).filter(|size| OutputOptions::SIZES.contains(size));
            size.and_then(|size| i32::try_from(size).ok())
        };
        let Some(size) = size(width).zip(size(height)) else {
            return Err(ResizeError::Size { width, height });
        };
        let Some(toplevel) = self.scanout(guest, scanout) else {
            return Err(ResizeError::NothingShown {
                guest: guest.to_owned(),
                scanout,
            });
        };
        toplevel.with_pending_state(|state| state.size = Some(size.into()));
        toplevel.send_configure();
        // The guest may choose another mode by itself afterwards. A later configure, for the
        // focus say, must not take it back to this size.
        toplevel.with_pending_state(|state| state.size = None);
        Ok(())
    }

    /// The window of a guest's virtual monitor.
    pub(crate) fn scanout(&self, guest: &str, scanout: u8) -> Option<&ToplevelSurface> {
        let id = self.desktop.scanout(guest, scanout)?;
        self.by_id(id).map(|window| &window.toplevel)
    }

    /// What is on an output, the topmost first.
    pub(crate) fn scene(&self, output: usize, scale: f64) -> Vec<Layer> {
        let mut scene = Vec::new();
        for window in self.desktop.on_output(output) {
            let Some(shell) = self.by_id(window.id()) else {
                continue;
            };
            let scale = if window.is_scanout() { 1.0 } else { scale };
            let place = window.place();
            let at = Point::from((place.x, place.y));
            add_window(&mut scene, shell.toplevel.wl_surface(), at, scale);
        }
        scene
    }

    /// All windows, the lowest first. Outputs' names are looked up by their index.
    pub(crate) fn list(&self, output_name: impl Fn(usize) -> String) -> Vec<WindowInfo> {
        let info = |window: &Window| {
            let shell = self.by_id(window.id())?;
            let (guest, scanout) = match window.owner() {
                Owner::Guest { name, scanout } => (Some(name.clone()), *scanout),
                Owner::Client => (None, None),
            };
            let (title, app_id) = names(shell.toplevel.wl_surface());
            let size = size_of(shell.toplevel.wl_surface());
            let place = window.place();
            Some(WindowInfo {
                guest,
                scanout,
                title,
                app_id,
                output: output_name(place.output),
                x: place.x,
                y: place.y,
                width: size.w,
                height: size.h,
                focused: self.desktop.focus() == Some(window.id()),
            })
        };
        self.desktop.windows().iter().filter_map(info).collect()
    }

    fn output_of(&self, id: WindowId) -> Option<usize> {
        self.desktop.get(id).map(|window| window.place().output)
    }

    fn by_id(&self, id: WindowId) -> Option<&ShellWindow> {
        self.shell.iter().find(|window| window.id == Some(id))
    }

    fn index_of(&self, surface: &WlSurface) -> Option<usize> {
        self.shell
            .iter()
            .position(|window| window.toplevel.wl_surface().id() == surface.id())
    }
}

/// A window's own surfaces and, above them, its menus.
fn add_window(scene: &mut Vec<Layer>, surface: &WlSurface, at: Point<i32, Logical>, scale: f64) {
    let to_picture = |point: Point<i32, Logical>| -> Point<i32, Physical> {
        point.to_f64().to_physical(scale).to_i32_round()
    };
    // Clients that draw their own frames mark what is inside; that part is at the place.
    for (popup, offset) in PopupManager::popups_for_surface(surface) {
        let inside = match &popup {
            PopupKind::Xdg(popup) => inside(popup.wl_surface()),
            PopupKind::InputMethod(_) => Point::default(),
        };
        scene.push(Layer {
            surface: popup.wl_surface().clone(),
            at: to_picture(at + offset - inside),
            scale,
        });
    }
    scene.push(Layer {
        surface: surface.clone(),
        at: to_picture(at - inside(surface)),
        scale,
    });
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

/// The size of a surface without its subsurfaces.
pub(crate) fn size_of(surface: &WlSurface) -> Size<i32, Logical> {
    with_renderer_surface_state(surface, |state| state.surface_size())
        .flatten()
        .unwrap_or_default()
}

fn names(surface: &WlSurface) -> (String, String) {
    with_states(surface, |states| {
        let data = states.data_map.get::<XdgToplevelSurfaceData>();
        // smithay's lock is held only inside of smithay, where nothing panics with it.
        let Some(role) = data.and_then(|data| data.lock().ok()) else {
            return Default::default();
        };
        (
            role.title.clone().unwrap_or_default(),
            role.app_id.clone().unwrap_or_default(),
        )
    })
}
