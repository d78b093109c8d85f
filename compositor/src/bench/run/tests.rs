//! Turns with peers that do what peers should not.

use std::{
    path::Path,
    process::{Child, Command},
    sync::{Arc, Mutex},
};

use guest::driver::{Driver, DriverOptions};

use super::*;
use crate::bench::{
    plan::Length,
    report::model::{CaseSubject, Quantity},
    stopwatch::{Arrival, Stopwatch},
    subject::{Counters, InputDevice, Lack, Needs, Process, Role},
};

/// What a peer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Well,
    /// It ends in its second turn.
    Dies,
    /// It never answers.
    Hangs,
    /// It does not start.
    Refuses,
    /// It has no blobs.
    NoBlobs,
}

struct Fake {
    name: &'static str,
    manner: Manner,
}

/// A process that does nothing, and ends when it is told to.
struct Sleeper {
    manner: Manner,
    child: Child,
    turns: u32,
}

impl Peer for Fake {
    fn name(&self) -> &'static str {
        self.name
    }

    fn measures(&self) -> &'static str {
        "nothing"
    }

    fn find(&self) -> Result<String, Lack> {
        Ok("1.0".to_owned())
    }

    fn suits(&self, wanted: &Wanted) -> Result<(), Lack> {
        match self.manner == Manner::NoBlobs && wanted.needs.blobs {
            true => Err(Lack("It has no blobs.".to_owned())),
            false => Ok(()),
        }
    }

    fn start(&self, _wanted: &Wanted, folder: &Path) -> anyhow::Result<Box<dyn Subject>> {
        assert!(folder.is_dir());
        anyhow::ensure!(self.manner != Manner::Refuses, "Could not start it: no");
        let child = Command::new("sleep").arg("1000").spawn()?;
        Ok(Box::new(Sleeper {
            manner: self.manner,
            child,
            turns: 0,
        }))
    }
}

impl Subject for Sleeper {
    fn connect(&mut self, _guest: usize, _options: &DriverOptions) -> anyhow::Result<Driver> {
        anyhow::bail!("it is no device")
    }

    fn input_socket(&self, _guest: usize, _device: InputDevice) -> Option<&Path> {
        None
    }

    fn processes(&self) -> Vec<Process> {
        vec![Process {
            role: Role::Device,
            pid: self.child.id(),
        }]
    }

    /// Stands for a turn, in which it may die or hang.
    fn counters(&mut self, _guest: usize) -> anyhow::Result<Option<Counters>> {
        self.turns += 1;
        match self.manner {
            Manner::Dies if self.turns == 2 => {
                self.child.kill()?;
                self.child.wait()?;
                anyhow::bail!("The device went away")
            }
            Manner::Hangs => {
                self.child.wait()?;
                anyhow::bail!("The device went away")
            }
            _ => Ok(None),
        }
    }

    fn control_socket(&self) -> Option<&Path> {
        None
    }

    fn arrivals(&mut self) -> Option<&std::sync::mpsc::Receiver<Arrival>> {
        None
    }

    fn stopwatch(&mut self) -> Option<&Stopwatch> {
        None
    }

    fn died(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        Some(format!("it ended ({status})"))
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn plan(repetitions: u32) -> Plan {
    Plan {
        scenarios: Vec::new(),
        peers: Vec::new(),
        length: Length::Short,
        repetitions,
        cases: Vec::new(),
        place: String::new(),
        machine: None,
    }
}

const LONG: Duration = Duration::from_secs(3600);

/// Runs something on peers with these names and manners, and returns what was told.
fn run(
    peers: &[(&'static str, Manner)],
    repetitions: u32,
    patience: Duration,
    script: impl FnOnce(&mut Bench<'_>),
) -> Vec<Event> {
    let folder = tempfile::tempdir().unwrap();
    let peer = |(name, manner): &(&'static str, Manner)| -> Box<dyn Peer> {
        Box::new(Fake {
            name,
            manner: *manner,
        })
    };
    let peers: Vec<Box<dyn Peer>> = peers.iter().map(peer).collect();
    let watchdog = Watchdog::start(|| {}).unwrap();
    let mut events = Vec::new();
    let plan = plan(repetitions);
    let mut bench = Bench::new(&plan, &peers, folder.path(), &watchdog, &mut events);
    bench.allow(patience);
    script(&mut bench);
    events
}

/// The only case.
fn case(events: &[Event]) -> &CaseReport {
    let mut cases = events.iter().filter_map(|event| match event {
        Event::Case(case) => Some(case),
        _ => None,
    });
    let case = cases.next().unwrap();
    assert_eq!(cases.next(), None);
    case
}

fn subject<'a>(events: &'a [Event], name: &str) -> &'a CaseSubject {
    let mut subjects = case(events).subjects.iter();
    subjects.find(|subject| subject.subject == name).unwrap()
}

/// A turn that gives its subject a figure: how many it had before.
fn count(
    turns: &mut f64,
    subject: &mut dyn Subject,
    readings: &mut Readings,
) -> anyhow::Result<()> {
    subject.counters(0)?;
    readings.value(Quantity::Cpu, *turns);
    *turns += 1.0;
    Ok(())
}

fn wanted() -> Wanted {
    Wanted::one((64, 64))
}

#[test]
fn all_are_measured_as_often_as_the_plan_says_and_each_begins_in_turn() {
    let peers = [("a", Manner::Well), ("b", Manner::Well)];
    let events = run(&peers, 3, LONG, |bench| {
        bench.case("c", &wanted(), |_| Ok(0.0), count);
    });
    for name in ["a", "b"] {
        let subject = subject(&events, name);
        assert_eq!(subject.values[&Quantity::Cpu], [0.0, 1.0, 2.0]);
        assert_eq!((&subject.failure, &subject.skipped), (&None, &None));
    }
    assert_eq!(case(&events).setting, Some(wanted()));
    let turns: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            Event::Now {
                subject,
                doing: Doing::Turn { .. },
                ..
            } => Some(subject.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(turns, ["a", "b", "b", "a", "a", "b"]);
}

#[test]
fn one_that_dies_keeps_its_figures_and_the_others_go_on() {
    let peers = [("dies", Manner::Dies), ("well", Manner::Well)];
    let events = run(&peers, 3, LONG, |bench| {
        bench.case("c", &wanted(), |_| Ok(0.0), count);
    });
    let dead = subject(&events, "dies");
    assert_eq!(dead.values[&Quantity::Cpu], [0.0]);
    let why = dead.failure.as_deref().unwrap();
    assert_eq!(why, "it ended (signal: 9 (SIGKILL)). The device went away");
    assert_eq!(subject(&events, "well").values[&Quantity::Cpu].len(), 3);
}

#[test]
fn one_that_hangs_is_killed_and_the_others_go_on() {
    let peers = [("hangs", Manner::Hangs), ("well", Manner::Well)];
    let patience = Duration::from_millis(200);
    let events = run(&peers, 2, patience, |bench| {
        bench.case("c", &wanted(), |_| Ok(0.0), count);
    });
    let hung = subject(&events, "hangs");
    assert!(hung.values.is_empty());
    let why = hung.failure.as_deref().unwrap();
    assert_eq!(
        why,
        "It took longer than 0.2 s to end a turn, and was killed"
    );
    assert_eq!(subject(&events, "well").values[&Quantity::Cpu].len(), 2);
}

#[test]
fn one_that_does_not_start_and_one_that_does_not_suit_are_told_apart() {
    let peers = [
        ("refuses", Manner::Refuses),
        ("2D", Manner::NoBlobs),
        ("well", Manner::Well),
    ];
    let wanted = Wanted {
        needs: Needs {
            blobs: true,
            ..Needs::default()
        },
        ..wanted()
    };
    let events = run(&peers, 1, LONG, |bench| {
        bench.case("c", &wanted, |_| Ok(0.0), count);
    });
    let refused = subject(&events, "refuses");
    assert_eq!(refused.failure.as_deref(), Some("Could not start it: no"));
    assert_eq!(refused.skipped, None);
    let unsuited = subject(&events, "2D");
    assert_eq!(unsuited.skipped.as_deref(), Some("It has no blobs."));
    assert_eq!(unsuited.failure, None);
    assert_eq!(subject(&events, "well").values[&Quantity::Cpu], [0.0]);
}

#[test]
fn one_that_can_t_be_prepared_takes_no_turn() {
    let events = run(&[("a", Manner::Well)], 1, LONG, |bench| {
        bench.case::<()>(
            "c",
            &wanted(),
            |_| anyhow::bail!("no queues"),
            |(), _, _| panic!("it takes none"),
        );
    });
    assert_eq!(subject(&events, "a").failure.as_deref(), Some("no queues"));
}

/// Notes that it is dropped.
struct Kept(Arc<Mutex<Vec<&'static str>>>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.lock().unwrap().push("state");
    }
}

#[test]
fn what_was_prepared_goes_before_its_subject_does() {
    let log = Arc::default();
    run(&[("a", Manner::Well)], 1, LONG, |bench| {
        let alive = |kept: &mut Kept, subject: &mut dyn Subject, _: &mut Readings| {
            assert!(kept.0.lock().unwrap().is_empty());
            assert_eq!(subject.died(), None);
            Ok(())
        };
        bench.case("c", &wanted(), |_| Ok(Kept(Arc::clone(&log))), alive);
        assert_eq!(*log.lock().unwrap(), ["state"]);
    });
}

#[test]
fn contestants_of_a_scenario_s_own_take_turns_too() {
    let events = run(&[], 2, LONG, |bench| {
        let mut ours = |readings: &mut Readings| {
            readings.time(Quantity::InputToPixel, Duration::from_micros(5));
            Ok(())
        };
        let mut theirs = |_: &mut Readings| anyhow::bail!("it crashed");
        bench.contest("c", &mut [("ours", &mut ours), ("theirs", &mut theirs)]);
    });
    assert_eq!(case(&events).setting, None);
    assert_eq!(
        subject(&events, "ours").times[&Quantity::InputToPixel].len(),
        2
    );
    assert_eq!(
        subject(&events, "theirs").failure.as_deref(),
        Some("it crashed")
    );
}

#[test]
fn an_interrupt_ends_a_turn_and_keeps_what_was_measured() {
    let peers = [("a", Manner::Well), ("b", Manner::Well)];
    let events = run(&peers, 3, LONG, |bench| {
        let interrupter = bench.watchdog.interrupter();
        let measure = |turns: &mut f64, subject: &mut dyn Subject, readings: &mut Readings| {
            if *turns == 1.0 {
                interrupter.interrupt();
                // Until the watchdog has killed it.
                while subject.died().is_none() {
                    std::thread::yield_now();
                }
            }
            count(turns, subject, readings)
        };
        bench.case("c", &wanted(), |_| Ok(0.0), measure);
        assert!(bench.is_interrupted());
        bench.case("d", &wanted(), |_| Ok(0.0), count);
    });
    // Of the second case there is nothing to be told.
    for subject in &case(&events).subjects {
        assert_eq!(subject.values[&Quantity::Cpu], [0.0]);
        let why = subject.skipped.as_deref();
        assert_eq!(why, Some("interrupted after 1 of 3 repetitions"));
    }
}
