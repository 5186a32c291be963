//! The end of a share: it takes nothing more, while its parent goes on.

use std::time::Duration;

use super::SubPool;
use crate::error::WaitError;
use crate::pool::Unfinished;
use crate::sync::Instant;
use crate::tasks::task::Task;

impl SubPool {
    /// Accepts nothing any more, for good; what is queued still runs, and the parent goes on. Blocked submitters get
    /// their task back with [`SubmitError::Closed`](crate::SubmitError::Closed).
    pub fn stop(&self) {
        let mut state = self.share.state.lock();
        state.close();
        self.share.state.unlock_and_notify(state);
    }

    /// [Stops](Self::stop) the share, waits until it has run what it accepted, but no longer than `limit`, and then has
    /// the rest [handed back](Self::take_queue); as [`WorkerPool::finish`](crate::WorkerPool::finish).
    ///
    /// # Errors
    /// [`Unfinished`], with the tasks that had not started, the oldest first. On a worker of the parent it is an error
    /// with [`WaitError::WouldDeadlock`], and nothing was done.
    ///
    /// ```
    /// use std::time::Duration;
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers(4).build_tasks()?;
    /// let share = pool.sub_pool(2);
    /// for _ in 0..10 {
    ///     share.execute(|| {})?;
    /// }
    /// share.finish(Duration::from_secs(10))?;
    /// assert_eq!(share.stats().finished, 10);
    /// assert!(share.execute(|| {}).is_err() && pool.execute(|| {}).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn finish(&self, limit: Duration) -> Result<(), Unfinished<Task>> {
        let deadline = Instant::now().checked_add(limit);
        if self.parent().is_worker() {
            return Err(Unfinished { reason: WaitError::WouldDeadlock, rest: Vec::new(), running: 0 });
        }
        self.stop();
        let Err(reason) = self.share.wait_idle(deadline) else { return Ok(()) };
        let mut state = self.share.state.lock();
        let (rest, running) = (state.take_queue(), state.running());
        self.share.state.unlock_and_notify(state);
        if rest.is_empty() && running == 0 { Ok(()) } else { Err(Unfinished { reason, rest, running }) }
    }
}
