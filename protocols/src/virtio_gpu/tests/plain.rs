//! Rectangles, formats and the configuration space.

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

#[test]
fn edges_beyond_32_bits_are_seen() {
    let huge = rect(u32::MAX, u32::MAX, u32::MAX, u32::MAX);
    assert_eq!(huge.right(), 2 * u64::from(u32::MAX));
    assert_eq!(huge.bottom(), 2 * u64::from(u32::MAX));
    assert!(!Rect::from_size(1920, 1080).contains(&rect(1, 0, u32::MAX, 1)));
}

#[test]
fn a_rectangle_contains_what_shares_its_edges() {
    let outer = rect(10, 10, 20, 20);
    assert!(outer.contains(&outer));
    assert!(outer.contains(&rect(29, 29, 1, 1)));
    assert!(!outer.contains(&rect(29, 29, 2, 1)));
    assert!(!outer.contains(&rect(9, 10, 1, 1)));
    assert!(outer.contains(&rect(30, 30, 0, 0)), "empty, on the edge");
    assert!(!outer.contains(&rect(31, 30, 0, 0)), "empty, outside");
}

#[test]
fn rectangles_that_touch_do_not_intersect() {
    let left = rect(0, 0, 10, 10);
    assert_eq!(left.intersect(&rect(10, 0, 10, 10)), None);
    assert_eq!(left.intersect(&rect(9, 9, 10, 10)), Some(rect(9, 9, 1, 1)));
    assert_eq!(left.intersect(&rect(5, 5, 0, 5)), None);
    assert_eq!(left.intersect(&rect(20, 20, 1, 1)), None);
}

#[test]
fn a_union_is_around_both_and_ignores_empty_ones() {
    let one = rect(5, 5, 5, 5);
    assert_eq!(one.union(&rect(20, 0, 1, 1)), rect(5, 0, 16, 10));
    assert_eq!(one.union(&rect(100, 100, 0, 9)), one);
    assert_eq!(Rect::default().union(&one), one);
    assert_eq!(
        rect(0, 0, 1, 1).union(&rect(u32::MAX, 0, u32::MAX, 1)),
        rect(0, 0, u32::MAX, 1),
        "stops at 32 bits"
    );
}

proptest! {
    #[test]
    fn intersection_and_union_agree_with_containment(a: [u32; 4], b: [u32; 4]) {
        let [a, b] = [a, b].map(|[x, y, w, h]| rect(x / 2, y / 2, w / 2, h / 2));
        if let Some(both) = a.intersect(&b) {
            prop_assert!(a.contains(&both) && b.contains(&both) && !both.is_empty());
        }
        let around = a.union(&b);
        prop_assert!(a.is_empty() || around.contains(&a));
        prop_assert!(b.is_empty() || around.contains(&b));
        prop_assert_eq!(a.intersect(&b), b.intersect(&a));
    }
}

#[test]
fn formats_have_the_numbers_and_drm_codes_of_linux() {
    let table = [
        (1, b"AR24", true),
        (2, b"XR24", false),
        (3, b"BA24", true),
        (4, b"BX24", false),
        (67, b"AB24", true),
        (68, b"RX24", false),
        (121, b"RA24", true),
        (134, b"XB24", false),
    ];
    for ((number, fourcc, alpha), format) in table.into_iter().zip(Format::ALL) {
        assert_eq!(Format::try_from(number), Ok(format));
        assert_eq!(u32::from(format), number);
        assert_eq!(format.drm_fourcc().to_le_bytes(), *fourcc);
        assert_eq!(format.has_alpha(), alpha);
        assert_eq!(format.bytes_per_pixel(), 4);
    }
    for number in [0, 5, 66, 122, u32::MAX] {
        assert_eq!(Format::try_from(number), Err(UnknownFormat(number)));
    }
}

#[test]
fn byte_orders_are_those_of_the_names() {
    for format in Format::ALL {
        // The name, like `Bgra8888`, says which channel is at which byte.
        let name = format!("{format:?}").to_lowercase().replace('x', "a");
        let at = |channel| name.find(channel).unwrap();
        assert_eq!(
            format.bgra_bytes(),
            ['b', 'g', 'r', 'a'].map(at),
            "{format:?}"
        );
        assert_eq!(format.opaque().bgra_bytes(), format.bgra_bytes());
        assert!(!format.opaque().has_alpha());
    }
}

const CONFIG: Config = Config {
    events_read: EVENT_DISPLAY,
    events_clear: 0,
    num_scanouts: 3,
    num_capsets: 2,
    blob_alignment: None,
};

fn read(config: &Config, offset: u32, size: usize) -> Vec<u8> {
    let mut bytes = vec![0xff; size];
    config.read(offset, &mut bytes);
    bytes
}

#[test]
fn golden_bytes_of_the_configuration_space() {
    let short = [1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0];
    assert_eq!(CONFIG.size(), 16);
    assert_eq!(read(&CONFIG, 0, 16), short);
    let config = Config {
        blob_alignment: Some(0x1_0000),
        ..CONFIG
    };
    assert_eq!(config.size(), 20);
    assert_eq!(read(&config, 0, 20), [&short[..], &[0, 0, 1, 0]].concat());
}

#[test]
fn any_part_of_the_configuration_space_can_be_read() {
    for config in [
        CONFIG,
        Config {
            blob_alignment: Some(0x1234_5678),
            ..CONFIG
        },
    ] {
        let mut whole = read(&config, 0, config.size());
        whole.resize(64, 0);
        for offset in 0..24_u32 {
            for size in 0..32 {
                let start = usize::try_from(offset).unwrap();
                assert_eq!(read(&config, offset, size), whole[start..start + size]);
            }
        }
    }
}

#[test]
fn beyond_the_configuration_space_there_are_zeros() {
    assert_eq!(read(&CONFIG, u32::MAX, 4), [0; 4]);
    assert_eq!(read(&CONFIG, 16, 4), [0; 4]);
    assert_eq!(read(&CONFIG, 0, 256)[16..], [0; 240]);
}

#[test]
fn the_configuration_space_is_read_back() {
    for config in [
        CONFIG,
        Config {
            blob_alignment: Some(4096),
            ..CONFIG
        },
    ] {
        assert_eq!(
            Config::decode(&read(&config, 0, config.size())),
            Some(config)
        );
    }
    assert_eq!(Config::decode(&[0; 15]), None);
    assert_eq!(Config::decode(&read(&CONFIG, 0, 19)), Some(CONFIG));
}
