//! A process that was started.

use std::{
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use protocols::render::Report;

use super::{
    super::link::{DeviceEnd, LinkError},
    child::{Child, Spawn},
    watchdog::{Verdict, Watchdog},
};

/// How long a process may take to end once it has closed its end.
const ENDING: Duration = Duration::from_secs(1);

/// A process that was started, and the way to it.
#[derive(Debug)]
pub(super) struct Alive {
    pub(super) link: DeviceEnd,
    pub(super) child: Child,
    pub(super) started: Instant,
    stage: Stage,
    watchdog: Watchdog,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It has to say what it can do before this.
    Silent { until: Option<Instant> },
    /// It carries out orders.
    Answering,
    /// It has closed its end, and has to end before this.
    Closed { until: Option<Instant> },
}

/// What has woken the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The bell.
    Rung,
    /// Something else: the process may have ended.
    Nothing,
    /// That the process has closed its end, just now: the bell must not be watched any more, as it would ring for ever.
    Closed,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing.
    Nothing,
    /// It is to be asked for a sign of life.
    Ask,
    /// It must be given up.
    Lost(&'static str),
}

impl Alive {
    pub(super) fn new(link: DeviceEnd, child: Child, spawn: &Spawn, now: Instant) -> Self {
        Self {
            link,
            child,
            started: now,
            stage: Stage::Silent {
                until: now.checked_add(spawn.greeting),
            },
            watchdog: Watchdog::new(spawn.patience),
        }
    }

    /// Hears the bell, and sends what waited for room.
    pub(super) fn hear(&mut self) -> Heard {
        if matches!(self.stage, Stage::Closed { .. }) {
            return Heard::Nothing;
        }
        // From here on a message rings again; those that came before are read after this.
        let heard = self.link.bell.hear();
        let slept = self.link.reports.sleeps().map_err(LinkError::from);
        let sent = self.link.orders.send_waiting();
        match (heard, slept, sent) {
            (Ok(true), Ok(_), Ok(())) => Heard::Rung,
            (Ok(false), Ok(_), Ok(())) => Heard::Nothing,
            _ => {
                self.stage = Stage::Closed {
                    until: Instant::now().checked_add(ENDING),
                };
                Heard::Closed
            }
        }
    }

    pub(super) fn has_said_hello(&self) -> bool {
        !matches!(self.stage, Stage::Silent { .. })
    }

    pub(super) fn says_hello(&mut self) {
        self.stage = Stage::Answering;
    }

    /// It is given something to do.
    pub(super) fn is_busy(&mut self, now: Instant) {
        self.watchdog.wake(now);
    }

    /// What it has said next, and the descriptors that came with it.
    ///
    /// # Errors
    /// It has broken the rules.
    pub(super) fn next_report(
        &mut self,
        scratch: &mut Vec<u8>,
    ) -> Result<Option<(Report, Vec<OwnedFd>)>, LinkError> {
        if !self.link.reports.take(scratch)? {
            return Ok(None);
        }
        let report = Report::decode(scratch).map_err(|_| LinkError::Broken)?;
        let descriptors = self.link.packets.take(report.descriptors())?;
        if self.link.reports.room_is_wanted()? {
            self.link.bell.ring();
        }
        Ok(Some((report, descriptors)))
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Silent { until } | Stage::Closed { until } => until,
            Stage::Answering => self.watchdog.next_deadline(),
        }
    }

    /// What is due while so many answers are awaited.
    ///
    /// # Errors
    /// It has broken the rules.
    pub(super) fn due(&mut self, now: Instant, awaited: usize) -> Result<Due, LinkError> {
        let over = |until: Option<Instant>| until.is_none_or(|until| now >= until);
        match self.stage {
            Stage::Silent { until } if over(until) => Ok(Due::Lost("it was silent for too long")),
            Stage::Closed { until } if over(until) => Ok(Due::Lost("it has closed its end")),
            Stage::Silent { .. } | Stage::Closed { .. } => Ok(Due::Nothing),
            Stage::Answering => {
                let consumed = self.link.orders.consumed()?;
                let pending = self.link.orders.is_pending()?;
                Ok(
                    match self.watchdog.look(now, consumed, pending, awaited > 0) {
                        Verdict::Well => Due::Nothing,
                        Verdict::Ask => Due::Ask,
                        Verdict::Stuck => Due::Lost("it was stuck and was killed"),
                    },
                )
            }
        }
    }
}
