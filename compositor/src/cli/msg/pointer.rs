//! `lucarne msg pointer`

use clap::{Args, Subcommand, ValueEnum};
use protocols::ipc::{InputAction, Press, Request};

use super::{Ask, guest::OfGuest, keyboard::requests};

/// evdev's `BTN_LEFT`; the others follow in the order of [`Button`].
const BTN_LEFT: u16 = 0x110;

/// A notch of a wheel, as evdev counts it.
const NOTCH: f64 = 120.0;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lucarne msg pointer move 640 400
  lucarne msg pointer click
  lucarne msg pointer by 10 -5               in steps of the mouse, not in pixels
  lucarne msg pointer down                   and drag
  lucarne msg pointer move 700 400
  lucarne msg pointer up
  lucarne msg pointer scroll 3               down; -3 is up
  lucarne msg pointer scroll --horizontal 0.5")]
pub(super) struct Pointer {
    #[command(flatten)]
    guest: OfGuest,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Move the pointer to a place, in the guest's pixels
    #[command(allow_negative_numbers = true)]
    Move {
        /// From the left edge
        x: i32,
        /// From the top edge
        y: i32,
        /// Which of the guest's virtual monitors, from 0
        #[arg(long, default_value_t = 0, value_name = "N")]
        scanout: u8,
    },
    /// Move the mouse by so much
    #[command(allow_negative_numbers = true)]
    By {
        /// To the right
        dx: i32,
        /// Down
        dy: i32,
    },
    /// Press a button and let it go
    Click {
        /// Which one
        #[arg(value_enum, default_value_t)]
        button: Button,
    },
    /// Press a button
    Down {
        /// Which one
        #[arg(value_enum, default_value_t)]
        button: Button,
    },
    /// Let go of a button
    Up {
        /// Which one
        #[arg(value_enum, default_value_t)]
        button: Button,
    },
    /// Turn the wheel
    #[command(allow_negative_numbers = true)]
    Scroll {
        /// Sideways
        #[arg(long)]
        horizontal: bool,
        /// How many notches, down or to the right; parts of one are a finer wheel's
        #[arg(value_name = "N")]
        notches: f64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Button {
    #[default]
    Left,
    Right,
    Middle,
    /// The one beside, often for going back
    Side,
    /// The other one beside, often for going forward
    Extra,
}

impl Button {
    fn code(self) -> u16 {
        let offset = match self {
            Self::Left => 0,
            Self::Right => 1,
            Self::Middle => 2,
            Self::Side => 3,
            Self::Extra => 4,
        };
        BTN_LEFT + offset
    }
}

impl Pointer {
    pub(super) fn requests(self, ask: Ask<'_>) -> anyhow::Result<Vec<Request>> {
        let guest = self.guest.name(ask)?;
        Ok(requests(&guest, vec![self.what.action()]))
    }
}

impl What {
    fn action(self) -> InputAction {
        let button = |button: Button, action| InputAction::Button {
            code: button.code(),
            action,
        };
        match self {
            Self::Move { x, y, scanout } => InputAction::PointerTo { scanout, x, y },
            Self::By { dx, dy } => InputAction::PointerBy { dx, dy },
            Self::Click { button: which } => button(which, Press::Click),
            Self::Down { button: which } => button(which, Press::Down),
            Self::Up { button: which } => button(which, Press::Up),
            Self::Scroll {
                horizontal,
                notches,
            } => {
                #[expect(clippy::cast_possible_truncation, reason = "casting floats saturates")]
                let turned = (notches * NOTCH).round() as i32;
                let (horizontal, vertical) = if horizontal { (turned, 0) } else { (0, turned) };
                InputAction::Scroll {
                    horizontal,
                    vertical,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buttons_have_the_codes_of_evdev() {
        for (button, code) in [(Button::Left, 0x110), (Button::Extra, 0x114)] {
            assert_eq!(button.code(), code);
        }
    }

    #[test]
    fn a_wheel_turns_in_parts_of_a_notch_and_not_for_ever() {
        let scroll = |horizontal, notches| {
            let what = What::Scroll {
                horizontal,
                notches,
            };
            match what.action() {
                InputAction::Scroll {
                    horizontal,
                    vertical,
                } => (horizontal, vertical),
                other => panic!("it is {other:?}"),
            }
        };
        assert_eq!(scroll(false, 1.0), (0, 120));
        assert_eq!(scroll(true, -0.5), (-60, 0));
        assert_eq!(scroll(false, 1e300), (0, i32::MAX));
        assert_eq!(scroll(false, f64::NAN), (0, 0));
    }
}
