//! Figures for people: three digits, and the unit that suits their size.

use super::{
    model::CaseSubject,
    quantity::{Quantity, Unit},
};
use crate::bench::measure::statistics::{self, Estimate};

/// What was measured of a quantity: of each repetition a value, of some also all the times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figure<'a> {
    unit: Unit,
    estimate: Estimate,
    times: &'a [f64],
}

/// Fewer times than this have no 99th percentile: the worst of them would be it.
const TIMES_FOR_P99: usize = 100;

impl<'a> Figure<'a> {
    /// `None` where it was not measured.
    pub(super) fn of(subject: &'a CaseSubject, quantity: Quantity) -> Option<Self> {
        let values = subject.values.get(&quantity)?;
        Some(Self {
            unit: quantity.facts().unit,
            estimate: statistics::estimate(values)?,
            times: subject.times.get(&quantity).map_or(&[], Vec::as_slice),
        })
    }

    /// The median of the repetitions.
    pub(super) fn median(&self) -> f64 {
        self.estimate.median
    }

    /// The median with its unit.
    pub(super) fn text(&self) -> String {
        value(self.median(), self.unit)
    }

    /// How sure the median is, like `±2%`; empty where that can't be told.
    pub(super) fn uncertainty(&self) -> String {
        self.estimate
            .uncertainty()
            .map_or_else(String::new, |part| format!("±{:.0}%", part * 100.0))
    }

    /// The time that 99 of 100 don't exceed; `None` where no single times were taken, or too few.
    pub(super) fn p99(&self) -> Option<String> {
        (self.times.len() >= TIMES_FOR_P99)
            .then(|| statistics::quantile(self.times, 0.99))
            .flatten()
            .map(|time| value(time, self.unit))
    }

    /// How many times this is another's, like `79×`; `None` where that says nothing.
    pub(super) fn ratio(&self, other: &Self) -> Option<String> {
        let ratio = self.median() / other.median();
        (ratio.is_finite() && ratio > 0.0).then(|| match ratio {
            0.005.. => format!("{}×", short_digits(ratio)),
            _ => "<.01×".to_owned(),
        })
    }
}

/// A value with its unit.
pub(super) fn value(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Microseconds => time(value),
        Unit::Milliseconds => time(value * 1e3),
        Unit::Bytes => scaled(value, 1024.0, &["B", "KiB", "MiB", "GiB"]),
        Unit::Kibibytes => scaled(value, 1024.0, &["KiB", "MiB", "GiB"]),
        Unit::MegabytesPerSecond => scaled(value, 1e3, &["MB/s", "GB/s"]),
        Unit::PerSecond => scaled(value, 1e3, &["/s", "k/s", "M/s"]),
        // More digits where they are what counts: 99.8 or 99.98 percent.
        Unit::Percent => format!("{} %", trimmed(value, 2)),
        Unit::Number => digits(value),
    }
}

/// The unit of an axis.
pub(super) fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Microseconds => "µs",
        Unit::Milliseconds => "ms",
        Unit::Bytes => "bytes",
        Unit::Kibibytes => "KiB",
        Unit::MegabytesPerSecond => "MB/s",
        Unit::PerSecond => "a second",
        Unit::Percent => "%",
        Unit::Number => "",
    }
}

fn time(microseconds: f64) -> String {
    match microseconds.abs() {
        size if size >= 1e6 => format!("{} s", digits(microseconds / 1e6)),
        size if size >= 1e3 => format!("{} ms", digits(microseconds / 1e3)),
        size if size >= 1.0 || size == 0.0 => format!("{} µs", digits(microseconds)),
        _ => format!("{} ns", digits(microseconds * 1e3)),
    }
}

fn scaled(value: f64, step: f64, units: &[&str]) -> String {
    let mut value = value;
    let mut unit = 0;
    while value.abs() >= step && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    format!(
        "{} {}",
        digits(value),
        units.get(unit).copied().unwrap_or_default()
    )
}

/// Three digits, without zeros that say nothing.
pub(super) fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 || size == 0.0 => format!("{value:.0}"),
        size if size >= 9.995 => trimmed(value, 1),
        size if size >= 0.0995 => trimmed(value, 2),
        size if size >= 0.001 => trimmed(value, 4),
        _ => format!("{value:.1e}"),
    }
}

/// The same with two decimals at most.
fn short_digits(value: f64) -> String {
    match value {
        0.0995.. => digits(value),
        _ => format!("{value:.2}"),
    }
}

fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_unit_that_suits_their_size() {
        for (number, unit, text) in [
            (0.0, Unit::Microseconds, "0 µs"),
            (0.25, Unit::Microseconds, "250 ns"),
            (16_666.7, Unit::Microseconds, "16.7 ms"),
            (2_500.0, Unit::Milliseconds, "2.5 s"),
            (0.0, Unit::Bytes, "0 B"),
            (33_177_600.0, Unit::Bytes, "31.6 MiB"),
            (3_482.0, Unit::Kibibytes, "3.4 MiB"),
            (12_345.0, Unit::MegabytesPerSecond, "12.3 GB/s"),
            (412_345.0, Unit::PerSecond, "412 k/s"),
            (59.94, Unit::PerSecond, "59.9 /s"),
            (99.98, Unit::Percent, "99.98 %"),
            (100.0, Unit::Percent, "100 %"),
            (0.934, Unit::Number, "0.93"),
            (0.0123, Unit::Number, "0.0123"),
            (1e-7, Unit::Number, "1.0e-7"),
            (-12.345, Unit::Number, "-12.3"),
        ] {
            assert_eq!(value(number, unit), text);
        }
    }
}
