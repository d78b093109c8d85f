//! Closed outlines with smooth edges, for pointers.

use super::{Picture, Rgb};

/// How finely edges are sampled, each way: sixteen samples a pixel.
const SAMPLES: usize = 4;

/// A point, in units of the shape's own.
pub(in crate::signs) type Point = (f32, f32);

/// Paints what an outline encloses, `scale` pixels for each of its units.
pub(in crate::signs) fn fill(picture: &mut Picture, outline: &[Point], scale: f32, colour: Rgb) {
    paint(picture, colour, |at| {
        encloses(outline, (at.0 / scale, at.1 / scale))
    });
}

/// Paints along an outline, `thickness` units wide, half of it to each side.
pub(in crate::signs) fn stroke(
    picture: &mut Picture,
    outline: &[Point],
    scale: f32,
    thickness: f32,
    colour: Rgb,
) {
    let reach = thickness / 2.0;
    paint(picture, colour, |at| {
        let at = (at.0 / scale, at.1 / scale);
        edges(outline).any(|edge| distance(edge, at) <= reach)
    });
}

/// Covers each pixel as far as it is inside.
fn paint(picture: &mut Picture, colour: Rgb, inside: impl Fn(Point) -> bool) {
    let step = 1.0 / index(SAMPLES);
    let samples = SAMPLES * SAMPLES;
    for y in 0..picture.height() {
        for x in 0..picture.width() {
            let hits = (0..samples)
                .filter(|sample| {
                    let (right, down) = (index(sample % SAMPLES), index(sample / SAMPLES));
                    inside((
                        index(x) + (right + 0.5) * step,
                        index(y) + (down + 0.5) * step,
                    ))
                })
                .count();
            let coverage = u8::try_from(hits * 255 / samples).unwrap_or(u8::MAX);
            picture.cover((x, y), &[coverage], colour);
        }
    }
}

/// The even-odd rule: a ray to the right crosses the outline an odd number of times.
fn encloses(outline: &[Point], (x, y): Point) -> bool {
    let crossed = |((ax, ay), (bx, by)): (Point, Point)| {
        (ay > y) != (by > y) && x < ax + (y - ay) / (by - ay) * (bx - ax)
    };
    edges(outline).filter(|edge| crossed(*edge)).count() % 2 == 1
}

fn edges(outline: &[Point]) -> impl Iterator<Item = (Point, Point)> {
    let next = outline.iter().cycle().skip(1);
    outline.iter().copied().zip(next.copied())
}

/// From a point to the nearest point of an edge.
fn distance(((ax, ay), (bx, by)): (Point, Point), (x, y): Point) -> f32 {
    let (along_x, along_y) = (bx - ax, by - ay);
    let length = along_x * along_x + along_y * along_y;
    let share = if length > 0.0 {
        (((x - ax) * along_x + (y - ay) * along_y) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (ax + share * along_x - x).hypot(ay + share * along_y - y)
}

#[expect(clippy::cast_precision_loss, reason = "pointers are small")]
fn index(pixel: usize) -> f32 {
    pixel as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: [Point; 4] = [(1.0, 1.0), (3.0, 1.0), (3.0, 3.0), (1.0, 3.0)];

    fn levels(picture: &Picture) -> Vec<u8> {
        picture.bytes().iter().step_by(4).copied().collect()
    }

    #[test]
    fn what_is_inside_is_painted() {
        let mut picture = Picture::transparent(4, 4);
        fill(&mut picture, &SQUARE, 1.0, [255; 3]);
        let inside = [0, 0, 0, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 0, 0, 0];
        assert_eq!(levels(&picture), inside);
    }

    #[test]
    fn edges_are_smooth() {
        let mut picture = Picture::transparent(2, 1);
        let half = [(0.0, 0.0), (0.5, 0.0), (0.5, 9.0), (0.0, 9.0)];
        fill(&mut picture, &half, 1.0, [255; 3]);
        assert_eq!(levels(&picture), [127, 0]);
    }

    #[test]
    fn a_stroke_lies_on_both_sides() {
        let mut picture = Picture::transparent(5, 5);
        stroke(&mut picture, &SQUARE, 1.0, 1.0, [255; 3]);
        let levels = levels(&picture);
        assert!(levels[6] > 0 && levels[1] > 0, "{levels:?}");
        assert_eq!(levels[4], 0);
    }

    #[test]
    fn shapes_grow_with_their_scale() {
        let mut picture = Picture::transparent(8, 8);
        fill(&mut picture, &SQUARE, 2.0, [255; 3]);
        assert_eq!(
            levels(&picture)
                .iter()
                .filter(|level| **level == 255)
                .count(),
            16
        );
    }
}
