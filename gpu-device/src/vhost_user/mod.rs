//! The vhost-user back-end of virtio-gpu and virtio-input devices: a front-end's messages, the
//! guest's rings.
//!
//! Owns everything between the VMM's sockets and [`crate::gpu`] and [`crate::input`]: which features
//! are offered, where the guest's memory is, when a ring runs, how a request gets out of it and a
//! response or an event into it. Must not know what a command does, what an event means, nor what a
//! display is.
//!
//! ```text
//! listener ─▶ session ─▶ handler ─┬▶ features, dialect   what was negotiated, with whom
//!              (socket)   (state) ├▶ memory_table        SET_MEM_TABLE … -> GuestRam
//!                                 ├▶ rings ─▶ queue      chains out of the guest's memory
//!                                 ├▶ channel ─▶ window   what the guest sees of the host's memory
//!                                 └▶ device_type ─┬▶ config_space, commands      virtio-gpu
//!                                                 └▶ input_space, events         virtio-input
//! ```
//!
//! Nothing here blocks, and nothing here trusts the guest. A ring that can't be right stops
//! being served, and that is all that a guest can break from this side.

pub mod channel;
pub mod commands;
pub mod config_space;
pub mod device_type;
pub mod dialect;
pub mod events;
pub mod features;
pub mod handler;
pub mod input_space;
pub mod listener;
pub mod memory_table;
pub mod passed;
pub mod queue;
pub mod rings;
pub mod session;
pub mod window;

#[cfg(test)]
pub mod testing;
