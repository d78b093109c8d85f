//! Takes turns.
//!
//! Owns the order in which subjects are measured and what happens when one of them crashes or hangs; knows
//! no scenario, and prints nothing.
//!
//! All subjects of a case are started once and then measured in turns, since a machine's speed changes from
//! minute to minute: what one has to suffer the others suffer too. Whoever begins a round ends the next.
//!
//! ```text
//!              suits          starts          prepared
//!   a peer ─────────▶ asked ─────────▶ started ─────────▶ takes turns ──▶ its record
//!      │                 │                │                    │              ▲
//!      ▼ does not        ▼ fails, hangs   ▼ fails, hangs       ▼ fails, hangs, dies
//!   skipped, why      ────────── killed; its record says why ─────────────────┘
//! ```

mod date;
mod draft;
mod progress;
mod readings;
mod record;
mod turns;
mod watchdog;
mod whole;

use std::{path::Path, time::Duration};

pub use self::{
    draft::{Draft, has_figures},
    progress::{Doing, Event, Progress},
    readings::Readings,
    watchdog::{Interrupter, Watchdog},
    whole::{estimate, estimate_all, everything, name, peers},
};
use self::{
    record::failure,
    turns::{Lane, Running},
    watchdog::Fate,
};
use super::{
    plan::Plan,
    report::model::CaseReport,
    subject::{Peer, Subject, Wanted},
};

/// What a scenario measures with.
pub struct Bench<'a> {
    plan: &'a Plan,
    subjects: &'a [Box<dyn Peer>],
    folder: &'a Path,
    watchdog: &'a Watchdog,
    progress: &'a mut dyn Progress,
    patience: Duration,
    /// Subjects that were started, for their folders' names.
    started: u32,
}

/// Measures something once.
pub type Measure<'a> = dyn FnMut(&mut Readings) -> anyhow::Result<()> + 'a;

impl<'a> Bench<'a> {
    /// How long a start or a turn may take before the subject's processes are killed, if a scenario does
    /// not say otherwise.
    pub const PATIENCE: Duration = Duration::from_secs(60);

    fn new(
        plan: &'a Plan,
        subjects: &'a [Box<dyn Peer>],
        folder: &'a Path,
        watchdog: &'a Watchdog,
        progress: &'a mut dyn Progress,
    ) -> Self {
        Self {
            plan,
            subjects,
            folder,
            watchdog,
            progress,
            patience: Self::PATIENCE,
            started: 0,
        }
    }

    /// What was asked for.
    #[must_use]
    pub fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// A folder for sockets and logs, removed at the end.
    #[must_use]
    pub fn folder(&self) -> &'a Path {
        self.folder
    }

    /// Who is measured: Lucarne first, then the peers that were found on this machine.
    #[must_use]
    pub fn peers(&self) -> &'a [Box<dyn Peer>] {
        self.subjects
    }

    /// Lets starts and turns from now on take so long.
    pub fn allow(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Measures a case on all subjects that can do it: each is started once and prepared once, then they
    /// take turns as often as the plan says. Who fails is left out from then on, and the report says why.
    ///
    /// What `prepare` makes of a subject (a driver that is connected, say) is kept for its turns, and dropped
    /// before it.
    pub fn case<S>(
        &mut self,
        case: &str,
        wanted: &Wanted,
        mut prepare: impl FnMut(&mut dyn Subject) -> anyhow::Result<S>,
        mut measure: impl FnMut(&mut S, &mut dyn Subject, &mut Readings) -> anyhow::Result<()>,
    ) {
        if !self.plan.wants(case) {
            return;
        }
        let mut lanes = Vec::new();
        for peer in self.subjects {
            let lane = match peer.suits(wanted) {
                Ok(()) => self.start(case, peer.as_ref(), wanted, &mut prepare),
                Err(lack) => Lane::skipped(peer.name(), lack.to_string()),
            };
            lanes.push(lane);
        }
        self.take_turns(case, &mut lanes, |running, readings| {
            measure(&mut running.state, running.subject.as_mut(), readings)
        });
        self.tell_case(case, Some(wanted), lanes);
    }

    /// The same with contestants that the scenario has made itself.
    pub fn contest(&mut self, case: &str, contestants: &mut [(&str, &mut Measure<'_>)]) {
        if !self.plan.wants(case) {
            return;
        }
        let enter = |(name, measure)| Lane::enters(name, measure);
        let contestants = contestants
            .iter_mut()
            .map(|(name, measure)| (*name, measure));
        let mut lanes: Vec<_> = contestants.map(enter).collect();
        self.take_turns(case, &mut lanes, |measure, readings| measure(readings));
        self.tell_case(case, None, lanes);
    }

    /// Writes down that something can't be measured here.
    pub fn skip(&mut self, what: &str, why: &str) {
        self.progress.tell(Event::Skipped {
            what: what.to_owned(),
            why: why.to_owned(),
        });
    }

    /// Whether the user wants no more.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.watchdog.is_interrupted()
    }

    fn start<S>(
        &mut self,
        case: &str,
        peer: &dyn Peer,
        wanted: &Wanted,
        prepare: &mut impl FnMut(&mut dyn Subject) -> anyhow::Result<S>,
    ) -> Lane<Running<S>> {
        if self.is_interrupted() {
            return Lane::skipped(peer.name(), "interrupted before it was started".to_owned());
        }
        self.progress.tell(Event::Now {
            case: case.to_owned(),
            subject: peer.name().to_owned(),
            doing: Doing::Starting,
        });
        self.started += 1;
        // Short: the path of a socket in it may have 107 bytes.
        let folder = self.folder.join(self.started.to_string());
        let start = || {
            std::fs::create_dir(&folder)?;
            peer.start(wanted, &folder)
        };
        let (result, fate) = self.watchdog.during(&[], self.patience, start);
        let mut subject = match (result, fate) {
            (Ok(subject), Fate::InTime) => subject,
            (result, fate) => {
                let why = failure(result.err(), None, fate, "start", self.patience);
                return Lane::failed(peer.name(), why);
            }
        };
        let pids = subject
            .processes()
            .iter()
            .map(|process| process.pid)
            .collect::<Vec<_>>();
        let prepared = || prepare(subject.as_mut());
        let (result, fate) = self.watchdog.during(&pids, self.patience, prepared);
        match (result, fate) {
            (Ok(state), Fate::InTime) => Lane::enters(peer.name(), Running { state, subject }),
            (result, fate) => {
                let died = subject.died();
                let why = failure(result.err(), died, fate, "be prepared", self.patience);
                Lane::failed(peer.name(), why)
            }
        }
    }

    fn tell_case<C>(&mut self, case: &str, setting: Option<&Wanted>, lanes: Vec<Lane<C>>) {
        if self.is_interrupted() && lanes.iter().all(|lane| lane.record.is_empty()) {
            return;
        }
        let records = lanes.into_iter().map(|lane| lane.record.finish());
        let case = CaseReport {
            case: case.to_owned(),
            setting: setting.cloned(),
            subjects: records.collect(),
        };
        self.progress.tell(Event::Case(case));
    }
}

#[cfg(test)]
mod tests;
