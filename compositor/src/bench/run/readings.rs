//! What one repetition on one subject measured.

use std::{collections::BTreeMap, time::Duration};

use crate::bench::report::model::Quantity;

/// What one repetition on one subject measured.
#[derive(Debug, Default)]
pub struct Readings {
    values: BTreeMap<Quantity, f64>,
    /// In microseconds, as they came.
    times: BTreeMap<Quantity, Vec<f64>>,
}

impl Readings {
    /// The repetition's figure; a later one replaces an earlier one. What is no number (nothing by nothing)
    /// is dropped.
    pub fn value(&mut self, quantity: Quantity, value: f64) {
        if value.is_finite() {
            self.values.insert(quantity, value);
        } else {
            tracing::error!(
                "A figure of {quantity:?} is {value}, and left out. This is a bug of Lucarne"
            );
        }
    }

    /// One of many times; the report has all of them, and their median as the repetition's figure.
    pub fn time(&mut self, quantity: Quantity, time: Duration) {
        let times = self.times.entry(quantity).or_default();
        times.push(time.as_secs_f64() * 1e6);
    }

    pub(super) fn into_parts(self) -> (BTreeMap<Quantity, f64>, BTreeMap<Quantity, Vec<f64>>) {
        (self.values, self.times)
    }
}
