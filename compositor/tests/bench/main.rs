//! `lucarne bench` as its users meet it, in its short form: what must hold whatever the machine's speed.
//!
//! Every scenario runs against the device that does nothing. No figure is held against a time here; what
//! is asserted are counts, which are right or wrong, and that nothing is left behind.

mod command_line;
mod interrupted;
mod peers;
mod scenarios;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use compositor::bench::report::model::{CaseReport, CaseSubject, Quantity, Report, ScenarioReport};

/// A private place, which the benchmark has to leave as it found it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["run", "tmp", "peers"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a program there that is found instead of a peer's.
    fn peer(&self, name: &str, script: &str) {
        let path = self.path("peers").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&path, mode).unwrap();
    }

    /// `lucarne bench` with an environment of its own, no session and no peers but those of
    /// [`Place::peer`].
    fn bench(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lucarne"));
        command
            .arg("bench")
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("XDG_CONFIG_HOME", self.folder.path())
            .env("TMPDIR", self.path("tmp"))
            .env("LUCARNE_BENCH_PEERS", self.path("peers"));
        for name in [
            "DISPLAY",
            "WAYLAND_DISPLAY",
            "WAYLAND_SOCKET",
            "LUCARNE_SOCKET",
            "LUCARNE_LOG",
        ] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let Output {
            status,
            stdout,
            stderr,
        } = self.bench(arguments).output().unwrap();
        Ran {
            status: status.code(),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Runs the short form of a scenario once, and returns what it reports.
    #[track_caller]
    fn report(&self, arguments: &[&str]) -> Report {
        self.measured(&["--repetitions", "1"], arguments)
    }

    /// Runs the short form of a scenario, and returns what it reports.
    #[track_caller]
    fn measured(&self, first: &[&str], more: &[&str]) -> Report {
        let ran = self.run(&[&["--short", "--json", "report.json"], first, more].concat());
        assert_eq!(ran.status, Some(0), "{ran:?}");
        self.assert_nothing_is_left();
        self.written()
    }

    /// What the last run has written.
    #[track_caller]
    fn written(&self) -> Report {
        let report = std::fs::read(self.path("report.json")).unwrap();
        serde_json::from_slice(&report).unwrap()
    }

    /// That the benchmark has taken its sockets and logs away.
    #[track_caller]
    fn assert_nothing_is_left(&self) {
        for name in ["run", "tmp"] {
            assert_eq!(names(&self.path(name)), Vec::<String>::new(), "in {name}");
        }
    }
}

/// What became of a program.
#[derive(Debug)]
struct Ran {
    status: Option<i32>,
    out: String,
    err: String,
}

/// The only scenario of a report.
#[track_caller]
fn only(report: &Report) -> &ScenarioReport {
    assert_eq!(report.scenarios.len(), 1, "{report:?}");
    &report.scenarios[0]
}

/// A case's figures of a subject, which must have some.
#[track_caller]
fn figures<'a>(case: &'a CaseReport, subject: &str) -> &'a BTreeMap<Quantity, Vec<f64>> {
    let found = subject_of(case, subject);
    assert_eq!(
        (&found.failure, &found.skipped),
        (&None, &None),
        "{}",
        case.case
    );
    assert!(
        !found.values.is_empty() || !found.times.is_empty(),
        "{}: {found:?}",
        case.case
    );
    &found.values
}

#[track_caller]
fn subject_of<'a>(case: &'a CaseReport, subject: &str) -> &'a CaseSubject {
    let mut subjects = case.subjects.iter();
    let found = subjects.find(|found| found.subject == subject);
    found.unwrap_or_else(|| panic!("{}: there is no {subject}: {case:?}", case.case))
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
