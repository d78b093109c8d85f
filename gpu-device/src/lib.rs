//! One guest's screens: a vhost-user virtio-gpu device that is a Wayland client.
//!
//! The process speaks vhost-user with a VMM on one side and ordinary Wayland with a compositor
//! on the other. A scanout of the guest is a window, a framebuffer of the guest a `wl_buffer`,
//! the moment in which the host shows a frame the guest's page flip.
//!
//! ```no_run
//! use gpu_device::{GpuKind, Options, Prefer, SocketSource, WaylandSource, run};
//!
//! # fn main() -> Result<(), gpu_device::DeviceError> {
//! run(Options {
//!     name: "forky".into(),
//!     socket: SocketSource::Path("/run/user/1000/forky-gpu.sock".into()),
//!     inputs: Vec::new(), // a guest to look at
//!     hands: Default::default(),
//!     scanouts: Vec::new(), // one of 1280x800
//!     max_scanouts: None,
//!     windows: Default::default(),
//!     wayland: WaylandSource::Environment,
//!     detached: false,
//!     seeks: false,
//!     status: None,
//!     prefer: Prefer::Auto,
//!     limits: Default::default(),
//!     gpu: GpuKind::TwoD,
//!     gpu_device: None,
//! })
//! # }
//! ```
//!
//! # The way of a frame through the rooms
//!
//! A guest that has drawn sends one command, `RESOURCE_FLUSH`, and kicks its control ring:
//!
//! ```text
//!  guest          VMM                this process                              compositor
//!    │ kick ───────────────────────▶ [device]     loop wakes up, a turn begins
//!    │ ring memory ────────────────▶ [vhost_user] chain out of the ring, bytes read once
//!    │                               [protocols]  bytes -> Command::ResourceFlush
//!    │                               [gpu]        which scanouts show it? which damage?
//!    │                               [memory]     guest pages -> udmabuf, or a memfd
//!    │                               [renderer]   2D only: damage into a free storage
//!    │                               [display]    attach, damage, commit ──────▶  │
//!    │                               [device]     turn ends: one flush            │ vblank
//!    │                               [display]  ◀─────────── presented, release ──┤
//!    │                               [gpu]        that frame is light: flush is due
//!    │ ◀─ call ───────────────────── [vhost_user] answer into the held chain, one call
//! ```
//!
//! Two clocks are kept apart: a flush is answered when the frame was *presented*, memory is
//! written again when the buffer was *released*. (The one exception to the first, for guests with
//! a vblank timer of their own, is argued at `gpu::flushes::when_to_answer`.)
//!
//! - [`vhost_user`]: messages of the VMM, rings of the guest; knows no command.
//! - [`gpu`]: what commands mean; knows neither rings nor Wayland.
//! - [`memory`]: guest memory as slices and dma-bufs; with [`renderer::virgl`] the only unsafe code.
//! - [`renderer`]: pixels from one layout to another; for guests with 3D, the process that draws for them.
//! - [`display`]: the seam to whatever shows frames, and its two sides.
//! - [`input`]: what hands do on the host, as events of the guest's input devices.
//! - [`device`]: one thread and one loop that join the rooms; [`status`] tells a supervisor.
//!
//! A guest with 3D has its frames drawn by the host. What it wants drawn goes to another process, so that
//! it can bring down only that:
//!
//! ```text
//!  guest                this process                     `lucarne render`               compositor
//!    │ SUBMIT_3D ─────▶ [gpu] checks ─▶ [renderer] ════▶ [renderer] libvirglrenderer
//!    │                                   shared ring      draws with the graphics card
//!    │ RESOURCE_FLUSH ▶ [gpu] shown? ─▶ [renderer] ════▶ ... until all of it is drawn
//!    │                  [gpu]        ◀═ answer ═════════
//!    │                  [display]     attach the card's own memory, commit ────────────────▶ │
//! ```
//!
//! The guest is hostile in all of this: what it sends is read once, judged, and then used; what it
//! breaks is its own ring.

#![deny(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

pub mod device;
pub mod display;
pub mod gpu;
mod histogram;
pub mod input;
#[expect(unsafe_code, reason = "maps guest memory and talks to /dev/udmabuf")]
pub mod memory;
pub mod renderer;
pub mod status;
pub mod vhost_user;

pub use device::{DeviceError, Options, run};
pub use display::wayland::{Fit, Preferences, Scale, WaylandSource};
pub use gpu::{Limits, Mode, Prefer};
pub use renderer::choice::GpuKind;
pub use vhost_user::listener::SocketSource;
