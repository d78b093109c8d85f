//! The Wayland server: its clients, its windows and its protocols.
//!
//! `handlers/` holds what we decide, a file per protocol; the mechanics are smithay's.

mod clients;
mod handlers;
mod protocols;
mod windows;

use rustix::time::ClockId;

pub use clients::{ClientState, Clients};
pub use protocols::Protocols;
pub(crate) use windows::size_of;
pub use windows::{ResizeError, WindowInfo, Windows};

/// The clock of presentation times, as wp_presentation names it.
pub const CLOCK_ID: u32 = ClockId::Monotonic as u32;
