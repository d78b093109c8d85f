//! Rectangles of pixels from one memory to another.
//!
//! Nothing here may be trusted to hold still: the source may be the guest's memory, the target may
//! be read by the host. Every byte is read once.

use protocols::virtio_gpu::{Format, Rect};
use vm_memory::VolatileSlice;

use super::convert::{PIXEL, is_stored_as_is, to_bgra};
use crate::memory::{Backing, OutOfBacking, Stores};

/// A picture in memory that this process owns, B, G, R, A.
#[derive(Debug)]
pub struct Canvas<'a> {
    /// The memory; starts with the first pixel.
    pub memory: VolatileSlice<'a>,
    /// Bytes from one row to the next.
    pub stride: u32,
}

/// Where a rectangle's pixels lie in a resource's backing.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The guest's memory.
    pub backing: &'a Backing,
    /// Bytes from the start of the backing to the rectangle's first pixel.
    pub offset: u64,
    /// Bytes from one row to the next.
    pub stride: u32,
    /// The pixels' byte order.
    pub format: Format,
}

/// Copies a rectangle between two canvases, at the same place in both. Returns the bytes copied;
/// what lies outside a canvas is left out.
pub fn between(from: &Canvas<'_>, to: &Canvas<'_>, rect: &Rect) -> u64 {
    let mut copied = 0_u64;
    let joined = from.stride == to.stride;
    for run in Runs::new(rect, to.stride, joined) {
        let source = from.run(&Run {
            target: run.place(from.stride, rect),
            ..run
        });
        if let (Some(source), Some(target)) = (source, to.run(&run)) {
            source.copy_to_volatile_slice(target);
            copied = copied.saturating_add(run.bytes());
        }
    }
    copied
}

/// Copies a rectangle of the guest's pixels to `rect` of a canvas and brings them into its byte
/// order. Returns the bytes copied. `row` is working memory: it is grown to one row at most.
///
/// # Errors
/// The backing is too short. Rows before its end may have been copied.
pub fn from_guest(
    from: &Source<'_>,
    to: &Canvas<'_>,
    rect: &Rect,
    row: &mut Vec<u8>,
) -> Result<u64, OutOfBacking> {
    let straight = is_stored_as_is(from.format);
    let runs = Runs::new(rect, to.stride, straight && from.stride == to.stride);
    let stores = match straight {
        true => Stores::of(rect.area().saturating_mul(PIXEL.into())),
        // Private memory is small, and read again at once.
        false => Stores::Cached,
    };
    from.backing.read_with(stores, |guest| {
        let mut copied = 0_u64;
        for run in runs {
            let Some(target) = to.run(&run) else { continue };
            let offset = run
                .row
                .saturating_mul(from.stride.into())
                .saturating_add(from.offset);
            if straight {
                guest.read(offset, &target)?;
            } else {
                // Through private memory, so that neither guest nor host sees pixels half converted.
                row.resize(target.len(), 0);
                guest.read(offset, &VolatileSlice::from(row.as_mut_slice()))?;
                to_bgra(from.format, row);
                target.copy_from(row.as_slice());
            }
            copied = copied.saturating_add(run.bytes());
        }
        Ok(copied)
    })
}

impl Canvas<'_> {
    fn run(&self, run: &Run) -> Option<VolatileSlice<'_>> {
        let start = usize::try_from(run.target).ok()?;
        self.memory.subslice(start, run.len).ok()
    }
}

/// Bytes that are copied in one go.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// The row, counted from the rectangle's top edge.
    row: u64,
    /// Where it begins in the target, in bytes.
    target: u64,
    len: usize,
}

impl Run {
    fn bytes(&self) -> u64 {
        u64::try_from(self.len).unwrap_or(0)
    }

    /// Where the run begins in a picture with another stride.
    fn place(&self, stride: u32, rect: &Rect) -> u64 {
        let row = self.row.saturating_add(rect.y.into());
        place(rect.x, row, stride)
    }
}

fn place(x: u32, row: u64, stride: u32) -> u64 {
    row.saturating_mul(stride.into())
        .saturating_add(u64::from(x).saturating_mul(PIXEL.into()))
}

/// The runs of a rectangle: its rows, or all of it where rows follow each other without a gap.
struct Runs {
    x: u32,
    y: u32,
    stride: u32,
    rows: std::ops::Range<u64>,
    len: usize,
}

impl Runs {
    /// `joined`: rows have the same distance in source and target.
    fn new(rect: &Rect, stride: u32, joined: bool) -> Self {
        let width = u64::from(rect.width).saturating_mul(PIXEL.into());
        let mut rows = u64::from(rect.height);
        let mut len = width;
        if joined && rect.x == 0 && width == u64::from(stride) {
            len = width.saturating_mul(rows);
            rows = rows.min(1);
        }
        // Lengths beyond the address space lie in no memory; such runs are left out.
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        Self {
            x: rect.x,
            y: rect.y,
            stride,
            rows: 0..rows,
            len,
        }
    }
}

impl Iterator for Runs {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let row = self.rows.next()?;
        let target = place(self.x, row.saturating_add(self.y.into()), self.stride);
        Some(Run {
            row,
            target,
            len: self.len,
        })
    }
}

#[cfg(test)]
mod tests {
    use protocols::virtio_gpu::MemEntry;

    use super::*;
    use crate::memory::{GuestRam, testing};

    fn canvas(bytes: &mut [u8], stride: u32) -> Canvas<'_> {
        Canvas {
            memory: VolatileSlice::from(bytes),
            stride,
        }
    }

    fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
        Rect {
            x,
            y,
            width,
            height,
        }
    }

    /// Guest memory whose pixel n is [n, n+1, n+2, n+3].
    fn guest(pixels: u8) -> Backing {
        let file = testing::memfd(0x1000);
        let map = testing::map(&[(0, 0x1000, &file, 0)]);
        let bytes: Vec<u8> = (0..pixels)
            .flat_map(|n| (0..4).map(move |byte| n + byte))
            .collect();
        testing::write(&map, 0, &bytes);
        let entry = MemEntry {
            addr: 0,
            length: u32::from(pixels) * 4,
        };
        Backing::resolve(&GuestRam::new(map), &[entry]).unwrap()
    }

    #[test]
    fn a_rectangle_lands_where_it_belongs() {
        let backing = guest(6);
        let source = Source {
            backing: &backing,
            offset: 4,
            stride: 12,
            format: Format::Bgrx8888,
        };
        let mut bytes = vec![0; 4 * 16];
        let copied = from_guest(
            &source,
            &canvas(&mut bytes, 16),
            &rect(1, 1, 2, 2),
            &mut Vec::new(),
        );

        assert_eq!(copied, Ok(16));
        assert_eq!(bytes[20..28], [1, 2, 3, 4, 2, 3, 4, 5]);
        assert_eq!(bytes[36..44], [4, 5, 6, 7, 5, 6, 7, 8]);
        assert_eq!(bytes.iter().filter(|byte| **byte != 0).count(), 16);
    }

    #[test]
    fn other_byte_orders_are_converted() {
        let backing = guest(4);
        let source = Source {
            backing: &backing,
            offset: 0,
            stride: 8,
            format: Format::Rgbx8888,
        };
        let mut bytes = vec![0; 16];
        from_guest(
            &source,
            &canvas(&mut bytes, 8),
            &rect(0, 0, 2, 2),
            &mut Vec::new(),
        )
        .unwrap();

        assert_eq!(bytes, [2, 1, 0, 3, 3, 2, 1, 4, 4, 3, 2, 5, 5, 4, 3, 6]);
    }

    #[test]
    fn full_rows_go_in_one_run() {
        let runs = |rect, joined| {
            Runs::new(&rect, 64, joined)
                .map(|run| run.len)
                .collect::<Vec<_>>()
        };
        assert_eq!(runs(rect(0, 2, 16, 3), true), [192]);
        assert_eq!(runs(rect(0, 2, 16, 3), false), [64; 3]);
        assert_eq!(runs(rect(0, 2, 15, 3), true), [60; 3]);
        assert!(runs(rect(0, 2, 16, 0), true).is_empty());
    }

    #[test]
    fn a_short_backing_is_an_error_and_nothing_leaves_the_canvas() {
        let backing = guest(4);
        let source = Source {
            backing: &backing,
            offset: 0,
            stride: 8,
            format: Format::Bgrx8888,
        };
        let mut bytes = vec![0; 64];
        let mut row = Vec::new();
        assert!(from_guest(&source, &canvas(&mut bytes, 8), &rect(0, 0, 2, 3), &mut row).is_err());
        let outside = rect(u32::MAX, u32::MAX, 2, 1);
        assert_eq!(
            from_guest(&source, &canvas(&mut bytes, 8), &outside, &mut row),
            Ok(0)
        );
    }

    #[test]
    fn a_large_picture_arrives_whole_from_scattered_pages() {
        const PAGE: u32 = 0x1000;
        // So that rows begin where pages, lines of the caches and steps of the copy don't.
        let (width, height) = (1990_u32, 1000_u32);
        let pages = (width * height * PIXEL).div_ceil(PAGE);
        let len = u64::from(pages * PAGE);
        let file = testing::memfd(len);
        let map = testing::map(&[(0, (pages * PAGE) as usize, &file, 0)]);
        // The first page of the picture is the last of the memory.
        let entries: Vec<_> = (1..=pages)
            .map(|page| MemEntry {
                addr: len - u64::from(page * PAGE),
                length: PAGE,
            })
            .collect();
        let picture: Vec<u8> = (0..pages * PAGE)
            .map(|at| (at / 251).to_le_bytes()[0] ^ at.to_le_bytes()[0])
            .collect();
        for (entry, bytes) in entries.iter().zip(picture.chunks(PAGE as usize)) {
            testing::write(&map, entry.addr, bytes);
        }
        let backing = Backing::resolve(&GuestRam::new(map), &entries).unwrap();
        let source = Source {
            backing: &backing,
            offset: 0,
            stride: width * PIXEL,
            format: Format::Bgrx8888,
        };
        for stride in [width * PIXEL, 8192] {
            let mut bytes = vec![0; (stride * height) as usize];
            let to = canvas(&mut bytes, stride);
            let whole = rect(0, 0, width, height);
            let copied = from_guest(&source, &to, &whole, &mut Vec::new());
            assert_eq!(copied, Ok(u64::from(width * height * PIXEL)));
            let row = (width * PIXEL) as usize;
            let rows = bytes.chunks(stride as usize).zip(picture.chunks(row));
            for (number, (got, expected)) in rows.enumerate() {
                assert!(got[..row] == *expected, "row {number}, stride {stride}");
            }
        }
    }

    #[test]
    fn canvases_of_different_strides_share_coordinates() {
        let mut from: Vec<u8> = (0..32).collect();
        let mut to = vec![0; 48];
        let copied = between(
            &canvas(&mut from, 16),
            &canvas(&mut to, 24),
            &rect(1, 0, 1, 2),
        );

        assert_eq!(copied, 8);
        assert_eq!(to[4..8], [4, 5, 6, 7]);
        assert_eq!(to[28..32], [20, 21, 22, 23]);
    }
}
