//! `lucarne bench --list`: what there is, what of it this machine can do, and how long that takes.

use std::time::Duration;

use clap::ValueEnum;

use super::live::duration;

use crate::bench::{
    plan::{PeerKind, Plan, ScenarioKind},
    report::{model::SubjectFacts, table::wrap},
    run::{estimate, name, peers},
    scenario::{self, Scenario},
    subject::Peer,
};

/// Where a second column begins.
const NAMES: usize = 19;

/// All scenarios of a plan, each with who can take part and who can't; then who was found. For a terminal
/// that is so many characters wide.
pub(super) fn text(plan: &Plan, columns: usize) -> String {
    let plan = &everybody(plan);
    let (found, facts) = peers(plan);
    let mut list = List {
        text: String::new(),
        columns,
        takes: Duration::ZERO,
    };
    list.text.push_str("Scenarios:\n");
    for kind in &plan.scenarios {
        list.scenario(*kind, scenario::of(*kind).as_ref(), plan, &found);
    }
    list.text.push_str("\nSubjects:\n");
    for facts in &facts {
        list.subject(facts);
    }
    let (takes, repetitions) = (duration(list.takes), plan.repetitions);
    let all =
        format!("\nAll of it takes about {takes} with all of them, {repetitions} times each.\n");
    list.text.push_str(&all);
    list.text
}

/// The plan with all peers, where none was named.
fn everybody(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    if plan.peers.is_empty() {
        plan.peers = PeerKind::value_variants().to_vec();
    }
    plan
}

struct List {
    text: String,
    columns: usize,
    /// All scenarios so far.
    takes: Duration,
}

impl List {
    fn scenario(
        &mut self,
        kind: ScenarioKind,
        scenario: &dyn Scenario,
        plan: &Plan,
        peers: &[Box<dyn Peer>],
    ) {
        self.row(&name(kind), &in_short(kind));
        let wanted = match scenario.wanted(plan) {
            Ok(wanted) => wanted,
            Err(lack) => return self.row("", &format!("not here: {lack}")),
        };
        let (can, cannot): (Vec<_>, Vec<_>) = peers
            .iter()
            .map(|peer| (peer.name(), peer.suits(&wanted)))
            .partition(|(_, suits)| suits.is_ok());
        let can: Vec<&str> = can.into_iter().map(|(name, _)| name).collect();
        if !can.is_empty() {
            let takes = estimate(scenario, plan, peers);
            self.takes += takes;
            let can = can.join(", ");
            self.row("", &format!("with {can}: about {}", duration(takes)));
        }
        for (name, suits) in cannot {
            if let Err(lack) = suits {
                self.row("", &format!("without {name}: {lack}"));
            }
        }
    }

    fn subject(&mut self, facts: &SubjectFacts) {
        match &facts.found {
            Ok(version) => self.row(&facts.name, version),
            Err(lack) => self.row(&facts.name, &format!("not here: {lack}")),
        }
    }

    /// A name, and beside it a text in as many lines as it takes.
    fn row(&mut self, name: &str, text: &str) {
        let room = self.columns.saturating_sub(NAMES).max(NAMES);
        for (index, line) in wrap(text, room).iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            let row = format!("  {name:width$}{line}", width = NAMES - 2);
            self.text.push_str(row.trim_end());
            self.text.push('\n');
        }
    }
}

/// What `--help` says about it.
fn in_short(kind: ScenarioKind) -> String {
    let value = kind.to_possible_value();
    let help = value.as_ref().and_then(|value| value.get_help());
    help.map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_as_wide_as_the_terminal_at_most() {
        let mut list = List {
            text: String::new(),
            columns: 40,
            takes: Duration::ZERO,
        };
        list.row("flip", "two buffers in turn, and more words");
        let expected =
            "  flip             two buffers in turn,\n                   and more words\n";
        assert_eq!(list.text, expected);
    }

    #[test]
    fn every_scenario_is_told_in_short() {
        for kind in ScenarioKind::value_variants() {
            assert!(!in_short(*kind).is_empty(), "{kind:?}");
        }
    }
}
