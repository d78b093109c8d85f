//! The mechanics of protocols that smithay lacks.

pub mod guest;
