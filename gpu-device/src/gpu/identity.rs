//! Who a virtual monitor says it is: itself, or the monitor of the host that it fills.

use protocols::edid::{BuildError, Edid, PhysicalSize};

use super::Mode;
use crate::display::Monitor;

/// What desktops take for a monitor without scaling, in dots an inch.
pub(super) const USUAL_DENSITY: u32 = 96;

/// The manufacturer of monitors that don't name theirs.
const OURS: [u8; 3] = *b"LUC";

/// The part of a monitor's description that does not depend on its mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    manufacturer: [u8; 3],
    /// Empty is none.
    name: String,
    serial: Serial,
    size: Option<PhysicalSize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Serial {
    Number(u32),
    Text(String),
    None,
}

impl Identity {
    /// That of the host's monitor.
    pub(super) fn of(monitor: &Monitor) -> Self {
        let name = match monitor.model.trim() {
            "" => monitor.make.trim(),
            model => model,
        };
        Self {
            manufacturer: pnp_id(monitor.make.trim()).unwrap_or(OURS),
            name: name.to_owned(),
            serial: match (monitor.serial.trim(), monitor.serial.trim().parse()) {
                ("", _) | (_, Ok(0)) => Serial::None,
                (_, Ok(number)) => Serial::Number(number),
                (text, Err(_)) => Serial::Text(text.to_owned()),
            },
            size: size(monitor),
        }
    }
}

/// The EDID of a virtual monitor in this mode. `name` is the guest's, for a monitor that has none
/// of the host's; `number` tells those of a guest apart. One whose size is not known has pixels of
/// which there are `dpi` to an inch.
///
/// # Errors
/// The mode can't be described.
pub(super) fn edid(
    identity: Option<&Identity>,
    name: &str,
    number: u32,
    mode: Mode,
    dpi: u32,
) -> Result<Vec<u8>, BuildError> {
    let own_serial = number.saturating_add(1);
    let (serial, serial_text) = match identity.map(|identity| &identity.serial) {
        None | Some(Serial::None) => (own_serial, String::new()),
        Some(Serial::Number(number)) => (*number, String::new()),
        Some(Serial::Text(text)) => (0, text.clone()),
    };
    let its_name = identity.map_or("", |identity| &identity.name);
    let size = identity.and_then(|identity| identity.size);
    Edid {
        manufacturer: identity.map_or(OURS, |identity| identity.manufacturer),
        product: 1,
        serial,
        serial_text,
        name: if its_name.is_empty() { name } else { its_name }.to_owned(),
        size: size.unwrap_or(PhysicalSize::at_dpi(mode.width, mode.height, dpi)),
        preferred: protocols::edid::Mode {
            width: mode.width,
            height: mode.height,
            millihertz: mode.millihertz,
        },
    }
    .encode()
}

fn pnp_id(make: &str) -> Option<[u8; 3]> {
    let letters: [u8; 3] = make.as_bytes().try_into().ok()?;
    letters
        .iter()
        .all(u8::is_ascii_uppercase)
        .then_some(letters)
}

/// Projectors and broken monitors have none.
fn size(monitor: &Monitor) -> Option<PhysicalSize> {
    let millimetres = |side: u32| {
        let side = u16::try_from(side).ok()?;
        (1..=PhysicalSize::MAX_MM).contains(&side).then_some(side)
    };
    Some(PhysicalSize {
        width_mm: millimetres(monitor.width_mm)?,
        height_mm: millimetres(monitor.height_mm)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODE: Mode = Mode {
        width: 1920,
        height: 1080,
        millihertz: 60_000,
    };

    fn dell() -> Monitor {
        Monitor {
            make: "DEL".to_owned(),
            model: "DELL U2720Q".to_owned(),
            serial: "CN0A1B2C3".to_owned(),
            width_mm: 597,
            height_mm: 336,
            ..Monitor::default()
        }
    }

    fn described(monitor: &Monitor) -> Edid {
        let identity = Identity::of(monitor);
        Edid::decode(&edid(Some(&identity), "guest", 1, MODE, 96).unwrap()).unwrap()
    }

    #[test]
    fn a_filled_monitor_is_described_as_it_is() {
        let edid = described(&dell());
        assert_eq!(edid.manufacturer, *b"DEL");
        assert_eq!(edid.name, "DELL U2720Q");
        assert_eq!((edid.serial, edid.serial_text.as_str()), (0, "CN0A1B2C3"));
        assert_eq!((edid.size.width_mm, edid.size.height_mm), (597, 336));
    }

    #[test]
    fn a_serial_number_that_is_a_number_is_one() {
        let edid = described(&Monitor {
            serial: "16909060".to_owned(),
            ..dell()
        });
        assert_eq!((edid.serial, edid.serial_text.as_str()), (0x0102_0304, ""));
    }

    #[test]
    fn a_monitor_that_says_nothing_has_an_identity_of_the_guests() {
        let edid = described(&Monitor::default());
        assert_eq!(edid.manufacturer, OURS);
        assert_eq!((edid.name.as_str(), edid.serial), ("guest", 2));
        assert_eq!(edid.size, PhysicalSize::at_dpi(1920, 1080, 96));
    }

    #[test]
    fn makes_that_are_no_pnp_id_become_names() {
        for make in ["Lucarne", "del", "DÉL", "D L", ""] {
            assert_eq!(pnp_id(make), None, "{make}");
        }
        let monitor = Monitor {
            make: "Lucarne".to_owned(),
            ..Monitor::default()
        };
        assert_eq!(described(&monitor).name, "Lucarne");
    }

    #[test]
    fn impossible_sizes_are_not_passed_on() {
        for (width_mm, height_mm) in [(0, 336), (597, 0), (u32::MAX, 336), (2551, 336)] {
            let monitor = Monitor {
                width_mm,
                height_mm,
                ..dell()
            };
            assert_eq!(size(&monitor), None);
        }
    }
}
