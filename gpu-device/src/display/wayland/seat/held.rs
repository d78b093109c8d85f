//! What is pressed, by the seats that press it.
//!
//! Pure. Several seats are one pair of hands to the guest: what two of them press is pressed until
//! both have let go.

use super::SeatId;

/// How many keys or buttons can be pressed at once. Nobody has so many fingers; a host that claims
/// more is not believed.
pub(super) const MAX_HELD: usize = 64;

/// No code of evdev is greater: `KEY_MAX`.
const MAX_CODE: u32 = 0x2ff;

/// A key or a button as evdev numbers it; `None` for what is none.
pub(super) fn code(number: u32) -> Option<u16> {
    let number = Some(number).filter(|number| (1..=MAX_CODE).contains(number))?;
    u16::try_from(number).ok()
}

/// Pressed keys or buttons, the one that was pressed last at the end.
#[derive(Debug, Default)]
pub(super) struct Held(Vec<(SeatId, u16)>);

impl Held {
    /// A seat presses something. Whether that is news to the guest.
    pub(super) fn press(&mut self, seat: SeatId, code: u16) -> bool {
        if self.0.contains(&(seat, code)) || self.0.len() >= MAX_HELD {
            return false;
        }
        let is_news = !self.is_held(code);
        self.0.push((seat, code));
        is_news
    }

    /// A seat lets go of something. Whether that is news to the guest.
    pub(super) fn release(&mut self, seat: SeatId, code: u16) -> bool {
        let Some(index) = self.0.iter().position(|held| *held == (seat, code)) else {
            return false;
        };
        self.0.remove(index);
        !self.is_held(code)
    }

    /// A seat lets go of everything. What nobody holds any more, last pressed first: a chord comes
    /// apart as hands take it apart, modifiers at the end.
    pub(super) fn let_go(&mut self, seat: SeatId) -> Vec<u16> {
        let mut gone = Vec::new();
        self.0.retain(|(holder, code)| {
            let keep = *holder != seat;
            if !keep {
                gone.push(*code);
            }
            keep
        });
        gone.retain(|code| !self.is_held(*code));
        gone.reverse();
        gone
    }

    /// Nothing is held any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn is_held(&self, code: u16) -> bool {
        self.0.iter().any(|(_, held)| *held == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: SeatId = SeatId(1);
    const OTHER: SeatId = SeatId(2);

    #[test]
    fn codes_are_those_of_evdev() {
        assert_eq!(code(0), None);
        assert_eq!(code(1), Some(1));
        assert_eq!(code(0x2ff), Some(0x2ff));
        assert_eq!(code(0x300), None);
        assert_eq!(code(u32::MAX), None);
    }

    #[test]
    fn what_two_seats_press_is_pressed_until_both_let_go() {
        let mut held = Held::default();
        assert!(held.press(ONE, 30));
        assert!(!held.press(OTHER, 30));
        assert!(!held.release(ONE, 30));
        assert!(held.release(OTHER, 30));
    }

    #[test]
    fn what_is_pressed_twice_or_never_is_no_news() {
        let mut held = Held::default();
        assert!(!held.release(ONE, 30));
        assert!(held.press(ONE, 30));
        assert!(!held.press(ONE, 30));
        assert!(held.release(ONE, 30));
        assert!(!held.release(ONE, 30));
    }

    #[test]
    fn a_seat_that_goes_lets_go_of_what_it_alone_held_last_first() {
        let mut held = Held::default();
        for code in [29, 56, 44] {
            held.press(ONE, code);
        }
        held.press(OTHER, 56);
        assert_eq!(held.let_go(ONE), [44, 29]);
        assert_eq!(held.let_go(OTHER), [56]);
        assert!(held.let_go(OTHER).is_empty());
    }

    #[test]
    fn no_more_is_held_than_hands_can() {
        let mut held = Held::default();
        let pressed = (1..=500).filter(|code| held.press(ONE, *code)).count();
        assert_eq!(pressed, MAX_HELD);
        assert_eq!(held.let_go(ONE).len(), MAX_HELD);
    }
}
