//! Submissions: what becomes of a payload, and of the slots that are reserved for new workers.

use crate::core::handoff::Order;
use crate::core::queue::{Item, Priority};
use crate::core::waiters::WaitTicket;
use crate::core::{Admission, Ask, BroadcastBody, Core, Mail, Reservation};
use crate::sync::{Arc, Condvar, thread};

impl<T> Core<T> {
    /// Decides on a payload.
    pub(crate) fn admit(&mut self, item: Item<T>, ask: Ask) -> Admission<T> {
        if !self.open {
            return Admission::Closed(item);
        }
        // While one worker is on its way to the queue, a second wake-up would mostly find nothing left to do.
        let hold_back = self.waking && self.has_room();
        if self.has_taker() && (hold_back || self.ready.len() == 0) {
            return self.enqueue(item, ask.priority);
        }
        if ask.may_spawn && self.would_spawn() {
            self.totals.accepted += 1;
            return Admission::Spawn(item, self.reserve(false));
        }
        if let Some(seat) = (!hold_back).then(|| self.ready.pop()).flatten() {
            self.totals.accepted += 1;
            // Not before what is queued already.
            let item = self.queue_behind(item, ask.priority);
            return Admission::HandOver(seat, self.order_to_run(item));
        }
        if self.workers == 0 {
            return Admission::NoWorker(item);
        }
        // Only a worker that surely lives may be counted on to look at the queue.
        if self.workers <= self.spawning {
            return Admission::Unsettled(item);
        }
        if self.has_room() {
            return self.enqueue(item, ask.priority);
        }
        match ask.displace.then(|| self.queue.displace(ask.priority)).flatten() {
            Some(oldest) => {
                self.totals.discarded += 1;
                self.enqueue(item, ask.priority);
                Admission::QueuedInstead(oldest)
            }
            None => Admission::Full(item),
        }
    }

    /// True when the next payload would get a new worker.
    pub(crate) fn would_spawn(&self) -> bool {
        self.open && !self.has_taker() && self.workers < self.limits.max_workers
    }

    /// True when some worker is idle, or on its way here, for whom nothing is queued yet.
    pub(super) fn has_taker(&self) -> bool {
        self.ready.len() + self.coming() > self.queue.len() && self.waiters.is_empty()
    }

    /// Workers on errands that will look at the queue next; one that has a duty first may take its time.
    pub(super) fn coming(&self) -> usize {
        if self.broadcasts.is_empty() {
            self.searching - self.searching_unborn - self.broadcasting
        } else {
            0
        }
    }

    /// A worker on an errand is as good as a place in the queue: it comes to look for just that.
    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < self.limits.queue_capacity.saturating_add(self.coming()) && self.waiters.is_empty()
    }

    /// Exchanges a payload for the one whose turn it is.
    pub(super) fn queue_behind(&mut self, item: Item<T>, priority: Priority) -> Item<T> {
        if self.queue.is_empty() {
            return item;
        }
        self.push(item, priority);
        self.taken += 1;
        self.queue.pop().expect("one was just pushed")
    }

    /// Puts a payload into the queue. What hands hold was taken before it came, and must not run before it if it is more
    /// urgent.
    pub(super) fn push(&mut self, item: Item<T>, priority: Priority) {
        if priority > Priority::Normal {
            self.recall();
        }
        self.queue.push(item, priority);
    }

    /// Keeps an offer for which there was no room until a worker has nothing else to do. Given back when no worker
    /// surely lives.
    pub(crate) fn add_background(&mut self, item: Item<T>) -> Result<(), Item<T>> {
        if !self.open || self.workers <= self.spawning {
            return Err(item);
        }
        self.background.push_back(item);
        self.check();
        Ok(())
    }

    pub(super) fn take_background(&mut self) -> Option<Item<T>> {
        let mut item = self.background.pop_front()?;
        self.passed_over = 0;
        self.totals.accepted += 1;
        // It begins to wait now.
        item.since = item.since.map(|_| self.clock.now());
        Some(item)
    }

    /// Treats what is offered like what was accepted.
    pub(super) fn queue_background(&mut self) {
        while let Some(offer) = self.take_background() {
            self.queue.push(offer, Priority::Normal);
        }
    }

    pub(super) fn enqueue(&mut self, item: Item<T>, priority: Priority) -> Admission<T> {
        self.totals.accepted += 1;
        self.push(item, priority);
        self.check();
        Admission::Queued
    }

    /// The order for an unlinked worker; with a queue it is a relay, for which others wait.
    pub(super) fn order_to_run(&mut self, item: Item<T>) -> Order<T> {
        if self.limits.queue_capacity == 0 || self.waking {
            return Order::Run(item);
        }
        self.waking = true;
        Order::Relay(item)
    }

    /// A worker that was given a relay is awake. If more is queued and more are idle, it gives the returned order.
    pub(crate) fn is_awake(&mut self, to_notify: &mut Vec<Arc<Condvar>>) -> Option<Mail<T>> {
        self.waking = false;
        if self.ready.len() == 0 {
            return None;
        }
        let item = self.take_queued(to_notify)?;
        let seat = self.ready.pop()?;
        let order = self.order_to_run(item);
        self.check();
        Some((seat, order))
    }

    pub(super) fn reserve(&mut self, searching: bool) -> Reservation {
        self.workers += 1;
        self.spawning += 1;
        self.searching += usize::from(searching);
        self.searching_unborn += usize::from(searching);
        self.totals.peak_workers = self.totals.peak_workers.max(self.workers);
        let index = self.next_index;
        self.next_index += 1;
        Reservation { index, broadcasts_seen: self.broadcasts_given, searching }
    }

    /// Reserves a slot for a worker that begins without a payload; `None` at the cap or when the pool is stopped.
    pub(crate) fn reserve_searching(&mut self) -> Option<Reservation> {
        (self.open && self.workers < self.limits.max_workers).then(|| self.reserve(true))
    }

    /// The thread was made and sent its first order.
    pub(crate) fn spawn_succeeded(&mut self, reservation: Reservation, thread: thread::JoinHandle<()>) {
        self.spawning -= 1;
        self.searching_unborn -= usize::from(reservation.searching);
        self.totals.spawned += 1;
        self.threads.push(thread);
    }

    /// The slot is free again. The bells are of those who may wait for nobody now.
    /// What it had to do besides is returned to be dropped after unlocking.
    pub(crate) fn spawn_failed(
        &mut self,
        reservation: Reservation,
    ) -> (Vec<Arc<Condvar>>, Vec<BroadcastBody>) {
        self.workers -= 1;
        self.spawning -= 1;
        let broadcasts = self.forget_broadcasts(reservation);
        if reservation.searching {
            self.searching -= 1;
            self.searching_unborn -= 1;
            self.note_idleness();
        } else {
            // No idle moment: its submitter has the payload, and tries again or gives up.
            self.totals.accepted -= 1;
        }
        let is_news = self.workers == 0 || self.waiters.workers_waiting > 0;
        self.check();
        (if is_news { self.waiters.condvars() } else { Vec::new() }, broadcasts)
    }

    /// True when some worker surely lives, or there is none.
    pub(crate) fn is_settled(&self) -> bool {
        self.workers == 0 || self.workers > self.spawning
    }

    /// True when every worker waits in line for another one.
    pub(crate) fn is_deadlocked(&self) -> bool {
        self.waiters.workers_waiting >= self.workers
    }

    /// A submitter whose payload was accepted goes its way; nobody needs to tell it any more.
    pub(crate) fn was_told(&mut self, ticket: WaitTicket) {
        if let Ok(place) = self.deferred.binary_search_by_key(&ticket, |(ticket, _)| *ticket) {
            self.deferred.remove(place);
        }
    }

    pub(crate) fn count_refusal(&mut self) {
        self.totals.rejected += 1;
    }

    pub(crate) fn count_run_by_caller(&mut self) {
        self.totals.ran_by_caller += 1;
    }
}
