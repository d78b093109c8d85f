//! All figures and their plots as a page for a browser: one file, without scripts and without anything
//! that would have to be fetched.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    columns::{self, Column, Group, What},
    figure::Figure,
    markdown,
    model::{CaseReport, CaseSubject, Report, ScenarioReport, TargetReport},
    plots::{self, Styles},
    quantity::{Better, Quantity},
    svg::Plot,
    targets,
};

const STYLE: &str = include_str!("page.css");

/// The report as an HTML page.
#[must_use]
pub fn html(report: &Report) -> String {
    let styles = Styles::of(report);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "lucarne bench, " (report.began) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "lucarne bench" }
                p { (markdown::how_to_read(report)) }
                nav {
                    @for scenario in &report.scenarios {
                        a href={ "#" (scenario.scenario) } { (scenario.scenario) }
                    }
                }
                @if !report.targets.is_empty() {
                    h2 id="targets" { "Targets" }
                    (target_table(&report.targets))
                }
                @if !report.missing.is_empty() {
                    h2 id="missing" { "Missing" }
                    ul class="notes" {
                        @for (part, why) in &report.missing {
                            li class="bad" { (part) " failed: " (why) }
                        }
                    }
                }
                h2 id="machine" { "Machine" }
                dl {
                    @for (name, fact) in &report.machine {
                        dt { (name) }
                        dd { (fact) }
                    }
                }
                h2 id="subjects" { "Who took part" }
                dl {
                    @for subject in &report.subjects {
                        dt { (subject.name) }
                        dd {
                            (subject.measures) " "
                            span class="faint" {
                                @match &subject.found {
                                    Ok(version) => { "(" (version) ")" },
                                    Err(why) => { "(not here: " (why) ")" },
                                }
                            }
                        }
                    }
                }
                @for scenario in &report.scenarios {
                    (section(scenario, &styles))
                }
            }
        }
    };
    page.into_string()
}

fn target_table(targets: &[TargetReport]) -> Markup {
    html! {
        div class="wide" {
            table {
                tr { th {} th { "measured" } th { "wanted" } th class="text" { "what" } th class="text" { "from" } }
                @for target in targets {
                    tr {
                        @match target.met {
                            Some(true) => td class="good" { "met" },
                            Some(false) => td class="bad" { "not met" },
                            None => td class="faint" { "not measured" },
                        }
                        td { (targets::measured(target)) }
                        td { (target.bound) }
                        td class="text" { (target.what) }
                        td class="text faint" {
                            @match &target.measured {
                                Ok(_) => (target.source),
                                Err(why) => (why),
                            }
                        }
                    }
                }
            }
        }
    }
}

fn section(scenario: &ScenarioReport, styles: &Styles<'_>) -> Markup {
    let over_cases = plots::over_cases(scenario, styles);
    let of_cases = scenario
        .cases
        .iter()
        .map(|case| (case, plots::of_case(case, styles)))
        .filter(|(_, plots)| !plots.is_empty());
    let notes = columns::notes(scenario);
    html! {
        h2 id=(scenario.scenario) { (scenario.scenario) }
        p { (scenario.about) }
        (figures(&over_cases))
        @for group in columns::groups(scenario, |_| true) {
            (table(&group))
        }
        @if !notes.is_empty() {
            ul class="notes" {
                @for note in &notes {
                    li class=[(note.what == What::Failed).then_some("bad")] {
                        (note.text(scenario.cases.len()))
                    }
                }
            }
        }
        (disturbances(scenario))
        @for (case, plots) in of_cases {
            details {
                summary { (case.case) ": all times" }
                (figures(&plots))
            }
        }
    }
}

fn figures<'a>(plots: &'a [Plot]) -> Markup {
    let drawn = |plot: &'a Plot| Some((&plot.title, plot.draw()?));
    let drawings: Vec<(&String, Markup)> = plots.iter().filter_map(drawn).collect();
    html! {
        @if !drawings.is_empty() {
            div class="plots" {
                @for (title, drawing) in &drawings {
                    figure {
                        figcaption { (title) }
                        (drawing)
                    }
                }
            }
        }
    }
}

fn table(group: &Group<'_>) -> Markup {
    let width = group.columns.len() + 1;
    html! {
        div class="wide" {
            table {
                tr {
                    th {}
                    @for column in &group.columns {
                        th title=(described(*column)) { (column.label()) }
                    }
                }
                @for case in &group.cases {
                    tr class="case" { td colspan=(width) { (case.case) } }
                    @for subject in case.subjects.iter().filter(|subject| !subject.values.is_empty()) {
                        (row(case, subject, &group.columns))
                    }
                }
            }
        }
    }
}

fn row(case: &CaseReport, subject: &CaseSubject, columns: &[Column]) -> Markup {
    let is_ours = subject.subject == columns::OURSELVES;
    html! {
        tr class={ "subject" @if is_ours { " ours" } } {
            td { (subject.subject) }
            @for column in columns {
                @match column {
                    Column::Median(quantity) => (median(case, subject, *quantity)),
                    Column::P99(quantity) => td {
                        @if let Some(p99) = Figure::of(subject, *quantity).and_then(|figure| figure.p99()) {
                            (p99)
                        }
                    },
                }
            }
        }
    }
}

fn median(case: &CaseReport, subject: &CaseSubject, quantity: Quantity) -> Markup {
    let Some(figure) = Figure::of(subject, quantity) else {
        return html! { td {} };
    };
    let ours = columns::ourselves(case).filter(|ours| ours.subject != subject.subject);
    let ratio = ours
        .and_then(|ours| Figure::of(ours, quantity))
        .and_then(|ours| figure.ratio(&ours));
    html! {
        td {
            (figure.text())
            @let uncertainty = figure.uncertainty();
            @if !uncertainty.is_empty() {
                " " span class="beside" { (uncertainty) }
            }
            @if let Some(ratio) = ratio {
                " " span class="beside" { (ratio) }
            }
        }
    }
}

/// What a column has, and which way is better.
fn described(column: Column) -> String {
    let (quantity, of) = match column {
        Column::Median(quantity) => (quantity, ""),
        Column::P99(quantity) => (quantity, "99 of 100 don't exceed it: "),
    };
    let facts = quantity.facts();
    let better = match facts.better {
        Better::Less => "less",
        Better::More => "more",
    };
    format!("{of}{}; {better} is better", facts.words)
}

fn disturbances(scenario: &ScenarioReport) -> Markup {
    let disturbed: Vec<(&CaseReport, &CaseSubject)> = scenario
        .cases
        .iter()
        .flat_map(|case| case.subjects.iter().map(move |subject| (case, subject)))
        .filter(|(_, subject)| !subject.disturbed.is_empty())
        .collect();
    let summary = columns::disturbances(scenario);
    html! {
        @if let Some((count, all, _)) = summary {
            details {
                summary { "The machine was busy with something else in " (count) " of " (all) " repetitions" }
                ul class="notes" {
                    @for (case, subject) in disturbed {
                        @for disturbance in &subject.disturbed {
                            li {
                                (case.case) ", " (subject.subject) ", repetition "
                                (disturbance.repetition + 1) ": " (disturbance.what)
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    /// Elements that have no end tag in HTML.
    const VOID: [&str; 1] = ["meta"];

    #[test]
    fn every_element_ends_and_in_order() {
        let page = html(&sample::report());
        let mut open = Vec::new();
        let mut rest = page.as_str();
        while let Some((_, after)) = rest.split_once('<') {
            let (tag, after) = after.split_once('>').unwrap();
            rest = after;
            let name = tag.split_whitespace().next().unwrap();
            match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name), "</{name}>"),
                None if name.starts_with('!') || VOID.contains(&name) => {}
                None => open.push(name),
            }
        }
        assert_eq!(open, [""; 0]);
    }

    #[test]
    fn names_are_text_whatever_they_hold() {
        let mut report = sample::report();
        let evil = "<script>alert(1)</script>\"'&";
        report.machine.push((evil.to_owned(), evil.to_owned()));
        report.subjects[0].name = evil.to_owned();
        report.scenarios[0].scenario = evil.to_owned();
        report.scenarios[0].cases[0].case = evil.to_owned();
        report.scenarios[0].cases[0].subjects[0].subject = evil.to_owned();
        let page = html(&report);
        assert!(page.contains("&lt;script&gt;"));
        assert!(!page.contains("<script"));
        assert!(!page.contains("\"'&\""));
    }

    #[test]
    fn nothing_is_fetched() {
        let page = html(&sample::report());
        for reference in ["src=", "url(", "@import", "<link", "<script", "href=\"http"] {
            assert!(!page.contains(reference), "{reference}");
        }
    }

    #[test]
    fn a_page_has_its_plots() {
        let page = html(&sample::report());
        // By size and by guests, and for each case its distributions.
        assert!(page.matches("<svg").count() > 20);
        assert!(!page.contains("NaN") && !page.contains("inf "));
    }
}
