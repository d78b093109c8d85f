//! Why something is composited, by name. Pure.
//!
//! smithay says for some surfaces that the driver refused, and for the others nothing: the rest
//! follows from what lies over what.

use smithay::{
    backend::renderer::element::RenderingReason,
    utils::{Physical, Rectangle},
};

use super::planes::KeptOff;

/// Why a surface is composited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its pixels are in shared memory, which no plane reads.
    SharedMemory,
    /// No plane shows this format.
    Format,
    /// The driver refused to scale it.
    Scaling,
    /// The driver refused to turn it.
    Transform,
    /// The driver refused it.
    Refused,
    /// It was refused a short time ago, and is not tried in every frame.
    RefusedBefore,
    /// It fell off its plane a short time ago.
    Settling,
    /// Something that is composited lies over it.
    Covered,
    /// Something on another plane lies over it, and these planes can't be stacked.
    Overlaps,
    /// All planes are in use, or the card has none for it.
    NoPlane,
    /// The card shows one picture and nothing over it: its driver has no atomic mode setting.
    Legacy,
}

/// Where a surface's pixels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// In a dma-buf.
    Dmabuf,
    /// In shared memory.
    Shared,
    /// Nowhere: a colour.
    Other,
}

/// What became of a surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Nothing of it is to be seen.
    Hidden,
    /// On a plane.
    Plane,
    /// Composited, for a reason that smithay knows, or not.
    Composited(Option<RenderingReason>),
}

/// A surface in a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Where it is.
    pub geometry: Rectangle<i32, Physical>,
    /// Where its pixels are.
    pub storage: Storage,
    /// Whether it is shown larger or smaller than its buffer.
    pub scaled: bool,
    /// Whether it is shown turned.
    pub turned: bool,
    /// Whether it is a pointer.
    pub pointer: bool,
    /// Why it was not offered to planes, if it was not.
    pub kept_off: Option<KeptOff>,
    /// What became of it.
    pub way: Way,
}

/// What the card can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// Overlay planes of this output.
    pub overlays: usize,
    /// Whether pointers can have a plane of their own.
    pub cursor: bool,
    /// Whether it has planes to choose from at all.
    pub atomic: bool,
}

/// Why the surface at a place in a frame, front to back, is composited. `None` if it is not.
#[must_use]
pub fn reason(frame: &[Seen], index: usize, abilities: Abilities) -> Option<Reason> {
    let (before, rest) = frame.split_at_checked(index)?;
    let seen = rest.first()?;
    let Way::Composited(said) = seen.way else {
        return None;
    };
    Some(match (seen.storage, seen.kept_off) {
        (_, Some(KeptOff::Refused)) => Reason::RefusedBefore,
        (_, Some(KeptOff::Settling)) => Reason::Settling,
        (_, Some(KeptOff::Format)) => Reason::Format,
        // The only plane that takes shared memory: it is copied.
        (Storage::Shared, None) if seen.pointer => match abilities {
            Abilities { atomic: false, .. } => Reason::Legacy,
            Abilities { cursor: false, .. } => Reason::NoPlane,
            _ => refusal(seen),
        },
        (Storage::Shared | Storage::Other, None) => Reason::SharedMemory,
        (Storage::Dmabuf, None) => of_dmabuf(before, seen, said, abilities),
    })
}

fn of_dmabuf(
    before: &[Seen],
    seen: &Seen,
    said: Option<RenderingReason>,
    abilities: Abilities,
) -> Reason {
    let over = |way: fn(&Way) -> bool| {
        before
            .iter()
            .any(|other| way(&other.way) && other.geometry.overlaps(seen.geometry))
    };
    match said {
        Some(RenderingReason::FormatUnsupported) => Reason::Format,
        _ if over(|way| matches!(way, Way::Composited(_))) => Reason::Covered,
        Some(RenderingReason::ScanoutFailed) => refusal(seen),
        None if !abilities.atomic => Reason::Legacy,
        None if over(|way| *way == Way::Plane) => Reason::Overlaps,
        None if planes(before) >= abilities.overlays => Reason::NoPlane,
        None => refusal(seen),
    }
}

fn refusal(seen: &Seen) -> Reason {
    match (seen.scaled, seen.turned) {
        (true, _) => Reason::Scaling,
        (false, true) => Reason::Transform,
        (false, false) => Reason::Refused,
    }
}

fn planes(frame: &[Seen]) -> usize {
    frame.iter().filter(|seen| seen.way == Way::Plane).count()
}

impl Reason {
    /// For programs; stable.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::SharedMemory => "shared_memory",
            Self::Format => "format",
            Self::Scaling => "scaling",
            Self::Transform => "transform",
            Self::Refused => "refused",
            Self::RefusedBefore => "refused_before",
            Self::Settling => "settling",
            Self::Covered => "covered",
            Self::Overlaps => "overlaps",
            Self::NoPlane => "no_plane",
            Self::Legacy => "legacy",
        }
    }

    /// For people: what is said of the surface, without a full stop.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::SharedMemory => "its pixels are in shared memory, which no plane reads",
            Self::Format => "no plane shows its format",
            Self::Scaling => "the display driver refused to scale it",
            Self::Transform => "the display driver refused to turn it",
            Self::Refused => "the display driver refused it",
            Self::RefusedBefore => {
                "the display driver refused it a short time ago; it is tried again by and by"
            }
            Self::Settling => "it was composited a moment ago; it goes back to its plane soon",
            Self::Covered => "something that is composited lies over it",
            Self::Overlaps => {
                "something on another plane lies over it, and planes can't be stacked"
            }
            Self::NoPlane => "the card has no plane left for it",
            Self::Legacy => {
                "the display driver has no atomic mode setting: only one picture that fills the \
                 monitor needs no drawing"
            }
        }
    }

    /// Whether the driver said no, as against something that lies in the way.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::Format | Self::Scaling | Self::Transform | Self::Refused
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLANES: Abilities = Abilities {
        overlays: 2,
        cursor: true,
        atomic: true,
    };

    fn at(x: i32, way: Way) -> Seen {
        Seen {
            geometry: Rectangle::new((x, 0).into(), (100, 100).into()),
            storage: Storage::Dmabuf,
            scaled: false,
            turned: false,
            pointer: false,
            kept_off: None,
            way,
        }
    }

    fn full(way: Way) -> Seen {
        Seen {
            geometry: Rectangle::from_size((1000, 1000).into()),
            ..at(0, way)
        }
    }

    const DRAWN: Way = Way::Composited(None);

    #[test]
    fn what_is_on_a_plane_or_hidden_needs_no_reason() {
        let frame = [at(0, Way::Plane), full(Way::Hidden)];
        assert_eq!(reason(&frame, 0, PLANES), None);
        assert_eq!(reason(&frame, 1, PLANES), None);
        assert_eq!(reason(&frame, 2, PLANES), None);
    }

    #[test]
    fn a_window_in_shared_memory_drags_down_what_it_covers() {
        let popup = Seen {
            storage: Storage::Shared,
            ..at(0, DRAWN)
        };
        let frame = [popup, full(DRAWN)];
        assert_eq!(reason(&frame, 0, PLANES), Some(Reason::SharedMemory));
        assert_eq!(reason(&frame, 1, PLANES), Some(Reason::Covered));
    }

    #[test]
    fn a_plane_in_the_way_is_told_from_too_few_planes() {
        let frame = [at(0, Way::Plane), at(50, DRAWN)];
        assert_eq!(reason(&frame, 1, PLANES), Some(Reason::Overlaps));
        let frame = [at(0, Way::Plane), at(200, Way::Plane), at(400, DRAWN)];
        assert_eq!(reason(&frame, 2, PLANES), Some(Reason::NoPlane));
        let none = Abilities {
            overlays: 0,
            ..PLANES
        };
        assert_eq!(reason(&[at(0, DRAWN)], 0, none), Some(Reason::NoPlane));
        let legacy = Abilities {
            overlays: 0,
            cursor: false,
            atomic: false,
        };
        assert_eq!(reason(&[at(0, DRAWN)], 0, legacy), Some(Reason::Legacy));
    }

    #[test]
    fn the_drivers_refusal_is_named_after_what_was_asked() {
        let failed = Way::Composited(Some(RenderingReason::ScanoutFailed));
        let scaled = Seen {
            scaled: true,
            ..full(failed)
        };
        let turned = Seen {
            turned: true,
            ..full(DRAWN)
        };
        assert_eq!(reason(&[scaled], 0, PLANES), Some(Reason::Scaling));
        assert_eq!(reason(&[turned], 0, PLANES), Some(Reason::Transform));
        assert_eq!(reason(&[full(failed)], 0, PLANES), Some(Reason::Refused));
        assert_eq!(reason(&[full(DRAWN)], 0, PLANES), Some(Reason::Refused));
        let format = full(Way::Composited(Some(RenderingReason::FormatUnsupported)));
        assert_eq!(reason(&[format], 0, PLANES), Some(Reason::Format));
    }

    #[test]
    fn a_pointer_needs_a_plane_and_no_dmabuf() {
        let pointer = Seen {
            storage: Storage::Shared,
            pointer: true,
            ..at(0, DRAWN)
        };
        let reason = |abilities| reason(&[pointer], 0, abilities);
        assert_eq!(reason(PLANES), Some(Reason::Refused));
        let without = Abilities {
            cursor: false,
            ..PLANES
        };
        assert_eq!(reason(without), Some(Reason::NoPlane));
        let legacy = Abilities {
            atomic: false,
            ..without
        };
        assert_eq!(reason(legacy), Some(Reason::Legacy));
    }

    #[test]
    fn what_was_not_tried_says_so() {
        let kept = |kept| Seen {
            kept_off: Some(kept),
            ..full(DRAWN)
        };
        let reason = |kept_off| reason(&[kept(kept_off)], 0, PLANES);
        assert_eq!(reason(KeptOff::Refused), Some(Reason::RefusedBefore));
        assert_eq!(reason(KeptOff::Settling), Some(Reason::Settling));
    }
}
