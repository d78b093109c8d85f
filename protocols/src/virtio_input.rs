//! virtio-input: events, and the configuration space in which a guest asks what a device can do.
//!
//! Owns the bytes, as `virtio_input.h` of Linux and the VIRTIO text (`device-types/input`) lay them
//! down. Which keys and axes a device has is decided elsewhere.
//!
//! A guest writes a [`Selection`] into the first two bytes of the configuration space and reads the
//! [`Answer`] to it from the rest:
//!
//! ```
//! use protocols::virtio_input::{Answer, ConfigSelect, Selection, config_space};
//!
//! let mut selection = Selection::default();
//! selection.write(0, &[ConfigSelect::IdName.into()]);
//! let answer = match selection.kind() {
//!     Some(ConfigSelect::IdName) => Answer::Text("Lucarne keyboard"),
//!     _ => Answer::Unsupported,
//! };
//! let space = config_space(selection, &answer);
//! assert_eq!(&space[8..24], b"Lucarne keyboard");
//! ```

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{I32, U16},
};

#[cfg(test)]
mod tests;

/// The virtio device id of an input device.
pub const DEVICE_ID: u32 = 18;

/// The index of the queue that events go through, to the guest.
pub const EVENT_QUEUE: u16 = 0;

/// The index of the queue that LEDs and such come through, from the guest.
pub const STATUS_QUEUE: u16 = 1;

/// The size of an event in bytes.
pub const EVENT_SIZE: usize = size_of::<WireEvent>();

/// The size of the configuration space in bytes.
pub const CONFIG_SIZE: usize = size_of::<WireConfig>();

/// The largest answer in bytes.
pub const PAYLOAD_SIZE: usize = 128;

/// Event type: the end of a frame, with code [`SYN_REPORT`].
pub const EV_SYN: u16 = 0x00;
/// Event type: keys and buttons.
pub const EV_KEY: u16 = 0x01;
/// Event type: relative axes.
pub const EV_REL: u16 = 0x02;
/// Event type: absolute axes.
pub const EV_ABS: u16 = 0x03;
/// Event type: scan codes and timestamps.
pub const EV_MSC: u16 = 0x04;
/// Event type: switches.
pub const EV_SW: u16 = 0x05;
/// Event type: lights.
pub const EV_LED: u16 = 0x11;
/// Event type: sounds.
pub const EV_SND: u16 = 0x12;
/// Event type: the guest repeats keys itself.
pub const EV_REP: u16 = 0x14;

/// Code of [`EV_SYN`]: these events happened together.
pub const SYN_REPORT: u16 = 0;

/// One event, as evdev knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Event {
    /// `EV_*`; evdev calls it type.
    pub kind: u16,
    /// `KEY_*`, `REL_*`, ...
    pub code: u16,
    /// 1 and 0 for pressed and released, a distance or a position.
    pub value: i32,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct WireEvent {
    kind: U16,
    code: U16,
    value: I32,
}

impl Event {
    /// The end of a frame.
    pub const SYN: Self = Self {
        kind: EV_SYN,
        code: SYN_REPORT,
        value: 0,
    };

    /// The event's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; EVENT_SIZE] {
        let wire = WireEvent {
            kind: self.kind.into(),
            code: self.code.into(),
            value: self.value.into(),
        };
        zerocopy::transmute!(wire)
    }

    /// Reads an event off the front of `bytes`; `None` if there are fewer than [`EVENT_SIZE`].
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (wire, _) = WireEvent::read_from_prefix(bytes).ok()?;
        Some(Self {
            kind: wire.kind.get(),
            code: wire.code.get(),
            value: wire.value.get(),
        })
    }
}

/// What a guest can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ConfigSelect {
    /// The name: [`Answer::Text`].
    IdName = 0x01,
    /// The serial number: [`Answer::Text`].
    IdSerial = 0x02,
    /// The numbers: [`Answer::Ids`].
    IdDevids = 0x03,
    /// `INPUT_PROP_*`: [`Answer::Bits`].
    PropBits = 0x10,
    /// The codes of one event type, which `subsel` names: [`Answer::Bits`].
    EvBits = 0x11,
    /// The range of one absolute axis, which `subsel` names: [`Answer::Abs`].
    AbsInfo = 0x12,
}

impl From<ConfigSelect> for u8 {
    fn from(select: ConfigSelect) -> Self {
        // A fieldless enum with a `u8` representation: the cast is its number.
        select as Self
    }
}

/// The two bytes that say what the rest of the configuration space shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Selection {
    /// A [`ConfigSelect`]'s number, or any other.
    pub select: u8,
    /// An event type or axis, or 0.
    pub subsel: u8,
}

impl Selection {
    /// Takes a guest's write of `bytes` at `offset`. Linux writes one byte at a time, QEMU hands on
    /// the whole space at each write; what lies beyond the two bytes is read-only and ignored.
    pub fn write(&mut self, offset: u32, bytes: &[u8]) {
        for (at, byte) in (u64::from(offset)..).zip(bytes) {
            match at {
                0 => self.select = *byte,
                1 => self.subsel = *byte,
                _ => break,
            }
        }
    }

    /// What is asked for; `None` if that is nothing known, to be answered with
    /// [`Answer::Unsupported`].
    #[must_use]
    pub fn kind(self) -> Option<ConfigSelect> {
        use ConfigSelect as Select;
        [
            Select::IdName,
            Select::IdSerial,
            Select::IdDevids,
            Select::PropBits,
            Select::EvBits,
            Select::AbsInfo,
        ]
        .into_iter()
        .find(|select| u8::from(*select) == self.select)
    }
}

/// The numbers that a device is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct DeviceIds {
    /// `BUS_*`; virtual is 6.
    pub bustype: u16,
    /// The vendor.
    pub vendor: u16,
    /// The product.
    pub product: u16,
    /// The version.
    pub version: u16,
}

/// The range of an absolute axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AbsInfo {
    /// The lowest value.
    pub min: i32,
    /// The highest value.
    pub max: i32,
    /// Changes up to this are noise.
    pub fuzz: i32,
    /// Values up to this are the middle.
    pub flat: i32,
    /// Units a millimetre, or a radian.
    pub res: i32,
}

/// A set of codes, each below 1024.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bitmap([u8; PAYLOAD_SIZE]);

impl Default for Bitmap {
    fn default() -> Self {
        Self([0; PAYLOAD_SIZE])
    }
}

impl Bitmap {
    /// Adds a code. One that can't be expressed is left out; evdev has none above 767.
    pub fn insert(&mut self, code: u16) {
        if let Some(byte) = self.0.get_mut(usize::from(code / 8)) {
            *byte |= 1 << (code % 8);
        }
    }

    /// Whether a code is in it.
    #[must_use]
    pub fn contains(&self, code: u16) -> bool {
        self.0
            .get(usize::from(code / 8))
            .is_some_and(|byte| byte & 1 << (code % 8) != 0)
    }

    /// Whether no code is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// The bytes up to the last one that is not zero.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let end = self
            .0
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        self.0.get(..end).unwrap_or_default()
    }

    /// Reads a bitmap as a guest does; bytes beyond [`PAYLOAD_SIZE`] are ignored.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut bitmap = Self::default();
        for (to, from) in bitmap.0.iter_mut().zip(bytes) {
            *to = *from;
        }
        bitmap
    }
}

impl FromIterator<u16> for Bitmap {
    fn from_iter<I: IntoIterator<Item = u16>>(codes: I) -> Self {
        let mut bitmap = Self::default();
        for code in codes {
            bitmap.insert(code);
        }
        bitmap
    }
}

/// The answer to a [`Selection`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The device has no such thing; must be the answer to everything unknown.
    Unsupported,
    /// A text, without a NUL; cut to [`PAYLOAD_SIZE`] bytes.
    Text(&'a str),
    /// Numbers.
    Ids(DeviceIds),
    /// A set of codes; an empty one reads as unsupported.
    Bits(&'a Bitmap),
    /// A range.
    Abs(AbsInfo),
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct WireConfig {
    select: u8,
    subsel: u8,
    size: u8,
    reserved: [u8; 5],
    payload: [u8; PAYLOAD_SIZE],
}

/// The whole configuration space while `selection` is selected.
#[must_use]
pub fn config_space(selection: Selection, answer: &Answer<'_>) -> [u8; CONFIG_SIZE] {
    let mut wire = WireConfig {
        select: selection.select,
        subsel: selection.subsel,
        size: 0,
        reserved: [0; 5],
        payload: [0; PAYLOAD_SIZE],
    };
    let ids;
    let abs;
    let bytes: &[u8] = match answer {
        Answer::Unsupported => &[],
        Answer::Text(text) => text.as_bytes(),
        Answer::Ids(DeviceIds {
            bustype,
            vendor,
            product,
            version,
        }) => {
            ids = [*bustype, *vendor, *product, *version].map(U16::new);
            ids.as_bytes()
        }
        Answer::Bits(bitmap) => bitmap.bytes(),
        Answer::Abs(AbsInfo {
            min,
            max,
            fuzz,
            flat,
            res,
        }) => {
            abs = [*min, *max, *fuzz, *flat, *res].map(I32::new);
            abs.as_bytes()
        }
    };
    for (to, from) in wire.payload.iter_mut().zip(bytes) {
        *to = *from;
        wire.size += 1;
    }
    zerocopy::transmute!(wire)
}

/// The part of a configuration space that is the answer, as a guest reads it; empty if what was
/// selected is unsupported, or if the size is a lie.
#[must_use]
pub fn config_payload(space: &[u8; CONFIG_SIZE]) -> &[u8] {
    let [_, _, size, ..] = *space;
    let start = CONFIG_SIZE - PAYLOAD_SIZE;
    space
        .get(start..start + usize::from(size))
        .unwrap_or_default()
}

impl DeviceIds {
    /// Reads numbers as a guest does; `None` if bytes are missing.
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let ([bustype, vendor, product, version], _) =
            <[U16; 4]>::read_from_prefix(payload).ok()?;
        Some(Self {
            bustype: bustype.get(),
            vendor: vendor.get(),
            product: product.get(),
            version: version.get(),
        })
    }
}

impl AbsInfo {
    /// Reads a range as a guest does; `None` if bytes are missing.
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let ([min, max, fuzz, flat, res], _) = <[I32; 5]>::read_from_prefix(payload).ok()?;
        Some(Self {
            min: min.get(),
            max: max.get(),
            fuzz: fuzz.get(),
            flat: flat.get(),
            res: res.get(),
        })
    }
}
