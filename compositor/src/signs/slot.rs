//! A sign that stays the same until it has to look different.

use smithay::backend::renderer::{element::Id, utils::CommitCounter};

use super::{Sign, draw::Picture, make, planes::Planes};

/// Keeps an opaque sign by what it looks like.
#[derive(Debug)]
pub(super) struct Slot<K> {
    id: Id,
    commit: CommitCounter,
    shown: Option<(K, Sign)>,
}

impl<K> Default for Slot<K> {
    fn default() -> Self {
        Self {
            id: Id::new(),
            commit: CommitCounter::default(),
            shown: None,
        }
    }
}

impl<K: PartialEq> Slot<K> {
    /// The sign that looks like this; drawn if the last one does not.
    pub(super) fn get(
        &mut self,
        look: K,
        planes: &mut Option<Planes>,
        draw: impl FnOnce() -> Picture,
    ) -> Sign {
        if let Some((shown, sign)) = &self.shown
            && *shown == look
        {
            return sign.clone();
        }
        self.commit.increment();
        let sign = make(planes, (self.id.clone(), self.commit), &draw(), true);
        self.shown = Some((look, sign.clone()));
        sign
    }

    /// Nothing is shown; the memory is free once nobody else uses it.
    pub(super) fn clear(&mut self) {
        self.shown = None;
    }
}
