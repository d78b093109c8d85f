//! What hands do on the host, and what the guest's input devices make of it.
//!
//! Owns the way from [`HostInput`], which a display reports, to frames of evdev events, which
//! [`crate::vhost_user`] carries into the guest's rings; and the other way for the lights of a
//! keyboard. Must not know Wayland, sockets or rings.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod backlog;
mod chord;
mod codes;
mod devices;
pub mod event;
mod frame;
mod grab;
mod hands;
mod inject;
mod keyboard;
pub mod kind;
mod layout;
mod locks;
mod options;
mod pen;
mod pointers;
mod touch;

pub use devices::Description;
pub use event::{Grab, HostInput, Leds, PenTool, Position};
pub use frame::Frame;
pub use hands::{Hands, Wishes};
pub use inject::Refusal;
pub use kind::InputKind;
pub use layout::Layout;
pub use options::{GrabMode, HandsOptions, PointerMode};
