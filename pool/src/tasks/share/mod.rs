//! Shares of a pool: tasks of which no more than so many run at a time, on the workers of a parent.
//!
//! This is what users see; `state.rs` decides, `drive.rs` carries it out, and `PROTOCOL.md` tells how.

mod drive;
mod finish;
mod state;

use std::fmt;
use std::time::Duration;

use super::handle::{TaskHandle, spawn_through};
use super::refused::RefusedClosure;
use super::task::{Task, TaskPool};
use crate::error::{SubmitError, WaitError};
use crate::sync::{Arc, Instant};
use crate::watched::Watched;
use drive::Share;
use state::{ShareLimits, ShareState};

impl TaskPool {
    /// A share of this pool: at most `max` (but at least 1) of its workers run the share's tasks at a time. Its queue
    /// has no bound, see [`sub_pool_bounded`](Self::sub_pool_bounded).
    ///
    /// ```
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers(8).build_tasks()?;
    /// let database = pool.sub_pool(2);
    /// for _ in 0..100 {
    ///     database.execute(|| { /* at most two of these at a time */ })?;
    /// }
    /// database.wait_idle()?;
    /// assert!(database.stats().peak_running <= 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn sub_pool(&self, max: usize) -> SubPool {
        self.share(max, None)
    }

    /// As [`sub_pool`](Self::sub_pool), with a bound on the accepted tasks that wait, beyond those that wait for the
    /// share's first worker.
    ///
    /// A submitter that waits for room hears of the end of a task and of nothing else: when the parent is stopped
    /// meanwhile, it is told so once one of the share's running tasks has ended.
    #[must_use]
    pub fn sub_pool_bounded(&self, max: usize, queue_capacity: usize) -> SubPool {
        self.share(max, Some(queue_capacity))
    }

    fn share(&self, max: usize, queue_capacity: Option<usize>) -> SubPool {
        let limits = ShareLimits { max: max.max(1), queue_capacity };
        let state = Watched::new(ShareState::new(limits));
        SubPool { share: Arc::new(Share { parent: self.clone(), state }) }
    }
}

/// A share of a pool: tasks of which no more than so many run at a time, on the workers of the pool, its *parent*. Made
/// by [`sub_pool`](TaskPool::sub_pool); a clone is another handle to the same share.
///
/// For work that must not take all workers, such as queries of a database that allows few connections. A share has no
/// threads: it has a queue of its own, and sends the parent's workers to it. Tasks start in the order in which they
/// were accepted.
///
/// # When a task is accepted
/// At once, while one of the parent's workers works for the share, or is sure to come, and the share's queue has room.
/// Otherwise the parent has to accept the task as it does any other, and its refusal is the share's. Of the parent's
/// policy for [when it is full](crate::WhenFull), `Refuse` holds here too; with any other the submitter waits, because
/// it should neither run the share's tasks itself nor have others discarded in their favour. A submitter that waits
/// like that may find its task done already by a worker that came in the meantime.
///
/// Once the parent is stopped nothing is accepted, and what was still runs.
///
/// # Fairness
/// The share does not keep workers from the parent's other users: while payloads wait in the parent's queue, or
/// submitters are blocked there, a worker leaves the share after each task, and the share goes to the end of that
/// queue. If that is full, the share waits for a worker that has nothing else to do, though not for ever.
///
/// # Panics, joins, stops
/// A panic of a task is one of the parent's: counted and reported there. Only once the parent is stopped several panics
/// in a row are reported as the first of them. The share's own [`stats`](SubPool::stats) count each.
///
/// A worker of the parent that [joins](TaskHandle::join) a task which has not started runs it itself, in place of
/// waiting for it; that one does not count towards the share's limit.
///
/// A share is a handle to its parent, and keeps it open. What [`stop_now`](crate::WorkerPool::stop_now) of the parent
/// hands back may stand for the share's whole queue: running it runs that, dropping the last of it drops that, and
/// [handles](TaskHandle) tell [`Lost`](crate::TaskError::Lost). While a worker works for the share it stays with the
/// share's tasks; [`take_queue`](SubPool::take_queue) has them back at any time. What an open parent discards, because
/// it became too old or had to make room, takes nothing of the share along, unless the parent discards several in a
/// row.
///
/// How it works is told in [`protocol::shares`](crate::protocol::shares).
#[derive(Clone)]
pub struct SubPool {
    share: Arc<Share>,
}

/// A consistent snapshot of a [`SubPool`]: all figures were read in one critical section.
///
/// Always `accepted == finished + running + queued + lost + handed_back`; a task whose submission is under way counts
/// as accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubPoolStats {
    /// The most tasks that may run at a time.
    pub max: usize,
    /// Tasks that run.
    pub running: usize,
    /// Tasks that wait in the share's queue.
    pub queued: usize,
    /// The most tasks that ran at a time.
    pub peak_running: usize,
    /// Tasks accepted.
    pub accepted: u64,
    /// Tasks whose run ended, by returning or by a panic.
    pub finished: u64,
    /// Tasks whose run ended by a panic; part of `finished`.
    pub panicked: u64,
    /// Tasks accepted and dropped, because the parent dropped what stood for them.
    pub lost: u64,
    /// Tasks accepted and handed back by [`take_queue`](SubPool::take_queue).
    pub handed_back: u64,
}

impl SubPool {
    /// Hands a closure to the share, and waits while its queue is full; or while the parent is, if none of its workers
    /// works for the share.
    ///
    /// # Errors
    /// As [`submit`](crate::WorkerPool::submit). On a worker of the parent it never waits for room in the share's own
    /// queue: it is [`WouldDeadlock`](SubmitError::WouldDeadlock) then.
    pub fn execute(&self, closure: impl FnOnce() + Send + 'static) -> Result<(), SubmitError<Task>> {
        self.submit(Task::new(closure))
    }

    /// As [`execute`](Self::execute), but without waiting.
    ///
    /// # Errors
    /// As [`try_submit`](crate::WorkerPool::try_submit).
    pub fn try_execute(&self, closure: impl FnOnce() + Send + 'static) -> Result<(), SubmitError<Task>> {
        self.try_submit(Task::new(closure))
    }

    /// As [`execute`](Self::execute), for a task that is made already.
    ///
    /// # Errors
    /// As `execute`.
    pub fn submit(&self, task: Task) -> Result<(), SubmitError<Task>> {
        Share::place(&self.share, task, true)
    }

    /// As [`try_execute`](Self::try_execute), for a task that is made already.
    ///
    /// # Errors
    /// As `try_execute`.
    pub fn try_submit(&self, task: Task) -> Result<(), SubmitError<Task>> {
        Share::place(&self.share, task, false)
    }

    /// As [`execute`](Self::execute), with a [handle](TaskHandle) of the result.
    ///
    /// # Errors
    /// As `execute`, with the closure.
    pub fn spawn<F, R>(&self, closure: F) -> Result<TaskHandle<R>, SubmitError<RefusedClosure<F>>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        spawn_through(&self.share.parent, closure, |task| self.submit(task))
    }

    /// As [`try_execute`](Self::try_execute), with a [handle](TaskHandle) of the result.
    ///
    /// # Errors
    /// As `try_execute`, with the closure.
    pub fn try_spawn<F, R>(&self, closure: F) -> Result<TaskHandle<R>, SubmitError<RefusedClosure<F>>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        spawn_through(&self.share.parent, closure, |task| self.try_submit(task))
    }

    /// Hands back what is queued and was not started, the oldest first. What runs goes on, and the share stays as it
    /// is.
    ///
    /// A task whose submitter still waits for the parent's answer is left to it. After a stop of the parent this is
    /// what keeps the rest from being run.
    ///
    /// ```
    /// use std::sync::mpsc::channel;
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers(1).build_tasks()?;
    /// let share = pool.sub_pool(1);
    /// let (open, gate) = channel::<()>();
    /// share.execute(move || gate.recv().unwrap())?;
    /// share.execute(|| unreachable!("it is not run"))?;
    /// while share.stats().running == 0 {
    ///     std::thread::yield_now();
    /// }
    /// assert_eq!(share.take_queue().len(), 1);
    /// open.send(())?;
    /// share.wait_idle()?;
    /// assert_eq!((share.stats().finished, share.stats().handed_back), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "these tasks were accepted and will not run"]
    pub fn take_queue(&self) -> Vec<Task> {
        let mut state = self.share.state.lock();
        let taken = state.take_queue();
        self.share.state.unlock_and_notify(state);
        taken
    }

    /// Waits until the share has nothing to do: nothing runs, nothing is queued. Returns if there was such a moment
    /// since the call.
    ///
    /// # Errors
    /// [`WaitError::WouldDeadlock`] on a worker of the parent.
    pub fn wait_idle(&self) -> Result<(), WaitError> {
        self.share.wait_idle(None)
    }

    /// As [`wait_idle`](Self::wait_idle), but no longer than `limit`.
    ///
    /// # Errors
    /// As `wait_idle`, and [`WaitError::Timeout`].
    pub fn wait_idle_timeout(&self, limit: Duration) -> Result<(), WaitError> {
        self.share.wait_idle(Instant::now().checked_add(limit))
    }

    /// All counters at one moment.
    #[must_use]
    pub fn stats(&self) -> SubPoolStats {
        let state = self.share.state.lock();
        let totals = state.totals();
        SubPoolStats {
            max: state.limits().max,
            running: state.running(),
            queued: state.queued(),
            peak_running: totals.peak_running,
            accepted: totals.accepted,
            finished: totals.finished,
            panicked: totals.panicked,
            lost: totals.lost,
            handed_back: totals.handed_back,
        }
    }

    /// The pool whose workers run the tasks.
    #[must_use]
    pub fn parent(&self) -> &TaskPool {
        &self.share.parent
    }
}

impl fmt::Debug for SubPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubPool").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
