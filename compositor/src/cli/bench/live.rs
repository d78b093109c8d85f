//! Progress, on standard error: a line for each case and subject, and on a terminal one that changes.

use std::{
    io::{self, IsTerminal, Write as _},
    os::fd::AsFd,
    time::{Duration, Instant},
};

use crate::bench::{
    report::{
        model::CaseSubject,
        table::{self, wrap},
    },
    run::{Doing, Event},
};

/// Characters of a line where nobody says otherwise.
const COLUMNS: usize = 100;

/// Before what continues a text in another line.
const FURTHER: &str = "  ";

/// How many characters a line of a terminal has; a sensible number elsewhere.
pub(super) fn columns(out: &impl AsFd) -> usize {
    let size = rustix::termios::tcgetwinsize(out).ok();
    match size.map(|size| usize::from(size.ws_col)) {
        None | Some(0) => COLUMNS,
        Some(columns) => columns,
    }
}

/// Tells of progress. What can't be written is not told.
#[derive(Debug)]
pub(super) struct Live {
    is_terminal: bool,
    began: Instant,
    estimate: Duration,
}

impl Live {
    pub(super) fn new() -> Self {
        Self {
            is_terminal: io::stderr().is_terminal(),
            began: Instant::now(),
            estimate: Duration::ZERO,
        }
    }

    pub(super) fn show(&mut self, event: &Event) {
        match event {
            Event::Subject(facts) => match &facts.found {
                Ok(version) => self.line("", &format!("{}: {version}", facts.name)),
                Err(lack) => self.line("", &format!("{} is left out: {lack}", facts.name)),
            },
            Event::Estimate(estimate) => {
                self.estimate = *estimate;
                if !estimate.is_zero() {
                    self.line("", &format!("It will take about {}.", duration(*estimate)));
                }
            }
            Event::Scenario { name, .. } => self.line("", name),
            Event::Now {
                case,
                subject,
                doing,
            } => self.passing(&now(case, subject, *doing)),
            Event::Case(case) => {
                self.line("  ", &case.case);
                for subject in &case.subjects {
                    self.line("    ", &told(subject));
                }
            }
            Event::Skipped { what, why } => self.line("  ", &format!("{what}: left out: {why}")),
            Event::Stuck => self.line("", "What is being measured hangs, although it was killed."),
        }
    }

    /// A text that stays, in as many lines as it takes.
    pub(super) fn line(&self, indent: &str, text: &str) {
        let room = columns(&io::stderr()).saturating_sub(indent.len() + FURTHER.len());
        let mut lines = String::new();
        for (index, line) in wrap(text, room).iter().enumerate() {
            let further = if index == 0 { "" } else { FURTHER };
            lines.push_str(&format!("{indent}{further}{line}\n"));
        }
        self.write(&lines);
    }

    /// A line that the next one replaces; nothing where lines can't be replaced.
    fn passing(&self, text: &str) {
        if !self.is_terminal {
            return;
        }
        let left = self.estimate.saturating_sub(self.began.elapsed());
        let text = match left.is_zero() {
            true => text.to_owned(),
            false => format!("{text} (about {} left)", duration(left)),
        };
        // A line that is broken in two can't be replaced.
        let room = columns(&io::stderr()).saturating_sub(1);
        self.write(&text.chars().take(room).collect::<String>());
    }

    fn write(&self, text: &str) {
        let clear = if self.is_terminal { "\r\x1b[K" } else { "" };
        // Nobody to tell if this fails.
        let _ = write!(io::stderr(), "{clear}{text}");
    }

    /// Takes away the line that changes.
    pub(super) fn end(&self) {
        self.write("");
    }
}

fn now(case: &str, subject: &str, doing: Doing) -> String {
    match doing {
        Doing::Starting => format!("  {case}: {subject} starts"),
        Doing::Turn { repetition, of } => {
            format!("  {case}: {subject}, {} of {of}", repetition + 1)
        }
    }
}

fn told(subject: &CaseSubject) -> String {
    let mut text = subject.subject.clone();
    let brief = table::brief(subject);
    if !brief.is_empty() {
        text.push_str(&format!(": {brief}"));
    }
    if let Some(why) = &subject.skipped {
        text.push_str(&format!(": left out: {why}"));
    }
    if let Some(why) = &subject.failure {
        text.push_str(&format!(": FAILED: {why}"));
    }
    if !subject.disturbed.is_empty() {
        text.push_str(&format!(" (disturbed: {})", subject.disturbed.len()));
    }
    text
}

/// For people: `40 seconds`, `12 minutes`, `2.5 hours`.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..2 => "a second".to_owned(),
        2..100 => format!("{seconds} seconds"),
        100..6000 => format!("{} minutes", seconds.div_ceil(60)),
        _ => format!("{:.1} hours", seconds as f64 / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn durations_are_told_as_people_do() {
        let told = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!(told(1), "a second");
        assert_eq!(told(99), "99 seconds");
        assert_eq!(told(601), "11 minutes");
        assert_eq!(told(9000), "2.5 hours");
    }

    #[test]
    fn a_line_says_who_failed_and_why() {
        let subject = CaseSubject {
            subject: "peer".to_owned(),
            failure: Some("it crashed".to_owned()),
            skipped: None,
            values: BTreeMap::new(),
            times: BTreeMap::new(),
            series: BTreeMap::new(),
            disturbed: Vec::new(),
        };
        assert_eq!(told(&subject), "peer: FAILED: it crashed");
    }

    #[test]
    fn what_is_being_done_is_told() {
        let doing = Doing::Turn {
            repetition: 0,
            of: 7,
        };
        assert_eq!(
            now("640x480", "lucarne", doing),
            "  640x480: lucarne, 1 of 7"
        );
        assert_eq!(
            now("640x480", "lucarne", Doing::Starting),
            "  640x480: lucarne starts"
        );
    }
}
