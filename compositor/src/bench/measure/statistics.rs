//! What few values say, and how sure that is.
//!
//! Everything is by rank: a machine that does something else for a moment gives outliers on one side
//! only, and those should move neither the figure nor its confidence.

/// A median, and where the true one lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Of the values.
    pub median: f64,
    /// The true median is not below this.
    pub low: f64,
    /// The true median is not above this.
    pub high: f64,
}

/// How sure an [`Estimate`] is, where there are values enough.
const CONFIDENCE: f64 = 0.95;

impl Estimate {
    /// Half of the interval, as a part of the median; `None` where the median is 0, or all values are
    /// the same or there is but one, which says nothing about how sure it is.
    #[must_use]
    pub fn uncertainty(&self) -> Option<f64> {
        let width = self.high - self.low;
        (width > 0.0 && self.median != 0.0).then(|| width / 2.0 / self.median.abs())
    }
}

/// The median of independent values, and the interval between two of them that holds the true one in at
/// least 95 % of all cases. With fewer than 6 values no interval is that sure: then it is all that was seen
/// (of 5 values: sure to 94 %, of 3: 75 %). `None` without values.
#[must_use]
pub fn estimate(values: &[f64]) -> Option<Estimate> {
    let sorted = sorted(values);
    let outside = values_outside(sorted.len());
    Some(Estimate {
        median: quantile(&sorted, 0.5)?,
        low: *sorted.get(outside)?,
        high: *sorted.iter().rev().nth(outside)?,
    })
}

/// The median; between the two in the middle where there are two. `None` without values.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(&sorted(values), 0.5)
}

/// The value that a part of sorted ones (0 to 1) don't exceed, between neighbours in proportion. `None`
/// without values.
#[must_use]
pub fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = part.clamp(0.0, 1.0) * last as f64;
    // Not negative, and at most `last`.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let below = place.floor() as usize;
    let (low, high) = (sorted.get(below)?, sorted.get(below + 1));
    Some(high.map_or(*low, |high| low + (high - low) * (place - place.floor())))
}

/// In rising order.
#[must_use]
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// How many of the least, and as many of the greatest, are left out of an interval that is still sure.
///
/// The true median lies below the k-th least value where fewer than k values are below the true median:
/// a coin that shows heads less than k times in n throws. The same holds on the other side.
fn values_outside(values: usize) -> usize {
    let n = values as f64;
    let mut chance = 0.5_f64.powf(n);
    let (mut below, mut outside) = (chance, 0_usize);
    for heads in 1..values.div_ceil(2) {
        chance *= (n - heads as f64 + 1.0) / heads as f64;
        below += chance;
        if 2.0 * below > 1.0 - CONFIDENCE {
            break;
        }
        outside = heads;
    }
    outside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(median(&[]), None);
        assert_eq!(estimate(&[]), None);
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn medians_don_t_need_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        let values = [0.0, 10.0, 20.0];
        assert_eq!(quantile(&values, 0.0), Some(0.0));
        assert_eq!(quantile(&values, 0.25), Some(5.0));
        assert_eq!(quantile(&values, 1.0), Some(20.0));
    }

    #[test]
    fn an_interval_of_few_values_is_all_of_them() {
        let estimate = estimate(&[5.0, 1.0, 3.0]).unwrap();
        assert_eq!(
            (estimate.low, estimate.median, estimate.high),
            (1.0, 3.0, 5.0)
        );
        assert!((estimate.uncertainty().unwrap() - 2.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn an_interval_of_many_values_leaves_out_what_the_sign_test_allows() {
        // The usual table of the sign test at 5 %, two-sided: n, and how many on either side.
        for (values, outside) in [
            (5, 0),
            (6, 0),
            (8, 0),
            (9, 1),
            (12, 2),
            (15, 3),
            (20, 5),
            (40, 13),
        ] {
            assert_eq!(values_outside(values), outside, "of {values}");
        }
    }

    #[test]
    fn an_outlier_moves_neither_the_median_nor_the_interval() {
        let mut values: Vec<f64> = (0..20).map(f64::from).collect();
        let quiet = estimate(&values).unwrap();
        values[19] = 1e9;
        assert_eq!(estimate(&values).unwrap(), quiet);
    }

    #[test]
    fn what_is_measured_once_or_is_nothing_has_no_uncertainty() {
        assert_eq!(estimate(&[4.0]).unwrap().uncertainty(), None);
        assert_eq!(estimate(&[0.0, 0.0]).unwrap().uncertainty(), None);
    }
}
