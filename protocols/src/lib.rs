//! Every byte format that crosses a boundary of Lucarne: no I/O, no policy.
//!
//! - [`virtio_gpu`]: what a guest's graphics driver and the device say to each other;
//! - [`virtio_input`]: the same for keyboards, pointers and touchscreens;
//! - [`keys`]: names of keys, for configurations and command lines;
//! - [`edid`]: how a virtual monitor introduces itself;
//! - [`ipc`]: the control socket's JSON, and the status channel of a device process;
//! - [`render`]: what a device and the process that draws for its guest say to each other;
//! - `wayland`: what a guest's device and our own compositor say to each other beyond Wayland's
//!   usual protocols. For clients with the feature `wayland-client`, for servers with
//!   `wayland-server`.
//!
//! Everything that is decoded here comes from somebody who may be hostile. Decoding never
//! panics and never allocates by a number that was not held against a named bound first.

// The generated bindings need unsafe; nothing else here does.
#![cfg_attr(not(feature = "wayland"), forbid(unsafe_code))]
#![deny(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

pub mod edid;
pub mod ipc;
pub mod keys;
pub mod render;
pub mod virtio_gpu;
pub mod virtio_input;
#[cfg(feature = "wayland")]
pub mod wayland;
