//! `cargo xtask`: set-up, the lab, the demo and every test of Lucarne.

mod bench;
mod bench_check;
mod checks;
mod demo;
mod lab;
mod labtests;
mod paths;
mod report;
mod setup;
mod steps;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Set-up, demo, tests and the lab of Lucarne"
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install the packages and programs that building and testing need (asks sudo if not root)
    Setup {
        /// Only say what would be installed
        #[arg(long)]
        print: bool,
    },
    /// Build the lab (kernels, a Debian file system) in the cache; does nothing if it is there
    Lab {
        /// Say where its parts are and how they are used by hand
        #[arg(long)]
        print: bool,
    },
    /// Boot a real Linux virtual machine and show it as a Wayland window, or save it as a PNG
    Demo {
        /// The file for the picture where there is no Wayland session
        #[arg(long, value_name = "FILE")]
        screenshot: Option<std::path::PathBuf>,
    },
    /// Run every check and every test
    Test {
        /// Leave out the lab: no virtual machines
        #[arg(long)]
        quick: bool,
        /// Only the steps whose names contain NAME
        #[arg(long, value_name = "NAME")]
        only: Option<String>,
    },
    /// Run the whole benchmark, also in the lab's machines, and write one report
    Bench {
        /// Seconds for each part: whether all of it works
        #[arg(long)]
        short: bool,
        /// How often each case is measured on each subject [default: 3, with --short 1; 3 take about 40 minutes]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
        repetitions: Option<u32>,
        /// The folder of the report [default: xtask/bench in cargo's build folder]
        #[arg(long, value_name = "DIR")]
        out: Option<std::path::PathBuf>,
    },
    /// Count the instructions of hot operations, and fail where they are not what they were
    BenchCheck {
        /// Write the table instead of comparing with it
        #[arg(long)]
        update: bool,
    },
    /// What the tests run inside the lab's machines
    #[command(hide = true)]
    Inside {
        #[command(subcommand)]
        program: labtests::inside::Program,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::say(format!("Error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Setup { print } => {
            setup::ensure(setup::Scope::Test, print)?;
            report::say(if print {
                "setup    that is all"
            } else {
                "setup    everything is installed"
            });
            Ok(())
        }
        Task::Lab { print } => {
            setup::ensure(setup::Scope::Lab, false)?;
            let lab = lab::ensure()?;
            lab::ensure_programs()?;
            lab.ensure_peers()?;
            report::say(if print {
                lab.describe()
            } else {
                "lab      ready; `cargo xtask lab --print` says where".to_owned()
            });
            Ok(())
        }
        Task::Demo { screenshot } => demo::run(screenshot),
        Task::Test { quick, only } => {
            setup::ensure(setup::Scope::Test, false)?;
            let mut steps = steps::Steps::new(only)?;
            checks::run(&mut steps);
            if !quick {
                labtests::run(&mut steps);
            }
            steps.finish()
        }
        Task::Bench {
            short,
            repetitions,
            out,
        } => bench::run(labtests::Extent::of(short, repetitions), out),
        Task::BenchCheck { update } => {
            setup::ensure(setup::Scope::Test, false)?;
            std::fs::create_dir_all(paths::scratch())?;
            let log = paths::scratch().join("bench-check.log");
            let note = bench_check::run(&log, update)?;
            report::say(format!("instructions  ok ({note})"));
            Ok(())
        }
        Task::Inside { program } => labtests::inside::run(program),
    }
}
