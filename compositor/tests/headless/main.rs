//! The headless compositor against real Wayland clients, all in one event loop: no display, no
//! GPU, no socket in the file system.

mod client;
mod fixture;
mod hands;

mod clients;
mod device;
mod display;
mod dmabuf;
mod guest_hands;
mod guest_protocol;
mod hostile;
mod hotplug;
mod input;
mod kiosk;
mod pacing;
mod pictures;
mod places;
mod plane;
mod signs;
