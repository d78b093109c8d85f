//! What a scanout has done so far: counters, the way its frames take, and how long they take.

use protocols::ipc::PresentPath;

use crate::histogram::Histogram;

/// Counts one scanout's frames, from the start of the device on.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// RESOURCE_FLUSH commands that touched it.
    pub(super) flushed: u64,
    /// Frames that became light.
    pub(super) presented: u64,
    /// Frames that were replaced before they became light.
    pub(super) missed: u64,
    /// Frames that the host put on a plane.
    pub(super) zero_copy: u64,
    /// Bytes copied on the way of its frames, wherever and for whatever reason.
    pub(super) bytes_copied: u64,
    /// The way of the last frame that became light.
    pub(super) path: PresentPath,
    /// From the guest's flush to the host's report.
    pub(super) latency: Histogram,
}
