//! Sizes and bytes against the VIRTIO text.

use proptest::prelude::*;

use super::*;

fn selected(select: ConfigSelect, subsel: u8) -> Selection {
    Selection {
        select: select.into(),
        subsel,
    }
}

#[test]
fn sizes_are_those_of_the_text() {
    assert_eq!(EVENT_SIZE, 8);
    assert_eq!(CONFIG_SIZE, 136);
}

#[test]
fn an_event_is_eight_little_endian_bytes() {
    let event = Event {
        kind: EV_REL,
        code: 0x0102,
        value: -2,
    };
    assert_eq!(event.encode(), [2, 0, 2, 1, 0xfe, 0xff, 0xff, 0xff]);
    assert_eq!(Event::SYN.encode(), [0; 8]);
    assert_eq!(Event::decode(&[0; 7]), None);
}

#[test]
fn a_selection_is_written_byte_by_byte_or_whole() {
    let mut linux = Selection::default();
    linux.write(0, &[0x11]);
    linux.write(1, &[0x03]);
    let mut qemu = Selection::default();
    let mut space = [0xff; CONFIG_SIZE];
    (space[0], space[1]) = (0x11, 0x03);
    qemu.write(0, &space);
    assert_eq!(linux, selected(ConfigSelect::EvBits, 3));
    assert_eq!(qemu, linux);
}

#[test]
fn writes_elsewhere_change_nothing() {
    let mut selection = selected(ConfigSelect::IdName, 0);
    selection.write(2, &[0xff; 134]);
    selection.write(u32::MAX, &[0xff; 2]);
    selection.write(0, &[]);
    assert_eq!(selection, selected(ConfigSelect::IdName, 0));
}

#[test]
fn selections_are_known_by_their_numbers() {
    for (select, number) in [
        (ConfigSelect::IdName, 0x01),
        (ConfigSelect::IdSerial, 0x02),
        (ConfigSelect::IdDevids, 0x03),
        (ConfigSelect::PropBits, 0x10),
        (ConfigSelect::EvBits, 0x11),
        (ConfigSelect::AbsInfo, 0x12),
    ] {
        assert_eq!(
            Selection {
                select: number,
                subsel: 9
            }
            .kind(),
            Some(select)
        );
    }
    assert_eq!(
        Selection {
            select: 0,
            subsel: 0
        }
        .kind(),
        None
    );
    assert_eq!(
        Selection {
            select: 0x13,
            subsel: 0
        }
        .kind(),
        None
    );
}

#[test]
fn the_space_shows_what_is_selected_and_its_answer() {
    let space = config_space(selected(ConfigSelect::IdName, 0), &Answer::Text("Lucarne"));
    assert_eq!(space[..8], [1, 0, 7, 0, 0, 0, 0, 0]);
    assert_eq!(&space[8..16], b"Lucarne\0");
    assert!(space[15..].iter().all(|byte| *byte == 0));
    assert_eq!(config_payload(&space), b"Lucarne");
}

#[test]
fn what_is_unsupported_has_size_zero() {
    let bits = Bitmap::default();
    for answer in [Answer::Unsupported, Answer::Text(""), Answer::Bits(&bits)] {
        let space = config_space(selected(ConfigSelect::EvBits, 2), &answer);
        assert_eq!(space[..3], [0x11, 2, 0]);
        assert_eq!(config_payload(&space), b"");
    }
}

#[test]
fn a_long_text_is_cut() {
    let text = "x".repeat(300);
    let space = config_space(selected(ConfigSelect::IdName, 0), &Answer::Text(&text));
    assert_eq!(space[2], 128);
    assert_eq!(config_payload(&space), &text.as_bytes()[..128]);
}

#[test]
fn a_size_beyond_the_space_is_a_lie() {
    let mut space = config_space(selected(ConfigSelect::IdName, 0), &Answer::Text("x"));
    space[2] = 129;
    assert_eq!(config_payload(&space), b"");
}

#[test]
fn a_bitmap_ends_at_its_last_code() {
    let bitmap: Bitmap = [0, 3, 0x110, 0x2ff, 1023, 1024, u16::MAX]
        .into_iter()
        .collect();
    assert_eq!(bitmap.bytes().len(), 128);
    assert_eq!((bitmap.bytes()[0], bitmap.bytes()[127]), (0b1001, 0x80));
    assert!(bitmap.contains(0x110) && !bitmap.contains(0x111) && !bitmap.contains(1024));
    let one: Bitmap = [9].into_iter().collect();
    assert_eq!(one.bytes(), [0, 2]);
    assert!(!one.is_empty() && Bitmap::default().is_empty());
}

proptest! {
    #[test]
    fn events_round_trip(kind: u16, code: u16, value: i32) {
        let event = Event { kind, code, value };
        prop_assert_eq!(Event::decode(&event.encode()), Some(event));
    }

    #[test]
    fn ids_round_trip(bustype: u16, vendor: u16, product: u16, version: u16) {
        let ids = DeviceIds { bustype, vendor, product, version };
        let space = config_space(selected(ConfigSelect::IdDevids, 0), &Answer::Ids(ids));
        prop_assert_eq!(space[2], 8);
        prop_assert_eq!(DeviceIds::decode(config_payload(&space)), Some(ids));
    }

    #[test]
    fn ranges_round_trip(min: i32, max: i32, fuzz: i32, flat: i32, res: i32) {
        let abs = AbsInfo { min, max, fuzz, flat, res };
        let space = config_space(selected(ConfigSelect::AbsInfo, 1), &Answer::Abs(abs));
        prop_assert_eq!(space[2], 20);
        prop_assert_eq!(AbsInfo::decode(config_payload(&space)), Some(abs));
    }

    #[test]
    fn bitmaps_round_trip(codes in proptest::collection::vec(0..1024_u16, 0..40)) {
        let bitmap: Bitmap = codes.iter().copied().collect();
        let space = config_space(selected(ConfigSelect::EvBits, 1), &Answer::Bits(&bitmap));
        let read = Bitmap::from_bytes(config_payload(&space));
        prop_assert!(codes.iter().all(|code| read.contains(*code)));
        prop_assert_eq!(read, bitmap);
    }
}
