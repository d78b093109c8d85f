//! The summary on a terminal.

use super::{
    columns::{self, Column, Group},
    figure::Figure,
    model::{CaseReport, CaseSubject, Report, ScenarioReport, TargetReport},
    quantity::Quantity,
    targets,
};

/// The column of names: a space, and room for `vhost-device-gpu`.
const NAMES: usize = 17;

/// A column of figures: ` 12.3 GB/s ±12% 79.3×`.
const CELL: usize = 21;

/// Where in it the uncertainty ends and the ratio begins.
const RATIO: usize = 15;

/// Where the words of a target begin.
const TARGETS: usize = 30;

/// How much further to the right a text goes on.
const FURTHER: &str = "  ";

/// As many figures as somebody reads in passing.
const IN_BRIEF: usize = 3;

/// What was measured, for a terminal that is so many characters wide.
#[must_use]
pub fn text(report: &Report, width: usize, colour: bool) -> String {
    let mut page = Page {
        text: String::new(),
        width: width.max(NAMES + CELL),
        colour,
    };
    for scenario in &report.scenarios {
        page.scenario(scenario);
    }
    for subject in &report.subjects {
        if let Err(why) = &subject.found {
            page.wrapped(
                "",
                &format!("{} is not here: {why}", subject.name),
                Style::Faint,
            );
        }
    }
    for (part, why) in &report.missing {
        page.wrapped("", &format!("{part} failed: {why}"), Style::Bad);
    }
    page.targets(&report.targets);
    page.text
}

/// The main figures of a subject in a line, for who watches the run; empty where there are none.
#[must_use]
pub fn brief(subject: &CaseSubject) -> String {
    let quantities = subject.values.keys().filter(|q| q.facts().in_summary);
    let figures = quantities.filter_map(|quantity| {
        let figure = Figure::of(subject, *quantity)?;
        let text = format!(
            "{} {} {}",
            quantity.facts().label,
            figure.text(),
            figure.uncertainty()
        );
        Some(text.trim_end().to_owned())
    });
    figures.take(IN_BRIEF).collect::<Vec<_>>().join(", ")
}

/// How a text looks where there are colours.
#[derive(Clone, Copy)]
enum Style {
    Plain,
    Strong,
    Faint,
    Good,
    Bad,
    Warning,
}

struct Page {
    text: String,
    width: usize,
    colour: bool,
}

impl Page {
    fn scenario(&mut self, scenario: &ScenarioReport) {
        self.wrapped(
            "",
            &format!("{}: {}", scenario.scenario, scenario.about),
            Style::Strong,
        );
        for group in columns::groups(scenario, Column::in_summary) {
            let quantities: Vec<Quantity> = group.columns.iter().map(|c| c.quantity()).collect();
            for part in quantities.chunks((self.width - NAMES) / CELL) {
                self.part(&group, part);
            }
        }
        for note in columns::notes(scenario) {
            let style = match note.what {
                columns::What::Failed => Style::Bad,
                columns::What::LeftOut => Style::Faint,
            };
            self.wrapped("  ", &note.text(scenario.cases.len()), style);
        }
        if let Some((disturbed, all, first)) = columns::disturbances(scenario) {
            let busy = format!("disturbed: {disturbed} of {all} repetitions, the first by {first}");
            self.wrapped("  ", &busy, Style::Warning);
        }
        self.text.push('\n');
    }

    /// Some columns of all cases of a group.
    fn part(&mut self, group: &Group<'_>, columns: &[Quantity]) {
        let head = head(columns);
        self.line(&head, Style::Faint);
        for case in &group.cases {
            self.line(&case.case, Style::Plain);
            for subject in &case.subjects {
                self.subject(case, subject, columns);
            }
        }
    }

    fn subject(&mut self, case: &CaseReport, subject: &CaseSubject, columns: &[Quantity]) {
        let is_measured = |quantity: &Quantity| Figure::of(subject, *quantity).is_some();
        if !columns.iter().any(is_measured) {
            return;
        }
        let reference = columns::ourselves(case).filter(|ours| ours.subject != subject.subject);
        let name = format!(" {:<1$}", subject.subject, NAMES - 1);
        let style = match reference {
            Some(_) => Style::Plain,
            None => Style::Strong,
        };
        let mut line = self.styled(&name, style);
        for column in columns {
            let (value, ratio) = cell(*column, subject, reference);
            line.push_str(&value);
            line.push_str(&self.styled(&ratio, Style::Faint));
        }
        self.line(line.trim_end(), Style::Plain);
    }

    fn targets(&mut self, targets: &[TargetReport]) {
        if targets.is_empty() {
            return;
        }
        self.line("targets", Style::Strong);
        for target in targets {
            let (word, style) = match target.met {
                Some(true) => ("met", Style::Good),
                Some(false) => ("NOT MET", Style::Bad),
                None => ("-", Style::Faint),
            };
            let verdict = self.styled(&format!("{word:<8}"), style);
            let measured = targets::measured(target);
            self.text
                .push_str(&format!("  {verdict}{measured:>8}  {:<10}", target.bound));
            let (indent, start) = (" ".repeat(TARGETS), self.text.len());
            self.wrapped(&indent, &target.what, Style::Plain);
            // The first line has its indent already.
            self.text.replace_range(start..start + TARGETS, "");
            if let Err(why) = &target.measured {
                self.wrapped(&indent, &format!("not measured: {why}"), Style::Faint);
            }
        }
    }

    /// A text over several lines if need be, further ones two characters to the right.
    fn wrapped(&mut self, indent: &str, text: &str, style: Style) {
        let room = self.width.saturating_sub(length(indent));
        for (index, line) in wrap(text, room).iter().enumerate() {
            let further = if index == 0 { "" } else { FURTHER };
            self.line(&format!("{indent}{further}{line}"), style);
        }
    }

    fn line(&mut self, line: &str, style: Style) {
        let styled = self.styled(line, style);
        self.text.push_str(&styled);
        self.text.push('\n');
    }

    fn styled(&self, text: &str, style: Style) -> String {
        let code = match style {
            Style::Plain => return text.to_owned(),
            Style::Strong => "1",
            Style::Faint => "2",
            Style::Good => "32",
            Style::Bad => "31",
            Style::Warning => "33",
        };
        match self.colour && !text.trim().is_empty() {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

/// The heads of columns, each ending where the uncertainties below it do.
fn head(columns: &[Quantity]) -> String {
    let mut head = String::new();
    for (index, quantity) in columns.iter().enumerate() {
        let label = quantity.facts().label;
        let end = NAMES + index * CELL + RATIO;
        // A longer label reaches into the room of the ratios before it.
        let gap = end.saturating_sub(length(&head) + length(label));
        head.push_str(&" ".repeat(gap.max(1)));
        head.push_str(label);
    }
    head
}

/// What was measured of a subject, and how that compares.
fn cell(
    quantity: Quantity,
    subject: &CaseSubject,
    reference: Option<&CaseSubject>,
) -> (String, String) {
    let figure = Figure::of(subject, quantity);
    let reference = reference.and_then(|ours| Figure::of(ours, quantity));
    let ratio = figure
        .zip(reference)
        .and_then(|(figure, ours)| figure.ratio(&ours));
    let value = figure.map_or_else(|| "-".to_owned(), |figure| figure.text());
    let uncertainty = figure.map_or_else(String::new, |figure| figure.uncertainty());
    (
        format!("{value:>10} {uncertainty:<4}"),
        format!("{:>6}", ratio.unwrap_or_default()),
    )
}

/// A text in lines, all but the first shorter by [`FURTHER`]. Words that are longer stay whole.
pub(crate) fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let room = room.saturating_sub(if lines.len() > 1 { FURTHER.len() } else { 0 });
        match lines.last_mut() {
            Some(line) if length(line) + 1 + length(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::{
        super::sample::{self, case, scenario},
        *,
    };

    fn small() -> Report {
        let mut report = sample::empty();
        let (cpu, copied) = (Quantity::CpuPerFrame, Quantity::BytesCopiedPerFrame);
        let mut flip = case(
            "640x480 blob, 60 Hz",
            &[
                ("lucarne", cpu, &[231.0, 228.0, 236.0]),
                ("lucarne", copied, &[0.0, 0.0, 0.0]),
                ("vhost-user-gpu", cpu, &[18_300.0, 18_200.0, 18_500.0]),
            ],
        );
        let mut absent = sample::nobody("vhost-device-gpu");
        absent.skipped = Some("it ends when a guest makes a blob".to_owned());
        flip.subjects.push(absent);
        report.scenarios.push(scenario("flip", vec![flip]));
        report
    }

    #[test]
    fn a_case_has_a_line_for_each_subject_and_others_are_compared_with_ourselves() {
        assert_eq!(
            text(&small(), 80, false),
            "\
flip: what a sample needs
                   CPU per frame     copied per frame
640x480 blob, 60 Hz
 lucarne             231 µs ±2%              0 B
 vhost-user-gpu     18.3 ms ±1%  79.2×         -
  vhost-device-gpu: left out in 640x480 blob, 60 Hz: it ends when a guest makes
    a blob

"
        );
        assert_eq!(
            brief(&small().scenarios[0].cases[0].subjects[0]),
            "CPU per frame 231 µs ±2%, copied per frame 0 B"
        );
    }

    #[test]
    fn targets_say_what_is_wanted_and_what_is() {
        let mut report = sample::empty();
        report.targets = targets::judge(&small());
        let text = text(&report, 80, false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..6],
            [
                "targets",
                "  met            0  0         bytes copied per frame, blob path",
                "  -              -  ≤ 1.2     CPU per frame at 4K / at 640x480, blob path",
                "                              not measured: no case of flip was run that is",
                "                                named 3840x2160, blob, 60 Hz",
                "  -              -  ≥ 50      CPU per 4K frame, blob path: best peer / lucarne",
            ]
        );
    }

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        for width in [60, 80, 100, 200] {
            for line in text(&sample::report(), width, false).lines() {
                assert!(length(line) <= width, "{} of {width}: {line}", length(line));
                assert_eq!(line.trim_end(), line);
            }
        }
    }

    #[test]
    fn colours_change_nothing_else() {
        let report = sample::report();
        let coloured = text(&report, 80, true);
        let mut plain = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once("\x1b[") {
            plain.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        plain.push_str(rest);
        assert_eq!(plain, text(&report, 80, false));
    }
}
