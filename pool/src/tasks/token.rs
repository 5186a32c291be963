//! Telling a task that runs that its result is not wanted any more.

use std::fmt;

use crate::sync::StdArc;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Tells a running task, or the tasks of a group, that their results are not wanted any more; a clone is the same
/// token.
///
/// The pool makes it: [`spawn_with`](crate::TaskPool::spawn_with) and [`group`](crate::TaskGroup::token) give it to
/// tasks. To call off a submission that still waits for room there is [`CancelToken`](crate::CancelToken).
///
/// A look is one load of an atomic flag, so a task may look as often as it likes.
#[derive(Clone)]
pub struct TaskToken {
    cancelled: StdArc<AtomicBool>,
}

impl TaskToken {
    pub(super) fn new() -> Self {
        TaskToken { cancelled: StdArc::new(AtomicBool::new(false)) }
    }

    /// True once the task's handle was [cancelled](crate::TaskHandle::cancel); of a group's, once a task of it has
    /// failed or the group was [cancelled](crate::TaskGroup::cancel).
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// True when it was raised before.
    pub(super) fn raise(&self) -> bool {
        self.cancelled.swap(true, Ordering::AcqRel)
    }
}

impl fmt::Debug for TaskToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskToken").field("is_cancelled", &self.is_cancelled()).finish()
    }
}
