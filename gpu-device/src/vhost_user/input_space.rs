//! The configuration space of a virtio-input device: it answers the question that its driver has
//! selected.

use protocols::virtio_input::{Selection, config_space};

use super::device_type::DeviceType;
use crate::input::Description;

/// The configuration space of one device, for one connection.
#[derive(Debug)]
pub struct InputSpace {
    device: Description,
    selection: Selection,
}

impl InputSpace {
    /// A space that describes this device.
    pub fn new(device: Description) -> Self {
        Self {
            device,
            selection: Selection::default(),
        }
    }
}

impl DeviceType for InputSpace {
    const RINGS: [&'static str; 2] = ["event", "status"];

    /// A chain is taken out when there is an event for it, and status is done with at once.
    type Chains = ();

    /// virtio-input has none.
    fn features(&self) -> u64 {
        0
    }

    fn window(&self) -> u64 {
        0
    }

    /// Bytes beyond the structure read as zero.
    fn read(&self, offset: u32, size: u32) -> Vec<u8> {
        let space = config_space(self.selection, &self.device.answer(self.selection));
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut answer = vec![0; usize::try_from(size).unwrap_or(0)];
        for (to, from) in answer.iter_mut().zip(space.iter().skip(start)) {
            *to = *from;
        }
        answer
    }

    /// The driver waits for the answer by itself.
    fn write(&mut self, offset: u32, bytes: &[u8]) -> bool {
        self.selection.write(offset, bytes);
        false
    }

    fn reset(&mut self) {
        self.selection = Selection::default();
    }
}

#[cfg(test)]
mod tests {
    use protocols::virtio_input::{CONFIG_SIZE, ConfigSelect, config_payload};

    use super::*;
    use crate::input::InputKind;

    const SIZE: u32 = 136;

    fn space() -> InputSpace {
        InputSpace::new(Description::of(InputKind::Mouse))
    }

    fn answer(space: &InputSpace) -> Vec<u8> {
        let bytes: [u8; CONFIG_SIZE] = space.read(0, SIZE).try_into().unwrap();
        config_payload(&bytes).to_vec()
    }

    #[test]
    fn a_question_is_asked_byte_by_byte_or_in_one_write() {
        let mut by_byte = space();
        assert!(!by_byte.write(0, &[ConfigSelect::EvBits.into()]));
        assert!(!by_byte.write(1, &[2]));
        assert_eq!(answer(&by_byte).len(), 2);
        // QEMU hands on the whole space at each write.
        let mut whole = space();
        let mut bytes = whole.read(0, SIZE);
        bytes[0] = ConfigSelect::EvBits.into();
        whole.write(0, &bytes);
        bytes[1] = 2;
        whole.write(0, &bytes);
        assert_eq!(whole.read(0, SIZE), by_byte.read(0, SIZE));
    }

    #[test]
    fn any_offset_and_size_is_answered() {
        let mut space = space();
        space.write(0, &[ConfigSelect::IdName.into()]);
        assert_eq!(space.read(2, 1), [13]);
        assert_eq!(space.read(8, 7), *b"Lucarne");
        assert_eq!(space.read(130, 256).len(), 256);
        assert_eq!(space.read(u32::MAX, 2), [0, 0]);
        assert!(!space.write(u32::MAX, &[1; 300]));
    }

    #[test]
    fn a_new_driver_finds_nothing_selected() {
        let mut space = space();
        space.write(0, &[ConfigSelect::IdName.into()]);
        space.reset();
        assert!(answer(&space).is_empty());
        assert_eq!(space.read(0, 2), [0, 0]);
    }
}
