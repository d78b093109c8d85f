//! The whole way of a picture: a guest's driver, its device process, the compositor, a screenshot.
//!
//! The real program runs, and the tests drive software guests as their VMM. What is asserted is
//! what a user has: the pixels on the screen and the numbers of `lucarne msg stats`.

mod guest_side;
mod rig;

mod commands;
mod crashes;
mod cursor;
mod flips;
mod formats;
mod hands;
mod hostile;
mod known_holes;
mod memory;
mod ordinary;
mod pausing;
mod pictures;
mod random_3d;
mod renderer_dies;
mod reset;
mod resize;
mod scanouts;
mod screens;
mod three_d;
mod window;
