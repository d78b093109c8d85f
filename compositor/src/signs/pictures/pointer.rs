//! Pointers for clients that ask for one by name, and for monitors where no client gives one.

use smithay::input::pointer::CursorIcon;

use super::Screen;
use crate::signs::draw::{
    Picture, Rgb,
    outline::{self, Point},
};

/// What the pointer looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// The arrow, for everything that has no shape of its own.
    Arrow,
    /// Over text.
    Text,
    /// Over what can be clicked, like a link.
    Hand,
}

impl Shape {
    /// The shape for a name of a pointer.
    pub(in crate::signs) fn of(icon: CursorIcon) -> Self {
        match icon {
            CursorIcon::Text | CursorIcon::VerticalText => Self::Text,
            CursorIcon::Pointer => Self::Hand,
            _ => Self::Arrow,
        }
    }
}

/// The side of the square that shapes are drawn in, in units.
const UNITS: usize = 24;

/// The largest side in pixels that all cursor planes take.
const MAX_SIDE: usize = 64;

const INK: Rgb = [0x10, 0x12, 0x16];
const RIM: Rgb = [0xff; 3];

/// How far the rim reaches beyond the ink, in units.
const RIM_WIDTH: f32 = 1.3;

/// The side of a pointer's picture in pixels: as large as others have it, larger on large
/// monitors.
pub(in crate::signs) fn side(screen: Screen) -> usize {
    (screen.height.min(screen.width) / 45).clamp(UNITS, MAX_SIDE)
}

/// A picture with alpha, and the place in it that points, in pixels.
pub(in crate::signs) fn draw(shape: Shape, side: usize) -> (Picture, (i32, i32)) {
    let (outline, tip) = match shape {
        Shape::Arrow => (ARROW, (2.0, 2.0)),
        Shape::Text => (TEXT, (9.0, 12.0)),
        Shape::Hand => (HAND, (8.5, 2.0)),
    };
    let scale = units(side) / units(UNITS);
    let mut picture = Picture::transparent(side, side);
    outline::stroke(&mut picture, outline, scale, 2.0 * RIM_WIDTH, RIM);
    outline::fill(&mut picture, outline, scale, INK);
    let pixel = |units: f32| rounded(units * scale);
    (picture, (pixel(tip.0), pixel(tip.1)))
}

const ARROW: &[Point] = &[
    (2.0, 2.0),
    (2.0, 18.0),
    (5.8, 14.6),
    (8.4, 20.6),
    (11.2, 19.4),
    (8.7, 13.6),
    (13.6, 13.6),
];

const TEXT: &[Point] = &[
    (5.0, 3.0),
    (8.0, 3.0),
    (9.0, 3.8),
    (10.0, 3.0),
    (13.0, 3.0),
    (13.0, 4.5),
    (10.4, 4.6),
    (9.8, 5.4),
    (9.8, 18.6),
    (10.4, 19.4),
    (13.0, 19.5),
    (13.0, 21.0),
    (10.0, 21.0),
    (9.0, 20.2),
    (8.0, 21.0),
    (5.0, 21.0),
    (5.0, 19.5),
    (7.6, 19.4),
    (8.2, 18.6),
    (8.2, 5.4),
    (7.6, 4.6),
    (5.0, 4.5),
];

const HAND: &[Point] = &[
    (7.4, 2.6),
    (8.5, 2.0),
    (9.6, 2.6),
    (10.0, 4.0),
    (10.0, 9.6),
    (12.2, 9.8),
    (12.9, 10.2),
    (15.0, 10.2),
    (15.7, 10.8),
    (17.6, 11.0),
    (18.6, 12.4),
    (18.6, 16.6),
    (17.2, 19.4),
    (17.0, 21.6),
    (9.2, 21.6),
    (8.6, 19.4),
    (4.6, 14.6),
    (3.9, 12.8),
    (4.8, 11.9),
    (6.0, 12.2),
    (7.0, 13.2),
    (7.0, 4.0),
];

#[expect(clippy::cast_precision_loss, reason = "pointers are small")]
fn units(pixels: usize) -> f32 {
    pixels as f32
}

#[expect(clippy::cast_possible_truncation, reason = "pointers are small")]
fn rounded(pixels: f32) -> i32 {
    pixels.round() as i32
}
