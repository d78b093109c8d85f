//! The headless compositor against real Wayland clients, all in one event loop: no display, no
//! GPU, no socket in the file system.

mod client;
mod fixture;

mod clients;
mod dmabuf;
mod pacing;
mod pictures;
mod places;
