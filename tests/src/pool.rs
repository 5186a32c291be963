//! Pools that are full in a known way, and everyone who waits on them.
//!
//! The idea: most tests of the pool start from *a pool whose workers are all busy*, so that state is one call. The
//! rule: a worker is busy because a [`Gate`] holds it, never because something takes a while.

use std::fmt;
use std::thread;

use anthill_pool::{PoolStats, SubmitError, TaskPool, WorkerPool, WorkerPoolBuilder};

use crate::{Background, Gate, PATIENCE, background, eventually};

/// A payload that a worker runs for as long as its gate is closed.
#[derive(Clone)]
pub struct Held {
    /// Tells it from others.
    pub number: usize,
    /// What holds it.
    pub gate: Gate,
}

impl Held {
    /// One whose gate is closed.
    pub fn new(number: usize) -> Self {
        Held { number, gate: Gate::new() }
    }

    /// One that does not wait.
    pub fn free(number: usize) -> Self {
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
pub fn holding(options: WorkerPoolBuilder<Held>) -> WorkerPool<Held> {
    options.build(|held: Held| held.gate.pass()).unwrap()
}

/// Makes `count` workers busy; opening a returned payload's gate frees its worker.
pub fn occupy(pool: &WorkerPool<Held>, count: usize) -> Vec<Held> {
    let held: Vec<Held> = (0..count).map(Held::new).collect();
    for payload in &held {
        // On a busy machine a state takes longer than the moment for which `try_submit` waits.
        pool.submit_timeout(payload.clone(), PATIENCE).unwrap();
    }
    // One with a state comes for its payload once it is made.
    eventually("each has a worker of its own", || pool.stats().queued == 0);
    held
}

/// Opens all gates.
pub fn release(held: &[Held]) {
    for payload in held {
        payload.gate.open();
    }
}

/// A submission that has to wait, and what comes of it.
pub type Blocked<T> = Background<Result<(), SubmitError<T>>>;

/// A submission that has to wait; returns once it does, as number `place` in the line.
pub fn blocked<T: Send + 'static>(pool: &WorkerPool<T>, payload: T, place: usize) -> Blocked<T> {
    let handle = pool.clone();
    let submission = background(move || handle.submit(payload));
    eventually("the submitter is blocked", || pool.waiting() == place || submission.is_finished());
    assert!(!submission.is_finished(), "the submitter had to wait");
    submission
}

/// A pool of one worker and a submission that waits until the gate is opened: only then is the worker's thread made.
pub fn waiting_for_its_thread() -> (WorkerPool<Held>, Blocked<Held>, Gate) {
    let (gate, entered) = (Gate::new(), Gate::new());
    let (hold, entering) = (gate.clone(), entered.clone());
    let pool = holding(WorkerPool::builder().max_workers(1).spawner(move |worker| {
        entering.open();
        hold.pass();
        worker.spawn()
    }));
    let handle = pool.clone();
    let first = background(move || handle.submit(Held::free(1)));
    entered.pass();
    (pool, first, gate)
}

/// Waits until the pool's counters look right.
#[track_caller]
pub fn reaches<T: Send + 'static>(pool: &WorkerPool<T>, what: &str, looks: impl Fn(&PoolStats) -> bool) {
    eventually(what, || looks(&pool.stats()));
}

/// Runs `work` on `count` threads at once and gathers what they return.
pub fn on_threads<R: Send>(count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..count).map(|number| scope.spawn(move || work(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Whether every payload that was accepted is somewhere, and every worker busy or idle.
pub fn adds_up(stats: &PoolStats) -> bool {
    let now = (stats.busy + stats.queued) as u64;
    stats.accepted == stats.finished + now + stats.handed_back + stats.discarded
        && stats.busy + stats.idle == stats.workers
}

/// A pool of closures.
pub fn tasks(max_workers: usize, queue: usize) -> TaskPool {
    WorkerPool::builder().max_workers(max_workers).queue_capacity(queue).build_tasks().unwrap()
}

/// Keeps one worker busy until the gate is opened.
pub fn hold(pool: &TaskPool) -> Gate {
    let gate = Gate::new();
    let held = gate.clone();
    pool.execute(move || held.pass()).unwrap();
    gate
}

/// Pools of which no worker comes to help, and what holds them: all busy, without and with a queue that is full, and
/// stopped.
pub fn without_help() -> Vec<(TaskPool, Vec<Gate>)> {
    let full = [0, 1].map(|queue| {
        let pool = tasks(2, queue);
        let gates = vec![hold(&pool), hold(&pool)];
        reaches(&pool, "two busy workers", |stats| stats.workers == 2 && stats.queued == 0);
        for _ in 0..queue {
            pool.execute(|| {}).unwrap();
        }
        (pool, gates)
    });
    let stopped = tasks(2, 8);
    stopped.stop();
    full.into_iter().chain([(stopped, Vec::new())]).collect()
}
