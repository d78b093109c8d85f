//! The report as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use super::quantity::Quantity;
use crate::bench::subject::Wanted;

/// All of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The version of this program.
    pub lucarne: String,
    /// When the run began, as RFC 3339 in UTC.
    pub began: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// `short` or `full`.
    pub length: String,
    /// How often each case was measured on each subject.
    pub repetitions: u32,
    /// What machine it ran on, where there are reports of several: words that follow `in`. Empty for an
    /// ordinary run, and for all of them in one.
    #[serde(default)]
    pub place: String,
    /// The machine it ran on: facts by name, in order.
    pub machine: Vec<(String, String)>,
    /// Parts of the run of which there is nothing, each with the reason.
    #[serde(default)]
    pub missing: Vec<(String, String)>,
    /// Who took part.
    pub subjects: Vec<SubjectFacts>,
    /// What was measured.
    pub scenarios: Vec<ScenarioReport>,
    /// What Lucarne wants to reach, and whether it did.
    pub targets: Vec<TargetReport>,
}

/// Somebody who was to be measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubjectFacts {
    /// Its name.
    pub name: String,
    /// What its figures include.
    pub measures: String,
    /// The program and version that was found; the error says why there is none.
    pub found: Result<String, String>,
}

/// A scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScenarioReport {
    /// Its name on the command line.
    pub scenario: String,
    /// What it does.
    pub about: String,
    /// What was measured.
    pub cases: Vec<CaseReport>,
    /// What was left out, with the reason.
    pub skipped: Vec<(String, String)>,
}

/// A case of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseReport {
    /// What was done, like `3840x2160 blob, 60 Hz`: a size or a number of guests if cases differ in that,
    /// then the rest, so that plots find the cases that differ in nothing else.
    pub case: String,
    /// What a subject had to be for it; `None` where the scenario brought its own contestants.
    pub setting: Option<Wanted>,
    /// Who did it.
    pub subjects: Vec<CaseSubject>,
}

/// What was measured of one subject in a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseSubject {
    /// Who.
    pub subject: String,
    /// What went wrong, if something did; what was measured before is kept.
    pub failure: Option<String>,
    /// Why it was not asked to do it, if it was not.
    pub skipped: Option<String>,
    /// One value of each repetition that went well, by quantity.
    pub values: BTreeMap<Quantity, Vec<f64>>,
    /// Times of all repetitions, in microseconds, sorted; where there were more than 101, their percentiles
    /// from the 0th to the 100th.
    pub times: BTreeMap<Quantity, Vec<f64>>,
    /// Times of the first repetition that went well, in the order in which they were taken: all of them, or
    /// some at even distances.
    pub series: BTreeMap<Quantity, Vec<f64>>,
    /// Repetitions during which the machine was busy with something else.
    pub disturbed: Vec<Disturbance>,
}

/// The machine did something else during a repetition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disturbance {
    /// Which repetition, from 0.
    pub repetition: u32,
    /// What was seen.
    pub what: String,
}

/// What Lucarne wants to reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetReport {
    /// What.
    pub what: String,
    /// The bound, like `≤ 1.2`.
    pub bound: String,
    /// The scenario and the case that it is taken from; empty if nothing was measured.
    pub source: String,
    /// What was measured; the error says why nothing was.
    pub measured: Result<f64, String>,
    /// Whether that is within the bound; `None` if nothing was measured.
    pub met: Option<bool>,
}
