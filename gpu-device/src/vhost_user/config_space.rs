//! The configuration space of a virtio-gpu device and the one event it can carry.
//!
//! Knows the sixteen bytes and when `EVENT_DISPLAY` is up; how the guest is told that something
//! changed is [`super::channel`]'s business, and what changed is the core's.

use protocols::virtio_gpu::{CONFIG_SIZE, Config, EVENT_DISPLAY};

use super::{commands::Unanswered, device_type::DeviceType};
use crate::{gpu, renderer::Capset};

/// The configuration space of one device, for as long as the device lives.
#[derive(Debug)]
pub struct ConfigSpace {
    scanouts: u32,
    capsets: u32,
    /// The feature bits of virtio-gpu itself.
    features: u64,
    window: u64,
    events: u32,
    /// The displays changed and the driver has not asked for their state since.
    stale: bool,
}

impl ConfigSpace {
    /// A space that announces `scanouts` scanouts, 1 to 16, no 3D and no events.
    pub fn new(scanouts: u32) -> Self {
        Self {
            scanouts,
            capsets: 0,
            features: gpu::offered(&[]),
            window: 0,
            events: 0,
            stale: false,
        }
    }

    /// The same, with what a renderer offers that has these capsets.
    #[must_use]
    pub fn with_capsets(self, capsets: &[Capset]) -> Self {
        Self {
            capsets: u32::try_from(capsets.len()).unwrap_or(u32::MAX),
            features: gpu::offered(capsets),
            ..self
        }
    }

    /// The same, with a window of so many bytes for host memory.
    #[must_use]
    pub fn with_window(self, bytes: u64) -> Self {
        Self {
            window: bytes,
            ..self
        }
    }

    /// The displays changed: the driver should ask again.
    pub fn raise_display_event(&mut self) {
        self.events |= EVENT_DISPLAY;
        self.stale = true;
    }

    /// The driver asked for the state of the displays, and got the newest.
    pub fn display_info_was_read(&mut self) {
        self.stale = false;
    }
}

impl DeviceType for ConfigSpace {
    const RINGS: [&'static str; 2] = ["control", "cursor"];

    type Chains = Unanswered;

    fn features(&self) -> u64 {
        self.features
    }

    fn window(&self) -> u64 {
        self.window
    }

    /// It asks for everything by itself.
    fn reset(&mut self) {
        self.events = 0;
        self.stale = false;
    }

    /// Front-ends ask for whatever size they were told to reserve
    /// for the device; bytes beyond the structure read as zero.
    fn read(&self, offset: u32, size: u32) -> Vec<u8> {
        let config = Config {
            events_read: self.events,
            events_clear: 0,
            num_scanouts: self.scanouts,
            num_capsets: self.capsets,
            blob_alignment: None,
        };
        let mut answer = vec![0; usize::try_from(size).unwrap_or(0)];
        config.read(offset, &mut answer);
        answer
    }

    /// Only `events_clear` is writable. The driver is told once more where the event was raised
    /// again: Linux reads the event, asks, and then clears, and a change after its question would be
    /// lost.
    fn write(&mut self, offset: u32, bytes: &[u8]) -> bool {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut written = [0_u8; CONFIG_SIZE];
        for (slot, byte) in written.iter_mut().skip(start).zip(bytes) {
            *slot = *byte;
        }
        let clear = Config::decode(&written).map_or(0, |config| config.events_clear);
        let cleared = self.events & clear;
        self.events &= !cleared;
        let again = cleared & EVENT_DISPLAY != 0 && self.stale;
        if again {
            self.events |= EVENT_DISPLAY;
        }
        again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(config: &ConfigSpace, offset: u32) -> u32 {
        u32::from_le_bytes(config.read(offset, 4).try_into().unwrap())
    }

    #[test]
    fn any_offset_and_size_is_answered() {
        let config = ConfigSpace::new(3);
        assert_eq!(config.read(0, 24).len(), 24);
        assert_eq!(config.read(0, 24).get(16..), Some(&[0; 8][..]));
        assert_eq!(config.read(0x100, 7), [0; 7]);
        assert_eq!(config.read(u32::MAX, 2), [0; 2]);
        assert_eq!(config.read(8, 1), [3]);
        assert_eq!(word(&config, 8), 3);
    }

    #[test]
    fn capsets_are_announced_with_the_features_that_they_need() {
        let flat = ConfigSpace::new(1);
        assert_eq!((flat.features(), word(&flat, 12)), (0b0_1110, 0));
        let capset = Capset {
            id: 2,
            version: 2,
            data: Vec::new(),
        };
        let deep = ConfigSpace::new(1).with_capsets(&[capset.clone(), capset]);
        assert_eq!((deep.features(), word(&deep, 12)), (0b1_1111, 2));
        assert_eq!(word(&deep, 8), 1);
    }

    #[test]
    fn an_event_stays_until_it_is_cleared() {
        let mut config = ConfigSpace::new(1);
        config.raise_display_event();
        assert_eq!(word(&config, 0), EVENT_DISPLAY);
        config.display_info_was_read();
        assert!(!config.write(4, &0_u32.to_le_bytes()));
        assert_eq!(word(&config, 0), EVENT_DISPLAY);
        assert!(!config.write(4, &EVENT_DISPLAY.to_le_bytes()));
        assert_eq!(word(&config, 0), 0);
    }

    #[test]
    fn qemus_write_of_the_whole_space_clears_too() {
        let mut config = ConfigSpace::new(1);
        config.raise_display_event();
        config.display_info_was_read();
        let mut whole = config.read(0, 24);
        whole[4] = 1;
        assert!(!config.write(0, &whole));
        assert_eq!(word(&config, 0), 0);
    }

    #[test]
    fn a_change_between_question_and_clear_is_raised_again() {
        let mut config = ConfigSpace::new(1);
        config.raise_display_event();
        config.display_info_was_read();
        config.raise_display_event();
        assert!(config.write(4, &EVENT_DISPLAY.to_le_bytes()));
        assert_eq!(word(&config, 0), EVENT_DISPLAY);
        config.display_info_was_read();
        assert!(!config.write(4, &EVENT_DISPLAY.to_le_bytes()));
        assert_eq!(word(&config, 0), 0);
    }

    #[test]
    fn writes_elsewhere_change_nothing() {
        let mut config = ConfigSpace::new(2);
        config.raise_display_event();
        assert!(!config.write(8, &[255; 8]));
        assert!(!config.write(u32::MAX, &[255; 64]));
        assert_eq!(word(&config, 0), EVENT_DISPLAY);
        assert_eq!(word(&config, 8), 2);
    }
}
