//! The guest's keyboard: which keys it takes for pressed.

use std::collections::BTreeSet;

use super::{Frame, codes::is_key, frame::key};

/// The keys that the guest takes for pressed.
#[derive(Debug, Default)]
pub(super) struct Keyboard {
    pressed: BTreeSet<u16>,
}

impl Keyboard {
    /// A key goes down, or up. `None` where that changes nothing, or the guest's keyboard has no
    /// such key.
    pub(super) fn key(&mut self, code: u16, pressed: bool) -> Option<Frame> {
        let changed = match pressed {
            true => is_key(code) && self.pressed.insert(code),
            false => self.pressed.remove(&code),
        };
        changed.then(|| Frame::new(vec![key(code, pressed)]))?
    }

    pub(super) fn is_pressed(&self, code: u16) -> bool {
        self.pressed.contains(&code)
    }

    /// Everything goes up: what is pressed, and what else may be.
    pub(super) fn let_go(&mut self, may_be: &BTreeSet<u16>) -> Option<Frame> {
        let pressed = std::mem::take(&mut self.pressed);
        Frame::new(
            pressed
                .union(may_be)
                .map(|code| key(*code, false))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use protocols::virtio_input::Event;

    use super::{super::codes::BTN_LEFT, *};

    #[test]
    fn a_key_is_a_frame_of_its_own() {
        let mut keyboard = Keyboard::default();
        let down = keyboard.key(30, true).unwrap();
        assert_eq!(down.events(), [key(30, true), Event::SYN]);
        assert_eq!(keyboard.key(30, true), None);
        assert!(keyboard.key(30, false).is_some());
        assert_eq!(keyboard.key(30, false), None);
    }

    #[test]
    fn what_is_no_key_is_not_pressed() {
        let mut keyboard = Keyboard::default();
        for code in [0, BTN_LEFT, 0x220, 0x2ff, 0x300, u16::MAX] {
            assert_eq!(keyboard.key(code, true), None, "{code:#x}");
        }
        assert!(keyboard.key(0x160, true).is_some());
    }

    #[test]
    fn everything_goes_up_at_once() {
        let mut keyboard = Keyboard::default();
        keyboard.key(29, true);
        keyboard.key(56, true);
        let up = keyboard.let_go(&BTreeSet::from([30, 56])).unwrap();
        let wanted = [key(29, false), key(30, false), key(56, false), Event::SYN];
        assert_eq!(up.events(), wanted);
        assert_eq!(keyboard.let_go(&BTreeSet::new()), None);
    }
}
