//! The base block of EDID 1.4 (VESA E-EDID standard, release A2).

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, big_endian,
    little_endian::{U16, U32},
};

use super::{
    BLOCK_SIZE, BuildError, Edid, GAMMA, MAX_NAME, MODEL_YEAR, ParseError, PhysicalSize, checksum,
    timing::Timing,
};

const HEADER: [u8; 8] = [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];
/// In the place of a week: the year is that of the model.
const NO_WEEK: u8 = 0xff;
/// Years since 1990.
const YEAR: u8 = MODEL_YEAR + 10;
/// Digital, 8 bits a colour, DisplayPort.
const INPUT: u8 = 0xa5;
/// sRGB is the default colour space; the preferred mode is the native one.
const FEATURES: u8 = 1 << 2 | 1 << 1;
/// The corners and the white of sRGB.
const CHROMATICITY: [u8; 10] = [0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54];
/// An unused standard timing.
const UNUSED_TIMING: [u8; 2] = [1, 1];

/// Tags of descriptors that are no timing.
const DESCRIPTOR_SERIAL: u8 = 0xff;
const DESCRIPTOR_RANGES: u8 = 0xfd;
const DESCRIPTOR_NAME: u8 = 0xfc;
const DESCRIPTOR_DUMMY: u8 = 0x10;

/// The block as it lies in memory.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Block {
    header: [u8; 8],
    manufacturer: big_endian::U16,
    product: U16,
    serial: U32,
    week: u8,
    year: u8,
    version: u8,
    revision: u8,
    input: u8,
    width_cm: u8,
    height_cm: u8,
    gamma: u8,
    features: u8,
    chromaticity: [u8; 10],
    established_timings: [u8; 3],
    standard_timings: [[u8; 2]; 8],
    preferred: DetailedTiming,
    descriptors: [Descriptor; 3],
    extensions: u8,
    checksum: u8,
}

const _: () = assert!(size_of::<Block>() == BLOCK_SIZE);

/// A detailed timing. Names that end in `high` hold the high bits of several fields.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct DetailedTiming {
    clock: U16,
    width: u8,
    h_blank: u8,
    h_high: u8,
    height: u8,
    v_blank: u8,
    v_high: u8,
    h_front: u8,
    h_sync: u8,
    v_front_sync: u8,
    sync_high: u8,
    width_mm: u8,
    height_mm: u8,
    mm_high: u8,
    borders: [u8; 2],
    flags: u8,
}

/// A descriptor that is no timing.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Descriptor {
    zeros: [u8; 3],
    tag: u8,
    /// Zero but for offsets of range limits.
    flags: u8,
    data: [u8; MAX_NAME],
}

/// Builds the block. `preferred` stands first in it; `all` are the timings that the range limits
/// must hold.
pub(super) fn encode(
    edid: &Edid,
    preferred: &Timing,
    all: &[Timing],
    extensions: u8,
) -> Result<Vec<u8>, BuildError> {
    let centimetres = |mm: u16| u8::try_from(mm.div_ceil(10)).unwrap_or(0);
    let (width_cm, height_cm) = (
        centimetres(edid.size.width_mm),
        centimetres(edid.size.height_mm),
    );
    // One without the other would be an aspect ratio.
    let known = width_cm != 0 && height_cm != 0;
    let serial = match (edid.serial_text.trim(), edid.serial) {
        ("", 0) => Descriptor::new(DESCRIPTOR_DUMMY, [0; MAX_NAME]),
        ("", serial) => Descriptor::text(DESCRIPTOR_SERIAL, &serial.to_string()),
        (text, _) => Descriptor::text(DESCRIPTOR_SERIAL, text),
    };
    let mut block = Block {
        header: HEADER,
        manufacturer: manufacturer_code(edid.manufacturer)?.into(),
        product: edid.product.into(),
        serial: edid.serial.into(),
        week: NO_WEEK,
        year: YEAR,
        version: 1,
        revision: 4,
        input: INPUT,
        width_cm: if known { width_cm } else { 0 },
        height_cm: if known { height_cm } else { 0 },
        gamma: GAMMA,
        features: FEATURES,
        chromaticity: CHROMATICITY,
        established_timings: established_timings(preferred),
        standard_timings: standard_timings(preferred),
        preferred: DetailedTiming::new(preferred, edid.size),
        descriptors: [
            Descriptor::ranges(all),
            Descriptor::text(DESCRIPTOR_NAME, &edid.name),
            serial,
        ],
        extensions,
        checksum: 0,
    };
    block.checksum = checksum(block.as_bytes());
    Ok(block.as_bytes().to_vec())
}

/// Reads the block; also returns how many extension blocks follow. Does not check the checksum.
pub(super) fn decode(block: &[u8]) -> Result<(Edid, usize), ParseError> {
    let block = Block::read_from_bytes(block).map_err(|_| ParseError::NoHeader)?;
    if block.header != HEADER || block.version != 1 {
        return Err(ParseError::NoHeader);
    }
    let text = |tag| {
        let mut descriptors = block.descriptors.iter();
        let found = descriptors.find(|descriptor| descriptor.tag == tag);
        found.map(Descriptor::as_text).unwrap_or_default()
    };
    let serial = block.serial.get();
    let serial_text = text(DESCRIPTOR_SERIAL);
    let edid = Edid {
        manufacturer: manufacturer_letters(block.manufacturer.get()),
        product: block.product.get(),
        serial,
        serial_text: match serial_text == serial.to_string() {
            true => String::new(),
            false => serial_text,
        },
        name: text(DESCRIPTOR_NAME),
        size: block.preferred.size(),
        preferred: block
            .preferred
            .timing()
            .mode()
            .ok_or(ParseError::NoPreferredMode)?,
    };
    Ok((edid, usize::from(block.extensions)))
}

/// Three letters of five bits, `A` being 1.
fn manufacturer_code(letters: [u8; 3]) -> Result<u16, BuildError> {
    letters.into_iter().try_fold(0, |code, letter| {
        if !letter.is_ascii_uppercase() {
            return Err(BuildError::Manufacturer);
        }
        Ok(code << 5 | u16::from(letter - b'A' + 1))
    })
}

fn manufacturer_letters(code: u16) -> [u8; 3] {
    [10, 5, 0].map(|shift| {
        let [low, _] = (code >> shift & 0x1f).to_le_bytes();
        low + b'A' - 1
    })
}

/// 640x480, 800x600 and 1024x768 at 60 Hz, as far as they are not larger than the preferred mode.
fn established_timings(preferred: &Timing) -> [u8; 3] {
    let bit = |width, height, bit: u8| {
        if preferred.width >= width && preferred.height >= height {
            1 << bit
        } else {
            0
        }
    };
    [bit(640, 480, 5) | bit(800, 600, 0), bit(1024, 768, 3), 0]
}

/// Further modes at 60 Hz that are not larger than the preferred one, so that a guest's settings
/// have something to offer.
fn standard_timings(preferred: &Timing) -> [[u8; 2]; 8] {
    const WIDE: u8 = 3 << 6;
    const SIXTEEN_TO_TEN: u8 = 0;
    const FIVE_TO_FOUR: u8 = 2 << 6;
    let modes: [(u32, u32, u8); 8] = [
        (1280, 720, WIDE),
        (1280, 800, SIXTEEN_TO_TEN),
        (1280, 1024, FIVE_TO_FOUR),
        (1440, 900, SIXTEEN_TO_TEN),
        (1600, 900, WIDE),
        (1680, 1050, SIXTEEN_TO_TEN),
        (1920, 1080, WIDE),
        (1920, 1200, SIXTEEN_TO_TEN),
    ];
    modes.map(|(width, height, aspect)| {
        let smaller = preferred.width >= width && preferred.height >= height;
        match u8::try_from(width / 8 - 31) {
            // The lower six bits are the refresh rate above 60 Hz.
            Ok(code) if smaller => [code, aspect],
            _ => UNUSED_TIMING,
        }
    })
}

impl DetailedTiming {
    /// All numbers have the few bits they need here: [`Timing::fits_base_block`].
    fn new(timing: &Timing, size: PhysicalSize) -> Self {
        let (width, width_high) = split(timing.width);
        let (h_blank, h_blank_high) = split(timing.h_blank);
        let (height, height_high) = split(timing.height);
        let (v_blank, v_blank_high) = split(timing.v_blank);
        let (h_front, h_front_high) = split(timing.h_front);
        let (h_sync, h_sync_high) = split(timing.h_sync);
        let (v_front, _) = split(timing.v_front);
        let (v_sync, _) = split(timing.v_sync);
        let (width_mm, width_mm_high) = split(size.width_mm.min(PhysicalSize::MAX_MM).into());
        let (height_mm, height_mm_high) = split(size.height_mm.min(PhysicalSize::MAX_MM).into());
        Self {
            clock: u16::try_from(timing.clock).unwrap_or(u16::MAX).into(),
            width,
            h_blank,
            h_high: width_high << 4 | h_blank_high,
            height,
            v_blank,
            v_high: height_high << 4 | v_blank_high,
            h_front,
            h_sync,
            v_front_sync: v_front << 4 | v_sync,
            // The high bits of the vertical ones are zero: both are below 16.
            sync_high: h_front_high << 6 | h_sync_high << 4,
            width_mm,
            height_mm,
            mm_high: width_mm_high << 4 | height_mm_high,
            borders: [0; 2],
            // Separate digital syncs, horizontal positive, vertical negative.
            flags: 0x1a,
        }
    }

    fn timing(&self) -> Timing {
        Timing {
            clock: self.clock.get().into(),
            width: join(self.width, self.h_high >> 4),
            h_blank: join(self.h_blank, self.h_high & 0xf),
            h_front: join(self.h_front, self.sync_high >> 6),
            h_sync: join(self.h_sync, self.sync_high >> 4 & 3),
            height: join(self.height, self.v_high >> 4),
            v_blank: join(self.v_blank, self.v_high & 0xf),
            v_front: (self.v_front_sync >> 4 | (self.sync_high >> 2 & 3) << 4).into(),
            v_sync: (self.v_front_sync & 0xf | (self.sync_high & 3) << 4).into(),
        }
    }

    fn size(&self) -> PhysicalSize {
        PhysicalSize {
            width_mm: u16::from_le_bytes([self.width_mm, self.mm_high >> 4]),
            height_mm: u16::from_le_bytes([self.height_mm, self.mm_high & 0xf]),
        }
    }
}

impl Descriptor {
    fn new(tag: u8, data: [u8; MAX_NAME]) -> Self {
        Self {
            zeros: [0; 3],
            tag,
            flags: 0,
            data,
        }
    }

    /// Text that ends with a line feed and is filled up with spaces, unless it fills the field; `?` if there is none.
    fn text(tag: u8, text: &str) -> Self {
        let printable = |c: char| match u8::try_from(c) {
            Ok(byte) if (b' '..=b'~').contains(&byte) => byte,
            _ => b'?',
        };
        let mut bytes: Vec<u8> = text.trim().chars().map(printable).take(MAX_NAME).collect();
        bytes.truncate(bytes.trim_ascii_end().len());
        if bytes.is_empty() {
            bytes.push(b'?');
        }
        bytes.push(b'\n');
        let mut data = [b' '; MAX_NAME];
        for (to, from) in data.iter_mut().zip(bytes) {
            *to = from;
        }
        Self::new(tag, data)
    }

    fn as_text(&self) -> String {
        let bytes = self.data.iter().take_while(|byte| **byte != b'\n');
        bytes.map(|byte| char::from(*byte)).collect()
    }

    /// Limits around these timings and the 60 Hz modes; unused where they can't be expressed.
    fn ranges(timings: &[Timing]) -> Self {
        Self::try_ranges(timings).unwrap_or(Self::new(DESCRIPTOR_DUMMY, [0; MAX_NAME]))
    }

    fn try_ranges(timings: &[Timing]) -> Option<Self> {
        let hertz: Vec<u64> = timings
            .iter()
            .filter_map(Timing::mode)
            .flat_map(|mode| [mode.millihertz / 1000, mode.millihertz.div_ceil(1000)])
            .map(u64::from)
            .chain([50, 75])
            .collect();
        let kilohertz: Vec<u64> = timings
            .iter()
            .map(Timing::rows_per_second)
            .flat_map(|rows| [rows / 1000, rows.div_ceil(1000)])
            .chain([30, 80])
            .collect();
        let clock = timings.iter().map(|timing| u64::from(timing.clock)).max()?;
        let (v_min, v_min_offset) = limit(*hertz.iter().min()?)?;
        let (v_max, v_max_offset) = limit(*hertz.iter().max()?)?;
        let (h_min, h_min_offset) = limit(*kilohertz.iter().min()?)?;
        let (h_max, h_max_offset) = limit(*kilohertz.iter().max()?)?;
        let ten_megahertz = u8::try_from(clock.div_ceil(1000).max(20)).ok()?;
        let pad = b' ';
        // Limits only, no formula for timings of one's own.
        let data = [
            v_min,
            v_max,
            h_min,
            h_max,
            ten_megahertz,
            1,
            b'\n',
            pad,
            pad,
            pad,
            pad,
            pad,
            pad,
        ];
        let flags = u8::from(v_min_offset)
            | u8::from(v_max_offset) << 1
            | u8::from(h_min_offset) << 2
            | u8::from(h_max_offset) << 3;
        Some(Self {
            flags,
            ..Self::new(DESCRIPTOR_RANGES, data)
        })
    }
}

/// A range limit as a byte, and whether 255 is to be added to it; 1 to 510.
fn limit(number: u64) -> Option<(u8, bool)> {
    match u8::try_from(number.max(1)) {
        Ok(byte) => Some((byte, false)),
        Err(_) => Some((u8::try_from(number - 255).ok()?, true)),
    }
}

/// The low eight bits, and the next eight.
fn split(number: u32) -> (u8, u8) {
    let [low, high, ..] = number.to_le_bytes();
    (low, high)
}

fn join(low: u8, high: u8) -> u32 {
    u16::from_le_bytes([low, high]).into()
}
