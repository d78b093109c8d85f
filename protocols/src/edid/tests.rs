//! Each EDID is held against the real `edid-decode --check`, and read back.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use proptest::prelude::*;

use super::*;

fn monitor(width: u32, height: u32, millihertz: u32) -> Edid {
    Edid {
        manufacturer: *b"LCN",
        product: 1,
        serial: 7,
        serial_text: String::new(),
        name: "debian".to_owned(),
        size: PhysicalSize {
            width_mm: 527,
            height_mm: 296,
        },
        preferred: Mode {
            width,
            height,
            millihertz,
        },
    }
}

/// What `edid-decode` says about these bytes. Fails where the program is missing.
fn edid_decode(arguments: &[&str], bytes: &[u8]) -> (bool, String) {
    let mut child = Command::new("edid-decode")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("edid-decode can't be started; install the package edid-decode");
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    (
        output.status.success(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

/// Returns the report. The one warning allowed is that the manufacturer is not in a list.
#[track_caller]
fn assert_conforms(edid: &Edid) -> String {
    let bytes = edid.encode().unwrap();
    let (success, report) = edid_decode(&["--check", "--long-timings"], &bytes);
    assert!(
        success && report.contains("EDID conformity: PASS"),
        "{report}"
    );
    let (_, findings) = report.split_once("edid-decode SHA").unwrap();
    let warnings: Vec<&str> = findings
        .lines()
        .skip_while(|line| *line != "Warnings:")
        .filter(|line| line.starts_with("  ") && !line.contains("Unknown OUI"))
        .collect();
    assert_eq!(warnings, [""; 0], "{report}");
    report
}

const MODES: [(u32, u32, u32); 16] = [
    (1366, 768, 60_000),
    (640, 480, 60_000),
    (3840, 2160, 60_000),
    (1920, 1080, 144_000),
    (7680, 4320, 60_000),
    (800, 600, 75_000),
    (1920, 1080, 60_000),
    (1920, 1080, 59_940),
    (1024, 768, 60_000),
    (1280, 800, 60_000),
    (2560, 1440, 240_000),
    (3840, 2160, 144_000),
    (5120, 1440, 120_000),
    (7680, 4320, 120_000),
    (1080, 1920, 60_000),
    (320, 200, 50_000),
];

#[test]
fn edid_decode_finds_nothing_to_complain_about() {
    for (width, height, millihertz) in MODES {
        assert_conforms(&monitor(width, height, millihertz));
    }
}

#[test]
fn edid_decode_sees_the_preferred_mode_as_it_is() {
    for (width, height, millihertz) in MODES {
        let report = assert_conforms(&monitor(width, height, millihertz));
        // Timings read like `DTD 1:  1366x768   60.000000 Hz ...`; the last one is preferred.
        let mut words = report
            .lines()
            .rfind(|line| line.trim_start().starts_with("DTD"))
            .unwrap()
            .split_whitespace()
            .skip_while(|word| !word.contains('x'));
        assert_eq!(
            words.next().unwrap(),
            format!("{width}x{height}"),
            "{report}"
        );
        let hertz: f64 = words.next().unwrap().parse().unwrap();
        assert!(
            (hertz - f64::from(millihertz) / 1000.0).abs() < 0.002,
            "{report}"
        );
    }
}

#[test]
fn edid_decode_sees_name_serial_and_size() {
    let report = assert_conforms(&monitor(1920, 1080, 60_000));
    for line in [
        "Manufacturer: LCN",
        "Serial Number: 7",
        "Maximum image size: 53 cm x 30 cm",
        "Display Product Name: 'debian'",
        "Display Product Serial Number: '7'",
        "(527 mm x 296 mm)",
    ] {
        assert!(report.contains(line), "{line} is not in {report}");
    }
}

#[test]
fn edid_decode_sees_a_serial_number_that_is_no_number() {
    for serial in [0, 7] {
        let edid = Edid {
            serial,
            serial_text: "CN-0A1B2C3".to_owned(),
            ..monitor(1920, 1080, 60_000)
        };
        let report = assert_conforms(&edid);
        let line = "Display Product Serial Number: 'CN-0A1B2C3'";
        assert!(report.contains(line), "{report}");
        assert_eq!(Edid::decode(&edid.encode().unwrap()).unwrap(), edid);
    }
}

#[test]
fn any_name_becomes_one_that_conforms() {
    for (name, shown) in [
        ("a very long name", "a very long n"),
        ("exactly 13 ch", "exactly 13 ch"),
        ("ends at 12   x", "ends at 12"),
        ("  spaces  ", "spaces"),
        ("grün", "gr?n"),
        ("tab\tand\nline", "tab?and?line"),
        ("", "?"),
        ("   ", "?"),
    ] {
        let edid = Edid {
            name: name.to_owned(),
            ..monitor(1920, 1080, 60_000)
        };
        assert_conforms(&edid);
        assert_eq!(Edid::decode(&edid.encode().unwrap()).unwrap().name, shown);
    }
}

#[test]
fn unknown_size_and_serial_conform() {
    let edid = Edid {
        size: PhysicalSize::default(),
        serial: 0,
        ..monitor(1920, 1080, 60_000)
    };
    assert_conforms(&edid);
    assert_eq!(Edid::decode(&edid.encode().unwrap()).unwrap(), edid);
}

#[test]
fn one_block_unless_the_mode_needs_displayid() {
    let blocks = |width, height, millihertz| {
        monitor(width, height, millihertz).encode().unwrap().len() / BLOCK_SIZE
    };
    assert_eq!(blocks(4095, 2160, 60_000), 1);
    assert_eq!(blocks(4096, 2160, 60_000), 2, "width");
    assert_eq!(blocks(1080, 4096, 60_000), 2, "height");
    assert_eq!(blocks(3840, 2160, 144_000), 2, "pixel clock");
    assert_eq!(blocks(7680, 4320, 60_000), 2);
}

#[test]
fn the_base_block_of_a_huge_mode_names_a_relative_of_it() {
    let relative = |width, height, millihertz| {
        let mut bytes = monitor(width, height, millihertz).encode().unwrap();
        // Cut the extension off, and mend the checksum.
        bytes.truncate(BLOCK_SIZE);
        bytes[126] -= 1;
        bytes[127] = bytes[127].wrapping_add(1);
        let mode = Edid::decode(&bytes).unwrap().preferred;
        (mode.width, mode.height, mode.millihertz / 1000)
    };
    assert_eq!(relative(7680, 4320, 60_000), (3840, 2160, 60));
    assert_eq!(relative(3840, 2160, 144_000), (3840, 2160, 60));
    assert_eq!(relative(5120, 1440, 30_000), (2560, 720, 30));
}

#[test]
fn golden_bytes_of_the_common_monitor() {
    let bytes = monitor(1920, 1080, 60_000).encode().unwrap();
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex.chunks(16)
            .map(|line| line.join(" "))
            .collect::<Vec<_>>(),
        [
            "00 ff ff ff ff ff ff 00 30 6e 01 00 07 00 00 00",
            "ff 24 01 04 a5 35 1e 78 06 ee 91 a3 54 4c 99 26",
            "0f 50 54 21 08 00 81 c0 81 00 81 80 95 00 a9 c0",
            "b3 00 d1 c0 01 01 d8 36 80 a0 70 38 2d 40 30 20",
            "35 00 0f 28 21 00 00 1a 00 00 00 fd 00 32 4b 1e",
            "50 14 01 0a 20 20 20 20 20 20 00 00 00 fc 00 64",
            "65 62 69 61 6e 0a 20 20 20 20 20 20 00 00 00 ff",
            "00 37 0a 20 20 20 20 20 20 20 20 20 20 20 00 94",
        ]
    );
}

#[test]
fn what_cant_be_described_is_refused() {
    let refused = |width, height, millihertz| monitor(width, height, millihertz).encode();
    assert_eq!(
        refused(0, 1080, 60_000),
        Err(BuildError::Size {
            width: 0,
            height: 1080
        })
    );
    assert_eq!(
        refused(1920, MAX_SIDE + 1, 60_000),
        Err(BuildError::Size {
            width: 1920,
            height: MAX_SIDE + 1
        })
    );
    assert_eq!(
        refused(1920, 1080, 999),
        Err(BuildError::RefreshRate { millihertz: 999 })
    );
    assert_eq!(
        refused(1920, 1080, 1_000_001),
        Err(BuildError::RefreshRate {
            millihertz: 1_000_001
        })
    );
    assert!(matches!(
        refused(MAX_SIDE, MAX_SIDE, 60_000),
        Err(BuildError::PixelClock { .. })
    ));
    let edid = Edid {
        manufacturer: *b"lcn",
        ..monitor(1920, 1080, 60_000)
    };
    assert_eq!(edid.encode(), Err(BuildError::Manufacturer));
}

#[test]
fn damage_is_noticed() {
    let bytes = monitor(7680, 4320, 60_000).encode().unwrap();
    assert_eq!(
        Edid::decode(&bytes[..255]),
        Err(ParseError::TooShort {
            got: 255,
            blocks: 2
        })
    );
    assert_eq!(
        Edid::decode(&[]),
        Err(ParseError::TooShort { got: 0, blocks: 1 })
    );
    assert_eq!(Edid::decode(&[0; 128]), Err(ParseError::NoHeader));
    for (offset, block) in [(60, 0), (200, 1)] {
        let mut damaged = bytes.clone();
        damaged[offset] ^= 0x40;
        assert_eq!(Edid::decode(&damaged), Err(ParseError::Checksum { block }));
    }
}

#[test]
fn dots_an_inch_become_millimetres() {
    let size = |width_mm, height_mm| PhysicalSize {
        width_mm,
        height_mm,
    };
    assert_eq!(PhysicalSize::at_dpi(1920, 1080, 96), size(508, 286));
    assert_eq!(PhysicalSize::at_dpi(65535, 1, 1), size(2550, 26));
    assert_eq!(PhysicalSize::at_dpi(1920, 1080, 0), size(0, 0));
}

proptest! {
    #[test]
    fn what_is_built_is_read_back(
        manufacturer in proptest::array::uniform3(b'A'..=b'Z'),
        product: u16,
        serial: u32,
        serial_text in "([A-Z]([ -~]{0,11}[!-~])?)?",
        name in "[!-~]([ -~]{0,11}[!-~])?",
        width_mm in 0..=PhysicalSize::MAX_MM,
        height_mm in 0..=PhysicalSize::MAX_MM,
        width in 1..=16384_u32,
        height in 1..=16384_u32,
        millihertz in 24_000..=240_000_u32,
    ) {
        let size = PhysicalSize { width_mm, height_mm };
        let preferred = Mode { width, height, millihertz };
        let edid = Edid { manufacturer, product, serial, serial_text, name, size, preferred };
        let read = Edid::decode(&edid.encode().unwrap()).unwrap();
        let exact = Mode { millihertz: read.preferred.millihertz, ..preferred };
        prop_assert_eq!(&read, &Edid { preferred: exact, ..edid });
        prop_assert!(read.preferred.millihertz.abs_diff(millihertz) <= millihertz / 1000);
    }

    #[test]
    fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Edid::decode(&bytes);
    }

    #[test]
    fn decoding_a_damaged_one_never_panics(
        damage in proptest::collection::vec((0..256_usize, any::<u8>()), 1..8),
    ) {
        let mut bytes = monitor(7680, 4320, 60_000).encode().unwrap();
        for (offset, byte) in damage {
            bytes[offset] = byte;
        }
        // Blocks whose checksum is right again reach the timings.
        for block in bytes.chunks_exact_mut(BLOCK_SIZE) {
            block[BLOCK_SIZE - 1] = block[BLOCK_SIZE - 1].wrapping_add(checksum(block));
        }
        let _ = Edid::decode(&bytes);
    }

    #[test]
    fn building_never_panics(width: u32, height: u32, millihertz: u32, name: String) {
        let edid = Edid { name, ..monitor(width, height, millihertz) };
        let _ = edid.encode();
        let sides = Edid {
            preferred: Mode {
                width: width & 0xffff,
                height: height & 0xffff,
                millihertz: millihertz % 1_000_000,
            },
            ..edid
        };
        let _ = sides.encode();
    }
}
