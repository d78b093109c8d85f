//! The lucarne program: compositor, guests, control socket and command line.
//!
//! - [`cli`]: what can be typed, and what is printed.
//! - [`app`]: the program while it runs: one event loop.
//! - [`host`]: the seam between guests and what shows their windows.
//! - [`state`]: our own compositor, with its rooms [`backend`], [`redraw`], [`render`],
//!   [`desktop`], [`input`], [`signs`] and [`wayland`]; [`screenshot`] is a picture of it.
//! - [`guests`]: device processes and VMMs, started, watched, restarted.
//! - [`ipc`]: the control socket.
//! - [`doctor`]: what this machine can do.
//! - [`bench`](mod@bench): what a frame costs, beside the alternatives.
//! - `keymap`: a keyboard layout for machines where none is installed.
//! - [`wait`]: sleeping, for the app and the state together.
//! - `service`: what a service manager and its journal are told.

mod alarm;
pub mod app;
pub mod backend;
pub mod bench;
pub mod cli;
mod delay;
pub mod desktop;
pub mod doctor;
pub mod guests;
pub mod host;
pub mod input;
pub mod ipc;
mod keymap;
mod lines;
mod panics;
pub mod redraw;
pub mod render;
pub mod screenshot;
mod service;
pub mod signs;
pub mod state;
pub mod wait;
pub mod wayland;
