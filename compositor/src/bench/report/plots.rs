//! Which plots a report has.

use std::collections::BTreeSet;

use super::{
    figure::{self, Figure},
    model::{CaseReport, CaseSubject, Report, ScenarioReport},
    quantity::Quantity,
    svg::{Axis, Form, Line, Plot, Scale},
};
use crate::bench::measure::statistics;

/// Plotted against the size of the picture.
const BY_SIZE: [Quantity; 3] = [
    Quantity::CpuPerFrame,
    Quantity::FlushToCommit,
    Quantity::Throughput,
];

/// Plotted against the number of guests.
const BY_GUESTS: [Quantity; 4] = [
    Quantity::Cpu,
    Quantity::DeviceMemory,
    Quantity::MissedRefreshes,
    Quantity::WorstMissedRefreshes,
];

/// Points of a distribution, in percent from one to the next.
const STEP: u32 = 4;

/// The first of its points that stand closer together: the slow ones are what it is looked at for.
const TAIL: u32 = 90;

/// Points of a plot over time.
const MOMENTS: usize = 100;

/// How many times the least value the greatest is, where an axis is logarithmic.
const FAR_APART: f64 = 5.0;

/// The subjects of a report, each with a colour of its own in all plots.
pub(super) struct Styles<'a>(Vec<&'a str>);

impl<'a> Styles<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        let mut names: Vec<&str> = report.subjects.iter().map(|s| s.name.as_str()).collect();
        let cases = report.scenarios.iter().flat_map(|scenario| &scenario.cases);
        for subject in cases.flat_map(|case| &case.subjects) {
            if !names.contains(&subject.subject.as_str()) {
                names.push(&subject.subject);
            }
        }
        Self(names)
    }

    fn style(&self, subject: &str) -> usize {
        let known = self.0.iter().position(|name| *name == subject);
        known.unwrap_or_default()
    }

    fn line(&self, subject: &str, form: Form, points: Vec<(f64, f64)>) -> Option<Line> {
        (!points.is_empty()).then(|| Line {
            name: subject.to_owned(),
            style: self.style(subject),
            form,
            points,
        })
    }
}

/// What a scenario shows over several cases.
pub(super) fn over_cases(scenario: &ScenarioReport, styles: &Styles<'_>) -> Vec<Plot> {
    let by_size = families(scenario, size_word);
    let by_guests = families(scenario, guests_word);
    let sizes = by_size.iter().flat_map(|(name, cases)| {
        let plot = |quantity| against_size(name, cases, quantity, styles);
        BY_SIZE.into_iter().filter_map(plot)
    });
    let guests = by_guests.iter().flat_map(|(name, cases)| {
        let plot = |quantity| against_guests(name, cases, quantity, styles);
        BY_GUESTS.into_iter().filter_map(plot)
    });
    sizes.chain(guests).collect()
}

/// What a single case shows: how its times are distributed, and how they went over time.
pub(super) fn of_case(case: &CaseReport, styles: &Styles<'_>) -> Vec<Plot> {
    let quantities = |pick: fn(&CaseSubject) -> Vec<Quantity>| -> BTreeSet<Quantity> {
        case.subjects.iter().flat_map(pick).collect()
    };
    let distributed = quantities(|subject| subject.times.keys().copied().collect());
    let ordered = quantities(|subject| subject.series.keys().copied().collect());
    let distributions = distributed
        .into_iter()
        .filter_map(|quantity| distribution(case, quantity, styles));
    let series = ordered
        .into_iter()
        .filter_map(|quantity| over_time(case, quantity, styles));
    distributions.chain(series).collect()
}

/// A word of a case's name that tells its size.
fn size_word(case: &CaseReport) -> Option<String> {
    let (width, height) = case.setting.as_ref()?.size;
    Some(format!("{width}x{height}"))
}

/// Words of a case's name that tell how many guests there are.
fn guests_word(case: &CaseReport) -> Option<String> {
    match case.setting.as_ref()?.guests {
        1 => Some("1 guest".to_owned()),
        guests => Some(format!("{guests} guests")),
    }
}

/// Cases whose names differ only in such a word, by what is left of the name; at least two each.
fn families(
    scenario: &ScenarioReport,
    word: fn(&CaseReport) -> Option<String>,
) -> Vec<(String, Vec<&CaseReport>)> {
    let mut families: Vec<(String, Vec<&CaseReport>)> = Vec::new();
    for case in &scenario.cases {
        let Some(rest) = word(case).and_then(|word| case.case.strip_prefix(&word)) else {
            continue;
        };
        let name = rest.trim_start_matches([',', ' ']).to_owned();
        match families.iter_mut().find(|(known, _)| *known == name) {
            Some((_, cases)) => cases.push(case),
            None => families.push((name, vec![case])),
        }
    }
    families.retain(|(_, cases)| cases.len() > 1);
    families
}

fn against_size(
    family: &str,
    cases: &[&CaseReport],
    quantity: Quantity,
    styles: &Styles<'_>,
) -> Option<Plot> {
    let pixels = |case: &CaseReport| {
        let (width, height) = case.setting.as_ref().map_or((0, 0), |wanted| wanted.size);
        f64::from(width) * f64::from(height)
    };
    let marks = cases
        .iter()
        .map(|case| (pixels(case), size_word(case).unwrap_or_default()));
    let x = Axis {
        label: "size of the picture".to_owned(),
        scale: Scale::Logarithmic,
        marks: marks.collect(),
        includes: Vec::new(),
    };
    let plot = across_cases(family, cases, quantity, styles, (x, &pixels))?;
    let y = axis(quantity, scale(&plot.lines, |point| point.1));
    Some(Plot { y, ..plot })
}

fn against_guests(
    family: &str,
    cases: &[&CaseReport],
    quantity: Quantity,
    styles: &Styles<'_>,
) -> Option<Plot> {
    let guests = |case: &CaseReport| {
        let guests = case.setting.as_ref().map_or(0, |wanted| wanted.guests);
        f64::from(u32::try_from(guests).unwrap_or(u32::MAX))
    };
    let marks = cases
        .iter()
        .map(|case| (guests(case), figure::digits(guests(case))));
    let x = Axis {
        label: "guests".to_owned(),
        scale: Scale::Linear,
        marks: marks.collect(),
        includes: vec![0.0],
    };
    across_cases(family, cases, quantity, styles, (x, &guests))
}

/// A plot's horizontal axis, and where a case stands on it.
type Across<'a> = (Axis, &'a dyn Fn(&CaseReport) -> f64);

fn across_cases(
    family: &str,
    cases: &[&CaseReport],
    quantity: Quantity,
    styles: &Styles<'_>,
    (x, place): Across<'_>,
) -> Option<Plot> {
    let points = |subject: &str| {
        cases
            .iter()
            .filter_map(|case| {
                let found = case.subjects.iter().find(|s| s.subject == subject)?;
                Some((place(case), Figure::of(found, quantity)?.median()))
            })
            .collect()
    };
    let lines: Vec<Line> = styles
        .0
        .iter()
        .filter_map(|subject| styles.line(subject, Form::Marked, points(subject)))
        .collect();
    // One point is no curve.
    lines.iter().any(|line| line.points.len() > 1).then(|| {
        let separator = if family.is_empty() { "" } else { ": " };
        Plot {
            title: format!("{family}{separator}{}", quantity.facts().words),
            x,
            // What is the sum of equal parts looks like it.
            y: axis(quantity, Scale::Linear),
            lines,
        }
    })
}

fn distribution(case: &CaseReport, quantity: Quantity, styles: &Styles<'_>) -> Option<Plot> {
    let lines: Vec<Line> = case
        .subjects
        .iter()
        .filter_map(|subject| {
            let times = subject.times.get(&quantity)?;
            let steps = (0..=100).filter(|percent| percent % STEP == 0 || *percent > TAIL);
            let points = steps.filter_map(|percent| {
                let part = f64::from(percent) / 100.0;
                Some((statistics::quantile(times, part)?, f64::from(percent)))
            });
            styles.line(&subject.subject, Form::Curve, points.collect())
        })
        .collect();
    (!lines.is_empty()).then(|| Plot {
        title: format!("How many took no longer {}", quantity.facts().words),
        x: axis(quantity, scale(&lines, |point| point.0)),
        y: Axis {
            label: "took no longer, in %".to_owned(),
            scale: Scale::Linear,
            marks: Vec::new(),
            includes: vec![0.0, 100.0],
        },
        lines,
    })
}

fn over_time(case: &CaseReport, quantity: Quantity, styles: &Styles<'_>) -> Option<Plot> {
    let lines: Vec<Line> = case
        .subjects
        .iter()
        .filter_map(|subject| {
            let series = subject.series.get(&quantity)?;
            let step = series.len().div_ceil(MOMENTS).max(1);
            let numbered = series.iter().enumerate().step_by(step);
            let points = numbered.map(|(index, time)| (index as f64, *time));
            styles.line(&subject.subject, Form::Dots, points.collect())
        })
        .collect();
    (!lines.is_empty()).then(|| Plot {
        title: format!("One after the other, {}", quantity.facts().words),
        x: Axis {
            label: "in the first repetition, one after the other".to_owned(),
            scale: Scale::Linear,
            marks: Vec::new(),
            includes: vec![0.0],
        },
        y: axis(quantity, scale(&lines, |point| point.1)),
        lines,
    })
}

/// Logarithmic where values are so far apart that the small ones could not be told apart otherwise.
fn scale(lines: &[Line], pick: fn(&(f64, f64)) -> f64) -> Scale {
    let values = || lines.iter().flat_map(|line| &line.points).map(pick);
    let least = values().min_by(f64::total_cmp).unwrap_or_default();
    let greatest = values().max_by(f64::total_cmp).unwrap_or_default();
    match least > 0.0 && greatest / least > FAR_APART {
        true => Scale::Logarithmic,
        false => Scale::Linear,
    }
}

fn axis(quantity: Quantity, scale: Scale) -> Axis {
    let facts = quantity.facts();
    let unit = match figure::unit(facts.unit) {
        "" => String::new(),
        unit => format!(", {unit}"),
    };
    Axis {
        label: format!("{}{unit}", facts.label),
        scale,
        marks: Vec::new(),
        includes: match scale {
            Scale::Linear => vec![0.0],
            Scale::Logarithmic => Vec::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn cases_that_differ_in_size_only_are_plotted_together() {
        let report = sample::report();
        let families = families(&report.scenarios[0], size_word);
        let names: Vec<_> = families
            .iter()
            .map(|(name, cases)| (name.as_str(), cases.len()))
            .collect();
        assert_eq!(names, [("blob, 60 Hz", 5), ("blob, free-running", 5)]);
    }

    #[test]
    fn subjects_keep_their_style_in_all_plots() {
        let report = sample::report();
        let styles = Styles::of(&report);
        let plots: Vec<Plot> = report
            .scenarios
            .iter()
            .flat_map(|scenario| over_cases(scenario, &styles))
            .collect();
        assert!(plots.len() >= 6, "{}", plots.len());
        for line in plots.iter().flat_map(|plot| &plot.lines) {
            assert_eq!(line.style, styles.style(&line.name), "{}", line.name);
        }
    }

    #[test]
    fn a_scenario_with_a_single_case_has_no_plot_over_cases() {
        let report = sample::report();
        let idle = report.scenarios.iter().find(|s| s.scenario == "idle");
        assert!(over_cases(idle.unwrap(), &Styles::of(&report)).is_empty());
    }
}
