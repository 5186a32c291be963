//! Size, expiry, stop and restart.

use std::time::Duration;

use super::handoff::{Mail, Order, Seat};
use super::roster::Reservation;
use super::{Core, ToNotify};
use crate::sync::Instant;
use crate::watched::Watchable;

/// What a new cap brings about.
pub(crate) struct Resize<T> {
    /// Idle workers above the cap; they must be told to leave.
    pub(crate) leaving: Vec<Seat<T>>,
    /// Slots reserved for workers that have something to do.
    pub(crate) reservations: Vec<Reservation>,
}

impl<T> Core<T> {
    /// Changes the cap. Idle workers above it are unlinked; below it slots are reserved for as many new workers as have
    /// something to do: at once, so that no newcomer gets a slot before those who wait.
    pub(crate) fn resize(&mut self, max_workers: Option<usize>) -> Resize<T> {
        self.limits.max_workers = max_workers;
        let mut leaving = Vec::new();
        // Surplus workers must not start what they hold, and new ones can help with it.
        self.backlog.recall();
        self.roster.release_oldest(self.limits.surplus_of(self.roster.workers()), &mut leaving);
        let wanted = self.limits.cut_to_cap(self.wants_workers(), self.roster.workers());
        let reservations =
            if self.open { (0..wanted).map(|_| self.reserve(true)).collect() } else { Vec::new() };
        self.note_idleness();
        self.check();
        Resize { leaving, reservations }
    }

    /// True while one more worker would have something to do.
    pub(crate) fn has_work_for_more(&self) -> bool {
        self.open && (!self.nothing_waits() || self.backlog.held() > 0)
    }

    /// Unlinks every worker idle since `cutoff` or longer, but for the smallest number of workers; each of `leaving`
    /// must then be told to leave.
    pub(crate) fn expire(&mut self, cutoff: Instant, leaving: &mut Vec<Seat<T>>) {
        // Idle workers beside a queue are about to be woken.
        if self.backlog.queued() > 0 {
            return;
        }
        let spare = self.roster.workers().saturating_sub(self.limits.min_workers);
        let count = self.roster.release_idle_since(cutoff, spare, leaving);
        self.totals.expired += count as u64;
        self.check();
    }

    /// Until when nobody can be due to go, if now is `now` and workers go after `limit`; `None` while so few are there
    /// that all may stay.
    pub(crate) fn next_expiry(&self, now: Instant, limit: Duration) -> Option<Instant> {
        if self.roster.workers() <= self.limits.min_workers {
            return None;
        }
        // Whoever is busy now cannot be due before a whole limit has passed.
        Some(self.roster.idle_longest().unwrap_or(now).checked_add(limit).unwrap_or(now))
    }

    /// Closes the pool: the orders are to be given, the waiters to be notified. Nothing the second time.
    pub(crate) fn close(&mut self) -> (Vec<Mail<T>>, ToNotify) {
        if !self.open {
            return (Vec::new(), ToNotify::new());
        }
        self.open = false;
        let to_notify = self.waiters.turn_away();
        self.wake_watchers();
        // Background work may stand for something that was promised, so it is treated like what was accepted.
        self.queue_background();
        // Idle workers were left asleep because one on its way would have woken them; now they are needed to drain the
        // queue.
        let drain = self.backlog.queued() > 0;
        let idle = if drain { self.roster.call_all() } else { self.roster.release_all() };
        self.note_idleness();
        self.check();
        let orders =
            idle.into_iter().map(|seat| (seat, if drain { Order::Search } else { Order::Leave })).collect();
        (orders, to_notify)
    }

    /// Opens a stopped pool again; those of its workers that have not left stay.
    pub(crate) fn reopen(&mut self) {
        self.open = true;
        self.check();
    }

    /// Takes everything that no worker has started, the most urgent and then the oldest first.
    pub(crate) fn take_queue(&mut self) -> Vec<T> {
        self.backlog.recall();
        let rest = self.backlog.take_queue();
        self.totals.handed_back += rest.len() as u64;
        self.note_idleness();
        self.check();
        rest
    }
}
