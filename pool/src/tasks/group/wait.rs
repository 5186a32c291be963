//! Waiting for a group: for all results, for each outcome, for so long, or by awaiting.
//!
//! Outcomes are gathered one after the other, in the order of the spawns, and kept with the group: so a wait that is
//! given up, and a future that is polled again, go on where they were.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::TaskGroup;
use crate::panic::drop_each_quietly;
use crate::sync::Instant;
use crate::tasks::cell::{JoinOutcome, TaskResult};
use crate::tasks::error::{GroupError, TaskError};
use crate::waits::WayOut;

/// How far gathering came.
enum Gathering {
    Done,
    Late,
    /// The task of this number waits for the worker that waits for it.
    ForEver(u64),
}

impl<T: Send + 'static, E: Send + 'static> TaskGroup<T, E> {
    /// Waits until every task has ended or was cancelled. The results are in the order of the spawns.
    ///
    /// On a worker of the same pool the group's own tasks that were not started are run right here, and never anything
    /// else. A worker that sleeps here is seen to sleep, so that workers that wait for each other do not hang; see
    /// [`TaskHandle::join`](crate::TaskHandle::join) for who is helped or told then.
    ///
    /// # Errors
    /// What went wrong first in the group; further errors and panics are dropped. [`GroupError::WouldDeadlock`] on a
    /// worker, if a task of the group waits for the task that this is called in: then tasks of the group still run.
    pub fn wait(mut self) -> Result<Vec<T>, GroupError<E>> {
        match self.gather(None) {
            Gathering::Done => self.conclude(),
            Gathering::Late => unreachable!("its time is not limited"),
            Gathering::ForEver(_) => Err(GroupError::WouldDeadlock),
        }
    }

    /// As [`wait`](Self::wait), but no longer than `limit`: then the group comes back, and its tasks run on.
    ///
    /// What `wait` runs on a worker is run here too, for as long as it takes. A limit too long to be a point in time
    /// waits without end.
    ///
    /// # Errors
    /// The group, when the time was up; or without such a time where `wait` would be refused.
    ///
    /// ```
    /// use std::time::Duration;
    /// use anthill_pool::{TaskGroup, WorkerPool};
    ///
    /// let pool = WorkerPool::builder().max_workers(2).build_tasks()?;
    /// let (open, gate) = std::sync::mpsc::channel::<()>();
    /// let group: TaskGroup<u32> = pool.group();
    /// group.spawn(move || {
    ///     gate.recv().unwrap();
    ///     Ok(1)
    /// })?;
    /// let group = group.wait_timeout(Duration::from_millis(5)).unwrap_err();
    /// open.send(())?;
    /// assert_eq!(group.wait()?, [1]);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn wait_timeout(mut self, limit: Duration) -> Result<Result<Vec<T>, GroupError<E>>, Self> {
        match self.gather(Instant::now().checked_add(limit)) {
            Gathering::Done => Ok(self.conclude()),
            Gathering::Late | Gathering::ForEver(_) => Err(self),
        }
    }

    /// Waits as [`wait`](Self::wait) does, and returns what became of each task, in the order of the spawns. Those that
    /// were cancelled or skipped because another one failed are there too, as [`GroupError::Cancelled`]; where that is
    /// not wanted, have the group [keep going](Self::keep_going).
    pub fn wait_each(mut self) -> Vec<Result<T, GroupError<E>>> {
        let mut unknown = Vec::new();
        while let Gathering::ForEver(number) = self.gather(None) {
            unknown.push(number);
            self.next = number + 1;
        }
        let (_, skipped) = self.book.verdict();
        let mut outcomes: Vec<_> = mem::take(&mut self.gathered)
            .into_iter()
            .map(|(number, outcome)| (number, of_group(outcome)))
            .chain(skipped.into_iter().map(|number| (number, Err(GroupError::Cancelled))))
            .chain(unknown.into_iter().map(|number| (number, Err(GroupError::WouldDeadlock))))
            .collect();
        outcomes.sort_by_key(|(number, _)| *number);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    fn gather(&mut self, deadline: Option<Instant>) -> Gathering {
        let pool = self.place.pool();
        if pool.is_of_this_thread() {
            for member in self.book.members() {
                self.book.run(&member);
            }
        }
        while let Some(member) = self.book.member_from(self.next) {
            match member.cell.wait(Some(pool), deadline, WayOut::RefusedJoin, || self.book.run(&member)) {
                JoinOutcome::Ended(outcome) => self.keep(member.number, outcome),
                JoinOutcome::Late => return Gathering::Late,
                JoinOutcome::ForEver => return Gathering::ForEver(member.number),
            }
        }
        Gathering::Done
    }

    fn keep(&mut self, number: u64, outcome: TaskResult<Result<T, E>>) {
        self.gathered.push((number, outcome));
        self.next = number + 1;
    }

    /// All results or the first failure, once all outcomes are known.
    fn conclude(&mut self) -> Result<Vec<T>, GroupError<E>> {
        let (first, skipped) = self.book.verdict();
        let mut results = Vec::with_capacity(self.gathered.len());
        let mut failures = Vec::new();
        for (number, outcome) in mem::take(&mut self.gathered) {
            match of_group(outcome) {
                Ok(result) => results.push(result),
                Err(failure) => failures.push((number, failure)),
            }
        }
        let place = first.and_then(|first| failures.iter().position(|(number, _)| *number == first));
        let failure = match place {
            Some(place) => Some(failures.swap_remove(place).1),
            None => {
                let last = failures.pop().map(|(_, failure)| failure);
                last.or((!skipped.is_empty()).then_some(GroupError::Cancelled))
            }
        };
        let Some(failure) = failure else { return Ok(results) };
        // Nobody gets these, and their drops are the user's code.
        drop_each_quietly(failures);
        drop_each_quietly(results);
        Err(failure)
    }
}

/// Awaiting a group gives what [`wait`](TaskGroup::wait) gives, without blocking a thread. Polling never runs a task,
/// not even on a worker.
///
/// ```
/// use anthill_pool::{GroupError, TaskGroup};
///
/// async fn sum(group: TaskGroup<u32>) -> Result<u32, GroupError<std::convert::Infallible>> {
///     Ok(group.await?.into_iter().sum())
/// }
/// ```
impl<T: Send + 'static, E: Send + 'static> Future for TaskGroup<T, E> {
    type Output = Result<Vec<T>, GroupError<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let group = self.get_mut();
        while let Some(member) = group.book.member_from(group.next) {
            match member.cell.poll(context.waker()) {
                Poll::Ready(outcome) => group.keep(member.number, outcome),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(group.conclude())
    }
}

// Results are moved, never pinned.
impl<T: Send + 'static, E: Send + 'static> Unpin for TaskGroup<T, E> {}

fn of_group<T, E>(outcome: TaskResult<Result<T, E>>) -> Result<T, GroupError<E>> {
    match outcome {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(error)) => Err(GroupError::Failed(error)),
        Err(TaskError::Panicked(panic)) => Err(GroupError::Panicked(panic)),
        Err(TaskError::Cancelled) => Err(GroupError::Cancelled),
        Err(TaskError::Lost) => Err(GroupError::Lost),
        Err(TaskError::WouldDeadlock(_)) => unreachable!("no task ends like this"),
    }
}
