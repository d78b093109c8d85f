//! The order in which contestants are measured.

use std::time::Duration;

use super::{
    Bench, Doing, Event, Measure, Readings,
    record::{Record, failure},
    watchdog::Fate,
};
use crate::bench::{measure::load::Watch, subject::Subject};

/// A contestant, and what is written down of it.
#[derive(Debug)]
pub(super) struct Lane<C> {
    pub(super) record: Record,
    /// `None` from its failure on.
    contestant: Option<C>,
}

/// A subject that was started, with what a scenario has made of it.
pub(super) struct Running<S> {
    // In the order in which they are dropped: a driver leaves before its device is killed.
    pub(super) state: S,
    pub(super) subject: Box<dyn Subject>,
}

/// Who takes turns.
pub(super) trait Contestant {
    /// Its processes, which are killed should it hang.
    fn processes(&self) -> Vec<u32>;

    /// Which of them has ended, and why.
    fn died(&mut self) -> Option<String>;
}

impl<S> Contestant for Running<S> {
    fn processes(&self) -> Vec<u32> {
        let processes = self.subject.processes();
        processes.iter().map(|process| process.pid).collect()
    }

    fn died(&mut self) -> Option<String> {
        self.subject.died()
    }
}

/// What a scenario has made itself has no processes that would be known here; those that it starts during
/// its turn are killed in any case.
impl Contestant for &mut &mut Measure<'_> {
    fn processes(&self) -> Vec<u32> {
        Vec::new()
    }

    fn died(&mut self) -> Option<String> {
        None
    }
}

impl<C> Lane<C> {
    pub(super) fn enters(name: &str, contestant: C) -> Self {
        Self {
            record: Record::new(name),
            contestant: Some(contestant),
        }
    }

    pub(super) fn skipped(name: &str, why: String) -> Self {
        let mut record = Record::new(name);
        record.skip(why);
        Self {
            record,
            contestant: None,
        }
    }

    pub(super) fn failed(name: &str, why: String) -> Self {
        let mut record = Record::new(name);
        record.fail(why);
        Self {
            record,
            contestant: None,
        }
    }
}

impl Bench<'_> {
    /// Measures each contestant as often as the plan says, in turns, as long as it does not fail.
    pub(super) fn take_turns<C: Contestant>(
        &mut self,
        case: &str,
        lanes: &mut [Lane<C>],
        mut measure: impl FnMut(&mut C, &mut Readings) -> anyhow::Result<()>,
    ) {
        let of = self.plan().repetitions;
        for repetition in 0..of {
            for index in order(repetition, lanes.len()) {
                let Some(lane) = lanes.get_mut(index) else {
                    continue;
                };
                let Some(contestant) = lane.contestant.as_mut() else {
                    continue;
                };
                if self.is_interrupted() {
                    lane.record.interrupt(of);
                    continue;
                }
                self.progress.tell(Event::Now {
                    case: case.to_owned(),
                    subject: lane.record.name().to_owned(),
                    doing: Doing::Turn { repetition, of },
                });
                let patience = self.patience;
                let turn = self.turn(contestant, &mut measure);
                match turn.judge(patience) {
                    Ok((readings, disturbance)) => {
                        lane.record.add(repetition, readings, disturbance);
                    }
                    Err(Stop::Interrupted) => lane.record.interrupt(of),
                    Err(Stop::Failed(why)) => lane.record.fail(why),
                }
                if lane.record.has_failed() {
                    lane.contestant = None;
                }
            }
        }
    }

    fn turn<C: Contestant>(
        &self,
        contestant: &mut C,
        measure: &mut impl FnMut(&mut C, &mut Readings) -> anyhow::Result<()>,
    ) -> Turn {
        let mut readings = Readings::default();
        let pids = contestant.processes();
        let watch = Watch::start();
        let work = || measure(contestant, &mut readings);
        let (result, fate) = self.watchdog.during(&pids, self.patience, work);
        let disturbance = watch.stop().disturbance();
        Turn {
            result,
            fate,
            died: contestant.died(),
            readings,
            disturbance,
        }
    }
}

/// How a turn went.
struct Turn {
    result: anyhow::Result<()>,
    fate: Fate,
    died: Option<String>,
    readings: Readings,
    disturbance: Option<String>,
}

/// Why a contestant takes no turn any more.
enum Stop {
    /// The user wants no more.
    Interrupted,
    /// It failed.
    Failed(String),
}

impl Turn {
    fn judge(self, patience: Duration) -> Result<(Readings, Option<String>), Stop> {
        match (self.result, self.fate, self.died) {
            (Ok(()), Fate::InTime, None) => Ok((self.readings, self.disturbance)),
            (_, Fate::Interrupted, _) => Err(Stop::Interrupted),
            (result, fate, died) => {
                let why = failure(result.err(), died, fate, "end a turn", patience);
                Err(Stop::Failed(why))
            }
        }
    }
}

/// Who is measured in which order in a repetition: each begins once, then the next.
fn order(repetition: u32, contestants: usize) -> impl Iterator<Item = usize> {
    let first = usize::try_from(repetition).unwrap_or(0);
    (0..contestants).map(move |index| (first + index) % contestants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_begins_in_turn() {
        let all = |repetition| order(repetition, 3).collect::<Vec<_>>();
        assert_eq!(all(0), [0, 1, 2]);
        assert_eq!(all(1), [1, 2, 0]);
        assert_eq!(all(5), [2, 0, 1]);
        assert_eq!(order(1, 0).count(), 0);
    }
}
