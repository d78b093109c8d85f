//! Guest memory, and memory that is shared with the host's compositor.
//!
//! One of the crate's two rooms with unsafe code (the other talks to libvirglrenderer). It hands out
//! checked, volatile access, since the guest and the host may change these bytes at any time; it
//! knows nothing of resources, pixels or queues.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod backing;
mod memfd;
mod ram;
mod ring;
mod stores;
mod udmabuf;

pub use backing::{Backing, BackingError, OutOfBacking, Reader, page_size};
pub use memfd::SharedMemory;
pub use ram::GuestRam;
pub use ring::{Broken, Consumer, InPlace, Producer, Ring};
pub use stores::Stores;
pub use udmabuf::{DmaBufMaker, Piece, Udmabuf};

#[cfg(test)]
pub(crate) use ram::testing;
