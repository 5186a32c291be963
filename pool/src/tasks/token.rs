//! Telling a task that runs that its result is not wanted any more.

use std::fmt;

use crate::sync::StdArc;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Tells a running task that its result is not wanted any more; clones look at the same task.
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

    /// True once the task's handle was [cancelled](crate::TaskHandle::cancel).
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    pub(super) fn raise(&self) {
        self.cancelled.store(true, Ordering::Release);
    }
}

impl fmt::Debug for TaskToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskToken").field("is_cancelled", &self.is_cancelled()).finish()
    }
}
