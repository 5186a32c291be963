//! The agenda: payloads that wait for an instant, before they are submitted.
//!
//! They are not accepted yet, and nobody has to be there to run them; but a thread that looks at the clock has to.

use std::collections::BTreeMap;
use std::mem;

use super::{Core, Priority};
use crate::config::Arrival;
use crate::sync::Instant;

pub(super) struct Agenda<T> {
    /// The next one to be due first; among those of one instant the one that came first.
    entries: BTreeMap<AgendaKey, Planned<T>>,
    /// The number of the next entry.
    number: u64,
    /// Of how many more entries it is known that they will come.
    expected: usize,
    era: Era,
}

/// A payload that waits for its time, and how urgent it is then.
pub(crate) struct Planned<T> {
    pub(crate) payload: T,
    pub(crate) priority: Priority,
    /// To be told once the pool has taken it.
    pub(crate) arrival: Option<Arrival>,
}

impl<T> Planned<T> {
    /// One of whose arrival nobody is told.
    pub(crate) fn new(payload: T, priority: Priority) -> Self {
        Planned { payload, priority, arrival: None }
    }
}

/// Which entry is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AgendaKey {
    due: Instant,
    number: u64,
}

/// The time between two stops: what was begun in one is not carried over into the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Era(u64);

impl<T> Agenda<T> {
    pub(super) fn new() -> Self {
        Agenda { entries: BTreeMap::new(), number: 0, expected: 0, era: Era(0) }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// True while somebody has to look at the clock, or will have to soon.
    pub(super) fn is_in_use(&self) -> bool {
        self.expected > 0 || !self.entries.is_empty()
    }

    /// Everything in it, the next one to be due first.
    fn take(&mut self) -> Vec<T> {
        mem::take(&mut self.entries).into_values().map(|planned| planned.payload).collect()
    }
}

impl<T> Core<T> {
    /// The present era, while the pool is open.
    pub(crate) fn era(&self) -> Option<Era> {
        self.open.then_some(self.agenda.era)
    }

    /// Adds an entry to those of this era; the payload comes back when that has ended. The flag is true when nothing is
    /// due before it.
    pub(crate) fn note(
        &mut self,
        due: Instant,
        planned: Planned<T>,
        era: Era,
    ) -> Result<(AgendaKey, bool), T> {
        if self.era() != Some(era) {
            return Err(planned.payload);
        }
        let key = AgendaKey { due, number: self.agenda.number };
        self.agenda.number += 1;
        let is_first = self.next_due().is_none_or(|first| due < first);
        self.agenda.entries.insert(key, planned);
        self.check();
        Ok((key, is_first))
    }

    /// Takes an entry out before its time, if it is still there.
    pub(crate) fn strike(&mut self, key: AgendaKey) -> Option<T> {
        self.agenda.entries.remove(&key).map(|planned| planned.payload)
    }

    /// Takes out an entry that is due, the earliest first.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<(Planned<T>, Era)> {
        let entry = self.agenda.entries.first_entry().filter(|entry| entry.key().due <= now)?;
        Some((entry.remove(), self.agenda.era))
    }

    /// When the next entry is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.agenda.entries.first_key_value().map(|(key, _)| key.due)
    }

    /// An entry will come: until it is taken back, the clock is looked at.
    pub(crate) fn expect_entry(&mut self, era: Era) {
        if self.era() == Some(era) {
            self.agenda.expected += 1;
        }
    }

    /// What was expected in this era has come, or will not come any more.
    pub(crate) fn expect_entry_no_more(&mut self, era: Era) {
        if self.agenda.era == era {
            self.agenda.expected -= 1;
        }
    }

    /// Takes out everything, as accepted and handed back.
    pub(crate) fn hand_back_agenda(&mut self) -> Vec<T> {
        let rest = self.agenda.take();
        self.totals.accepted += rest.len() as u64;
        self.totals.handed_back += rest.len() as u64;
        rest
    }

    /// The pool was closed: the era is over. Takes out everything, as accepted and discarded.
    pub(crate) fn end_era(&mut self) -> Vec<T> {
        let Era(number) = self.agenda.era;
        self.agenda.era = Era(number + 1);
        self.agenda.expected = 0;
        let rest = self.agenda.take();
        self.count_undue(rest.len());
        rest
    }

    /// So many entries of the agenda were discarded.
    pub(crate) fn count_undue(&mut self, entries: usize) {
        self.totals.accepted += entries as u64;
        self.totals.discarded += entries as u64;
    }
}
