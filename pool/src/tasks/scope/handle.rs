//! Handles of tasks that may borrow: their results, before the scope ends.
//!
//! An errand is a cell with the closure in it, as a [`TaskHandle`](crate::TaskHandle) has, of a type that only the
//! spawn knows; the job that a crew gets merely starts what lies in the cell. So whoever joins first runs the task
//! itself, if nobody has started it, and runs nothing else.

use std::fmt;

use super::crew::Crew;
use crate::sync::StdArc;
use crate::tasks::cell::{JoinOutcome, OutcomeCell, TaskResult};
use crate::tasks::error::{RefusedHandle, TaskError};
use crate::waits::WayOut;

/// A task that was handed to a crew, seen from whoever wants its result.
pub(in crate::tasks) struct Errand<'a, R>(StdArc<dyn AnyErrand<R> + 'a>);

/// What is known of an errand whatever its closure.
trait AnyErrand<R>: Send + Sync {
    fn start(&self) -> bool;
    /// Waits for a task that was started, or is over; nothing if it waits for the caller, whose way out is this.
    fn wait(&self, way_out: WayOut) -> Option<TaskResult<R>>;
    fn is_waiting(&self) -> bool;
    fn has_ended(&self) -> bool;
    fn cancel(&self);
    fn renounce(&self) -> Option<TaskResult<R>>;
}

impl<R: Send, F: FnOnce() -> R + Send> AnyErrand<R> for OutcomeCell<R, F> {
    fn start(&self) -> bool {
        OutcomeCell::start(self, |_| {})
    }

    fn wait(&self, way_out: WayOut) -> Option<TaskResult<R>> {
        match OutcomeCell::wait(self, None, None, way_out, || ()) {
            JoinOutcome::Ended(outcome) => Some(outcome),
            JoinOutcome::Late | JoinOutcome::ForEver => None,
        }
    }

    fn is_waiting(&self) -> bool {
        OutcomeCell::is_waiting(self)
    }

    fn has_ended(&self) -> bool {
        OutcomeCell::has_ended(self)
    }

    fn cancel(&self) {
        self.forestall(TaskError::Cancelled);
    }

    fn renounce(&self) -> Option<TaskResult<R>> {
        OutcomeCell::renounce(self)
    }
}

impl<'a, R: Send + 'a> Errand<'a, R> {
    /// An errand, and the job to be given to a crew for it. The job panics with the task's panic if nobody will ask.
    pub(in crate::tasks) fn new<F>(task: F) -> (Self, impl FnOnce() + Send + use<'a, R, F>)
    where
        F: FnOnce() -> R + Send + 'a,
    {
        let cell = StdArc::new(OutcomeCell::unshared(task));
        let job = cell.clone();
        let run = move || {
            job.start(|_| {});
        };
        (Errand(cell), run)
    }
}

impl<R> Errand<'_, R> {
    /// Runs the task here, unless it was started. True when it was run here.
    pub(in crate::tasks) fn start(&self) -> bool {
        self.0.start()
    }

    pub(in crate::tasks) fn has_ended(&self) -> bool {
        self.0.has_ended()
    }

    /// True until it is started or cancelled.
    pub(in crate::tasks) fn is_waiting(&self) -> bool {
        self.0.is_waiting()
    }

    /// Runs the task here if nobody has started it, and waits for its end. It has to: if the task waits for the caller
    /// in its turn, the task is told.
    pub(in crate::tasks) fn settle(&self) -> TaskResult<R> {
        self.0.start();
        self.0.wait(WayOut::Nothing).expect("a wait that has no way out is not refused")
    }

    /// The same, but refused if the task waits for the caller and nobody else can be told.
    fn join(&self) -> TaskResult<R> {
        self.0.start();
        let outcome = self.0.wait(WayOut::RefusedJoin);
        outcome.unwrap_or_else(|| Err(TaskError::WouldDeadlock(RefusedHandle::of_nobody())))
    }

    /// Drops the task if it was not started, else its result.
    pub(in crate::tasks) fn give_up(&self) -> Option<TaskResult<R>> {
        self.0.cancel();
        self.0.renounce()
    }
}

/// The result of a task that was [spawned](super::Scope::spawn) into a scope, once there is one; as
/// [`std::thread::ScopedJoinHandle`].
///
/// Dropping it changes nothing for the task: it still runs, its result is dropped, and its panic is the scope's.
pub struct ScopedHandle<'scope, R: Send + 'scope> {
    errand: Errand<'scope, R>,
    crew: &'scope Crew,
}

impl<'scope, R: Send + 'scope> ScopedHandle<'scope, R> {
    pub(super) fn new(errand: Errand<'scope, R>, crew: &'scope Crew) -> Self {
        ScopedHandle { errand, crew }
    }

    /// Waits for the result. A task that no worker has started is run right here instead, and never anything else.
    ///
    /// A worker that sleeps here is seen to sleep; see [`TaskHandle::join`](crate::TaskHandle::join).
    ///
    /// # Errors
    /// [`TaskError::Panicked`]; a panic that was asked for is not the scope's any more. [`TaskError::WouldDeadlock`],
    /// without a handle, if the task waits for the one that this is called in; the scope waits for it nevertheless.
    pub fn join(self) -> Result<R, TaskError> {
        self.errand.join()
    }

    /// True when the task has ended.
    pub fn is_finished(&self) -> bool {
        self.errand.has_ended()
    }
}

impl<'scope, R: Send + 'scope> Drop for ScopedHandle<'scope, R> {
    fn drop(&mut self) {
        match self.errand.0.renounce() {
            Some(Err(TaskError::Panicked(panic))) => self.crew.note_panic(panic.into_value()),
            outcome => crate::panic::drop_quietly(outcome),
        }
    }
}

impl<'scope, R: Send + 'scope> fmt::Debug for ScopedHandle<'scope, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedHandle").field("is_finished", &self.is_finished()).finish_non_exhaustive()
    }
}
