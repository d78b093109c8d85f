//! The report while it grows: what was measured is there at any time, also when a run ends early.

use std::time::{Duration, Instant, SystemTime};

use super::{Event, date::rfc3339};
use crate::bench::{
    machine,
    plan::{Length, Plan},
    report::{
        model::{Report, ScenarioReport},
        targets,
    },
};

/// The report while it grows.
#[derive(Debug)]
pub struct Draft {
    report: Report,
    began: Instant,
}

impl Draft {
    /// Of a run that begins now, on a machine with these facts.
    #[must_use]
    pub fn new(plan: &Plan, machine: Vec<(String, String)>) -> Self {
        let length = match plan.length {
            Length::Short => "short",
            Length::Full => "full",
        };
        Self {
            report: Report {
                lucarne: env!("CARGO_PKG_VERSION").to_owned(),
                began: rfc3339(SystemTime::now()),
                seconds: 0.0,
                length: length.to_owned(),
                repetitions: plan.repetitions,
                place: plan.place.clone(),
                machine,
                missing: Vec::new(),
                subjects: Vec::new(),
                scenarios: Vec::new(),
                targets: Vec::new(),
            },
            began: Instant::now(),
        }
    }

    /// Adds what belongs into a report.
    pub fn add(&mut self, event: &Event) {
        let scenarios = &mut self.report.scenarios;
        match event {
            Event::Subject(facts) => self.report.subjects.push(facts.clone()),
            Event::Scenario { name, about } => scenarios.push(ScenarioReport {
                scenario: name.clone(),
                about: about.clone(),
                cases: Vec::new(),
                skipped: Vec::new(),
            }),
            Event::Case(case) => {
                scenarios
                    .iter_mut()
                    .last()
                    .into_iter()
                    .for_each(|scenario| {
                        scenario.cases.push(case.clone());
                    });
            }
            Event::Skipped { what, why } => {
                scenarios
                    .iter_mut()
                    .last()
                    .into_iter()
                    .for_each(|scenario| {
                        scenario.skipped.push((what.clone(), why.clone()));
                    });
            }
            Event::Estimate(_) | Event::Now { .. } | Event::Stuck => {}
        }
    }

    /// How long it has taken so far.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The report of all that was measured.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.report.seconds = self.began.elapsed().as_secs_f64();
        let load = machine::load().map(|load| ("load after".to_owned(), load));
        self.report.machine.extend(load);
        self.report.targets = targets::judge(&self.report);
        self.report
    }
}

/// Whether anything was measured.
#[must_use]
pub fn has_figures(report: &Report) -> bool {
    let cases = report.scenarios.iter().flat_map(|scenario| &scenario.cases);
    let mut subjects = cases.flat_map(|case| &case.subjects);
    subjects.any(|subject| !subject.values.is_empty())
}
