//! One report out of several, for runs whose parts need machines of different kinds.

use super::{
    model::{CaseReport, Report, ScenarioReport, SubjectFacts},
    targets,
};

/// The first report with what the others measured besides; one of nothing at all, if there are none.
///
/// What was measured in another place says so: its cases, and the facts of its machine.
///
/// Cases of a scenario stand one after the other. A case that several have is taken from the first one that
/// measured anything, and what was skipped as a whole is no longer, where another report has cases of
/// that scenario. Targets are judged anew.
#[must_use]
pub fn merge(reports: Vec<Report>) -> Report {
    let mut reports = reports.into_iter().map(name_place);
    let mut all = reports.next().unwrap_or_default();
    all.place = String::new();
    for report in reports {
        all.seconds += report.seconds;
        add_machine(&mut all, &report);
        for subject in report.subjects {
            add_subject(&mut all.subjects, subject);
        }
        for scenario in report.scenarios {
            add_scenario(&mut all.scenarios, scenario);
        }
    }
    all.targets = targets::judge(&all);
    all
}

/// A report whose names say where it is from, if that is not where the others are from.
fn name_place(mut report: Report) -> Report {
    if report.place.is_empty() {
        return report;
    }
    let place = report.place.clone();
    let name = |name: &mut String| *name = format!("{name}, in {place}");
    for scenario in &mut report.scenarios {
        scenario
            .cases
            .iter_mut()
            .for_each(|case| name(&mut case.case));
        let parts = scenario.skipped.iter_mut().map(|(what, _)| what);
        parts.filter(|what| *what != EVERYTHING).for_each(name);
    }
    report.machine.iter_mut().for_each(|(fact, _)| name(fact));
    report
}

/// What is different about the machine of another report, with what was measured there.
fn add_machine(all: &mut Report, other: &Report) {
    let names: Vec<&str> = other
        .scenarios
        .iter()
        .map(|scenario| scenario.scenario.as_str())
        .collect();
    for (fact, value) in &other.machine {
        let mut known = all.machine.iter_mut();
        match known.find(|(name, _)| name == fact) {
            Some((_, known)) if known == value => {}
            // Of another run in the same place.
            Some((_, known)) if !other.place.is_empty() => {
                known.push_str("; ");
                known.push_str(value);
            }
            None if !other.place.is_empty() => all.machine.push((fact.clone(), value.clone())),
            Some(_) | None => {
                let name = format!("{fact}, of {}", names.join(" and "));
                all.machine.push((name, value.clone()));
            }
        }
    }
}

fn add_subject(subjects: &mut Vec<SubjectFacts>, subject: SubjectFacts) {
    match subjects.iter_mut().find(|known| known.name == subject.name) {
        Some(known) if known.found.is_err() => *known = subject,
        Some(_) => {}
        None => subjects.push(subject),
    }
}

fn add_scenario(scenarios: &mut Vec<ScenarioReport>, mut other: ScenarioReport) {
    let named = |known: &&mut ScenarioReport| known.scenario == other.scenario;
    let Some(known) = scenarios.iter_mut().find(named) else {
        scenarios.push(other);
        return;
    };
    let measured = other.cases.iter().filter(|case| is_measured(case));
    let measured: Vec<String> = measured.map(|case| case.case.clone()).collect();
    // Who has nothing but reasons why not, takes nothing back.
    if measured.is_empty() && !known.cases.is_empty() {
        return;
    }
    known.skipped.retain(|(what, _)| {
        let is_there = measured.contains(what);
        !(is_there || what == EVERYTHING && !measured.is_empty())
    });
    other
        .skipped
        .retain(|(what, _)| what != EVERYTHING || known.cases.is_empty());
    for case in other.cases {
        match known.cases.iter_mut().find(|old| old.case == case.case) {
            Some(old) if !is_measured(old) && is_measured(&case) => *old = case,
            Some(_) => {}
            None => known.cases.push(case),
        }
    }
    for skipped in other.skipped {
        if !known.skipped.contains(&skipped) {
            known.skipped.push(skipped);
        }
    }
}

fn is_measured(case: &CaseReport) -> bool {
    let mut subjects = case.subjects.iter();
    subjects.any(|subject| !subject.values.is_empty())
}

/// How a scenario names all of itself when it skips it.
const EVERYTHING: &str = "all of it";

#[cfg(test)]
mod tests {
    use super::{
        super::{quantity::Quantity, sample},
        *,
    };

    fn skipped(scenario: &str) -> Report {
        let mut report = sample::empty();
        let mut scenario = sample::scenario(scenario, Vec::new());
        scenario
            .skipped
            .push((EVERYTHING.to_owned(), "no KMS".to_owned()));
        report.scenarios.push(scenario);
        report
    }

    fn measured(value: f64) -> Report {
        let mut report = sample::empty();
        report.machine[1].1 = "Linux 6.18 (UML)".to_owned();
        let values = [("lucarne", Quantity::OfBare, &[value][..])];
        let case = sample::case("two planes", &values);
        report
            .scenarios
            .push(sample::scenario("planes", vec![case]));
        report
    }

    #[test]
    fn what_one_machine_cannot_do_comes_from_another() {
        for order in [
            [skipped("planes"), measured(1.0)],
            [measured(1.0), skipped("planes")],
        ] {
            let merged = merge(order.to_vec());
            assert_eq!(merged.scenarios.len(), 1);
            assert_eq!(merged.scenarios[0].cases.len(), 1);
            assert_eq!(merged.scenarios[0].skipped, []);
            assert!(merged.targets.iter().any(|target| target.met == Some(true)));
        }
    }

    #[test]
    fn a_machine_that_differs_is_described_beside_the_first() {
        let merged = merge(vec![skipped("planes"), measured(1.0)]);
        let (name, value) = merged.machine.last().unwrap();
        assert_eq!(
            (name.as_str(), value.as_str()),
            ("kernel, of planes", "Linux 6.18 (UML)")
        );
        assert_eq!(merged.machine.len(), 4);
    }

    #[test]
    fn what_was_measured_in_another_place_says_so() {
        let mut elsewhere = measured(1.0);
        elsewhere.place = "a lab".to_owned();
        let mut later = skipped("flip");
        later.place = "a lab".to_owned();
        later.machine[1].1 = "Linux 6.19".to_owned();
        let merged = merge(vec![measured(0.5), elsewhere, later]);
        let cases = merged.scenarios[0].cases.iter();
        let cases: Vec<&str> = cases.map(|case| case.case.as_str()).collect();
        assert_eq!(cases, ["two planes", "two planes, in a lab"]);
        let kernels = merged
            .machine
            .iter()
            .filter(|(name, _)| name.starts_with("kernel"));
        let kernels: Vec<_> = kernels
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        assert_eq!(
            kernels,
            [
                "kernel: Linux 6.18 (UML)",
                "kernel, in a lab: Linux 6.18 (UML); Linux 6.19"
            ]
        );
        assert_eq!(merged.place, "");
    }

    #[test]
    fn a_case_that_was_measured_again_is_the_first_one() {
        let merged = merge(vec![measured(1.0), measured(0.5)]);
        let cases = &merged.scenarios[0].cases;
        assert_eq!(cases.len(), 1);
        assert_eq!(cases[0].subjects[0].values[&Quantity::OfBare], [1.0]);
    }
}
