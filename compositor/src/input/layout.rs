//! Where the monitors are, for pointers: pure geometry in logical pixels.

#[cfg(test)]
mod tests;

use std::ops::Range;

use smithay::utils::{Logical, Point, Rectangle};

use crate::backend::OutputId;

/// How far from the right and the bottom edge of a monitor a pointer stays: the smallest step that
/// Wayland can tell, so that the last pixel can be reached and the pointer is still on the monitor.
const EDGE: f64 = 1.0 / 256.0;

/// All monitors and where they are.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    monitors: Vec<Monitor>,
}

/// A monitor and where it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Monitor {
    /// Which one.
    pub id: OutputId,
    /// Where.
    pub area: Rectangle<f64, Logical>,
}

impl Monitor {
    /// Whether a point is on it.
    #[must_use]
    pub fn contains(&self, point: Point<f64, Logical>) -> bool {
        self.area.contains(point)
    }

    /// The point of it that is nearest to a point.
    #[must_use]
    pub fn nearest(&self, point: Point<f64, Logical>) -> Point<f64, Logical> {
        let along =
            |value: f64, start: f64, length: f64| value.min(start + length - EDGE).max(start);
        let Rectangle { loc, size } = self.area;
        (along(point.x, loc.x, size.w), along(point.y, loc.y, size.h)).into()
    }

    /// The point at these parts, from 0 to 1, of its width and height.
    #[must_use]
    pub fn at(&self, part: Point<f64, Logical>) -> Point<f64, Logical> {
        let Rectangle { loc, size } = self.area;
        self.nearest((loc.x + part.x * size.w, loc.y + part.y * size.h).into())
    }
}

impl Layout {
    /// The layout of these monitors. Those without an area are left out.
    pub fn new(monitors: impl IntoIterator<Item = (OutputId, Rectangle<i32, Logical>)>) -> Self {
        let monitors = monitors
            .into_iter()
            .filter(|(_, area)| !area.is_empty())
            .map(|(id, area)| Monitor {
                id,
                area: area.to_f64(),
            })
            .collect();
        Self { monitors }
    }

    /// All monitors.
    pub fn monitors(&self) -> impl Iterator<Item = &Monitor> {
        self.monitors.iter()
    }

    /// The monitor that a point is on.
    #[must_use]
    pub fn monitor_at(&self, point: Point<f64, Logical>) -> Option<&Monitor> {
        self.monitors.iter().find(|monitor| monitor.contains(point))
    }

    /// A monitor.
    #[must_use]
    pub fn monitor(&self, id: OutputId) -> Option<&Monitor> {
        self.monitors.iter().find(|monitor| monitor.id == id)
    }

    /// The first monitor.
    #[must_use]
    pub fn first(&self) -> Option<&Monitor> {
        self.monitors.first()
    }

    /// The smallest rectangle around all monitors.
    #[must_use]
    pub fn bounds(&self) -> Option<Rectangle<f64, Logical>> {
        self.monitors
            .iter()
            .map(|monitor| monitor.area)
            .reduce(Rectangle::merge)
    }

    /// The point on a monitor that is nearest to a point; without monitors the point itself.
    #[must_use]
    pub fn nearest(&self, point: Point<f64, Logical>) -> Point<f64, Logical> {
        let distance = |other: &Point<f64, Logical>| {
            let away = *other - point;
            away.x * away.x + away.y * away.y
        };
        self.monitors
            .iter()
            .map(|monitor| monitor.nearest(point))
            .min_by(|one, other| distance(one).total_cmp(&distance(other)))
            .unwrap_or(point)
    }

    /// Where a pointer at `from` gets that is moved to `to`: there if a monitor is there, or along
    /// the edge that stops it, and over to a monitor beyond that edge if there is one beside the
    /// point where it was stopped. So neither a gap between monitors nor a corner between monitors
    /// of different sizes holds it up, and it never is where no monitor is.
    #[must_use]
    pub fn moved(&self, from: Point<f64, Logical>, to: Point<f64, Logical>) -> Point<f64, Logical> {
        if !(to.x.is_finite() && to.y.is_finite()) {
            return from;
        }
        if self.monitor_at(to).is_some() {
            return to;
        }
        let from = self.nearest(from);
        let Some(here) = self.monitor_at(from) else {
            return from;
        };
        let stopped = here.nearest(to);
        let others = self.monitors.iter().filter(|other| other.id != here.id);
        others
            .filter_map(|other| beyond(here, other, stopped, to))
            .min_by(|(one, _), (other, _)| one.total_cmp(other))
            .map_or(stopped, |(_, there)| there)
    }
}

/// Where a pointer gets on `other` that the edge of `here` stops at `stopped` on its way to `to`,
/// and how far it jumps; `None` if `other` is not straight beyond that edge.
fn beyond(
    here: &Monitor,
    other: &Monitor,
    stopped: Point<f64, Logical>,
    to: Point<f64, Logical>,
) -> Option<(f64, Point<f64, Logical>)> {
    let [here_x, here_y] = spans(here.area);
    let [other_x, other_y] = spans(other.area);
    if let Some(gap) = gap(here_x, &other_x, to.x)
        && other_y.contains(&stopped.y)
    {
        return Some((gap, other.nearest((to.x, stopped.y).into())));
    }
    let gap = gap(here_y, &other_y, to.y)?;
    let there = other.nearest((stopped.x, to.y).into());
    other_x.contains(&stopped.x).then_some((gap, there))
}

fn spans(area: Rectangle<f64, Logical>) -> [Range<f64>; 2] {
    let Rectangle { loc, size } = area;
    [loc.x..loc.x + size.w, loc.y..loc.y + size.h]
}

/// The gap between two spans on the way to `to`, if that leaves the one towards the other.
fn gap(here: Range<f64>, other: &Range<f64>, to: f64) -> Option<f64> {
    let gap = if to >= here.end {
        other.start - here.end
    } else if to < here.start {
        here.start - other.end
    } else {
        return None;
    };
    (gap >= 0.0).then_some(gap)
}
