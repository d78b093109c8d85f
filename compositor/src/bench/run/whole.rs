//! A whole run: all scenarios of a plan on all who take part.

use std::{path::Path, time::Duration};

use clap::ValueEnum as _;

use super::{Bench, Event, Progress, Watchdog};
use crate::bench::{
    peer,
    plan::{Plan, ScenarioKind},
    report::model::SubjectFacts,
    scenario::{self, Scenario},
    subject::Peer,
};

/// Lucarne and the peers of a plan that were found on this machine, in that order; the facts also have
/// those that were not.
#[must_use]
pub fn peers(plan: &Plan) -> (Vec<Box<dyn Peer>>, Vec<SubjectFacts>) {
    let named = plan.peers.iter().copied().map(peer::of);
    let asked = std::iter::once(peer::lucarne()).chain(named);
    let (mut found, mut facts) = (Vec::new(), Vec::new());
    for peer in asked {
        let version = peer.find();
        facts.push(SubjectFacts {
            name: peer.name().to_owned(),
            measures: peer.measures().to_owned(),
            found: version.clone().map_err(|lack| lack.to_string()),
        });
        if version.is_ok() {
            found.push(peer);
        }
    }
    (found, facts)
}

/// Measures all that a plan asks for, with sockets and logs in `folder`. Ends early when `watchdog` is
/// interrupted.
pub fn everything(plan: &Plan, folder: &Path, watchdog: &Watchdog, progress: &mut dyn Progress) {
    let (subjects, facts) = peers(plan);
    for facts in facts {
        progress.tell(Event::Subject(facts));
    }
    let scenarios: Vec<_> = plan
        .scenarios
        .iter()
        .map(|kind| (*kind, scenario::of(*kind)))
        .collect();
    let estimates = scenarios
        .iter()
        .map(|(_, scenario)| estimate(scenario.as_ref(), plan, &subjects));
    progress.tell(Event::Estimate(estimates.sum()));
    for (index, (kind, scenario)) in scenarios.iter().enumerate() {
        if watchdog.is_interrupted() {
            return;
        }
        progress.tell(Event::Scenario {
            name: name(*kind),
            about: scenario.about().to_owned(),
        });
        let folder = folder.join(index.to_string());
        let mut bench = Bench::new(plan, &subjects, &folder, watchdog, progress);
        if !plan.cases.is_empty() {
            let why = format!(
                "only those were asked for that are named {}",
                plan.cases.join(" or ")
            );
            bench.skip("other cases", &why);
        }
        if let Err(lack) = scenario.wanted(plan) {
            bench.skip("all of it", &lack.to_string());
        } else if let Err(error) = std::fs::create_dir(&folder) {
            let folder = folder.display();
            bench.skip(
                "all of it",
                &format!("Could not make {folder}: {error}. Make room there"),
            );
        } else if let Err(error) = scenario.run(&mut bench) {
            bench.skip("what is not listed", &format!("{error:#}"));
        }
    }
}

/// About how long all of a plan takes.
#[must_use]
pub fn estimate_all(plan: &Plan) -> Duration {
    let (subjects, _) = peers(plan);
    let scenarios = plan.scenarios.iter().map(|kind| scenario::of(*kind));
    scenarios
        .map(|scenario| estimate(scenario.as_ref(), plan, &subjects))
        .sum()
}

/// A scenario's name, as it is typed.
#[must_use]
pub fn name(kind: ScenarioKind) -> String {
    let value = kind.to_possible_value();
    value
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

/// About how long a scenario will take with all who suit it; nothing where it can't run.
#[must_use]
pub fn estimate(scenario: &dyn Scenario, plan: &Plan, subjects: &[Box<dyn Peer>]) -> Duration {
    let Ok(wanted) = scenario.wanted(plan) else {
        return Duration::ZERO;
    };
    let suited = subjects.iter().map(|peer| peer.suits(&wanted).is_ok());
    let suited = u32::try_from(suited.filter(|suits| *suits).count()).unwrap_or(u32::MAX);
    scenario.takes(plan, suited)
}
