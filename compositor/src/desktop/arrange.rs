//! Giving every window its place anew. Everything that changes a desktop ends here, so that places
//! follow from what is there and never from how it came to be.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    Desktop, Fit, Owner, Place, Policy, Window, WindowId,
    guests::{Newest, Shown},
    screens::{Screen, Slot},
    window::Layer,
};
use crate::backend::OutputId;

/// How far a cascaded window is from the one before, both ways, in logical pixels.
const CASCADE_STEP: i32 = 32;

/// What is to be seen: windows from the lowest, and guests that fill monitors.
pub(super) type Sight = (Vec<(WindowId, Option<Place>)>, BTreeMap<OutputId, usize>);

impl Desktop {
    pub(super) fn arrange(&mut self) {
        if self.policy == Policy::Kiosk {
            self.find_layers_of_guests();
        }
        // Devices can make any number of windows, but few scanouts have them.
        let mut newest: Newest = BTreeMap::new();
        for window in &self.windows {
            if let Some(shown) = shown(window) {
                let newest = newest.entry(shown).or_insert(window.id);
                *newest = window.id.max(*newest);
            }
        }
        self.guests.settle(&self.screens, &newest);
        self.occupants = self.choose_occupants(&newest);
        let windows = self.windows.iter();
        let places: Vec<_> = windows.map(|it| self.place(it, &newest)).collect();
        for (window, place) in self.windows.iter_mut().zip(places) {
            window.place = place;
        }
        self.windows
            .sort_by_key(|window| (window.layer.height(), window.order));
        let sight = self.sight();
        if self.sight != sight {
            self.sight = sight;
            self.changes += 1;
        }
    }

    /// A guest's placement may have changed.
    fn find_layers_of_guests(&mut self) {
        for index in 0..self.windows.len() {
            if self.windows[index].owner != Owner::Client {
                let owner = self.windows[index].owner.clone();
                self.windows[index].layer = self.layer(&owner);
            }
        }
    }

    fn sight(&self) -> Sight {
        let windows = self.windows.iter().map(|window| (window.id, window.place));
        (windows.collect(), self.occupants.clone())
    }

    /// The layer of a window; clients' that have none yet get the next free step of the cascade.
    pub(super) fn layer(&mut self, owner: &Owner) -> Layer {
        match (self.policy, owner) {
            (
                Policy::Headless,
                Owner::Guest {
                    name,
                    scanout: Some(_),
                },
            ) => Layer::Guest(self.introduce(name)),
            (Policy::Kiosk, Owner::Guest { name, .. }) => {
                let rank = self.introduce(name);
                match self.guests.all[rank].placement.position {
                    Some(_) => Layer::Picture(rank),
                    None => Layer::Guest(rank),
                }
            }
            (Policy::Headless, Owner::Guest { scanout: None, .. }) | (_, Owner::Client) => {
                Layer::Cascade(self.free_step())
            }
        }
    }

    /// The monitor that a guest's scanout belongs on.
    pub(super) fn slot(&self, rank: usize, scanout: u8) -> Option<Slot> {
        match self.policy {
            Policy::Headless => {
                let named = self.guests.pin(&self.screens, rank, scanout);
                let count = self.screens.slots().count().max(1);
                named.or_else(|| self.screens.slots().nth(usize::from(scanout) % count))
            }
            Policy::Kiosk => self.guests.slot(&self.screens, rank, scanout),
        }
    }

    /// The guest that each monitor shows: of those that belong there the one that was switched to
    /// last; at first the one whose first scanout it is.
    fn choose_occupants(&self, newest: &Newest) -> BTreeMap<OutputId, usize> {
        if self.policy == Policy::Headless {
            return BTreeMap::new();
        }
        // A guest's first scanout has its monitor also before it shows anything.
        let first = self.guests.fillers().map(|(rank, _)| (rank, 0));
        let belong: Vec<_> = first
            .chain(newest.keys().copied())
            .filter(|(rank, _)| self.guests.fillers().any(|(filler, _)| filler == *rank))
            .filter_map(|(rank, scanout)| Some((self.slot(rank, scanout)?, rank, scanout)))
            .collect();
        let occupant = |slot: Slot| {
            let here = belong.iter().filter(|(there, ..)| *there == slot);
            here.map(|(_, rank, scanout)| (rank, scanout))
                .max_by_key(|(rank, scanout)| {
                    let switched = self.guests.all[**rank].switched;
                    (switched, **scanout == 0, Reverse(**rank))
                })
                .map(|(rank, _)| *rank)
        };
        self.screens
            .present()
            .filter_map(|(slot, output)| Some((output, occupant(slot)?)))
            .collect()
    }

    fn place(&self, window: &Window, newest: &Newest) -> Option<Place> {
        match window.layer {
            Layer::Cascade(step) => self.place_of_client(window, step),
            Layer::Guest(_) if self.policy == Policy::Headless => {
                let (rank, scanout) = shown(window)?;
                let output = self.screens.output(self.slot(rank, scanout)?)?;
                Some(pixel_for_pixel(output, (0, 0)))
            }
            Layer::Guest(rank) | Layer::Picture(rank) => self.place_of_guest(window, rank, newest),
        }
    }

    fn place_of_guest(&self, window: &Window, rank: usize, newest: &Newest) -> Option<Place> {
        let this = shown(window)?;
        if newest.get(&this) != Some(&window.id) {
            // The device is about to close the older one.
            return None;
        }
        let output = self.screens.output(self.slot(rank, this.1)?)?;
        if self.is_past(window) {
            return None;
        }
        let placement = &self.guests.all.get(rank)?.placement;
        if let Some(position) = placement.position {
            return Some(pixel_for_pixel(output, position));
        }
        if self.occupants.get(&output) != Some(&rank) {
            return None;
        }
        Some(fitted(
            placement.fit,
            window.size,
            output,
            self.screen(output)?,
        ))
    }

    /// Whether nobody has drawn what a window shows who runs now.
    pub(super) fn is_past(&self, window: &Window) -> bool {
        let guest = window.layer.guest().and_then(|it| self.guests.all.get(it));
        window.outlived || guest.is_some_and(|guest| !guest.runs)
    }

    fn place_of_client(&self, window: &Window, step: usize) -> Option<Place> {
        let wish = window.wish.and_then(|wish| self.screens.output(wish));
        let first = || self.screens.present().next().map(|(_, output)| output);
        let output = match self.policy {
            Policy::Headless => first(),
            Policy::Kiosk => wish.or_else(first),
        }?;
        if window.fullscreen {
            return Some(pixel_for_pixel(output, (0, 0)));
        }
        let corner = cascade(step, self.screen(output)?.logical);
        Some(pixel_for_pixel(output, (corner, corner)))
    }

    /// The first step of the cascade that no window has.
    fn free_step(&self) -> usize {
        let step = |window: &Window| match window.layer {
            Layer::Cascade(step) => Some(step),
            Layer::Guest(_) | Layer::Picture(_) => None,
        };
        let taken: BTreeSet<usize> = self.windows.iter().filter_map(step).collect();
        let in_turn = taken.iter().zip(0..);
        in_turn.take_while(|(step, turn)| *step == turn).count()
    }
}

/// The virtual monitor that a window shows. Devices that do not say which show their first one.
pub(super) fn shown(window: &Window) -> Option<Shown> {
    match (window.layer.guest(), &window.owner) {
        (Some(rank), Owner::Guest { scanout, .. }) => Some((rank, scanout.unwrap_or_default())),
        _ => None,
    }
}

pub(super) fn fitted(fit: Fit, size: (i32, i32), output: OutputId, screen: &Screen) -> Place {
    let fitted = fit.place(size, screen.pixels);
    Place {
        output,
        x: fitted.x,
        y: fitted.y,
        scale: fitted.scale,
    }
}

pub(super) fn pixel_for_pixel(output: OutputId, (x, y): (i32, i32)) -> Place {
    Place {
        output,
        x,
        y,
        scale: (1.0, 1.0),
    }
}

/// The left and top edge of a step: down the diagonal, and over again where the next step would
/// leave less than half of the screen to the window.
fn cascade(step: usize, (width, height): (i32, i32)) -> i32 {
    let steps = (width.min(height) / 2 / CASCADE_STEP).max(1);
    let step = i32::try_from(step % usize::try_from(steps).unwrap_or(1)).unwrap_or_default();
    step * CASCADE_STEP
}
