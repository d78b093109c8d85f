//! The guest's memory as the front-end describes it: what is mapped, and what its own addresses
//! mean to the guest.
//!
//! Builds [`GuestRam`] values; who looks at the bytes is not this file's business.

use std::{fs::File, io, sync::Arc};

use vhost::vhost_user::message::VhostUserMemoryRegion;
use vm_memory::{Address, GuestAddress, GuestMemoryMmap, GuestMemoryRegion, GuestRegionMmap};

use crate::memory::GuestRam;

/// The most regions at a time: KVM's own limit of user memory slots, which no VMM exceeds.
pub const MAX_SLOTS: u64 = 509;

/// Where one region lies in the front-end's and in the guest's address space.
#[derive(Debug, Clone, Copy)]
struct Place {
    user: u64,
    guest: u64,
    size: u64,
}

/// The front-end's memory table.
#[derive(Debug, Default)]
pub struct MemoryTable {
    map: Arc<GuestMemoryMmap>,
    places: Vec<Place>,
    /// What the front-end announces although it is the host's own memory, in its window: where the
    /// guest has it, and its size.
    not_ram: Vec<(u64, u64)>,
}

impl MemoryTable {
    /// The memory as it is mapped now, for the core.
    pub fn ram(&self) -> GuestRam {
        GuestRam::new(&self.map)
    }

    /// The mapped regions.
    pub fn map(&self) -> &Arc<GuestMemoryMmap> {
        &self.map
    }

    /// Replaces the whole table.
    ///
    /// # Errors
    /// A region that can't be mapped, or regions that overlap; the old table stays.
    pub fn replace(
        &mut self,
        regions: &[VhostUserMemoryRegion],
        files: Vec<File>,
    ) -> io::Result<()> {
        let mut mapped = Vec::with_capacity(regions.len());
        for (region, file) in regions.iter().zip(files) {
            mapped.push(map_region(region, file)?);
        }
        // Front-ends send them in any order.
        mapped.sort_by_key(GuestMemoryRegion::start_addr);
        self.map = Arc::new(GuestMemoryMmap::from_regions(mapped).map_err(io::Error::other)?);
        self.places = regions.iter().map(Place::of).collect();
        self.not_ram.clear();
        Ok(())
    }

    /// Adds a region.
    ///
    /// # Errors
    /// A region that can't be mapped or overlaps another; the table stays as it was.
    pub fn add(&mut self, region: &VhostUserMemoryRegion, file: File) -> io::Result<()> {
        let mapped = Arc::new(map_region(region, file)?);
        self.map = Arc::new(self.map.insert_region(mapped).map_err(io::Error::other)?);
        self.places.push(Place::of(region));
        Ok(())
    }

    /// Notes down a region that is not the guest's RAM, to know it when it is removed.
    pub fn pass_over(&mut self, region: &VhostUserMemoryRegion) {
        self.not_ram
            .push((region.guest_phys_addr, region.memory_size));
    }

    /// Removes a region. Returns whether the guest has less RAM now.
    ///
    /// # Errors
    /// No such region.
    pub fn remove(&mut self, region: &VhostUserMemoryRegion) -> io::Result<bool> {
        let guest = region.guest_phys_addr;
        let passed_over = (guest, region.memory_size);
        if let Some(place) = self.not_ram.iter().position(|known| *known == passed_over) {
            self.not_ram.swap_remove(place);
            return Ok(false);
        }
        let (map, _) = self
            .map
            .remove_region(GuestAddress(guest), region.memory_size)
            .map_err(io::Error::other)?;
        self.map = Arc::new(map);
        self.places.retain(|place| place.guest != guest);
        Ok(true)
    }

    /// The guest-physical address of one of the front-end's own addresses.
    pub fn guest_address(&self, user: u64) -> Option<u64> {
        self.places
            .iter()
            .find_map(|place| {
                let offset = user.checked_sub(place.user)?;
                (offset < place.size).then(|| GuestAddress(place.guest).checked_add(offset))?
            })
            .map(|address| address.raw_value())
    }

    /// Whether there is memory and all of it has the same address on both sides.
    pub fn is_identity_mapped(&self) -> bool {
        !self.places.is_empty() && self.places.iter().all(|place| place.user == place.guest)
    }
}

impl Place {
    fn of(region: &VhostUserMemoryRegion) -> Self {
        Self {
            user: region.user_addr,
            guest: region.guest_phys_addr,
            size: region.memory_size,
        }
    }
}

/// Maps one region. The mapping keeps the file and its offset, of which udmabuf is made later.
fn map_region(region: &VhostUserMemoryRegion, file: File) -> io::Result<GuestRegionMmap> {
    // Behind the end of a file there is nothing to map: reading there is SIGBUS.
    let end = region.mmap_offset.saturating_add(region.memory_size);
    let metadata = file.metadata()?;
    if metadata.is_file() && metadata.len() < end {
        return Err(io::Error::other("the region is longer than its file"));
    }
    let mapping = region.mmap_region(file).map_err(io::Error::other)?;
    GuestRegionMmap::new(mapping, GuestAddress(region.guest_phys_addr))
        .ok_or_else(|| io::Error::other("the region ends beyond the last address"))
}

#[cfg(test)]
mod tests {
    use vm_memory::{Bytes, GuestMemoryBackend};

    use super::*;

    const PAGE: u64 = 4096;

    fn file(pages: u64) -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(pages * PAGE).unwrap();
        file
    }

    fn region(guest: u64, user: u64, offset: u64) -> VhostUserMemoryRegion {
        VhostUserMemoryRegion::new(guest, 4 * PAGE, user, offset)
    }

    #[test]
    fn addresses_are_translated_and_files_keep_their_offset() {
        let mut table = MemoryTable::default();
        let regions = [
            region(1 << 32, 0x9000_0000, 0),
            region(0, 0x7000_0000, PAGE),
        ];
        table.replace(&regions, vec![file(4), file(5)]).unwrap();
        assert_eq!(table.guest_address(0x7000_0010), Some(0x10));
        assert_eq!(table.guest_address(0x9000_3fff), Some((1 << 32) + 0x3fff));
        assert_eq!(table.guest_address(0x9000_4000), None);
        assert_eq!(table.guest_address(0x6fff_ffff), None);
        let first = table.map().find_region(GuestAddress(0)).unwrap();
        assert_eq!(first.file_offset().unwrap().start(), PAGE);
        assert!(!table.is_identity_mapped());
    }

    #[test]
    fn slots_come_and_go_one_by_one() {
        let mut table = MemoryTable::default();
        table.add(&region(0, 0x1_0000, 0), file(4)).unwrap();
        table.add(&region(0x1_0000, 0x2_0000, 0), file(4)).unwrap();
        let before = Arc::clone(table.map());
        table.remove(&region(0, 0x1_0000, 0)).unwrap();
        assert_eq!(table.guest_address(0x1_0000), None);
        assert_eq!(table.guest_address(0x2_0000), Some(0x1_0000));
        // What was handed out before stays mapped.
        before.write_obj(7_u32, GuestAddress(0)).unwrap();
        assert!(table.map().write_obj(7_u32, GuestAddress(0)).is_err());
        assert!(table.remove(&region(0, 0x1_0000, 0)).is_err());
    }

    #[test]
    fn what_is_not_ram_is_neither_mapped_nor_missed() {
        let mut table = MemoryTable::default();
        table.add(&region(0, 0x1_0000, 0), file(4)).unwrap();
        let before = Arc::clone(table.map());
        let blob = region(1 << 32, 0x9000_0000, 0);
        table.pass_over(&blob);
        assert_eq!(table.guest_address(0x9000_0000), None);
        assert!(!table.remove(&blob).unwrap());
        assert!(Arc::ptr_eq(&before, table.map()));
        assert!(table.remove(&blob).is_err());
        assert!(table.remove(&region(0, 0x1_0000, 0)).unwrap());
    }

    #[test]
    fn a_refused_table_leaves_the_old_one() {
        let mut table = MemoryTable::default();
        table.replace(&[region(0, 0, 0)], vec![file(4)]).unwrap();
        assert!(table.is_identity_mapped());
        let overlapping = [region(0, 0, 0), region(PAGE, PAGE, 0)];
        assert!(table.replace(&overlapping, vec![file(4), file(4)]).is_err());
        assert!(table.add(&region(PAGE, 0x8_0000, 0), file(4)).is_err());
        assert!(
            table.add(&region(1 << 20, 0x8_0000, 0), file(1)).is_err(),
            "file too short"
        );
        assert_eq!(table.guest_address(PAGE), Some(PAGE));
    }
}
