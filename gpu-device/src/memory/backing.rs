//! The pages of one resource: a guest's list of memory entries, resolved and checked.

use std::{fs::File, ops::Range, os::fd::AsFd, sync::Arc};

use protocols::virtio_gpu::MemEntry;
use thiserror::Error;
use vm_memory::{MmapRegion, VolatileMemory, VolatileSlice};

use super::{
    Piece,
    ram::{FileIdentity, FilePart, GuestRam},
    stores::{Copier, Stores},
};
use crate::display::Refused;

/// Why a list of memory entries can't be a resource's backing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BackingError {
    /// An entry of length zero.
    #[error("Entry {0} of a resource's backing has no bytes")]
    EmptyEntry(usize),
    /// An entry that is not in the guest's RAM, or only partly.
    #[error("Entry {0} of a resource's backing is not in the guest's memory")]
    NotInRam(usize),
    /// An entry that wraps around the end of the address space.
    #[error("Entry {0} of a resource's backing wraps around the end of the address space")]
    Overflow(usize),
}

/// A read beyond the end of a backing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("A read of {len} bytes at {offset} goes beyond the end of a resource's backing")]
pub struct OutOfBacking {
    /// Where the read began, in bytes from the start of the backing.
    pub offset: u64,
    /// Bytes to be read.
    pub len: usize,
}

/// A resource's pages, as one range of bytes that is scattered over the guest's RAM.
///
/// Keeps the mappings it was resolved with, so that reading it is always safe; whether it is still
/// the guest's memory is for [`crate::gpu::Gpu::ram_changed`] to find out.
#[derive(Debug)]
pub struct Backing {
    /// In order, without gaps, none empty.
    segments: Vec<Segment>,
    len: u64,
}

/// A run of bytes that lies in one mapping in one piece.
#[derive(Debug)]
struct Segment {
    /// Where the run begins within the backing.
    at: u64,
    len: u64,
    mapping: Arc<MmapRegion>,
    /// Where the run begins within the mapping.
    inside: u64,
    file: Option<FilePart>,
}

impl Backing {
    /// Finds the entries in the guest's RAM. Entries may cross regions and overlap; neighbours are
    /// merged, since a guest's list has an entry for each page and udmabuf takes few.
    ///
    /// # Errors
    /// The first entry that is not wholly RAM.
    pub fn resolve(ram: &GuestRam, entries: &[MemEntry]) -> Result<Self, BackingError> {
        let mut backing = Self {
            segments: Vec::new(),
            len: 0,
        };
        for (index, entry) in entries.iter().enumerate() {
            if entry.length == 0 {
                return Err(BackingError::EmptyEntry(index));
            }
            let end = entry.addr.checked_add(entry.length.into());
            let end = end.ok_or(BackingError::Overflow(index))?;
            let mut address = entry.addr;
            while address < end {
                let (region, inside) = ram.find(address).ok_or(BackingError::NotInRam(index))?;
                let in_region = region.len.saturating_sub(inside);
                let run = end.saturating_sub(address).min(in_region);
                let file = region.file.as_ref().and_then(|part| {
                    let offset = part.offset.checked_add(inside)?;
                    Some(FilePart {
                        offset,
                        ..part.clone()
                    })
                });
                backing.push(&region.mapping, inside, run, file);
                address = address.saturating_add(run);
            }
        }
        backing.segments.shrink_to_fit();
        Ok(backing)
    }

    fn push(&mut self, mapping: &Arc<MmapRegion>, inside: u64, len: u64, file: Option<FilePart>) {
        let at = self.len;
        self.len = self.len.saturating_add(len);
        if let Some(last) = self.segments.last_mut()
            && Arc::ptr_eq(&last.mapping, mapping)
            && last.inside.saturating_add(last.len) == inside
        {
            last.len = last.len.saturating_add(len);
            return;
        }
        let mapping = Arc::clone(mapping);
        self.segments.push(Segment {
            at,
            len,
            mapping,
            inside,
            file,
        });
    }

    /// Its length in bytes: the sum of its entries.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its runs in this process's memory, in order, none empty: for C libraries. The addresses are valid
    /// as long as the backing lives; the guest may change the bytes at any time.
    pub fn runs(&self) -> impl Iterator<Item = (*mut u8, usize)> + '_ {
        self.segments.iter().filter_map(|segment| {
            let run = segment.slice(0, usize::try_from(segment.len).ok()?)?;
            Some((run.ptr_guard_mut().as_ptr(), run.len()))
        })
    }

    /// Copies the bytes from `offset` on into all of `target`. Each byte of the guest's memory is
    /// read once; the guest may change it meanwhile.
    ///
    /// # Errors
    /// Some of the bytes don't exist; nothing is copied.
    pub fn read(&self, offset: u64, target: &VolatileSlice<'_>) -> Result<(), OutOfBacking> {
        self.read_with(Stores::Cached, |reader| reader.read(offset, target))
    }

    /// For many reads, each close to the one before. Once it returns, what was read is there for everybody
    /// who is told of it.
    pub fn read_with<T>(&self, stores: Stores, work: impl FnOnce(&mut Reader<'_>) -> T) -> T {
        stores.during(|copier| {
            work(&mut Reader {
                backing: self,
                copier,
                last: 0,
            })
        })
    }

    /// The number of the run that has the byte at `offset`, which is below the length.
    fn segment_at(&self, offset: u64) -> usize {
        let after = self
            .segments
            .partition_point(|segment| segment.at <= offset);
        after.saturating_sub(1)
    }

    /// Calls `make` with a range of bytes, rounded up to whole pages, as parts of files.
    ///
    /// # Errors
    /// Parts have no file or are not page-aligned, or what `make` says.
    pub fn with_pieces<T>(
        &self,
        range: Range<u64>,
        make: impl FnOnce(&[Piece<'_>]) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let spans = self.spans(range)?;
        let pieces = spans.iter().map(|span| Piece {
            fd: span.file.as_fd(),
            offset: span.offset,
            len: span.len,
        });
        make(&pieces.collect::<Vec<_>>())
    }

    /// Whether the first `len` bytes are the same pages of the same files as another backing's, so
    /// that what was made from the one still serves for the other.
    pub fn is_same_memory(&self, other: &Self, len: u64) -> bool {
        let (Ok(mine), Ok(theirs)) = (self.spans(0..len), other.spans(0..len)) else {
            return false;
        };
        mine == theirs
    }

    /// The runs of a range of bytes, in files, merged and whole pages.
    fn spans(&self, range: Range<u64>) -> Result<Vec<Span<'_>>, Refused> {
        let page = page_size();
        let mut left = range
            .end
            .saturating_sub(range.start)
            .checked_next_multiple_of(page)
            .ok_or(Refused::UdmabufLimit)?;
        let mut skip = range.start;
        let mut spans: Vec<Span<'_>> = Vec::new();
        for segment in &self.segments {
            if left == 0 {
                break;
            }
            if skip >= segment.len {
                skip = skip.saturating_sub(segment.len);
                continue;
            }
            let file = segment.file.as_ref().ok_or(Refused::NotSealable)?;
            let offset = file.offset.saturating_add(skip);
            let run = segment.len.saturating_sub(skip).min(left);
            skip = 0;
            left = left.saturating_sub(run);
            match spans.last_mut() {
                Some(last)
                    if last.identity == file.identity
                        && last.offset.saturating_add(last.len) == offset =>
                {
                    last.len = last.len.saturating_add(run);
                }
                _ => spans.push(Span {
                    file: &file.file,
                    identity: file.identity,
                    offset,
                    len: run,
                }),
            }
        }
        let aligned =
            |span: &Span<'_>| span.offset.is_multiple_of(page) && span.len.is_multiple_of(page);
        if left != 0 || !spans.iter().all(aligned) {
            return Err(Refused::Unaligned);
        }
        Ok(spans)
    }
}

impl Segment {
    /// Where the run ends within the backing.
    fn end(&self) -> u64 {
        self.at.saturating_add(self.len)
    }

    fn slice(&self, skip: u64, len: usize) -> Option<VolatileSlice<'_>> {
        let start = usize::try_from(self.inside.checked_add(skip)?).ok()?;
        self.mapping.get_slice(start, len).ok()
    }
}

/// Reads a [`Backing`] in several places. A picture's rows mostly lie in the run where the row before
/// ended, or in the next one: a guest's list has thousands, which it need not search for each row.
#[derive(Debug)]
pub struct Reader<'a> {
    backing: &'a Backing,
    copier: &'a Copier,
    /// Where the last read ended.
    last: usize,
}

impl Reader<'_> {
    /// See [`Backing::read`].
    ///
    /// # Errors
    /// Some of the bytes don't exist; nothing is copied.
    pub fn read(&mut self, offset: u64, target: &VolatileSlice<'_>) -> Result<(), OutOfBacking> {
        let out = OutOfBacking {
            offset,
            len: target.len(),
        };
        let wanted = u64::try_from(target.len()).map_err(|_| out)?;
        let end = offset.checked_add(wanted).ok_or(out)?;
        if let Some(segment) = self.backing.segments.get(self.last)
            && let Some(skip) = offset.checked_sub(segment.at)
            && end <= segment.end()
        {
            let source = segment.slice(skip, target.len()).ok_or(out)?;
            self.copier.copy(&source, target, || None);
            return Ok(());
        }
        if end > self.backing.len {
            return Err(out);
        }
        self.go_to(offset);
        self.read_on(offset, target).ok_or(out)
    }

    /// Reads from the run where `offset` is, and from those after it.
    fn read_on(&mut self, offset: u64, target: &VolatileSlice<'_>) -> Option<()> {
        let mut from = offset;
        let mut done = 0;
        while done < target.len() {
            let segment = self.backing.segments.get(self.last)?;
            let left = target.len().saturating_sub(done);
            let skip = from.saturating_sub(segment.at);
            let run = usize::try_from(segment.len.saturating_sub(skip))
                .unwrap_or(left)
                .min(left);
            let source = segment.slice(skip, run)?;
            let after = self.last.saturating_add(1);
            let part = target.subslice(done, run).ok()?;
            self.copier.copy(&source, &part, || {
                self.backing.segments.get(after)?.slice(0, 1)
            });
            done = done.saturating_add(run);
            if done < target.len() {
                self.last = after;
                from = segment.end();
            }
        }
        Some(())
    }

    /// Finds the run that has a byte: a few steps ahead, or else among all.
    fn go_to(&mut self, offset: u64) {
        let ahead = self.backing.segments.get(self.last..).unwrap_or_default();
        if ahead.first().is_none_or(|segment| segment.at > offset) {
            self.last = self.backing.segment_at(offset);
            return;
        }
        for segment in ahead.iter().take(STEPS) {
            if offset < segment.end() {
                return;
            }
            self.last = self.last.saturating_add(1);
        }
        self.last = self.backing.segment_at(offset);
    }
}

/// As many runs as a row of a picture may be long, if each is a page.
const STEPS: usize = 8;

/// A run of bytes in one file.
#[derive(Debug)]
struct Span<'a> {
    file: &'a File,
    identity: FileIdentity,
    offset: u64,
    len: u64,
}

impl PartialEq for Span<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.identity, self.offset, self.len) == (other.identity, other.offset, other.len)
    }
}

/// The size of a page of memory in bytes.
pub fn page_size() -> u64 {
    u64::try_from(rustix::param::page_size())
        .unwrap_or(4096)
        .max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::ram::testing::*, *};

    fn entry(addr: u64, length: u32) -> MemEntry {
        MemEntry { addr, length }
    }

    fn read(backing: &Backing, offset: u64, len: usize) -> Result<Vec<u8>, OutOfBacking> {
        let mut bytes = vec![0; len];
        backing.read(offset, &VolatileSlice::from(bytes.as_mut_slice()))?;
        Ok(bytes)
    }

    fn pieces(backing: &Backing, len: u64) -> Result<Vec<(u64, u64)>, Refused> {
        pieces_of(backing, 0..len)
    }

    fn pieces_of(backing: &Backing, range: Range<u64>) -> Result<Vec<(u64, u64)>, Refused> {
        backing.with_pieces(range, |pieces| {
            Ok(pieces.iter().map(|p| (p.offset, p.len)).collect())
        })
    }

    #[test]
    fn a_range_begins_with_any_page() {
        let file = memfd(0x8000);
        let ram = ram(&[(0, 0x8000, &file, 0)]);
        let entries = [entry(0x1000, 0x2000), entry(0x5000, 0x2000)];
        let backing = Backing::resolve(&ram, &entries).unwrap();
        let of = |range| pieces_of(&backing, range);
        assert_eq!(
            of(0x1000..0x2001),
            Ok(vec![(0x2000, 0x1000), (0x5000, 0x1000)])
        );
        assert_eq!(of(0x2000..0x4000), Ok(vec![(0x5000, 0x2000)]));
        assert_eq!(of(0x3000..0x3800), Ok(vec![(0x6000, 0x1000)]));
        assert_eq!(of(0x800..0x1800), Err(Refused::Unaligned));
        assert_eq!(
            of(0x3000..0x4001),
            Err(Refused::Unaligned),
            "beyond the end"
        );
        assert_eq!(
            of(0x9000..0xa000),
            Err(Refused::Unaligned),
            "beyond the end"
        );
    }

    #[test]
    fn scattered_entries_read_as_one_range() {
        let file = memfd(0x4000);
        let map = map(&[(0, 0x4000, &file, 0)]);
        write(&map, 0x1000, b"first");
        write(&map, 0x3000, b"second");
        let backing = Backing::resolve(
            &GuestRam::new(map.clone()),
            &[entry(0x1000, 5), entry(0x3000, 6)],
        )
        .unwrap();

        assert_eq!(backing.len(), 11);
        assert_eq!(read(&backing, 0, 11).unwrap(), b"firstsecond");
        assert_eq!(read(&backing, 3, 4).unwrap(), b"stse");
        assert_eq!(read(&backing, 5, 6).unwrap(), b"second");
        assert_eq!(read(&backing, 11, 0).unwrap(), b"");
        assert_eq!(
            read(&backing, 6, 6),
            Err(OutOfBacking { offset: 6, len: 6 })
        );
        assert!(read(&backing, u64::MAX, 1).is_err());
    }

    #[test]
    fn an_entry_may_cross_two_regions() {
        let (low, high) = (memfd(0x1000), memfd(0x1000));
        let map = map(&[(0, 0x1000, &low, 0), (0x1000, 0x1000, &high, 0)]);
        write(&map, 0xffe, b"ab");
        write(&map, 0x1000, b"cd");
        let backing = Backing::resolve(&GuestRam::new(map.clone()), &[entry(0xffe, 4)]).unwrap();

        assert_eq!(read(&backing, 0, 4).unwrap(), b"abcd");
    }

    #[test]
    fn entries_that_are_not_ram_are_refused() {
        let file = memfd(0x2000);
        let ram = ram(&[(0x1000, 0x2000, &file, 0)]);
        let error = |entries: &[MemEntry]| Backing::resolve(&ram, entries).unwrap_err();

        assert_eq!(error(&[entry(0x1000, 0)]), BackingError::EmptyEntry(0));
        assert_eq!(
            error(&[entry(0x1000, 1), entry(0, 16)]),
            BackingError::NotInRam(1)
        );
        assert_eq!(error(&[entry(0x2fff, 2)]), BackingError::NotInRam(0));
        assert_eq!(error(&[entry(0xfff, 2)]), BackingError::NotInRam(0));
        assert_eq!(error(&[entry(u64::MAX, 2)]), BackingError::Overflow(0));
        assert_eq!(error(&[entry(u64::MAX - 1, 1)]), BackingError::NotInRam(0));
    }

    #[test]
    fn neighbouring_pages_become_one_piece() {
        let file = memfd(0x8000);
        // One file in two regions, as RAM below and above 4 GiB.
        let ram = ram(&[
            (0, 0x4000, &file, 0),
            (0x1_0000_0000, 0x4000, &file, 0x4000),
        ]);
        let pages = [
            entry(0x2000, 0x1000),
            entry(0x3000, 0x1000),
            entry(0x1_0000_0000, 0x1000),
        ];
        let backing = Backing::resolve(&ram, &pages).unwrap();

        assert_eq!(pieces(&backing, 0x3000), Ok(vec![(0x2000, 0x3000)]));
        assert_eq!(pieces(&backing, 0x1001), Ok(vec![(0x2000, 0x2000)]));
    }

    #[test]
    fn pieces_must_be_whole_pages() {
        let file = memfd(0x4000);
        let ram = ram(&[(0, 0x4000, &file, 0)]);
        let resolve = |entries: &[MemEntry]| Backing::resolve(&ram, entries).unwrap();

        assert_eq!(
            pieces(&resolve(&[entry(0x10, 0x1000)]), 0x1000),
            Err(Refused::Unaligned)
        );
        assert_eq!(
            pieces(&resolve(&[entry(0, 0x800)]), 0x800),
            Err(Refused::Unaligned)
        );
        let gap = [entry(0, 0x800), entry(0x1800, 0x800)];
        assert_eq!(pieces(&resolve(&gap), 0x1000), Err(Refused::Unaligned));
    }

    #[test]
    fn memory_is_the_same_by_file_and_place_not_by_address() {
        let (file, other) = (memfd(0x4000), memfd(0x4000));
        let resolve = |file, start, offset| {
            let ram = ram(&[(start, 0x2000, file, offset)]);
            Backing::resolve(&ram, &[entry(start, 0x1000)]).unwrap()
        };
        let before = resolve(&file, 0, 0);

        assert!(before.is_same_memory(&resolve(&file, 0x10_0000, 0), 0x1000));
        assert!(!before.is_same_memory(&resolve(&file, 0, 0x1000), 0x1000));
        assert!(!before.is_same_memory(&resolve(&other, 0, 0), 0x1000));
    }

    #[test]
    fn memory_that_the_vmm_took_away_still_reads_the_old_pages() {
        let file = memfd(0x1000);
        let map = map(&[(0, 0x1000, &file, 0)]);
        write(&map, 0, b"old");
        let backing = Backing::resolve(&GuestRam::new(map.clone()), &[entry(0, 3)]).unwrap();
        drop((map, file));

        assert_eq!(read(&backing, 0, 3).unwrap(), b"old");
    }

    proptest! {
        /// Any list of entries reads exactly as the guest's memory at those addresses.
        #[test]
        fn reads_equal_the_guests_memory(
            entries in prop::collection::vec((0_u64..0x3000, 1_u32..0x1200), 1..12),
            at in any::<prop::sample::Index>(),
        ) {
            let (low, high) = (memfd(0x2000), memfd(0x4000));
            let map = map(&[(0, 0x2000, &low, 0), (0x2000, 0x3000, &high, 0x1000)]);
            let all: Vec<u8> = (0..=250).cycle().take(0x5000).collect();
            write(&map, 0, &all);
            let entries: Vec<_> = entries.into_iter().map(|(a, l)| entry(a, l)).collect();
            let backing = Backing::resolve(&GuestRam::new(map.clone()), &entries).unwrap();

            let expected: Vec<u8> = entries
                .iter()
                .flat_map(|e| all[usize::try_from(e.addr).unwrap()..][..e.length as usize].to_vec())
                .collect();
            let start = at.index(expected.len());
            prop_assert_eq!(backing.len(), expected.len() as u64);
            let got = read(&backing, start as u64, expected.len() - start).unwrap();
            prop_assert_eq!(&got, &expected[start..]);
        }
    }
}
