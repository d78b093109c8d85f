//! `lucarne bench`

mod list;
mod live;
mod outputs;
mod watched;

use std::{
    env, fs,
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum, builder::PossibleValue};

use self::outputs::Outputs;
use super::log::{self, Filter};
use crate::bench::{
    plan::{Length, PeerKind, Plan, RealMachine, ScenarioKind},
    report::{self, model::Report, table},
    run::{self, has_figures},
};

/// Measure what a frame costs, how long it takes and how many are missed, beside the alternatives.
///
/// A software guest draws on devices that run as they do for any virtual machine: Lucarne's, and those
/// of the peers that are named. They take turns, since a machine's speed changes from minute to minute:
/// compare figures of one run. Each repetition says whether the machine was busy with something else.
/// Everything is measured from outside. Progress goes to standard error, a table to standard output.
///
/// Its exit status is 0 also where a target is missed, 1 where nothing could be measured.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lucarne bench --list                            what there is, what this machine can do, how long it takes
  lucarne bench --short                           does everything work? seconds for each scenario
  lucarne bench flip commands                     these scenarios, for figures to be quoted
  lucarne bench --against all --report report     beside all peers that are installed, as a page
  lucarne bench transfer --against vhost-user-gpu --repetitions 15
  lucarne bench flip --json - > flip.json
  lucarne bench flip --case 'blob, 60 Hz' --case 'at rest'
  lucarne bench flip --against qemu-vnc --kernel vmlinuz --initrd flips.img

A real guest (--kernel, --initrd) is one that flips pages on its own as soon as it is up, and writes
lines `flips N` to its serial console; `cargo xtask bench` makes one. Programs of peers are looked for in $LUCARNE_BENCH_PEERS, $PATH, and where
distributions put QEMU's helpers. Quit other programs before, and run on mains power.")]
pub(super) struct Bench {
    /// What is measured [default: everything]
    #[arg(value_name = "SCENARIO", value_enum)]
    scenarios: Vec<ScenarioKind>,
    /// Measure a peer as well; given again for more
    #[arg(long, value_name = "PEER", value_enum, value_delimiter = ',')]
    against: Vec<Against>,
    /// See soon that everything works; the figures are not worth quoting
    #[arg(long)]
    short: bool,
    /// How often each case is measured on each subject [default: 7, with --short 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    repetitions: Option<u32>,
    /// Only cases whose names have these words, like `60 Hz`; given again for more
    #[arg(long = "case", value_name = "WORDS")]
    cases: Vec<String>,
    /// Write the report as JSON, to standard output if it is -; the table goes to standard error then
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as a page with plots into a folder
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Say what there is, and what of it this machine can do
    #[arg(long, conflicts_with_all = ["json", "report"])]
    list: bool,
    /// A kernel for what only a real guest can do
    #[arg(long, value_name = "FILE", requires = "initrd")]
    kernel: Option<PathBuf>,
    /// Its initial file system
    #[arg(long, value_name = "FILE", requires = "kernel")]
    initrd: Option<PathBuf>,
    /// Measure nothing: print how many seconds it would take
    #[arg(long, hide = true)]
    estimate: bool,
    /// What machine this is, for a report that will be one of several: words that follow `in`
    #[arg(long, value_name = "WORDS", hide = true, default_value = "")]
    place: String,
    /// Measure nothing: make one report of these
    #[arg(long, value_name = "FILE", hide = true, conflicts_with_all = ["scenarios", "against", "list"])]
    from: Vec<PathBuf>,
    /// A part that failed, and why, for a report of several
    #[arg(long, num_args = 2, value_names = ["PART", "WHY"], hide = true, requires = "from")]
    missing: Vec<String>,
}

const REPETITIONS: u32 = 7;
const SHORT_REPETITIONS: u32 = 2;

/// Beside whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Against {
    /// All that are installed.
    All,
    /// This one.
    One(PeerKind),
}

impl ValueEnum for Against {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::All,
            Self::One(PeerKind::Null),
            Self::One(PeerKind::VhostUserGpu),
            Self::One(PeerKind::VhostDeviceGpu),
            Self::One(PeerKind::QemuDbus),
            Self::One(PeerKind::QemuVnc),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::All => Some(PossibleValue::new("all").help("All that are installed")),
            Self::One(kind) => kind.to_possible_value(),
        }
    }
}

impl Bench {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        log::start(&Filter::new(&config::Log {
            level: config::log::Level::Warn,
            filter: None,
        }));
        let plan = self.plan()?;
        if self.list {
            let mut out = io::stdout();
            let text = list::text(&plan, live::columns(&out));
            out.write_all(text.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        if self.estimate {
            writeln!(io::stdout(), "{}", run::estimate_all(&plan).as_secs())?;
            return Ok(ExitCode::SUCCESS);
        }
        // Before minutes are spent on figures that then can't be written.
        let outputs = Outputs::open(self.json.as_deref(), self.report.as_deref())?;
        if !self.from.is_empty() {
            let report = merged(&self.from, &self.missing)?;
            self.show(&report)?;
            outputs.write(&report)?;
            return Ok(ExitCode::SUCCESS);
        }
        let outcome = watched::run(plan)?;
        // The table first: it needs no room on a disk.
        let shown = self.show(&outcome.report);
        outputs.write(&outcome.report)?;
        shown?;
        if let Some(signal) = outcome.ended_by {
            return Ok(ExitCode::from(128 + signal));
        }
        if outcome.is_stuck {
            bail!(
                "Could not measure everything: what was being measured hangs. It was killed; its case \
                 is not in the report"
            );
        }
        if !has_figures(&outcome.report) {
            let is_any = outcome
                .report
                .scenarios
                .iter()
                .any(|it| !it.cases.is_empty());
            bail!(nothing_measured(&self.cases, is_any));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn plan(&self) -> anyhow::Result<Plan> {
        let mut scenarios = self.scenarios.clone();
        if scenarios.is_empty() {
            scenarios.extend(ScenarioKind::value_variants());
        }
        let mut peers = Vec::new();
        for against in &self.against {
            match against {
                Against::All => peers.extend(PeerKind::value_variants()),
                Against::One(kind) => peers.push(*kind),
            }
        }
        let repetitions = match self.short {
            true => SHORT_REPETITIONS,
            false => REPETITIONS,
        };
        let machine = match (&self.kernel, &self.initrd) {
            (Some(kernel), Some(initrd)) => Some(RealMachine {
                kernel: readable(kernel)?,
                initrd: readable(initrd)?,
            }),
            _ => None,
        };
        Ok(Plan {
            scenarios: once_each(scenarios),
            peers: once_each(peers),
            length: match self.short {
                true => Length::Short,
                false => Length::Full,
            },
            repetitions: self.repetitions.unwrap_or(repetitions),
            cases: self.cases.clone(),
            place: self.place.clone(),
            machine,
        })
    }

    /// Prints the table.
    fn show(&self, report: &Report) -> anyhow::Result<()> {
        let is_json_there = self
            .json
            .as_deref()
            .is_some_and(outputs::is_standard_output);
        let (mut out, is_terminal, columns): (Box<dyn io::Write>, _, _) = match is_json_there {
            true => {
                let out = io::stderr();
                (Box::new(out.lock()), out.is_terminal(), live::columns(&out))
            }
            false => {
                let out = io::stdout();
                (Box::new(out.lock()), out.is_terminal(), live::columns(&out))
            }
        };
        let use_colour = is_terminal && env::var_os("NO_COLOR").is_none();
        let text = table::text(report, columns, use_colour);
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .context("Could not print the table")
    }
}

/// Why there is no figure at all: cases were asked for by `words`, and whether there was `any` of them.
fn nothing_measured(words: &[String], any: bool) -> String {
    if words.is_empty() || any {
        return "Could not measure anything. `lucarne bench --list` says what is missing"
            .to_owned();
    }
    let words: Vec<String> = words.iter().map(|words| format!("{words:?}")).collect();
    format!(
        "Could not measure anything: no case of these scenarios has {} in its name. A run without \
         `--case` shows the names, and `lucarne bench --list` what is missing",
        words.join(" or ")
    )
}

/// Reports of earlier runs as one. `missing` are parts that failed, each followed by the reason.
fn merged(files: &[PathBuf], missing: &[String]) -> anyhow::Result<Report> {
    let read = |file: &PathBuf| {
        let text = fs::read(file)
            .with_context(|| format!("Could not read {}. Check its name", file.display()))?;
        serde_json::from_slice(&text).with_context(|| {
            format!(
                "Could not understand {}. Give a report.json of this version",
                file.display()
            )
        })
    };
    let reports: Vec<Report> = files.iter().map(read).collect::<anyhow::Result<_>>()?;
    let mut report = report::merge(reports);
    for part in missing.chunks(2) {
        if let [part, why] = part {
            report.missing.push((part.clone(), why.clone()));
        }
    }
    Ok(report)
}

/// Without those that were there before.
fn once_each<T: PartialEq>(values: Vec<T>) -> Vec<T> {
    let mut kept = Vec::new();
    for value in values {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

/// The whole path of a file that can be read: subjects run in other folders.
fn readable(path: &PathBuf) -> anyhow::Result<PathBuf> {
    fs::File::open(path)
        .and_then(|_| fs::canonicalize(path))
        .with_context(|| format!("Could not read {}. Check its name", path.display()))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::{super::Cli, *};

    fn bench(arguments: &[&str]) -> Result<Bench, clap::Error> {
        let words = ["lucarne", "bench"]
            .into_iter()
            .chain(arguments.iter().copied());
        match Cli::try_parse_from(words)?.command {
            super::super::Command::Bench(bench) => Ok(bench),
            other => panic!("{other:?} is not `bench`"),
        }
    }

    fn plan(arguments: &[&str]) -> Plan {
        bench(arguments).unwrap().plan().unwrap()
    }

    #[test]
    fn without_arguments_everything_is_measured_and_nobody_else() {
        let plan = plan(&[]);
        assert_eq!(plan.scenarios, ScenarioKind::value_variants());
        assert_eq!(plan.peers, []);
        assert_eq!((plan.length, plan.repetitions), (Length::Full, REPETITIONS));
        assert_eq!(plan.machine, None);
    }

    #[test]
    fn all_peers_are_all_and_none_of_them_twice() {
        assert_eq!(
            plan(&["--against", "all"]).peers,
            PeerKind::value_variants()
        );
        let peers = [PeerKind::Null, PeerKind::VhostUserGpu];
        assert_eq!(
            plan(&["--against", "null,vhost-user-gpu", "--against", "null"]).peers,
            peers
        );
        // A peer that is added to the one list is in the other.
        assert_eq!(
            Against::value_variants().len(),
            PeerKind::value_variants().len() + 1
        );
    }

    #[test]
    fn a_short_run_has_fewer_repetitions_unless_it_is_told_otherwise() {
        assert_eq!(plan(&["--short"]).repetitions, SHORT_REPETITIONS);
        assert_eq!(plan(&["--short", "--repetitions", "5"]).repetitions, 5);
        assert!(bench(&["--repetitions", "0"]).is_err());
    }

    #[test]
    fn words_that_no_case_has_are_named() {
        let words = ["blob, 61 Hz".to_owned(), "at rset".to_owned()];
        let said = nothing_measured(&words, false);
        assert!(
            said.contains(r#"has "blob, 61 Hz" or "at rset" in its name"#),
            "{said}"
        );
        let listed = nothing_measured(&[], false);
        assert!(listed.contains("--list") && !listed.contains("name"));
        assert_eq!(nothing_measured(&words, true), listed);
    }

    #[test]
    fn an_unknown_scenario_is_answered_with_the_known_ones() {
        let error = bench(&["flop"]).unwrap_err().to_string();
        for kind in ScenarioKind::value_variants() {
            let name = kind.to_possible_value().unwrap();
            assert!(error.contains(name.get_name()), "{error}");
        }
    }

    #[test]
    fn a_kernel_comes_with_an_initrd_and_both_are_there() {
        assert!(bench(&["--kernel", "/dev/null"]).is_err());
        let bench = bench(&["--kernel", "/dev/null", "--initrd", "/nowhere"]).unwrap();
        let error = bench.plan().unwrap_err().to_string();
        assert_eq!(error, "Could not read /nowhere. Check its name");
    }
}
