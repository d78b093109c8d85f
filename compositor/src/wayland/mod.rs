//! The Wayland server: its clients, its windows and its protocols.
//!
//! `handlers/` holds what we decide, a file per protocol; the mechanics are smithay's, or those of
//! `protocols/` where it lacks them.

mod clients;
mod globals;
mod handlers;
pub mod protocols;
mod windows;

use rustix::time::ClockId;

pub use clients::{ClientState, Clients};
pub use globals::Protocols;
pub(crate) use globals::dmabuf_offer;
pub(crate) use handlers::syncobj_global;
pub(crate) use handlers::{Departed, prefer_scale};
pub(crate) use windows::size_of;
pub use windows::{ResizeError, WindowInfo, Windows};

/// The clock of presentation times, as wp_presentation names it.
pub const CLOCK_ID: u32 = ClockId::Monotonic as u32;
