//! The waiters: blocked submitters, the longest waiting first, each with the payload that it could not place.
//!
//! A waiter's payload is not accepted yet. A worker that comes free takes the front one itself, so the submitter need
//! not run for its payload to start; the submitter is notified afterwards, through its condition variable. Whether a
//! waiter was served is answered by this list alone: *its ticket is gone*. So a submitter that gives up (time,
//! cancellation) and a worker that takes its payload can never both win, and nothing is lost between them: whoever
//! removes the waiter, under the lock, has the payload. A stop moves all waiters aside, where their submitters find
//! them; so a restart that comes before they look cannot leave them waiting for workers that are gone.
//!
//! Where there is a queue, a waiter's payload goes there first, and telling its submitter is *deferred* until the queue
//! has run low: one wake-up then buys many submissions.

use std::collections::VecDeque;
use std::mem;

use super::ToNotify;
use super::queue::{Item, Priority};
use crate::sync::{Arc, Condvar};
use crate::waits::{self, WorkerKey};

/// Condition variables kept for reuse, so that blocking does not allocate in the long run.
const SPARE_CONDVARS: usize = 64;

/// Identifies a waiter; later ones are larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WaitTicket(u64);

#[derive(Debug)]
struct Waiter<T> {
    ticket: WaitTicket,
    item: Item<T>,
    priority: Priority,
    condvar: Arc<Condvar>,
    /// True when the submitter is to be notified as soon as its payload is taken, and not only once there is room for
    /// more of them.
    eager: bool,
    /// The submitter, if it is a worker of some pool that is noted as sleeping; it is so for as long as this is here.
    sleeper: Option<WorkerKey>,
    birth: BirthOffer,
}

/// Whether a waiter may make a worker itself, in place of one that did not come to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BirthOffer {
    /// It has not yet.
    Possible,
    /// It is told to.
    Made,
    /// It did: states that cannot be made are not tried without end.
    Over,
}

impl<T> Waiter<T> {
    /// It was served, turned away, or gives up: whoever sees to that says so at once.
    fn sleeps_no_more(&mut self) {
        if let Some(sleeper) = self.sleeper.take() {
            waits::wake(sleeper);
        }
    }
}

/// What became of a waiter.
pub(super) enum WaiterState<T> {
    /// It still waits.
    Waiting { eager: bool, sleeper: Option<WorkerKey> },
    /// Its payload was accepted.
    Served,
    /// The pool was stopped before.
    TurnedAway(Item<T>),
}

#[derive(Debug)]
pub(super) struct Waiters<T> {
    waiting: VecDeque<Waiter<T>>,
    /// Waiters that a stop turned away, until their submitters come for them; in the order of their tickets.
    turned_away: VecDeque<Waiter<T>>,
    /// Waiters whose payload went to the queue, and whose submitters are notified once that has run low.
    deferred: VecDeque<(WaitTicket, Arc<Condvar>)>,
    /// Waiters that went after they had been told to make a worker and before they did, since this was last asked.
    dropped_offers: usize,
    next_ticket: u64,
    spare_condvars: Vec<Arc<Condvar>>,
}

impl<T> Waiters<T> {
    pub(super) fn new() -> Self {
        Waiters {
            waiting: VecDeque::new(),
            turned_away: VecDeque::new(),
            deferred: VecDeque::new(),
            dropped_offers: 0,
            next_ticket: 0,
            spare_condvars: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds a waiter behind all others; one that `has_failed` to make a worker is to try once more.
    pub(super) fn join(
        &mut self,
        item: Item<T>,
        priority: Priority,
        eager: bool,
        sleeper: Option<WorkerKey>,
        has_failed: bool,
    ) -> (WaitTicket, Arc<Condvar>) {
        let ticket = WaitTicket(self.next_ticket);
        self.next_ticket += 1;
        let condvar = self.spare_condvars.pop().unwrap_or_else(|| Arc::new(Condvar::new()));
        let birth = if has_failed { BirthOffer::Made } else { BirthOffer::Possible };
        let waiter = Waiter { ticket, item, priority, condvar: condvar.clone(), eager, sleeper, birth };
        self.waiting.push_back(waiter);
        (ticket, condvar)
    }

    /// Takes the payload of the waiter that has waited longest, for a worker; its submitter is notified.
    pub(super) fn serve(&mut self, to_notify: &mut ToNotify) -> Option<Item<T>> {
        let waiter = self.take_longest()?;
        to_notify.push(waiter.condvar);
        Some(waiter.item)
    }

    /// Takes the payload of the waiter that has waited longest, for the queue; its submitter is notified at once if it
    /// is eager, and once the queue has run low if it is not.
    pub(super) fn move_up(&mut self, to_notify: &mut ToNotify) -> Option<(Item<T>, Priority)> {
        let waiter = self.take_longest()?;
        if waiter.eager {
            to_notify.push(waiter.condvar);
        } else {
            self.deferred.push_back((waiter.ticket, waiter.condvar));
        }
        Some((waiter.item, waiter.priority))
    }

    fn take_longest(&mut self) -> Option<Waiter<T>> {
        let waiter = self.waiting.pop_front()?;
        Some(self.removed(waiter))
    }

    fn removed(&mut self, mut waiter: Waiter<T>) -> Waiter<T> {
        waiter.sleeps_no_more();
        self.dropped_offers += usize::from(waiter.birth == BirthOffer::Made);
        waiter
    }

    /// How many offers to make a worker went with their waiters, since this was last asked.
    pub(super) fn take_dropped_offers(&mut self) -> usize {
        mem::take(&mut self.dropped_offers)
    }

    /// What became of a waiter, for its submitter; the payload of one that was turned away is handed over.
    pub(super) fn state_of(&mut self, ticket: WaitTicket) -> WaiterState<T> {
        if let Ok(place) = self.place(ticket) {
            let Waiter { eager, sleeper, .. } = self.waiting[place];
            return WaiterState::Waiting { eager, sleeper };
        }
        let place = self.turned_away.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok();
        match place.and_then(|place| self.turned_away.remove(place)) {
            Some(waiter) => WaiterState::TurnedAway(waiter.item),
            None => WaiterState::Served,
        }
    }

    /// Has a waiter notified as soon as its payload is taken.
    pub(super) fn make_eager(&mut self, ticket: WaitTicket) {
        if let Ok(place) = self.place(ticket) {
            self.waiting[place].eager = true;
        }
    }

    /// Tells the one that has waited longest, of those that have made none yet, to make a worker; returns whom to
    /// notify. It moves from now on.
    pub(super) fn offer_birth(&mut self) -> Option<Arc<Condvar>> {
        let waiter = self.waiting.iter_mut().find(|waiter| waiter.birth == BirthOffer::Possible)?;
        waiter.birth = BirthOffer::Made;
        waiter.sleeps_no_more();
        Some(waiter.condvar.clone())
    }

    /// True when this one was told to make a worker, and has not been asked here since. It is not noted as sleeping
    /// then. It makes one now if that `is_wanted`, and may be told to another time if not.
    pub(super) fn take_up_offer(&mut self, ticket: WaitTicket, is_wanted: bool) -> bool {
        let Ok(place) = self.place(ticket) else { return false };
        let waiter = &mut self.waiting[place];
        if waiter.birth != BirthOffer::Made {
            return false;
        }
        waiter.birth = if is_wanted { BirthOffer::Over } else { BirthOffer::Possible };
        waiter.sleeps_no_more();
        true
    }

    /// The submitter of this one is noted as sleeping.
    pub(super) fn note_sleeper(&mut self, ticket: WaitTicket, sleeper: WorkerKey) {
        if let Ok(place) = self.place(ticket) {
            self.waiting[place].sleeper = Some(sleeper);
        }
    }

    /// True when somebody is to be notified once the queue has run low.
    pub(super) fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// True while this one waits.
    pub(super) fn has(&self, ticket: WaitTicket) -> bool {
        self.place(ticket).is_ok()
    }

    /// True when the one that has waited longest is to be notified as soon as its payload is taken.
    pub(super) fn longest_is_eager(&self) -> bool {
        self.waiting.front().is_some_and(|waiter| waiter.eager)
    }

    /// Takes a waiter's payload back for its submitter; `None` when it was taken before.
    pub(super) fn withdraw(&mut self, ticket: WaitTicket) -> Option<Item<T>> {
        let place = self.place(ticket).ok()?;
        let waiter = self.waiting.remove(place)?;
        Some(self.removed(waiter).item)
    }

    /// Gives a condition variable back on which no submitter waits any more. A late notification of its last user is a
    /// spurious wake-up for the next.
    pub(super) fn return_condvar(&mut self, condvar: Arc<Condvar>) {
        if self.spare_condvars.len() < SPARE_CONDVARS {
            self.spare_condvars.push(condvar);
        }
    }

    /// Submitters are notified when half of the queue is free, so that one wake-up buys many submissions; and only as
    /// many as there is room for.
    pub(super) fn notify_at_low_water(&mut self, queued: usize, capacity: usize, to_notify: &mut ToNotify) {
        if queued > capacity / 2 {
            return;
        }
        let room = capacity - queued;
        let count = if queued == 0 { self.deferred.len() } else { room.min(self.deferred.len()) };
        to_notify.extend(self.deferred.drain(..count).map(|(_, condvar)| condvar));
    }

    /// The submitter of a served waiter has seen that it was; nobody needs to notify it any more.
    pub(super) fn was_told(&mut self, ticket: WaitTicket) {
        if let Ok(place) = self.deferred.binary_search_by_key(&ticket, |(ticket, _)| *ticket) {
            self.deferred.remove(place);
        }
    }

    /// Turns everybody away: their submitters get their payloads back. Returns whom to notify: those, and the deferred.
    pub(super) fn turn_away(&mut self) -> ToNotify {
        let condvars = self.forsake();
        self.waiting.iter_mut().for_each(Waiter::sleeps_no_more);
        self.turned_away.append(&mut self.waiting);
        condvars
    }

    /// Whom to notify when there is no worker left: all waiters, and the deferred.
    pub(super) fn forsake(&mut self) -> ToNotify {
        let mut condvars = self.condvars();
        condvars.extend(self.deferred.drain(..).map(|(_, condvar)| condvar));
        condvars
    }

    /// Whom to notify to have all waiters look for themselves.
    pub(super) fn condvars(&self) -> ToNotify {
        self.waiting.iter().map(|waiter| waiter.condvar.clone()).collect()
    }

    fn place(&self, ticket: WaitTicket) -> Result<usize, usize> {
        self.waiting.binary_search_by_key(&ticket, |waiter| waiter.ticket)
    }
}
