//! Pixels of 2D resources, and of blobs that can't be shown in place.
//!
//! Whatever byte order the guest uses, pixels are stored as B, G, R, A (DRM's ARGB8888 and
//! XRGB8888), which every host takes. Knows no commands and no scanouts.

pub mod convert;
pub mod copy;
pub mod picture;
pub mod region;
pub mod slots;
