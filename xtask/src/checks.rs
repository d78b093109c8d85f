//! The steps that need no virtual machine.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result};

use crate::{bench_check, paths, report, setup, steps::Steps};

/// Runs them, those that fail fast first.
pub fn run(steps: &mut Steps) {
    steps.step("format", |log| cargo(log, &["fmt", "--all", "--check"]));
    steps.step("spelling", |log| {
        report::run_logged(&mut tool("typos"), log)?;
        Ok(String::new())
    });
    // The database of advisories is a git repository of its own and is not read here, so that the same
    // check means the same without a network. `cargo deny check advisories` reads it.
    steps.step("dependencies", |log| {
        cargo(log, &["deny", "check", "bans", "licenses", "sources"])
    });
    steps.step("lints", |log| {
        cargo(
            log,
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "--deny",
                "warnings",
            ],
        )
    });
    steps.step("documentation", |log| {
        report::run_logged(
            base()
                .args([
                    "doc",
                    "--workspace",
                    "--no-deps",
                    "--document-private-items",
                    "--locked",
                ])
                .env("RUSTDOCFLAGS", "--deny warnings"),
            log,
        )?;
        Ok(String::new())
    });
    steps.step("tests", tests);
    steps.step("documentation examples", |log| {
        cargo(log, &["test", "--workspace", "--doc", "--locked"])
    });
    if bench_check::IS_POSSIBLE {
        steps.step("instructions", |log| bench_check::run(log, false));
    }
}

/// Unit tests, and those of whole processes with the software guest.
fn tests(log: &Path) -> Result<String> {
    cargo(
        log,
        &[
            "nextest",
            "run",
            "--workspace",
            "--locked",
            "--profile",
            "full",
        ],
    )?;
    let text = fs::read_to_string(log)?;
    let summary = text
        .lines()
        .rev()
        .find_map(|line| line.split_once("tests run:").map(|(_, rest)| rest.trim()))
        .context("Reading nextest's summary: there is none")?;
    Ok(summary.to_owned())
}

/// Builds the program that the tests of whole machines run. The whole workspace, because for a single
/// package cargo would choose other features of the shared dependencies, and build them anew.
///
/// # Errors
///
/// When it does not compile.
pub fn build_lucarne(log: &Path) -> Result<()> {
    cargo(log, &["build", "--locked", "--workspace", "--bins"])?;
    Ok(())
}

fn cargo(log: &Path, arguments: &[&str]) -> Result<String> {
    report::run_logged(base().args(arguments), log)?;
    Ok(String::new())
}

/// `cargo`, in the checkout.
pub fn base() -> Command {
    let mut command = tool("cargo");
    command.env("CARGO_TERM_COLOR", "never");
    command
}

/// A program in the checkout, found also where only `cargo` knows it.
fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    let own = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&own).chain(setup::cargo_bin());
    if let Ok(path) = std::env::join_paths(folders) {
        command.env("PATH", path);
    }
    command.current_dir(paths::root());
    command
}
