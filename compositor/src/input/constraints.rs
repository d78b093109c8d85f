//! Windows that keep the pointer in place or inside of them.

use smithay::{
    input::pointer::PointerHandle,
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::{Logical, Point, Size},
    wayland::{
        compositor::RegionAttributes,
        pointer_constraints::{PointerConstraint, PointerConstraintRef, with_pointer_constraint},
    },
};

use crate::{state::State, wayland::size_of};

/// What a window does to the pointer.
enum Held {
    Free,
    InPlace,
    Inside(Option<RegionAttributes>),
}

impl State {
    /// Where the pointer may go that a hand moves from one point to another; `None` if it has to
    /// stay.
    pub(super) fn constrained(
        &self,
        pointer: &PointerHandle<Self>,
        from: Point<f64, Logical>,
        to: Point<f64, Logical>,
    ) -> Option<Point<f64, Logical>> {
        let Some(surface) = pointer.current_focus() else {
            return Some(to);
        };
        let held = with_pointer_constraint(&surface, pointer, |constraint| {
            match constraint.as_deref() {
                Some(constraint) if constraint.is_active() => match constraint {
                    PointerConstraint::Locked(_) => Held::InPlace,
                    PointerConstraint::Confined(confined) => {
                        Held::Inside(confined.region().cloned())
                    }
                },
                _ => Held::Free,
            }
        });
        let region = match held {
            Held::Free => return Some(to),
            Held::InPlace => return None,
            Held::Inside(region) => region,
        };
        let local = |point| Some(point - self.corner_of(&surface, point)?);
        let (Some(inside), Some(wanted)) = (local(from), local(to)) else {
            return Some(to);
        };
        let kept = confine(wanted, inside, size_of(&surface).to_f64(), region.as_ref());
        // Along each axis as far as the hand wanted, times how much of that the window allows:
        // its own scale is not known here.
        let part = |wanted: f64, inside: f64, kept: f64| {
            if wanted == inside {
                1.0
            } else {
                (kept - inside) / (wanted - inside)
            }
        };
        let step = to - from;
        Some(
            (
                from.x + step.x * part(wanted.x, inside.x, kept.x),
                from.y + step.y * part(wanted.y, inside.y, kept.y),
            )
                .into(),
        )
    }

    /// Lets the window under the pointer hold it, if it asked for that, the pointer is on the part
    /// of it that it means, it has the keyboard, and nobody took the pointer back from it. Takes
    /// the pointer from it when it loses the keyboard.
    pub(crate) fn settle_constraint(&mut self) {
        let Some(pointer) = self.protocols.seat.get_pointer() else {
            return;
        };
        let Some(surface) = pointer.current_focus() else {
            return;
        };
        let may_hold = self.has_keyboard(&surface) && !self.input.pointer.denied.is(&surface);
        let at = self.pointer_at();
        let Some(corner) = self.corner_of(&surface, at) else {
            return;
        };
        let hint = with_pointer_constraint(&surface, &pointer, |constraint| {
            let constraint = constraint?;
            let is_inside = constraint
                .region()
                .is_none_or(|region| region.contains((at - corner).to_i32_floor()));
            match (constraint.is_active(), may_hold) {
                (true, true) => {}
                (false, true) if is_inside => constraint.activate(),
                (true, false) => {
                    constraint.deactivate();
                    return None;
                }
                _ => return None,
            }
            match &*constraint {
                PointerConstraint::Locked(locked) => locked.cursor_position_hint(),
                PointerConstraint::Confined(_) => None,
            }
        });
        self.follow_hint(&surface, hint);
    }

    /// Takes the pointer back from the window that holds it, until that is clicked on.
    /// Returns whether one did.
    pub(super) fn free_pointer(&mut self) -> bool {
        let Some(pointer) = self.protocols.seat.get_pointer() else {
            return false;
        };
        let Some(surface) = pointer.current_focus() else {
            return false;
        };
        let held = with_pointer_constraint(&surface, &pointer, |constraint| {
            let active = constraint.filter(|constraint| constraint.is_active());
            active.map(PointerConstraintRef::deactivate).is_some()
        });
        if held {
            let display = self.clients.display();
            self.input.pointer.denied.deny(&surface, display);
        }
        held
    }

    /// A window draws the pointer somewhere in itself.
    pub(crate) fn pointer_hint(
        &mut self,
        surface: &WlSurface,
        pointer: &PointerHandle<Self>,
        at: Point<f64, Logical>,
    ) {
        let holds = with_pointer_constraint(surface, pointer, |constraint| {
            constraint.is_some_and(|constraint| constraint.is_active())
        });
        if holds {
            self.input.pointer.hint = Some((surface.clone(), at));
        }
    }

    /// Where a window that has the pointer locked draws it meanwhile, is where it goes on when it
    /// is unlocked. No window is told: the one that drew it there knows.
    fn follow_hint(&mut self, surface: &WlSurface, hint: Option<Point<f64, Logical>>) {
        if let Some(hint) = hint {
            self.input.pointer.hint = Some((surface.clone(), hint));
        } else if let Some((hinting, hint)) = self.input.pointer.hint.take()
            && hinting == *surface
            && let Some(to) = self.point_in(surface, hint)
        {
            self.input.pointer.at = Some(self.layout().nearest(to));
            self.redraw_pointer();
        }
    }
}

/// The point nearest to `wanted` that a window of this size, or a region of it, allows. Where that
/// would be outside of every rectangle of the region, the pointer stays inside.
fn confine(
    wanted: Point<f64, Logical>,
    inside: Point<f64, Logical>,
    size: Size<f64, Logical>,
    region: Option<&RegionAttributes>,
) -> Point<f64, Logical> {
    const EDGE: f64 = 1.0 / 256.0;
    let along = |value: f64, length: f64| value.min(length - EDGE).max(0.0);
    let on_window = |point: Point<f64, Logical>| -> Point<f64, Logical> {
        (along(point.x, size.w), along(point.y, size.h)).into()
    };
    let allowed = |point: Point<f64, Logical>| {
        region.is_none_or(|region| region.contains(point.to_i32_floor()))
    };
    let wanted = on_window(wanted);
    // Along an edge that stops it in one direction it goes on in the other.
    [
        wanted,
        (wanted.x, inside.y).into(),
        (inside.x, wanted.y).into(),
    ]
    .into_iter()
    .find(|point| allowed(*point))
    .unwrap_or(inside)
}

#[cfg(test)]
mod tests {
    use smithay::{utils::Rectangle, wayland::compositor::RectangleKind};

    use super::*;

    fn confined(wanted: (f64, f64), region: Option<&RegionAttributes>) -> (f64, f64) {
        let kept = confine(
            wanted.into(),
            (10.0, 10.0).into(),
            (100.0, 50.0).into(),
            region,
        );
        (kept.x.floor(), kept.y.floor())
    }

    #[test]
    fn a_window_keeps_the_pointer_on_its_own_pixels() {
        assert_eq!(confined((20.0, 30.0), None), (20.0, 30.0));
        assert_eq!(confined((120.0, 30.0), None), (99.0, 30.0));
        assert_eq!(confined((-5.0, 80.0), None), (0.0, 49.0));
    }

    #[test]
    fn a_region_stops_the_pointer_and_lets_it_slide_along() {
        let region = RegionAttributes {
            rects: vec![(
                RectangleKind::Add,
                Rectangle::new((0, 0).into(), (20, 20).into()),
            )],
        };
        assert_eq!(confined((15.0, 12.0), Some(&region)), (15.0, 12.0));
        assert_eq!(confined((30.0, 12.0), Some(&region)), (10.0, 12.0));
        assert_eq!(confined((30.0, 30.0), Some(&region)), (10.0, 10.0));
    }
}
