//! What the pool's tests share: pools that are full in a known way, and everyone who waits on them.
//!
//! The tests of the pool are the rows of its parity table, each named after its row (`pool_007_...`), and go through the
//! public API only. The idea of this file: most rows start from *a pool whose workers are all busy*, so that state is
//! one call. The rule: a worker is busy because a [`Gate`] holds it, never because something takes a while.

use std::fmt;
use std::thread;

use anthill_pool::{PoolStats, SubmitError, WorkerPool, WorkerPoolBuilder};
use anthill_tests::{Background, Gate, background, eventually};

/// A payload that a worker runs for as long as its gate is closed.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) number: usize,
    pub(crate) gate: Gate,
}

impl Held {
    pub(crate) fn new(number: usize) -> Self {
        Held { number, gate: Gate::new() }
    }

    /// One that does not wait.
    pub(crate) fn free(number: usize) -> Self {
        let held = Held::new(number);
        held.gate.open();
        held
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number && self.gate.is(&other.gate)
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({})", self.number)
    }
}

/// A pool whose workers run [`Held`] payloads.
pub(crate) fn holding(options: WorkerPoolBuilder<Held>) -> WorkerPool<Held> {
    options.build(|held: Held| held.gate.pass()).unwrap()
}

/// Makes `count` workers busy; opening a returned payload's gate frees its worker.
pub(crate) fn occupy(pool: &WorkerPool<Held>, count: usize) -> Vec<Held> {
    let held: Vec<Held> = (0..count).map(Held::new).collect();
    for payload in &held {
        pool.try_submit(payload.clone()).unwrap();
    }
    assert_eq!(pool.stats().queued, 0, "each has a worker of its own");
    held
}

/// Opens all gates.
pub(crate) fn release(held: &[Held]) {
    for payload in held {
        payload.gate.open();
    }
}

/// A submission that has to wait; returns once it does, as number `place` in the line.
pub(crate) fn blocked<T: Send + 'static>(
    pool: &WorkerPool<T>,
    payload: T,
    place: usize,
) -> Background<Result<(), SubmitError<T>>> {
    let handle = pool.clone();
    let submission = background(move || handle.submit(payload));
    eventually("the submitter is blocked", || pool.waiting() == place || submission.is_finished());
    assert!(!submission.is_finished(), "the submitter had to wait");
    submission
}

/// Waits until the pool's counters look right.
#[track_caller]
pub(crate) fn reaches<T: Send + 'static>(
    pool: &WorkerPool<T>,
    what: &str,
    looks: impl Fn(&PoolStats) -> bool,
) {
    eventually(what, || looks(&pool.stats()));
}

/// Runs `work` on `count` threads at once and gathers what they return.
pub(crate) fn on_threads<R: Send>(count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..count).map(|number| scope.spawn(move || work(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
