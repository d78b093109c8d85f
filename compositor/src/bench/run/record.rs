//! What is written down of one subject in one case.

use std::{collections::BTreeMap, time::Duration};

use super::{Readings, watchdog::Fate};
use crate::bench::{
    measure::statistics::median,
    report::model::{CaseSubject, Disturbance},
};

/// Times of a quantity that are kept, evenly spaced among the sorted ones: their percentiles, both ends
/// included. A report is to be kept beside sources.
const TIMES: usize = 101;
/// Times that are kept in the order in which they came, evenly spaced.
const SERIES: usize = 100;
/// Digits that are kept of a figure: more than any of them is sure of.
const DIGITS: usize = 5;

/// What is written down of one subject in one case.
#[derive(Debug)]
pub(super) struct Record {
    subject: CaseSubject,
    /// Repetitions that went well.
    repetitions: u32,
}

impl Record {
    pub(super) fn new(subject: &str) -> Self {
        Self {
            subject: CaseSubject {
                subject: subject.to_owned(),
                failure: None,
                skipped: None,
                values: BTreeMap::new(),
                times: BTreeMap::new(),
                series: BTreeMap::new(),
                disturbed: Vec::new(),
            },
            repetitions: 0,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.subject.subject
    }

    /// It was not asked.
    pub(super) fn skip(&mut self, why: String) {
        self.subject.skipped = Some(why);
    }

    /// It takes no turn any more.
    pub(super) fn fail(&mut self, why: String) {
        self.subject.failure = Some(why);
    }

    /// Whether it takes no turn any more.
    pub(super) fn has_failed(&self) -> bool {
        self.subject.failure.is_some()
    }

    /// It does not get all its turns since the user wants no more.
    pub(super) fn interrupt(&mut self, of: u32) {
        if self.repetitions < of {
            let done = self.repetitions;
            self.skip(format!("interrupted after {done} of {of} repetitions"));
        }
    }

    /// Whether nothing was measured.
    pub(super) fn is_empty(&self) -> bool {
        self.subject.values.is_empty()
    }

    /// A repetition went well.
    pub(super) fn add(&mut self, repetition: u32, readings: Readings, disturbance: Option<String>) {
        self.repetitions += 1;
        let (mut values, times) = readings.into_parts();
        for (quantity, times) in times {
            if let Some(median) = median(&times) {
                values.insert(quantity, median);
            }
            // What explains another figure needs no order.
            if quantity.facts().in_summary {
                let series = self.subject.series.entry(quantity);
                series.or_insert_with(|| {
                    let mut series = times.clone();
                    thin(&mut series, SERIES);
                    series
                });
            }
            let all = self.subject.times.entry(quantity).or_default();
            all.extend(times);
        }
        for (quantity, value) in values {
            self.subject.values.entry(quantity).or_default().push(value);
        }
        if let Some(what) = disturbance {
            self.subject
                .disturbed
                .push(Disturbance { repetition, what });
        }
    }

    /// All of it, with times sorted and not too many of them.
    pub(super) fn finish(mut self) -> CaseSubject {
        for times in self.subject.times.values_mut() {
            times.sort_by(f64::total_cmp);
            thin(times, TIMES);
        }
        let CaseSubject {
            values,
            times,
            series,
            ..
        } = &mut self.subject;
        for figures in [values, times, series] {
            figures.values_mut().flatten().for_each(round);
        }
        self.subject
    }
}

/// Leaves at most so many, evenly spaced; the first and the last stay.
fn thin(times: &mut Vec<f64>, most: usize) {
    let last = times.len().saturating_sub(1);
    if times.len() > most && most > 1 {
        let kept = (0..most).filter_map(|index| times.get(index * last / (most - 1)).copied());
        *times = kept.collect();
    }
}

/// Takes digits away that say nothing.
fn round(figure: &mut f64) {
    let text = format!("{figure:.*e}", DIGITS - 1);
    // It is always one, as it was printed so; what it was before is as right.
    *figure = text.parse().unwrap_or(*figure);
}

/// Why somebody can't go on, in one sentence or two.
///
/// A process that has died tells more than what was noticed of its death, and both more than that it had
/// to be killed: then what failed is only that.
pub(super) fn failure(
    error: Option<anyhow::Error>,
    died: Option<String>,
    fate: Fate,
    what: &str,
    patience: Duration,
) -> String {
    match (fate, error, died) {
        (Fate::Killed, ..) => format!(
            "It took longer than {} s to {what}, and was killed",
            patience.as_secs_f64()
        ),
        (Fate::Interrupted, ..) => "interrupted".to_owned(),
        (Fate::InTime, Some(error), Some(died)) if format!("{error:#}").contains(&died) => {
            format!("{error:#}")
        }
        (Fate::InTime, Some(error), Some(died)) => format!("{died}. {error:#}"),
        (Fate::InTime, Some(error), None) => format!("{error:#}"),
        (Fate::InTime, None, Some(died)) => died,
        (Fate::InTime, None, None) => "It failed without a word".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::model::Quantity;

    #[test]
    fn a_repetition_s_figure_of_many_times_is_their_median() {
        let mut record = Record::new("a");
        for repetition in 0..2 {
            let mut readings = Readings::default();
            readings.value(Quantity::CpuPerFrame, 5.0);
            readings.value(Quantity::Cpu, f64::NAN);
            for microseconds in [30, 10, 20] {
                let time = Duration::from_micros(microseconds + 100 * repetition);
                readings.time(Quantity::FlushToAnswer, time);
            }
            let disturbance = (repetition == 1).then(|| "noise".to_owned());
            record.add(u32::try_from(repetition).unwrap(), readings, disturbance);
        }
        let subject = record.finish();
        assert_eq!(subject.values[&Quantity::CpuPerFrame], [5.0, 5.0]);
        assert_eq!(subject.values.get(&Quantity::Cpu), None);
        let round = |values: &[f64]| values.iter().map(|value| value.round()).collect::<Vec<_>>();
        assert_eq!(
            round(&subject.values[&Quantity::FlushToAnswer]),
            [20.0, 120.0]
        );
        let times = &subject.times[&Quantity::FlushToAnswer];
        assert_eq!(round(times), [10.0, 20.0, 30.0, 110.0, 120.0, 130.0]);
        let series = &subject.series[&Quantity::FlushToAnswer];
        assert_eq!(round(series), [30.0, 10.0, 20.0]);
        let disturbed = Disturbance {
            repetition: 1,
            what: "noise".to_owned(),
        };
        assert_eq!(subject.disturbed, [disturbed]);
    }

    #[test]
    fn figures_keep_the_digits_that_say_something() {
        for (exact, rounded) in [
            (16_666.666_7, 16_667.0),
            (0.000_123_456_7, 0.000_123_46),
            (0.0, 0.0),
            (-1.5, -1.5),
        ] {
            let mut figure = exact;
            round(&mut figure);
            assert_eq!(figure, rounded);
        }
    }

    #[test]
    fn many_times_are_thinned_from_end_to_end() {
        let mut times: Vec<f64> = (0..1001).map(f64::from).collect();
        thin(&mut times, 11);
        assert_eq!(
            times,
            [
                0.0, 100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0, 900.0, 1000.0
            ]
        );
        thin(&mut times, 11);
        assert_eq!(times.len(), 11);
    }

    #[test]
    fn a_failure_says_what_is_known() {
        let why = |error: Option<&'static str>, died: Option<&str>, fate| {
            let error = error.map(anyhow::Error::msg);
            let died = died.map(str::to_owned);
            failure(error, died, fate, "start", Duration::from_millis(1500))
        };
        let hung = "It took longer than 1.5 s to start, and was killed";
        assert_eq!(
            why(
                Some("gone"),
                Some("device ended (killed by signal 9)"),
                Fate::Killed
            ),
            hung
        );
        assert_eq!(
            why(Some("gone"), Some("device ended: x"), Fate::InTime),
            "device ended: x. gone"
        );
        assert_eq!(
            why(Some("no: device ended"), Some("device ended"), Fate::InTime),
            "no: device ended"
        );
        assert_eq!(
            why(None, Some("device ended"), Fate::InTime),
            "device ended"
        );
    }
}
