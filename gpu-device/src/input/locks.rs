//! Keeps the lock keys of guest and host in step.
//!
//! Caps Lock pressed over another window is pressed for the host only. When the guest gets the
//! keyboard again, its light tells that it knows nothing of it: then the key is tapped there. Once
//! for each time that it gets the keyboard: a guest that uses the key for something else would
//! otherwise be at odds with us for ever. A display that shows the guest's lights itself reports no
//! locks of its own, and nothing is tapped.

use protocols::virtio_input::{EV_LED, Event};

use super::{
    Leds,
    codes::{KEY_CAPSLOCK, KEY_NUMLOCK, LED_CAPSL, LED_NUML, LED_SCROLL_LOCK},
};

/// What guest and host have locked.
#[derive(Debug, Default)]
pub(super) struct Locks {
    /// The lights, once the guest has switched any.
    guest: Option<Leds>,
    /// The host's locks, since the guest got the keyboard.
    host: Option<Leds>,
    /// Whether they are still to be compared.
    due: bool,
}

impl Locks {
    /// The guest gets the keyboard.
    pub(super) fn enter(&mut self) {
        self.host = None;
        self.due = true;
    }

    /// The guest loses the keyboard.
    pub(super) fn leave(&mut self) {
        self.host = None;
        self.due = false;
    }

    /// What the host has locked. Returns the keys to tap.
    pub(super) fn host(&mut self, locks: Leds) -> Vec<u16> {
        self.host = Some(locks);
        self.compare()
    }

    /// The guest switches a light. Returns its lights, if they have changed, and the keys to tap.
    pub(super) fn guest(&mut self, event: Event) -> (Option<Leds>, Vec<u16>) {
        let mut leds = self.guest.unwrap_or_default();
        let on = event.value != 0;
        match (event.kind, event.code) {
            (EV_LED, LED_CAPSL) => leds.caps_lock = on,
            (EV_LED, LED_NUML) => leds.num_lock = on,
            (EV_LED, LED_SCROLL_LOCK) => leds.scroll_lock = on,
            _ => return (None, Vec::new()),
        }
        let changed = self.guest.replace(leds) != Some(leds);
        (changed.then_some(leds), self.compare())
    }

    /// The words for the lights that are on.
    pub(super) fn lights(&self) -> Vec<String> {
        let leds = self.guest.unwrap_or_default();
        let lights = [
            ("num", leds.num_lock),
            ("caps", leds.caps_lock),
            ("scroll", leds.scroll_lock),
        ];
        let on = lights.into_iter().filter(|(_, on)| *on);
        on.map(|(word, _)| word.to_owned()).collect()
    }

    /// The guest's lights, where it has switched any.
    pub(super) fn guest_leds(&self) -> Option<Leds> {
        self.guest
    }

    /// The guest's driver is a new one, whose lights nobody knows.
    pub(super) fn forget_guest(&mut self) {
        self.guest = None;
        self.due = self.host.is_some();
    }

    /// Scroll Lock is left alone: in a text console it stops all output, and hosts have no such
    /// lock.
    fn compare(&mut self) -> Vec<u16> {
        let (Some(guest), Some(host), true) = (self.guest, self.host, self.due) else {
            return Vec::new();
        };
        self.due = false;
        let differs = [
            (KEY_CAPSLOCK, guest.caps_lock != host.caps_lock),
            (KEY_NUMLOCK, guest.num_lock != host.num_lock),
        ];
        let keys = differs.into_iter().filter(|(_, differs)| *differs);
        keys.map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::frame::event, *};

    const CAPS: Leds = Leds {
        caps_lock: true,
        num_lock: false,
        scroll_lock: false,
    };

    const NONE: [u16; 0] = [];

    fn light(locks: &mut Locks, code: u16, on: bool) -> Vec<u16> {
        locks.guest(event(EV_LED, code, on.into())).1
    }

    #[test]
    fn a_lock_that_the_guest_missed_is_tapped_once() {
        let mut locks = Locks::default();
        light(&mut locks, LED_NUML, false);
        locks.enter();
        assert_eq!(locks.host(CAPS), [KEY_CAPSLOCK]);
        assert_eq!(locks.host(CAPS), NONE);
        // The guest has another use for the key: its light stays off.
        light(&mut locks, LED_CAPSL, false);
        assert_eq!(locks.host(CAPS), NONE);
        locks.leave();
        locks.enter();
        assert_eq!(locks.host(CAPS), [KEY_CAPSLOCK]);
    }

    #[test]
    fn what_the_user_locks_in_the_guest_is_nobody_s_mistake() {
        let mut locks = Locks::default();
        light(&mut locks, LED_NUML, false);
        locks.enter();
        assert_eq!(locks.host(Leds::default()), NONE);
        assert_eq!(locks.host(CAPS), NONE);
        assert_eq!(light(&mut locks, LED_CAPSL, true), NONE);
    }

    #[test]
    fn a_guest_that_boots_under_the_user_s_hands_catches_up() {
        let mut locks = Locks::default();
        locks.enter();
        assert_eq!(locks.host(CAPS), NONE);
        assert_eq!(light(&mut locks, LED_SCROLL_LOCK, false), [KEY_CAPSLOCK]);
        locks.forget_guest();
        assert_eq!(
            light(&mut locks, LED_NUML, true),
            [KEY_CAPSLOCK, KEY_NUMLOCK]
        );
    }

    #[test]
    fn without_the_host_s_locks_nothing_is_tapped() {
        let mut locks = Locks::default();
        light(&mut locks, LED_CAPSL, true);
        locks.enter();
        assert_eq!(light(&mut locks, LED_NUML, true), NONE);
        assert_eq!(locks.host(CAPS), [KEY_NUMLOCK]);
    }

    #[test]
    fn scroll_lock_is_left_alone() {
        let mut locks = Locks::default();
        light(&mut locks, LED_SCROLL_LOCK, true);
        locks.enter();
        assert_eq!(locks.host(Leds::default()), NONE);
    }

    #[test]
    fn lights_are_told_when_they_change() {
        let mut locks = Locks::default();
        let caps = event(EV_LED, LED_CAPSL, 1);
        assert_eq!(locks.guest(caps).0, Some(CAPS));
        assert_eq!(locks.guest(caps).0, None);
        assert_eq!(locks.guest(event(EV_LED, 9, 1)).0, None);
        assert_eq!(locks.guest(event(0x14, 0, 250)).0, None);
    }
}
