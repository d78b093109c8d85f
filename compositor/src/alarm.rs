//! An alarm in the event loop: one time, or none. An idle program is not woken up.

use std::{cell::Cell, fmt, rc::Rc, time::Duration};

use calloop::{LoopHandle, RegistrationToken};
use tracing::warn;

use crate::{
    backend::now,
    delay::{Delay, Then},
    state::{HasState, State},
};

/// Calls a function of the state at a time, and never wakes the loop up otherwise.
pub(crate) struct Alarm {
    set: Box<dyn Fn(Option<Duration>)>,
    deadline: Option<Duration>,
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

impl Alarm {
    /// An alarm that is not set.
    pub(crate) fn new<D: HasState>(handle: &LoopHandle<'static, D>, ring: fn(&mut State)) -> Self {
        let handle = handle.clone();
        let current: Rc<Cell<Option<RegistrationToken>>> = Rc::default();
        let set = move |deadline: Option<Duration>| {
            if let Some(old) = current.take() {
                handle.remove(old);
            }
            let Some(deadline) = deadline else {
                return;
            };
            let delay = Delay::new(deadline.saturating_sub(now()));
            let rung = Rc::clone(&current);
            let source = handle.insert_source(delay, move |(), (), data: &mut D| {
                // The loop removes the source by itself.
                rung.set(None);
                ring(data.state());
                Then::Over
            });
            match source {
                Ok(token) => current.set(Some(token)),
                Err(error) => warn!(
                    "Could not set a timer: {}. Close some programs",
                    error.error
                ),
            }
        };
        Self {
            set: Box::new(set),
            deadline: None,
        }
    }

    /// It has rung, and can be set to the same time again.
    pub(crate) fn rang(&mut self) {
        self.deadline = None;
    }

    /// Rings at a time of the clock of [`now`], or not at all. Replaces what was wanted before.
    pub(crate) fn set(&mut self, deadline: Option<Duration>) {
        if self.deadline != deadline {
            self.deadline = deadline;
            (self.set)(deadline);
        }
    }
}
