//! What changed: a short list of rectangles.

use protocols::virtio_gpu::Rect;

/// The most rectangles in a [`Region`]. Compositors handle each one by itself, and a guest may name
/// any number between two frames; beyond this, one larger rectangle costs less than many small ones.
pub const MAX_RECTS: usize = 16;

/// A set of pixels, or a little more: rectangles are merged where that adds few pixels, and where
/// there would be more than [`MAX_RECTS`]. It never lacks a pixel that was added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Region {
    rects: Vec<Rect>,
}

impl Region {
    /// The pixels of one rectangle.
    pub fn of(rect: Rect) -> Self {
        let mut region = Self::default();
        region.add(rect);
        region
    }

    /// Whether it has no pixel.
    pub fn is_empty(&self) -> bool {
        self.rects.is_empty()
    }

    /// Its rectangles, at most [`MAX_RECTS`], none empty. They may overlap.
    pub fn rects(&self) -> &[Rect] {
        &self.rects
    }

    /// Adds a rectangle.
    pub fn add(&mut self, rect: Rect) {
        if rect.is_empty() {
            return;
        }
        let mut rect = rect;
        loop {
            if self.rects.iter().any(|old| old.contains(&rect)) {
                return;
            }
            self.rects.retain(|old| !rect.contains(old));
            let neighbour = self.rects.iter().position(|old| waste(old, &rect) == 0);
            let Some(neighbour) = neighbour else { break };
            rect = rect.union(&self.rects.swap_remove(neighbour));
        }
        self.rects.push(rect);
        if self.rects.len() > MAX_RECTS {
            self.merge_closest();
        }
    }

    /// Adds all pixels of another region.
    pub fn add_all(&mut self, other: &Self) {
        for rect in &other.rects {
            self.add(*rect);
        }
    }

    /// Takes away a rectangle's pixels, as far as [`MAX_RECTS`] allows.
    pub fn subtract(&mut self, rect: &Rect) {
        self.rects.retain(|old| !rect.contains(old));
        let cut = |old: &Rect| old.intersect(rect).is_some();
        if !self.rects.iter().any(cut) {
            return;
        }
        for old in std::mem::take(&mut self.rects) {
            match old.intersect(rect) {
                None => self.add(old),
                Some(hole) => around(&old, &hole)
                    .into_iter()
                    .for_each(|part| self.add(part)),
            }
        }
    }

    /// Forgets all pixels, but keeps the memory.
    pub fn clear(&mut self) {
        self.rects.clear();
    }

    /// How many pixels its rectangles have; those of two count twice.
    pub fn area(&self) -> u64 {
        self.rects
            .iter()
            .fold(0, |sum, rect| sum.saturating_add(rect.area()))
    }

    /// Merges the two rectangles whose union has the fewest pixels that neither has.
    fn merge_closest(&mut self) {
        // A guest that draws a lot comes here with each rectangle, hence the edges are taken once.
        let mut all = [Edges::default(); MAX_RECTS + 1];
        for (edges, rect) in all.iter_mut().zip(&self.rects) {
            *edges = Edges::of(rect);
        }
        let mut best: Option<(u64, usize, usize)> = None;
        for (second, b) in all.iter().enumerate().take(self.rects.len()) {
            for (first, a) in all.iter().take(second).enumerate() {
                let candidate = a.waste(b);
                // Of equals the first pair, so that the same rectangles always give the same region.
                if best.is_none_or(|(least, ..)| candidate < least) {
                    best = Some((candidate, first, second));
                }
            }
        }
        if let Some((_, first, second)) = best {
            // `second` is the later one: removing it first keeps `first` where it is.
            let b = self.rects.swap_remove(second);
            let a = self.rects.swap_remove(first);
            self.add(a.union(&b));
        }
    }
}

/// A rectangle that is not empty, by its edges.
#[derive(Clone, Copy, Default)]
struct Edges {
    left: u64,
    top: u64,
    right: u64,
    bottom: u64,
    area: u64,
}

impl Edges {
    fn of(rect: &Rect) -> Self {
        Self {
            left: rect.x.into(),
            top: rect.y.into(),
            right: rect.right(),
            bottom: rect.bottom(),
            area: rect.area(),
        }
    }

    /// See [`waste`].
    fn waste(&self, other: &Self) -> u64 {
        // Edges are below 2^33, and a right or bottom one is beyond any left or top one that it was
        // taken with.
        let width = self
            .right
            .max(other.right)
            .wrapping_sub(self.left.min(other.left));
        let height = self
            .bottom
            .max(other.bottom)
            .wrapping_sub(self.top.min(other.top));
        width
            .saturating_mul(height)
            .saturating_sub(self.area.saturating_add(other.area))
    }
}

/// How many pixels the union of two rectangles has that neither has; overlaps are set off.
fn waste(a: &Rect, b: &Rect) -> u64 {
    Edges::of(a).waste(&Edges::of(b))
}

/// The parts of `outer` around `hole`, which lies inside it: above, below, left, right.
fn around(outer: &Rect, hole: &Rect) -> [Rect; 4] {
    // All differences fit: the hole's edges lie between the outer ones.
    let size = |from: u64, to: u64| u32::try_from(to.saturating_sub(from)).unwrap_or(u32::MAX);
    let edge = |at: u64| u32::try_from(at).unwrap_or(u32::MAX);
    let side = Rect {
        y: hole.y,
        height: hole.height,
        ..*outer
    };
    [
        Rect {
            height: size(outer.y.into(), hole.y.into()),
            ..*outer
        },
        Rect {
            y: edge(hole.bottom()),
            height: size(hole.bottom(), outer.bottom()),
            ..*outer
        },
        Rect {
            width: size(outer.x.into(), hole.x.into()),
            ..side
        },
        Rect {
            x: edge(hole.right()),
            width: size(hole.right(), outer.right()),
            ..side
        },
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
        Rect {
            x,
            y,
            width,
            height,
        }
    }

    fn has(region: &Region, x: u32, y: u32) -> bool {
        region.rects().iter().any(|r| r.contains(&rect(x, y, 1, 1)))
    }

    #[test]
    fn neighbours_and_contained_rectangles_merge() {
        let mut region = Region::of(rect(0, 0, 10, 10));
        region.add(rect(10, 0, 10, 10));
        region.add(rect(2, 2, 3, 3));
        region.add(rect(0, 10, 20, 1));
        assert_eq!(region.rects(), [rect(0, 0, 20, 11)]);

        region.add(rect(100, 100, 1, 1));
        assert_eq!(region.rects().len(), 2);
        region.add(rect(0, 0, 200, 200));
        assert_eq!(region.rects(), [rect(0, 0, 200, 200)]);
    }

    #[test]
    fn empty_rectangles_add_nothing() {
        let mut region = Region::default();
        region.add(rect(5, 5, 0, 7));
        assert!(region.is_empty());
    }

    #[test]
    fn subtracting_leaves_the_frame_around_the_hole() {
        let mut region = Region::of(rect(0, 0, 10, 10));
        region.subtract(&rect(2, 3, 4, 5));
        assert_eq!(region.area(), 100 - 20);
        assert!(!has(&region, 2, 3) && !has(&region, 5, 7));
        assert!(
            has(&region, 1, 3) && has(&region, 6, 7) && has(&region, 2, 2) && has(&region, 5, 8)
        );
        region.subtract(&rect(0, 0, 10, 10));
        assert!(region.is_empty());
    }

    fn any_rect() -> impl Strategy<Value = Rect> {
        (0_u32..40, 0_u32..40, 0_u32..12, 0_u32..12).prop_map(|(x, y, w, h)| rect(x, y, w, h))
    }

    proptest! {
        /// However many rectangles: the list stays short and lacks no pixel, and what was added
        /// after something was taken away is there.
        #[test]
        fn it_stays_short_and_lacks_nothing(
            before in prop::collection::vec(any_rect(), 0..60),
            hole in any_rect(),
            after in prop::collection::vec(any_rect(), 0..30),
        ) {
            let mut region = Region::default();
            before.iter().for_each(|r| region.add(*r));
            region.subtract(&hole);
            after.iter().for_each(|r| region.add(*r));

            prop_assert!(region.rects().len() <= MAX_RECTS);
            prop_assert!(region.rects().iter().all(|r| !r.is_empty()));
            for (x, y) in (0..52).flat_map(|x| (0..52).map(move |y| (x, y))) {
                let pixel = rect(x, y, 1, 1);
                let in_any = |rects: &[Rect]| rects.iter().any(|r| r.contains(&pixel));
                let expected = (in_any(&before) && !hole.contains(&pixel)) || in_any(&after);
                prop_assert!(!expected || has(&region, x, y), "{x},{y} is lacking");
            }
        }
    }
}
