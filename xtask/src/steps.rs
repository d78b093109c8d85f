//! Named steps, each with a log, a time and a verdict, and their sum.

use std::{
    fs, panic,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{paths, report};

/// Runs steps one after the other; a failed one does not keep the others from running.
pub struct Steps {
    only: Option<String>,
    logs: PathBuf,
    known: Vec<String>,
    passed: usize,
    failed: Vec<String>,
    started: Instant,
}

impl Steps {
    /// Runs those whose names contain `only`, or all.
    ///
    /// # Errors
    ///
    /// When the folder of the logs cannot be made.
    pub fn new(only: Option<String>) -> Result<Self> {
        let logs = paths::scratch().join("logs");
        fs::create_dir_all(&logs)?;
        Ok(Self {
            only,
            logs,
            known: Vec::new(),
            passed: 0,
            failed: Vec::new(),
            started: Instant::now(),
        })
    }

    /// Whether the step `name` was asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| name.contains(only.as_str()))
    }

    /// Whether exactly the step `name` was asked for.
    pub fn is_named(&self, name: &str) -> bool {
        self.only.as_deref() == Some(name)
    }

    /// Runs one step. `work` gets the step's log file, fresh, and returns what is worth a word in the
    /// summary.
    pub fn step(&mut self, name: &str, work: impl FnOnce(&Path) -> Result<String>) {
        self.known.push(name.to_owned());
        if self.wants(name) {
            self.always(name, work);
        }
    }

    /// Runs one step that others stand on, whether or not it was asked for.
    pub fn always(&mut self, name: &str, work: impl FnOnce(&Path) -> Result<String>) {
        let log = self
            .logs
            .join(format!("{}.log", name.replace([' ', '/'], "-")));
        let started = Instant::now();
        let result = fs::write(&log, "")
            .map_err(Into::into)
            .and_then(|()| without_panic(|| work(&log)));
        let took = started.elapsed();
        match result {
            Ok(note) => {
                self.passed += 1;
                line("ok", took, name, &note);
            }
            Err(error) => {
                self.failed.push(name.to_owned());
                line("FAILED", took, name, "");
                report::say(format!("{error:#}"));
                report::say(format!("    (log: {})", log.display()));
            }
        }
    }

    /// Prints the sum.
    ///
    /// # Errors
    ///
    /// When a step failed, or none ran.
    pub fn finish(self) -> Result<()> {
        if self.passed + self.failed.len() == 0 {
            bail!(
                "Looking for a step named {:?}: there is none. The steps are:\n  {}",
                self.only.unwrap_or_default(),
                self.known.join("\n  ")
            );
        }
        report::say(String::new());
        for name in &self.failed {
            report::say(format!("failed: {name}"));
        }
        report::say(format!(
            "total time {}",
            report::seconds(self.started.elapsed())
        ));
        report::say(format!(
            "{} passed, {} failed",
            self.passed,
            self.failed.len()
        ));
        if !self.failed.is_empty() {
            bail!("{} of the steps failed", self.failed.len());
        }
        Ok(())
    }
}

/// A step that panics has failed; the others run all the same.
fn without_panic(work: impl FnOnce() -> Result<String>) -> Result<String> {
    panic::catch_unwind(panic::AssertUnwindSafe(work))
        .unwrap_or_else(|_| bail!("It panicked; what it said is above"))
}

fn line(verdict: &str, took: Duration, name: &str, note: &str) {
    let took = report::seconds(took);
    let note = if note.is_empty() {
        String::new()
    } else {
        format!("  ({note})")
    };
    report::say(format!("{verdict:<7} {took:>12}  {name}{note}"));
}
