use rustix::fs::fcntl_get_seals;

use super::*;

fn small(layout: Layout, seals: Seals) -> Ram {
    Ram::new(&RamOptions {
        size: 1 << 20,
        layout,
        seals,
        ..RamOptions::default()
    })
    .unwrap()
}

#[test]
fn a_scattered_buffer_reads_back_what_was_written_across_its_pieces() {
    let mut ram = small(Layout::Flat, Seals::Qemu);
    let backing = ram.allocate_backing(200_000).unwrap();
    assert!(backing.entries.len() > 3);
    assert_eq!(backing.size(), 200_704);

    let bytes: Vec<u8> = (0..150_000u32).map(|n| (n % 251) as u8).collect();
    ram.write_backing(&backing, 4_321, &bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    ram.read_backing(&backing, 4_321, &mut back).unwrap();
    assert!(bytes == back);

    let mut first = [0; 1];
    ram.read(backing.entries[0].addr, &mut first).unwrap();
    assert_eq!(first, [0], "what lies before the offset was written");
}

#[test]
fn both_halves_of_a_pc_come_from_one_file() {
    let ram = small(Layout::Split, Seals::Qemu);
    let regions = ram.regions();
    assert_eq!(regions.len(), 2);
    assert_eq!(
        (regions[1].start, regions[1].file_offset),
        (1 << 32, 512 << 10)
    );

    ram.write(1 << 32, b"high").unwrap();
    let mut bytes = [0; 4];
    std::os::unix::fs::FileExt::read_exact_at(regions[0].file, &mut bytes, 512 << 10).unwrap();
    assert_eq!(&bytes, b"high");
}

#[test]
fn seals_are_those_of_the_named_vmm() {
    let seals = |kind| fcntl_get_seals(small(Layout::Flat, kind).regions()[0].file).unwrap();
    let fixed_size = SealFlags::SHRINK | SealFlags::GROW;
    assert_eq!(seals(Seals::Qemu), fixed_size | SealFlags::SEAL);
    assert_eq!(seals(Seals::Crosvm), fixed_size);
    assert_eq!(seals(Seals::Open), SealFlags::empty());
    assert_eq!(seals(Seals::Unsealable), SealFlags::SEAL);
}

#[test]
fn a_plugged_region_holds_buffers_until_it_is_unplugged() {
    let mut ram = small(Layout::Flat, Seals::Qemu);
    let start = 8 << 30;
    ram.plug(start, 64 << 10).unwrap();
    let backing = ram.allocate_backing_in(start, 32 << 10).unwrap();
    assert_eq!(
        backing.entries,
        [MemEntry {
            addr: start,
            length: 32 << 10
        }]
    );

    let free_before = ram.available();
    ram.unplug(start).unwrap();
    assert_eq!(ram.available(), free_before - (32 << 10));
    ram.free_backing(&backing);
    assert_eq!(
        ram.available(),
        free_before - (32 << 10),
        "pages that are gone came back"
    );
    assert!(matches!(
        ram.write_backing(&backing, 0, b"x"),
        Err(RamError::Access { .. })
    ));
    assert!(matches!(
        ram.unplug(start),
        Err(RamError::NoSuchRegion { .. })
    ));
}

#[test]
fn running_out_of_memory_is_an_error_that_says_how_much_is_left() {
    let mut ram = small(Layout::Flat, Seals::Qemu);
    let error = ram.allocate_backing(2 << 20).unwrap_err().to_string();
    assert!(
        error.contains("2097152 bytes wanted, 1044480 free"),
        "{error}"
    );
}
