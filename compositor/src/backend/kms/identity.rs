//! Who a monitor says it is: the part of its EDID that people know it by.
//!
//! Monitors lie, and cables cut their EDIDs off. Nothing here fails: what can't be read is empty.

/// The number of bytes of EDID's base block.
const BASE_BLOCK: usize = 128;

/// Where the four descriptors of 18 bytes are.
const DESCRIPTORS: [usize; 4] = [54, 72, 90, 108];

/// A descriptor that holds the serial number as text.
const SERIAL: u8 = 0xff;

/// A descriptor that holds the name of the model.
const NAME: u8 = 0xfc;

/// A monitor's names; each can be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Three letters, as `DEL` for Dell.
    pub make: String,
    /// The model's name, or its number in hexadecimal.
    pub model: String,
    /// The serial number: the text that is printed on it, or else the number.
    pub serial: String,
}

impl Identity {
    /// Reads an EDID.
    #[must_use]
    pub fn of(edid: &[u8]) -> Self {
        let Some(block) = edid.get(..BASE_BLOCK) else {
            return Self::default();
        };
        let number = |at: usize, bytes: usize| {
            let bytes = &block[at..at + bytes];
            bytes
                .iter()
                .rev()
                .fold(0u32, |number, byte| number << 8 | u32::from(*byte))
        };
        let serial = number(12, 4);
        let text = |kind| DESCRIPTORS.iter().find_map(|at| text(&block[*at..], kind));
        Self {
            make: make(block[8], block[9]),
            model: text(NAME).unwrap_or_else(|| format!("0x{:04X}", number(10, 2))),
            serial: text(SERIAL).unwrap_or_else(|| match serial {
                0 => String::new(),
                serial => serial.to_string(),
            }),
        }
    }
}

/// Three letters of five bits.
fn make(high: u8, low: u8) -> String {
    let packed = u16::from_be_bytes([high, low]);
    [10, 5, 0]
        .into_iter()
        .filter_map(|shift| {
            let letter = u8::try_from(packed >> shift & 0x1f).unwrap_or_default();
            (1..=26)
                .contains(&letter)
                .then(|| char::from(b'A' + letter - 1))
        })
        .collect()
}

/// The text of a descriptor of this kind.
fn text(descriptor: &[u8], kind: u8) -> Option<String> {
    let [0, 0, 0, found, _, text @ ..] = descriptor.get(..18)? else {
        return None;
    };
    if *found != kind {
        return None;
    }
    let end = text.iter().position(|byte| *byte == b'\n');
    let text: String = text[..end.unwrap_or(text.len())]
        .iter()
        .filter(|byte| (0x20..0x7f).contains(*byte))
        .map(|byte| char::from(*byte))
        .collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edid() -> Vec<u8> {
        let mut edid = vec![0; BASE_BLOCK];
        // "DEL", model 0x40f1, serial number 0x01020304.
        edid[8..10].copy_from_slice(&[0x10, 0xac]);
        edid[10..12].copy_from_slice(&[0xf1, 0x40]);
        edid[12..16].copy_from_slice(&[4, 3, 2, 1]);
        edid
    }

    fn describe(edid: &mut [u8], at: usize, kind: u8, text: &[u8]) {
        edid[at..at + 5].copy_from_slice(&[0, 0, 0, kind, 0]);
        edid[at + 5..at + 5 + text.len()].copy_from_slice(text);
    }

    #[test]
    fn a_monitor_is_known_by_its_texts() {
        let mut edid = edid();
        describe(&mut edid, 72, SERIAL, b"ABC123\n      ");
        describe(&mut edid, 108, NAME, b"DELL U2720QXX");
        let identity = Identity::of(&edid);
        assert_eq!(identity.make, "DEL");
        assert_eq!(identity.model, "DELL U2720QXX");
        assert_eq!(identity.serial, "ABC123");
    }

    #[test]
    fn numbers_stand_in_for_missing_texts() {
        let identity = Identity::of(&edid());
        assert_eq!(identity.model, "0x40F1");
        assert_eq!(identity.serial, "16909060");
    }

    #[test]
    fn rubbish_is_nobody() {
        assert_eq!(Identity::of(&[]), Identity::default());
        assert_eq!(Identity::of(&[0xff; 100]), Identity::default());
        assert_eq!(Identity::of(&[0xff; 128]).make, "");
        let mut edid = edid();
        describe(&mut edid, 54, NAME, &[0xff; 13]);
        assert_eq!(Identity::of(&edid).model, "0x40F1");
    }
}
