//! A run with somebody who watches it: the one thread measures, this one tells of it, and what was
//! measured is here whatever happens there.
//!
//! ```text
//!   measuring ──events──▶ this thread ──▶ progress, the report
//!   watchdog  ──stuck───▶     ▲   │
//!   Ctrl-C    ──signal────────┘   └──interrupt──▶ watchdog: everything is killed, measuring ends
//! ```

use std::{
    env,
    os::{linux::net::SocketAddrExt as _, unix::net},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use nix::sys::signal::{SigSet, Signal};
use rustix::process::geteuid;

use super::live::Live;
use crate::{
    bench::{
        machine,
        plan::{Length, Plan},
        report::model::Report,
        run::{Draft, Event, Interrupter, Watchdog, everything},
    },
    guests::runtime_dir::{Error, RuntimeDir},
};

/// How a run ended.
#[derive(Debug)]
pub(super) struct Outcome {
    /// What was measured.
    pub(super) report: Report,
    /// The number of the signal that ended it early.
    pub(super) ended_by: Option<u8>,
    /// Whether something did not end when it was killed.
    pub(super) is_stuck: bool,
}

/// What reaches this thread.
enum Message {
    Event(Event),
    Signal(Signal),
    /// Nothing is measured any more.
    Ended,
}

impl From<Event> for Message {
    fn from(event: Event) -> Self {
        Self::Event(event)
    }
}

/// Says so however the thread that holds it ends.
struct SayEnded(Sender<Message>);

impl Drop for SayEnded {
    fn drop(&mut self) {
        // Where nobody listens nobody waits.
        let _ = self.0.send(Message::Ended);
    }
}

/// How long measuring may take to end when everything was killed.
const GRACE: Duration = Duration::from_secs(15);

/// Measures all that a plan asks for.
pub(super) fn run(plan: Plan) -> anyhow::Result<Outcome> {
    let (sender, receiver) = mpsc::channel();
    // Before there is any other thread, so that no other takes them.
    take_signals(sender.clone())?;
    let mut live = Live::new();
    let alone = alone();
    if alone.is_none() {
        live.line(
            "",
            "Another `lucarne bench` runs. Each is measured under the other's load: wait for it.",
        );
    }
    let folder = folder()?;
    let stuck = sender.clone();
    let watchdog = Watchdog::start(move || {
        let _ = stuck.send(Event::Stuck.into());
    })?;
    let interrupter = watchdog.interrupter();
    let mut facts = machine::facts();
    if plan.length == Length::Full {
        facts.extend(machine::units());
    }
    let mut draft = Draft::new(&plan, facts);
    let path = folder.path().to_owned();
    let measure = move || {
        let mut progress = sender.clone();
        let _ended = SayEnded(sender);
        everything(&plan, &path, &watchdog, &mut progress);
    };
    thread::Builder::new()
        .name("measuring".to_owned())
        .spawn(measure)
        .context("Could not start a thread. Check the limit of processes (ulimit -u)")?;
    let (ended_by, is_stuck) = follow(&receiver, &interrupter, &mut live, &mut draft);
    live.end();
    // The socket by which others see that somebody measures, and the folder, go with this function.
    Ok(Outcome {
        report: draft.finish(),
        ended_by: ended_by.and_then(|signal| u8::try_from(signal as i32).ok()),
        is_stuck,
    })
}

/// A folder for sockets and logs. Not where those of a user's own guests are: theirs is small.
fn folder() -> anyhow::Result<RuntimeDir> {
    let place = env::temp_dir();
    RuntimeDir::new(&place).map_err(|error| match error {
        Error::Make { path, source } => anyhow!(
            "Could not make {} for sockets and logs: {source}. Set TMPDIR to a folder with room",
            path.display()
        ),
        Error::NotOurs(path) => anyhow!(
            "Could not use {} for sockets and logs: it is another user's. Set TMPDIR to a folder of yours",
            path.display()
        ),
    })
}

/// Tells of what happens until nothing more will: which signal ended it, and whether something hangs.
fn follow(
    receiver: &Receiver<Message>,
    interrupter: &Interrupter,
    live: &mut Live,
    draft: &mut Draft,
) -> (Option<Signal>, bool) {
    let mut ended_by: Option<(Signal, Instant)> = None;
    loop {
        let message = match ended_by {
            None => receiver.recv().map_err(RecvTimeoutError::from),
            Some((_, until)) => {
                receiver.recv_timeout(until.saturating_duration_since(Instant::now()))
            }
        };
        match message {
            Ok(Message::Event(event)) => {
                draft.add(&event);
                live.show(&event);
                if event == Event::Stuck {
                    return (ended_by.map(|(signal, _)| signal), true);
                }
            }
            // Who asks twice does not want to wait.
            Ok(Message::Signal(signal)) if ended_by.is_some() => return (Some(signal), false),
            Ok(Message::Signal(signal)) => {
                ended_by = Some((signal, Instant::now() + GRACE));
                live.line("", "Ending what is being measured.");
                interrupter.interrupt();
            }
            Ok(Message::Ended) | Err(_) => return (ended_by.map(|(signal, _)| signal), false),
        }
    }
}

/// Has a thread wait for the signals that end programs, instead of being ended by them: others would
/// have to find what it leaves behind.
fn take_signals(sender: Sender<Message>) -> anyhow::Result<()> {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]
        .into_iter()
        .collect();
    signals.thread_block().context("Could not block signals")?;
    let wait = move || {
        while let Ok(signal) = signals.wait() {
            if sender.send(Message::Signal(signal)).is_err() {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)
        .context("Could not start a thread. Check the limit of processes (ulimit -u)")?;
    Ok(())
}

/// Something that only one benchmark of a user can have at a time: a name without a file, which goes with
/// the process. `None` if another has it.
fn alone() -> Option<net::UnixListener> {
    let name = format!("lucarne-bench-{}", geteuid().as_raw());
    let address = net::SocketAddr::from_abstract_name(name).ok()?;
    net::UnixListener::bind_addr(&address).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a run of which these messages arrive, and no more.
    fn followed(messages: Vec<Message>) -> (Option<Signal>, bool, Report) {
        let plan = Plan {
            scenarios: Vec::new(),
            peers: Vec::new(),
            length: Length::Short,
            repetitions: 1,
            cases: Vec::new(),
            place: String::new(),
            machine: None,
        };
        let mut draft = Draft::new(&plan, Vec::new());
        let watchdog = Watchdog::start(|| {}).unwrap();
        let (sender, receiver) = mpsc::channel();
        for message in messages {
            sender.send(message).unwrap();
        }
        let mut live = Live::new();
        let (ended_by, is_stuck) =
            follow(&receiver, &watchdog.interrupter(), &mut live, &mut draft);
        assert_eq!(watchdog.is_interrupted(), ended_by.is_some());
        (ended_by, is_stuck, draft.finish())
    }

    fn scenario(name: &str) -> Message {
        Message::Event(Event::Scenario {
            name: name.to_owned(),
            about: String::new(),
        })
    }

    #[test]
    fn what_comes_after_a_first_signal_counts_and_after_a_second_one_does_not() {
        let (ended_by, is_stuck, report) = followed(vec![
            scenario("before"),
            Message::Signal(Signal::SIGINT),
            scenario("meanwhile"),
            Message::Signal(Signal::SIGTERM),
            scenario("too late"),
        ]);
        assert_eq!((ended_by, is_stuck), (Some(Signal::SIGTERM), false));
        let names = report.scenarios.iter().map(|found| found.scenario.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["before", "meanwhile"]);
    }

    #[test]
    fn a_run_ends_by_itself_or_because_it_hangs() {
        let (ended_by, is_stuck, report) = followed(vec![scenario("a"), Message::Ended]);
        assert_eq!((ended_by, is_stuck), (None, false));
        assert_eq!(report.scenarios.len(), 1);
        let (ended_by, is_stuck, _) = followed(vec![Message::Event(Event::Stuck)]);
        assert_eq!((ended_by, is_stuck), (None, true));
    }
}
