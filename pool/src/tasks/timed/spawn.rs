//! Results of tasks that run later.

use std::time::Duration;

use super::run::{Recurrence, unclaimed_panic};
use super::start;
use crate::core::Priority;
use crate::error::SubmitError;
use crate::panic::PanicValue;
use crate::pool::timer::Timer;
use crate::sync::Instant;
use crate::tasks::cell::Promise;
use crate::tasks::handle::TaskHandle;
use crate::tasks::refused::RefusedClosure;
use crate::tasks::reply::Reply;
use crate::tasks::task::{Task, TaskPool};
use crate::waits::{Alarm, PoolKey};

impl TaskPool {
    /// Runs a closure on a worker once `delay` has passed, as [`after`](Self::after), and returns the handle of its
    /// result.
    ///
    /// [Cancelling](TaskHandle::cancel) the handle takes the closure off the pool's agenda and drops it. Whoever joins
    /// waits for the time to come, also on a worker, which never runs the task before it is due;
    /// [`TaskError::Lost`](crate::TaskError::Lost) is told when the pool is stopped before. A panic is delivered
    /// through the handle, as with [`spawn`](Self::spawn).
    ///
    /// # Errors
    /// As `after`, with the closure.
    ///
    /// ```
    /// use std::time::Duration;
    /// use anthill_pool::{TaskError, WorkerPool};
    ///
    /// let pool = WorkerPool::builder().max_workers(2).build_tasks()?;
    /// let soon = pool.spawn_after(Duration::from_millis(5), || 6 * 7)?;
    /// let never = pool.spawn_after(Duration::from_secs(3600), || 0)?;
    /// assert!(never.cancel());
    /// assert!(matches!(never.join(), Err(TaskError::Cancelled)));
    /// assert_eq!((soon.join()?, pool.stats().scheduled), (42, 0));
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn spawn_after<F, R>(
        &self,
        delay: Duration,
        closure: F,
    ) -> Result<TaskHandle<R>, SubmitError<RefusedClosure<F>>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.spawn_at(self.timer().after(delay), closure)
    }

    /// As [`spawn_after`](Self::spawn_after), at an instant; one that has passed is now.
    ///
    /// # Errors
    /// As `spawn_after`.
    pub fn spawn_at<F, R>(
        &self,
        instant: Instant,
        closure: F,
    ) -> Result<TaskHandle<R>, SubmitError<RefusedClosure<F>>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let (reply, cell) = Reply::new(Promise::Unseen);
        let started = start(
            self,
            (instant, Priority::Normal),
            closure,
            |closure, _| Owed { closure: Some(closure), reply },
            |owed| owed.closure.expect("what was refused was not run"),
        );
        match started {
            Ok(task) => Ok(TaskHandle::new(cell, self.identity()).ending(task)),
            Err(refusal) => Err(refusal.map(RefusedClosure::new)),
        }
    }
}

/// A single run whose result is awaited.
struct Owed<F, R: Send + 'static> {
    closure: Option<F>,
    reply: Reply<R>,
}

impl<F, R> Recurrence for Owed<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    fn run(&mut self, _: Instant, _: &Timer<Task>) -> (Option<Instant>, Result<(), PanicValue>) {
        let Some(closure) = self.closure.take() else { return (None, Ok(())) };
        (None, unclaimed_panic(self.reply.answer(closure, |_| ())))
    }

    fn passed_over(&mut self, _: Instant, _: Instant) -> Option<Instant> {
        None
    }

    const IS_AWAITED: bool = true;

    fn lies_with(&self, pool: PoolKey) -> Option<Alarm> {
        self.reply.entrust_to_pool(pool)
    }
}
