//! Tasks that belong together: all results or the first error.
//!
//! Every task is a [`TaskCell`] with a ticket in the pool; the group keeps the list of them, and which failed first. A
//! failure cancels the tasks that have not been started, each by the lock of its cell, so there is no state in which a task
//! both is skipped and runs.

use std::fmt;
use std::mem;

use super::cell::{JoinOutcome, TaskCell, TaskResult};
use super::error::{GroupError, TaskError};
use super::job::Job;
use super::refused::RefusedClosure;
use super::share::SubPool;
use super::task::{Task, TaskPool};
use crate::error::SubmitError;
use crate::panic::drop_each_quietly;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex};
use crate::threads::identity::PoolIdentity;

/// Tasks of which one wants all results, or the first error.
///
/// The first task that returns an error or panics cancels those that have not been started; those that run are waited
/// for, and can look at the group's [token](TaskGroup::token) to end early.
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
pub struct TaskGroup<T: Send + 'static, E: Send + 'static> {
    place: Destination,
    book: Arc<Book<T, E>>,
}

/// Where a group's tasks run.
enum Destination {
    Pool(TaskPool),
    Share(SubPool),
}

/// What the group and its tickets share.
struct Book<T: 'static, E: 'static> {
    cancelled: Arc<AtomicBool>,
    list: Mutex<List<T, E>>,
}

struct List<T: 'static, E: 'static> {
    members: Vec<Member<T, E>>,
    next_number: u64,
    /// Number of the first member that went wrong.
    first_failure: Option<u64>,
    /// A task was not even taken up, because the group was cancelled.
    skipped: bool,
}

struct Member<T: 'static, E: 'static> {
    number: u64,
    cell: Arc<TaskCell<Result<T, E>>>,
}

impl<T, E> Clone for Member<T, E> {
    fn clone(&self) -> Self {
        Member { number: self.number, cell: self.cell.clone() }
    }
}

impl TaskPool {
    /// An empty group of tasks on this pool.
    pub fn group<T: Send + 'static, E: Send + 'static>(&self) -> TaskGroup<T, E> {
        TaskGroup::at(Destination::Pool(self.clone()))
    }
}

impl SubPool {
    /// An empty group of tasks on this share: the share runs no more of them at a time than it allows. A worker of the
    /// parent that [waits](TaskGroup::wait) for the group runs tasks of it itself, beside the share and not counted there.
    pub fn group<T: Send + 'static, E: Send + 'static>(&self) -> TaskGroup<T, E> {
        TaskGroup::at(Destination::Share(self.clone()))
    }
}

impl<T: Send + 'static, E: Send + 'static> TaskGroup<T, E> {
    fn at(place: Destination) -> Self {
        let list = List { members: Vec::new(), next_number: 0, first_failure: None, skipped: false };
        TaskGroup {
            place,
            book: Arc::new(Book { cancelled: Arc::new(AtomicBool::new(false)), list: Mutex::new(list) }),
        }
    }

    /// Hands a task to the pool as [`submit`](crate::WorkerPool::submit) does. Once something has gone wrong in the group
    /// the closure is dropped instead, as those that were not started have been.
    ///
    /// # Errors
    /// As `submit`, with the closure; the group goes on without it.
    pub fn spawn<F>(&self, closure: F) -> Result<(), SubmitError<RefusedClosure<F>>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
    {
        let Some(member) = self.book.enter(closure) else { return Ok(()) };
        let ticket = MemberTicket { book: self.book.clone(), member: Some(member.clone()) };
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

    /// Waits until every task has ended or was cancelled. The results are in the order of the spawns.
    ///
    /// On a worker of the same pool the group's own tasks that were not started are run right here, and never anything
    /// else. A worker that sleeps here is seen to sleep, so that workers that wait for each other do not hang; see
    /// [`TaskHandle::join`](crate::TaskHandle::join) for who is helped or told then.
    ///
    /// # Errors
    /// What went wrong first in the group; further errors and panics are dropped. [`GroupError::WouldDeadlock`] on a worker,
    /// if a task of the group waits for the task that this is called in: then tasks of the group still run.
    pub fn wait(self) -> Result<Vec<T>, GroupError<E>> {
        let members = self.book.members();
        let pool = self.place.pool();
        if pool.is_of_this_thread() {
            for member in &members {
                self.book.run(member);
            }
        }
        let mut results = Vec::with_capacity(members.len());
        let mut failures = Vec::new();
        for member in members {
            let number = member.number;
            let waited = member.cell.wait(Some(pool), None, || self.book.run(&member));
            let JoinOutcome::Ended(outcome) = waited else { return Err(GroupError::WouldDeadlock) };
            match outcome {
                Ok(Ok(result)) => results.push(result),
                Ok(Err(error)) => failures.push((number, GroupError::Failed(error))),
                Err(TaskError::Panicked(panic)) => failures.push((number, GroupError::Panicked(panic))),
                Err(TaskError::Cancelled) => failures.push((number, GroupError::Cancelled)),
                Err(TaskError::Lost) => failures.push((number, GroupError::Lost)),
                Err(TaskError::WouldDeadlock(_)) => unreachable!("no task ends like this"),
            }
        }
        let (first, skipped) = self.book.verdict();
        let place = first.and_then(|first| failures.iter().position(|(number, _)| *number == first));
        let failure = match place {
            Some(place) => Some(failures.swap_remove(place).1),
            None => failures.pop().map(|(_, failure)| failure).or(skipped.then_some(GroupError::Cancelled)),
        };
        let Some(failure) = failure else { return Ok(results) };
        // Nobody gets these, and their drops are the user's code.
        drop_each_quietly(failures);
        drop_each_quietly(results);
        Err(failure)
    }

    /// Cancels every task that has not been started, and raises the token for those that run. If any is skipped for it,
    /// [`wait`](Self::wait) gives [`GroupError::Cancelled`].
    pub fn cancel(&self) {
        self.book.cancel(None);
    }

    /// True once something has gone wrong in the group, or it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.token().is_cancelled()
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
    pub fn token(&self) -> GroupToken {
        GroupToken { cancelled: self.book.cancelled.clone() }
    }

    /// Tasks spawned into the group so far, without those that were refused or skipped.
    #[must_use]
    pub fn len(&self) -> usize {
        self.book.list.lock().members.len()
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

/// Tells a group's tasks that their results are not wanted any more; clones look at the same group.
#[derive(Clone)]
pub struct GroupToken {
    cancelled: Arc<AtomicBool>,
}

impl GroupToken {
    /// True once a task of the group has failed, or the group was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }
}

impl fmt::Debug for GroupToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupToken").field("is_cancelled", &self.is_cancelled()).finish()
    }
}

impl<T: Send, E: Send> Book<T, E> {
    /// Takes a closure up as a member; drops it when the group is cancelled.
    fn enter<F>(&self, closure: F) -> Option<Member<T, E>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
    {
        let mut list = self.list.lock();
        // Under the lock that a cancellation takes its list with: no task is missing there and started here.
        if self.cancelled.load(Ordering::Acquire) {
            list.skipped = true;
            drop(list);
            drop(closure);
            return None;
        }
        let number = list.next_number;
        list.next_number += 1;
        let member = Member { number, cell: TaskCell::new(Job::new(closure)) };
        list.members.push(member.clone());
        Some(member)
    }

    /// Strikes out a member that was refused.
    fn leave(&self, number: u64) {
        let mut list = self.list.lock();
        if let Ok(place) = list.members.binary_search_by_key(&number, |member| member.number) {
            let member = list.members.remove(place);
            drop(list);
            drop(member);
        }
    }

    fn members(&self) -> Vec<Member<T, E>> {
        self.list.lock().members.clone()
    }

    fn run(&self, member: &Member<T, E>) {
        member.cell.start(|outcome: &TaskResult<Result<T, E>>| {
            if !matches!(outcome, Ok(Ok(_))) {
                self.cancel(Some(member.number));
            }
        });
    }

    /// Cancels what has not been started. `cause` is the member that went wrong.
    fn cancel(&self, cause: Option<u64>) {
        let mut list = self.list.lock();
        list.first_failure = list.first_failure.or(cause);
        let again = self.cancelled.swap(true, Ordering::AcqRel);
        drop(list);
        if again {
            return;
        }
        for member in self.members() {
            member.cell.forestall(TaskError::Cancelled);
        }
    }

    /// Who failed first, and whether closures were dropped unseen.
    fn verdict(&self) -> (Option<u64>, bool) {
        let mut list = self.list.lock();
        let verdict = (list.first_failure, list.skipped);
        // All have ended: nothing is left to cancel or to abandon.
        let ended = mem::take(&mut list.members);
        drop(list);
        drop(ended);
        verdict
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

/// What the pool gets: runs the member if it is still to be run; dropped instead, it tells that this will not be.
struct MemberTicket<T: Send + 'static, E: Send + 'static> {
    book: Arc<Book<T, E>>,
    member: Option<Member<T, E>>,
}

impl<T: Send, E: Send> MemberTicket<T, E> {
    fn run(mut self) {
        if let Some(member) = self.member.take() {
            self.book.run(&member);
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> Drop for MemberTicket<T, E> {
    fn drop(&mut self) {
        if let Some(member) = self.member.take() {
            if member.cell.forestall(TaskError::Lost) {
                self.book.cancel(Some(member.number));
            }
        }
    }
}
