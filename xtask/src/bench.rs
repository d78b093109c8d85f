//! `cargo xtask bench`: all of `lucarne bench`, with the lab's peers, a real guest and the lab's machines, as one
//! report.
//!
//! What a machine of the lab measured is a report of its own; `lucarne bench --from` makes one of all. A part that
//! fails is missing there, and the others are there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    checks, lab,
    labtests::{self, Length, Place},
    paths, report, setup,
    steps::Steps,
};

/// Measures, and writes the report.
///
/// # Errors
///
/// When a part of it fails; what the others measured is in the report.
pub fn run(length: Length, out: Option<PathBuf>) -> Result<()> {
    setup::ensure(setup::Scope::Lab, false)?;
    let out = out.unwrap_or_else(|| paths::scratch().join("bench"));
    fs::create_dir_all(&out).with_context(|| format!("Making {}", out.display()))?;
    let out = out.canonicalize()?;
    let mut steps = Steps::new(None)?;
    let mut bench = None;
    steps.always("bench lab", |log| {
        // This program itself is run inside the lab's machines.
        checks::build_lucarne(log)?;
        let lab = lab::ensure()?;
        bench = Some(labtests::Bench {
            lucarne: release(log)?,
            lab,
        });
        Ok(String::new())
    });
    let mut parts = Vec::new();
    for (name, measure) in PARTS {
        steps.always(name, |log| {
            let bench = bench
                .as_ref()
                .context("Measuring: the lab is not there (see the step before)")?;
            let place = Place::new(name, log)?;
            parts.push(measure(bench, &place, length)?);
            Ok(String::new())
        });
    }
    steps.always("bench report", |log| {
        let bench = bench.as_ref().context("There is nothing to report")?;
        write(&bench.lucarne, &parts, &out, log)
    });
    steps.finish()
}

/// Measures something; the file with its report.
type Measure = fn(&labtests::Bench, &Place, Length) -> Result<PathBuf>;

/// The first one says what the machine is and what is asked of Lucarne.
const PARTS: &[(&str, Measure)] = &[
    ("bench on this machine", here),
    ("bench blobs in the lab", labtests::bench_blobs),
    ("bench planes in the lab", labtests::bench_planes),
    ("bench glmark2 in a guest", labtests::bench_glmark),
];

/// Builds the program as users have it.
fn release(log: &Path) -> Result<PathBuf> {
    report::run_logged(
        Command::new("cargo")
            .args(["build", "--locked", "--release", "--package", "compositor"])
            .env("CARGO_TERM_COLOR", "never")
            .current_dir(paths::root()),
        log,
    )?;
    Ok(paths::target().join("release/lucarne"))
}

/// All scenarios, beside all peers.
fn here(bench: &labtests::Bench, place: &Place, length: Length) -> Result<PathBuf> {
    let file = place.folder.join("report.json");
    let mut command = labtests::bench_command(bench, length)?;
    command.args(["--against", "all"]).arg("--json").arg(&file);
    report::run_logged(&mut command, &place.log)?;
    Ok(file)
}

/// One report of several.
fn write(lucarne: &Path, parts: &[PathBuf], out: &Path, log: &Path) -> Result<String> {
    ensure!(!parts.is_empty(), "Nothing was measured");
    let mut command = Command::new(lucarne);
    command.arg("bench");
    for part in parts {
        command.arg("--from").arg(part);
    }
    report::run_logged(command.arg("--report").arg(out), log)?;
    Ok(out.display().to_string())
}
