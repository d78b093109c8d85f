//! The extension block for modes that the base block can't express: a DisplayID 1.3 section with
//! one Type I detailed timing, which more kernels read than DisplayID 2's Type VII.
//!
//! The data blocks before the timing repeat what the base block says: `edid-decode` misses them
//! in a display's first section.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{U16, U32},
};

use super::{BLOCK_SIZE, Edid, GAMMA, MODEL_YEAR, PhysicalSize, checksum, timing::Timing};

/// The tag of an extension block that holds a DisplayID section.
const TAG: u8 = 0x70;
/// DisplayID 1.3.
const VERSION: u8 = 0x13;
/// The data and its padding, without the section's own four bytes and its checksum.
const SECTION_SIZE: u8 = 121;
/// What the section describes: a display of its own.
const STANDALONE_DISPLAY: u8 = 3;
/// Tags of data blocks.
const TAG_PRODUCT: u8 = 0x00;
const TAG_PARAMETERS: u8 = 0x01;
const TAG_TYPE_I: u8 = 0x03;
const TAG_INTERFACE: u8 = 0x0f;
/// DisplayPort 1.4 with one link, 8 bits a colour, no copy protection.
const DISPLAY_PORT: Interface = Interface {
    kind_and_links: 0xa1,
    version: 0x14,
    rgb_depths: 1 << 1,
    ycbcr_depths: [0; 2],
    content_protection: [0; 2],
    spread_spectrum: 0,
    attributes: [0; 2],
};
/// Flag of a timing: preferred.
const PREFERRED: u8 = 1 << 7;
/// Value of a timing's aspect ratio: not one of the listed ones.
const ASPECT_UNDEFINED: u8 = 8;
/// Set in a sync offset where the pulse is positive; CVT with reduced blanking has a positive
/// horizontal and a negative vertical one.
const POSITIVE: u16 = 1 << 15;

/// The extension block as it lies in memory.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Block {
    tag: u8,
    version: u8,
    section_size: u8,
    product_type: u8,
    extension_count: u8,
    product: Data<Product>,
    parameters: Data<Parameters>,
    interface: Data<Interface>,
    timing: Data<TypeI>,
    unused: [u8; 55],
    section_checksum: u8,
    checksum: u8,
}

const _: () = assert!(size_of::<Block>() == BLOCK_SIZE);

/// A data block: a tag, a revision, the size of what follows, and that.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Data<T> {
    tag: u8,
    revision: u8,
    size: u8,
    data: T,
}

/// Product identification, without a name.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Product {
    manufacturer: [u8; 3],
    product: U16,
    serial: U32,
    week: u8,
    /// Since 2000.
    year: u8,
    name_length: u8,
}

/// Display parameters.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Parameters {
    /// Tenths of millimetres.
    size: [U16; 2],
    pixels: [U16; 2],
    features: u8,
    gamma: u8,
    /// 100 * long side / short side - 100.
    aspect: u8,
    /// Bits a colour less one, twice.
    depth: u8,
}

/// Display interface.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Interface {
    kind_and_links: u8,
    version: u8,
    rgb_depths: u8,
    ycbcr_depths: [u8; 2],
    content_protection: [u8; 2],
    spread_spectrum: u8,
    attributes: [u8; 2],
}

/// A Type I detailed timing: every number is one less than what it means.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct TypeI {
    clock: [u8; 3],
    flags: u8,
    width: U16,
    h_blank: U16,
    h_front: U16,
    h_sync: U16,
    height: U16,
    v_blank: U16,
    v_front: U16,
    v_sync: U16,
}

impl<T> Data<T> {
    fn new(tag: u8, data: T) -> Self {
        // All kinds that are used here have at most 20 bytes.
        let size = u8::try_from(size_of::<T>()).unwrap_or(0);
        Self {
            tag,
            revision: 0,
            size,
            data,
        }
    }
}

/// A block with this timing, preferred.
pub(super) fn encode(edid: &Edid, timing: &Timing) -> Vec<u8> {
    let mut block = Block {
        tag: TAG,
        version: VERSION,
        section_size: SECTION_SIZE,
        product_type: STANDALONE_DISPLAY,
        extension_count: 0,
        product: Data::new(TAG_PRODUCT, Product::new(edid)),
        parameters: Data::new(TAG_PARAMETERS, Parameters::new(edid.size, timing)),
        interface: Data::new(TAG_INTERFACE, DISPLAY_PORT),
        timing: Data::new(TAG_TYPE_I, TypeI::new(timing)),
        unused: [0; 55],
        section_checksum: 0,
        checksum: 0,
    };
    // The section is everything but the block's own tag and checksum.
    block.section_checksum = checksum(block.as_bytes()).wrapping_add(TAG);
    block.checksum = checksum(block.as_bytes());
    block.as_bytes().to_vec()
}

/// The preferred timing of a block that [`encode`] has made; `None` of any other.
pub(super) fn decode(block: &[u8]) -> Option<Timing> {
    let block = Block::read_from_bytes(block).ok()?;
    let ours = block.tag == TAG && block.timing.tag == TAG_TYPE_I;
    let preferred = block.timing.data.flags & PREFERRED != 0;
    (ours && preferred).then(|| block.timing.data.timing())
}

impl Product {
    fn new(edid: &Edid) -> Self {
        Self {
            manufacturer: edid.manufacturer,
            product: edid.product.into(),
            serial: edid.serial.into(),
            week: 0,
            year: MODEL_YEAR,
            name_length: 0,
        }
    }
}

impl Parameters {
    fn new(size: PhysicalSize, timing: &Timing) -> Self {
        let tenths = |mm: u16| U16::new(mm.min(PhysicalSize::MAX_MM) * 10);
        let pixels = |side: u32| U16::new(u16::try_from(side).unwrap_or(u16::MAX));
        let long = timing.width.max(timing.height);
        let short = timing.width.min(timing.height).max(1);
        Self {
            size: [tenths(size.width_mm), tenths(size.height_mm)],
            pixels: [pixels(timing.width), pixels(timing.height)],
            features: 0,
            gamma: GAMMA,
            aspect: u8::try_from(100 * (long - short) / short).unwrap_or(u8::MAX),
            depth: 0x77,
        }
    }
}

impl TypeI {
    fn new(timing: &Timing) -> Self {
        let [low, middle, high, _] = timing.clock.saturating_sub(1).to_le_bytes();
        Self {
            clock: [low, middle, high],
            flags: PREFERRED | ASPECT_UNDEFINED,
            width: less_one(timing.width),
            h_blank: less_one(timing.h_blank),
            h_front: less_one(timing.h_front) | U16::new(POSITIVE),
            h_sync: less_one(timing.h_sync),
            height: less_one(timing.height),
            v_blank: less_one(timing.v_blank),
            v_front: less_one(timing.v_front),
            v_sync: less_one(timing.v_sync),
        }
    }

    fn timing(&self) -> Timing {
        let [low, middle, high] = self.clock;
        Timing {
            clock: u32::from_le_bytes([low, middle, high, 0]) + 1,
            width: plus_one(self.width),
            h_blank: plus_one(self.h_blank),
            h_front: plus_one(self.h_front & U16::new(!POSITIVE)),
            h_sync: plus_one(self.h_sync),
            height: plus_one(self.height),
            v_blank: plus_one(self.v_blank),
            v_front: plus_one(self.v_front & U16::new(!POSITIVE)),
            v_sync: plus_one(self.v_sync),
        }
    }
}

fn less_one(number: u32) -> U16 {
    u16::try_from(number.saturating_sub(1))
        .unwrap_or(u16::MAX)
        .into()
}

fn plus_one(number: U16) -> u32 {
    u32::from(number.get()) + 1
}
