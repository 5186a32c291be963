//! Size, expiry, stop and restart; and the threads that have ended.

use std::mem;
use std::time::Duration;

use crate::core::handoff::{Order, Seat};
use crate::core::{Core, Mail, Reservation};
use crate::sync::{Arc, Condvar, Instant, thread};

impl<T> Core<T> {
    /// Changes the cap. Returns the idle workers above it, who must be told to leave, and reserves slots for as many new
    /// ones as have something to do: at once, so that no newcomer gets a slot before those who wait.
    pub(crate) fn resize(&mut self, max_workers: usize) -> (Vec<Seat<T>>, Vec<Reservation>) {
        self.limits.max_workers = max_workers;
        let mut leaving = Vec::new();
        // Surplus workers must not start what they hold, and new ones can help with it.
        self.recall();
        self.ready.take_oldest(self.workers.saturating_sub(max_workers), &mut leaving);
        self.workers -= leaving.len();
        let waiting = self.queue.len() + self.waiters.len() + self.background.len();
        let wanted = waiting.min(max_workers.saturating_sub(self.workers));
        let reservations =
            if self.open { (0..wanted).map(|_| self.reserve(true)).collect() } else { Vec::new() };
        self.note_idleness();
        self.check();
        (leaving, reservations)
    }

    /// True while one more worker would have something to do.
    pub(crate) fn has_work_for_more(&self) -> bool {
        let is_held = || self.batches.iter().any(|batch| batch.counts().queued > 0);
        self.open && (!self.nothing_waits() || is_held())
    }

    pub(super) fn nothing_waits(&self) -> bool {
        self.queue.is_empty() && self.waiters.is_empty() && self.background.is_empty()
    }

    /// Unlinks every worker idle since `cutoff` or longer, but for the smallest number of workers; each of `leaving`
    /// must then be told to leave.
    pub(crate) fn expire(&mut self, cutoff: Instant, leaving: &mut Vec<Seat<T>>) {
        // Idle workers beside a queue are about to be woken.
        if !self.queue.is_empty() {
            return;
        }
        let spare = self.workers.saturating_sub(self.limits.min_workers);
        let count = self.ready.take_idle_since(cutoff, spare, leaving);
        self.workers -= count;
        self.totals.expired += count as u64;
    }

    /// Until when nobody can be due to go, if now is `now` and workers go after `limit`; `None` while so few are there
    /// that all may stay.
    pub(crate) fn next_expiry(&self, now: Instant, limit: Duration) -> Option<Instant> {
        if self.workers <= self.limits.min_workers {
            return None;
        }
        // Whoever is busy now cannot be due before a whole limit has passed.
        Some(self.ready.oldest().unwrap_or(now).checked_add(limit).unwrap_or(now))
    }

    /// Closes the pool: the orders are to be given, the bells to be rung. Nothing the second time.
    pub(crate) fn close(&mut self) -> (Vec<Mail<T>>, Vec<Arc<Condvar>>) {
        if !self.open {
            return (Vec::new(), Vec::new());
        }
        self.open = false;
        let mut condvars = self.waiters.turn_away();
        condvars.extend(self.deferred.drain(..).map(|(_, condvar)| condvar));
        // What was offered may stand for something that was promised, so it is treated like what was accepted.
        self.queue_background();
        let idle = self.ready.take_all();
        // They were left asleep because one on its way would have woken them; now they are needed to drain the queue.
        let drain = !self.queue.is_empty();
        if drain {
            self.searching += idle.len();
        } else {
            self.workers -= idle.len();
        }
        self.note_idleness();
        let orders =
            idle.into_iter().map(|seat| (seat, if drain { Order::Search } else { Order::Leave })).collect();
        (orders, condvars)
    }

    /// Opens a stopped pool again; those of its workers that have not left stay.
    pub(crate) fn reopen(&mut self) {
        self.open = true;
    }

    /// Takes everything that no worker has started, oldest first.
    pub(crate) fn take_queue(&mut self) -> Vec<T> {
        self.recall();
        let rest: Vec<T> = self.queue.take_all().collect();
        self.totals.handed_back += rest.len() as u64;
        self.note_idleness();
        rest
    }

    /// The handles of threads that have come to their end, so that they do not pile up. Joining one waits for no more
    /// than its thread-local destructors.
    pub(crate) fn take_ended_threads(&mut self) -> Vec<thread::JoinHandle<()>> {
        if self.threads.len() <= self.workers + usize::from(self.cleaner) {
            return Vec::new();
        }
        let (ended, alive): (Vec<_>, Vec<_>) =
            mem::take(&mut self.threads).into_iter().partition(thread::is_finished);
        self.threads = alive;
        ended
    }

    /// True when no thread of the pool is left but those that only end.
    pub(crate) fn is_deserted(&self) -> bool {
        !self.open && self.workers == 0 && self.spawning == 0 && !self.cleaner
    }
}
