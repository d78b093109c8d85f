//! Who draws what a guest's resources hold.
//!
//! [`pixels`] is the renderer for guests without 3D: it stores, converts and copies pixels.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod pixels;
