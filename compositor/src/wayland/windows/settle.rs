//! What follows when windows were moved, shown or hidden: outputs are drawn anew, clients learn
//! their sizes and where they are, and the keyboard goes where it belongs.

use smithay::{
    desktop::utils::with_surfaces_surface_tree,
    reexports::wayland_server::protocol::wl_surface::WlSurface, utils::SERIAL_COUNTER,
};

use super::{Windows, scene::trees};
use crate::{
    backend::{HostOutput, OutputId, now},
    desktop::{Placement, Screen, UnknownGuest},
    state::State,
};

impl From<&HostOutput> for Screen {
    fn from(output: &HostOutput) -> Self {
        let (pixels, logical) = (output.size(), output.logical_size());
        Self {
            name: output.name(),
            model: output.monitor().identity(),
            pixels: (pixels.w, pixels.h),
            logical: (logical.w, logical.h),
            scale: output.scale(),
        }
    }
}

impl State {
    /// Says where a guest wants to be, before it connects or later on.
    pub fn place_guest(&mut self, name: &str, placement: Placement) {
        self.windows.desktop.place_guest(name, placement);
        self.settle();
    }

    /// Switches to a guest: see [`Desktop::focus_guest`](crate::desktop::Desktop::focus_guest).
    ///
    /// # Errors
    /// There is no such guest.
    pub fn focus_guest(&mut self, name: &str) -> Result<(), UnknownGuest> {
        self.windows.desktop.focus_guest(name)?;
        self.settle();
        Ok(())
    }

    /// Does what follows from everything that happened to windows in this turn of the loop.
    pub(crate) fn settle_windows(&mut self) {
        if self.windows.follow() {
            for (surface, left) in self.windows.moved() {
                if let Some(output) = self.outputs.get(left) {
                    with_surfaces_surface_tree(&surface, |surface, _| output.output.leave(surface));
                }
            }
            self.windows.tell_sizes();
            self.queue_redraw_all();
        }
        if let Some(surface) = self.windows.update_focus()
            && let Some(keyboard) = self.protocols.seat.get_keyboard()
        {
            keyboard.set_focus(self, surface, SERIAL_COUNTER.next_serial());
        }
        // Their clients must not stand still for ever: a guest that is switched in has to have
        // something new to show.
        for surface in self.windows.unseen() {
            self.hidden.add_surface(&surface, now());
        }
    }
}

impl Windows {
    /// Whether anything is to be seen elsewhere than when this was asked last.
    fn follow(&mut self) -> bool {
        let changes = self.desktop.changes();
        std::mem::replace(&mut self.followed, changes) != changes
    }

    /// The windows that left an output since this was asked last, and that output.
    fn moved(&mut self) -> Vec<(WlSurface, OutputId)> {
        let mut moved = Vec::new();
        for window in &mut self.shell {
            let place = window
                .id
                .and_then(|id| self.desktop.get(id)?.place())
                .map(|place| place.output);
            if let Some(left) = std::mem::replace(&mut window.on, place)
                && place != Some(left)
            {
                moved.push((window.toplevel.wl_surface().clone(), left));
            }
        }
        moved
    }

    /// The surfaces of windows that are on no output.
    fn unseen(&self) -> Vec<WlSurface> {
        let mut unseen = Vec::new();
        let windows = self.desktop.windows().iter();
        for window in windows.filter(|window| window.place().is_none()) {
            if let Some(shell) = self.by_id(window.id()) {
                for (tree, _) in trees(shell.toplevel.wl_surface()) {
                    with_surfaces_surface_tree(&tree, |surface, _| unseen.push(surface.clone()));
                }
            }
        }
        unseen
    }
}
