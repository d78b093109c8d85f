//! What windows are told: their size, and whether they are active.

use smithay::{
    reexports::{
        wayland_protocols::xdg::shell::server::xdg_toplevel,
        wayland_server::{Resource, protocol::wl_surface::WlSurface},
    },
    utils::{Logical, Size},
    wayland::shell::xdg::{PopupSurface, ToplevelSurface},
};
use thiserror::Error;

use super::{ShellWindow, Windows};
use crate::{
    backend::OutputOptions,
    desktop::{Desktop, Owner},
};

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

/// How large a window is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// As large as it likes.
    Free,
    /// As its monitor.
    Monitor(Size<i32, Logical>),
    /// As it is: its monitor is unplugged, and may come back.
    AsBefore,
}

impl Windows {
    /// Answers a toplevel's first commit, which has no buffer, with its first size.
    pub(crate) fn configure_first(&mut self, surface: &WlSurface) {
        let Some(index) = self.index_of(surface) else {
            return;
        };
        let window = &mut self.shell[index];
        if window.toplevel.is_initial_configure_sent() {
            return;
        }
        let bounds = bounds(&self.desktop, window);
        window
            .toplevel
            .with_pending_state(|state| state.bounds = Some(bounds));
        window.fill(wanted(&self.desktop, window));
        window.toplevel.send_configure();
    }

    /// Tells windows their sizes, where these changed.
    pub(super) fn tell_sizes(&mut self) {
        for window in &mut self.shell {
            // The first configure has to wait for the client's first commit.
            if window.toplevel.is_initial_configure_sent() {
                window.fill(wanted(&self.desktop, window));
                window.toplevel.send_pending_configure();
            }
        }
    }

    /// A client wants to cover its monitor with a window, or not any more.
    pub(crate) fn set_fullscreen(&mut self, toplevel: &ToplevelSurface, fullscreen: bool) {
        let Some(index) = self.index_of(toplevel.wl_surface()) else {
            return;
        };
        let window = &mut self.shell[index];
        if window.owner == Owner::Client {
            window.fullscreen = fullscreen;
            if let Some(id) = window.id {
                self.desktop.set_fullscreen(id, fullscreen);
            }
        }
        // An answer is due also where nothing changes. Before the first commit it comes with that.
        if window.toplevel.is_initial_configure_sent() {
            window.fill(wanted(&self.desktop, window));
            window.toplevel.send_configure();
        }
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
        self.close_menus(surface.as_ref());
        Some(surface)
    }

    /// A client wants a menu to be closed when something else is clicked on. Its own windows it
    /// watches itself.
    pub(crate) fn add_menu(&mut self, menu: PopupSurface) {
        self.menus.retain(PopupSurface::alive);
        // It may say so any number of times.
        if !self.menus.contains(&menu) {
            self.menus.push(menu);
        }
    }

    /// Closes the menus of all clients but that of a surface, the innermost first.
    fn close_menus(&mut self, but: Option<&WlSurface>) {
        self.menus.retain(PopupSurface::alive);
        let stays = |menu: &PopupSurface| {
            but.is_some_and(|surface| surface.id().same_client_as(&menu.wl_surface().id()))
        };
        let (stay, go): (Vec<_>, Vec<_>) = self.menus.drain(..).partition(stays);
        self.menus = stay;
        for menu in go.iter().rev() {
            menu.send_popup_done();
        }
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
        let window = self.desktop.scanout(guest, scanout);
        let Some(window) = window.and_then(|id| self.by_id(id)) else {
            return Err(ResizeError::NothingShown {
                guest: guest.to_owned(),
                scanout,
            });
        };
        let toplevel = &window.toplevel;
        toplevel.with_pending_state(|state| state.size = Some(size.into()));
        toplevel.send_configure();
        if window.fills.is_none() {
            // The guest may choose another mode by itself afterwards. A later configure, for the
            // focus say, must not take it back to this size.
            toplevel.with_pending_state(|state| state.size = None);
        }
        Ok(())
    }
}

impl ShellWindow {
    /// Prepares a configure. A size that the user chose meanwhile stays until the monitor's changes.
    fn fill(&mut self, wanted: Wanted) {
        let size = match wanted {
            Wanted::AsBefore => return,
            Wanted::Free => None,
            Wanted::Monitor(size) => Some(size),
        };
        if self.fills == size {
            return;
        }
        self.fills = size;
        self.toplevel.with_pending_state(|state| {
            state.size = size;
            if size.is_some() {
                state.states.set(xdg_toplevel::State::Fullscreen);
            } else {
                state.states.unset(xdg_toplevel::State::Fullscreen);
            }
        });
    }
}

fn wanted(desktop: &Desktop, window: &ShellWindow) -> Wanted {
    let size = match &window.owner {
        Owner::Guest { name, scanout } => {
            if !desktop.fills_monitors(name) {
                return Wanted::Free;
            }
            // A guest counts the monitor's own pixels.
            let output = desktop.output_of_scanout(name, scanout.unwrap_or_default());
            output.and_then(|output| Some(desktop.screen(output)?.pixels))
        }
        Owner::Client if !window.fullscreen => return Wanted::Free,
        Owner::Client => {
            let place = window.id.and_then(|id| desktop.get(id)?.place());
            let output = match place {
                Some(place) => Some(place.output),
                None => desktop.output_of_clients(),
            };
            output.and_then(|output| Some(desktop.screen(output)?.logical))
        }
    };
    size.map_or(Wanted::AsBefore, |size| Wanted::Monitor(size.into()))
}

/// The size that a new window had best fit into; nothing if there is no monitor.
fn bounds(desktop: &Desktop, window: &ShellWindow) -> Size<i32, Logical> {
    let output = match &window.owner {
        Owner::Guest { name, scanout } => {
            desktop.output_of_scanout(name, scanout.unwrap_or_default())
        }
        Owner::Client => None,
    };
    let screen = output
        .or_else(|| desktop.output_of_clients())
        .and_then(|output| desktop.screen(output));
    let size = screen.map(|screen| match &window.owner {
        Owner::Guest { .. } => screen.pixels,
        Owner::Client => screen.logical,
    });
    size.map(Size::from).unwrap_or_default()
}
