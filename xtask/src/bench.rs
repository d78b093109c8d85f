//! `cargo xtask bench`: all of `lucarne bench`, with the lab's peers, a real guest and the lab's machines, as one
//! report.
//!
//! What a machine of the lab measured is a report of its own; `lucarne bench --from` makes one of all. A part that
//! fails is missing there, with the reason, and the others are there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Error, Result, ensure};

use crate::{
    checks, lab,
    labtests::{self, Extent, Place},
    paths, report, setup,
    steps::Steps,
};

/// Characters of the reason why a part is missing.
const REASON: usize = 200;

/// A part of the benchmark.
struct Part {
    name: &'static str,
    /// Measures; the file with its report.
    measure: fn(&labtests::Bench, &Place, Extent) -> Result<PathBuf>,
    /// About how long that takes on two processors.
    takes: fn(&labtests::Bench, Extent) -> Result<Duration>,
}

/// The first one says what the machine is and what is asked of Lucarne.
const PARTS: &[Part] = &[
    Part {
        name: "bench on this machine",
        measure: here,
        takes: here_takes,
    },
    Part {
        name: "bench blobs in the lab",
        measure: labtests::bench_blobs,
        takes: |_, extent| Ok(labtests::bench_blobs_take(extent)),
    },
    Part {
        name: "bench planes in the lab",
        measure: labtests::bench_planes,
        takes: |_, extent| Ok(labtests::bench_planes_take(extent)),
    },
    Part {
        name: "bench glmark2 in a guest",
        measure: labtests::bench_glmark,
        takes: |_, extent| Ok(labtests::bench_glmark_takes(extent)),
    },
];

/// What came of the parts.
#[derive(Default)]
struct Outcome {
    reports: Vec<PathBuf>,
    /// Their names, and why.
    missing: Vec<(&'static str, String)>,
}

/// Measures, and writes the report.
///
/// # Errors
///
/// When a part of it fails; what the others measured is in the report.
pub fn run(extent: Extent, out: Option<PathBuf>) -> Result<()> {
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
    if let Some(bench) = &bench {
        announce(bench, extent);
    }
    let mut outcome = Outcome::default();
    for part in PARTS {
        steps.always(part.name, |log| {
            let bench = bench
                .as_ref()
                .context("Measuring: the lab is not there (see the step before)")?;
            let measured =
                Place::new(part.name, log).and_then(|place| (part.measure)(bench, &place, extent));
            match measured {
                Ok(report) => outcome.reports.push(report),
                Err(error) => {
                    outcome.missing.push((part.name, reason(&error)));
                    return Err(error);
                }
            }
            Ok(String::new())
        });
    }
    steps.always("bench report", |log| {
        let bench = bench.as_ref().context("There is nothing to report")?;
        write(&bench.lucarne, &outcome, &out, log)
    });
    steps.finish()
}

/// Says what will be done, and how long it takes.
fn announce(bench: &labtests::Bench, extent: Extent) {
    let mut all = Duration::ZERO;
    for part in PARTS {
        // That it can't be told is no reason not to measure.
        let takes = (part.takes)(bench, extent).unwrap_or_default();
        all += takes;
        report::say(format!("         {}: about {}", part.name, minutes(takes)));
    }
    report::say(format!(
        "         together about {}, {} repetitions",
        minutes(all),
        extent.repetitions
    ));
}

fn minutes(time: Duration) -> String {
    format!("{:.1} min", time.as_secs_f64() / 60.0)
}

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
fn here(bench: &labtests::Bench, place: &Place, extent: Extent) -> Result<PathBuf> {
    let file = place.folder.join("report.json");
    let mut command = labtests::bench_command(bench, extent)?;
    command.args(["--against", "all"]).arg("--json").arg(&file);
    report::run_logged(&mut command, &place.log)?;
    Ok(file)
}

fn here_takes(bench: &labtests::Bench, extent: Extent) -> Result<Duration> {
    let mut command = labtests::bench_command(bench, extent)?;
    // Without rust-vmm's device: where there is no graphics card it refuses the first picture of each case.
    command.args([
        "--against",
        "null,vhost-user-gpu,qemu-dbus,qemu-vnc",
        "--estimate",
    ]);
    let seconds = report::output(&mut command)?.trim().parse();
    Ok(Duration::from_secs(seconds.context("Reading an estimate")?))
}

/// Why a part failed, for readers elsewhere: a line without paths of this machine. All of it is in the log.
fn reason(error: &Error) -> String {
    let whole = format!("{error:#}");
    let line = whole.lines().next().unwrap_or_default();
    let words = line
        .split_whitespace()
        .map(|word| match word.rsplit_once('/') {
            Some((folder, file)) if folder.contains('/') || folder.is_empty() => file,
            _ => word,
        });
    let words = words.collect::<Vec<_>>().join(" ");
    words.chars().take(REASON).collect()
}

/// One report of several.
fn write(lucarne: &Path, outcome: &Outcome, out: &Path, log: &Path) -> Result<String> {
    ensure!(!outcome.reports.is_empty(), "Nothing was measured");
    let mut command = Command::new(lucarne);
    command.arg("bench");
    for part in &outcome.reports {
        command.arg("--from").arg(part);
    }
    for (part, why) in &outcome.missing {
        command.arg("--missing").args([*part, why.as_str()]);
    }
    report::run_logged(command.arg("--report").arg(out), log)?;
    Ok(out.display().to_string())
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_reason_is_a_line_without_paths() {
        let error = anyhow!("it failed (3/4). The end of /home/me/logs/bench.log:\n  more")
            .context("Measuring /a");
        assert_eq!(
            reason(&error),
            "Measuring a: it failed (3/4). The end of bench.log:"
        );
    }
}
