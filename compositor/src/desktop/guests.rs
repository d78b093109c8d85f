//! Which guest belongs on which monitors.

use std::collections::BTreeMap;

use super::{
    Fit, WindowId,
    screens::{Screens, Slot},
};

/// Where a guest wants to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placement {
    /// The monitor of each of its scanouts in turn: by connector (`DP-1`) or by `MAKE MODEL
    /// SERIAL`. Scanouts without one, or whose monitor is unplugged, are on none. Empty: on all
    /// monitors in turn, beginning with one that no other guest has.
    pub outputs: Vec<String>,
    /// What happens to a picture that does not have its monitor's size.
    pub fit: Fit,
    /// Picture in picture: left and top edge in pixels of the monitor. It has its own size then,
    /// and lies above the guest that fills the monitor.
    pub position: Option<(i32, i32)>,
}

/// A guest. Its index among the guests is its rank, by the time when it was first heard of.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub(super) name: String,
    pub(super) placement: Placement,
    /// The monitor that its first scanout has for itself, also while that is unplugged.
    pub(super) home: Option<Slot>,
    /// The monitor that its first scanout is on now.
    pub(super) start: Option<Slot>,
    /// When it was last switched to: larger is later, 0 never.
    pub(super) switched: u64,
    /// Whether its VMM runs, as far as anybody has said.
    pub(super) runs: bool,
}

/// A virtual monitor of a guest that has a window.
pub(super) type Shown = (usize, u8);

/// Of each of these the newest window.
pub(super) type Newest = BTreeMap<Shown, WindowId>;

/// All guests, by rank.
#[derive(Debug, Clone, Default)]
pub(super) struct Guests {
    pub(super) all: Vec<Guest>,
}

impl Guests {
    /// A guest's rank; it gets one if it has none.
    pub(super) fn rank(&mut self, name: &str) -> usize {
        self.known(name).unwrap_or_else(|| {
            self.all.push(Guest {
                name: name.to_owned(),
                placement: Placement::default(),
                home: None,
                start: None,
                switched: 0,
                runs: true,
            });
            self.all.len() - 1
        })
    }

    /// A guest's rank, if it was heard of.
    pub(super) fn known(&self, name: &str) -> Option<usize> {
        self.all.iter().position(|guest| guest.name == name)
    }

    /// The monitor that a guest's scanout belongs on, whoever is to be seen there. No two scanouts
    /// of a guest belong on the same one.
    pub(super) fn slot(&self, screens: &Screens, rank: usize, scanout: u8) -> Option<Slot> {
        let guest = self.all.get(rank)?;
        let scanout = usize::from(scanout);
        if guest.is_pinned() {
            return guest.pinned(screens).nth(scanout)?;
        }
        if guest.placement.position.is_some() {
            return screens.slots().nth(scanout);
        }
        let start = guest.start?;
        let before = screens.slots().take_while(|slot| *slot != start);
        let in_turn = screens.slots().skip_while(|slot| *slot != start);
        in_turn.chain(before).nth(scanout)
    }

    /// The monitor that was named for a guest's scanout, if it is there.
    pub(super) fn pin(&self, screens: &Screens, rank: usize, scanout: u8) -> Option<Slot> {
        let guest = self.all.get(rank)?;
        guest.pinned(screens).nth(usize::from(scanout))?
    }

    /// Decides anew where each guest begins. While a monitor is away nobody gets a new home, so that
    /// all are where they were when it is back.
    pub(super) fn settle(&mut self, screens: &Screens, shown: &Newest) {
        self.give_way_to_pins(screens);
        for guest in &mut self.all {
            guest.start = if guest.is_pinned() {
                guest.pinned(screens).next().flatten()
            } else {
                guest.home.filter(|home| screens.output(*home).is_some())
            };
        }
        let homeless = |guest: &Guest| {
            !guest.is_pinned() && guest.placement.position.is_none() && guest.start.is_none()
        };
        for rank in 0..self.all.len() {
            if !homeless(&self.all[rank]) {
                continue;
            }
            let loads = screens
                .slots()
                .map(|slot| (self.load(screens, shown, slot), slot));
            let Some((load, slot)) = loads.min() else {
                continue;
            };
            let guest = &mut self.all[rank];
            guest.start = Some(slot);
            if load == (0, 0) && !screens.some_are_away() {
                guest.home = Some(slot);
            }
        }
    }

    /// Who was put on a monitor by chance leaves it to a guest that was put there by name.
    fn give_way_to_pins(&mut self, screens: &Screens) {
        let pinned: Vec<Slot> = self
            .fillers()
            .flat_map(|(_, guest)| guest.pinned(screens).flatten())
            .collect();
        for guest in &mut self.all {
            let fixed = guest.is_pinned() || guest.placement.position.is_some();
            if fixed || guest.home.is_some_and(|home| pinned.contains(&home)) {
                guest.home = None;
            }
        }
    }

    /// How many guests begin on a monitor, and how many other scanouts belong there.
    fn load(&self, screens: &Screens, shown: &Newest, slot: Slot) -> (usize, usize) {
        let begin = self
            .fillers()
            .filter(|(_, guest)| guest.start == Some(slot));
        let pinned = self
            .fillers()
            .filter(|(_, guest)| guest.pinned(screens).skip(1).any(|pin| pin == Some(slot)));
        let others = shown.keys().filter(|(rank, scanout)| {
            let fills = self.fillers().any(|(filler, _)| filler == *rank);
            fills && *scanout > 0 && self.slot(screens, *rank, *scanout) == Some(slot)
        });
        (begin.count(), pinned.count() + others.count())
    }

    /// Those that fill a monitor, with their ranks.
    pub(super) fn fillers(&self) -> impl Iterator<Item = (usize, &Guest)> {
        let guests = self.all.iter().enumerate();
        guests.filter(|(_, guest)| guest.placement.position.is_none())
    }
}

impl Guest {
    fn is_pinned(&self) -> bool {
        !self.placement.outputs.is_empty()
    }

    /// The monitors by name, of each scanout in turn.
    fn pinned(&self, screens: &Screens) -> impl Iterator<Item = Option<Slot>> {
        let mut used = Vec::new();
        self.placement.outputs.iter().map(move |name| {
            // Two like monitors may be named alike.
            let slot = screens.called(name).find(|slot| !used.contains(slot));
            used.extend(slot);
            slot
        })
    }
}
