//! A guest's virtual monitors, and the host's that they are shown on.

use super::{Guest, MAX_SCANOUTS};
use crate::parse::Mistake;

/// How many connectors a guest has where nobody says, for monitors that are plugged in while it
/// runs.
const CONNECTORS: usize = 4;

impl Guest {
    /// How many connectors for monitors the guest's graphics card has, as many as `scanouts` at least.
    #[must_use]
    pub fn connectors(&self) -> usize {
        let wanted = self.max_scanouts.unwrap_or(CONNECTORS);
        wanted.max(self.scanouts.len()).min(MAX_SCANOUTS)
    }
}

/// Whether the keys about monitors go together.
pub(super) fn check(guest: &Guest) -> Result<(), Mistake> {
    if guest.scanouts.is_empty() || guest.scanouts.len() > MAX_SCANOUTS {
        return Err(Mistake::at(
            "scanouts",
            format!(
                "Could not give a guest {} virtual monitors",
                guest.scanouts.len()
            ),
            "List 1 to 16 modes, like [\"1280x800\", \"1920x1080@60\"]",
        ));
    }
    if guest.outputs.len() > guest.scanouts.len() {
        return Err(Mistake::at(
            "outputs",
            format!(
                "Could not spread {} virtual monitors over {} outputs",
                guest.scanouts.len(),
                guest.outputs.len()
            ),
            "Name one output for each of the guest's scanouts, or list more scanouts",
        ));
    }
    if guest.outputs.iter().any(|name| name.trim().is_empty()) {
        return Err(Mistake::at(
            "outputs",
            "Could not find a monitor by an empty name",
            "Name connectors like DP-1, or monitors as MAKE MODEL SERIAL",
        ));
    }
    if let Some(most) = guest.max_scanouts
        && !(guest.scanouts.len()..=MAX_SCANOUTS).contains(&most)
    {
        return Err(Mistake::at(
            "max_scanouts",
            format!("Could not give a guest at most {most} virtual monitors"),
            format!(
                "Choose a number from {}, the length of `scanouts`, to {MAX_SCANOUTS}",
                guest.scanouts.len()
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mode;

    fn guest(scanouts: usize, max_scanouts: Option<usize>) -> Guest {
        Guest {
            scanouts: vec![Mode::new(640, 480); scanouts],
            max_scanouts,
            ..Guest::default()
        }
    }

    #[test]
    fn a_guest_has_room_for_the_monitors_that_it_has_and_some() {
        for (scanouts, most, connectors) in [
            (1, None, 4),
            (6, None, 6),
            (2, Some(2), 2),
            (2, Some(16), 16),
        ] {
            let guest = guest(scanouts, most);
            assert!(check(&guest).is_ok());
            assert_eq!(guest.connectors(), connectors);
        }
        for (scanouts, most) in [(2, 1), (1, 0), (1, 17)] {
            assert!(check(&guest(scanouts, Some(most))).is_err());
        }
    }
}
