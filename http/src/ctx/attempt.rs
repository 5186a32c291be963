//! One run of a handler on another thread, and whoever waits for it.
//!
//! The rule: *the handler is done* and *nobody waits for it* are steps under one lock, so of the two there is one; and
//! nothing of the connection is looked at when that goes on.

use crate::wire::sync::{Condvar, Instant, Mutex, lock, wait_until};
use std::mem;
#[cfg(feature = "testing")]
use std::time::Duration;

/// What a handler comes back with, and who waits for that.
#[derive(Debug)]
pub(crate) struct Attempt<T> {
    stage: Mutex<AttemptStage<T>>,
    changed: Condvar,
}

#[derive(Debug)]
enum AttemptStage<T> {
    Running,
    Done(T),
    GivenUp,
}

impl<T> Attempt<T> {
    pub(crate) fn new() -> Self {
        Attempt { stage: Mutex::new(AttemptStage::Running), changed: Condvar::new() }
    }

    /// The handler has returned. `Err` with the same when nobody waits for it; to be dropped by its own thread, for
    /// what is dropped with it is the user's.
    pub(crate) fn finish(&self, done: T) -> Result<(), T> {
        let mut stage = lock(&self.stage);
        if matches!(*stage, AttemptStage::GivenUp) {
            return Err(done);
        }
        *stage = AttemptStage::Done(done);
        drop(stage);
        self.changed.notify_one();
        Ok(())
    }

    /// As [`wait`](Self::wait), until `is_late` says so, which is asked every millisecond.
    #[cfg(feature = "testing")]
    pub(crate) fn wait_looking(&self, is_late: impl Fn() -> bool) -> Option<T> {
        let mut stage = lock(&self.stage);
        while matches!(*stage, AttemptStage::Running) && !is_late() {
            let until = Instant::now() + Duration::from_millis(1);
            (stage, _) = wait_until(&self.changed, stage, Some(until));
        }
        drop(stage);
        self.give_up()
    }

    /// What it returned with, if it does by then; else it is given up.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Option<T> {
        let mut stage = lock(&self.stage);
        let mut is_late = false;
        while matches!(*stage, AttemptStage::Running) && !is_late {
            (stage, is_late) = wait_until(&self.changed, stage, deadline);
        }
        drop(stage);
        self.give_up()
    }

    /// What it has returned with; if it has not, it is given up.
    pub(crate) fn give_up(&self) -> Option<T> {
        match mem::replace(&mut *lock(&self.stage), AttemptStage::GivenUp) {
            AttemptStage::Done(done) => Some(done),
            AttemptStage::Running | AttemptStage::GivenUp => None,
        }
    }
}

/// Something of a connection's that a handler may look at as long as the connection waits for it.
#[derive(Debug)]
pub(crate) struct OnLoan<T>(Mutex<Option<T>>);

impl<T> OnLoan<T> {
    pub(crate) fn new(lent: Option<T>) -> Self {
        OnLoan(Mutex::new(lent))
    }

    /// What `look` says; `None` when the connection has gone on. It cannot go on meanwhile.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        lock(&self.0).as_ref().map(look)
    }

    /// The connection goes on.
    pub(crate) fn let_go(&self) {
        // Dropped behind the lock; it is not the last of them.
        let lent = lock(&self.0).take();
        drop(lent);
    }
}
