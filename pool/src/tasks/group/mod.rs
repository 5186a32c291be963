//! Tasks that belong together: all results or the first error.
//!
//! Every task is a [`TaskCell`](super::cell::TaskCell) with a ticket in the pool; the group keeps the list of them, and
//! which failed first. A failure cancels the tasks that have not been started, each by the lock of its cell, so there
//! is no state in which a task both is skipped and runs.

mod book;
mod wait;

use std::convert::Infallible;
use std::fmt;
use std::mem;

use super::cell::TaskResult;
use super::refused::RefusedClosure;
use super::share::SubPool;
use super::task::{Task, TaskPool};
use super::token::TaskToken;
use crate::error::SubmitError;
use crate::panic::drop_each_quietly;
use crate::sync::Arc;
use crate::threads::identity::PoolIdentity;
use book::{Book, MemberTicket};

/// Tasks of which one wants all results, or the first error; or what became of [each](TaskGroup::wait_each).
///
/// The first task that returns an error or panics cancels those that have not been started; those that run are waited
/// for, and can look at the group's [token](TaskGroup::token) to end early.
///
/// It is a [`Future`](std::future::Future) as well. Tasks that cannot fail need a type for their error all the same:
/// write `TaskGroup<u32>`, which has [`Infallible`].
///
/// Dropping the group without [`wait`](TaskGroup::wait) detaches its tasks: they run, a failure still cancels the rest,
/// results are dropped, and a panic is the pool's as that of any task.
///
/// ```
/// use anthill_pool::{GroupError, WorkerPool};
///
/// let pool = WorkerPool::builder().max_workers(2).queue_capacity(64).build_tasks()?;
/// let numbers = pool.group();
/// for text in ["1", "2", "3"] {
///     numbers.spawn(move || text.parse::<u32>())?;
/// }
/// assert_eq!(numbers.wait()?, [1, 2, 3]);
///
/// let numbers = pool.group();
/// for text in ["1", "two", "3"] {
///     numbers.spawn(move || text.parse::<u32>())?;
/// }
/// assert!(matches!(numbers.wait(), Err(GroupError::Failed(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "`wait` gives the results"]
pub struct TaskGroup<T: Send + 'static, E: Send + 'static = Infallible> {
    place: Destination,
    book: Arc<Book<T, E>>,
    /// Outcomes that are known already, in the order of the numbers.
    gathered: Vec<(u64, TaskResult<Result<T, E>>)>,
    /// From which number on outcomes are still to be gathered.
    next: u64,
}

/// Where a group's tasks run.
enum Destination {
    Pool(TaskPool),
    Share(SubPool),
}

impl TaskPool {
    /// An empty group of tasks on this pool. Where no task gives an error, its type is to be said:
    /// `let group: TaskGroup<u32> = pool.group();`
    pub fn group<T: Send + 'static, E: Send + 'static>(&self) -> TaskGroup<T, E> {
        TaskGroup::at(Destination::Pool(self.clone()))
    }
}

impl SubPool {
    /// An empty group of tasks on this share: the share runs no more of them at a time than it allows. A worker of the
    /// parent that [waits](TaskGroup::wait) for the group runs tasks of it itself, beside the share and not counted
    /// there.
    pub fn group<T: Send + 'static, E: Send + 'static>(&self) -> TaskGroup<T, E> {
        TaskGroup::at(Destination::Share(self.clone()))
    }
}

impl<T: Send + 'static, E: Send + 'static> TaskGroup<T, E> {
    fn at(place: Destination) -> Self {
        TaskGroup { place, book: Book::new(), gathered: Vec::new(), next: 0 }
    }

    /// A failure does not cancel the other tasks: all run to their end, for [`wait_each`](Self::wait_each).
    ///
    /// ```
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers(2).queue_capacity(64).build_tasks()?;
    /// let numbers = pool.group().keep_going();
    /// for text in ["1", "two", "3", "four"] {
    ///     numbers.spawn(move || text.parse::<u32>())?;
    /// }
    /// let outcomes = numbers.wait_each();
    /// assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 2);
    /// assert!(outcomes[1].is_err() && outcomes[3].is_err());
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn keep_going(self) -> Self {
        self.book.keep_going();
        self
    }

    /// Hands a task to the pool as [`submit`](crate::WorkerPool::submit) does: while the pool is full it waits, which
    /// in async code blocks the executor's thread. Once something has gone wrong in the group the closure is dropped
    /// instead, as those that were not started have been.
    ///
    /// # Errors
    /// As `submit`, with the closure; the group goes on without it.
    pub fn spawn<F>(&self, closure: F) -> Result<(), SubmitError<RefusedClosure<F>>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
    {
        let Some(member) = self.book.enter(closure) else { return Ok(()) };
        let ticket = MemberTicket::new(&self.book, &member);
        let Err(refusal) = self.place.submit(Task::new(move || ticket.run())) else { return Ok(()) };
        match member.cell.withdraw() {
            Some(job) => {
                self.book.leave(member.number);
                Err(refusal.map(|refused| {
                    drop(refused);
                    let closure = job.into_closure();
                    RefusedClosure::new(
                        closure.unwrap_or_else(|_| unreachable!("it was made of this closure")),
                    )
                }))
            }
            None => {
                // Cancelled in the meantime.
                drop(refusal.into_payload());
                Ok(())
            }
        }
    }

    /// Cancels every task that has not been started, and raises the token for those that run. If any is skipped for it,
    /// [`wait`](Self::wait) gives [`Cancelled`](crate::GroupError::Cancelled).
    pub fn cancel(&self) {
        self.book.cancel(None);
    }

    /// True once something has gone wrong in the group, or it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.book.token.is_cancelled()
    }

    /// What long tasks look at to end early.
    ///
    /// ```
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers(2).build_tasks()?;
    /// let group = pool.group::<(), &str>();
    /// let token = group.token();
    /// group.spawn(move || {
    ///     while !token.is_cancelled() {
    ///         std::thread::yield_now();
    ///     }
    ///     Ok(())
    /// })?;
    /// group.spawn(|| Err("nothing to eat"))?;
    /// assert_eq!(group.wait().unwrap_err().into_failure(), Some("nothing to eat"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn token(&self) -> TaskToken {
        self.book.token.clone()
    }

    /// Tasks spawned into the group so far, without those that were refused or skipped.
    #[must_use]
    pub fn len(&self) -> usize {
        self.book.len()
    }

    /// True when nothing was spawned into it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Send + 'static, E: Send + 'static> Drop for TaskGroup<T, E> {
    fn drop(&mut self) {
        for member in self.book.members() {
            member.cell.abandon();
        }
        drop_each_quietly(mem::take(&mut self.gathered));
    }
}

impl<T: Send + 'static, E: Send + 'static> fmt::Debug for TaskGroup<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup")
            .field("tasks", &self.len())
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

impl Destination {
    fn submit(&self, task: Task) -> Result<(), SubmitError<Task>> {
        match self {
            Destination::Pool(pool) => pool.submit(task),
            Destination::Share(share) => share.submit(task),
        }
    }

    /// Whose workers run the tasks.
    fn pool(&self) -> PoolIdentity {
        match self {
            Destination::Pool(pool) => pool.identity(),
            Destination::Share(share) => share.parent().identity(),
        }
    }
}
