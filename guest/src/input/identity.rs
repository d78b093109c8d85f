//! What an input device says of itself, asked in the order of Linux's `virtio_input.c`.

use std::collections::{BTreeMap, BTreeSet};

use protocols::virtio_input::{
    AbsInfo, Bitmap, ConfigSelect, DeviceIds, EV_ABS, EV_KEY, EV_LED, EV_MSC, EV_REL, EV_REP,
    EV_SND, EV_SW,
};

use crate::frontend::{Frontend, FrontendError};

/// Offsets in the configuration space.
const SELECT: usize = 0;
const SUBSEL: usize = 1;
const SIZE: usize = 2;
const PAYLOAD: usize = 8;

/// The highest code that a bitmap can hold, and one more.
const CODES: u16 = 1024;

/// What an input device says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// Its serial number; empty if it has none.
    pub serial: String,
    /// Its numbers.
    pub ids: DeviceIds,
    /// `INPUT_PROP_*`.
    pub properties: BTreeSet<u16>,
    /// Whether the guest is to repeat keys that are held.
    pub repeats: bool,
    /// The codes that it may send or take, by the type of the event (`EV_*`).
    pub codes: BTreeMap<u16, BTreeSet<u16>>,
    /// The ranges of its absolute axes.
    pub axes: BTreeMap<u16, AbsInfo>,
}

impl Identity {
    /// Asks a device.
    ///
    /// # Errors
    /// It does not answer.
    pub(super) fn read(frontend: &mut Frontend) -> Result<Self, FrontendError> {
        let mut identity = Self {
            name: text(&ask(frontend, ConfigSelect::IdName, 0)?),
            serial: text(&ask(frontend, ConfigSelect::IdSerial, 0)?),
            ids: DeviceIds::decode(&ask(frontend, ConfigSelect::IdDevids, 0)?).unwrap_or_default(),
            properties: codes(&ask(frontend, ConfigSelect::PropBits, 0)?),
            repeats: !ask_codes(frontend, EV_REP)?.is_empty(),
            ..Self::default()
        };
        for kind in [EV_KEY, EV_REL, EV_ABS, EV_MSC, EV_SW, EV_LED, EV_SND] {
            let bytes = ask_codes(frontend, kind)?;
            if !bytes.is_empty() {
                identity.codes.insert(kind, codes(&bytes));
            }
        }
        for axis in identity.codes.get(&EV_ABS).into_iter().flatten() {
            let axis_number = u8::try_from(*axis).unwrap_or(u8::MAX);
            let answer = ask(frontend, ConfigSelect::AbsInfo, axis_number)?;
            identity
                .axes
                .insert(*axis, AbsInfo::decode(&answer).unwrap_or_default());
        }
        Ok(identity)
    }

    /// Whether it may send or take `code` in events of the type `kind` (`EV_*`).
    #[must_use]
    pub fn has(&self, kind: u16, code: u16) -> bool {
        self.codes
            .get(&kind)
            .is_some_and(|codes| codes.contains(&code))
    }
}

fn ask_codes(frontend: &mut Frontend, kind: u16) -> Result<Vec<u8>, FrontendError> {
    let kind = u8::try_from(kind).unwrap_or(u8::MAX);
    ask(frontend, ConfigSelect::EvBits, kind)
}

/// Writes the two bytes one by one, and reads the answer's size and then its bytes one by one.
fn ask(
    frontend: &mut Frontend,
    select: ConfigSelect,
    subsel: u8,
) -> Result<Vec<u8>, FrontendError> {
    frontend.write_config_bytes(SELECT, &[select.into()])?;
    frontend.write_config_bytes(SUBSEL, &[subsel])?;
    let size = frontend.read_config_bytes(SIZE, 1)?;
    let mut bytes = Vec::new();
    for at in 0..size.first().copied().map_or(0, usize::from) {
        bytes.extend(frontend.read_config_bytes(PAYLOAD + at, 1)?);
    }
    Ok(bytes)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn codes(bytes: &[u8]) -> BTreeSet<u16> {
    let bitmap = Bitmap::from_bytes(bytes);
    (0..CODES).filter(|code| bitmap.contains(*code)).collect()
}
