//! Which pages of the guest's RAM are free. Pure bookkeeping: knows addresses, touches no memory.

use std::{collections::BTreeMap, ops::Range};

use super::PAGE;

/// The free pages as runs, and a small generator of repeatable random numbers to choose from
/// them as a long-running guest would.
#[derive(Debug)]
pub(super) struct Pages {
    /// Start of a run to its length, both in bytes and multiples of [`PAGE`]. Runs never touch.
    free: BTreeMap<u64, u64>,
    random: u64,
}

impl Pages {
    /// No page is free yet.
    pub(super) fn new(seed: u64) -> Self {
        // The generator stays at zero for ever if it starts there.
        Self {
            free: BTreeMap::new(),
            random: seed.max(1),
        }
    }

    /// Bytes that are free in total.
    pub(super) fn available(&self) -> u64 {
        self.free.values().sum()
    }

    /// Makes a range free, and one run with its neighbours.
    pub(super) fn give(&mut self, range: Range<u64>) {
        let Range { mut start, mut end } = range;
        if start >= end {
            return;
        }
        if let Some((&before, &length)) = self.free.range(..start).next_back()
            && before + length == start
        {
            self.free.remove(&before);
            start = before;
        }
        if let Some(length) = self.free.remove(&end) {
            end += length;
        }
        self.free.insert(start, end - start);
    }

    /// Takes `bytes` in one piece, from the lowest run that is long enough.
    pub(super) fn take(&mut self, bytes: u64) -> Option<u64> {
        self.take_within(bytes, 0..u64::MAX)
    }

    /// Takes `bytes` in one piece, from inside `range`.
    pub(super) fn take_within(&mut self, bytes: u64, range: Range<u64>) -> Option<u64> {
        let start = self.free.iter().find_map(|(&run, &length)| {
            let start = run.max(range.start);
            let end = (run + length).min(range.end);
            (end.checked_sub(start)? >= bytes).then_some(start)
        })?;
        self.cut(start, bytes);
        Some(start)
    }

    /// Takes `bytes` in pieces of 1 to `longest` pages from all over the free memory.
    pub(super) fn take_scattered(&mut self, bytes: u64, longest: u64) -> Option<Vec<Range<u64>>> {
        if bytes > self.available() {
            return None;
        }
        let mut pieces: Vec<Range<u64>> = Vec::new();
        let mut missing = bytes;
        while missing > 0 {
            let (start, room) = self.random_page()?;
            let wanted = (1 + self.next_random() % longest.max(1)) * PAGE;
            let length = wanted.min(room).min(missing);
            self.cut(start, length);
            missing -= length;
            match pieces.last_mut() {
                // Linux's sg_table merges neighbours too.
                Some(last) if last.end == start => last.end = start + length,
                _ => pieces.push(start..start + length),
            }
        }
        Some(pieces)
    }

    /// Forgets all free pages inside a range that is about to go.
    pub(super) fn withdraw(&mut self, range: Range<u64>) {
        let inside: Vec<Range<u64>> = self
            .free
            .iter()
            .map(|(&start, &length)| start.max(range.start)..(start + length).min(range.end))
            .filter(|piece| piece.start < piece.end)
            .collect();
        for piece in inside {
            self.cut(piece.start, piece.end - piece.start);
        }
    }

    /// Removes a piece that lies inside one free run.
    fn cut(&mut self, start: u64, bytes: u64) {
        let Some((&run, &length)) = self.free.range(..=start).next_back() else {
            return;
        };
        let (end, run_end) = (start + bytes, run + length);
        self.free.remove(&run);
        if run < start {
            self.free.insert(run, start - run);
        }
        if end < run_end {
            self.free.insert(end, run_end - end);
        }
    }

    /// A free page anywhere, and how many bytes are free from its start on.
    fn random_page(&mut self) -> Option<(u64, u64)> {
        let pages = self.available() / PAGE;
        let mut skip = self.next_random().checked_rem(pages)? * PAGE;
        for (&start, &length) in &self.free {
            if skip < length {
                return Some((start + skip, length - skip));
            }
            skip -= length;
        }
        None
    }

    /// Marsaglia's xorshift: repeatable, so that a failing test fails again.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(count: u64) -> Pages {
        let mut pages = Pages::new(7);
        pages.give(0..count * PAGE);
        pages
    }

    #[test]
    fn what_is_given_back_can_be_taken_in_one_piece_again() {
        let mut pages = pages(4);
        let a = pages.take(PAGE).unwrap();
        let b = pages.take(2 * PAGE).unwrap();
        let c = pages.take(PAGE).unwrap();
        assert_eq!((a, b, c), (0, PAGE, 3 * PAGE));
        assert_eq!(pages.take(PAGE), None);

        pages.give(c..c + PAGE);
        pages.give(a..a + PAGE);
        assert_eq!(
            pages.take(2 * PAGE),
            None,
            "two single pages are not two pages in a row"
        );
        pages.give(b..b + 2 * PAGE);
        assert_eq!(pages.take(4 * PAGE), Some(0));
    }

    #[test]
    fn scattered_pieces_cover_the_size_without_overlap() {
        let mut pages = pages(256);
        let mut pieces = pages.take_scattered(100 * PAGE, 4).unwrap();
        assert!(pieces.len() > 25, "only {} pieces", pieces.len());
        assert!(
            pieces.windows(2).any(|pair| pair[0].start > pair[1].start),
            "in order"
        );

        pieces.sort_by_key(|piece| piece.start);
        assert!(pieces.windows(2).all(|pair| pair[0].end <= pair[1].start));
        assert_eq!(
            pieces
                .iter()
                .map(|piece| piece.end - piece.start)
                .sum::<u64>(),
            100 * PAGE
        );
        assert_eq!(pages.available(), 156 * PAGE);

        pieces.into_iter().for_each(|piece| pages.give(piece));
        assert_eq!(pages.take(256 * PAGE), Some(0));
    }

    #[test]
    fn scattering_fails_when_memory_runs_out_and_takes_nothing() {
        let mut pages = pages(8);
        assert_eq!(pages.take_scattered(9 * PAGE, 4), None);
        assert_eq!(pages.available(), 8 * PAGE);
    }

    #[test]
    fn a_withdrawn_range_is_never_handed_out() {
        let mut pages = pages(8);
        pages.withdraw(2 * PAGE..6 * PAGE);
        assert_eq!(pages.available(), 4 * PAGE);
        assert_eq!(pages.take(3 * PAGE), None);
        assert_eq!(
            pages.take_within(2 * PAGE, 4 * PAGE..8 * PAGE),
            Some(6 * PAGE)
        );
    }
}
