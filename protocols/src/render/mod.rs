//! What a guest's device and the process that draws for it say to each other.
//!
//! Owns the bytes of the messages: [`Order`]s to the renderer, [`Report`]s from it. Each is one message
//! of a ring in shared memory; what has file descriptors is announced by a message there, and the
//! descriptors come in one packet of the socket beside it. Must not know what an order does, nor how
//! messages travel.
//!
//! Both ends are the same program, so there are no versions. Yet neither end trusts the other's bytes:
//! a renderer that a guest has taken over may send anything.

mod objects;
mod order;
mod report;
mod request;
mod text;
mod wire;

#[cfg(test)]
mod tests;

pub use objects::{
    BlobOf, Capset, Fence, Lent, Region, Target, Texture, Timeline, Transfer, Versions,
};
pub use order::Order;
pub use report::{Lack, Outcome, Picture, PicturePlane, Report};
pub use request::{MAX_NAME, Request};
pub use text::MAX_TEXT;

use thiserror::Error;

/// Descriptors that one message can announce: a picture's planes.
pub const MAX_DESCRIPTORS: usize = 4;

/// The longest report in bytes.
pub const MAX_REPORT: usize = 40 * 1024;

/// Bytes that are no message, of an end that is broken or hostile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Shorter than its kind needs.
    #[error("A message of the renderer's ring is too short")]
    TooShort,
    /// Longer than its kind can be.
    #[error("A message of the renderer's ring is too long")]
    TooLong,
    /// No message has this number.
    #[error("A message of the renderer's ring has the unknown kind {0}")]
    UnknownKind(u32),
    /// A number that its field can't have.
    #[error("A message of the renderer's ring has an impossible value")]
    Value,
    /// Words for people that are none.
    #[error("A message of the renderer's ring has a text that is none")]
    Text,
}
