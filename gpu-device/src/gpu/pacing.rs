//! When a scanout's next frame goes to the host: one frame for each of the host's refreshes.

/// How far a scanout's newest picture is.
///
/// ```text
///              picture                     Ready
///  Settled ───────────────▶ (hand over) ◀─────────── Behind
///     ▲                      │       │                │  ▲
///     │               handed │       │ no free slot   └──┘ picture (one missed)
///     │                      ▼       ▼
///     └──── Ready ──────── Handed  Starved ──┐
///                            │     ▲  │  ▲   │ picture (one missed), Released:
///                    picture │     │  │  └───┘ try to hand over again
///                            ▼     │  ▼
///                          Behind  └─(hand over)
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Pacing {
    /// The host has the newest picture and would take another.
    #[default]
    Settled,
    /// The host has the newest picture and is not done with it.
    Handed,
    /// The host is not done with its picture, and a newer one waits.
    Behind,
    /// The host would take the newest picture, but holds all slots except the one that the guest
    /// draws into; or there is no host.
    Starved,
}

/// What to do after something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Then {
    /// Hand the newest picture over, then say [`Pacing::handed`] or [`Pacing::starved`].
    HandOver,
    Wait,
}

impl Pacing {
    /// Whether a picture waits that the host does not have.
    pub(super) fn is_waiting(self) -> bool {
        matches!(self, Self::Behind | Self::Starved)
    }

    /// The guest has drawn a picture.
    pub(super) fn picture(&mut self) -> Then {
        match self {
            Self::Settled | Self::Starved => Then::HandOver,
            Self::Handed | Self::Behind => {
                *self = Self::Behind;
                Then::Wait
            }
        }
    }

    /// The host takes another frame.
    pub(super) fn ready(&mut self) -> Then {
        match self {
            Self::Behind => {
                *self = Self::Settled;
                Then::HandOver
            }
            Self::Handed => {
                *self = Self::Settled;
                Then::Wait
            }
            Self::Settled | Self::Starved => Then::Wait,
        }
    }

    /// The host has released a slot.
    pub(super) fn released(&mut self) -> Then {
        match self {
            Self::Starved => Then::HandOver,
            Self::Settled | Self::Handed | Self::Behind => Then::Wait,
        }
    }

    /// The newest picture was handed over.
    pub(super) fn handed(&mut self) {
        *self = Self::Handed;
    }

    /// The newest picture can't be handed over yet.
    pub(super) fn starved(&mut self) {
        *self = Self::Starved;
    }

    /// The host has dropped the last frame unseen, or its window is gone: it will not ask for
    /// another.
    pub(super) fn dropped(&mut self) {
        *self = Self::Settled;
    }

    /// The waiting picture is obsolete: the guest shows another resource.
    pub(super) fn rebound(&mut self) {
        *self = match self {
            Self::Settled | Self::Starved => Self::Settled,
            Self::Handed | Self::Behind => Self::Handed,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(steps: &[fn(&mut Pacing) -> Then]) -> (Pacing, Then) {
        let mut pacing = Pacing::default();
        let mut then = Then::Wait;
        for step in steps {
            then = step(&mut pacing);
            if then == Then::HandOver {
                pacing.handed();
            }
        }
        (pacing, then)
    }

    #[test]
    fn the_first_picture_goes_out_at_once_and_the_second_when_the_host_is_ready() {
        assert_eq!(after(&[Pacing::picture]), (Pacing::Handed, Then::HandOver));
        assert_eq!(
            after(&[Pacing::picture, Pacing::picture]),
            (Pacing::Behind, Then::Wait)
        );
        let steps = [
            Pacing::picture,
            Pacing::picture,
            Pacing::picture,
            Pacing::ready,
        ];
        assert_eq!(after(&steps), (Pacing::Handed, Then::HandOver));
        let steps = [Pacing::picture, Pacing::ready];
        assert_eq!(after(&steps), (Pacing::Settled, Then::Wait));
        let steps = [
            Pacing::picture,
            Pacing::ready,
            Pacing::ready,
            Pacing::released,
        ];
        assert_eq!(after(&steps), (Pacing::Settled, Then::Wait));
    }

    #[test]
    fn a_starved_scanout_tries_again_at_each_release_and_picture() {
        let mut pacing = Pacing::default();
        assert_eq!(pacing.picture(), Then::HandOver);
        pacing.starved();
        assert!(pacing.is_waiting());
        assert_eq!(pacing.ready(), Then::Wait);
        assert_eq!(pacing.picture(), Then::HandOver);
        assert_eq!(pacing.released(), Then::HandOver);
    }

    #[test]
    fn after_a_dropped_frame_the_next_picture_goes_out_at_once() {
        for mut pacing in [Pacing::Handed, Pacing::Behind] {
            pacing.dropped();
            assert_eq!(pacing.picture(), Then::HandOver);
        }
    }

    #[test]
    fn another_resource_makes_the_waiting_picture_obsolete() {
        for (before, expected) in [
            (Pacing::Behind, Pacing::Handed),
            (Pacing::Handed, Pacing::Handed),
            (Pacing::Starved, Pacing::Settled),
            (Pacing::Settled, Pacing::Settled),
        ] {
            let mut pacing = before;
            pacing.rebound();
            assert_eq!(pacing, expected);
        }
    }
}
