//! The vhost-user back-end of a virtio-gpu device: a front-end's messages, the guest's rings.
//!
//! Owns everything between the VMM's socket and [`crate::gpu`]: which features are offered, where
//! the guest's memory is, when a ring runs, how a request gets out of it and a response into it.
//! Must not know what a command does, nor what a display is.
//!
//! ```text
//! listener ─▶ session ─▶ handler ─┬▶ features, dialect   what was negotiated, with whom
//!              (socket)   (state) ├▶ memory_table        SET_MEM_TABLE … -> GuestRam
//!                                 ├▶ rings ─▶ queue      chains in, answers out
//!                                 └▶ config_space ─▶ channel   EVENT_DISPLAY, CONFIG_CHANGE
//! ```
//!
//! Nothing here blocks, and nothing here trusts the guest. A ring that can't be right stops
//! being served, and that is all that a guest can break from this side.

pub mod channel;
pub mod config_space;
pub mod dialect;
pub mod features;
pub mod handler;
pub mod listener;
pub mod memory_table;
pub mod queue;
pub mod rings;
pub mod session;

#[cfg(test)]
pub mod testing;
