//! How the cases of a scenario are arranged in tables, whoever draws them.

use std::collections::BTreeSet;

use super::{
    figure::Figure,
    model::{CaseReport, CaseSubject, ScenarioReport},
    quantity::Quantity,
};

/// The subject that all others are compared with.
pub(super) const OURSELVES: &str = "lucarne";

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Column {
    /// The medians of a quantity.
    Median(Quantity),
    /// What 99 of 100 of its times don't exceed.
    P99(Quantity),
}

/// Cases that can stand in one table.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// Of one case all of them, of others some.
    pub(super) columns: Vec<Column>,
    pub(super) cases: Vec<&'a CaseReport>,
}

/// Something that was not measured as it should have been, in one or several cases.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Note<'a> {
    pub(super) about: &'a str,
    pub(super) what: What,
    pub(super) why: &'a str,
    pub(super) cases: Vec<&'a str>,
}

/// What a [`Note`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// It crashed, hung, or did what it should not.
    Failed,
    /// It was not asked to.
    LeftOut,
}

impl Column {
    /// The head of the column.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Median(quantity) => quantity.facts().label,
            Self::P99(_) => "p99",
        }
    }

    /// What it is about.
    pub(super) fn quantity(self) -> Quantity {
        match self {
            Self::Median(quantity) | Self::P99(quantity) => quantity,
        }
    }

    /// Whether a summary has it.
    pub(super) fn in_summary(self) -> bool {
        match self {
            Self::Median(quantity) => quantity.facts().in_summary,
            Self::P99(_) => false,
        }
    }
}

/// The cases of a scenario by their columns, with those columns that are wanted: cases of which one has
/// all columns of the other stand together.
pub(super) fn groups(scenario: &ScenarioReport, wanted: impl Fn(Column) -> bool) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for case in &scenario.cases {
        let columns = columns(case, &wanted);
        if columns.is_empty() {
            continue;
        }
        let holds = |all: &[Column], some: &[Column]| some.iter().all(|one| all.contains(one));
        let like = |group: &&mut Group<'_>| {
            holds(&group.columns, &columns) || holds(&columns, &group.columns)
        };
        match groups.iter_mut().find(like) {
            Some(group) => {
                group.cases.push(case);
                if columns.len() > group.columns.len() {
                    group.columns = columns;
                }
            }
            None => groups.push(Group {
                columns,
                cases: vec![case],
            }),
        }
    }
    groups
}

/// What somebody was measured for in a case, each median followed by its 99th percentile.
fn columns(case: &CaseReport, wanted: impl Fn(Column) -> bool) -> Vec<Column> {
    let figures = case.subjects.iter().flat_map(|subject| {
        subject.values.keys().filter_map(|quantity| {
            let p99 = Figure::of(subject, *quantity)?.p99();
            let p99 = p99.map(|_| Column::P99(*quantity));
            Some([Some(Column::Median(*quantity)), p99])
        })
    });
    let columns: BTreeSet<(Quantity, Column)> = figures
        .flatten()
        .flatten()
        .filter(|column| wanted(*column))
        .map(|column| (column.quantity(), column))
        .collect();
    columns.into_iter().map(|(_, column)| column).collect()
}

/// Ourselves in a case, for others to be compared with.
pub(super) fn ourselves(case: &CaseReport) -> Option<&CaseSubject> {
    case.subjects.iter().find(|s| s.subject == OURSELVES)
}

/// What went wrong in a scenario and what was left out, each said once.
pub(super) fn notes(scenario: &ScenarioReport) -> Vec<Note<'_>> {
    let mut notes: Vec<Note<'_>> = Vec::new();
    for case in &scenario.cases {
        for subject in &case.subjects {
            let failed = subject.failure.as_deref().map(|why| (What::Failed, why));
            let skipped = subject.skipped.as_deref().map(|why| (What::LeftOut, why));
            for (what, why) in failed.into_iter().chain(skipped) {
                let about = subject.subject.as_str();
                let same =
                    |note: &&mut Note<'_>| (note.about, note.what, note.why) == (about, what, why);
                match notes.iter_mut().find(same) {
                    Some(note) => note.cases.push(&case.case),
                    None => notes.push(Note {
                        about,
                        what,
                        why,
                        cases: vec![&case.case],
                    }),
                }
            }
        }
    }
    notes.extend(scenario.skipped.iter().map(|(about, why)| Note {
        about,
        what: What::LeftOut,
        why,
        cases: Vec::new(),
    }));
    notes.sort_by_key(|note| note.what);
    notes
}

impl Note<'_> {
    /// As a sentence; `of` is how many cases its scenario has.
    pub(super) fn text(&self, of: usize) -> String {
        let what = match self.what {
            What::Failed => "failed",
            What::LeftOut => "left out",
        };
        let place = match self.cases.as_slice() {
            [] => String::new(),
            cases if cases.len() == of && of > 1 => format!(" in all {of} cases"),
            [case] => format!(" in {case}"),
            [first, .., last] if self.cases.len() > 3 => {
                format!(" in {} cases ({first} … {last})", self.cases.len())
            }
            cases => format!(" in {}", cases.join("; ")),
        };
        format!("{}: {what}{place}: {}", self.about, self.why)
    }
}

/// How many repetitions were disturbed, of how many, and the first thing that disturbed one.
pub(super) fn disturbances(scenario: &ScenarioReport) -> Option<(usize, usize, &str)> {
    let subjects = || scenario.cases.iter().flat_map(|case| &case.subjects);
    let repetitions = |subject: &CaseSubject| subject.values.values().map(Vec::len).max();
    let all = subjects().filter_map(repetitions).sum();
    let disturbed = subjects().map(|subject| subject.disturbed.len()).sum();
    let first = subjects().find_map(|subject| subject.disturbed.first())?;
    Some((disturbed, all, &first.what))
}
