//! How long something takes: durations, counted in buckets.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::time::Duration;

/// Durations in buckets that grow with them: 32 for each power of two, so that a quantile is at
/// most 3 % too high. Adding one allocates nothing.
pub(crate) struct Histogram {
    buckets: Box<[u32; BUCKETS]>,
    total: u64,
}

/// Bits of a duration that tell buckets apart, below its highest bit.
const PRECISION: u32 = 5;

/// Buckets for each power of two.
const STEPS: u64 = 1 << PRECISION;

/// Up to 2^24 microseconds, 16 seconds, in full precision; longer ones share the last bucket.
const BUCKETS: usize = 640;

impl Histogram {
    pub(crate) fn add(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(bucket(micros).min(BUCKETS - 1)) {
            *bucket = bucket.saturating_add(1);
            self.total = self.total.saturating_add(1);
        }
    }

    /// The duration in microseconds that this many percent don't exceed; `None` without any.
    pub(crate) fn percentile(&self, percent: u64) -> Option<u64> {
        if self.total == 0 {
            return None;
        }
        let wanted = self.total.saturating_mul(percent).div_ceil(100).max(1);
        let mut seen = 0_u64;
        let reached = self.buckets.iter().position(|count| {
            seen = seen.saturating_add((*count).into());
            seen >= wanted
        });
        Some(highest(reached.unwrap_or(BUCKETS - 1)))
    }
}

/// The bucket of a duration: small ones one for each microsecond, then [`STEPS`] for each power of
/// two.
fn bucket(micros: u64) -> usize {
    let exponent = micros
        .checked_ilog2()
        .unwrap_or(0)
        .saturating_sub(PRECISION);
    let step = micros.checked_shr(exponent).unwrap_or(0);
    let bucket = u64::from(exponent)
        .saturating_mul(STEPS)
        .saturating_add(step);
    usize::try_from(bucket).unwrap_or(usize::MAX)
}

/// The longest duration of a bucket in microseconds.
fn highest(bucket: usize) -> u64 {
    let bucket = u64::try_from(bucket).unwrap_or(u64::MAX);
    // Buckets below twice STEPS are exact; each further STEPS doubles the width of a bucket.
    let exponent = (bucket / STEPS).saturating_sub(1);
    let step = bucket
        .saturating_sub(exponent.saturating_mul(STEPS))
        .saturating_add(1);
    let exponent = u32::try_from(exponent).unwrap_or(u32::MAX);
    step.checked_shl(exponent)
        .unwrap_or(u64::MAX)
        .saturating_sub(1)
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: Box::new([0; BUCKETS]),
            total: 0,
        }
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (p50, p99) = (self.percentile(50), self.percentile(99));
        f.debug_struct("Histogram")
            .field("p50", &p50)
            .field("p99", &p99)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_histogram_has_no_percentiles() {
        assert_eq!(Histogram::default().percentile(50), None);
    }

    #[test]
    fn percentiles_are_close_and_never_too_low() {
        let mut histogram = Histogram::default();
        for millis in 1..=100 {
            histogram.add(Duration::from_millis(millis));
        }
        let p50 = histogram.percentile(50).unwrap();
        let p99 = histogram.percentile(99).unwrap();
        assert!((50_000..=51_600).contains(&p50), "{p50}");
        assert!((99_000..=102_000).contains(&p99), "{p99}");
    }

    #[test]
    fn very_long_durations_are_counted_too() {
        let mut histogram = Histogram::default();
        histogram.add(Duration::MAX);
        assert!(histogram.percentile(99).unwrap() >= 16_000_000);
    }

    proptest! {
        #[test]
        fn a_duration_lies_in_its_bucket(micros in 0_u64..1 << 24) {
            let bucket = bucket(micros);
            prop_assert!(bucket < BUCKETS);
            prop_assert!(highest(bucket) >= micros);
            prop_assert!(highest(bucket) <= micros + micros / STEPS);
            prop_assert!(bucket == 0 || highest(bucket - 1) < micros);
        }
    }
}
