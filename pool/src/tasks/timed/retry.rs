//! Trying again what has failed: attempts as tasks of the pool, and pauses that hold no worker.

use super::run::{Recurrence, TimedTask, unclaimed_panic};
use crate::backoff::Backoff;
use crate::core::Priority;
use crate::error::SubmitError;
use crate::panic::{PanicValue, catch, drop_quietly};
use crate::pool::timer::Timer;
use crate::sync::Instant;
use crate::tasks::cell::Promise;
use crate::tasks::error::{TaskError, TaskPanic};
use crate::tasks::handle::TaskHandle;
use crate::tasks::reply::Reply;
use crate::tasks::task::{Task, TaskPool};
use crate::threads::identity;
use crate::waits::{Alarm, PoolKey};

impl TaskPool {
    /// Runs a closure on a worker until it succeeds, with pauses between attempts as `backoff` says. The first attempt
    /// is handed to the pool as [`submit`](crate::WorkerPool::submit) does, which waits when the pool is full. No
    /// worker is held during a pause.
    ///
    /// The handle's result is that of the last attempt: `Ok` of the one that succeeded; `Err` when there is no further
    /// attempt by `backoff`, or because the pool was stopped meanwhile, or because the system refused the timer's
    /// thread. A panic ends it, too ([`TaskError::Panicked`]). [`TaskError::Lost`] is told when the pool dropped the
    /// very first attempt.
    ///
    /// [Cancelling](TaskHandle::cancel) sees to it that no further attempt begins; one that is under way goes on to its
    /// end, and its result is dropped. In a pause the closure is dropped at once. Without its handle it goes on. How
    /// exact pauses are, and what happens to an attempt that is due on a full pool, is said at
    /// [`after`](TaskPool::after).
    ///
    /// A worker that [joins](TaskHandle::join) it waits for the timer during a pause. It is refused once an attempt is
    /// due that no worker will ever be free for, as all wait for each other.
    ///
    /// # Errors
    /// As `submit` for the first attempt, with the closure.
    ///
    /// ```
    /// use std::time::Duration;
    /// use anthill_pool::{Backoff, WorkerPool};
    ///
    /// let pool = WorkerPool::builder().max_workers(2).build_tasks()?;
    /// let mut attempts = 0;
    /// let answer = pool.retry(Backoff::exponential(Duration::from_millis(5)), move || {
    ///     attempts += 1;
    ///     if attempts < 3 { Err("not yet") } else { Ok(attempts) }
    /// })?;
    /// assert_eq!(answer.join()?, Ok(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retry<F, R, E>(
        &self,
        backoff: Backoff,
        closure: F,
    ) -> Result<TaskHandle<Result<R, E>>, SubmitError<F>>
    where
        F: FnMut() -> Result<R, E> + Send + 'static,
        R: Send + 'static,
        E: Send + 'static,
    {
        self.retry_if(backoff, |_| true, closure)
    }

    /// As [`retry`](Self::retry), for errors that `is_transient` says may pass; any other is the result at once.
    ///
    /// # Errors
    /// As `retry`.
    ///
    /// ```
    /// use std::io::{Error, ErrorKind};
    /// use std::time::Duration;
    /// use anthill_pool::{Backoff, WorkerPool};
    ///
    /// let pool = WorkerPool::builder().max_workers(2).build_tasks()?;
    /// let transient = |error: &Error| error.kind() == ErrorKind::TimedOut;
    /// let outcome = pool.retry_if(Backoff::constant(Duration::from_millis(5)), transient, || {
    ///     Err::<(), _>(Error::from(ErrorKind::PermissionDenied))
    /// })?;
    /// assert_eq!(outcome.join()?.unwrap_err().kind(), ErrorKind::PermissionDenied);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retry_if<F, R, E>(
        &self,
        backoff: Backoff,
        is_transient: impl FnMut(&E) -> bool + Send + 'static,
        closure: F,
    ) -> Result<TaskHandle<Result<R, E>>, SubmitError<F>>
    where
        F: FnMut() -> Result<R, E> + Send + 'static,
        R: Send + 'static,
        E: Send + 'static,
    {
        let timer = self.timer();
        let Some(era) = timer.era() else {
            let refusal = SubmitError::Closed(closure);
            timer.note_refusal(&refusal);
            return Err(refusal);
        };
        let (reply, cell) = Reply::new(Promise::Pool(self.identity().key()));
        let outcome = RetryOutcome { reply, last: None };
        let now = timer.now();
        let attempts = Attempts { closure, is_transient, backoff, failed: 0, outcome };
        let task = TimedTask::new(timer, era, attempts, now, Priority::Normal);
        match self.submit(task.ticket()) {
            Ok(()) => Ok(TaskHandle::new(cell, self.identity()).ending(task)),
            Err(refusal) => Err(refusal.map(|ticket| task.take_back(ticket).closure)),
        }
    }
}

struct Attempts<F, P, R: Send + 'static, E: Send + 'static> {
    closure: F,
    is_transient: P,
    backoff: Backoff,
    /// How many attempts have failed.
    failed: u32,
    outcome: RetryOutcome<R, E>,
}

/// The way to whoever has the handle.
struct RetryOutcome<R: Send + 'static, E: Send + 'static> {
    reply: Reply<Result<R, E>>,
    /// The error of the last attempt: the result, unless there will be another one.
    last: Option<E>,
}

impl<F, P, R, E> Attempts<F, P, R, E>
where
    F: FnMut() -> Result<R, E>,
    P: FnMut(&E) -> bool,
    R: Send + 'static,
    E: Send + 'static,
{
    /// An attempt: its result if it is the last one, else when the next one is due.
    fn attempt(&mut self, timer: &Timer<Task>) -> Result<Instant, Result<R, E>> {
        let error = (self.closure)().map_or_else(Ok, |result| Err(Ok(result)))?;
        self.failed = self.failed.saturating_add(1);
        let pause = if (self.is_transient)(&error) { self.backoff.delay_after(self.failed) } else { None };
        let Some(pause) = pause else { return Err(Err(error)) };
        drop_quietly(self.outcome.last.replace(error));
        Ok(timer.after(pause))
    }
}

impl<F, P, R, E> Recurrence for Attempts<F, P, R, E>
where
    F: FnMut() -> Result<R, E> + Send + 'static,
    P: FnMut(&E) -> bool + Send + 'static,
    R: Send + 'static,
    E: Send + 'static,
{
    fn run(&mut self, _: Instant, timer: &Timer<Task>) -> (Option<Instant>, Result<(), PanicValue>) {
        let reply = &self.outcome.reply;
        if reply.is_settled() {
            return (None, Ok(()));
        }
        reply.entrust(Promise::Runner(identity::runner()));
        let result = match catch(|| self.attempt(timer)) {
            Ok(Ok(next)) => {
                self.outcome.reply.entrust(Promise::Unseen);
                return (Some(next), Ok(()));
            }
            Ok(Err(last)) => Ok(last),
            Err(value) => Err(TaskError::Panicked(TaskPanic::new(value))),
        };
        (None, unclaimed_panic(self.outcome.reply.tell(result)))
    }

    fn passed_over(&mut self, _: Instant, _: Instant) -> Option<Instant> {
        None
    }

    const IS_AWAITED: bool = true;

    fn lies_with(&self, pool: PoolKey) -> Option<Alarm> {
        self.outcome.reply.entrust_to_pool(pool)
    }
}

impl<R: Send + 'static, E: Send + 'static> Drop for RetryOutcome<R, E> {
    /// There will be no further attempt.
    fn drop(&mut self) {
        if let Some(error) = self.last.take() {
            drop_quietly(self.reply.tell(Ok(Err(error))));
        }
    }
}
