//! The monitors, also those that are unplugged at the moment: what was on one comes back to it.

use crate::backend::OutputId;

/// A monitor, as far as placing windows is concerned.
#[derive(Debug, Clone, PartialEq)]
pub struct Screen {
    /// What it is plugged into, e.g. `DP-1`.
    pub name: String,
    /// What it is: `MAKE MODEL SERIAL`, as its EDID has them; empty if it does not say.
    pub model: String,
    /// Width and height in pixels, as it hangs on the wall.
    pub pixels: (i32, i32),
    /// Width and height in logical pixels, as ordinary clients count.
    pub logical: (i32, i32),
    /// Pixels per logical pixel.
    pub scale: f64,
}

impl Screen {
    /// Whether a user means this one by a name.
    fn is_called(&self, name: &str) -> bool {
        self.name == name || (!self.model.is_empty() && self.model == name)
    }
}

/// A monitor that was there once. Outputs' ids die with the plug, this does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot(usize);

/// All monitors since the start, in the order in which they appeared first.
#[derive(Debug, Clone, Default)]
pub(super) struct Screens {
    known: Vec<Known>,
}

#[derive(Debug, Clone)]
struct Known {
    screen: Screen,
    /// While it is plugged in.
    output: Option<OutputId>,
}

impl Screens {
    /// A monitor was plugged in; one that comes back gets its old slot.
    pub(super) fn add(&mut self, id: OutputId, screen: Screen) {
        if let Some(known) = self.known_mut(id) {
            known.screen = screen;
            return;
        }
        let away = |matches: &dyn Fn(&Screen) -> bool| {
            self.known
                .iter()
                .position(|known| known.output.is_none() && matches(&known.screen))
        };
        let same_place = |old: &Screen| old.name == screen.name;
        let same_model = |old: &Screen| !old.model.is_empty() && old.model == screen.model;
        let slot = away(&|old| same_place(old) && same_model(old))
            .or_else(|| away(&same_model))
            .or_else(|| away(&same_place));
        let known = Known {
            screen,
            output: Some(id),
        };
        match slot {
            Some(slot) => self.known[slot] = known,
            None => self.known.push(known),
        }
    }

    /// A monitor was unplugged.
    pub(super) fn remove(&mut self, id: OutputId) {
        if let Some(known) = self.known_mut(id) {
            known.output = None;
        }
    }

    /// A monitor has another mode or scale now.
    pub(super) fn change(&mut self, id: OutputId, screen: Screen) {
        if let Some(known) = self.known_mut(id) {
            known.screen = screen;
        }
    }

    /// Those that are plugged in.
    pub(super) fn present(&self) -> impl DoubleEndedIterator<Item = (Slot, OutputId)> + Clone + '_ {
        self.known
            .iter()
            .enumerate()
            .filter_map(|(slot, known)| Some((Slot(slot), known.output?)))
    }

    /// Those that are plugged in.
    pub(super) fn slots(&self) -> impl DoubleEndedIterator<Item = Slot> + Clone + '_ {
        self.present().map(|(slot, _)| slot)
    }

    /// Whether one that was there is unplugged.
    pub(super) fn some_are_away(&self) -> bool {
        self.known.iter().any(|known| known.output.is_none())
    }

    /// Those that are plugged in and called this.
    pub(super) fn called(&self, name: &str) -> impl Iterator<Item = Slot> {
        self.slots()
            .filter(move |slot| self.known[slot.0].screen.is_called(name))
    }

    /// What is plugged in there.
    pub(super) fn output(&self, slot: Slot) -> Option<OutputId> {
        self.known.get(slot.0)?.output
    }

    /// Where something is plugged in.
    pub(super) fn slot(&self, id: OutputId) -> Option<Slot> {
        let found = self.present().find(|(_, output)| *output == id);
        found.map(|(slot, _)| slot)
    }

    /// A monitor that is plugged in.
    pub(super) fn get(&self, id: OutputId) -> Option<&Screen> {
        let Slot(slot) = self.slot(id)?;
        Some(&self.known[slot].screen)
    }

    fn known_mut(&mut self, id: OutputId) -> Option<&mut Known> {
        self.known.iter_mut().find(|known| known.output == Some(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(name: &str, model: &str) -> Screen {
        Screen {
            name: name.to_owned(),
            model: model.to_owned(),
            pixels: (640, 480),
            logical: (640, 480),
            scale: 1.0,
        }
    }

    /// The slot of a monitor that is plugged in after those before were pulled.
    fn returns_to(before: &[(&str, &str)], name: &str, model: &str) -> usize {
        let mut screens = Screens::default();
        for (number, (name, model)) in (0..).zip(before) {
            screens.add(OutputId::new(number), screen(name, model));
        }
        for number in 0..10 {
            screens.remove(OutputId::new(number));
        }
        let id = OutputId::new(99);
        screens.add(id, screen(name, model));
        screens.slot(id).unwrap().0
    }

    #[test]
    fn a_monitor_is_known_again_by_what_it_is_or_where_it_is() {
        let before = [("DP-1", "A 1"), ("DP-2", "B 2"), ("DP-3", "")];
        assert_eq!(returns_to(&before, "DP-2", "B 2"), 1);
        assert_eq!(returns_to(&before, "DP-1", "B 2"), 1, "moved");
        assert_eq!(returns_to(&before, "DP-1", "C 3"), 0, "exchanged");
        assert_eq!(returns_to(&before, "DP-9", ""), 3, "new");
    }

    #[test]
    fn one_of_two_like_monitors_is_known_by_where_it_is() {
        let before = [("DP-1", "A"), ("DP-2", "A")];
        assert_eq!(returns_to(&before, "DP-2", "A"), 1);
    }

    #[test]
    fn a_monitor_that_is_there_is_not_taken_for_another_one() {
        let mut screens = Screens::default();
        screens.add(OutputId::new(0), screen("DP-1", "A"));
        screens.add(OutputId::new(1), screen("DP-2", "A"));
        assert_eq!(screens.present().count(), 2);
        screens.add(OutputId::new(1), screen("DP-2", "B"));
        assert_eq!(screens.present().count(), 2);
        assert_eq!(screens.get(OutputId::new(1)).unwrap().model, "B");
    }
}
