//! What the benchmark wrote, read back.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::Value;

/// A report as JSON.
pub struct Report(Value);

impl Report {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file)
            .with_context(|| format!("Reading the report {}", file.display()))?;
        Ok(Self(serde_json::from_str(&text)?))
    }

    /// The names of a scenario's cases.
    ///
    /// # Errors
    ///
    /// When there is no such scenario.
    pub fn cases(&self, scenario: &str) -> Result<Vec<&str>> {
        Ok(list(&self.scenario(scenario)?["cases"])
            .filter_map(|case| case["case"].as_str())
            .collect())
    }

    /// That a subject has a figure in a case of a scenario that has all subjects do the same.
    ///
    /// # Errors
    ///
    /// When it has none; the message says why.
    pub fn expect(&self, scenario: &str, subject: &str, quantity: &str) -> Result<f64> {
        let mut last = None;
        let cases = list(&self.scenario(scenario)?["cases"]);
        let same = cases.filter(|case| !case["setting"].is_null());
        for case in same.filter_map(|case| case["case"].as_str()) {
            match self
                .subject(scenario, case, subject)
                .and_then(|found| found.median(quantity))
            {
                Ok(figure) => return Ok(figure),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow!("{scenario} has no cases")))
    }

    /// What became of a peer in a scenario, in words: a figure, or why there is none. Not that there is nothing.
    ///
    /// # Errors
    ///
    /// When the report says nothing of it.
    pub fn account(&self, scenario: &str, peer: &str, quantity: &str) -> Result<String> {
        let why = match self.expect(scenario, peer, quantity) {
            Ok(figure) => return Ok(format!("{figure:.0}")),
            Err(error) => format!("{error:#}"),
        };
        let subject = named(&self.0["subjects"], "name", |name| name == peer)?;
        let missing = subject["found"]["Err"].as_str();
        let told = missing.is_some() || why.contains("failure") || why.contains("skipped");
        ensure!(
            told,
            "The report does not say what became of {peer} in {scenario}: {why}"
        );
        Ok(format!("not measured ({})", missing.unwrap_or(&why)))
    }

    fn scenario(&self, scenario: &str) -> Result<&Value> {
        named(&self.0["scenarios"], "scenario", |name| name == scenario)
            .with_context(|| format!("Looking for the scenario {scenario}"))
    }

    /// What a subject has in the first case of a scenario whose name contains `case`.
    ///
    /// # Errors
    ///
    /// When it is not there, or failed; the message says why.
    pub fn subject(&self, scenario: &str, case: &str, subject: &str) -> Result<Subject<'_>> {
        let scenario = self.scenario(scenario)?;
        let found = named(&scenario["cases"], "case", |name| name.contains(case))
            .and_then(|case| named(&case["subjects"], "subject", |name| name == subject))
            .with_context(|| {
                format!(
                    "Looking for {subject} in {case}. Left out are {}",
                    scenario["skipped"]
                )
            })?;
        for trouble in ["failure", "skipped"] {
            if let Some(why) = found[trouble].as_str() {
                bail!("{subject} in {case}: {trouble}: {why}");
            }
        }
        Ok(Subject(found))
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn named<'a>(all: &'a Value, key: &str, wanted: impl Fn(&str) -> bool) -> Result<&'a Value> {
    list(all)
        .find(|entry| entry[key].as_str().is_some_and(&wanted))
        .with_context(|| {
            let names: Vec<_> = list(all).filter_map(|entry| entry[key].as_str()).collect();
            format!("It is none of {names:?}")
        })
}

/// What was measured of one subject in a case.
pub struct Subject<'a>(&'a Value);

impl Subject<'_> {
    /// A value for each repetition.
    ///
    /// # Errors
    ///
    /// When it was not measured.
    pub fn values(&self, quantity: &str) -> Result<Vec<f64>> {
        numbers(&self.0["values"][quantity])
            .with_context(|| format!("Looking for {quantity} in {}", self.0["values"]))
    }

    /// The one in the middle.
    ///
    /// # Errors
    ///
    /// As [`Subject::values`].
    pub fn median(&self, quantity: &str) -> Result<f64> {
        middle(self.values(quantity)?)
    }

    /// The time in the middle, in microseconds.
    ///
    /// # Errors
    ///
    /// As [`Subject::values`].
    pub fn median_time(&self, quantity: &str) -> Result<f64> {
        let times = numbers(&self.0["times"][quantity])
            .with_context(|| format!("Looking for times of {quantity}"))?;
        middle(times)
    }
}

fn numbers(value: &Value) -> Result<Vec<f64>> {
    let numbers: Vec<f64> = list(value).filter_map(Value::as_f64).collect();
    ensure!(!numbers.is_empty(), "It was not measured");
    Ok(numbers)
}

fn middle(mut numbers: Vec<f64>) -> Result<f64> {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.get(numbers.len() / 2).copied();
    middle.context("There is no number")
}
