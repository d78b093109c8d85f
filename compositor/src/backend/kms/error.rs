//! Why there is nothing on a screen.

use std::{fmt, io, path::PathBuf};

use thiserror::Error;

use super::session::SeatError;

/// Why the KMS back-end can't start, or can't drive a card or a monitor.
#[derive(Debug, Error)]
pub enum KmsError {
    /// No seat, or it refuses a device.
    #[error(transparent)]
    Seat(#[from] SeatError),
    /// Another session has the seat's screens now.
    #[error(
        "Could not use the screens of {seat}: another session has them now. Switch to this \
         program's console (Ctrl+Alt+F1 to F12) and start it there"
    )]
    Inactive {
        /// The seat.
        seat: String,
    },
    /// udev does not work.
    #[error("Could not look for graphics cards: {0}. Check that udev runs and /sys is mounted")]
    Search(io::Error),
    /// There is no card.
    #[error(
        "Could not find a graphics card for {seat}: there is no /dev/dri/card*. Load the card's \
         driver, or use \"lucarne headless\""
    )]
    NoCard {
        /// The seat.
        seat: String,
    },
    /// The configured card does not exist.
    #[error(
        "Could not find the graphics card {wanted}. Set [kms] device to one of {known}, or leave \
         it out",
        wanted = .wanted.display()
    )]
    UnknownCard {
        /// What was configured.
        wanted: PathBuf,
        /// What there is.
        known: String,
    },
    /// It only draws.
    #[error(
        "Could not show pictures on {card}: it has no connectors for monitors. Choose another card \
         with [kms] device", card = .card.display()
    )]
    NoScreens {
        /// The card.
        card: PathBuf,
    },
    /// Somebody else sets its modes.
    #[error(
        "Could not take over {card}: {holder} shows its picture there. End that program, or \
         start this one on a console of its own", card = .card.display()
    )]
    Busy {
        /// The card.
        card: PathBuf,
        /// Who, as far as it can be known.
        holder: String,
    },
    /// Something else about a card.
    #[error("Could not {attempt} {card}: {reason}", card = .card.display())]
    Card {
        /// What was attempted on it.
        attempt: &'static str,
        /// The card.
        card: PathBuf,
        /// What the system said, and what to do.
        reason: String,
    },
    /// A monitor can't be driven.
    #[error("Could not show a picture on {monitor}: {reason}")]
    Monitor {
        /// The connector's name.
        monitor: String,
        /// What the driver said, and what to do.
        reason: String,
    },
    /// The event loop took no more sources.
    #[error("Could not watch {what}: {reason}. Close some programs and try again")]
    Watch {
        /// What was to be watched.
        what: &'static str,
        /// What the loop said.
        reason: String,
    },
}

impl KmsError {
    pub(super) fn card(
        attempt: &'static str,
        card: impl Into<PathBuf>,
        reason: impl fmt::Display,
    ) -> Self {
        Self::Card {
            attempt,
            card: card.into(),
            reason: reason.to_string(),
        }
    }
}
