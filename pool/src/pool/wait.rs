//! Waiting for a pool: until it has nothing to do, or until it has come to its end.

use std::time::Duration;

use super::handle::WorkerPool;
use crate::core::Departure;
use crate::error::WaitError;
use crate::sync::{Arc, Instant};
use crate::threads::join::join_until;
use crate::threads::shared::Shared;

impl<T: Send + 'static> WorkerPool<T> {
    /// Waits until a stopped pool has run what it accepted and all its threads have ended, thread-local destructors
    /// included. On a pool that nobody stops it waits without end; when the pool is restarted before that, it
    /// waits for the next stop.
    ///
    /// # Errors
    /// [`WaitError::WouldDeadlock`] on a worker of this pool.
    pub fn wait(&self) -> Result<(), WaitError> {
        self.wait_deserted(None)
    }

    /// As [`wait`](Self::wait), but no longer than `limit`, except for thread-local destructors that run already.
    ///
    /// # Errors
    /// As `wait`, and [`WaitError::Timeout`]; the pool goes on stopping, and a later wait can succeed.
    pub fn wait_timeout(&self, limit: Duration) -> Result<(), WaitError> {
        self.wait_deserted(Instant::now().checked_add(limit))
    }

    /// Waits until there is nothing to do: no worker runs anything, nothing is queued, nobody is blocked. The pool
    /// stays open. (What submitters run themselves, [`RunOnCaller`](crate::WhenFull::RunOnCaller), is not waited for.)
    ///
    /// Returns if there was such a moment since the call, even when new payloads came right after it.
    ///
    /// # Errors
    /// [`WaitError::WouldDeadlock`] on a worker of this pool.
    pub fn wait_idle(&self) -> Result<(), WaitError> {
        self.wait_idleness(None)
    }

    /// As [`wait_idle`](Self::wait_idle), but no longer than `limit`.
    ///
    /// # Errors
    /// As `wait_idle`, and [`WaitError::Timeout`].
    pub fn wait_idle_timeout(&self, limit: Duration) -> Result<(), WaitError> {
        self.wait_idleness(Instant::now().checked_add(limit))
    }

    pub(crate) fn wait_idleness(&self, deadline: Option<Instant>) -> Result<(), WaitError> {
        self.outside()?.core.wait_idle(deadline)
    }

    pub(crate) fn wait_deserted(&self, deadline: Option<Instant>) -> Result<(), WaitError> {
        let shared = self.outside()?;
        let mut core = shared.core.lock();
        let mut late = false;
        loop {
            match core.departure() {
                Departure::Over => return Ok(()),
                Departure::Join(joining, threads) => {
                    drop(core);
                    let alive = join_until(threads, deadline);
                    let gives_up = !alive.is_empty();
                    core = shared.core.lock();
                    core.end_join(joining, alive);
                    shared.core.unlock_and_notify(core);
                    if gives_up {
                        return Err(WaitError::Timeout);
                    }
                    core = shared.core.lock();
                    continue;
                }
                Departure::Pending if late => return Err(WaitError::Timeout),
                Departure::Pending => {}
            }
            (core, late) = shared.core.watch(core, deadline);
        }
    }

    fn outside(&self) -> Result<&Arc<Shared<T>>, WaitError> {
        if self.is_worker() { Err(WaitError::WouldDeadlock) } else { Ok(self.shared()) }
    }
}
