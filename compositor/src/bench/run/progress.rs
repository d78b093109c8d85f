//! What is told while it runs.

use std::{sync::mpsc::Sender, time::Duration};

use crate::bench::report::model::{CaseReport, SubjectFacts};

/// Something has happened, or has come out.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Somebody is to be measured, or can't be.
    Subject(SubjectFacts),
    /// About how long all of it will take.
    Estimate(Duration),
    /// A scenario begins; cases and what is skipped belong to it until the next one does.
    Scenario {
        /// Its name.
        name: String,
        /// What it does.
        about: String,
    },
    /// What is being done.
    Now {
        /// In this case.
        case: String,
        /// To whom.
        subject: String,
        /// What.
        doing: Doing,
    },
    /// A case has been measured.
    Case(CaseReport),
    /// Something can't be measured.
    Skipped {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
    /// What is being done does not even end when all of its processes are killed: there will be no more.
    Stuck,
}

/// What is being done to a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// It is started.
    Starting,
    /// It is measured.
    Turn {
        /// Which repetition, from 0.
        repetition: u32,
        /// How many there will be.
        of: u32,
    },
}

/// Somebody who is told.
pub trait Progress {
    /// Something has happened. Must return soon: the next turn waits for it.
    fn tell(&mut self, event: Event);
}

impl<E: From<Event>> Progress for Sender<E> {
    fn tell(&mut self, event: Event) {
        // Nobody is told any more once the user has given up on it.
        let _ = self.send(event.into());
    }
}

impl Progress for Vec<Event> {
    fn tell(&mut self, event: Event) {
        self.push(event);
    }
}
