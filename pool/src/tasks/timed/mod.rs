//! Tasks at instants: after a while, every so often, and again after a failure.

mod retry;
mod run;
mod schedule;
mod spawn;

use std::fmt;
use std::time::Duration;

pub use schedule::{MissedRuns, Schedule};

use self::run::{Recurrence, Timed, TimedTask};
use self::schedule::First;
use super::task::{Task, TaskPool};
use crate::core::Priority;
use crate::error::SubmitError;
use crate::panic::{PanicValue, catch};
use crate::pool::timer::{Expectation, Timer};
use crate::sync::{Instant, StdArc};

impl TaskPool {
    /// Runs a closure on a worker once `delay` has passed. Returns at once; no worker and no place of the queue is
    /// taken until then. Its result is had by [`spawn_after`](Self::spawn_after).
    ///
    /// *How exact*: never before its time; and after it, as soon as the pool's timer has woken and a worker has taken
    /// the task. The timer is one thread for each pool, there while workers may be let go or anything is scheduled; it
    /// is held up while a thread is being made for what was due before.
    ///
    /// *A busy pool*: when its time has come the task is queued as any other of [normal](crate::Priority::Normal)
    /// priority, behind what waits there already. With another one it goes by
    /// [`Submission::submit_after`](crate::Submission::submit_after), and a periodic one by [`Schedule::priority`].
    /// What must be punctual also beside long tasks, such as a heartbeat, gets a small pool of its own.
    ///
    /// *A full pool*: when its time has come the task is never refused for want of room. If every worker is busy and
    /// the queue is full, it waits beside the queue for the next worker that would go idle, or has passed it over 64
    /// times. So how many wait is bounded by the caller alone. If the system refuses a thread it is tried again every 5
    /// ms.
    ///
    /// *A stop*: what is not due is discarded ([`on_discard`](crate::WorkerPoolBuilder::on_discard),
    /// [`Discard::NotDue`](crate::Discard::NotDue)), or handed back by [`stop_now`](crate::WorkerPool::stop_now); what
    /// was due runs like anything accepted. A restart brings nothing back. [`wait_idle`](crate::WorkerPool::wait_idle)
    /// does not wait for what is not due.
    ///
    /// *A panic* is counted and reported as that of any task ([`on_panic`](crate::WorkerPoolBuilder::on_panic)).
    ///
    /// A delay too long to be a point in time never ends.
    ///
    /// # Errors
    /// [`Closed`](SubmitError::Closed), and [`SpawnFailed`](SubmitError::SpawnFailed) when the system refused the
    /// timer's thread, or for a task that is due at once a worker; each with the closure.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use anthill_pool::WorkerPool;
    ///
    /// let (done, inbox) = std::sync::mpsc::channel();
    /// let pool = WorkerPool::builder().max_workers(2).build_tasks()?;
    /// let called = Instant::now();
    /// pool.after(Duration::from_millis(20), move || done.send(Instant::now()).unwrap())?;
    /// assert!(inbox.recv()? - called >= Duration::from_millis(20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn after<F>(&self, delay: Duration, closure: F) -> Result<ScheduledTask, SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        self.at(self.timer().after(delay), closure)
    }

    /// As [`after`](Self::after), at an instant; one that has passed is now. Instants are those of the system's clock,
    /// or of the pool's [`ManualClock`](crate::ManualClock).
    ///
    /// # Errors
    /// As `after`.
    pub fn at<F>(&self, instant: Instant, closure: F) -> Result<ScheduledTask, SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        let started = start(
            self,
            (instant, Priority::Normal),
            closure,
            |closure, _| Once(Some(closure)),
            |once| once.0.expect("what was refused was not run"),
        );
        started.map(|task| ScheduledTask { task })
    }

    /// Runs a closure on a worker every so often: `schedule` is a period, or a [`Schedule`] that says more.
    ///
    /// Runs are due at the first instant and whole periods after it, so lateness does not add up. They never overlap: a
    /// run that is due while the one before is under way, or waits for a worker, waits for its end, and what was missed
    /// meanwhile is treated as [`Schedule::missed_runs`] says. How exact they are, what happens on a full pool, and at
    /// a stop, is said at [`after`](Self::after). A run that panics is counted and reported as that of any task, and
    /// the next one comes all the same.
    ///
    /// # Errors
    /// As `after`.
    ///
    /// # Panics
    /// When the period is zero.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use anthill_pool::{ManualClock, WorkerPool};
    ///
    /// let clock = ManualClock::new();
    /// let pool = WorkerPool::builder().max_workers(1).clock(&clock).build_tasks()?;
    /// let runs = Arc::new(AtomicU32::new(0));
    /// let counter = runs.clone();
    /// let hourly = pool.every(Duration::from_secs(3600), move || {
    ///     counter.fetch_add(1, Ordering::SeqCst);
    /// })?;
    /// for _ in 0..24 {
    ///     clock.advance(Duration::from_secs(3600));
    ///     pool.wait_idle()?;
    /// }
    /// assert_eq!(runs.load(Ordering::SeqCst), 24);
    /// assert!(hourly.cancel());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn every<F>(&self, schedule: impl Into<Schedule>, closure: F) -> Result<ScheduledTask, SubmitError<F>>
    where
        F: FnMut() + Send + 'static,
    {
        let schedule = schedule.into();
        let first = match schedule.first() {
            First::After(delay) => self.timer().after(delay),
            First::At(instant) => instant,
        };
        let started = start(
            self,
            (first, schedule.urgency()),
            closure,
            |closure, expectation| Periodic { closure, schedule, _expectation: expectation() },
            |periodic| periodic.closure,
        );
        started.map(|task| ScheduledTask { task })
    }
}

/// A task that runs later, or every so often; see [`TaskPool::after`] and [`TaskPool::every`].
///
/// Dropping it changes nothing. It does not keep the pool open.
pub struct ScheduledTask {
    task: StdArc<dyn Timed>,
}

impl ScheduledTask {
    /// Sees to it that no run begins any more; one that is under way goes on to its end. The closure is dropped at
    /// once, or after that run. True when this call is the reason: it had not ended, nor been cancelled before.
    ///
    /// May be called from the task itself.
    ///
    /// ```
    /// use std::time::Duration;
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers(1).build_tasks()?;
    /// let never = pool.after(Duration::from_secs(3600), || unreachable!())?;
    /// assert!(never.cancel());
    /// assert!(!never.cancel() && never.is_finished());
    /// assert_eq!(pool.stats().scheduled, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.task.cancel()
    }

    /// True when no run will begin any more: it has run, or was cancelled, or the pool was stopped.
    pub fn is_finished(&self) -> bool {
        self.task.has_ended()
    }
}

impl fmt::Debug for ScheduledTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScheduledTask").field("is_finished", &self.is_finished()).finish()
    }
}

/// Starts what `wrap` makes of a closure, which is told how to have the timer stay; `unwrap` undoes that when it is
/// refused. The first run is due at an instant, and each has this priority then.
fn start<F, C: Recurrence>(
    pool: &TaskPool,
    (first, priority): (Instant, Priority),
    closure: F,
    wrap: impl FnOnce(F, &dyn Fn() -> Expectation<Task>) -> C,
    unwrap: impl FnOnce(C) -> F,
) -> Result<StdArc<TimedTask<C>>, SubmitError<F>> {
    let timer = pool.timer();
    let started = match timer.era() {
        Some(era) => {
            let body = wrap(closure, &|| timer.clone().expect(era));
            TimedTask::start(timer.clone(), era, body, first, priority).map_err(|refusal| refusal.map(unwrap))
        }
        None => Err(SubmitError::Closed(closure)),
    };
    started.inspect_err(|refusal| timer.note_refusal(refusal))
}

/// A single run.
struct Once<F>(Option<F>);

impl<F: FnOnce() + Send + 'static> Recurrence for Once<F> {
    fn run(&mut self, _: Instant, _: &Timer<Task>) -> (Option<Instant>, Result<(), PanicValue>) {
        (None, self.0.take().map_or(Ok(()), catch))
    }

    fn passed_over(&mut self, _: Instant, _: Instant) -> Option<Instant> {
        None
    }
}

struct Periodic<F> {
    closure: F,
    schedule: Schedule,
    /// So that the timer's thread is not made anew after each run.
    _expectation: Expectation<Task>,
}

impl<F: FnMut() + Send + 'static> Recurrence for Periodic<F> {
    fn run(&mut self, due: Instant, timer: &Timer<Task>) -> (Option<Instant>, Result<(), PanicValue>) {
        let next = self.schedule.next_due(due, timer.now());
        (next, catch(&mut self.closure))
    }

    fn passed_over(&mut self, due: Instant, now: Instant) -> Option<Instant> {
        self.schedule.next_due(due, now)
    }
}
