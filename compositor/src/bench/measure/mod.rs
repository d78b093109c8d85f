//! Clocks and counters of the machine, and the statistics of what they say.
//!
//! - [`cpu`] and [`memory`]: what processes use.
//! - [`load`]: what else the machine did meanwhile.
//! - [`ping_pong`] and [`memcpy`]: what the machine can do, as units for what is measured.
//! - [`statistics`]: what many values say.
//!
//! All of it is read from outside, from `/proc`: nothing here knows what the processes are.

pub mod cpu;
pub mod load;
pub mod memcpy;
pub mod memory;
pub mod ping_pong;
mod processes;
pub mod statistics;

pub(super) use self::processes::{children, is_alive};
