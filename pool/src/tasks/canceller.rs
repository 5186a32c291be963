//! Cancelling a task apart from its handle.

use std::fmt;

use super::cell::TaskCell;
use super::error::TaskError;
use super::token::TaskToken;
use crate::sync::{Arc, StdArc};

/// Cancels a task whose [handle](crate::TaskHandle) is somewhere else: with who joins or awaits it. Made by
/// [`TaskHandle::canceller`](crate::TaskHandle::canceller); a clone cancels the same task. Dropping it changes nothing.
#[derive(Clone)]
pub struct TaskCanceller {
    cancel: StdArc<dyn Fn() -> bool + Send + Sync>,
}

/// What goes on after its cell was settled, and can be told to end.
pub(super) trait EndsEarly: Send + Sync {
    fn end_early(&self);
}

impl EndsEarly for TaskToken {
    fn end_early(&self) {
        self.raise();
    }
}

impl TaskCanceller {
    pub(super) fn of<R: Send + 'static>(
        cell: Arc<TaskCell<R>>,
        ender: Option<StdArc<dyn EndsEarly>>,
    ) -> Self {
        TaskCanceller { cancel: StdArc::new(move || cancel(&cell, ender.as_deref())) }
    }

    /// As [`TaskHandle::cancel`](crate::TaskHandle::cancel): true when the task was not started and is cancelled by
    /// this call.
    pub fn cancel(&self) -> bool {
        (self.cancel)()
    }
}

/// Cancels a task unless it was started; one that was is told to end if it can be.
pub(super) fn cancel<R: Send + 'static>(cell: &TaskCell<R>, ender: Option<&dyn EndsEarly>) -> bool {
    let was_waiting = cell.forestall(TaskError::Cancelled);
    if let Some(ender) = ender {
        ender.end_early();
    }
    was_waiting
}

impl fmt::Debug for TaskCanceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskCanceller")
    }
}
