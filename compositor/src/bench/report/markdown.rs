//! All figures as Markdown, to be kept beside the sources.

use super::{
    columns::{self, Column, Group},
    figure::Figure,
    model::{CaseReport, CaseSubject, Report, ScenarioReport},
    targets,
};

/// The report as Markdown.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut text = format!("# `lucarne bench`\n\n{}\n", how_to_read(report));
    if !report.targets.is_empty() {
        text.push_str("\n## Targets\n\n");
        targets_table(report, &mut text);
    }
    if !report.missing.is_empty() {
        text.push_str("\n## Missing\n\n");
    }
    for (part, why) in &report.missing {
        text.push_str(&format!("- **{}** failed: {}\n", plain(part), plain(why)));
    }
    text.push_str("\n## Machine\n\n");
    row(&mut text, ["fact", "value"].map(str::to_owned));
    rule(&mut text, 2);
    for (name, fact) in &report.machine {
        row(&mut text, [plain(name), plain(fact)]);
    }
    text.push_str("\n## Who took part\n\n");
    for subject in &report.subjects {
        let found = match &subject.found {
            Ok(version) => plain(version),
            Err(why) => format!("not here: {}", plain(why)),
        };
        let (name, measures) = (plain(&subject.name), plain(&subject.measures));
        text.push_str(&format!("- **{name}** ({found}): {measures}\n"));
    }
    for scenario in &report.scenarios {
        describe(scenario, &mut text);
    }
    text
}

/// What a reader must know before the first figure.
pub(super) fn how_to_read(report: &Report) -> String {
    let Report {
        lucarne,
        began,
        seconds,
        length,
        repetitions,
        ..
    } = report;
    format!(
        "Version {lucarne}, a {length} run of {minutes:.0} minutes that began at {began}. Each figure is the \
         median of up to {repetitions} repetitions, for which the subjects took turns; ± is half of the \
         interval that holds the true median in 95 of 100 such runs (all that was seen, if there were \
         fewer than 6 repetitions), and × compares with Lucarne in the same case. A 99th percentile is \
         of all times of all repetitions.",
        minutes = (seconds / 60.0).ceil(),
    )
}

fn targets_table(report: &Report, text: &mut String) {
    row(
        text,
        ["", "measured", "wanted", "what", "from"].map(str::to_owned),
    );
    rule(text, 5);
    for target in &report.targets {
        let verdict = match target.met {
            Some(true) => "met",
            Some(false) => "**not met**",
            None => "not measured",
        };
        let source = match &target.measured {
            Ok(_) => plain(&target.source),
            Err(why) => plain(why),
        };
        row(
            text,
            [
                verdict.to_owned(),
                targets::measured(target),
                target.bound.clone(),
                plain(&target.what),
                source,
            ],
        );
    }
}

fn describe(scenario: &ScenarioReport, text: &mut String) {
    text.push_str(&format!(
        "\n## {}\n\n{}\n",
        plain(&scenario.scenario),
        plain(&scenario.about)
    ));
    for group in columns::groups(scenario, |_| true) {
        text.push('\n');
        table(&group, text);
    }
    let notes = columns::notes(scenario);
    let disturbances = columns::disturbances(scenario);
    if !notes.is_empty() || disturbances.is_some() {
        text.push('\n');
    }
    for note in notes {
        text.push_str(&format!("- {}\n", plain(&note.text(scenario.cases.len()))));
    }
    if let Some((disturbed, all, first)) = disturbances {
        let first = plain(first);
        text.push_str(&format!(
            "- disturbed: {disturbed} of {all} repetitions, the first by {first}\n"
        ));
    }
}

fn table(group: &Group<'_>, text: &mut String) {
    let heads = group.columns.iter().map(|column| column.label().to_owned());
    let names = ["case", "subject"].map(str::to_owned);
    row(text, names.into_iter().chain(heads));
    rule(text, 2 + group.columns.len());
    for case in &group.cases {
        for subject in &case.subjects {
            if subject.values.is_empty() {
                continue;
            }
            let cells = group
                .columns
                .iter()
                .map(|column| cell(case, subject, *column));
            let names = [plain(&case.case), plain(&subject.subject)];
            row(text, names.into_iter().chain(cells));
        }
    }
}

fn cell(case: &CaseReport, subject: &CaseSubject, column: Column) -> String {
    let found = match column {
        Column::Median(quantity) => Figure::of(subject, quantity).map(|figure| {
            let ours = columns::ourselves(case).filter(|ours| ours.subject != subject.subject);
            let ours = ours.and_then(|ours| Figure::of(ours, quantity));
            let ratio = ours
                .and_then(|ours| figure.ratio(&ours))
                .map_or_else(String::new, |ratio| format!("({ratio})"));
            [figure.text(), figure.uncertainty(), ratio]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        }),
        Column::P99(quantity) => Figure::of(subject, quantity).and_then(|figure| figure.p99()),
    };
    found.unwrap_or_default()
}

fn row(text: &mut String, cells: impl IntoIterator<Item = String>) {
    text.push('|');
    for cell in cells {
        text.push_str(&format!(" {cell} |"));
    }
    text.push('\n');
}

fn rule(text: &mut String, columns: usize) {
    text.push_str(&format!("|{}\n", "---|".repeat(columns)));
}

/// Text without anything that Markdown would take for more than text, in one line.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
    {
        if matches!(c, '|' | '<' | '*' | '_' | '[' | '\\') {
            plain.push('\\');
        }
        plain.push(c);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{
        super::{quantity::Quantity, sample},
        *,
    };

    #[test]
    fn a_scenario_is_a_table_with_all_quantities() {
        let mut report = sample::empty();
        let (cpu, faults) = (Quantity::CpuPerFrame, Quantity::FaultsPerFrame);
        let case = sample::case(
            "640x480 blob, 60 Hz",
            &[
                ("lucarne", cpu, &[231.0, 228.0, 236.0]),
                ("lucarne", faults, &[0.0]),
                ("a|b", cpu, &[18_300.0]),
            ],
        );
        report.scenarios.push(sample::scenario("flip", vec![case]));
        let text = text(&report);
        let (_, flip) = text.split_once("## flip").unwrap();
        assert_eq!(
            flip,
            "

what a sample needs

| case | subject | CPU per frame | faults per frame |
|---|---|---|---|
| 640x480 blob, 60 Hz | lucarne | 231 µs ±2% | 0 |
| 640x480 blob, 60 Hz | a\\|b | 18.3 ms (79.2×) |  |
"
        );
    }

    #[test]
    fn rows_have_as_many_cells_as_their_head() {
        let mut head = 0;
        let mut tables = 0;
        for line in text(&sample::report()).lines() {
            let cells = line.replace("\\|", "").matches('|').count();
            if cells == 0 {
                head = 0;
            } else if head == 0 {
                head = cells;
                tables += 1;
            }
            assert_eq!(cells, head, "{line}");
        }
        assert!(tables > 6, "{tables} tables");
    }
}
