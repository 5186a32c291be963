//! What the scenes are made of: pools, threads that submit to them, and the closing check.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anthill_pool::{PoolStats, SubmitError, WorkerPool, WorkerPoolBuilder, WorkerThread};
use loom::thread::{self, JoinHandle};

use crate::ledger::{Ledger, Payload};
use crate::support::{self, Preemptions};

/// Runs `scene` in every interleaving (within `preemptions`), each time with a new ledger.
pub(crate) fn explore(
    name: &str,
    preemptions: Preemptions,
    scene: impl Fn(&Arc<Ledger>) + Send + Sync + 'static,
) {
    support::explore(name, preemptions, move || scene(&Ledger::new()));
}

/// A pool whose idle workers stay.
pub(crate) fn pool_of(
    workers: usize,
    queue: usize,
    handler: impl Fn(Payload) + Send + Sync + 'static,
) -> WorkerPool<Payload> {
    WorkerPool::builder()
        .max_workers(workers)
        .queue_capacity(queue)
        .max_idle_worker_duration(None)
        .build(handler)
        .unwrap()
}

/// After how long the idle workers of an expiring pool go.
pub(crate) const LIMIT: Duration = Duration::from_secs(1);

/// A pool whose idle workers go after [`LIMIT`], and which so has a cleaner.
pub(crate) fn expiring(
    workers: usize,
    queue: usize,
    handler: impl Fn(Payload) + Send + Sync + 'static,
) -> WorkerPool<Payload> {
    WorkerPool::builder()
        .max_workers(workers)
        .queue_capacity(queue)
        .max_idle_worker_duration(LIMIT)
        .build(handler)
        .unwrap()
}

/// A spawner that is refused every thread beyond the first `threads`.
pub(crate) fn refused_beyond(
    threads: usize,
) -> impl Fn(WorkerThread) -> io::Result<JoinHandle<()>> + Send + Sync + 'static {
    let made = AtomicUsize::new(0);
    move |new| {
        if made.fetch_add(1, Ordering::Relaxed) < threads {
            new.spawn()
        } else {
            Err(io::Error::other("refused"))
        }
    }
}

/// Notes a refused payload as handed back; true when it was accepted.
pub(crate) fn settle(outcome: Result<(), SubmitError<Payload>>) -> bool {
    outcome.map_err(|refusal| refusal.into_payload().hand_back()).is_ok()
}

/// A submission that may wait and must be accepted.
#[track_caller]
pub(crate) fn accepted(pool: &WorkerPool<Payload>, payload: Payload) {
    assert!(settle(pool.submit(payload)));
}

/// A submission that must come back because the pool is closed.
#[track_caller]
pub(crate) fn turned_away(pool: &WorkerPool<Payload>, payload: Payload) {
    let outcome = pool.submit(payload);
    assert!(matches!(outcome, Err(SubmitError::Closed(_))), "not turned away from a closed pool");
    settle(outcome);
}

/// A submission that may be accepted or refused; true when it was accepted.
pub(crate) fn either_way(pool: &WorkerPool<Payload>, payload: Payload) -> bool {
    settle(pool.submit(payload))
}

/// Submits so many payloads, each of which must be accepted.
#[track_caller]
pub(crate) fn submit(pool: &WorkerPool<Payload>, ledger: &Arc<Ledger>, payloads: usize) {
    for _ in 0..payloads {
        accepted(pool, ledger.payload());
    }
}

/// A thread that submits one more payload, by `submission`.
pub(crate) fn submitter<P: Clone + 'static, R: 'static>(
    pool: &P,
    ledger: &Arc<Ledger>,
    submission: impl FnOnce(&P, Payload) -> R + 'static,
) -> JoinHandle<R> {
    let (pool, payload) = (pool.clone(), ledger.payload());
    thread::spawn(move || submission(&pool, payload))
}

/// Waits until the pool is idle: without a stop, which would wake everybody, all payloads have run by then.
#[track_caller]
pub(crate) fn wait_for_all(pool: &WorkerPool<Payload>, ledger: &Ledger) {
    pool.wait_idle().unwrap();
    let (ran, payloads) = (ledger.ran(), ledger.payloads());
    assert!(ran == payloads, "a payload was left behind: {ran} of {payloads} ran");
}

/// A pool's thread hooks, counted; visible to loom, so that a thread can be caught between its last payload and its
/// end.
#[derive(Clone)]
pub(crate) struct Lives {
    started: loom::sync::Arc<loom::sync::atomic::AtomicUsize>,
    ended: loom::sync::Arc<loom::sync::atomic::AtomicUsize>,
}

impl Lives {
    pub(crate) fn new() -> Self {
        let zero = || loom::sync::Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        Lives { started: zero(), ended: zero() }
    }

    /// Counts the threads of the pool that is to be built.
    pub(crate) fn of(&self, builder: WorkerPoolBuilder<Payload>) -> WorkerPoolBuilder<Payload> {
        let (starting, ending) = (self.clone(), self.clone());
        builder
            .on_worker_start(move |_| {
                starting.started.fetch_add(1, Ordering::SeqCst);
            })
            .on_worker_stop(move |_| {
                ending.ended.fetch_add(1, Ordering::SeqCst);
            })
    }

    /// After `wait` no worker's thread may be on its way any more.
    pub(crate) fn check(&self, threads: usize) {
        let (started, ended) = (self.started.load(Ordering::SeqCst), self.ended.load(Ordering::SeqCst));
        assert!(
            started == threads && ended == threads,
            "wait returned with threads alive: {started} started and {ended} ended of {threads}"
        );
    }
}

/// Stops the pool and waits for its end; what it counted by then.
pub(crate) fn stopped<T: Send + 'static>(pool: WorkerPool<T>) -> PoolStats {
    pool.stop();
    pool.wait().unwrap();
    pool.stats()
}

/// Stops the pool, waits, and checks that books and counters agree. Every refusal must have been noted before.
pub(crate) fn close(pool: WorkerPool<Payload>, ledger: &Ledger) -> PoolStats {
    let stats = stopped(pool);
    ledger.check_with(&stats);
    stats
}
