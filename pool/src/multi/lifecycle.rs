//! A multi-pool as a whole: stop, wait, resize, look. Every shard is told before any is waited for.

use std::fmt;
use std::time::Duration;

use super::MultiPool;
use crate::config;
use crate::error::{BuildError, WaitError};
use crate::pool::{Unfinished, WorkerPool};
use crate::stats::PoolStats;
use crate::sync::Instant;
use crate::times::PoolTimes;

impl<T: Send + 'static> MultiPool<T> {
    /// Stops every shard, see [`WorkerPool::stop`]. Returns without waiting.
    pub fn stop(&self) {
        self.shards().iter().for_each(WorkerPool::stop);
    }

    /// As [`stop`](Self::stop), but hands back what is queued instead of running it: shard by shard, of each the
    /// most urgent first, among equals the oldest.
    #[must_use = "these payloads were accepted and will not run"]
    pub fn stop_now(&self) -> Vec<T> {
        self.stop();
        self.shards().iter().flat_map(WorkerPool::stop_now).collect()
    }

    /// Stops every shard, waits until all have run what they accepted, but no longer than `limit` together, and then
    /// has the rest handed back, see [`WorkerPool::finish`].
    ///
    /// # Errors
    /// [`Unfinished`], with what was left of all shards, in their order. On a worker of a shard it is an error with
    /// [`WaitError::WouldDeadlock`], and nothing was done.
    ///
    /// ```
    /// use std::time::Duration;
    /// use anthill_pool::WorkerPool;
    /// use anthill_pool::multi::Strategy;
    ///
    /// let pool = WorkerPool::builder().queue_capacity(8).build_multi(3, Strategy::RoundRobin, |_: u8| {})?;
    /// pool.submit_many(vec![7; 12])?;
    /// pool.finish(Duration::from_secs(10))?;
    /// assert_eq!(pool.stats().finished, 12);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn finish(&self, limit: Duration) -> Result<(), Unfinished<T>> {
        let deadline = Instant::now().checked_add(limit);
        let mut left = Unfinished { reason: WaitError::WouldDeadlock, rest: Vec::new(), running: 0 };
        if self.is_worker() {
            return Err(left);
        }
        self.stop();
        let unfinished: Vec<_> =
            self.shards().iter().filter_map(|shard| shard.finish_stopped(deadline).err()).collect();
        if unfinished.is_empty() {
            return Ok(());
        }
        for shard in unfinished {
            left.reason = shard.reason;
            left.rest.extend(shard.rest);
            left.running += shard.running;
        }
        Err(left)
    }

    /// How long payloads waited and ran so far, all shards together; `None` unless some were built with
    /// [`measure_times`](crate::WorkerPoolBuilder::measure_times).
    ///
    /// ```
    /// use anthill_pool::WorkerPool;
    /// use anthill_pool::multi::Strategy;
    ///
    /// let options = WorkerPool::builder().measure_times(true).queue_capacity(8);
    /// let pool = options.build_multi(3, Strategy::RoundRobin, |_: u8| {})?;
    /// pool.submit_many(vec![7; 12])?;
    /// pool.wait_idle()?;
    /// assert_eq!(pool.times().unwrap().run.count(), 12);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn times(&self) -> Option<PoolTimes> {
        self.shards().iter().filter_map(WorkerPool::times).reduce(|mut sum, shard| {
            sum.add(&shard);
            sum
        })
    }

    /// Opens every shard again, see [`WorkerPool::restart`].
    pub fn restart(&self) {
        self.shards().iter().for_each(WorkerPool::restart);
    }

    /// Waits until every shard has come to its end, see [`WorkerPool::wait`].
    ///
    /// # Errors
    /// [`WaitError::WouldDeadlock`] on a worker of a shard, which the error names.
    pub fn wait(&self) -> Result<(), MultiWaitError> {
        self.wait_for_each(None, WorkerPool::wait_deserted)
    }

    /// As [`wait`](Self::wait), but no longer than `limit` for all shards together.
    ///
    /// # Errors
    /// As `wait`, and [`WaitError::Timeout`] for each shard that was not there in time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use anthill_pool::{WaitError, WorkerPool};
    /// use anthill_pool::multi::Strategy;
    ///
    /// let gate = std::sync::Arc::new(std::sync::Barrier::new(2));
    /// let held = gate.clone();
    /// let pool = WorkerPool::builder().build_multi(3, Strategy::RoundRobin, move |_: u8| { held.wait(); })?;
    /// pool.submit(0)?;
    /// pool.stop();
    /// let error = pool.wait_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(error.shards, [(0, WaitError::Timeout)]);
    /// gate.wait();
    /// pool.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_timeout(&self, limit: Duration) -> Result<(), MultiWaitError> {
        self.wait_for_each(Instant::now().checked_add(limit), WorkerPool::wait_deserted)
    }

    /// Waits until no shard has anything to do, all of them at one moment. So payloads that submit others are waited
    /// for, wherever these went. The pool stays open.
    ///
    /// # Errors
    /// [`WaitError::WouldDeadlock`] on a worker of a shard, which the error names.
    pub fn wait_idle(&self) -> Result<(), MultiWaitError> {
        self.wait_idleness(None)
    }

    /// As [`wait_idle`](Self::wait_idle), but no longer than `limit` for all shards together.
    ///
    /// # Errors
    /// As `wait_idle`, and [`WaitError::Timeout`] for each shard that had something to do.
    pub fn wait_idle_timeout(&self, limit: Duration) -> Result<(), MultiWaitError> {
        self.wait_idleness(Instant::now().checked_add(limit))
    }

    /// Changes the cap on workers of each shard, see [`WorkerPool::set_max_workers`].
    ///
    /// # Errors
    /// When the cap is 0 or below a shard's [`min_workers`](crate::WorkerPoolBuilder::min_workers); then nothing was
    /// changed.
    ///
    /// ```
    /// use anthill_pool::WorkerPool;
    /// use anthill_pool::multi::Strategy;
    /// let pool = WorkerPool::builder().max_workers(2).build_multi(3, Strategy::RoundRobin, |_: u8| {})?;
    /// pool.set_max_workers(5)?;
    /// assert_eq!(pool.stats().capacity, Some(15));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_max_workers(&self, max_workers: impl Into<Option<usize>>) -> Result<(), BuildError> {
        let max_workers = max_workers.into();
        for shard in self.shards() {
            config::check_sizes(shard.min_workers(), max_workers)?;
        }
        self.shards().iter().try_for_each(|shard| shard.set_max_workers(max_workers))
    }

    /// The counters of each shard, in their order; each shard's are of one moment, but not of the same one.
    pub fn shard_stats(&self) -> Vec<PoolStats> {
        self.shards().iter().map(WorkerPool::stats).collect()
    }

    /// The sums of the shards' counters. The state is that of the shard that is least far; `capacity` is `None` when
    /// one shard has none; `peak_workers` adds up peaks of different moments.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let mut sum = self.shards()[0].stats();
        for shard in &self.shards()[1..] {
            add(&mut sum, &shard.stats());
        }
        sum
    }

    /// One deadline for all. Once it has passed the others are only looked at.
    fn wait_for_each(
        &self,
        deadline: Option<Instant>,
        wait: impl Fn(&WorkerPool<T>, Option<Instant>) -> Result<(), WaitError>,
    ) -> Result<(), MultiWaitError> {
        if let Some(own) = self.own_shard() {
            return Err(MultiWaitError { shards: vec![(own, WaitError::WouldDeadlock)] });
        }
        let late: Vec<_> = self
            .shards()
            .iter()
            .enumerate()
            .filter_map(|(number, shard)| wait(shard, deadline).err().map(|error| (number, error)))
            .collect();
        if late.is_empty() { Ok(()) } else { Err(MultiWaitError { shards: late }) }
    }

    fn wait_idleness(&self, deadline: Option<Instant>) -> Result<(), MultiWaitError> {
        loop {
            self.wait_for_each(deadline, WorkerPool::wait_idleness)?;
            // Each had such a moment, perhaps each another one. What is idle twice, and has accepted nothing in
            // between, was idle all the time; so between the two looks all were.
            let first = self.look_for_rest();
            let second = self.look_for_rest();
            let restless: Vec<_> = first
                .iter()
                .zip(&second)
                .enumerate()
                .filter(|(_, (first, second))| first.is_none() || first != second)
                .map(|(number, _)| (number, WaitError::Timeout))
                .collect();
            if restless.is_empty() {
                return Ok(());
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(MultiWaitError { shards: restless });
            }
        }
    }

    fn look_for_rest(&self) -> Vec<Option<u64>> {
        self.shards().iter().map(WorkerPool::accepted_when_idle).collect()
    }
}

fn add(sum: &mut PoolStats, shard: &PoolStats) {
    sum.state = sum.state.min(shard.state);
    sum.capacity = sum.capacity.zip(shard.capacity).map(|(sum, shard)| sum.saturating_add(shard));
    sum.workers += shard.workers;
    sum.busy += shard.busy;
    sum.idle += shard.idle;
    sum.queued += shard.queued;
    sum.blocked += shard.blocked;
    sum.peak_workers += shard.peak_workers;
    sum.accepted += shard.accepted;
    sum.finished += shard.finished;
    sum.panicked += shard.panicked;
    sum.handed_back += shard.handed_back;
    sum.discarded += shard.discarded;
    sum.ran_by_caller += shard.ran_by_caller;
    sum.rejected += shard.rejected;
    sum.spawned += shard.spawned;
    sum.expired += shard.expired;
    sum.scheduled += shard.scheduled;
    sum.items += shard.items;
}

/// Which shards of a [`MultiPool`] were not there when waiting for them ended, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MultiWaitError {
    /// The shards' numbers, in ascending order; at least one.
    pub shards: Vec<(usize, WaitError)>,
}

impl fmt::Display for MultiWaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (number, error)) in self.shards.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(f, "{separator}shard {number}: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for MultiWaitError {}
