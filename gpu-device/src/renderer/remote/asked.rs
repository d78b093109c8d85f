//! Requests that have not been answered.

use std::collections::BTreeMap;

use protocols::render::Request;

use super::super::Ticket;

/// What may be answered to a request, besides that it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expects {
    /// That it was done.
    Done,
    /// A blob's memory.
    Mapping,
    /// A picture, or that there is none.
    Picture,
}

impl Expects {
    pub(super) fn of(request: &Request<'_>) -> Self {
        match request {
            Request::Map(_) => Self::Mapping,
            Request::Export(_) => Self::Picture,
            _ => Self::Done,
        }
    }
}

/// A request that has not been answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// `None` where nobody waits for the answer.
    pub(super) ticket: Option<Ticket>,
    pub(super) expects: Expects,
}

/// Requests that have not been answered, under the numbers that they have on the way.
#[derive(Debug, Default)]
pub(super) struct Asked {
    entries: BTreeMap<u64, Entry>,
    last: u64,
}

impl Asked {
    /// Another request: its number, which no other has had.
    pub(super) fn add(&mut self, ticket: Option<Ticket>, expects: Expects) -> u64 {
        self.last = self.last.saturating_add(1);
        self.entries.insert(self.last, Entry { ticket, expects });
        self.last
    }

    /// A request is answered; `None` if that was never asked or answered before.
    pub(super) fn take(&mut self, number: u64) -> Option<Entry> {
        self.entries.remove(&number)
    }

    /// Nobody waits for the answers any more, but they come.
    pub(super) fn forget(&mut self) {
        self.entries
            .values_mut()
            .for_each(|entry| entry.ticket = None);
    }

    /// The answers never come.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// How many have not been answered.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
