//! Loom models of what stands on the pool of closures: handles, groups, scopes, shares of a pool,
//! tasks that wait for their time.
//!
//! They drive the public API on a pool of one or two workers, so what is explored is the code that ships together with
//! the pool below it. Where a task has to be dropped unrun, the pool's handler drops it. Tasks of a scope borrow
//! nothing here: a source with a mistake in it is to fail with words, not by touching a frame that is gone.
//!
//! Every model has a recorded mutation of the source that it catches (`mutations/tasks.txt`).

mod groups;
mod handles;
mod promises;
mod scopes;
mod shares;
mod sleepers;
#[path = "../support/mod.rs"]
mod support;
mod timed;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_pool::{Task, TaskPool, WorkerPool};

use support::Gate;

/// A pool that runs its tasks.
fn tasks(max_workers: usize, queue: usize) -> TaskPool {
    WorkerPool::builder()
        .max_workers(max_workers)
        .queue_capacity(queue)
        .max_idle_worker_duration(None)
        .build_tasks()
        .unwrap()
}

/// Occupies a worker of the pool until the gate is opened.
fn occupied(pool: &TaskPool) -> loom::sync::Arc<Gate> {
    let gate = Gate::closed();
    let hold = gate.clone();
    pool.execute(move || hold.pass()).unwrap();
    gate
}

/// A pool of one worker that drops its tasks unrun.
fn discarding() -> TaskPool {
    WorkerPool::builder()
        .max_workers(1)
        .queue_capacity(2)
        .max_idle_worker_duration(None)
        .build(|task: Task| drop(task))
        .unwrap()
}

/// Stops the pool and waits for it.
fn close(pool: TaskPool) {
    pool.stop();
    pool.wait().unwrap();
}

/// What was done, and what was dropped; loom does not see it, so it adds no interleavings.
#[derive(Clone, Default)]
struct Tally {
    done: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

impl Tally {
    fn new() -> Self {
        Tally::default()
    }

    /// Something to capture or to return: loom complains when it is leaked, and its drop is counted.
    fn value(&self) -> Value {
        Value { tally: self.clone(), _alive: loom::alloc::Track::new(()) }
    }

    fn done(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }

    fn dropped(&self) -> usize {
        self.dropped.load(Ordering::SeqCst)
    }
}

struct Value {
    tally: Tally,
    _alive: loom::alloc::Track<()>,
}

impl Value {
    fn note(&self) {
        self.tally.done.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.tally.dropped.fetch_add(1, Ordering::SeqCst);
    }
}
