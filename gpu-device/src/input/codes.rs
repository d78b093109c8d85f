//! The codes of evdev that this room speaks of, from `input-event-codes.h` of Linux.

use std::ops::RangeInclusive;

/// Relative axis: to the right.
pub(super) const REL_X: u16 = 0x00;
/// Relative axis: down.
pub(super) const REL_Y: u16 = 0x01;
/// A horizontal wheel, in notches to the right.
pub(super) const REL_HWHEEL: u16 = 0x06;
/// A wheel, in notches away from the user.
pub(super) const REL_WHEEL: u16 = 0x08;
/// The wheel in 1/120 of a notch.
pub(super) const REL_WHEEL_HI_RES: u16 = 0x0b;
/// The horizontal wheel in 1/120 of a notch.
pub(super) const REL_HWHEEL_HI_RES: u16 = 0x0c;

/// Absolute axis: from the left.
pub(super) const ABS_X: u16 = 0x00;
/// Absolute axis: from the top.
pub(super) const ABS_Y: u16 = 0x01;
/// How hard a pen is pressed.
pub(super) const ABS_PRESSURE: u16 = 0x18;
/// How far a pen is from the surface.
pub(super) const ABS_DISTANCE: u16 = 0x19;
/// How far a pen leans to the right.
pub(super) const ABS_TILT_X: u16 = 0x1a;
/// How far a pen leans towards the user.
pub(super) const ABS_TILT_Y: u16 = 0x1b;
/// Which finger the following events are about.
pub(super) const ABS_MT_SLOT: u16 = 0x2f;
/// A finger's place.
pub(super) const ABS_MT_POSITION_X: u16 = 0x35;
/// A finger's place.
pub(super) const ABS_MT_POSITION_Y: u16 = 0x36;
/// What touches: a finger or a palm.
pub(super) const ABS_MT_TOOL_TYPE: u16 = 0x37;
/// A number for each touch; [`NO_TOUCH`] ends it.
pub(super) const ABS_MT_TRACKING_ID: u16 = 0x39;

/// [`ABS_MT_TRACKING_ID`] of a finger that is up.
pub(super) const NO_TOUCH: i32 = -1;
/// [`ABS_MT_TOOL_TYPE`] of a finger.
pub(super) const MT_TOOL_FINGER: i32 = 0;
/// [`ABS_MT_TOOL_TYPE`] of what does not count.
pub(super) const MT_TOOL_PALM: i32 = 2;

/// The buttons of a mouse, `BTN_LEFT` to `BTN_TASK`.
pub(super) const MOUSE_BUTTONS: RangeInclusive<u16> = 0x110..=0x117;
/// `BTN_LEFT`.
#[cfg(test)]
pub(super) const BTN_LEFT: u16 = 0x110;

/// A pen's tip.
pub(super) const BTN_TOOL_PEN: u16 = 0x140;
/// A pen's other end.
pub(super) const BTN_TOOL_RUBBER: u16 = 0x141;
/// A brush.
pub(super) const BTN_TOOL_BRUSH: u16 = 0x142;
/// A pencil.
pub(super) const BTN_TOOL_PENCIL: u16 = 0x143;
/// An airbrush.
pub(super) const BTN_TOOL_AIRBRUSH: u16 = 0x144;
/// Something touches the surface.
pub(super) const BTN_TOUCH: u16 = 0x14a;
/// A pen's buttons: the third, the first, the second.
pub(super) const PEN_BUTTONS: [u16; 3] = [0x149, 0x14b, 0x14c];

/// The key that locks capital letters.
pub(super) const KEY_CAPSLOCK: u16 = 58;
/// The key that locks the keypad's numbers.
pub(super) const KEY_NUMLOCK: u16 = 69;

/// A keyboard's light: numbers.
pub(super) const LED_NUML: u16 = 0;
/// A keyboard's light: capital letters.
pub(super) const LED_CAPSL: u16 = 1;
/// A keyboard's light: output is stopped.
pub(super) const LED_SCROLL_LOCK: u16 = 2;

/// How a guest repeats keys: delay, period.
pub(super) const REPEATS: [u16; 2] = [0, 1];

/// The device is a screen.
pub(super) const INPUT_PROP_DIRECT: u16 = 0x01;
/// The device needs a pointer on the screen.
pub(super) const INPUT_PROP_POINTER: u16 = 0x00;

/// Whether a code is a key of a keyboard. The buttons of pointers, pens and game pads are not: with
/// one of them a keyboard would be taken for something else.
pub(super) fn is_key(code: u16) -> bool {
    /// `BTN_MISC` to `BTN_GEAR_UP`, `BTN_DPAD_*`, `BTN_TRIGGER_HAPPY*`, with the gaps behind them.
    const BUTTONS: [RangeInclusive<u16>; 3] = [0x100..=0x15f, 0x220..=0x22f, 0x2c0..=0x2ff];
    (1..=0x2ff).contains(&code) && !BUTTONS.iter().any(|buttons| buttons.contains(&code))
}
