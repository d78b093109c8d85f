//! Every byte format that crosses a boundary of Lucarne: no I/O, no policy.
//!
//! - [`virtio_gpu`]: what a guest's graphics driver and the device say to each other;
//! - [`virtio_input`]: the same for keyboards, pointers and touchscreens;
//! - [`edid`]: how a virtual monitor introduces itself;
//! - [`ipc`]: the control socket's JSON, and the status channel of a device process.
//!
//! Everything that is decoded here comes from somebody who may be hostile. Decoding never
//! panics and never allocates by a number that was not held against a named bound first.

#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

pub mod edid;
pub mod ipc;
pub mod virtio_gpu;
pub mod virtio_input;
