//! Several pools behind one handle, so that submitters do not all meet at one lock.
//!
//! A [`MultiPool`] owns no worker, queue or lock: it picks a shard for each payload and leaves the rest to that
//! [`WorkerPool`]. The rules: a payload has one owner at any moment, so it runs once or comes back; nobody waits for
//! one shard while another has room at the moment of asking; and a worker that has to wait waits at its own shard, so
//! that a deadlock is noticed there, as in a single pool.

mod lifecycle;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::config::WorkerPoolBuilder;
use crate::core::{OnFull, SubmitOptions};
use crate::error::{BuildError, Refusal, SubmitError, SubmitManyError};
use crate::pool::WorkerPool;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, StdArc};
use crate::tasks::Task;

pub use lifecycle::MultiWaitError;

/// The most payloads that are submitted to a shard at a time, and so the most that come back from one that is full.
const AT_A_TIME: usize = 64;

/// How a [`MultiPool`] picks the shard for a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strategy {
    /// One after the other. The cheapest, and right where payloads are alike.
    #[default]
    RoundRobin,
    /// The one with the fewest payloads that run or are queued and submitters that wait; of several the first. It looks
    /// at the shards in turn until one has nothing to do, and takes each one's lock for that (about 15 ns per shard).
    /// ants' `LeastTasks` counts workers instead, idle ones included.
    LeastLoaded,
}

/// Several [`WorkerPool`]s that share the payloads among them; made by [`WorkerPoolBuilder::build_multi`].
///
/// A pool's submitters and workers meet at its one lock; where many cores submit short payloads, shards keep them
/// apart. Measure before: a single pool of the same size never has an idle worker here and a queue there, wakes fewer
/// threads, and was the faster one wherever we tried both on two cores.
///
/// Each payload goes to the shard that the [`Strategy`] picks, or, when that one would have to wait or refuse, to the
/// next that would not. The handle is cheap to clone; when the last one is dropped, every shard of which nobody keeps a
/// handle of its own is stopped.
///
/// ```
/// use anthill_pool::WorkerPool;
/// use anthill_pool::multi::Strategy;
///
/// let (results, inbox) = std::sync::mpsc::channel();
/// let pool = WorkerPool::builder()
///     .max_workers(2)
///     .build_multi(4, Strategy::RoundRobin, move |n: u64| results.send(n * n).unwrap())?;
/// for n in 0..8 {
///     pool.submit(n)?;
/// }
/// pool.stop();
/// pool.wait()?;
/// assert_eq!(inbox.iter().take(8).sum::<u64>(), 140);
/// assert!(pool.shard_stats().iter().all(|shard| shard.finished == 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MultiPool<T: Send + 'static> {
    shared: Arc<Shards<T>>,
}

/// What the handles share.
struct Shards<T: Send + 'static> {
    shards: Vec<WorkerPool<T>>,
    strategy: Strategy,
    /// How many payloads had their turn.
    turns: AtomicUsize,
}

impl<T: Send + 'static> WorkerPoolBuilder<T> {
    /// Builds `shards` pools with these same options behind one [`MultiPool`], or none at all. Every option counts for
    /// each shard: `max_workers(5)` with 10 shards allows 50 workers.
    ///
    /// The threads' names tell shard and worker: `pool-2-0` is worker 0 of shard 2.
    ///
    /// # Errors
    /// As [`build`](Self::build), and [`BuildError::NoShards`].
    pub fn build_multi(
        self,
        shards: usize,
        strategy: Strategy,
        handler: impl Fn(T) + Send + Sync + 'static,
    ) -> Result<MultiPool<T>, BuildError> {
        let handler = StdArc::new(handler);
        let pools = (0..shards).map(|shard| {
            let handler = handler.clone();
            let mut options = self.clone();
            options.threads.name = format!("{}-{shard}", self.threads.name);
            #[cfg(all(feature = "affinity", not(anthill_loom)))]
            crate::config::affinity::rotate(&mut options.threads, shard, shards, self.max_workers);
            options.build(move |payload| handler(payload))
        });
        MultiPool::from_pools(pools.collect::<Result<Vec<_>, _>>()?, strategy)
    }
}

impl<T: Send + 'static> MultiPool<T> {
    /// A multi-pool of pools that were built one by one, for instance each with workers that have a state
    /// ([`build_with_state`](WorkerPoolBuilder::build_with_state)) or with options of its own.
    ///
    /// # Errors
    /// [`BuildError::NoShards`] when there is none.
    ///
    /// ```
    /// use anthill_pool::{BuildError, WorkerPool};
    /// use anthill_pool::multi::{MultiPool, Strategy};
    ///
    /// let small = WorkerPool::new(1, |_: u8| {})?;
    /// let large = WorkerPool::new(16, |_: u8| {})?;
    /// let pool = MultiPool::from_pools([small, large], Strategy::LeastLoaded)?;
    /// assert_eq!(pool.stats().capacity, Some(17));
    ///
    /// let none = MultiPool::<u8>::from_pools([], Strategy::RoundRobin);
    /// assert_eq!(none.unwrap_err(), BuildError::NoShards);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_pools(pools: impl Into<Vec<WorkerPool<T>>>, strategy: Strategy) -> Result<Self, BuildError> {
        let shards = pools.into();
        if shards.is_empty() {
            return Err(BuildError::NoShards);
        }
        Ok(MultiPool { shared: Arc::new(Shards { shards, strategy, turns: AtomicUsize::new(0) }) })
    }

    /// The shards, in their order.
    #[must_use]
    pub fn shards(&self) -> &[WorkerPool<T>] {
        &self.shared.shards
    }

    /// Hands a payload to the shard whose turn it is, if that one takes it without waiting, else to the next one that
    /// does.
    ///
    /// When none does, it waits (unless [`when_full`](WorkerPoolBuilder::when_full) says otherwise) for the shard whose
    /// turn it is, or on a worker of this pool for the worker's own shard, even when another one comes free first. A
    /// shard that is stopped meanwhile sends it on to the others.
    ///
    /// # Errors
    /// [`Closed`](SubmitError::Closed) when every shard is stopped; else as [`WorkerPool::submit`], what the shard says
    /// that it waited for. The payload comes back with the error. A refusal is counted and told to
    /// [`on_refusal`](WorkerPoolBuilder::on_refusal) once, by that shard.
    pub fn submit(&self, payload: T) -> Result<(), SubmitError<T>> {
        self.place(self.pick(), payload, None)
    }

    /// As [`submit`](Self::submit), without waiting for a worker to come free.
    ///
    /// # Errors
    /// As [`WorkerPool::try_submit`], once every shard has refused.
    pub fn try_submit(&self, payload: T) -> Result<(), SubmitError<T>> {
        self.place(self.pick(), payload, Some(OnFull::Refuse))
    }

    /// As [`submit`](Self::submit), but waits no longer than `limit`.
    ///
    /// # Errors
    /// As `submit`, and [`Timeout`](SubmitError::Timeout).
    pub fn submit_timeout(&self, payload: T, limit: Duration) -> Result<(), SubmitError<T>> {
        self.place(self.pick(), payload, Some(OnFull::wait_within(limit)))
    }

    /// Hands over many payloads, in parts of equal length from shard to shard, and waits for room as often as needed.
    /// Cheaper than one by one.
    ///
    /// # Errors
    /// As [`submit`](Self::submit) for the first payload that was refused; that one and those after it come back.
    ///
    /// ```
    /// use anthill_pool::WorkerPool;
    /// use anthill_pool::multi::Strategy;
    /// let pool = WorkerPool::builder().queue_capacity(8).build_multi(3, Strategy::RoundRobin, |_: u8| {})?;
    /// assert_eq!(pool.submit_many(vec![7; 12])?, 12);
    /// assert!(pool.shard_stats().iter().all(|shard| shard.accepted == 4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit_many(&self, payloads: Vec<T>) -> Result<usize, SubmitManyError<T>> {
        self.place_many(payloads, None)
    }

    /// As [`submit_many`](Self::submit_many), without waiting for room.
    ///
    /// # Errors
    /// As [`try_submit`](Self::try_submit) for the first payload that was refused; that one and those after it come
    /// back.
    pub fn try_submit_many(&self, payloads: Vec<T>) -> Result<usize, SubmitManyError<T>> {
        self.place_many(payloads, Some(OnFull::Refuse))
    }

    /// True when the calling thread is a worker of one of the shards.
    #[must_use]
    pub fn is_worker(&self) -> bool {
        self.own_shard().is_some()
    }

    fn own_shard(&self) -> Option<usize> {
        self.shards().iter().position(WorkerPool::is_worker)
    }

    /// The shard whose turn it is.
    fn pick(&self) -> usize {
        let shards = self.shards();
        match self.shared.strategy {
            Strategy::RoundRobin => self.shared.turns.fetch_add(1, Ordering::Relaxed) % shards.len(),
            Strategy::LeastLoaded => {
                let (mut best, mut least) = (0, usize::MAX);
                for (shard, pool) in shards.iter().enumerate() {
                    let load = pool.load();
                    if load < least {
                        (best, least) = (shard, load);
                    }
                    if least == 0 {
                        break;
                    }
                }
                best
            }
        }
    }

    /// Hands a payload over, at `first` if possible. Without an `on_full` the shards' policy decides.
    fn place(&self, first: usize, payload: T, on_full: Option<OnFull>) -> Result<(), SubmitError<T>> {
        let mut payload = payload;
        loop {
            let first_open;
            (payload, first_open) = match self.try_each(first, payload) {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            let Some(first_open) = first_open else {
                self.shards()[first].note_refusal(Refusal::Closed);
                return Err(SubmitError::Closed(payload));
            };
            let pool = self.waiting_place(first_open);
            let options = on_full.map_or_else(|| pool.policy(), SubmitOptions::new);
            match pool.place(payload, options.quietly()) {
                Ok(()) => return Ok(()),
                // It was stopped just now. Another one may be open, and if not the next round says so.
                Err(SubmitError::Closed(returned)) => payload = returned,
                Err(error) => {
                    pool.note_refusal(error.refusal());
                    return Err(error);
                }
            }
        }
    }

    /// Asks every shard in passing, from `first` on. The payload comes back with the first shard that is open, if any.
    fn try_each(&self, first: usize, payload: T) -> Result<(), (T, Option<usize>)> {
        let shards = self.shards();
        let mut payload = payload;
        let mut first_open = None;
        for shard in (first..shards.len()).chain(0..first) {
            match shards[shard].place(payload, SubmitOptions::in_passing()) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    if error.refusal() != Refusal::Closed {
                        first_open = first_open.or(Some(shard));
                    }
                    payload = error.into_payload();
                }
            }
        }
        Err((payload, first_open))
    }

    /// Where to wait. A worker that waited for another shard could wait for one whose workers wait for its own, and
    /// neither shard would see it.
    fn waiting_place(&self, first_open: usize) -> &WorkerPool<T> {
        let own = self.own_shard().map(|shard| &self.shards()[shard]);
        own.filter(|pool| !pool.is_closed()).unwrap_or(&self.shards()[first_open])
    }

    fn place_many(&self, payloads: Vec<T>, on_full: Option<OnFull>) -> Result<usize, SubmitManyError<T>> {
        let most = part_length(payloads.len(), self.shards().len());
        let mut rest = VecDeque::from(payloads);
        let mut accepted = 0;
        while !rest.is_empty() {
            let shard = self.pick();
            let part = rest.drain(..most.min(rest.len())).collect();
            let error = match self.shards()[shard].place_many(part, SubmitOptions::in_passing()) {
                Ok(count) => {
                    accepted += count;
                    continue;
                }
                Err(error) => error,
            };
            accepted += error.accepted;
            for payload in error.rest.into_iter().rev() {
                rest.push_front(payload);
            }
            let Some(next) = rest.pop_front() else { break };
            if let Err(error) = self.place(shard, next, on_full) {
                let refusal = error.refusal();
                rest.push_front(error.into_payload());
                return Err(SubmitManyError { accepted, refusal, rest: rest.into() });
            }
            accepted += 1;
        }
        Ok(accepted)
    }
}

/// In parts of what length so many payloads go evenly to so many shards.
fn part_length(payloads: usize, shards: usize) -> usize {
    let share = payloads.div_ceil(shards);
    share.div_ceil(share.div_ceil(AT_A_TIME).max(1))
}

/// For handles of results, groups, scopes and shares of a pool go to one of the [`shards`](MultiPool::shards): each of
/// these belongs to a single pool.
///
/// ```
/// use anthill_pool::{Task, WorkerPool};
/// use anthill_pool::multi::Strategy;
/// let pool = WorkerPool::builder().build_multi(2, Strategy::RoundRobin, Task::run)?;
/// let answer = pool.shards()[1].spawn(|| 6 * 7)?;
/// assert_eq!(answer.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl MultiPool<Task> {
    /// Hands a closure to one of the shards, as [`submit`](MultiPool::submit) does. A result is had from a shard:
    /// `pool.shards()[i].spawn(closure)`.
    ///
    /// # Errors
    /// As `submit`; the task in the error can still be [run](Task::run).
    ///
    /// ```
    /// use anthill_pool::{Task, WorkerPool};
    /// use anthill_pool::multi::Strategy;
    /// let pool = WorkerPool::builder().build_multi(2, Strategy::LeastLoaded, Task::run)?;
    /// let (answer, inbox) = std::sync::mpsc::channel();
    /// pool.execute(move || answer.send(6 * 7).unwrap())?;
    /// assert_eq!(inbox.recv()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn execute(&self, closure: impl FnOnce() + Send + 'static) -> Result<(), SubmitError<Task>> {
        self.submit(Task::new(closure))
    }

    /// Hands a closure to one of the shards, as [`try_submit`](MultiPool::try_submit) does.
    ///
    /// # Errors
    /// As `try_submit`; the task in the error can still be [run](Task::run).
    pub fn try_execute(&self, closure: impl FnOnce() + Send + 'static) -> Result<(), SubmitError<Task>> {
        self.try_submit(Task::new(closure))
    }
}

impl<T: Send + 'static> Clone for MultiPool<T> {
    fn clone(&self) -> Self {
        MultiPool { shared: self.shared.clone() }
    }
}

impl<T: Send + 'static> fmt::Debug for MultiPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultiPool")
            .field("strategy", &self.shared.strategy)
            .field("shards", &self.shards())
            .finish()
    }
}
