//! Who shows the guest's pointer on an ordinary host: never two, never nobody when one is due.
//!
//! Pure.
//!
//! ```text
//!        the host's pointer comes           it leaves              the guest's has
//!              over the window            the window                 come after
//!   Own ─────────────────────────▶ Host ─────────────▶ Following ─────────────────▶ Resting
//!    ▲                              ▲                    │     │                     │   │
//!    │                              └── it comes back ───┼─────┼─────────────────────┘   │
//!    └──────────── the guest's goes somewhere else ──────┘     └────────── (moves) ──────┘
//! ```
//!
//! From everywhere it is back to `Own` where the guest's pointer goes its own way: because it is
//! locked, because a pen moves it, or because the guest has no device that follows.
//!
//! When the host's pointer leaves a window, the guest's is still on its way to where it was last
//! seen, and then stays there. The user has another pointer by then, so that one is not shown: it
//! would lie about like one that somebody forgot. Only when the guest moves it by itself is it due
//! again.

/// How far from where it was pointed at the guest's pointer counts as being there, in the guest's
/// pixels: guests round, and keep it on their screens.
const NEAR: i32 = 4;

/// After so many movements the guest's pointer is not following any more.
const PATIENCE: u8 = 64;

/// Who shows the guest's pointer on one scanout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in super::super) enum Shown {
    /// The sub-surface does, where the guest has it.
    #[default]
    Own,
    /// The host's pointer does, by looking like it.
    Host,
    /// Nobody: the host's pointer has left, and the guest's comes after.
    Following {
        /// Where to.
        to: (i32, i32),
        /// How many movements it may take.
        patience: u8,
    },
    /// Nobody: it lies where the host's pointer left it.
    Resting {
        /// Where.
        at: (i32, i32),
    },
}

/// What matters for it.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Sight {
    /// The guest's pointer goes its own way.
    pub(in super::super) own_way: bool,
    /// The host's pointer is over the scanout's picture.
    pub(in super::super) over: bool,
    /// Where the guest was told last that the pointer is.
    pub(in super::super) pointed: (i32, i32),
    /// Where the guest's pointer points.
    pub(in super::super) tip: (i32, i32),
}

impl Shown {
    /// What it is from now on.
    pub(in super::super) fn next(self, sight: &Sight) -> Self {
        if sight.own_way {
            return Self::Own;
        }
        if sight.over {
            return Self::Host;
        }
        match self {
            Self::Own => Self::Own,
            Self::Host => Self::Following {
                to: sight.pointed,
                patience: PATIENCE,
            }
            .arrived(sight.tip),
            Self::Following { .. } => self.arrived(sight.tip),
            Self::Resting { at } if is_near(at, sight.tip) => self,
            Self::Resting { .. } => Self::Own,
        }
    }

    /// The guest has moved its pointer.
    pub(in super::super) fn moved(self) -> Self {
        match self {
            Self::Following { to, patience } => match patience.checked_sub(1) {
                Some(patience) => Self::Following { to, patience },
                None => Self::Own,
            },
            Self::Own | Self::Host | Self::Resting { .. } => self,
        }
    }

    fn arrived(self, tip: (i32, i32)) -> Self {
        match self {
            Self::Following { to, .. } if is_near(to, tip) => Self::Resting { at: tip },
            _ => self,
        }
    }
}

fn is_near(one: (i32, i32), other: (i32, i32)) -> bool {
    let near = |one: i32, other: i32| one.abs_diff(other) <= NEAR.unsigned_abs();
    near(one.0, other.0) && near(one.1, other.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIP: (i32, i32) = (10, 10);

    fn sight(over: bool, tip: (i32, i32)) -> Sight {
        Sight {
            own_way: false,
            over,
            pointed: (100, 100),
            tip,
        }
    }

    #[test]
    fn a_guests_pointer_is_its_own_until_the_hosts_comes() {
        let shown = Shown::default().next(&sight(false, TIP));
        assert_eq!(shown, Shown::Own);
        assert_eq!(shown.next(&sight(true, TIP)), Shown::Host);
    }

    #[test]
    fn a_pointer_that_was_left_is_shown_again_when_the_guest_moves_it() {
        let left = Shown::Host.next(&sight(false, TIP));
        assert!(matches!(left, Shown::Following { .. }), "{left:?}");
        let on_its_way = left.moved().next(&sight(false, (50, 50)));
        assert!(matches!(on_its_way, Shown::Following { .. }));
        let there = on_its_way.moved().next(&sight(false, (99, 101)));
        assert_eq!(there, Shown::Resting { at: (99, 101) });
        assert_eq!(there.next(&sight(false, (101, 100))), there);
        assert_eq!(there.next(&sight(false, (90, 100))), Shown::Own);
    }

    #[test]
    fn a_pointer_that_never_follows_is_shown() {
        let mut shown = Shown::Host.next(&sight(false, TIP));
        let mut moves = 0;
        while shown != Shown::Own {
            shown = shown.moved().next(&sight(false, (moves, 0)));
            moves += 1;
        }
        assert_eq!(moves, i32::from(PATIENCE) + 1);
    }

    #[test]
    fn whatever_it_was_it_is_the_guests_when_it_goes_its_own_way() {
        let own_way = Sight {
            own_way: true,
            ..sight(true, TIP)
        };
        for shown in [
            Shown::Own,
            Shown::Host,
            Shown::Following {
                to: TIP,
                patience: 3,
            },
            Shown::Resting { at: TIP },
        ] {
            assert_eq!(shown.next(&own_way), Shown::Own);
            assert_eq!(shown.next(&sight(true, TIP)), Shown::Host);
        }
    }
}
