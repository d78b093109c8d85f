//! What a scanout has done so far: counters, the way its frames take, and how long they take.

use std::time::Duration;

use protocols::ipc::{PresentPath, Reason, ScanoutStats};

use super::scanouts::Scanout;
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

/// A scanout's counters and state, as they are told.
pub(super) fn stats_of(scanout: &Scanout) -> ScanoutStats {
    let counters = &scanout.counters;
    let (width, height) = scanout
        .shown
        .map_or((0, 0), |shown| (shown.source.width, shown.source.height));
    ScanoutStats {
        scanout: scanout.id.0,
        width,
        height,
        millihertz: millihertz(scanout.refresh),
        frames_flushed: counters.flushed,
        frames_presented: counters.presented,
        frames_missed: counters.missed,
        frames_zero_copy: counters.zero_copy,
        bytes_copied: counters.bytes_copied,
        path: counters.path,
        reason: scanout.reason.map(|reason| Reason {
            code: reason.code().to_owned(),
            text: reason.to_string(),
        }),
        flush_to_present_p50_us: counters.latency.percentile(50),
        flush_to_present_p99_us: counters.latency.percentile(99),
        cursor: scanout.cursor.state(),
    }
}

/// The rate of a refresh period, 0 if that is unknown.
fn millihertz(period: Duration) -> u32 {
    /// Nanoseconds of a second, in thousandths.
    const SECOND: u128 = 1_000_000_000_000;
    let period = period.as_nanos();
    let rate = SECOND
        .saturating_add(period / 2)
        .checked_div(period)
        .unwrap_or(0);
    u32::try_from(rate).unwrap_or(u32::MAX)
}
