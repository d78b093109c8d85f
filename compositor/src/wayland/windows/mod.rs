//! Clients' windows. Where they are is [`crate::desktop`]'s to say; here that is turned into what
//! clients are told (`tell`), what is drawn (`scene`) and what is under a pointer (`under`).

mod scene;
mod settle;
mod tell;
mod under;

use smithay::{
    backend::renderer::utils::{CommitCounter, with_renderer_surface_state},
    desktop::PopupManager,
    reexports::wayland_server::{Resource, protocol::wl_surface::WlSurface},
    utils::{Logical, Point, Size},
    wayland::{
        compositor::with_states,
        shell::xdg::{PopupSurface, ToplevelSurface, XdgToplevelSurfaceData},
    },
};

use crate::{
    backend::OutputId,
    desktop::{Desktop, Owner, Policy, Window, WindowId},
};

pub use tell::ResizeError;

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
    /// The name of the output that it is on; empty while it is on none.
    pub output: String,
    /// Its left edge from that of the output, in pixels for guests' windows, in logical pixels for
    /// others.
    pub x: i32,
    /// Its top edge from that of the output, counted likewise.
    pub y: i32,
    /// Its width in pixels of its own.
    pub width: i32,
    /// Its height in pixels of its own.
    pub height: i32,
    /// Whether it has the keyboard.
    pub focused: bool,
}

/// A client's toplevel.
#[derive(Debug)]
struct ShellWindow {
    toplevel: ToplevelSurface,
    owner: Owner,
    /// On the desktop, while it has something to show.
    id: Option<WindowId>,
    /// The output that the client was last told that it is on.
    on: Option<OutputId>,
    /// The size of the monitor that it was told to fill.
    fills: Option<Size<i32, Logical>>,
    /// Whether an ordinary client wants to cover its monitor.
    fullscreen: bool,
    /// Grows with everything that the client draws.
    drawn: CommitCounter,
}

/// All windows.
#[derive(Debug)]
pub struct Windows {
    /// Where they are.
    pub(crate) desktop: Desktop,
    /// Their menus.
    pub(crate) popups: PopupManager,
    /// The window that our pointer is on, and where in its surface.
    pub(crate) pointed: Option<(WlSurface, Point<f64, Logical>)>,
    shell: Vec<ShellWindow>,
    /// The menus that are to be closed when something else is clicked on, the outermost first.
    menus: Vec<PopupSurface>,
    /// The window that was last told that it is active.
    active: Option<WindowId>,
    /// How far the desktop's changes have been followed.
    followed: u64,
}

impl Windows {
    pub(crate) fn new(desktop: Desktop) -> Self {
        Self {
            desktop,
            popups: PopupManager::default(),
            pointed: None,
            shell: Vec::new(),
            menus: Vec::new(),
            active: None,
            followed: 0,
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
            on: None,
            fills: None,
            fullscreen: false,
            drawn: CommitCounter::default(),
        });
    }

    /// How many toplevels the client of a surface has.
    pub(crate) fn count_of_client(&self, surface: &WlSurface) -> usize {
        let its = |window: &&ShellWindow| {
            let id = window.toplevel.wl_surface().id();
            id.same_client_as(&surface.id())
        };
        self.shell.iter().filter(its).count()
    }

    /// A toplevel is gone.
    pub(crate) fn remove(&mut self, toplevel: &ToplevelSurface) {
        let is_it =
            |window: &ShellWindow| window.toplevel.xdg_toplevel() == toplevel.xdg_toplevel();
        if let Some(index) = self.shell.iter().position(is_it)
            && let Some(id) = self.shell.swap_remove(index).id
        {
            self.desktop.remove(id);
        }
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
        match window.id {
            Some(id) => self.desktop.set_scanout(id, number),
            // The desktop does not know it yet, and so sees no change.
            None => self.tell_sizes(),
        }
    }

    /// A toplevel committed: it appears with its first buffer, and disappears without one.
    pub(crate) fn committed(&mut self, surface: &WlSurface) {
        let Some(index) = self.index_of(surface) else {
            return;
        };
        let window = &mut self.shell[index];
        let (shows, drawn) = with_renderer_surface_state(surface, |state| {
            (state.buffer().is_some(), state.current_commit())
        })
        .unwrap_or_default();
        let drew = std::mem::replace(&mut window.drawn, drawn) != drawn;
        let size = match (&window.owner, self.desktop.policy()) {
            (Owner::Guest { .. }, Policy::Kiosk) => picture_size(surface),
            _ => size_of(surface),
        };
        let size = (size.w, size.h);
        match (window.id, shows) {
            (None, true) => {
                let id = self.desktop.add(window.owner.clone(), size);
                self.desktop.set_fullscreen(id, window.fullscreen);
                window.id = Some(id);
            }
            (Some(id), false) => {
                window.id = None;
                self.desktop.remove(id);
            }
            (Some(id), true) => {
                self.desktop.set_size(id, size);
                if drew {
                    self.desktop.drew(id);
                }
            }
            (None, false) => {}
        }
    }

    /// A window was clicked or tapped on.
    pub(crate) fn focus_window_of(&mut self, surface: &WlSurface) {
        let window = self.index_of(surface).map(|index| &self.shell[index]);
        if let Some(id) = window.and_then(|window| window.id) {
            self.desktop.focus_window(id);
        }
    }

    /// The toplevel that is this surface.
    pub(crate) fn toplevel(&self, surface: &WlSurface) -> Option<&ToplevelSurface> {
        self.index_of(surface)
            .map(|index| &self.shell[index].toplevel)
    }

    /// Whose a toplevel is, and the client's name for its kind of window.
    pub(crate) fn owner(&self, surface: &WlSurface) -> Option<(&Owner, String)> {
        let owner = &self.shell.get(self.index_of(surface)?)?.owner;
        Some((owner, names(surface).1))
    }

    /// The output that a toplevel is on; `None` while it shows nothing or is on none.
    pub(crate) fn output(&self, surface: &WlSurface) -> Option<OutputId> {
        let id = self.shell[self.index_of(surface)?].id?;
        self.output_of(id)
    }

    /// The window of a guest's virtual monitor.
    pub(crate) fn scanout(&self, guest: &str, scanout: u8) -> Option<&ToplevelSurface> {
        let id = self.desktop.scanout(guest, scanout)?;
        self.by_id(id).map(|window| &window.toplevel)
    }

    /// All windows, the lowest first. Outputs' names are looked up by their ids.
    pub(crate) fn list(&self, output_name: impl Fn(OutputId) -> String) -> Vec<WindowInfo> {
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
                output: place
                    .map(|place| output_name(place.output))
                    .unwrap_or_default(),
                x: place.map(|place| place.x).unwrap_or_default(),
                y: place.map(|place| place.y).unwrap_or_default(),
                width: size.w,
                height: size.h,
                focused: self.desktop.focus() == Some(window.id()),
            })
        };
        self.desktop.windows().iter().filter_map(info).collect()
    }

    fn output_of(&self, id: WindowId) -> Option<OutputId> {
        self.desktop
            .get(id)
            .and_then(|window| Some(window.place()?.output))
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

/// The size of a surface without its subsurfaces.
pub(crate) fn size_of(surface: &WlSurface) -> Size<i32, Logical> {
    with_renderer_surface_state(surface, |state| state.surface_size())
        .flatten()
        .unwrap_or_default()
}

/// The size of a surface's picture before its client has it scaled. Devices scale a guest's picture
/// to the size of its window, where no fit can be seen any more.
fn picture_size(surface: &WlSurface) -> Size<i32, Logical> {
    with_renderer_surface_state(surface, |state| state.view())
        .flatten()
        .map(|view| {
            let size: Size<i32, Logical> = view.src.size.to_i32_round();
            // Cropped to less than half a pixel it still is one: nothing can be scaled from none.
            (size.w.max(1), size.h.max(1)).into()
        })
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
