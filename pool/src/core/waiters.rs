//! The waiting line: blocked submitters, the longest waiting first, each with the payload it waits with.
//!
//! A payload in the line is not accepted yet. A worker that comes free takes the front one itself, so the submitter
//! need not run for its payload to start; it is told afterwards by its bell. Whether it was served is answered by the
//! line alone: *its ticket is gone*. So a submitter that gives up (time, cancellation) and a worker that takes its
//! payload can never both win, and nothing is lost between them: whoever removes the entry, under the lock, has the
//! payload. A stop moves all entries aside, where their owners find them; so a restart that comes before they look
//! cannot leave them waiting for workers that are gone.

use std::collections::VecDeque;

use crate::core::queue::{Item, Priority};
use crate::sync::{Arc, Condvar};

/// Bells kept for reuse, so that blocking does not allocate in the long run.
const SPARE_CONDVARS: usize = 64;

/// Identifies an entry; later ones are larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WaitTicket(u64);

#[derive(Debug)]
pub(crate) struct Waiter<T> {
    pub(crate) ticket: WaitTicket,
    pub(crate) item: Item<T>,
    pub(crate) priority: Priority,
    pub(crate) condvar: Arc<Condvar>,
    /// True when the submitter is to be told as soon as its payload is taken, and not only once there is room for
    /// more of them.
    pub(crate) eager: bool,
    /// True when the submitter is a worker of this very pool.
    pub(crate) from_worker: bool,
}

/// What became of an entry.
pub(crate) enum WaiterState<T> {
    /// It is still in the line.
    Waiting,
    /// Its payload was accepted.
    Served,
    /// The pool was stopped before.
    TurnedAway(Item<T>),
}

#[derive(Debug)]
pub(crate) struct Waiters<T> {
    entries: VecDeque<Waiter<T>>,
    /// Entries that a stop turned away, until their submitters come for them; in the order of their tickets.
    turned_away: VecDeque<Waiter<T>>,
    next_ticket: u64,
    /// How many entries come from workers of this pool.
    pub(crate) workers_waiting: usize,
    spare_condvars: Vec<Arc<Condvar>>,
}

impl<T> Waiters<T> {
    pub(crate) fn new() -> Self {
        Waiters {
            entries: VecDeque::new(),
            turned_away: VecDeque::new(),
            next_ticket: 0,
            workers_waiting: 0,
            spare_condvars: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Lines up at the end.
    pub(crate) fn join(
        &mut self,
        item: Item<T>,
        priority: Priority,
        eager: bool,
        from_worker: bool,
    ) -> (WaitTicket, Arc<Condvar>) {
        let ticket = WaitTicket(self.next_ticket);
        self.next_ticket += 1;
        let condvar = self.spare_condvars.pop().unwrap_or_else(|| Arc::new(Condvar::new()));
        self.workers_waiting += usize::from(from_worker);
        self.entries.push_back(Waiter {
            ticket,
            item,
            priority,
            condvar: condvar.clone(),
            eager,
            from_worker,
        });
        (ticket, condvar)
    }

    /// Takes the front entry.
    pub(crate) fn serve(&mut self) -> Option<Waiter<T>> {
        let entry = self.entries.pop_front()?;
        self.workers_waiting -= usize::from(entry.from_worker);
        Some(entry)
    }

    /// What became of an entry, for its submitter; one that was turned away is handed over.
    pub(crate) fn state_of(&mut self, ticket: WaitTicket) -> WaiterState<T> {
        if self.place(ticket).is_ok() {
            return WaiterState::Waiting;
        }
        match self.turned_away.binary_search_by_key(&ticket, |entry| entry.ticket) {
            Ok(place) => match self.turned_away.remove(place) {
                Some(entry) => WaiterState::TurnedAway(entry.item),
                None => WaiterState::Served,
            },
            Err(_) => WaiterState::Served,
        }
    }

    /// Sends everybody away: their submitters get their payloads back. The bells are to be rung.
    pub(crate) fn turn_away(&mut self) -> Vec<Arc<Condvar>> {
        let condvars = self.condvars();
        self.workers_waiting = 0;
        self.turned_away.append(&mut self.entries);
        condvars
    }

    /// Asks to be told at once.
    pub(crate) fn make_eager(&mut self, ticket: WaitTicket) {
        if let Ok(place) = self.place(ticket) {
            self.entries[place].eager = true;
        }
    }

    /// Leaves the line with the payload; `None` when it was taken before.
    pub(crate) fn withdraw(&mut self, ticket: WaitTicket) -> Option<Item<T>> {
        let place = self.place(ticket).ok()?;
        let entry = self.entries.remove(place)?;
        self.workers_waiting -= usize::from(entry.from_worker);
        Some(entry.item)
    }

    /// Gives a bell back once nobody waits on it. A late ring for its last owner is a spurious wake-up for the next.
    pub(crate) fn return_condvar(&mut self, condvar: Arc<Condvar>) {
        if self.spare_condvars.len() < SPARE_CONDVARS {
            self.spare_condvars.push(condvar);
        }
    }

    /// The bells of everyone in the line.
    pub(crate) fn condvars(&self) -> Vec<Arc<Condvar>> {
        self.entries.iter().map(|entry| entry.condvar.clone()).collect()
    }

    fn place(&self, ticket: WaitTicket) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&ticket, |entry| entry.ticket)
    }
}
