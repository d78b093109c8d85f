//! Who is still to commit for the next picture.

/// The surfaces whose clients were told of the last vblank, as long as they have not committed
/// since. They asked to be told, so they are about to.
///
/// `S` names surfaces.
#[derive(Debug)]
pub(super) struct Awaited<S> {
    /// Those that are told of the vblank of the picture under way.
    asked: Vec<S>,
    /// Those that were told, and are not here yet.
    told: Vec<S>,
}

impl<S> Default for Awaited<S> {
    fn default() -> Self {
        Self {
            asked: Vec::new(),
            told: Vec::new(),
        }
    }
}

impl<S: PartialEq> Awaited<S> {
    /// A picture is composed: whoever comes now comes for the one after.
    pub(super) fn compose(&mut self) {
        self.asked.clear();
        self.told.clear();
    }

    /// A surface of this picture asks to be told of its vblank.
    pub(super) fn ask(&mut self, surface: S) {
        self.asked.push(surface);
    }

    /// The vblank has come. Whether anybody is waited for from now on.
    pub(super) fn tell(&mut self) -> bool {
        self.told.append(&mut self.asked);
        !self.told.is_empty()
    }

    /// A surface has committed. Whether it was the last one that was waited for.
    pub(super) fn arrived(&mut self, surface: &S) -> bool {
        // One that commits before the vblank of its last picture is ahead, and not about to commit
        // again.
        self.asked.retain(|asked| asked != surface);
        let waited = !self.told.is_empty();
        self.told.retain(|told| told != surface);
        waited && self.told.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(surfaces: &[u8]) -> Awaited<u8> {
        let mut awaited = Awaited::default();
        surfaces.iter().for_each(|surface| awaited.ask(*surface));
        assert_eq!(awaited.tell(), !surfaces.is_empty());
        awaited
    }

    #[test]
    fn those_that_were_told_of_the_vblank_are_waited_for_until_the_last_is_here() {
        let mut awaited = told(&[1, 2]);
        assert!(!awaited.arrived(&2));
        assert!(!awaited.arrived(&2), "once more");
        assert!(!awaited.arrived(&3), "a stranger");
        assert!(awaited.arrived(&1));
        assert!(!awaited.arrived(&1), "nobody was waited for");
    }

    #[test]
    fn nobody_is_waited_for_who_did_not_ask() {
        let mut awaited = told(&[]);
        assert!(!awaited.arrived(&1));
    }

    #[test]
    fn a_client_that_is_ahead_is_not_waited_for() {
        let mut awaited = Awaited::default();
        awaited.ask(1);
        assert!(!awaited.arrived(&1));
        assert!(!awaited.tell());
    }

    #[test]
    fn who_misses_a_picture_is_not_waited_for_in_the_next() {
        let mut awaited = told(&[1, 2]);
        awaited.compose();
        awaited.ask(2);
        assert!(awaited.tell());
        assert!(awaited.arrived(&2), "only the other one missed it");
    }
}
