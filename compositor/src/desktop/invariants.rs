//! What holds of a desktop at any time.

use std::collections::BTreeSet;

use super::{
    Desktop, Policy, Window,
    arrange::{fitted, pixel_for_pixel, shown},
    focus::Target,
    window::Layer,
};

impl Desktop {
    /// Checks what must hold after every operation.
    ///
    /// # Panics
    /// If it does not hold.
    pub fn verify_invariants(&self) {
        let ids: BTreeSet<_> = self.windows.iter().map(Window::id).collect();
        assert_eq!(ids.len(), self.windows.len(), "two windows with one name");
        assert!(
            self.windows
                .is_sorted_by_key(|window| (window.layer.height(), window.order)),
            "a guest covers a client, or a guest one that has to cover it"
        );
        for window in &self.windows {
            self.verify_window(window);
        }
        self.verify_monitors();
        self.verify_guests();
        self.verify_focus();
    }

    fn verify_window(&self, window: &Window) {
        if let Some(rank) = window.layer.guest() {
            let super::Owner::Guest { name, .. } = &window.owner else {
                panic!("a client passes for a guest");
            };
            assert_eq!(
                &self.guests.all[rank].name, name,
                "a rank is its guest's own"
            );
        }
        let any_monitor = self.screens.slots().next().is_some();
        let Some(place) = window.place else {
            let may_hide = self.policy == Policy::Kiosk && window.layer.guest().is_some();
            assert!(may_hide || !any_monitor, "a window without a place");
            return;
        };
        let screen = self.screen(place.output).expect("a place on no monitor");
        if let Some(rank) = window.layer.guest() {
            let runs = self.guests.all[rank].runs;
            assert!(runs && !window.outlived, "the past passes for the present");
        }
        match (window.layer, self.policy) {
            (Layer::Guest(_), Policy::Headless) => {
                assert_eq!(place, pixel_for_pixel(place.output, (0, 0)));
            }
            (Layer::Guest(rank), Policy::Kiosk) => {
                assert_eq!(self.occupants.get(&place.output), Some(&rank));
                let fit = self.guests.all[rank].placement.fit;
                assert_eq!(place, fitted(fit, window.size, place.output, screen));
            }
            (Layer::Picture(rank), _) => {
                let position = self.guests.all[rank].placement.position;
                let position = position.expect("a picture in picture without a position");
                assert_eq!(place, pixel_for_pixel(place.output, position));
            }
            (Layer::Cascade(_), _) => {
                assert!(place.x >= 0 && place.x == place.y);
                let (width, height) = screen.logical;
                assert!(
                    place.x <= width.min(height).max(0) / 2,
                    "a corner is far off"
                );
            }
        }
    }

    /// A monitor is filled by one window.
    fn verify_monitors(&self) {
        for (slot, output) in self.screens.present() {
            assert_eq!(
                self.screens.slot(output),
                Some(slot),
                "two monitors with one name"
            );
            let fills = |window: &&Window| matches!(window.layer, Layer::Guest(_));
            let filling = self.on_output(output).filter(fills).count();
            if self.policy == Policy::Kiosk {
                assert!(filling <= 1, "guests are on top of each other");
                let waits = self.vacant(output).is_some();
                let occupied = self.occupant(output).is_some();
                assert_eq!(usize::from(occupied), filling + usize::from(waits));
            }
        }
        for output in self.occupants.keys() {
            assert!(self.screens.get(*output).is_some(), "a guest on no monitor");
        }
    }

    fn verify_guests(&self) {
        let homes: Vec<_> = self
            .guests
            .all
            .iter()
            .filter_map(|guest| guest.home)
            .collect();
        let distinct: BTreeSet<_> = homes.iter().copied().collect();
        assert_eq!(distinct.len(), homes.len(), "two guests have one home");
        if self.policy == Policy::Headless {
            return;
        }
        for rank in 0..self.guests.all.len() {
            let scanouts: BTreeSet<_> = self.windows.iter().filter_map(shown).collect();
            let scanouts = scanouts.into_iter().filter(|(of, _)| *of == rank);
            let slots: Vec<_> = scanouts
                .filter_map(|(_, scanout)| self.slot(rank, scanout))
                .collect();
            let distinct: BTreeSet<_> = slots.iter().copied().collect();
            assert_eq!(distinct.len(), slots.len(), "two scanouts on one monitor");
        }
    }

    fn verify_focus(&self) {
        for target in &self.targets {
            if let Target::Window(id) = target {
                assert!(
                    self.get(*id).is_some(),
                    "the keyboard can go to what is gone"
                );
            }
        }
        for rank in 0..self.guests.all.len() {
            let name = &self.guests.all[rank].name;
            if !self.guests.all[rank].runs && self.focused_guest() == Some(name) {
                let focus = self.focus().and_then(|id| self.get(id)?.layer.guest());
                assert_eq!(focus, None, "what is typed at {name} reaches another guest");
            }
        }
        let Some(window) = self.focus().and_then(|id| self.get(id)) else {
            return;
        };
        assert!(window.place.is_some(), "a hidden window has the keyboard");
        if let Some(rank) = window.layer.guest() {
            assert_eq!(
                self.focused_guest(),
                Some(self.guests.all[rank].name.as_str())
            );
        }
    }
}
