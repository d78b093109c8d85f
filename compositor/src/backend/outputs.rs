//! The collection of outputs. Monitors come and go; their names here do not come back.

use std::{collections::BTreeMap, ops::Bound};

use super::HostOutput;

/// Names an output while it exists; never used twice, so that what is remembered of a monitor that
/// was unplugged can't be taken for the next one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputId(u64);

impl OutputId {
    /// The id of the `number`th output since the start, from 0.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

/// All outputs, in the order in which they appeared.
#[derive(Debug, Default)]
pub struct Outputs {
    outputs: BTreeMap<OutputId, HostOutput>,
    next: u64,
}

impl Outputs {
    /// Adds one.
    pub fn insert(&mut self, output: HostOutput) -> OutputId {
        let id = OutputId(self.next);
        self.next += 1;
        self.outputs.insert(id, output);
        id
    }

    /// Takes one away.
    pub fn remove(&mut self, id: OutputId) -> Option<HostOutput> {
        self.outputs.remove(&id)
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: OutputId) -> Option<&HostOutput> {
        self.outputs.get(&id)
    }

    /// One of them.
    pub fn get_mut(&mut self, id: OutputId) -> Option<&mut HostOutput> {
        self.outputs.get_mut(&id)
    }

    /// The one with a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<OutputId> {
        self.iter()
            .find(|(_, output)| output.name() == name)
            .map(|(id, _)| id)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (OutputId, &HostOutput)> {
        self.outputs.iter().map(|(id, output)| (*id, output))
    }

    /// All of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (OutputId, &mut HostOutput)> {
        self.outputs.iter_mut().map(|(id, output)| (*id, output))
    }

    /// The ids of all.
    #[must_use]
    pub fn ids(&self) -> Vec<OutputId> {
        self.outputs.keys().copied().collect()
    }

    /// The oldest.
    #[must_use]
    pub fn first(&self) -> Option<OutputId> {
        self.outputs.keys().next().copied()
    }

    /// The one that appeared next after another one, which may be gone by now.
    #[must_use]
    pub fn after(&self, id: OutputId) -> Option<OutputId> {
        let later = (Bound::Excluded(id), Bound::Unbounded);
        self.outputs.range(later).next().map(|(id, _)| *id)
    }

    /// Puts those that have no place of their own side by side, to the right of all that have one,
    /// in the order in which they appeared. Clients are told what moved.
    pub fn arrange(&mut self) {
        let mut right = 0i32;
        for output in self.outputs.values_mut() {
            if let Some((x, y)) = output.monitor().position {
                output.move_to((x, y).into());
                right = right.max(x.saturating_add(output.logical_size().w));
            }
        }
        for output in self.outputs.values_mut() {
            if output.monitor().position.is_none() {
                output.move_to((right, 0).into());
                right = right.saturating_add(output.logical_size().w);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use smithay::output::Mode;

    use super::*;
    use crate::backend::Monitor;

    fn output(width: i32, scale: f64, position: Option<(i32, i32)>) -> HostOutput {
        let mode = Mode {
            size: (width, 600).into(),
            refresh: 60_000,
        };
        let monitor = Monitor {
            scale,
            position,
            ..Monitor::new("a", mode)
        };
        HostOutput::new(monitor, Duration::ZERO)
    }

    fn lefts(outputs: &Outputs) -> Vec<i32> {
        outputs
            .iter()
            .map(|(_, output)| output.position().x)
            .collect()
    }

    #[test]
    fn outputs_are_side_by_side_in_logical_pixels() {
        let mut outputs = Outputs::default();
        let first = outputs.insert(output(3000, 1.5, None));
        outputs.insert(output(800, 1.0, None));
        outputs.insert(output(800, 1.0, None));
        outputs.arrange();
        assert_eq!(lefts(&outputs), [0, 2000, 2800]);
        outputs.remove(first);
        outputs.arrange();
        assert_eq!(lefts(&outputs), [0, 800]);
    }

    #[test]
    fn outputs_without_a_place_are_beside_those_with_one() {
        let mut outputs = Outputs::default();
        outputs.insert(output(800, 1.0, None));
        outputs.insert(output(1000, 1.0, Some((-200, 50))));
        outputs.insert(output(800, 1.0, None));
        outputs.arrange();
        assert_eq!(lefts(&outputs), [800, -200, 1600]);
    }

    #[test]
    fn all_outputs_can_be_gone_through_while_some_go() {
        let mut outputs = Outputs::default();
        let ids = [0; 3].map(|_| outputs.insert(output(8, 1.0, None)));
        assert_eq!(outputs.first(), Some(ids[0]));
        outputs.remove(ids[1]);
        assert_eq!(outputs.after(ids[0]), Some(ids[2]));
        assert_eq!(outputs.after(ids[1]), Some(ids[2]));
        assert_eq!(outputs.after(ids[2]), None);
        let next = outputs.insert(output(8, 1.0, None));
        assert!(!ids.contains(&next), "an id was used twice");
    }
}
