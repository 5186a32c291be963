//! Pools whose time is moved by the test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anthill_pool::{ManualClock, TaskPool, WorkerPool};

use crate::PATIENCE;

/// A pool of one worker on a clock of its own.
pub fn clocked() -> (TaskPool, ManualClock) {
    let clock = ManualClock::new();
    let pool =
        WorkerPool::builder().max_workers(1).queue_capacity(1_000).clock(&clock).build_tasks().unwrap();
    (pool, clock)
}

/// Moves the time, and lets run what is due.
pub fn pass(pool: &TaskPool, clock: &ManualClock, time: Duration) {
    clock.advance(time);
    pool.wait_idle_timeout(PATIENCE).unwrap();
}

/// What happened, in its order.
#[derive(Clone, Default)]
pub struct Journal(Arc<Mutex<Vec<u32>>>);

impl Journal {
    /// What notes it, once it is called.
    pub fn note(&self, event: u32) -> impl FnOnce() + Send + 'static + use<> {
        let journal = self.clone();
        move || journal.push(event)
    }

    /// Notes it now.
    pub fn push(&self, event: u32) {
        self.0.lock().unwrap().push(event);
    }

    /// What was noted since.
    pub fn take(&self) -> Vec<u32> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
