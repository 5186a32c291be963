//! What the pool looks like from outside.

use super::Core;
use crate::stats::{PoolState, PoolStats};
use crate::watched::Watchable;

/// What happened since the pool was built.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) accepted: u64,
    pub(super) finished: u64,
    pub(super) panicked: u64,
    pub(super) handed_back: u64,
    pub(super) discarded: u64,
    pub(super) ran_by_caller: u64,
    pub(super) rejected: u64,
    pub(super) spawned: u64,
    pub(super) expired: u64,
}

impl<T> Core<T> {
    pub(crate) fn state(&self) -> PoolState {
        match (self.open, self.roster.workers()) {
            (true, _) => PoolState::Open,
            (false, 0) => PoolState::Stopped,
            (false, _) => PoolState::Draining,
        }
    }

    /// Workers that run something, or are being started for a payload.
    fn busy(&self) -> usize {
        self.roster.workers() - self.roster.idle()
    }

    /// Slots taken.
    pub(crate) fn workers(&self) -> usize {
        self.roster.workers()
    }

    /// Submitters that wait for room.
    pub(crate) fn blocked(&self) -> usize {
        self.waiters.len()
    }

    /// The cap on workers, if there is one.
    pub(crate) fn capacity(&self) -> Option<usize> {
        self.limits.max_workers
    }

    /// How many more workers may be busy at once, if there is a cap.
    pub(crate) fn free(&self) -> Option<usize> {
        self.capacity().map(|capacity| capacity.saturating_sub(self.busy()))
    }

    /// How much there is to do: payloads that run, that are queued, and whose submitters wait.
    pub(crate) fn load(&self) -> usize {
        self.busy() + self.backlog.queued() + self.waiters.len() + self.backlog.held()
    }

    /// True when payloads are queued, or submitters wait for room.
    pub(crate) fn is_wanted(&self) -> bool {
        self.backlog.queued() + self.backlog.held() + self.waiters.len() > 0
    }

    /// How many payloads were ever accepted, if there is nothing to do.
    pub(crate) fn accepted_when_idle(&self) -> Option<u64> {
        self.is_idle().then_some(self.totals.accepted)
    }

    pub(crate) fn stats(&self) -> PoolStats {
        let mut stats = PoolStats {
            state: self.state(),
            workers: self.roster.workers(),
            busy: self.busy(),
            idle: self.roster.idle(),
            capacity: self.limits.max_workers,
            queued: self.backlog.queued(),
            blocked: self.waiters.len(),
            scheduled: self.agenda.len(),
            peak_workers: self.roster.peak(),
            accepted: self.totals.accepted,
            finished: self.totals.finished,
            panicked: self.totals.panicked,
            handed_back: self.totals.handed_back,
            discarded: self.totals.discarded,
            ran_by_caller: self.totals.ran_by_caller,
            rejected: self.totals.rejected,
            spawned: self.totals.spawned,
            expired: self.totals.expired,
            // Counted by whoever runs them.
            items: 0,
        };
        for counts in self.backlog.batch_counts() {
            stats.queued += counts.queued;
            stats.finished += counts.finished;
            stats.panicked += counts.panicked;
        }
        stats
    }
}
