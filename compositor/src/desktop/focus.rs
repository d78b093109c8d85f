//! Who has the keyboard, and switching between guests.

use thiserror::Error;

use super::{
    Desktop, Owner, Policy, Window, WindowId, arrange::shown, screens::Slot, window::Layer,
};

/// Somebody who can have the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A window.
    Window(WindowId),
    /// A guest in [`Policy::Kiosk`], by rank, through any of its windows. It keeps the keyboard
    /// while it has none: what is typed at a guest that restarts must not reach another one.
    Guest(usize),
}

/// A guest that nobody has heard of.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("Could not switch to guest {name:?}: {}", in_words(.known))]
pub struct UnknownGuest {
    /// Its name.
    pub name: String,
    /// The names of those that exist.
    pub known: Vec<String>,
}

fn in_words(names: &[String]) -> String {
    if names.is_empty() {
        "there is none here".to_owned()
    } else {
        format!("there is {}", names.join(", "))
    }
}

impl Desktop {
    /// The window with the keyboard. A guest that has the keyboard gets it on the monitor that was
    /// last switched or clicked on, where it can.
    #[must_use]
    pub fn focus(&self) -> Option<WindowId> {
        for target in self.targets.iter().rev() {
            match *target {
                Target::Window(id) => {
                    if self.get(id).is_some_and(|window| window.place.is_some()) {
                        return Some(id);
                    }
                }
                Target::Guest(rank) => {
                    let window = self.window_of(rank);
                    if window.is_some() || self.holds(rank) {
                        return window;
                    }
                }
            }
        }
        None
    }

    /// A window was clicked on: it gets the keyboard, and a client's comes to the top.
    pub fn focus_window(&mut self, id: WindowId) {
        let order = self.next_order();
        let Some(window) = self.get_mut(id) else {
            return;
        };
        let Some(place) = window.place else {
            return;
        };
        let layer = window.layer;
        if matches!(layer, Layer::Cascade(_)) {
            window.order = order;
        }
        self.active = self.screens.slot(place.output);
        let target = match layer.guest().filter(|_| self.policy == Policy::Kiosk) {
            Some(rank) => Target::Guest(rank),
            None => Target::Window(id),
        };
        self.prefer(target);
        self.arrange();
    }

    /// Switches to a guest: it is shown on all monitors on which it belongs, and gets the keyboard.
    /// Where all guests are shown at once, it only gets the keyboard.
    ///
    /// # Errors
    /// There is no such guest.
    pub fn focus_guest(&mut self, name: &str) -> Result<(), UnknownGuest> {
        let Some(rank) = self.guests.known(name) else {
            return Err(UnknownGuest {
                name: name.to_owned(),
                known: self.guests().map(str::to_owned).collect(),
            });
        };
        self.switch_to(rank);
        Ok(())
    }

    /// Switches to the guest after the one that has or last had the keyboard, round and round.
    /// Guests for which there is no monitor are left out. Returns the guest that was switched to.
    pub fn next_guest(&mut self) -> Option<&str> {
        self.step(1)
    }

    /// Like [`Desktop::next_guest`], the other way round.
    pub fn previous_guest(&mut self) -> Option<&str> {
        let back = self.guests.all.len().checked_sub(1)?;
        self.step(back)
    }

    /// The guest that has the keyboard, or had it last.
    #[must_use]
    pub fn focused_guest(&self) -> Option<&str> {
        let rank = self.focused_rank()?;
        self.guests.all.get(rank).map(|guest| guest.name.as_str())
    }

    fn step(&mut self, step: usize) -> Option<&str> {
        let count = self.guests.all.len();
        let from = self.focused_rank()?;
        let ring = (1..=count).map(|turns| (from + turns * step) % count);
        let rank = ring
            .into_iter()
            .find(|rank| self.slot(*rank, 0).is_some())?;
        self.switch_to(rank);
        self.guests.all.get(rank).map(|guest| guest.name.as_str())
    }

    fn switch_to(&mut self, rank: usize) {
        self.switches += 1;
        self.guests.all[rank].switched = self.switches;
        match self.policy {
            Policy::Kiosk => {
                let stays = self.active.filter(|active| self.belongs(rank, *active));
                self.active = stays.or_else(|| self.slot(rank, 0));
                self.prefer(Target::Guest(rank));
            }
            Policy::Headless => {
                if let Some(id) = self.window_of(rank) {
                    self.prefer(Target::Window(id));
                }
            }
        }
        self.arrange();
    }

    fn prefer(&mut self, target: Target) {
        self.targets.retain(|other| *other != target);
        self.targets.push(target);
    }

    fn focused_rank(&self) -> Option<usize> {
        let rank = |target: &Target| match *target {
            Target::Guest(rank) => Some(rank),
            Target::Window(id) => match &self.get(id)?.owner {
                Owner::Guest { name, .. } => self.guests.known(name),
                Owner::Client => None,
            },
        };
        let ranks = self.targets.iter().rev().filter_map(rank);
        let visible = |rank: &usize| self.window_of(*rank).is_some() || self.holds(*rank);
        ranks.clone().find(visible).or_else(|| ranks.clone().next())
    }

    /// The monitor where the keyboard is.
    pub(super) fn active_slot(&self) -> Option<Slot> {
        let focus = self.focus().and_then(|id| self.get(id)?.place);
        focus
            .and_then(|place| self.screens.slot(place.output))
            .or(self
                .active
                .filter(|slot| self.screens.output(*slot).is_some()))
            .or_else(|| self.screens.slots().next())
    }

    /// Whether some window or the first scanout of a guest belongs on a monitor.
    fn belongs(&self, rank: usize, slot: Slot) -> bool {
        let windows = self.windows.iter().filter_map(shown);
        let mut scanouts = windows.chain([(rank, 0)]).filter(|(of, _)| *of == rank);
        scanouts.any(|(_, scanout)| self.slot(rank, scanout) == Some(slot))
    }

    /// Whether a guest without any window that is to be seen keeps the keyboard: where its status
    /// picture is in its place, and as a picture in picture that is going to come back.
    fn holds(&self, rank: usize) -> bool {
        let comes_back = |window: &Window| {
            let shown = shown(window).filter(|_| window.layer == Layer::Picture(rank));
            let slot = shown.and_then(|(_, scanout)| self.slot(rank, scanout));
            slot.is_some() && self.is_past(window)
        };
        self.occupants.values().any(|occupant| *occupant == rank)
            || self.windows.iter().any(comes_back)
    }

    /// The window through which a guest has the keyboard.
    fn window_of(&self, rank: usize) -> Option<WindowId> {
        let active = self.active.and_then(|slot| self.screens.output(slot));
        let first_choice = |window: &&Window| {
            let is_active = window.place.map(|place| Some(place.output)) == Some(active);
            (!is_active, shown(window), window.id)
        };
        self.windows
            .iter()
            .filter(|window| window.place.is_some() && window.layer.guest() == Some(rank))
            .min_by_key(first_choice)
            .map(Window::id)
    }
}
