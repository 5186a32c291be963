//! Workers: what one does that comes to the lock, and whose payload it takes.

use std::mem;

use crate::core::queue::Item;
use crate::core::waiters::Entry;
use crate::core::{Core, Ended, Leftovers, Next, Post, Visit};
use crate::sync::{Arc, Condvar};

/// An offer goes before everything else after so many visits have passed it over.
const PATIENCE_OF_OFFERS: u32 = 64;

impl<T> Core<T> {
    /// A worker asks what to do; bells to ring after unlocking are added to `rings`.
    pub(crate) fn visit(
        &mut self,
        post: &mut Post<T>,
        visit: Visit,
        rings: &mut Vec<Arc<Condvar>>,
    ) -> Next<T> {
        self.settle_accounts(post, visit.ended);
        if let Some(duties) = self.take_duties(post) {
            return Next::Duties(duties);
        }
        // Above the cap it leaves, unless what waits would be left to workers that may not come to be, or that wait in
        // line themselves.
        let has_heirs = self.workers > self.spawning + self.line.workers_waiting + 1;
        if self.workers > self.limits.max_workers && (has_heirs || self.nothing_waits()) {
            return self.leave(post);
        }
        if let Some(item) = self.take_waiting(post, visit.may_batch, rings) {
            return Next::Run(item);
        }
        if !self.open {
            return self.leave(post);
        }
        // Read under the lock, so that the stack is ordered by time.
        self.ready.push(self.clock.now(), post.seat.clone());
        self.note_idleness();
        self.check();
        Next::Idle
    }

    pub(super) fn settle_accounts(&mut self, post: &mut Post<T>, ended: Option<Ended>) {
        match ended {
            Some(Ended::Discarded) => self.totals.discarded += 1,
            Some(ended) => {
                self.totals.finished += 1;
                self.totals.panicked += u64::from(ended == Ended::Panicked);
            }
            None if mem::take(&mut post.birth.errand) => {
                self.errands -= 1;
                self.on_duty -= usize::from(mem::take(&mut post.on_duty));
            }
            None => {}
        }
        if mem::take(&mut post.holding) {
            let counts = post.hand.report();
            debug_assert!(counts.queued == 0, "a worker visits when its hand is empty");
            self.totals.finished += counts.finished;
            self.totals.panicked += counts.panicked;
            if let Some(place) = self.hands.iter().position(|hand| Arc::ptr_eq(hand, &post.hand)) {
                self.hands.swap_remove(place);
            }
        }
    }

    pub(super) fn leave(&mut self, post: &Post<T>) -> Next<T> {
        debug_assert!(post.birth.duties_seen == self.duties_given, "duties are done before leaving");
        self.workers -= 1;
        self.note_idleness();
        self.check();
        Next::Leave
    }

    /// A worker that cannot go on (its state could not be made anew) leaves at once. When no other surely lives, what
    /// is queued has nobody left: it is returned, and whoever waits in line is told by the bells.
    pub(crate) fn abandon(&mut self, post: &mut Post<T>) -> Leftovers<T> {
        // Its own hand first of all: nobody is left to run from it.
        self.recall();
        self.settle_accounts(post, Some(Ended::Panicked));
        let duties = self.forget_duties(post.birth);
        self.workers -= 1;
        let (mut rest, mut bells) = (Vec::new(), Vec::new());
        if self.workers <= self.spawning {
            self.queue_offers();
            rest = self.queue.take_all().collect();
            self.totals.discarded += rest.len() as u64;
            bells = self.line.bells();
            bells.extend(self.deferred.drain(..).map(|(_, bell)| bell));
        } else if self.is_deadlocked() {
            // All others wait in line for one that will not come.
            bells = self.line.bells();
        }
        self.note_idleness();
        self.check();
        Leftovers { payloads: rest, bells, _duties: duties }
    }

    /// The longest waiting payload: from the queue, from the line, or from another worker's hand.
    pub(super) fn take_waiting(
        &mut self,
        post: &mut Post<T>,
        may_batch: bool,
        rings: &mut Vec<Arc<Condvar>>,
    ) -> Option<Item<T>> {
        if !self.standby.is_empty() {
            self.passed_over += 1;
            if self.passed_over >= PATIENCE_OF_OFFERS {
                return self.take_standby();
            }
        }
        // Beside idle workers, what is left is theirs; and what fewer than all could start is not worth a batch.
        if may_batch && self.queue.len() > self.workers && self.queue.is_plain() && self.ready.len() == 0 {
            self.taken += post.hand.fill(&mut self.queue, self.taken) as u64;
            self.now_holds(post);
            // Before an urgent payload from the line can take the hand back.
            let first = post.hand.first().map(Item::unstamped);
            self.refill(rings);
            return first;
        }
        if let Some(item) = self.take_queued(rings) {
            return Some(item);
        }
        if let Some(entry) = self.serve_line() {
            rings.push(entry.bell);
            return Some(entry.item);
        }
        self.take_from_other_hand(post).or_else(|| self.take_standby())
    }

    /// Takes one queued payload, and lets the line move up.
    pub(super) fn take_queued(&mut self, rings: &mut Vec<Arc<Condvar>>) -> Option<Item<T>> {
        let item = self.queue.pop()?;
        self.taken += 1;
        self.refill(rings);
        Some(item)
    }

    /// Fills the queue up from the line.
    pub(super) fn refill(&mut self, rings: &mut Vec<Arc<Condvar>>) {
        while self.queue.len() < self.limits.queue_capacity {
            let Some(entry) = self.serve_line() else { break };
            self.push(entry.item, entry.priority);
            if entry.eager {
                rings.push(entry.bell);
            } else {
                self.deferred.push_back((entry.ticket, entry.bell));
            }
        }
        self.ring_at_low_water(rings);
    }

    pub(super) fn serve_line(&mut self) -> Option<Entry<T>> {
        let entry = self.line.serve()?;
        self.totals.accepted += 1;
        Some(entry)
    }

    /// Submitters are woken when half of the queue is free, so that one wake-up buys many submissions; and only as
    /// many as there is room for.
    pub(super) fn ring_at_low_water(&mut self, rings: &mut Vec<Arc<Condvar>>) {
        if self.deferred.is_empty() || self.queue.len() > self.limits.queue_capacity / 2 {
            return;
        }
        let room = self.limits.queue_capacity - self.queue.len();
        let count = if self.queue.is_empty() { self.deferred.len() } else { room.min(self.deferred.len()) };
        rings.extend(self.deferred.drain(..count).map(|(_, bell)| bell));
    }

    pub(super) fn take_from_other_hand(&mut self, post: &mut Post<T>) -> Option<Item<T>> {
        if !self.hands.iter().any(|other| post.hand.take_half_of(other)) {
            return None;
        }
        self.now_holds(post);
        post.hand.first().map(Item::unstamped)
    }

    pub(super) fn now_holds(&mut self, post: &mut Post<T>) {
        post.holding = true;
        self.hands.push(post.hand.clone());
    }

    /// Puts what workers hold back into the queue, in its old order.
    pub(super) fn recall(&mut self) {
        let mut held: Vec<_> = self.hands.iter().map(|hand| hand.take_all()).collect();
        held.sort_by_key(|(first, _)| *first);
        self.queue.put_back(held.into_iter().flat_map(|(_, payloads)| payloads));
    }
}
