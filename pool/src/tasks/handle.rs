//! A task's handle: its result, by waiting, by asking or by awaiting; and its cancellation.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::canceller::{EndsEarly, TaskCanceller, cancel};
use super::cell::{JoinOutcome, TaskCell};
use super::error::{RefusedHandle, TaskError};
use super::refused::RefusedClosure;
use super::stored_closure::StoredClosure;
use super::task::{ClosurePayload, Task, TaskPool};
use crate::error::SubmitError;
use crate::pool::WorkerPool;
use crate::sync::{Arc, Instant, StdArc};
use crate::threads::identity::PoolIdentity;
use crate::waits::WayOut;

impl<T: Send + 'static> WorkerPool<T> {
    /// Hands a closure to the pool as [`submit`](crate::WorkerPool::submit) does, and returns the handle of its result.
    ///
    /// It waits while the pool is full, unless [`when_full`](crate::WorkerPoolBuilder::when_full) says otherwise. In
    /// async code that blocks the executor's thread: there use [`try_spawn`](Self::try_spawn), or a queue without a
    /// bound, and await the handle.
    ///
    /// The closure may not borrow from the stack, as it may run later than this function (the compiler says E0373 or
    /// E0597 then): what borrows goes through [`scope`](Self::scope) or [`for_each`](Self::for_each).
    ///
    /// A panic of the closure is delivered through the handle and is not one of the pool's: it is neither counted nor
    /// reported to [`on_panic`](crate::WorkerPoolBuilder::on_panic), unless the handle was dropped before.
    ///
    /// # Errors
    /// As `submit`, with the closure.
    ///
    /// ```
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers(2).build_tasks()?;
    /// let words = pool.spawn(|| "so many words".split(' ').count())?;
    /// assert_eq!(words.join()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn<F, R>(&self, closure: F) -> Result<TaskHandle<R>, SubmitError<RefusedClosure<F>>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
        T: ClosurePayload,
    {
        let pool = T::task_pool(self);
        spawn_through(pool, closure, |task| pool.submit(task))
    }
}

impl TaskPool {
    /// As [`spawn`](Self::spawn), but without waiting, as [`try_submit`](crate::WorkerPool::try_submit).
    ///
    /// # Errors
    /// As `try_submit`, with the closure.
    pub fn try_spawn<F, R>(&self, closure: F) -> Result<TaskHandle<R>, SubmitError<RefusedClosure<F>>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        spawn_through(self, closure, |task| self.try_submit(task))
    }
}

/// Spawns by way of `submit`, on what are workers of `pool` in the end.
pub(super) fn spawn_through<F, R>(
    pool: &TaskPool,
    closure: F,
    submit: impl FnOnce(Task) -> Result<(), SubmitError<Task>>,
) -> Result<TaskHandle<R>, SubmitError<RefusedClosure<F>>>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let cell = TaskCell::new(StoredClosure::new(closure));
    let ticket = TaskTicket { cell: Some(cell.clone()) };
    match submit(Task::new(move || ticket.run())) {
        Ok(()) => Ok(TaskHandle::new(cell, pool.identity())),
        Err(refusal) => Err(refusal.map(|refused| {
            // Before the refused ticket is dropped, which would take it for lost.
            let job = cell.withdraw();
            drop(refused);
            let closure = job.and_then(|job| job.into_closure().ok());
            RefusedClosure::new(closure.expect("what was refused has not been started"))
        })),
    }
}

/// The result of a task that was [spawned](TaskPool::spawn), once there is one.
///
/// Dropping the handle changes nothing for the task: it still runs, and its result is dropped.
///
/// It is a [`Future`] as well: awaiting it from any executor gives what [`join`](Self::join) gives, without blocking a
/// thread. Polling never runs the task, not even on a worker; and it is never refused, because whoever polls does not
/// sleep here: a worker that blocks on the future in an executor of its own sleeps unseen.
///
/// It keeps nothing of the pool: when the last handle of that is dropped, the pool stops, and the task still runs.
#[must_use = "the task runs without its handle, but its result and its panic are lost"]
pub struct TaskHandle<R: Send + 'static> {
    cell: Arc<TaskCell<R>>,
    /// Whose workers may run the task themselves instead of waiting for it. Should another pool come to live where that
    /// one has ended, there is no task left that its workers could run.
    pool: PoolIdentity,
    /// Of a task that can be told to end early.
    ender: Option<StdArc<dyn EndsEarly>>,
}

impl<R: Send + 'static> TaskHandle<R> {
    /// Of work that is done by workers of the pool `pool`.
    pub(super) fn new(cell: Arc<TaskCell<R>>, pool: PoolIdentity) -> Self {
        TaskHandle { cell, pool, ender: None }
    }

    /// Whose cancellation goes on to this.
    pub(super) fn ending(self, ender: StdArc<dyn EndsEarly>) -> Self {
        let mut handle = self;
        handle.ender = Some(ender);
        handle
    }

    /// Waits for the result.
    ///
    /// On a worker of the same pool a task that has not been started is run right here instead: it is the very work
    /// that this worker would wait for, and never anything else.
    ///
    /// Workers that wait for each other do not hang, however few there are, and of whatever pools. A worker that sleeps
    /// here is seen to sleep, as one in [`TaskGroup::wait`](crate::TaskGroup::wait), in a scope, or in line for room
    /// is; and when none of those moves any more for which it sleeps, directly or by way of others, one of them is
    /// helped or told. A submission that waits for room is refused first
    /// ([`SubmitError::WouldDeadlock`](crate::SubmitError::WouldDeadlock)). If there is none, a task of another pool
    /// that is joined and has not been started is run by the worker that joins it; and if there is none either, which
    /// takes tasks that wait for each other in a circle, a join without a limit is refused.
    ///
    /// What a worker waits for by other means (locks, channels, awaiting in an executor, another pool's
    /// [`wait_idle`](crate::WorkerPool::wait_idle), room in another pool's [share](crate::SubPool), or that a share's
    /// own limit lets a task begin) is not seen, and nor is what threads wait for that are no workers: they count as
    /// moving. So do timers, and whoever holds a [prepared call](crate::CallPool::prepare_call): a join of what is not
    /// due yet, or not submitted, is refused only once a pool has it that has no worker for it.
    ///
    /// # Errors
    /// [`TaskError::Panicked`], [`TaskError::Cancelled`] or [`TaskError::Lost`]; [`TaskError::WouldDeadlock`] as said
    /// above, with the handle in it.
    ///
    /// # Panics
    /// When the result was taken by polling.
    pub fn join(self) -> Result<R, TaskError> {
        match self.wait(None) {
            JoinOutcome::Ended(outcome) => outcome,
            JoinOutcome::Late => unreachable!("its time is not limited"),
            JoinOutcome::ForEver => Err(TaskError::WouldDeadlock(RefusedHandle(Box::new(self)))),
        }
    }

    /// As [`join`](Self::join), but waits no longer than `limit`: then the handle comes back.
    ///
    /// What `join` runs on a worker is run here too, for as long as it takes. A worker is seen to sleep here too; but
    /// it is never refused before its time, as it wakes by itself.
    ///
    /// A limit too long to be a point in time waits without end, and as `join`.
    ///
    /// # Errors
    /// The handle, when the time was up; or without such a time where `join` would be refused.
    ///
    /// # Panics
    /// As `join`.
    pub fn join_timeout(self, limit: Duration) -> Result<Result<R, TaskError>, Self> {
        match self.wait(Instant::now().checked_add(limit)) {
            JoinOutcome::Ended(outcome) => Ok(outcome),
            JoinOutcome::Late | JoinOutcome::ForEver => Err(self),
        }
    }

    /// The result, if there is one now.
    ///
    /// # Errors
    /// The handle, when the task has not ended.
    ///
    /// # Panics
    /// As [`join`](Self::join).
    ///
    /// ```
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers(1).build_tasks()?;
    /// let mut handle = pool.spawn(|| 12 * 12)?;
    /// let result = loop {
    ///     match handle.try_join() {
    ///         Ok(result) => break result?,
    ///         Err(still_running) => handle = still_running,
    ///     }
    ///     std::thread::yield_now();
    /// };
    /// assert_eq!(result, 144);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_join(self) -> Result<Result<R, TaskError>, Self> {
        self.cell.take().ok_or(self)
    }

    /// The handle back from a [`join`](Self::join) that was refused with [`TaskError::WouldDeadlock`]; it is as it was.
    ///
    /// # Errors
    /// The error, when it holds no handle of such a task.
    ///
    /// ```
    /// use std::sync::mpsc::channel;
    /// use anthill_pool::{TaskError, TaskHandle, WorkerPool};
    ///
    /// let pool = WorkerPool::builder().max_workers(2).build_tasks()?;
    /// let (give, given) = channel::<TaskHandle<u32>>();
    /// let (leave, left) = channel();
    /// let handle = pool.spawn(move || {
    ///     // A task that waits for itself.
    ///     let error = given.recv().unwrap().join().unwrap_err();
    ///     assert!(matches!(error, TaskError::WouldDeadlock(_)));
    ///     leave.send(TaskHandle::<u32>::from_refused(error).unwrap()).unwrap();
    ///     7
    /// })?;
    /// give.send(handle)?;
    /// assert_eq!(left.recv()?.join()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_refused(error: TaskError) -> Result<Self, TaskError> {
        match error {
            TaskError::WouldDeadlock(RefusedHandle(handle)) => match handle.downcast() {
                Ok(handle) => Ok(*handle),
                Err(other) => Err(TaskError::WouldDeadlock(RefusedHandle(other))),
            },
            other => Err(other),
        }
    }

    /// True when there is a result, or there will never be one.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.cell.has_ended()
    }

    /// Sees to it that the task never runs, if it has not been started: its closure is dropped at once, and joining
    /// gives [`TaskError::Cancelled`]. True when it was not started and is cancelled by this call.
    ///
    /// The task's place in the pool's queue stays taken until a worker comes to it. One that was spawned
    /// [with a token](TaskPool::spawn_with) and runs already is told by it.
    pub fn cancel(&self) -> bool {
        cancel(&self.cell, self.ender.as_deref())
    }

    /// Something that [cancels](Self::cancel) the task from elsewhere, while the handle is joined or awaited.
    ///
    /// ```
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers(2).build_tasks()?;
    /// let (begun, begins) = std::sync::mpsc::channel();
    /// let laps = pool.spawn_with(move |token| {
    ///     begun.send(()).unwrap();
    ///     let mut laps = 1_u64;
    ///     while !token.is_cancelled() {
    ///         laps += 1;
    ///     }
    ///     laps
    /// })?;
    /// let canceller = laps.canceller();
    /// let joins = std::thread::spawn(move || laps.join());
    /// begins.recv()?;
    /// assert!(!canceller.cancel(), "it had started, and is told");
    /// assert!(joins.join().unwrap()? > 0);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    #[must_use]
    pub fn canceller(&self) -> TaskCanceller {
        TaskCanceller::of(self.cell.clone(), self.ender.clone())
    }

    /// Waits. A worker of the pool does the work itself.
    fn wait(&self, deadline: Option<Instant>) -> JoinOutcome<R> {
        let help = || {
            self.cell.start(|_| {});
        };
        if self.pool.is_of_this_thread() {
            help();
        }
        self.cell.wait(Some(self.pool), deadline, WayOut::RefusedJoin, help)
    }
}

impl<R: Send + 'static> Future for TaskHandle<R> {
    type Output = Result<R, TaskError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.cell.poll(context.waker())
    }
}

impl<R: Send + 'static> Drop for TaskHandle<R> {
    fn drop(&mut self) {
        self.cell.abandon();
    }
}

impl<R: Send + 'static> fmt::Debug for TaskHandle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHandle").field("is_finished", &self.is_finished()).finish_non_exhaustive()
    }
}

/// What the pool gets: runs the task if it is still to be run; dropped instead, it tells the handle that it never will.
struct TaskTicket<R: Send + 'static> {
    cell: Option<Arc<TaskCell<R>>>,
}

impl<R: Send + 'static> TaskTicket<R> {
    fn run(mut self) {
        if let Some(cell) = self.cell.take() {
            cell.start(|_| {});
        }
    }
}

impl<R: Send + 'static> Drop for TaskTicket<R> {
    fn drop(&mut self) {
        if let Some(cell) = self.cell.take() {
            cell.forestall(TaskError::Lost);
        }
    }
}
