//! What the pool looks like from outside.

use crate::core::Core;
use crate::stats::{PoolState, PoolStats};

impl<T> Core<T> {
    /// True when nothing accepted is left to run, nobody waits to be accepted, and all workers have come to rest.
    pub(crate) fn is_idle(&self) -> bool {
        self.ready.len() == self.workers && self.nothing_waits()
    }

    /// Workers without a payload.
    pub(super) fn idle(&self) -> usize {
        self.ready.len() + self.searching
    }

    /// Records an idle moment, if this is one.
    pub(crate) fn note_idleness(&mut self) {
        if self.is_idle() {
            self.idle_moments += 1;
        }
    }

    pub(crate) fn state(&self) -> PoolState {
        match (self.open, self.workers) {
            (true, _) => PoolState::Open,
            (false, 0) => PoolState::Stopped,
            (false, _) => PoolState::Draining,
        }
    }

    /// How much there is to do: payloads that run, that are queued, and whose submitters wait.
    pub(crate) fn load(&self) -> usize {
        let held: usize = self.batches.iter().map(|batch| batch.counts().queued).sum();
        self.workers - self.idle() + self.queue.len() + self.waiters.len() + held
    }

    /// How many payloads were ever accepted, if there is nothing to do.
    pub(crate) fn accepted_when_idle(&self) -> Option<u64> {
        self.is_idle().then_some(self.totals.accepted)
    }

    pub(crate) fn stats(&self) -> PoolStats {
        let mut stats = PoolStats {
            state: self.state(),
            workers: self.workers,
            busy: self.workers - self.idle(),
            idle: self.idle(),
            capacity: self.limits.capacity(),
            queued: self.queue.len(),
            blocked: self.waiters.len(),
            peak_workers: self.totals.peak_workers,
            accepted: self.totals.accepted,
            finished: self.totals.finished,
            panicked: self.totals.panicked,
            handed_back: self.totals.handed_back,
            discarded: self.totals.discarded,
            ran_by_caller: self.totals.ran_by_caller,
            rejected: self.totals.rejected,
            spawned: self.totals.spawned,
            expired: self.totals.expired,
        };
        for counts in self.batches.iter().map(|batch| batch.counts()) {
            stats.queued += counts.queued;
            stats.finished += counts.finished;
            stats.panicked += counts.panicked;
        }
        stats
    }
}
