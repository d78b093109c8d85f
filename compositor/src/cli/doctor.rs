//! `lucarne doctor`

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use clap::Args;

use super::log::{self, Filter};
use crate::doctor::{Check, Verdict, examine};

/// Tell what this machine can do, and how to mend what it can't.
///
/// Changes nothing. Its exit status is 0 whatever it finds.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lucarne doctor
  lucarne doctor --json")]
pub(super) struct Doctor {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        // What the checks themselves log is in their findings.
        let quiet = config::Log {
            level: config::log::Level::Error,
            filter: None,
        };
        log::start(&Filter::new(&quiet));
        let checks = examine();
        let mut out = io::stdout();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&checks)?)?;
        } else {
            let use_colour = out.is_terminal() && env::var_os("NO_COLOR").is_none();
            out.write_all(describe(&checks, use_colour).as_bytes())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn describe(checks: &[Check], use_colour: bool) -> String {
    let names = checks
        .iter()
        .map(|check| check.name.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let (word, colour) = match check.verdict {
            Verdict::Ok => ("ok", "32"),
            Verdict::Degraded => ("degraded", "33"),
            Verdict::Missing => ("missing", "31"),
        };
        let word = format!("{word:8}");
        let word = if use_colour {
            format!("\x1b[{colour}m{word}\x1b[0m")
        } else {
            word
        };
        text.push_str(&format!(
            "{word}  {:names$}  {}\n",
            check.name, check.finding
        ));
        if let Some(mend) = &check.mend {
            text.push_str(&format!("{:8}  {:names$}  → {mend}\n", "", ""));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_says_how_it_is_and_the_next_what_mends_it() {
        let checks = [
            Check {
                name: "KVM",
                verdict: Verdict::Ok,
                finding: "boots".to_owned(),
                mend: None,
            },
            Check {
                name: "udmabuf",
                verdict: Verdict::Degraded,
                finding: "not there".to_owned(),
                mend: Some("sudo modprobe udmabuf".to_owned()),
            },
        ];
        assert_eq!(
            describe(&checks, false),
            "ok        KVM      boots\n\
             degraded  udmabuf  not there\n                   → sudo modprobe udmabuf\n"
        );
        assert!(describe(&checks, true).starts_with("\x1b[32mok      \x1b[0m  KVM"));
    }
}
