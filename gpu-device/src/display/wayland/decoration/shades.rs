//! The few pixels that shadows and bars are made of, once for all windows. Viewports make them as
//! large as they have to be.

use std::io;

use tracing::warn;
use wayland_client::{
    Connection, Dispatch, QueueHandle,
    protocol::{
        wl_buffer::{self, WlBuffer},
        wl_shm,
    },
};

use super::{Edge, Part, paint, pieces::Maker};
use crate::display::wayland::State;

/// How far a shadow reaches beyond its window, in logical pixels. It is also what there is to grab
/// an edge by.
pub(super) const REACH: u32 = 10;

/// How dark a shadow is at the window's edge, of 1.
const DARK: f64 = 0.3;

/// The buffers, made when they are needed first.
#[derive(Debug, Default)]
pub(in super::super) struct Shades {
    made: Vec<(Shade, WlBuffer)>,
}

/// What a piece looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shade {
    Black,
    Shadow(Edge),
}

impl Shades {
    /// What a part looks like; none if there is no memory for that.
    pub(super) fn of(&mut self, part: Part, maker: &Maker<'_>) -> Option<&WlBuffer> {
        let shade = match part {
            Part::Edge(edge) => Shade::Shadow(edge),
            Part::Bar(_) | Part::Title => Shade::Black,
        };
        let made = &mut self.made;
        if let Some(index) = made.iter().position(|(known, _)| *known == shade) {
            return made.get(index).map(|(_, buffer)| buffer);
        }
        match make(shade, maker) {
            Ok(buffer) => Some(&made.push_mut((shade, buffer)).1),
            Err(error) => {
                warn!("Making memory for a window's border failed: {error}; it is left out");
                None
            }
        }
    }
}

impl Drop for Shades {
    fn drop(&mut self) {
        for (_, buffer) in &self.made {
            buffer.destroy();
        }
    }
}

fn make(shade: Shade, maker: &Maker<'_>) -> io::Result<WlBuffer> {
    let (format, width, height) = match shade {
        Shade::Black => (wl_shm::Format::Xrgb8888, 1, 1),
        Shade::Shadow(Edge::Top | Edge::Bottom) => (wl_shm::Format::Argb8888, 1, REACH),
        Shade::Shadow(Edge::Left | Edge::Right) => (wl_shm::Format::Argb8888, REACH, 1),
        Shade::Shadow(_) => (wl_shm::Format::Argb8888, REACH, REACH),
    };
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixels: Vec<u8> = places
        .flat_map(|(x, y)| match shade {
            Shade::Black => [0; 4],
            // Black that is premultiplied by its alpha is zero.
            Shade::Shadow(edge) => [0, 0, 0, shadow(edge, x, y)],
        })
        .collect();
    paint::buffer(&pixels, (width, height), format, Shadow, maker)
}

/// How dark a shadow is at one of its pixels.
fn shadow(edge: Edge, x: u32, y: u32) -> u8 {
    // How far a pixel's middle is from the window, on each axis.
    let after = |at: u32| f64::from(at) + 0.5;
    let before = |at: u32| f64::from(REACH) - f64::from(at) - 0.5;
    let (dx, dy) = match edge {
        Edge::Top => (0.0, before(y)),
        Edge::Bottom => (0.0, after(y)),
        Edge::Left => (before(x), 0.0),
        Edge::Right => (after(x), 0.0),
        Edge::TopLeft => (before(x), before(y)),
        Edge::TopRight => (after(x), before(y)),
        Edge::BottomLeft => (before(x), after(y)),
        Edge::BottomRight => (after(x), after(y)),
    };
    let near = (1.0 - dx.hypot(dy) / f64::from(REACH)).max(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 255"
    )]
    let alpha = (255.0 * DARK * near * near).round() as u8;
    alpha
}

/// Marks a buffer that never changes: it does not matter when the host has released it.
#[derive(Debug)]
pub(in super::super) struct Shadow;

impl Dispatch<WlBuffer, Shadow> for State {
    fn event(
        _: &mut Self,
        _: &WlBuffer,
        _: wl_buffer::Event,
        Shadow: &Shadow,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shadows_are_darkest_at_the_window_and_meet_in_the_corners() {
        assert!(shadow(Edge::Top, 0, REACH - 1) > shadow(Edge::Top, 0, 0));
        assert!(shadow(Edge::Left, REACH - 1, 0) > shadow(Edge::Left, 0, 0));
        for along in 0..REACH {
            let (side, corner) = (
                shadow(Edge::Right, along, 0),
                shadow(Edge::BottomRight, along, 0),
            );
            assert!(side.abs_diff(corner) <= 8, "{side} beside {corner}");
            assert_eq!(
                shadow(Edge::TopLeft, along, 2),
                shadow(Edge::TopRight, REACH - 1 - along, 2)
            );
        }
        assert_eq!(shadow(Edge::TopLeft, 0, 0), 0);
    }
}
