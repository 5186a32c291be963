//! Workers: what one does that comes to the lock, and whose payload it takes.

use std::mem;

use crate::core::queue::Item;
use crate::core::waiters::Waiter;
use crate::core::{CheckIn, Core, Ended, Leftovers, Next, WorkerRecord};
use crate::sync::{Arc, Condvar};

/// An offer goes before everything else after so many visits have passed it over.
const MOST_PASSED_OVER: u32 = 64;

impl<T> Core<T> {
    /// A worker asks what to do; bells to ring after unlocking are added to `rings`.
    pub(crate) fn check_in(
        &mut self,
        record: &mut WorkerRecord<T>,
        check_in: CheckIn,
        to_notify: &mut Vec<Arc<Condvar>>,
    ) -> Next<T> {
        self.settle_accounts(record, check_in.ended);
        if let Some(broadcasts) = self.take_broadcasts(record) {
            return Next::Broadcasts(broadcasts);
        }
        // Above the cap it leaves, unless what waits would be left to workers that may not come to be, or that wait in
        // line themselves.
        let has_heirs = self.workers > self.spawning + self.waiters.workers_waiting + 1;
        if self.workers > self.limits.max_workers && (has_heirs || self.nothing_waits()) {
            return self.leave(record);
        }
        if let Some(item) = self.take_waiting(record, check_in.may_batch, to_notify) {
            return Next::Run(item);
        }
        if !self.open {
            return self.leave(record);
        }
        // Read under the lock, so that the stack is ordered by time.
        self.ready.push(self.clock.now(), record.seat.clone());
        self.note_idleness();
        self.check();
        Next::Idle
    }

    pub(super) fn settle_accounts(&mut self, record: &mut WorkerRecord<T>, ended: Option<Ended>) {
        match ended {
            Some(Ended::Discarded) => self.totals.discarded += 1,
            Some(ended) => {
                self.totals.finished += 1;
                self.totals.panicked += u64::from(ended == Ended::Panicked);
            }
            None if mem::take(&mut record.reservation.searching) => {
                self.searching -= 1;
                self.broadcasting -= usize::from(mem::take(&mut record.broadcasting));
            }
            None => {}
        }
        if mem::take(&mut record.holding) {
            let counts = record.batch.report();
            debug_assert!(counts.queued == 0, "a worker checks in when its batch is empty");
            self.totals.finished += counts.finished;
            self.totals.panicked += counts.panicked;
            if let Some(place) = self.batches.iter().position(|batch| Arc::ptr_eq(batch, &record.batch)) {
                self.batches.swap_remove(place);
            }
        }
    }

    pub(super) fn leave(&mut self, record: &WorkerRecord<T>) -> Next<T> {
        debug_assert!(
            record.reservation.broadcasts_seen == self.broadcasts_given,
            "broadcasts are done before leaving"
        );
        self.workers -= 1;
        self.note_idleness();
        self.check();
        Next::Leave
    }

    /// A worker that cannot go on (its state could not be made anew) leaves at once. When no other surely lives, what
    /// is queued has nobody left: it is returned, and whoever waits in line is told by the bells.
    pub(crate) fn abandon(&mut self, record: &mut WorkerRecord<T>) -> Leftovers<T> {
        // Its own hand first of all: nobody is left to run from it.
        self.recall();
        self.settle_accounts(record, Some(Ended::Panicked));
        let broadcasts = self.forget_broadcasts(record.reservation);
        self.workers -= 1;
        let (mut rest, mut condvars) = (Vec::new(), Vec::new());
        if self.workers <= self.spawning {
            self.queue_background();
            rest = self.queue.take_all().collect();
            self.totals.discarded += rest.len() as u64;
            condvars = self.waiters.condvars();
            condvars.extend(self.deferred.drain(..).map(|(_, condvar)| condvar));
        } else if self.is_deadlocked() {
            // All others wait in line for one that will not come.
            condvars = self.waiters.condvars();
        }
        self.note_idleness();
        self.check();
        Leftovers { payloads: rest, condvars, _broadcasts: broadcasts }
    }

    /// The longest waiting payload: from the queue, from the line, or from another worker's hand.
    pub(super) fn take_waiting(
        &mut self,
        record: &mut WorkerRecord<T>,
        may_batch: bool,
        to_notify: &mut Vec<Arc<Condvar>>,
    ) -> Option<Item<T>> {
        if !self.background.is_empty() {
            self.passed_over += 1;
            if self.passed_over >= MOST_PASSED_OVER {
                return self.take_background();
            }
        }
        // Beside idle workers, what is left is theirs; and what fewer than all could start is not worth a batch.
        if may_batch && self.queue.len() > self.workers && self.queue.is_plain() && self.ready.len() == 0 {
            self.taken += record.batch.fill(&mut self.queue, self.taken) as u64;
            self.now_holds(record);
            // Before an urgent payload from the line can take the hand back.
            let first = record.batch.first().map(Item::unstamped);
            self.refill(to_notify);
            return first;
        }
        if let Some(item) = self.take_queued(to_notify) {
            return Some(item);
        }
        if let Some(entry) = self.serve_waiter() {
            to_notify.push(entry.condvar);
            return Some(entry.item);
        }
        self.take_from_other_batch(record).or_else(|| self.take_background())
    }

    /// Takes one queued payload, and lets the line move up.
    pub(super) fn take_queued(&mut self, to_notify: &mut Vec<Arc<Condvar>>) -> Option<Item<T>> {
        let item = self.queue.pop()?;
        self.taken += 1;
        self.refill(to_notify);
        Some(item)
    }

    /// Fills the queue up from the line.
    pub(super) fn refill(&mut self, to_notify: &mut Vec<Arc<Condvar>>) {
        while self.queue.len() < self.limits.queue_capacity {
            let Some(entry) = self.serve_waiter() else { break };
            self.push(entry.item, entry.priority);
            if entry.eager {
                to_notify.push(entry.condvar);
            } else {
                self.deferred.push_back((entry.ticket, entry.condvar));
            }
        }
        self.notify_at_low_water(to_notify);
    }

    pub(super) fn serve_waiter(&mut self) -> Option<Waiter<T>> {
        let entry = self.waiters.serve()?;
        self.totals.accepted += 1;
        Some(entry)
    }

    /// Submitters are woken when half of the queue is free, so that one wake-up buys many submissions; and only as
    /// many as there is room for.
    pub(super) fn notify_at_low_water(&mut self, to_notify: &mut Vec<Arc<Condvar>>) {
        if self.deferred.is_empty() || self.queue.len() > self.limits.queue_capacity / 2 {
            return;
        }
        let room = self.limits.queue_capacity - self.queue.len();
        let count = if self.queue.is_empty() { self.deferred.len() } else { room.min(self.deferred.len()) };
        to_notify.extend(self.deferred.drain(..count).map(|(_, condvar)| condvar));
    }

    pub(super) fn take_from_other_batch(&mut self, record: &mut WorkerRecord<T>) -> Option<Item<T>> {
        if !self.batches.iter().any(|other| record.batch.take_half_of(other)) {
            return None;
        }
        self.now_holds(record);
        record.batch.first().map(Item::unstamped)
    }

    pub(super) fn now_holds(&mut self, record: &mut WorkerRecord<T>) {
        record.holding = true;
        self.batches.push(record.batch.clone());
    }

    /// Puts what workers hold back into the queue, in its old order.
    pub(super) fn recall(&mut self) {
        let mut held: Vec<_> = self.batches.iter().map(|batch| batch.take_all()).collect();
        held.sort_by_key(|(first, _)| *first);
        self.queue.put_back(held.into_iter().flat_map(|(_, payloads)| payloads));
    }
}
