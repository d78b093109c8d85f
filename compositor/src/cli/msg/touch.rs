//! `lucarne msg touch`

use clap::{Args, Subcommand};
use protocols::ipc::{InputAction, Request, TouchPoint};

use super::{Ask, guest::OfGuest, keyboard::requests};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lucarne msg touch tap 640 400
  lucarne msg touch down 100 100    and swipe
  lucarne msg touch move 300 100
  lucarne msg touch up
  lucarne msg touch down --finger 0 500 400
  lucarne msg touch down --finger 1 700 400")]
pub(super) struct Touch {
    #[command(flatten)]
    guest: OfGuest,
    /// Which finger, 0 to 9
    #[arg(long, global = true, default_value_t = 0, value_name = "N")]
    finger: u8,
    /// Which of the guest's virtual monitors, from 0
    #[arg(long, global = true, default_value_t = 0, value_name = "N")]
    scanout: u8,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum What {
    /// Touch and let go
    Tap(Place),
    /// Touch
    Down(Place),
    /// Move the finger that touches
    Move(Place),
    /// Let go
    Up,
}

#[derive(Debug, Clone, Copy, Args)]
#[command(allow_negative_numbers = true)]
struct Place {
    /// From the left edge, in the guest's pixels
    x: i32,
    /// From the top edge
    y: i32,
}

impl Touch {
    pub(super) fn requests(self, ask: Ask<'_>) -> anyhow::Result<Vec<Request>> {
        let actions = self.actions();
        Ok(requests(&self.guest.name(ask)?, actions))
    }

    fn actions(&self) -> Vec<InputAction> {
        let point = |Place { x, y }, down| {
            InputAction::Touch(vec![TouchPoint {
                finger: self.finger,
                scanout: self.scanout,
                x,
                y,
                down,
            }])
        };
        match self.what {
            What::Tap(place) => vec![point(place, true), point(place, false)],
            What::Down(place) | What::Move(place) => vec![point(place, true)],
            // Where the finger was does not matter any more.
            What::Up => vec![point(Place { x: 0, y: 0 }, false)],
        }
    }
}
